"""Results of Test 4 with chosen slopes, and cores made by hand."""

import dataclasses

import numpy as np
import tensorflow as tf

from analysis import intervention
from analysis.intervention import effects
from analysis.intervention import measuring
from dnc import config as config_lib
from dnc.next_sprite import model as model_lib

WORD_SIZE = 8
CONFIG = config_lib.TrainingConfig(
  memory_size=1,
  word_size=WORD_SIZE,
  num_read_heads=1,
  hidden_size=WORD_SIZE,
  recall=0,
  varying=('x_position',),
  fixed={'shape': 0, 'scale': 3, 'orientation': 0, 'y_position': 16},
)
# As many slots as there are steps, and two more numbers in each: the time.
_NUM_STEPS = 30
ROTATING = dataclasses.replace(
  CONFIG,
  memory_size=_NUM_STEPS,
  word_size=WORD_SIZE + 2,
  hidden_size=WORD_SIZE + 2,
)
# Pixels; half the side of the square that CONFIG's rollouts show, and the
# radius of the disc that the core draws.
_HALF_SIDE, _RADIUS = 9.6 * 0.8, 10.0
# Keeps the controller where it is linear.
_SMALL = 0.01
# The clock of a rotating core: its turn in a step, and its size in a word. The
# content is so much smaller that words are found by the time alone.
_TURN, _CLOCK = 2 * np.pi / 36, 1000.0


def planted(
  reads_memory: bool, config: config_lib.TrainingConfig = CONFIG
) -> model_lib.SpritePredictor:
  """A core that recalls the image just shown, made by hand.

  The controller finds u, the place of the square, and u^2. The memory's one
  slot holds both, and six numbers that mean nothing. The output is a disc at u:
  a pixel at c is on if (c - u)^2 = c^2 - 2 c u + u^2 is small enough, which is
  linear in u and u^2.

  With `ROTATING`, each step writes a new slot. Two units of the controller are
  a clock: a word holds the time, too, by which it is found again.

  Args:
    reads_memory: whether the output takes u and u^2 from the words read;
      otherwise from the controller.
    config: `CONFIG` or `ROTATING`.
  """
  model = model_lib.SpritePredictor(config)
  core = model.core
  size, is_rotating = config.hidden_size, config.memory_size > 1
  pixels = (np.arange(64) + 0.5 - 32) / 16
  rows, columns = (
    x.ravel() for x in np.meshgrid(pixels, pixels, indexing='ij')
  )
  area = (2 * _HALF_SIDE) ** 2
  weights = np.random.default_rng(0).normal(size=[4096, WORD_SIZE]) / area
  weights[:, 0], weights[:, 1] = columns / area, columns**2 / area
  # Gates i, f, g and o: only g depends on the input, or on the clock.
  gates = np.zeros(core.controller.input_to_hidden.shape)
  gates[:4096, 2 * size : 2 * size + WORD_SIZE] = _SMALL * weights
  core.controller.input_to_hidden.assign(gates)
  recurrent = np.zeros([size, 4, size])
  biases = np.repeat([40.0, -40.0, 0.0, 40.0], size)
  if is_rotating:
    sine, cosine = np.sin(_TURN), np.cos(_TURN)
    # More than 1, against tanh. The bias starts the clock.
    recurrent[-2:, 2, -2:] = 1.2 * np.array([[cosine, sine], [-sine, cosine]])
    biases[3 * size - 1] = 0.01
  core.controller.hidden_to_hidden.assign(recurrent.reshape([size, -1]))
  core.controller.b.assign(biases)
  biases = dict(
    write_gate=40.0,
    allocation_gate=40.0 if is_rotating else -40.0,
    erase_vectors=40.0,
    free_gate=-40.0,
    read_strengths=5000.0 if is_rotating else 0.0,
  )
  for name, layer in core.access.interface.items():
    layer.w.assign(tf.zeros_like(layer.w))
    layer.b.assign(tf.zeros_like(layer.b) + biases.get(name, 0.0))
  core.access.interface['read_mode'].b.assign([-40.0, -40.0, 40.0])
  scales = np.full([size], 1 / _SMALL)
  scales[WORD_SIZE:] = _CLOCK
  core.access.interface['write_vectors'].w.assign(np.diag(scales))
  if is_rotating:
    scales[:WORD_SIZE] = 0
    core.access.interface['read_keys'].w.assign(np.diag(scales))
  radius, spread = _RADIUS / 16, (_HALF_SIDE / 16) ** 2 / 3
  layer = np.zeros(core.output_linear.w.shape)
  first, unit = (size, 1.0) if reads_memory else (0, 1 / _SMALL)
  layer[first], layer[first + 1] = 2 * columns * unit, -unit
  middle = 0.5 / 16  # y is at pixel 32.5.
  core.output_linear.w.assign(10 * layer)
  core.output_linear.b.assign(
    10 * (radius**2 + spread - columns**2 - (rows - middle) ** 2)
  )
  return model


