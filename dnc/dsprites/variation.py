"""Which latents vary within a rollout and which are fixed.

A `varying` latent is redrawn for every sprite, a `fixed` one has the same given
class in all rollouts, and any other is drawn once per rollout. The post names
this as future work: "each individual classes in isolation".
"""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import operator

from dnc.dsprites import latents
from dnc.system import errors
from dnc.system import wording

Varying = tuple[str, ...]
# Pairs of name and class, because a dict is not hashable.
Fixed = tuple[tuple[str, int], ...]

_ALLOWED = ', '.join(latents.NAMES)


def shown(value: Iterable[str] | Iterable[tuple[str, int]]) -> str:
  """Formats varying or fixed latents as in a flag."""
  return ','.join(x if isinstance(x, str) else f'{x[0]}:{x[1]}' for x in value)


def parse_fixed(texts: Sequence[str]) -> Fixed:
  """Reads fixed latents from a flag; `resolve` checks them.

  Args:
    texts: a name and a class each, e.g. 'shape:2'.

  Raises:
    UsageError: if a text is not a name and a class.
  """
  pairs = []
  for text in texts:
    name, _, number = text.partition(':')
    if not (number.isascii() and number.isdigit()):
      raise errors.UsageError(
        f'--fixed={",".join(texts)}: must be latents and classes, e.g. '
        f'shape:2,scale:5; latents are {_ALLOWED}'
      )
    pairs.append((name, int(number)))
  return tuple(pairs)


def resolve(
  varying: Iterable[str] | None,
  fixed: Mapping[str, int] | Iterable[tuple[str, int]] = (),
) -> tuple[Varying, Fixed]:
  """Checks which latents vary and which are fixed, and sorts them.

  Args:
    varying: names of the latents redrawn for every sprite; None for all that
      are not fixed.
    fixed: names and classes of the latents that never change.

  Returns:
    Varying and fixed latents, both in the order of `latents.NAMES`.

  Raises:
    UsageError: if a name or a class is unknown, a latent is fixed twice, a
      latent is both varying and fixed, or none varies.
    TypeError: if a class is not an integer.
  """
  pairs = list(fixed.items() if isinstance(fixed, Mapping) else fixed)
  pairs = [(name, operator.index(number)) for name, number in pairs]
  classes = dict(pairs)
  flag = f'--fixed={shown(pairs)}: '
  if not set(classes) <= set(latents.NAMES):
    raise errors.UsageError(f'{flag}must be some of {_ALLOWED}')
  if len(classes) < len(pairs):
    raise errors.UsageError(f'{flag}must name each latent only once')
  for name, size in zip(latents.NAMES, latents.SIZES):
    if not 0 <= classes.get(name, 0) < size:
      raise errors.UsageError(f'{flag}classes of {name} are 0 to {size - 1}')
  if varying is None:
    names = set(latents.NAMES) - set(classes)
    if not names:
      raise errors.UsageError(f'{flag}must leave at least one latent to vary')
  else:
    varying = list(varying)
    names = set(varying)
    if not names or not names <= set(latents.NAMES):
      raise errors.UsageError(
        f'--varying={shown(varying)}: must be some of {_ALLOWED}'
      )
  both = [name for name in latents.NAMES if name in names and name in classes]
  if both:
    raise errors.UsageError(
      f'{flag}must not name latents that --varying={shown(varying)} also '
      f'names: {", ".join(both)}'
    )
  return (
    tuple(name for name in latents.NAMES if name in names),
    tuple((name, classes[name]) for name in latents.NAMES if name in classes),
  )


def in_words(varying: Varying, fixed: Fixed) -> str:
  """Says in a sentence which latents vary and which are fixed."""
  verb = 'varies' if len(varying) == 1 else 'vary'
  parts = [f'{wording.join(varying)} {verb} from sprite to sprite']
  parts += [f'{name} is of class {number}' for name, number in fixed]
  named = {*varying, *dict(fixed)}
  drawn = [name for name in latents.NAMES if name not in named]
  if drawn:
    verb = 'is' if len(drawn) == 1 else 'are'
    parts.append(f'{wording.join(drawn)} {verb} drawn once for each rollout')
  return '; '.join(parts)
