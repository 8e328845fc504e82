"""The answer of Test 1 in words: does the memory hold the latents?

A representation holds a label if, on unseen rollouts, the lower end of the
confidence interval of its gain is above 0 and above the upper ends of random
inputs of the same width and of shuffled labels. The better of the exact and the
Keras probe decides. Each can fail: Adam may stop short, and least squares may
overrate numbers that varied little in training but vary much in unseen
rollouts. There is no answer if random inputs hold something, or if too little
of the planted memory is found.
"""

from collections.abc import Iterator
from collections.abc import Sequence

from analysis.probe import beyond
from analysis.probe import naming
from analysis.probe import planted
from analysis.probe import results
from dnc.system import wording

# With fewer, intervals over rollouts are too narrow: for pure noise, 13 % of
# verdicts are 'Yes' with 6 rollouts, 3 % with 20.
LEAST_UNSEEN = 20

# Probes must find at least this share of what the planted memory holds.
_LEAST_FOUND = 0.5


class _Unseen:
  """The verdicts that scores on unseen rollouts support."""

  def __init__(self, result: results.ProbeResult):
    self._result = result
    self._scores = result.scores['test']
    # The planted memory holds the labels of this offset.
    self._planted_offset = result.offsets[0]

  def labels(self, offset: int) -> list[str]:
    """Labels that vary; others cannot be decided."""
    any_of = next(iter(self._scores.values()))[offset]
    return [
      label
      for label, score in any_of.items()
      if score.best.interval is not None
      and score.best.shuffled.interval is not None
    ]

  def is_held(self, name: str, offset: int, label: str) -> bool:
    """Whether a representation holds a label."""
    score = self._scores[name][offset][label]
    bounds = [0, score.best.shuffled.interval[1]]
    random = self._scores.get(f'{naming.RANDOM}{self._result.widths[name]}')
    if random is not None and not name.startswith(naming.RANDOM):
      control = random[offset][label]
      # Without an exact probe, the control's does not count either.
      control = control if score.exact is None else control.best
      bounds.append(control.interval[1])
    return score.best.interval[0] > max(bounds)

  def held(self, name: str) -> list[tuple[int, str]]:
    """Offsets and labels that a representation holds."""
    return [
      (offset, label)
      for offset in self._result.offsets
      for label in self.labels(offset)
      if self.is_held(name, offset, label)
    ]

  def is_learned(self, name: str, offset: int, label: str) -> bool | None:
    """Whether a representation holds more than those of untrained cores.

    None if there is no telling; True for arrays, which have no such control.
    """
    untrained = self._result.untrained
    return untrained is None or untrained.is_learned(name, offset, label)

  def _shown(self, name: str, offset: int, label: str) -> str:
    """A label and its gain: 'x 0.205', or of classes 'shape +0.100'."""
    gain = self._scores[name][offset][label].best.gain
    sign = '+' if label in self._result.spec.classes else ''
    return f'{naming.in_words(label)} {gain:{sign}.3f}'

  def measures(self) -> str:
    """What the gains measure."""
    spec = self._result.spec
    classes = wording.join(map(naming.in_words, spec.classes))
    if not spec.values:
      return 'accuracy above chance'
    return f'R^2 (for {classes}, accuracy above chance)' if classes else 'R^2'

  def doubts(self) -> Iterator[str]:
    """Yields each failure of a control."""
    for name in self._scores:
      if name.startswith(naming.RANDOM):
        for offset, label in self.held(name):
          yield (
            f'random inputs ({self._result.widths[name]}) seem to hold '
            f'{self._shown(name, offset, label)} of {naming.when(offset)}'
          )
      elif name.startswith(naming.PLANTED):
        for label in self.labels(self._planted_offset):
          if not self._is_found(name, label):
            shown = self._shown(name, self._planted_offset, label)
            there = self._result.attainable.get(label)
            there = '' if there is None else f' of R^2 {there:.3f}'
            yield f'too little of the planted memory is found: {shown}{there}'
    if not all(self._rotating(naming.BY_WRITING)):
      yield 'the rotating memory is not found with slots by last writing'
    if any(self._rotating('')):
      yield 'the rotating memory is found with fixed slots'

  def _rotating(self, order: str) -> Iterator[bool]:
    """Whether a label of the planted rotating memory is found, for each."""
    by_given = self._result.beyond.get(f'{naming.ROTATING}{order}', {})
    spec = self._result.spec
    for offset, labels in by_given.get(beyond.ALONE, {}).items():
      # It keeps the current sprite and those just before.
      if 0 <= offset < planted.RotatingMemory.NUM_SLOTS:
        for label in self.labels(offset):
          most = 1 - spec.chance[label] if label in spec.classes else 1
          yield labels[label].difference >= _LEAST_FOUND * most

  def _is_found(self, name: str, label: str) -> bool:
    """Whether enough of a planted label is found."""
    offset = self._planted_offset
    there = self._result.attainable.get(label) or 0
    low = self._scores[name][offset][label].best.interval[0]
    return self.is_held(name, offset, label) and low >= _LEAST_FOUND * there

  def planted(self) -> str:
    """A sentence on how much of the planted memory is found; '' without one."""
    found = [
      scores[self._planted_offset][label].best.gain / there
      for name, scores in self._scores.items()
      if name.startswith(naming.PLANTED)
      for label, there in self._result.attainable.items()
      if there and label in self.labels(self._planted_offset)
    ]
    if not found:
      return ''
    return f' It finds at least {min(found):.0%} of the planted memory.'

  def _more_than(
    self, name: str, held: Sequence[tuple[int, str]]
  ) -> Iterator[str]:
    """Counts the labels of which a representation holds more than others."""
    if self._result.untrained is not None:
      number = sum(self.is_learned(name, *each) is True for each in held)
      yield f'{number} of {len(held)} more than from untrained cores'
    compared = self._result.comparisons.get(name)
    if compared:
      number = sum(
        all(x[offset][label].interval[0] > 0 for x in compared.values())
        for offset, label in held
      )
      yield f"{number} of {len(held)} more than from the controller's state"

  def clause(self, name: str) -> str:
    """Says what a representation holds."""
    what = f'{naming.in_words(name)} ({self._result.widths[name]} numbers)'
    held = self.held(name)
    if not held:
      return f'nothing from the {what}: {self._most(name)}'
    parts = []
    for offset in dict.fromkeys(offset for offset, _ in held):
      labels = [label for other, label in held if other == offset]
      shown = wording.join([self._shown(name, offset, x) for x in labels])
      parts.append(f'{shown} of {naming.when(offset)}')
    more = wording.join(self._more_than(name, held))
    clause = f'from the {what} {"; ".join(parts)}'
    return f'{clause} ({more})' if more else clause

  def _most(self, name: str) -> str:
    """The most that a representation may hold of any label, undetected."""
    high, offset, label = max(
      (self._scores[name][offset][label].best.interval[1], offset, label)
      for offset in self._result.offsets
      for label in self.labels(offset)
    )
    return (
      f'with 95 % confidence at most {high:.3f}, for {naming.in_words(label)} '
      f'of {naming.when(offset)}'
    )


