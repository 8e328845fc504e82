"""Loads weights in the layout of DeepMind's TF1 code into our cores.

The reference keeps the LSTM in one matrix with gates in the order input,
candidate, forget, output, and adds a forget bias of 1 at each step. Sonnet 2's
`snt.LSTM` keeps two matrices with gates in the order input, forget, candidate,
output, and includes the forget bias in its bias vector.

Names, with input_size I, num_reads R, word_size W, hidden_size D and output
size O:

  controller.w_gates       [I + R W + D, 4 D]
  controller.b_gates       [4 D]
  interface.<layer>.w, .b  [D, n], [n]: the layers of `MemoryAccess.interface`
  output_linear.w, .b      [D + R W, O], [O]

Each may carry the prefix `weights.`. In a checkpoint of DeepMind's `train.py`
the modules are called `dnc/lstm`, `dnc/memory_access` and `dnc/output_linear`,
as in `dnc/memory_access/read_keys/w`.
"""

from collections.abc import Callable
from collections.abc import Mapping
import os

import numpy as np
import tensorflow as tf

from dnc import access
from dnc import dnc
from dnc.system import errors
from dnc.system import paths

_PREFIX = 'weights.'

# Where DeepMind's `train.py` keeps each module's variables.
_TF1_SCOPES = {
  'controller': 'dnc/lstm',
  'interface': 'dnc/memory_access',
  'output_linear': 'dnc/output_linear',
}


def swap_gates(x: np.ndarray) -> np.ndarray:
  """Input, candidate, forget, output <-> input, forget, candidate, output."""
  i, second, third, o = np.split(x, 4, axis=-1)
  return np.concatenate([i, third, second, o], axis=-1)


def _memory_access(core: dnc.DNC | access.MemoryAccess) -> access.MemoryAccess:
  return core.access if isinstance(core, dnc.DNC) else core


def _sizes(core: dnc.DNC) -> tuple[int, int]:
  """The hidden size, and the size of all words read in a step."""
  state = core.initial_state(1)
  return (
    state.controller_state.hidden.shape[1],
    state.access_output.shape[1:].num_elements(),
  )


def _is_built(core: dnc.DNC | access.MemoryAccess) -> bool:
  return hasattr(_memory_access(core).interface['free_gate'], 'w')


def _input_size(
  core: dnc.DNC | access.MemoryAccess,
  weights: Mapping[str, np.ndarray],
  label: Callable[[str], str],
) -> int:
  """The core's input size, from its variables or else from the weights."""
  if isinstance(core, dnc.DNC):
    name, own_rows = 'controller.w_gates', sum(_sizes(core))
  else:
    name, own_rows = 'interface.free_gate.w', 0
  if _is_built(core):
    rows = sum(part.shape[0] for part in variables(core)[name])
  else:
    rows = len(np.atleast_1d(weights[name]))
  if rows <= own_rows:
    raise ValueError(
      f'{label(name)} has {rows} rows, the core needs more than {own_rows}'
    )
  return rows - own_rows


def _shapes(
  core: dnc.DNC | access.MemoryAccess, input_size: int
) -> dict[str, list[int]]:
  """The shape of each weight."""
  shapes, rows = {}, input_size
  if isinstance(core, dnc.DNC):
    rows, read_size = _sizes(core)
    output_size = core.output_linear.output_size
    shapes = {
      'controller.w_gates': [input_size + read_size + rows, 4 * rows],
      'controller.b_gates': [4 * rows],
      'output_linear.w': [rows + read_size, output_size],
      'output_linear.b': [output_size],
    }
  for name, layer in _memory_access(core).interface.items():
    shapes[f'interface.{name}.w'] = [rows, layer.output_size]
    shapes[f'interface.{name}.b'] = [layer.output_size]
  return shapes


def variables(
  core: dnc.DNC | access.MemoryAccess,
) -> dict[str, list[tf.Variable]]:
  """The variables of `core` for each name; two for `w_gates`."""
  named = {}
  for name, layer in _memory_access(core).interface.items():
    named[f'interface.{name}.w'] = [layer.w]
    named[f'interface.{name}.b'] = [layer.b]
  if isinstance(core, dnc.DNC):
    lstm = core.controller
    named['controller.w_gates'] = [lstm.input_to_hidden, lstm.hidden_to_hidden]
    named['controller.b_gates'] = [lstm.b]
    named['output_linear.w'] = [core.output_linear.w]
    named['output_linear.b'] = [core.output_linear.b]
  return named


