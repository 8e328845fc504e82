"""The tables of docs/RESULTS.md: means over the models of each kind."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import textwrap

from analysis import probe
from analysis.common import orders
from analysis.common import statistics
from analysis.common import tables
from analysis.probe import learned
from analysis.results import keeping
from analysis.results import kinds
from analysis.results import reading
from dnc.dsprites import latents

# By kind, its evaluated models.
Found = Mapping[str, Sequence[reading.EvaluatedNumbers]]

_ABOUT = """\
Each cell has the mean over models of different seeds and, after ±, half of its
95 % interval, by Student's t. A single model has no interval."""
_ABOUT_POST = """\
Errors of the post's probe for the current sprite, on the rollouts that it was
trained on, as in the post: mean squared errors and, for shape, the share of
wrong answers; in brackets R², or accuracy above chance. All other scores are
for rollouts that no probe has seen."""
_ABOUT_HELD = """\
R² on unseen rollouts, by the better of two linear probes: of the next sprite,
which is to be predicted, of the current one, and of the one 5 steps before."""
_ABOUT_OTHERS = """\
The same of other latents, by the exact probe: for the shape, accuracy above
chance; for the angle, the orientation as a point on a circle, R². Far below 0:
least squares failed on unseen rollouts of some model."""
_ABOUT_LEARNED = """\
The number of latents, at all offsets together, of which these models hold more
than untrained cores: by the distance of their mean to the untrained cores. The
memory must hold more with fixed slots and in its best order. The angle is not
counted here, nor corrected for."""
_ABOUT_UNTRAINED = """\
R² of x, by the exact probe: of these models / of untrained cores. All are
fitted to 100 rollouts, so numbers are lower than in the tables above."""
_ABOUT_ADDED = """\
How much R² rises if a linear probe of the controller, hidden and cell state, is
also given the memory or the words read."""
_ABOUT_BEYOND_INPUTS = """\
The same for a linear probe of all that goes in: the image and the action of
this step, and the actions up to it that led to the sprite and away from it. As
the action is a difference of sprites, the next sprite and the current one are
the same question here."""
_ABOUT_NATS = """\
The most information about x that a single number has, in nats above chance."""
_ABOUT_LOST = """\
What a lesion costs, as a share of the gain over predicting the mean image. The
*jolt* is the first three steps after a cut, *lasting* the later ones."""
_ABOUT_TWINS = """\
Twins of the task that need a memory, below the post's task, which needs none.
R² of the x that the model needs: with `--show_every`, x of the current sprite
in the steps in which its image is hidden; else, x of the sprite to be
predicted. *By writing* and *by reading*: from the memory with its slots sorted.
*Beyond controller*: what the memory adds to the controller. *Nats*: the most
information that a single number has about x of the sprite to be predicted, by
Test 2. *Lost*: the lasting cost of a lesion; but for exchanged contents, the
jolt, which only a model that reads what it wrote in earlier steps must suffer.
Where images are often hidden, the controller is reset at every step and the
memory has one slot, unless the row says otherwise."""
_ABOUT_EXPOSED = """\
Model B, trained to show the latents of the current sprite and of the one 5
steps before in its memory (`--expose=memory`). R² of x: what the memory holds,
and what it adds to the controller. *Lost*: as above."""
_ABOUT_SLOPES = """\
How far the predicted sprite moves when the words read or the memory are changed
so that a probe's reading shifts by 1: 1 if the sprite follows, 0 if it stays.
*Shuffled*, *random*: changes of the same length in the direction of shuffled
labels and in random directions. *By writing*, *by reading*: the memory with its
slots sorted. No row, or "-": too little is read to be shifted, or the model was
evaluated before Test 4 measured this."""
_NOT_YET = 'none yet'
_NONE = '-'

# Kinds of the post's task that have twins.
_LIKE_TWINS = ('model_b', 'lstm', 'frozen')
# Names of the sprites at offsets and lags.
_SPRITES = {-1: 'next', 0: 'current', 5: '5 before'}
_POSITIONS = ('x_position', 'y_position')
_OTHERS = ('shape', 'scale', 'orientation_angle')
_BY_WRITING = f'memory{orders.BY_WRITING}'
_BY_READING = f'memory{orders.BY_READING}'
_CHANGED = ('read_words', 'memory', _BY_WRITING, _BY_READING)
_HELD_BY = ('memory', 'read_words', 'controller_hidden', 'controller_cell')
# Lesions that decide Test 3, and the part of their course that is shown.
_LESIONS = {
  ('read_words_other', 'lasting'): 'words of another rollout',
  ('read_words_mean', 'lasting'): 'mean words',
  ('exchanged_memory', 'jolt'): 'memory of another: jolt',
  ('exchanged_memory', 'lasting'): 'lasting',
  ('exchanged_contents', 'jolt'): 'contents alone: jolt',
  ('exchanged_contents', 'lasting'): 'contents alone: lasting',
  ('frozen_memory', 'lasting'): 'frozen memory',
}


