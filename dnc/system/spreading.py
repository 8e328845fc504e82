"""Work on items: in this process, or spread over the workers of an engine.

A stage of an evaluation is a class that any process can make from the run under
evaluation. Its work is a method that takes items, such as shards or sequences,
and yields what it finds. What it finds of an item, to the last bit, must depend
on the item alone, not on those that are given with it: then it does not matter
which process works on which items.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from typing import Protocol

# A method of a stage: takes the stage, items and the same arguments for all.
Work = Callable[..., Iterator[Any]]


class Spread(Protocol):
  """Lets a stage's work be done somewhere."""

  def __call__(
    self, work: Work, items: Sequence[Any], *args: Any
  ) -> Iterator[Any]:
    """Yields all that `work` yields for the items, in their order.

    Args:
      work: a method of the stage's class, such as `Gauge.measure`.
      items: what to work on.
      *args: passed on to `work`. Items, arguments and what is found can be
        pickled. In place of an `Assignment` without `make`, of the same stage,
        `work` gets what is found of it, an iterable.
    """


class Assignment(NamedTuple):
  """Work that another process can do.

  Attributes:
    make: makes the stage from the run under evaluation; None: not yet said.
    work: a method of the stage's class.
    items: what to work on.
    arguments: for `work`, the same for all items; see `Spread`.
  """

  make: Callable[[Any], Any] | None
  work: Work
  items: Sequence[Any]
  arguments: tuple[Any, ...] = ()

  @property
  def needed(self) -> list['Assignment']:
    """Those among the arguments, of the same stage."""
    return [
      x._replace(make=self.make)
      for x in self.arguments
      if isinstance(x, Assignment)
    ]


def here(stage: Any) -> Spread:
  """All items at once, in this process; for work without `Assignment`s."""
  return lambda work, items, *args: work(stage, items, *args)
