"""Times the core: `snt.dynamic_unroll` against `unroll`.

  python -m tests.benchmarks.core_benchmark
  python -m tests.benchmarks.core_benchmark --models=b --lengths=100

Three ways to unroll take turns in one process, so that changes of the machine's
speed affect all of them. Figures are medians; ratios are medians of each turn's
ratio.

*   port: `snt.dynamic_unroll` of the core with the reference's helpers, as in a
    straight port of google-deepmind/dnc. They sort and gather each row of a
    batch separately, and multiply with `cumprod`.
*   core: `snt.dynamic_unroll` of our core.
*   unroll: `dnc.unroll.unroll`.

With `--peers=FOLDER`, made by `pip install --target=FOLDER dnc torch`,
pytorch-dnc takes turns too, in its own process.

A training step is loss, gradients, clipping and Adam, the same for all three,
with hidden size 256, 4,101 inputs and 4,096 outputs. The ceiling is the speed
if only the multiplications by weights took time, at the rate of a large matrix
product in the same process. Peak memory is measured in a separate process.
"""

from collections.abc import Callable
from collections.abc import Sequence
import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from typing import Any
from unittest import mock

from absl import app
from absl import flags
import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import dnc
from dnc import unroll as unroll_lib
from dnc import util
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.recurrence import compiled_chunk
from dnc.training import optimizers

_MODELS = flags.DEFINE_list('models', ['a', 'b'], 'Some of a, b.')
_LENGTHS = flags.DEFINE_list('lengths', ['100', '500'], 'Steps of a sequence.')
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 16, 'Sequences in a batch.')
_TURNS = flags.DEFINE_integer('turns', 5, 'Turns of each way.', lower_bound=1)
_MEMORY_LENGTHS = flags.DEFINE_list(
  'memory_lengths',
  ['500', '1000'],
  'Steps of the sequences that Model A is trained on for peak memory.',
)
_PEERS = flags.DEFINE_string('peers', None, 'Folder with pytorch-dnc.')
_JSON = flags.DEFINE_string('json', None, 'Where to write the figures.')
_PEAK_OF = flags.DEFINE_string(
  'peak_of', None, 'Internal: <way>,<length>; trains Model A once.'
)

_SIZES = dict(a=(256, 64), b=(16, 16))
_NUM_READS = 4
_HIDDEN_SIZE = 256
_PEER = 'pytorch-dnc'
# The smallest number of steps in a turn of forward passes.
_LEAST_STEPS = 500


def _invert_permutations(permutations: tf.Tensor) -> tf.Tensor:
  rows = tf.unstack(permutations)
  return tf.stack([tf.math.invert_permutation(row) for row in rows])


def _gather(values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
  rows = zip(tf.unstack(values), tf.unstack(indices))
  return tf.stack([tf.gather(row, index) for row, index in rows])


def _product(x: tf.Tensor, axis: int) -> tf.Tensor:
  products = tf.math.cumprod(x, axis=axis)
  return tf.gather(products, x.shape[axis] - 1, axis=axis)


def _port(core: dnc.DNC, *arguments: Any) -> tuple:
  """`snt.dynamic_unroll` with the helpers of the reference."""
  with mock.patch.multiple(
    util,
    batch_invert_permutation=_invert_permutations,
    batch_gather=_gather,
    reduce_prod=_product,
  ):
    return snt.dynamic_unroll(core, *arguments)


_WAYS = dict(port=_port, core=snt.dynamic_unroll, unroll=unroll_lib.unroll)


def _core(model: str) -> dnc.DNC:
  memory_size, word_size = _SIZES[model]
  core = dnc.DNC(
    access_config=dict(
      memory_size=memory_size, word_size=word_size, num_reads=_NUM_READS
    ),
    controller_config=dict(hidden_size=_HIDDEN_SIZE),
    output_size=rollouts.NUM_PIXELS,
    clip_value=20.0,
  )
  core(tf.zeros([1, rollouts.INPUT_SIZE]), core.initial_state(1))
  return core


def _data(length: int) -> tuple[tf.Tensor, tf.Tensor]:
  shape = [length, _BATCH_SIZE.value]
  pixels = tf.random.stateless_uniform([*shape, rollouts.NUM_PIXELS], [0, 1])
  targets = tf.cast(pixels < 0.04, tf.float32)
  actions = tf.random.stateless_normal([*shape, 5], [0, 2])
  return tf.concat([targets, actions], axis=2), targets


def _functions(core: dnc.DNC, way: Callable) -> dict[str, Callable]:
  """Makes a training step and a forward pass in one of the ways."""
  variables = core.trainable_variables
  optimizer = optimizers.make('adam', 1e-4, variables)

  @tf.function
  def train(inputs, targets):
    with tf.GradientTape() as tape:
      logits = way(core, inputs, core.initial_state(inputs.shape[1]))[0]
      loss = tf.reduce_mean(model_lib.image_loss(logits, targets))
    gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), 50.0)
    optimizer.apply(gradients, variables)
    return loss

  @tf.function
  def forward(inputs, targets):
    del targets
    return way(core, inputs, core.initial_state(inputs.shape[1]))[0][-1]

  return dict(train=train, forward=forward)