def text(found: Found) -> str:
  """Returns all tables of the models of the quick preset, in Markdown."""
  twins = {k: v for k, v in found.items() if kinds.KINDS[k].asked is not None}
  exposed = {
    k: v for k, v in found.items() if kinds.KINDS[k].expose_weight is not None
  }
  of_post = {
    k: v for k, v in found.items() if k not in twins and k not in exposed
  }
  parts = [_ABOUT, _prediction(found), *_tests_1_to_3(of_post)]
  if any(twins.values()):
    like = {name: found[name] for name in _LIKE_TWINS}
    parts += ['### Where memory is needed', _ABOUT_TWINS]
    parts.append(_of_twins({**like, **twins}))
  if any(exposed.values()):
    parts += ['### Trained to show', _ABOUT_EXPOSED]
    parts.append(_of_exposed({'model_b': found['model_b'], **exposed}))
  return '\n\n'.join([*parts, *_test_4(found), _versions(found)])


def full_text(found: Found, reports: Mapping[tuple[str, int], str]) -> str:
  """Returns the tables of the models of the post's size, in Markdown.

  Args:
    found: of each kind, its models.
    reports: by kind and seed, the folders of the reports that are kept, as
      links from the page.
  """
  parts = [_ABOUT, _prediction(found)]
  for name, models in found.items():
    for model in models[:1]:
      parts.append(f'### {kinds.KINDS[name].title}, seed {model.seed}')
      if (name, model.seed) in reports:
        folder = reports[name, model.seed]
        parts.append(
          f'Its [report]({folder}/{keeping.REPORT_PAGE}) (to download and '
          f'open) and [learning curve]({folder}/{keeping.CURVE}).'
        )
      parts += [_ABOUT_POST, model.post_table]
  if any(found.values()):
    parts += [*_tests_1_to_3(found), *_test_4(found), _versions(found)]
  return '\n\n'.join(filter(None, parts))


def _tests_1_to_3(found: Found) -> list[str]:
  parts = ['### Test 1: what is held', _ABOUT_HELD]
  for name in _HELD_BY:
    parts += _titled(name, _positions(found, reading.HELD, name))
  for name in (_BY_WRITING, _BY_READING):
    parts += _titled(name, _positions(found, reading.ADDED, name, 'alone'))
  parts += ['### Test 1: shape, scale and angle', _ABOUT_OTHERS]
  for name in _HELD_BY:
    columns = {
      f'{probe.naming.in_words(label)}, {_SPRITES[offset]}': (
        reading.ADDED,
        name,
        'alone',
        offset,
        label,
      )
      for label in _OTHERS
      for offset in (-1, 0)
    }
    parts += _titled(name, _rows(found, columns, _three_digits))
  parts += ['### Test 1: more than untrained', _ABOUT_LEARNED, _learned(found)]
  parts += [_ABOUT_UNTRAINED, *_beside_untrained(found)]
  parts += ['### Test 1: beyond the controller', _ABOUT_ADDED]
  for name in ('memory', 'read_words'):
    parts += _titled(name, _positions(found, reading.ADDED, name, 'controller'))
  parts += ['### Test 1: beyond what goes in', _ABOUT_BEYOND_INPUTS]
  for name in _HELD_BY:
    parts += _titled(name, _positions(found, reading.ADDED, name, 'inputs'))
  parts += ['### Test 2: what a single number tells', _ABOUT_NATS]
  for name in ('memory', 'read_words', 'controller_hidden', 'action'):
    columns = {
      words: (reading.NATS, name, lag) for lag, words in _SPRITES.items()
    }
    parts += _titled(name, _rows(found, columns, _three_digits))
  lost = {words: (reading.LOST, *key) for key, words in _LESIONS.items()}
  parts += ['### Test 3: what lesions cost', _ABOUT_LOST]
  return parts + _titled('', _rows(found, lost, '{:.2%}'.format))


