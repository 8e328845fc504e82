"""Reads the golden files, and replays them on our cores.

`testdata/golden/FORMAT.md` says what the arrays are.
"""

from collections.abc import Callable
import json
import os
from typing import Any
from typing import NamedTuple

import numpy as np
import sonnet as snt
import tensorflow as tf

from dnc import access
from dnc import addressing
from dnc import dnc
from dnc import reference_weights

FOLDER = os.path.join(
  os.path.abspath(os.path.join(__file__, *['..'] * 3)),
  'testdata',
  'golden',
)
DNC_FILES = ('dnc_a', 'dnc_b', 'dnc_c', 'dnc_i')
ACCESS_FILES = ('access_a', 'access_b', 'access_c')


class Golden:
  """One of the golden files.

  Attributes:
    config: its `config_json`.
    arrays: its arrays.
    output_name: `outputs` or `read_words`.
  """

  def __init__(self, name: str):
    with np.load(os.path.join(FOLDER, f'{name}.npz')) as arrays:
      self.arrays = dict(arrays)
    self.config = json.loads(str(self.arrays.pop('config_json')))
    self.is_dnc = self.config['kind'] == 'dnc'
    self.output_name = 'outputs' if self.is_dnc else 'read_words'

  @property
  def has_slot_ties(self) -> bool:
    """Whether rounding decides which slot is allocated; see FORMAT.md."""
    return self.config['init'] == 'zeros'

  def weights(self) -> dict[str, np.ndarray]:
    """The reference's weights, by name."""
    return {k: v for k, v in self.arrays.items() if k.startswith('weights.')}

  def core(self, dtype: tf.DType) -> dnc.DNC | access.MemoryAccess:
    """Our core with the reference's weights."""
    config = self.config
    access_config = {
      name: config[name]
      for name in ('memory_size', 'word_size', 'num_reads', 'num_writes')
    }
    if self.is_dnc:
      core = dnc.DNC(
        access_config,
        dict(hidden_size=config['hidden_size']),
        config['output_size'],
        config['clip_value'],
        dtype=dtype,
      )
    else:
      core = access.MemoryAccess(**access_config, dtype=dtype)
    reference_weights.assign(core, self.weights())
    return core

  def initial_state(self, core: snt.RNNCore, dtype: tf.DType) -> Any:
    """The initial state of the reference."""
    if self.config['init'] == 'zeros':
      return core.initial_state(self.config['batch'])
    given = {
      name.removeprefix('initial_state.'): tf.constant(value, dtype)
      for name, value in self.arrays.items()
      if name.startswith('initial_state.')
    }
    access_state = access.AccessState(
      memory=given['memory'],
      read_weights=given['read_weights'],
      write_weights=given['write_weights'],
      linkage=addressing.TemporalLinkageState(
        given['link'], given['precedence_weights']
      ),
      usage=given['usage'],
    )
    if not self.is_dnc:
      return access_state
    return dnc.DNCState(
      access_output=given['access_output'],
      access_state=access_state,
      controller_state=snt.LSTMState(
        given['controller_hidden'], given['controller_cell']
      ),
    )


class Replay(NamedTuple):
  """What our core computes from a golden file's inputs.

  Attributes:
    outputs: `[time, batch, ...]`.
    loss: scalar.
    states: by FORMAT.md's names without `state.`, `[time, batch, ...]`.
    gradients: by FORMAT.md's names without `grad.`.
  """

  outputs: np.ndarray
  loss: np.ndarray
  states: dict[str, np.ndarray]
  gradients: dict[str, np.ndarray]


def named_state(state: Any) -> dict[str, tf.Tensor]:
  """The tensors of a state by FORMAT.md's names."""
  access_state = getattr(state, 'access_state', state)
  named = dict(
    memory=access_state.memory,
    read_weights=access_state.read_weights,
    write_weights=access_state.write_weights,
    link=access_state.linkage.link,
    precedence_weights=access_state.linkage.precedence_weights,
    usage=access_state.usage,
  )
  if isinstance(state, dnc.DNCState):
    named.update(
      access_output=state.access_output,
      controller_hidden=state.controller_state.hidden,
      controller_cell=state.controller_state.cell,
    )
  return named


def replay(golden: Golden, dtype: tf.DType) -> Replay:
  """Applies our core step by step, as the golden files did the reference."""
  core = golden.core(dtype)
  initial_state = golden.initial_state(core, dtype)
  inputs = tf.constant(golden.arrays['inputs'], dtype)
  watched = {
    f'initial_state.{k}': v for k, v in named_state(initial_state).items()
  }
  watched['inputs'] = inputs
  with tf.GradientTape() as tape:
    tape.watch(watched)
    state, outputs, states = initial_state, [], []
    for step in inputs:
      output, state = core(step, state)
      outputs.append(output)
      states.append(named_state(state))
    outputs = tf.stack(outputs)
    loss = tf.reduce_sum(
      outputs * tf.constant(golden.arrays['cotangent'], dtype)
    )
  by_tensor, by_weight = tape.gradient(
    loss, (watched, reference_weights.variables(core))
  )
  gradients = reference_layout(by_weight)
  gradients.update(
    (k, v.numpy()) for k, v in by_tensor.items() if v is not None
  )
  return Replay(
    outputs=outputs.numpy(),
    loss=loss.numpy(),
    states={k: np.stack([s[k] for s in states]) for k in states[0]},
    gradients=gradients,
  )