def _seconds(function: Callable, *arguments: Any, calls: int = 1) -> float:
  """Returns the mean seconds of some calls in a row."""
  start = time.perf_counter()
  for _ in range(calls):
    function(*arguments).numpy()
  return (time.perf_counter() - start) / calls


def _multiplications(core: dnc.DNC) -> int:
  """Returns the number of multiplications by weights in a forward step."""
  return sum(
    v.shape.num_elements()
    for v in core.trainable_variables
    if v.shape.rank == 2
  )


def _multiplications_per_second(num_turns: int) -> float:
  """Measures the rate of a large product of float32 matrices."""
  matrix = tf.random.stateless_normal([2048, 2048], [0, 3])
  product = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
  product()
  return 2048**3 / np.median([_seconds(product) for _ in range(num_turns)])


def _sizes(model: str) -> list[int]:
  """Returns the sizes of a model that pytorch_dnc_worker.py takes."""
  memory_size, word_size = _SIZES[model]
  return [
    memory_size,
    word_size,
    _NUM_READS,
    _HIDDEN_SIZE,
    rollouts.INPUT_SIZE,
    rollouts.NUM_PIXELS,
  ]


@contextlib.contextmanager
def _peer(model: str, length: int):
  """Yields a function that times a task of pytorch-dnc; None without it."""
  if _PEERS.value is None:
    yield None
    return
  script = os.path.join(os.path.dirname(__file__), 'pytorch_dnc_worker.py')
  arguments = [_PEERS.value, _BATCH_SIZE.value, length, *_sizes(model)]
  with subprocess.Popen(
    [sys.executable, script, *map(str, arguments)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  ) as process:
    if process.stdout.readline() != 'ready\n':
      raise app.UsageError(
        f'--peers={_PEERS.value}: pytorch-dnc does not start from there (see '
        'above); make the folder with: pip install --target=FOLDER dnc torch'
      )

    def seconds(task: str) -> float:
      print(task, file=process.stdin, flush=True)
      return float(process.stdout.readline())

    yield seconds
    process.stdin.close()


def _measure(model: str, length: int, rate: float) -> dict[str, Any]:
  """Measures steps per second of each way, in turns."""
  core = _core(model)
  data = _data(length)
  # So that the time to the first step includes compiling.
  compiled_chunk.chunk_for.cache_clear()
  functions = {way: _functions(core, f) for way, f in _WAYS.items()}
  steps = length * _BATCH_SIZE.value
  found = dict(model=model, length=length, multiplications_per_second=rate)
  with _peer(model, length) as peer:
    # The backward pass has two products for each one of the forward pass.
    for task, products in dict(train=3, forward=1).items():
      # Several short forward passes, because the first finds the processor
      # caches as another way left them.
      calls = max(1, _LEAST_STEPS // length) if task == 'forward' else 1
      timers = {
        way: (lambda calls=calls, f=f[task]: _seconds(f, *data, calls=calls))
        for way, f in functions.items()
      }
      if peer:
        timers[_PEER] = lambda calls=calls, task=task: np.mean(
          [peer(task) for _ in range(calls)]
        )
      first = {way: _seconds(f[task], *data) for way, f in functions.items()}
      if peer:
        first[_PEER] = peer(task)
      seconds = {way: [] for way in timers}
      for _ in range(_TURNS.value):
        for way, timer in timers.items():
          seconds[way].append(timer())
      found[task] = dict(
        steps_per_second={
          way: steps / np.median(s) for way, s in seconds.items()
        },
        ratios={
          way: float(np.median(np.divide(s, seconds['unroll'])))
          for way, s in seconds.items()
        },
        ceiling=rate / (products * _multiplications(core)),
        seconds_to_first_step=first,
      )
  return found


def _peak_memory(way: str, length: int) -> float | None:
  """Measures the peak resident memory of training Model A, in GB.

  Args:
    way: a key of `_WAYS`.
    length: steps of a sequence.

  Returns:
    The peak; None if the process was killed.
  """
  command = [sys.executable, '-m', 'tests.benchmarks.core_benchmark']
  command += [f'--peak_of={way},{length}', f'--batch_size={_BATCH_SIZE.value}']
  process = subprocess.run(command, check=False, stdout=subprocess.PIPE)
  return float(process.stdout.split()[-1]) if process.returncode == 0 else None


def _print_peak(way: str, length: int) -> None:
  train = _functions(_core('a'), _WAYS[way])['train']
  for _ in range(2):
    train(*_data(length))
  print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def _header() -> str:
  """The first lines of the table."""
  ways = [_PEER] if _PEERS.value else []
  ways += _WAYS
  cells = ['steps/s', *ways]
  cells += [f'unroll / {way}' for way in ways if way != 'unroll']
  cells += ['ceiling', 'first step: port, s', 'unroll, s']
  return f'| {" | ".join(cells)} |\n|{"---|" * len(cells)}'


def _line(result: dict[str, Any], task: str) -> str:
  """A line of the table."""
  found = result[task]
  speeds, ratios = found['steps_per_second'], found['ratios']
  first = found['seconds_to_first_step']
  ways = [way for way in (_PEER, *_WAYS) if way in speeds]
  cells = [f'{result["model"].upper()} {task}, T = {result["length"]}']
  cells += [f'{speeds[way]:,.0f}' for way in ways]
  cells += [f'{ratios[way]:.2f}' for way in ways if way != 'unroll']
  cells += [f'{found["ceiling"]:,.0f}']
  cells += [f'{first[way]:.1f}' for way in ('port', 'unroll')]
  return f'| {" | ".join(cells)} |'


def main(argv: Sequence[str]) -> None:
  """Measures and prints."""
  del argv
  if _PEAK_OF.value:
    way, length = _PEAK_OF.value.split(',')
    _print_peak(way, int(length))
    return
  # First, because a forked process's peak is at least its parent's memory.
  peaks = {}
  for length in _MEMORY_LENGTHS.value:
    for way in ('port', 'unroll'):
      name = f'{way}, T = {length}'
      peaks[name] = peak = _peak_memory(way, int(length))
      shown = 'did not finish' if peak is None else f'{peak:.1f} GB'
      print(f'peak memory, A train, {name}: {shown}', flush=True)
  rate = _multiplications_per_second(_TURNS.value)
  print(_header())
  results = []
  for model in _MODELS.value:
    for length in _LENGTHS.value:
      results.append(_measure(model, int(length), rate))
      for task in ('train', 'forward'):
        print(_line(results[-1], task), flush=True)
  if _JSON.value:
    with open(_JSON.value, 'w', encoding='utf-8') as file:
      json.dump(dict(speeds=results, peak_memory_gb=peaks), file, indent=2)


if __name__ == '__main__':
  app.run(main)