def _test_4(found: Found) -> list[str]:
  slopes = [part for name in _CHANGED for part in _of_slopes(found, name)]
  if not slopes:
    return []
  return ['### Test 4: does the sprite follow?', _ABOUT_SLOPES, *slopes]


def _of_slopes(found: Found, name: str) -> list[str]:
  """What the sprite does if a representation is changed."""
  directions = {'': 'probe', ', shuffled': 'shuffled', ', random': 'random'}
  columns = {
    f'{probe.naming.in_words(label)}{words}': (
      reading.SLOPE,
      name,
      label,
      direction,
    )
    for label in _POSITIONS
    for words, direction in directions.items()
  }
  return _titled(name, _rows(found, columns, '{:z.2f}'.format))


def _prediction(found: Found) -> str:
  """How well the models predict; the only table with kinds not run yet."""
  rows = []
  for name, models in found.items():
    kind = kinds.KINDS[name]
    rows.append(
      [
        kind.title,
        f'`{" ".join(kind.flags())}`',
        str(len(models) or _NOT_YET),
        _loss(models),
        _cell(models, (reading.PREDICTION, 'iou'), _three_digits),
      ]
    )
  return tables.table(['', 'flags', 'models', 'loss, nats', 'IoU'], rows)


def _of_twins(found: Found) -> str:
  """How well models hold the x that their task needs; costs of lesions."""
  rows = []
  for name, models in found.items():
    kind = kinds.KINDS[name]
    is_hidden = kind.training(0).show_every > 1
    part = (reading.PART, probe.naming.HIDDEN) if is_hidden else ()
    held = {
      'memory': (reading.HELD, 'memory'),
      'by writing': (reading.ADDED, _BY_WRITING, 'alone'),
      'by reading': (reading.ADDED, _BY_READING, 'alone'),
      'controller hidden': (reading.HELD, 'controller_hidden'),
      'controller cell': (reading.HELD, 'controller_cell'),
      'memory beyond controller': (reading.ADDED, 'memory', 'controller'),
      'by reading beyond controller': (
        reading.ADDED,
        _BY_READING,
        'controller',
      ),
    }
    if models:
      row = {
        '': kind.title,
        'loss, nats': _loss(models),
      }
      asked = -1 if kind.asked is None else kind.asked
      for words, key in held.items():
        key = (*part, *key, asked, _POSITIONS[0])
        row[words] = _cell(models, key, _three_digits)
      # Test 2 does not tell hidden steps from others.
      asked = -1 if is_hidden else asked
      for name in ('memory', 'controller_hidden'):
        words = f'nats: {probe.naming.in_words(name)}'
        key = (reading.NATS, name, asked)
        row[words] = _cell(models, key, _three_digits)
      rows.append(row | _lasting(models))
  return tables.of_rows(rows)


def _lasting(models: Sequence[reading.EvaluatedNumbers]) -> dict[str, str]:
  """The costs of the lesions that must harm a model with memory."""
  return {
    f'lost: {words}': _cell(models, (reading.LOST, *key), '{:.1%}'.format)
    for key, words in {
      ('frozen_memory', 'lasting'): 'frozen memory',
      ('exchanged_memory', 'lasting'): 'exchanged memory',
      ('exchanged_contents', 'jolt'): 'exchanged contents, jolt',
    }.items()
  }


def _of_exposed(found: Found) -> str:
  """What exposed models hold, their loss, and costs of lesions."""
  rows = []
  for name, models in found.items():
    if not models:
      continue
    row = {
      'weight': f'{kinds.KINDS[name].expose_weight or 0:g}',
      'loss, nats': _loss(models),
    }
    for offset in (0, 5):
      for words, key in (
        ('memory', (reading.HELD, 'memory')),
        ('memory beyond controller', (reading.ADDED, 'memory', 'controller')),
      ):
        key = (*key, offset, _POSITIONS[0])
        row[f'{words}: {_SPRITES[offset]}'] = _cell(models, key, _three_digits)
    rows.append(row | _lasting(models))
  return tables.of_rows(rows)


def _positions(found: Found, *start: str) -> list[list[str]]:
  """Rows about x and y at all offsets; `start` begins the numbers' keys."""
  columns = {
    f'{probe.naming.in_words(label)}, {words}': (*start, offset, label)
    for offset, words in _SPRITES.items()
    for label in _POSITIONS
  }
  return _rows(found, columns, _three_digits)