def reference_layout(
  values: dict[str, list[tf.Tensor | np.ndarray | None]],
) -> dict[str, np.ndarray]:
  """Joins values for our variables, such as gradients, in reference layout.

  Args:
    values: a value for each variable of `reference_weights.variables`, or None.

  Returns:
    Arrays by name, without names that have a None. The bias includes the forget
    bias: subtract 1 to compare weights.
  """
  named = {}
  for name, parts in values.items():
    if any(part is None for part in parts):
      continue
    named[name] = np.concatenate([tf.convert_to_tensor(part) for part in parts])
    if name.startswith('controller.'):
      named[name] = reference_weights.swap_gates(named[name])
  return named


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
  """Largest difference over the largest entry, as FORMAT.md measures it."""
  scale = np.max(np.abs(expected), initial=0)
  return float(np.max(np.abs(actual - expected), initial=0) / max(scale, 1e-30))


def without_slot_order(name: str, value: np.ndarray) -> np.ndarray:
  """Returns what does not depend on the order of a state's slots.

  Sorted weights and usage, sorted links, and M^T M of the memory.
  """
  if name == 'memory':
    return np.swapaxes(value, -1, -2) @ value
  if name == 'link':
    return np.sort(value.reshape(*value.shape[:-2], -1), axis=-1)
  return np.sort(value, axis=-1)


def pieces() -> dict[str, np.ndarray]:
  """The arrays of pieces.npz, by `<case>.<part>.<name>`."""
  with np.load(os.path.join(FOLDER, 'pieces.npz')) as arrays:
    return dict(arrays)


class PiecesTestCase(tf.test.TestCase):
  """Compares functions with the reference's: values and gradients.

  FORMAT.md, section "pieces.npz", names the cases.
  """

  # Heads are served in turn, and among equal usages rounding decides which slot
  # the second head gets. So slots are compared in sorted order.
  _SLOT_TIES = ('write_allocation_weights',)

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._pieces = pieces()

  def part(self, case: str, part: str) -> dict[str, np.ndarray]:
    """A part of a case, such as `in`, by name."""
    prefix = f'{case}.{part}.'
    return {
      name.removeprefix(prefix): value
      for name, value in self._pieces.items()
      if name.startswith(prefix)
    }

  def check_piece(
    self,
    case: str,
    function: Callable[..., dict[str, tf.Tensor]],
    dtype: tf.DType,
  ) -> None:
    """Asserts that a function does what the reference does.

    Args:
      case: a case of pieces.npz.
      function: maps the case's inputs, by name, to its outputs, by name.
      dtype: float32 or float64.
    """
    prefix, tolerance = ('', 2e-6) if dtype == tf.float32 else ('f64.', 1e-13)

    def cast(value):
      is_float = np.issubdtype(value.dtype, np.floating)
      return tf.constant(value, dtype if is_float else None)

    inputs = {k: cast(v) for k, v in self.part(case, 'in').items()}
    cotangents = self.part(case, 'cotangent')
    with tf.GradientTape() as tape:
      tape.watch([v for v in inputs.values() if v.dtype.is_floating])
      outputs = function(**inputs)
      loss = tf.add_n(
        [tf.reduce_sum(outputs[k] * cast(c)) for k, c in cotangents.items()]
        or [tf.zeros([], dtype)]
      )

    expected = self.part(case, f'{prefix}out') or self.part(case, 'out')
    self.assertNotEmpty(expected)
    for name, value in expected.items():
      actual = outputs[name].numpy()
      if case in self._SLOT_TIES:
        self.assertAllClose(
          actual[:, 0], value[:, 0], rtol=0, atol=tolerance, msg=name
        )
        actual, value = np.sort(actual, axis=-1), np.sort(value, axis=-1)
      self.assertAllClose(actual, value, rtol=0, atol=tolerance, msg=name)

    if case in self._SLOT_TIES:
      return  # The cotangent is not permuted with the slots.
    expected = self.part(case, f'{prefix}grad')
    sources = {k: v for k, v in inputs.items() if k in expected}
    self.assertEqual(set(sources), set(expected))
    for name, value in tape.gradient(loss, sources).items():
      error = relative_error(value, expected[name])
      self.assertLess(error, 10 * tolerance, msg=name)