def effect(
  slope: float, width: float = 0.02, corrected: float | None = None
) -> effects.Effect:
  """An effect with a slope, and the widths of its intervals, by default one."""
  amounts = np.array([1, 2, 4, 8])
  interval, corrected_interval = (
    (slope - x / 2, slope + x / 2) for x in (width, corrected or width)
  )
  return effects.Effect(
    num_pairs=100,
    amounts=amounts,
    shifts=slope * amounts,
    shift_intervals=np.outer(amounts, interval),
    slope=slope,
    interval=interval,
    corrected_interval=corrected_interval,
    iou=0.75,
    errors=dict(
      shape_error=0.25,
      scale_error=0.05,
      orientation_error=12.0,
      position_error=1.5,
    ),
  )


def removal(excess: float = 11.5) -> effects.Removal:
  """A removal that costs so much more than that of a random direction."""
  random = (0.5, (0.25, 0.75))
  own = (0.5 + excess, (excess - 0.5, excess + 1.5))
  return effects.Removal(*own, *random, (excess - 1, excess + 1))


def result(
  words=0.9,
  memory=0.3,
  control=0.0,
  width=0.02,
  corrected=None,
  excess=11.5,
  **changes,
):
  """A result; `words` and `memory` are slopes of x, None if it is not held."""
  readings, found, removals = {}, {}, {}
  for name, slope in dict(read_words=words, memory=memory).items():
    is_held = slope is not None
    readings[name] = {
      'x_position': measuring.Reading(0.8 if is_held else 0.01, 8.0, is_held)
    }
    found[name], removals[name] = {}, {}
    if is_held:
      kinds = dict.fromkeys(effects.KINDS, effect(control))
      own = effect(slope, width, corrected)
      found[name]['x_position'] = {**kinds, effects.PROBE: own}
      removals[name]['x_position'] = removal(excess)
  images = np.zeros([3, 64, 64], np.float32)
  untrained = {
    name: {'x_position': measuring.Reading(0.02, 0.1, False)}
    for name in measuring.NAMES
  }
  fields = dict(
    num_rollouts=20,
    num_fitted=40,
    steps=(50, 100),
    offsets=(-1,),
    latents=('x_position',),
    too_wide=(),
    num_sorted=16,
    num_slots=16,
    predicted={'x_position': 0.9},
    readings={-1: readings},
    untrained={-1: untrained},
    effects={-1: found},
    removals={-1: removals},
    drag=measuring.Drag(
      'x_position',
      (-4, 0, 4),
      dict(asked=images, memory=images, memory_random=images),
    ),
  )
  return intervention.InterventionResult(**{**fields, **changes})


def wide(slope: float | None) -> intervention.InterventionResult:
  """A memory too wide to change, but for its first slots sorted by reading."""
  found = result(memory=slope)
  for by_offset in (found.readings, found.effects, found.removals):
    of_names = by_offset[found.asked]
    of_names['memory_by_reading'] = of_names.pop('memory')
  return dataclasses.replace(found, too_wide=('memory',), num_slots=256)