def _rows(
  found: Found,
  columns: Mapping[str, reading.Key],
  form: Callable[[float], str],
) -> list[list[str]]:
  """The header, and a row for each kind that has any of these numbers."""
  rows = [['', *columns]]
  for name, models in found.items():
    cells = [_cell(models, key, form) for key in columns.values()]
    if set(cells) != {_NONE}:
      rows.append([kinds.KINDS[name].title, *cells])
  return rows


def _cell(
  models: Sequence[reading.EvaluatedNumbers],
  key: reading.Key,
  form: Callable[[float], str],
) -> str:
  """The mean of a number, and half of its interval."""
  values = [each.numbers.get(key) for each in models]
  values = [value for value in values if value is not None]
  if not values:
    return _NONE
  mean, interval = statistics.mean_interval(values)
  shown = form(mean)
  return f'{shown} ± {form(interval[1] - mean)}' if interval else shown


def _loss(models: Sequence[reading.EvaluatedNumbers]) -> str:
  return _cell(models, (reading.PREDICTION, 'loss'), '{:.1f}'.format)


def _three_digits(value: float) -> str:
  # Adding 0.0 turns -0.0 to 0.0.
  return f'{round(value, 3) + 0.0:.3f}'


def _titled(name: str, rows: Sequence[Sequence[str]]) -> list[str]:
  """A table with its title in the first cell; nothing without rows."""
  (_, *columns), *others = rows
  header = [probe.naming.in_words(name), *columns]
  return [tables.table(header, others)] if others else []


def _learned(found: Found) -> str:
  """A table of the numbers of latents held more than by untrained cores."""
  rows = []
  for name, models in found.items():
    if models:
      pooled = _pooled(models)
      cells = [_count(pooled, each) for each in _HELD_BY]
      rows.append([kinds.KINDS[name].title, *cells])
  return tables.table(['', *map(probe.naming.in_words, _HELD_BY)], rows)


def _beside_untrained(found: Found) -> list[str]:
  """For each kind that was trained, x in its models and in untrained cores."""
  parts = []
  for kind, models in found.items():
    pooled = _pooled(models) if models else None
    if pooled is None or pooled.is_frozen:
      continue
    rows = [['', *_SPRITES.values()]]
    for name in (*learned.ORDERS, *_HELD_BY[1:]):
      held = [
        pooled.compared.get(name, {}).get(offset, {}).get(_POSITIONS[0])
        for offset in _SPRITES
      ]
      if any(held):
        rows.append([probe.naming.in_words(name), *map(_both, held)])
    parts += _titled(kinds.KINDS[kind].title, rows)
  return parts


def _both(found: learned.Compared | None) -> str:
  """The mean gains of trained models and of untrained cores."""
  if found is None:
    return _NONE
  return ' / '.join(
    _three_digits(sum(gains) / len(gains))
    for gains in (found.trained, found.untrained)
  )


def _pooled(
  models: Sequence[reading.EvaluatedNumbers],
) -> learned.AgainstUntrained:
  return learned.pool([_against_untrained(each) for each in models])


def _against_untrained(
  model: reading.EvaluatedNumbers,
) -> learned.AgainstUntrained:
  """Makes the object from the JSON of a model."""
  compared = {
    name: {
      int(offset): {
        label: learned.Compared(
          tuple(each['trained']), tuple(each['untrained']), each['p_value']
        )
        for label, each in by_label.items()
        if label in latents.NAMES
      }
      for offset, by_label in by_offset.items()
    }
    for name, by_offset in model.untrained['compared'].items()
    if name in (*_HELD_BY, *learned.ORDERS)
  }
  return learned.AgainstUntrained(
    own_seeds=tuple(model.untrained['own_seeds']),
    seeds=tuple(model.untrained['seeds']),
    num_rollouts=model.untrained['num_rollouts'],
    is_frozen=model.untrained['is_frozen'],
    compared=compared,
  )


def _count(pooled: learned.AgainstUntrained, name: str) -> str:
  if pooled.is_frozen:
    return 'untrained itself'
  asked = [
    (offset, label)
    for offset, by_label in pooled.compared.get(name, {}).items()
    for label in by_label
  ]
  more = [pooled.is_learned(name, *each) for each in asked]
  # None: there are too few untrained cores to tell.
  return f'{sum(more)}/{len(more)}' if more and None not in more else _NONE


def _versions(found: Found) -> str:
  """The versions of all packages that took part."""
  names = dict.fromkeys(
    f'{package} {version}'
    for models in found.values()
    for each in models
    for package, version in each.versions.items()
  )
  if not names:
    return ''
  return textwrap.fill(f'Evaluated with {", ".join(names)}.', 80)
