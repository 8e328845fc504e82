"""The memory that a training needs, checked before it starts."""

import math
import os

from dnc import config as config_lib
from dnc.recurrence import compiled_chunk
from dnc.system import errors

_FLOAT = 4
# TensorFlow and its libraries.
_LIBRARIES = 600 << 20
# Tensors as large as a segment's images that exist at the same time: inputs,
# targets, logits, and the gradient of the logits.
_IMAGES = 4
# Of cgroups v2 and v1: the folder, the files with a container's limit and use,
# and the field of memory.stat with cached files, which give way.
_CGROUPS = (
  ('/sys/fs/cgroup', 'memory.max', 'memory.current', 'inactive_file'),
  (
    '/sys/fs/cgroup/memory',
    'memory.limit_in_bytes',
    'memory.usage_in_bytes',
    'total_inactive_file',
  ),
)


def _left_in_container(
  folder: str, limit: str, used: str, cached: str
) -> float:
  """Bytes that a container may still allocate; infinite without a limit."""

  def text(name):
    try:
      with open(os.path.join(folder, name), encoding='ascii') as file:
        return file.read().strip()
    except OSError:
      return ''

  most = text(limit)
  if not most.isdecimal():
    return math.inf
  fields = dict(line.split() for line in text('memory.stat').splitlines())
  in_use = int(text(used) or 0) - int(fields.get(cached, 0))
  return int(most) - min(max(in_use, 0), int(most))


def available_memory() -> int:
  """Bytes of memory that a process may still allocate.

  What the system or the container has left, whichever is less.
  """
  try:
    with open('/proc/meminfo', encoding='ascii') as file:
      fields = dict(line.split(':') for line in file)
    available = int(fields['MemAvailable'].split()[0]) << 10
  except (OSError, KeyError):
    # Not Linux: all of the machine's memory.
    available = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  return min(available, *(_left_in_container(*names) for names in _CGROUPS))


def _state_size(config: config_lib.Config) -> int:
  """Numbers in the core's state for one sequence."""
  slots, heads = config.memory_size, config.num_write_heads
  words = slots + config.num_read_heads
  per_slot = config.num_read_heads + 2 * heads + 1 + heads * slots
  return words * config.word_size + slots * per_slot + 2 * config.hidden_size


def training_memory(
  config: config_lib.Config,
  input_size: int,
  output_size: int,
  num_steps: int,
  steps_flag: str,
  core: str = config_lib.DNC,
  num_workers: int = 1,
  num_recorded: int = 0,
) -> dict[tuple[str, ...], int]:
  """Estimates the least memory that a training takes, in bytes.

  Args:
    config: the run.
    input_size: input size of the core.
    output_size: output size of the core.
    num_steps: steps of the longest segment.
    steps_flag: the config's field that sets `num_steps`.
    core: one of `config.CORES`.
    num_workers: processes that share a batch, each on its own machine.
    num_recorded: numbers per step that the layer of --expose reads.

  Returns:
    Bytes, keyed by the config's fields that they depend on.
  """
  hidden = config.hidden_size
  has_memory = core == config_lib.DNC
  words = config.num_read_heads * config.word_size if has_memory else 0
  weights = 4 * hidden * (input_size + words + hidden)
  weights += output_size * (hidden + words)
  batch_size = config.batch_size / num_workers
  steps = num_steps * batch_size
  # Gates, their gradients and the hidden states; records and their gradients.
  images = steps * (_IMAGES * max(input_size, output_size) + 9 * hidden)
  images += steps * 2 * num_recorded
  state = _state_size(config) if has_memory else 2 * hidden
  # One state for each chunk, and one for each step of a chunk.
  chunk = compiled_chunk.CHUNK_STEPS
  states = batch_size * state * (num_steps // chunk + min(num_steps, chunk))
  return {
    ('hidden_size', 'num_read_heads', 'word_size'): 4 * weights * _FLOAT,
    ('batch_size', steps_flag): round(images * _FLOAT),
    (
      'memory_size',
      'word_size',
      'num_read_heads',
      'num_write_heads',
      'batch_size',
    ): round(states * _FLOAT),
  }


def check_memory(config: config_lib.Config, *sizes: int | str) -> None:
  """Refuses a training that does not fit into memory.

  Args:
    config: the run.
    *sizes: the other arguments of `training_memory`.

  Raises:
    UsageError: if it needs more memory than there is.
  """
  parts = training_memory(config, *sizes)
  needed, available = _LIBRARIES + sum(parts.values()), available_memory()
  if needed > available:
    largest = max(parts, key=parts.get)
    flags = ' '.join(f'--{name}={getattr(config, name)}' for name in largest)
    raise errors.UsageError(
      f'{flags}: training needs at least {_gigabytes(needed)} of memory, most '
      f'of it because of these sizes, but only {_gigabytes(available)} is '
      'available; choose smaller ones'
    )


def _gigabytes(number: int) -> str:
  return f'{number / 1e9:,.1f} GB'
