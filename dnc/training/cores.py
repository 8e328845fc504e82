"""Makes cores from configs; names the parts of a core's state."""

import sonnet as snt
import tensorflow as tf

from dnc import config as config_lib
from dnc import dnc
from dnc import lstm

State = dnc.DNCState | snt.LSTMState


def make_core(
  config: config_lib.Config,
  input_size: int,
  output_size: int,
  kind: str = config_lib.DNC,
  reset_controller: bool = False,
) -> dnc.Core:
  """Makes a core with all its variables, which the config determines.

  The weights have the distributions of Sonnet 2's defaults: truncated normal
  with standard deviation 1 / sqrt(rows), biases 0, and 1 for the forget gate.

  Args:
    config: sizes, and the seed of the weights.
    input_size: size of the inputs.
    output_size: size of the outputs.
    kind: one of `config.CORES`.
    reset_controller: as in `DNC`.
  """
  common = dict(
    controller_config=dict(hidden_size=config.hidden_size),
    output_size=output_size,
    clip_value=config.clip_value,
    reset_controller=reset_controller,
  )
  if kind == config_lib.LSTM:
    core = lstm.LSTMCore(**common)
  else:
    core = dnc.DNC(
      access_config=dict(
        memory_size=config.memory_size,
        word_size=config.word_size,
        num_reads=config.num_read_heads,
        num_writes=config.num_write_heads,
      ),
      **common,
    )
  core(tf.zeros([1, input_size]), core.initial_state(1))
  matrices = [v for v in core.trainable_variables if v.shape.rank == 2]
  for number, variable in enumerate(matrices):
    variable.assign(
      tf.random.stateless_truncated_normal(
        variable.shape,
        seed=[config.seed, number],
        stddev=variable.shape[0] ** -0.5,
        dtype=variable.dtype,
      )
    )
  return core


def widths(
  config: config_lib.Config, kind: str = config_lib.DNC
) -> dict[str, int]:
  """Numbers per step of each representation of a core, by name."""
  controller = {
    'controller_hidden': config.hidden_size,
    'controller_cell': config.hidden_size,
  }
  if kind == config_lib.LSTM:
    return controller
  return {
    'read_words': config.num_read_heads * config.word_size,
    'memory': config.memory_size * config.word_size,
    **controller,
    'usage': config.memory_size,
    'read_weights': config.num_read_heads * config.memory_size,
    'write_weights': config.num_write_heads * config.memory_size,
  }


def represent(state: State, name: str) -> tf.Tensor:
  """Looks up a representation in a core's state.

  Args:
    state: of a `DNC` or an `LSTMCore`.
    name: a key of `widths`.

  Returns:
    Float tensor `[batch, width]`. Read words and weights are laid out head by
    head, the memory slot by slot.
  """
  if name.startswith('controller_'):
    controller = getattr(state, 'controller_state', state)
    return getattr(controller, name.removeprefix('controller_'))
  if name == 'read_words':
    value = state.access_output
  else:
    value = getattr(state.access_state, name)
  return tf.reshape(value, [-1, value.shape[1:].num_elements()])
