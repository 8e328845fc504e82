"""Times Test 2 on noise, by default with as many numbers as Model A's memory.

  python -m tests.benchmarks.mutual_information_benchmark
  python -m tests.benchmarks.mutual_information_benchmark --sequences=2
  python -m tests.benchmarks.mutual_information_benchmark \
      --estimator=nearest_neighbours --locations=256 --sequences=2

Sequences of 500 to 1,000 steps of 32 classes are scored against slowly changing
noise in float32 at every location, with all lags, controls, shifts and plain
scores. Prints the time taken, an estimate for 50 sequences, and peak resident
memory. The time does not include making the noise or reading traces.
"""

from collections.abc import Sequence
import json
import os
import resource
import time

from absl import app
from absl import flags
import numpy as np

from analysis.mutual_information import scoring
from dnc.system import progress

_ESTIMATOR = flags.DEFINE_enum(
  'estimator', 'binned', list(scoring.NUM_SHIFTS), 'The estimator.'
)
_LOCATIONS = flags.DEFINE_integer('locations', 16_384, 'Number of locations.')
_SEQUENCES = flags.DEFINE_integer(
  'sequences', 50, 'Number of sequences.', lower_bound=1
)
_SHIFTS = flags.DEFINE_integer(
  'shifts', None, 'Shifts of each sequence; by default as in Test 2.'
)
_JSON = flags.DEFINE_string('json', None, 'Where to write the figures.')

_POST = 50
_NUM_CLASSES = 32
# Autoregressive coefficient of the noise.
_MEMORY = 0.9


def _sequence(index: int) -> tuple[np.ndarray, np.ndarray]:
  """Contents float32 `[time, locations]`, and classes `[time]`."""
  rng = np.random.default_rng((0, index))
  num_steps = rng.integers(500, 1001)
  contents = rng.standard_normal((num_steps, _LOCATIONS.value), np.float32)
  for before, after in zip(contents, contents[1:]):
    after += _MEMORY * before
  return contents, rng.integers(_NUM_CLASSES, size=num_steps)


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  done = 0
  scorer = scoring.Scorer(
    estimator=_ESTIMATOR.value,
    num_shifts=_SHIFTS.value,
    done=lambda number: tell(number),
  )
  total = _SEQUENCES.value * _LOCATIONS.value * scorer.num_scores
  stage = progress.Stage(print, 'mutual information', total, 'scores')

  def tell(number: int) -> None:
    nonlocal done
    done += number
    stage.done(done)

  seconds, processor_seconds = [], 0
  with stage:
    for index in range(_SEQUENCES.value):
      contents, x = _sequence(index)
      start, start_processor = time.monotonic(), time.process_time()
      scorer.add(contents, x)
      seconds.append(time.monotonic() - start)
      processor_seconds += time.process_time() - start_processor
  start = time.monotonic()
  found = scorer.result()
  result_seconds = time.monotonic() - start
  taken = sum(seconds) + result_seconds
  figures = dict(
    estimator=_ESTIMATOR.value,
    locations=_LOCATIONS.value,
    sequences=_SEQUENCES.value,
    scores_per_location=scorer.num_scores,
    cores=os.cpu_count(),
    seconds=taken,
    processor_seconds=processor_seconds,
    seconds_of_the_posts_50=sum(seconds) * _POST / len(seconds)
    + result_seconds,
    scores_per_second=total / taken,
    peak_memory_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    significant=int(found.significant.sum()),
  )
  for name, value in figures.items():
    shown = f'{value:,.1f}' if isinstance(value, float) else f'{value}'
    print(f'{name.replace("_", " ")}: {shown}', flush=True)
  if _JSON.value:
    with open(_JSON.value, 'w', encoding='utf-8') as file:
      json.dump(figures, file, indent=2)


if __name__ == '__main__':
  app.run(main)
