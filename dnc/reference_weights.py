"""Weights between our cores and the layout of DeepMind's TF1 code.

The reference keeps the LSTM in one matrix, gates in the order input, candidate,
forget, output, and adds the forget bias of 1 at run time. `snt.LSTM` of Sonnet
2 keeps two matrices, gates in the order input, forget, candidate, output, and
the forget bias inside its bias.

Names, with input_size I, num_reads R, word_size W, hidden_size D and output
size O:

  controller.w_gates       [I + R W + D, 4 D]
  controller.b_gates       [4 D]
  interface.<layer>.w, .b  [D, n], [n]: the layers of `MemoryAccess.interface`
  output_linear.w, .b      [D + R W, O], [O]

Each may carry the prefix `weights.`.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from dnc import access
from dnc import dnc

_PREFIX = 'weights.'


def _swap_gates(x: np.ndarray) -> np.ndarray:
  """Input, candidate, forget, output <-> input, forget, candidate, output."""
  i, second, third, o = np.split(x, 4, axis=-1)
  return np.concatenate([i, third, second, o], axis=-1)


def _forget_bias(hidden_size: int) -> np.ndarray:
  """What `snt.LSTM` holds in its bias and the reference adds at run time."""
  bias = np.zeros([4 * hidden_size])
  bias[hidden_size : 2 * hidden_size] = 1.0
  return bias


def _memory_access(core: dnc.DNC | access.MemoryAccess) -> access.MemoryAccess:
  return core.access if isinstance(core, dnc.DNC) else core


def _build(
  core: dnc.DNC | access.MemoryAccess, weights: Mapping[str, np.ndarray]
) -> None:
  """Creates the core's variables: their shapes follow the input's size."""
  state = core.initial_state(1)
  if isinstance(core, dnc.DNC):
    name, dtype = 'controller.w_gates', state.access_output.dtype
    own_rows = state.access_output.shape[1:].num_elements()
    own_rows += state.controller_state.hidden.shape[1]
  else:
    name, dtype, own_rows = 'interface.free_gate.w', state.memory.dtype, 0
  rows = np.shape(weights[name])[0]
  if rows <= own_rows:
    raise ValueError(
      f'{name} has {rows} rows, the core needs more than {own_rows}'
    )
  core(tf.zeros([1, rows - own_rows], dtype), state)


def variables(
  core: dnc.DNC | access.MemoryAccess,
) -> dict[str, list[tf.Variable]]:
  """The variables of `core` behind each name; two behind `w_gates`."""
  named = {}
  for name, layer in _memory_access(core).interface.items():
    named[f'interface.{name}.w'] = [layer.w]
    named[f'interface.{name}.b'] = [layer.b]
  if isinstance(core, dnc.DNC):
    lstm = core.controller
    named['controller.w_gates'] = [
      lstm.input_to_hidden,
      lstm.hidden_to_hidden,
    ]
    named['controller.b_gates'] = [lstm.b]
    named['output_linear.w'] = [core.output_linear.w]
    named['output_linear.b'] = [core.output_linear.b]
  return named


def _expected_names(core: dnc.DNC | access.MemoryAccess) -> set[str]:
  names = {
    f'interface.{layer}.{part}'
    for layer in _memory_access(core).interface
    for part in 'wb'
  }
  if isinstance(core, dnc.DNC):
    names |= {'controller.w_gates', 'controller.b_gates'}
    names |= {'output_linear.w', 'output_linear.b'}
  return names


def assign(
  core: dnc.DNC | access.MemoryAccess, weights: Mapping[str, np.ndarray]
) -> None:
  """Sets the variables of `core`, creating them first if need be.

  Nothing is set unless every weight is there and fits.

  Args:
    core: a `DNC` or a `MemoryAccess`.
    weights: arrays by name, see the module's docstring. Other names are an
      error.

  Raises:
    ValueError: if a weight is missing, unknown or of another shape; names it.
  """
  weights = {
    name.removeprefix(_PREFIX): np.asarray(value)
    for name, value in weights.items()
  }
  expected = _expected_names(core)
  missing = sorted(expected - set(weights))
  if missing:
    raise ValueError(f'missing weights: {", ".join(missing)}')
  unknown = sorted(set(weights) - expected)
  if unknown:
    raise ValueError(f'weights unknown to the core: {", ".join(unknown)}')
  if not hasattr(_memory_access(core).interface['free_gate'], 'w'):
    _build(core, weights)

  assignments = []
  for name, parts in variables(core).items():
    value = weights[name]
    rows = sum(part.shape[0] for part in parts)
    shape = [rows, *parts[0].shape[1:]]
    if list(value.shape) != shape:
      raise ValueError(
        f'{name} has shape {list(value.shape)}, the core needs {shape}'
      )
    if name.startswith('controller.'):
      value = _swap_gates(value)
    if name == 'controller.b_gates':
      value = value + _forget_bias(value.shape[0] // 4)
    start = 0
    for variable in parts:
      stop = start + variable.shape[0]
      assignments.append((variable, value[start:stop]))
      start = stop
  for variable, value in assignments:
    variable.assign(value.astype(variable.dtype.as_numpy_dtype))


def reference_layout(
  values: Mapping[str, list[tf.Tensor | np.ndarray | None]],
) -> dict[str, np.ndarray]:
  """Joins what belongs to our variables into the reference's arrays.

  Args:
    values: what belongs to each variable of `variables(core)`, such as its
      gradient; None where there is nothing.

  Returns:
    Arrays by name, see the module's docstring, without those of None. The
    forget bias is left where it is: subtract 1 to compare weights.
  """
  named = {}
  for name, parts in values.items():
    if any(part is None for part in parts):
      continue
    value = np.concatenate([tf.convert_to_tensor(part) for part in parts])
    named[name] = (
      _swap_gates(value) if name.startswith('controller.') else value
    )
  return named
