"""The verdict of Test 1: can the latents be read? One sentence and a table.

A representation holds a label if, on unseen rollouts, the lower end of the
confidence interval of its gain is above 0 and above the upper ends of random
inputs of the same width and of shuffled labels. A memory must also show more in
its fixed slots than the planted memory whose slots rotate, and sorted slots
more than the same slots with another rollout's contents. The better of the
exact and the Keras probe decides. Each can fail: Adam may stop short, and least
squares may overrate numbers that varied little in training but vary much in
unseen rollouts. A representation adds a label to others if the interval of what
it adds lies above a hundredth. This limit is a convention; the tables have the
numbers.

The verdict is 'Cannot tell' if random inputs seem to hold something, if too
little of a planted memory is found, or if the planted memory whose slots rotate
is found with fixed slots.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from analysis.common import orders
from analysis.common import tables
from analysis.probe import beyond
from analysis.probe import naming
from analysis.probe import planted
from analysis.probe import results
from dnc.system import wording

# With fewer, intervals over rollouts are too narrow: for pure noise, 13 % of
# verdicts are 'Yes' with 6 rollouts, 3 % with 20.
_LEAST_UNSEEN = 20
# Probes must find at least this share of what a planted memory holds.
_LEAST_FOUND = 0.5
# What is added counts as nothing below this.
LEAST_ADDED = 0.01
# The sprites at each offset, as in 'reads the next sprite'.
_SPRITES: dict[str, Callable[[int], bool]] = {
  'later': lambda offset: offset < -1,
  'the next': lambda offset: offset == -1,
  'the current': lambda offset: offset == 0,
  'earlier': lambda offset: offset > 0,
}
# A longer sentence does not say which representation holds which sprites.
_MOST_WORDS = 30
# The given sets that have a column in the table.
ADDS_TO = ('inputs', 'controller')


class _Held:
  """What representations hold, by the scores on unseen rollouts."""

  def __init__(self, result: results.ProbeResult):
    self._result = result
    self._scores = result.scores['test']
    # The planted memory holds the labels of this offset.
    self._planted_offset = result.planted_offset

  def labels(self, offset: int) -> list[str]:
    """Labels that vary; for others there is no verdict."""
    any_of = next(iter(self._scores.values()))[offset]
    return [
      label
      for label, score in any_of.items()
      if score.best.interval is not None
      and score.best.shuffled.interval is not None
    ]

  def further(self, offset: int) -> list[str]:
    """Labels that vary and that only `beyond` has."""
    any_of = next(iter(self._result.beyond.values()), {})
    labels = any_of.get(beyond.ALONE, {}).get(offset, {})
    return [
      label
      for label, found in labels.items()
      if label not in self._result.spec.names and found.interval is not None
    ]

  def all(self) -> list[tuple[int, str]]:
    """All offsets and labels that have a verdict."""
    return [
      (offset, label)
      for offset in self._result.offsets
      for label in (*self.labels(offset), *self.further(offset))
    ]

  def is_held(self, name: str, offset: int, label: str) -> bool:
    """Whether a representation holds a label."""
    if self._is_scored(name, label):
      return self._is_above_controls(name, offset, label)
    if name not in self._result.beyond:
      return False
    interval = self.added(name, beyond.ALONE, offset, label).interval
    bounds = self._of_slots(name, offset, label)
    return interval is not None and interval[0] > max([0, *bounds])

  def _of_slots(self, name: str, offset: int, label: str) -> Iterator[float]:
    """Yields what slots seem to hold of a label by themselves.

    Fixed slots: as much as those of the planted memory that keeps everything,
    in slots that rotate. Sorted slots: as much as with the contents of another
    rollout, since the weights that sort them may tell something.
    """
    found = self._result.beyond.get(naming.ROTATING, {})
    if f'{name}{orders.BY_WRITING}' in self._result.ordered and found:
      ends = {
        k: x.interval[1]
        for k, x in found[beyond.ALONE][offset].items()
        if k in self._result.spec.names and x.interval is not None
      }
      # The angle is not planted.
      yield ends.get(label, max(ends.values(), default=0.0))
    untrained = self._result.untrained
    compared = untrained.compared if untrained is not None else {}
    other = compared.get(f'{naming.OTHER}{name}', {}).get(offset, {})
    if label in other:
      yield from other[label].trained

  def _is_scored(self, name: str, label: str) -> bool:
    """Whether all probes read a label; if not, only those of `beyond` do."""
    return name in self._scores and label in self._result.spec.names

  def _is_above_controls(self, name: str, offset: int, label: str) -> bool:
    score = self._scores[name][offset][label]
    bounds = [0, score.best.shuffled.interval[1]]
    bounds += self._of_slots(name, offset, label)
    random = self._scores.get(f'{naming.RANDOM}{self._result.widths[name]}')
    if random is not None and not name.startswith(naming.RANDOM):
      control = random[offset][label]
      # Without an exact probe, the control's does not count either.
      control = control if score.exact is None else control.best
      bounds.append(control.interval[1])
    return score.best.interval[0] > max(bounds)

  def held(self, name: str) -> list[tuple[int, str]]:
    """Offsets and labels that a representation holds."""
    return [each for each in self.all() if self.is_held(name, *each)]

  def gain(self, name: str, offset: int, label: str) -> float:
    """How much a representation holds of a label."""
    if self._is_scored(name, label):
      return self._scores[name][offset][label].best.gain
    return self.added(name, beyond.ALONE, offset, label).difference

  def added(
    self, name: str, given: str, offset: int, label: str
  ) -> results.Difference:
    """What a representation adds to what is given."""
    return self._result.beyond[name][given][offset][label]

  def is_added(self, name: str, given: str, offset: int, label: str) -> bool:
    """Whether it clearly adds to what is given, see `LEAST_ADDED`."""
    interval = self.added(name, given, offset, label).interval
    least = 0 if given == beyond.ALONE else LEAST_ADDED
    return interval is not None and interval[0] > least

  def is_learned(self, name: str, offset: int, label: str) -> bool | None:
    """Whether a representation holds more than those of untrained cores.

    None if it is unknown; True for arrays, which have no such control.
    """
    untrained = self._result.untrained
    return untrained is None or untrained.is_learned(name, offset, label)

  def doubts(self) -> Iterator[str]:
    """Yields each failure of a control."""
    for name in self._scores:
      if name.startswith(naming.RANDOM):
        for offset, label in self.held(name):
          yield (
            f'random inputs seem to hold {naming.in_words(label)} of '
            f'{sprites([offset])}'
          )
      elif name.startswith(naming.PLANTED):
        for label in self.labels(self._planted_offset):
          if not self._is_found(name, label):
            yield (
              f'too little of the planted memory is found: its '
              f'{naming.in_words(label)}'
            )
    if not all(self._rotating(orders.BY_WRITING)):
      yield 'the rotating memory is not found with slots sorted by writing'
    if any(self._rotating('')):
      yield 'the rotating memory is found with fixed slots'

  def _is_found(self, name: str, label: str) -> bool:
    """Whether enough of a planted label is found."""
    offset = self._planted_offset
    there = self._result.attainable.get(label) or 0
    low = self._scores[name][offset][label].best.interval[0]
    return self.is_held(name, offset, label) and low >= _LEAST_FOUND * there

  def _rotating(self, order: str) -> Iterator[bool]:
    """Yields for each label of the rotating memory whether it is found."""
    name, spec = f'{naming.ROTATING}{order}', self._result.spec
    # It keeps the current sprite and those just before.
    kept = range(planted.RotatingMemory.NUM_SLOTS)
    for offset in kept if name in self._result.beyond else ():
      for label in (
        self.labels(offset) if offset in self._result.offsets else ()
      ):
        most = 1 - spec.chance[label] if label in spec.classes else 1
        gain = self.added(name, beyond.ALONE, offset, label).difference
        yield gain >= _LEAST_FOUND * most


def sprites(offsets: Sequence[int]) -> str:
  """Names the sprites at some offsets, as in 'the next sprite'."""
  found = [
    words for words, is_about in _SPRITES.items() if any(map(is_about, offsets))
  ]
  is_one = len(found) == 1 and found[0].startswith('the')
  return f'{wording.join(found)} sprite{"" if is_one else "s"}'


def subjects(result: results.ProbeResult) -> list[str]:
  """The representations that the verdict is about.

  They are the read words and the memory or, without these, all that are not
  controls.
  """
  names = [name for name in ('read_words', 'memory') if name in result.widths]
  return names or [x for x in result.widths if not naming.is_control(x)]


def text(result: results.ProbeResult) -> str:
  """Says in a sentence, without numbers, whether the labels can be read.

  It begins with 'Yes', 'No', 'No more than untrained cores' or 'Cannot tell',
  and is about `subjects`. 'Yes' names only what is learned, if that is known.
  """
  if result.num_rollouts.get('test', 0) < _LEAST_UNSEEN:
    return 'Cannot tell: there are too few unseen rollouts for an interval.'
  unseen = _Held(result)
  if not unseen.all():
    return 'Cannot tell: no label varies.'
  doubts = list(unseen.doubts())
  if doubts:
    more = ', and more' if len(doubts) > 1 else ''
    return f'Cannot tell: {doubts[0]}{more}.'
  names = subjects(result)
  where = wording.join([naming.in_words(name) for name in names])
  held = {
    (name, *each): unseen.is_learned(name, *each)
    for name in names
    for each in unseen.held(name)
  }
  held |= _held_in_order(unseen, result, held)
  if not held:
    asked = sprites(result.offsets)
    return f'No: a linear layer reads nothing of {asked} from the {where}.'
  held, learned = list(held), list(held.values())
  answer, read = 'No more than untrained cores', held
  if any(learned):
    answer = 'Yes'
    read = [each for each, is_learned in zip(held, learned) if is_learned]
  elif None in learned:
    answer = 'Yes, but it is unknown whether this is learned'
  elif result.untrained.is_frozen:
    answer += ', because this core is itself untrained'
  start = f'{answer}: a linear layer reads'
  said = f'{start} {_what_from_where(read)}.'
  if len(said.split()) > _MOST_WORDS:
    what = sprites([offset for _, offset, _ in read])
    said = f'{start} {what} from the {where.replace(" and ", " or ")}.'
  return said


def _held_in_order(
  unseen: _Held,
  result: results.ProbeResult,
  held: Mapping[tuple[str, int, str], bool | None],
) -> dict[tuple[str, int, str], bool | None]:
  """What only sorted slots hold, and whether that is learned, as `held`."""
  found = {}
  for name in result.ordered:
    if naming.is_control(name):
      continue
    fixed = naming.without_order(name)
    sorted_slots = f'sorted_{fixed}'
    for each in unseen.held(name):
      if not held.get((fixed, *each)):
        known = found.get((sorted_slots, *each), False)
        found[sorted_slots, *each] = known or unseen.is_learned(name, *each)
  return found


def _what_from_where(read: Sequence[tuple[str, int, str]]) -> str:
  """Says which sprites are read from which representations.

  Args:
    read: representations, offsets and labels.

  Returns:
    As in 'the next sprite from the memory'. Sprites that are read from the same
    representations are listed together.
  """
  offsets = {}
  for about in _SPRITES.values():
    chosen = [(name, offset) for name, offset, _ in read if about(offset)]
    names = tuple(dict.fromkeys(name for name, _ in chosen))
    if names:
      offsets.setdefault(names, []).extend(offset for _, offset in chosen)
  return wording.join(
    f'{sprites(about)} from the {wording.join(map(naming.in_words, names))}'
    for names, about in offsets.items()
  )


def augments(result: results.ProbeResult) -> str:
  """Answers the post's question: could M_t or r_t augment h_t and c_t?

  Returns:
    Question and answer; '' if it was not asked.
  """
  names = [
    name
    for name in ('memory', 'read_words')
    if 'controller' in result.beyond.get(name, {})
  ]
  if not names or result.num_rollouts.get('test', 0) < _LEAST_UNSEEN:
    return ''
  unseen = _Held(result)
  clauses = []
  for name in names:
    # Fixed slots, and slots in any order.
    variants = [
      x
      for x in (name, *result.ordered)
      if naming.without_order(x) == name
      and 'controller' in result.beyond.get(x, {})
    ]
    offsets = [
      offset
      for offset, label in unseen.all()
      if any(unseen.is_added(x, 'controller', offset, label) for x in variants)
    ]
    if offsets:
      clauses.append(f'the {naming.in_words(name)}, by {sprites(offsets)}')
  answer = f'Yes: {"; ".join(clauses)}' if clauses else 'No'
  if 'memory' not in names:
    answer += '; the memory was not probed'
  if result.untrained is not None and result.untrained.is_frozen:
    answer += '; but this core was never trained'
  return f'Could M_t or r_t augment h_t and c_t? {answer}.'


def rows(result: results.ProbeResult) -> dict[str, dict[str, str]]:
  """Returns the cells of the small table, by representation.

  A cell says what is held of some sprites or added to a given set: the label
  with the highest gain, and how many of all labels are held or added. The last
  says how many of the held labels untrained cores hold less of.
  """
  unseen = _Held(result)
  about = {
    words: chosen
    for words, is_about in _SPRITES.items()
    if (chosen := [each for each in unseen.all() if is_about(each[0])])
  }
  adds_to = [
    given
    for given in ADDS_TO
    if any(given in by_given for by_given in result.beyond.values())
  ]
  found = {}
  for name in (*result.widths, *result.ordered):
    if not naming.is_control(name):
      row = found[name] = {}
      for words, asked in about.items():
        row[words.removeprefix('the ')] = _held_cell(unseen, name, asked)
      for given in adds_to:
        is_asked = given in result.beyond.get(name, {})
        row[f'beyond {given}'] = (
          _added_cell(unseen, name, given) if is_asked else '-'
        )
      if result.untrained is not None:
        row['more than untrained'] = _learned_cell(unseen, result, name)
  return found


def table(result: results.ProbeResult) -> str:
  """Returns the small table of what each representation holds, in Markdown."""
  return tables.of_rows(
    [{'': naming.in_words(k), **row} for k, row in rows(result).items()]
  )


def _held_cell(
  unseen: _Held, name: str, asked: Sequence[tuple[int, str]]
) -> str:
  held = [each for each in asked if unseen.is_held(name, *each)]
  gains = {each: unseen.gain(name, *each) for each in held}
  return _best(gains, asked, '')


def _added_cell(unseen: _Held, name: str, given: str) -> str:
  asked = unseen.all()
  added = [each for each in asked if unseen.is_added(name, given, *each)]
  gains = {each: unseen.added(name, given, *each).difference for each in added}
  return _best(gains, asked, '+')


def _learned_cell(unseen: _Held, result: results.ProbeResult, name: str) -> str:
  """How many of the labels that it holds untrained cores hold less of."""
  if result.untrained.is_frozen:
    return 'untrained itself'
  learned = [unseen.is_learned(name, *each) for each in unseen.held(name)]
  if None in learned:
    return '-'
  return f'{sum(learned)}/{len(learned)}'


def _best(
  gains: dict[tuple[int, str], float],
  asked: Sequence[tuple[int, str]],
  sign: str,
) -> str:
  """The highest of several gains, as in 'x 0.061 t-5, 8/12'."""
  if not gains:
    return f'0/{len(asked)}'
  offset, label = max(gains, key=gains.get)
  best = f'{naming.in_words(label)} {gains[offset, label]:{sign}.3f}'
  if len({offset for offset, _ in asked}) > 1:
    best += f' {naming.short_offset(offset)}'
  return f'{best}, {len(gains)}/{len(asked)}'