def augments(result: results.ProbeResult) -> str:
  """Answers the post's question: could M_t or r_t augment h_t and c_t?

  They do where the interval of what they add to both lies above 0.

  Returns:
    Two sentences; '' if it was not asked.
  """
  found = {
    name: [
      offset
      for offset, labels in result.beyond[name]['controller'].items()
      if any(x.interval and x.interval[0] > 0 for x in labels.values())
    ]
    for name in ('memory', 'read_words')
    if 'controller' in result.beyond.get(name, {})
  }
  if not found or result.num_rollouts.get('test', 0) < LEAST_UNSEEN:
    return ''
  clauses = [
    f'by the {naming.in_words(name)}, with what is there of '
    + wording.join(list(map(naming.sprite, offsets)))
    for name, offsets in found.items()
    if offsets
  ]
  answer = f'Yes: {"; ".join(clauses)}' if clauses else 'No'
  return f'Could M_t or r_t augment h_t and c_t? {answer}.'


def text(result: results.ProbeResult) -> str:
  """Returns the answer of Test 1, with the numbers that it rests on.

  It begins with 'Yes', 'No', 'No more than untrained cores' or 'Cannot tell',
  and is about read words and memory or, without these, about all
  representations that are not controls.
  """
  names = [name for name in ('read_words', 'memory') if name in result.widths]
  names = names or [x for x in result.widths if not naming.is_control(x)]
  if result.num_rollouts.get('test', 0) < LEAST_UNSEEN:
    return (
      f'Cannot tell: there are fewer than {LEAST_UNSEEN} unseen rollouts, too '
      'few for an interval.'
    )
  unseen = _Unseen(result)
  if not any(unseen.labels(offset) for offset in result.offsets):
    return 'Cannot tell: no label varies.'
  doubts = list(unseen.doubts())
  if doubts:
    more = f' (and {len(doubts) - 1} more)' if len(doubts) > 1 else ''
    return f'Cannot tell: {doubts[0]}{more}.'
  held = [(name, *each) for name in names for each in unseen.held(name)]
  answer = 'No'
  if held:
    learned = [unseen.is_learned(*each) for each in held]
    answer = 'No more than untrained cores'
    if any(learned):
      answer = 'Yes'
    elif None in learned:
      answer = 'Yes, but there is no telling whether this is learned'
    elif result.untrained.is_frozen:
      answer += ', being one itself'
  asked = len(names) * sum(
    len(unseen.labels(offset)) for offset in result.offsets
  )
  where = wording.join([naming.in_words(name) for name in names])
  clauses = '; and '.join(unseen.clause(name) for name in names)
  return (
    f'{answer}: a linear layer reads {len(held)} of {asked} labels from the '
    f'{where}. Beyond random inputs and shuffled labels, it reads {clauses}.'
    f'{unseen.planted()} Scores are {unseen.measures()} on '
    f'{result.num_rollouts["test"]:,} unseen rollouts.'
  )
