"""Measures how often an untrained core is mistaken for a trained one.

  python -m tests.benchmarks.untrained_benchmark
  python -m tests.benchmarks.untrained_benchmark --num_cores=20 --length=50

In each draw, an untrained core of Model B takes the trained model's place and
is compared with five others, as in Test 1; all are drawn from the same hundred.
Prints the share of draws in which its memory, its memory with sorted slots or
its controller seems to hold more than theirs, for any label at any offset.
Fails if one of these shares is above one in twenty. All cores run over the same
rollouts, fewer and shorter ones than in Test 1.
"""

from collections.abc import Sequence
import itertools
import json
import time

from absl import app
from absl import flags
import numpy as np
from scipy import stats

from analysis.probe import learned
from analysis.probe import untrained
from dnc import config as config_lib
from dnc.dsprites import table as table_lib
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.system import progress

_NUM_DRAWS = flags.DEFINE_integer('num_draws', 1000, 'Number of draws.')
_NUM_CORES = flags.DEFINE_integer('num_cores', 100, 'Cores to draw from.')
_NUM_OTHERS = flags.DEFINE_integer(
  'num_others', 5, 'Cores that each one is compared with.'
)
_NUM_ROLLOUTS = flags.DEFINE_integer(
  'num_rollouts', 100, 'Training rollouts; a fifth as many are unseen.'
)
_LENGTH = flags.DEFINE_integer('length', 100, 'Steps of a rollout.')
_DATA_DIR = flags.DEFINE_string(
  'data_dir', None, "Where the table of sprites is kept; TFDS's folder."
)
_JSON = flags.DEFINE_string('json', None, 'File for all gains.')

_OFFSETS = (-1, 0, 5, 10)
_PARTS = {
  'memory': ('read_words', 'memory'),
  'sorted memory': ('memory_by_writing', 'memory_by_reading'),
  'controller': ('controller_hidden', 'controller_cell'),
}


def _gains() -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
  """Gains of all cores, `[core, offset, label]`, and the labels."""
  spec = rollouts.RolloutSpec(0, 'evaluation', _LENGTH.value, _LENGTH.value)
  number = _NUM_ROLLOUTS.value
  splits = {
    'train': rollouts.RolloutRange(spec, 0, number),
    'test': rollouts.RolloutRange(spec, number, number // 5),
  }
  gauge = untrained.Gauge(
    config_lib.make_training('quick'),
    table_lib.load_table(data_dir=_DATA_DIR.value),
    splits,
    (*config_lib.REPRESENTATIONS, 'read_weights', 'write_weights'),
    _OFFSETS,
  )
  found, total = [], _NUM_CORES.value
  with progress.Stage(progress.Console(), 'cores', total, 'cores') as stage:
    for seed in range(total):
      core = config_lib.make_training('quick', seed=seed)
      found.append(gauge.gains(model_lib.SpritePredictor(core)))
      stage.done(seed + 1)
  gains = {name: np.stack([x[name] for x in found]) for name in gauge.widths}
  return gains, gauge.labels


def main(argv: Sequence[str]) -> None:
  """Runs the benchmark."""
  del argv
  start = time.perf_counter()
  gains, labels = _gains()
  rng = np.random.default_rng(0)
  mistaken = dict.fromkeys(_PARTS, 0)
  for _ in range(_NUM_DRAWS.value):
    one, *others = rng.choice(
      _NUM_CORES.value, 1 + _NUM_OTHERS.value, replace=False
    )
    found = learned.AgainstUntrained(
      own_seeds=(int(one),),
      seeds=tuple(map(int, others)),
      num_rollouts={},
      is_frozen=False,
      compared=learned.compare(
        {name: [x[one]] for name, x in gains.items()},
        {name: x[others] for name, x in gains.items()},
        _OFFSETS,
        labels,
      ),
    )
    for part, names in _PARTS.items():
      mistaken[part] += any(
        found.is_learned(*each)
        for each in itertools.product(names, _OFFSETS, labels)
      )
  seconds = time.perf_counter() - start
  print(f'\n{_NUM_CORES.value} cores, {seconds:.0f} s\n')
  print('| seems to hold more than untrained cores | draws |\n|---|---|')
  for part, number in mistaken.items():
    print(f'| {part} | {number / _NUM_DRAWS.value:.1%} |')
  print('\n| gains of untrained cores | skewness: median | highest |')
  print('|---|---|---|')
  for name, x in gains.items():
    skewness = stats.skew(x, axis=0)
    print(f'| {name} | {np.median(skewness):.2f} | {skewness.max():.2f} |')
  if _JSON.value:
    with open(_JSON.value, 'w', encoding='utf-8') as file:
      json.dump(
        dict(labels=labels, **{k: x.tolist() for k, x in gains.items()}), file
      )
  if max(mistaken.values()) > _NUM_DRAWS.value / 20:
    raise SystemExit('untrained cores are too often mistaken for trained ones')


if __name__ == '__main__':
  app.run(main)