def assign(
  core: dnc.DNC | access.MemoryAccess, weights: Mapping[str, np.ndarray]
) -> None:
  """Sets the variables of `core`; creates them first if needed.

  Sets either all weights or none.

  Args:
    core: a `DNC` or a `MemoryAccess`.
    weights: arrays by name; see the module's docstring.

  Raises:
    ValueError: if a weight is missing, unknown or misshapen; the message names
      it.
  """
  weights = {k.removeprefix(_PREFIX): np.asarray(v) for k, v in weights.items()}
  _assign(core, weights, label=str)


def load_checkpoint(
  core: dnc.DNC, checkpoint_path: str | os.PathLike[str]
) -> None:
  """Sets the variables of `core` from a checkpoint of DeepMind's `train.py`.

  Creates them first if needed. Sets either all weights or none. Ignores the
  optimiser's variables and `global_step`.

  No weight depends on `memory_size` or `clip_value`, so wrong values of these
  go unnoticed.

  Args:
    core: a `DNC` with the sizes that the checkpoint was trained with.
    checkpoint_path: a checkpoint, such as `model.ckpt-3000`, or a folder of
      checkpoints, whose latest is loaded.

  Raises:
    UsageError: (a `ValueError`) if the checkpoint cannot be read, or a variable
      is missing or misshapen; the message names it.
  """
  path = paths.local(checkpoint_path, 'checkpoint_path')
  names = {name: _tf1_name(name) for name in _shapes(core, input_size=0)}
  folder, prefix = os.path.split(path)
  if os.path.isdir(path):
    state = tf.train.get_checkpoint_state(path)
    # Its path may be in another folder, where the checkpoint was written.
    latest = state.model_checkpoint_path if state else ''
    folder, prefix = path, os.path.basename(latest)
  try:
    with paths.without_wildcards(folder) as plain:
      reader = tf.train.load_checkpoint(os.path.join(plain, prefix))
      weights = {
        name: np.asarray(reader.get_tensor(tf1_name))
        for name, tf1_name in names.items()
        if reader.has_tensor(tf1_name)
      }
  # A truncated data file raises IndexError.
  except (tf.errors.OpError, OSError, ValueError, IndexError) as e:
    raise errors.UsageError(
      f'{checkpoint_path} cannot be read as a TensorFlow checkpoint; give its '
      f'name without an extension, as in model.ckpt-3000, or its folder: {e}'
    ) from e
  try:
    _assign(core, weights, label=lambda name: f'{names[name]} ({name})')
  except ValueError as e:
    raise errors.UsageError(f'{checkpoint_path}: {e}') from e


def _tf1_name(name: str) -> str:
  """The name under which DeepMind's `train.py` saves a weight."""
  module, *rest = name.split('.')
  return '/'.join([_TF1_SCOPES[module], *rest])


def _assign(
  core: dnc.DNC | access.MemoryAccess,
  weights: Mapping[str, np.ndarray],
  label: Callable[[str], str],
) -> None:
  """Does `assign`; errors call each weight `label(name)`."""
  expected = set(_shapes(core, input_size=0))
  missing = sorted(expected - set(weights))
  if missing:
    raise ValueError(f'missing weights: {", ".join(map(label, missing))}')
  unknown = sorted(set(weights) - expected)
  if unknown:
    raise ValueError(f'weights unknown to the core: {", ".join(unknown)}')
  input_size = _input_size(core, weights, label)
  for name, shape in _shapes(core, input_size).items():
    if list(weights[name].shape) != shape:
      raise ValueError(
        f'{label(name)} has shape {list(weights[name].shape)}, the core needs '
        f'{shape}'
      )

  if not _is_built(core):
    state = core.initial_state(1)
    dtype = tf.nest.flatten(state)[0].dtype
    core(tf.zeros([1, input_size], dtype), state)
  for name, parts in variables(core).items():
    value = weights[name]
    if name.startswith('controller.'):
      value = swap_gates(value)
    if name == 'controller.b_gates':
      # The forget bias, which the reference adds at each step.
      value = value + np.repeat([0.0, 1.0, 0.0, 0.0], len(value) // 4)
    ends = np.cumsum([part.shape[0] for part in parts])
    for variable, part in zip(parts, np.split(value, ends[:-1])):
      variable.assign(part.astype(variable.dtype.as_numpy_dtype))
