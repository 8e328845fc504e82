"""The figures of Test 1."""

from analysis.common import figures
from analysis.probe import inputs as probe_inputs
from analysis.probe import probing as probe
from analysis.probe import scores as probe_scores
from analysis.probe import verdict as probe_verdict

# Kinds of what the network itself holds.
_HELD = ('memory', 'controller')
_STATES = ('controller_hidden', 'controller_cell')


def _kind(name: str) -> str:
  """What a representation is, for its colour."""
  if name in ('read_words', 'memory'):
    return 'memory'
  if name in _STATES:
    return 'controller'
  return 'input' if name in ('image', 'action') else 'control'


def gains(
  result: probe.ProbeResult, label: str
) -> figures.figure.Figure | None:
  """Gains of all representations on unseen rollouts; None without any."""
  spec = result.spec
  gain = probe_scores.gain_name(spec, label)
  rows = []
  for name, of_offset in result.scores['test'].items():
    score = of_offset[result.offsets[0]][label]
    if score[gain] is None:
      return None
    low, high = score['interval'] or (score[gain],) * 2
    exact = score['exact'] and score['exact'][gain]
    rows.append(
      figures.Row(
        f'{probe_verdict.in_words(name)} ({result.widths[name]})',
        score[gain],
        low,
        high,
        _kind(name),
        exact,
      )
    )
  most = 1 - spec.chance[label] if label in spec.classes else 1.0
  axis = 'accuracy above chance' if label in spec.classes else 'R²'
  return figures.intervals(
    rows,
    f'{axis} of {probe_verdict.in_words(label)}',
    [(0.0, 'nothing'), (most, 'all')],
    bounds=(-0.1 * most, most),
  )


def sprite(offset: int) -> str:
  """The sprite that an offset leads to, in words."""
  if not offset:
    return 'the current sprite'
  return f'the sprite {probe_verdict.when(offset)}'


def over_time(result: probe.ProbeResult, label: str) -> figures.figure.Figure:
  """Gains of a label at each offset, of what the network holds."""
  rows = []
  gain = probe_scores.gain_name(result.spec, label)
  for name, of_offset in result.scores['test'].items():
    is_control = name.removeprefix(probe_inputs.UNTRAINED_PREFIX) in _STATES
    is_drawn = _kind(name) in _HELD or is_control
    for offset in result.offsets if is_drawn else ():
      score = probe_verdict.best(of_offset[offset][label])
      low, high = score['interval'] or (score[gain],) * 2
      words = probe_verdict.in_words(name)
      words = words.replace('untrained core: controller', 'untrained')
      words = f'{words}, t{-offset:+d}' if offset else f'{words}, t'
      rows.append(figures.Row(words, score[gain], low, high, _kind(name)))
  return figures.intervals(
    rows,
    f'R² of {probe_verdict.in_words(label)}',
    [(0.0, 'nothing'), (1.0, 'all')],
    bounds=(-0.1, 1.0),
    linear=0.1,
  )
