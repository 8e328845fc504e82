"""Steps, scores and results for the tests of probes."""

from collections.abc import Iterator
import contextlib
import copy
import dataclasses
from unittest import mock

import numpy as np
import tensorflow as tf

from analysis.probe import bits
from analysis.probe import keras_probe
from analysis.probe import labels as labels_lib
from analysis.probe import learned
from analysis.probe import normalisation
from analysis.probe import results
from dnc.dsprites import latents

SPEC = labels_lib.LabelSpec({'kind': 3}, ('size', 'place'), {'kind': 1 / 3})
OFFSETS = (0, 5, -1)


def steps(seed, number, width=8):
  """Features that hold the labels of one task, with noise.

  Args:
    seed: the seed of labels and noise.
    number: how many steps.
    width: numbers per step.

  Returns:
    float64 `[number, width]`, and labels `[number, 1, 4]`.
  """
  rng = np.random.default_rng(seed)
  labels = np.ones([number, 1, 4])
  labels[:, 0, 0] = rng.integers(3, size=number)
  labels[:, 0, 1:3] = rng.standard_normal((number, 2)) + [2, 0]
  mixing = np.random.default_rng(9).standard_normal((5, width))
  features = SPEC.as_outputs(labels[:, 0]) @ mixing
  features += rng.standard_normal((number, width)) + 0.5
  return features, labels


@contextlib.contextmanager
def light_training() -> Iterator[None]:
  """In place of Adam, whose graph takes seconds, adds up what a probe sees.

  The kernels depend on all steps and on their order.
  """

  def fit(probe, dataset):
    for features, _ in dataset:
      for layer, x in zip(probe._layers, features):
        kernel = 0.9 * layer.kernel + tf.reduce_mean(x, 1)[..., tf.newaxis]
        layer.kernel.assign(kernel)

  with mock.patch.object(keras_probe.LinearProbe, 'fit', fit):
    yield


def normal_bits(num_rollouts, num_steps, values, width=8):
  """Bits in normal form, dense and sparse, of which the first hold the values.

  Args:
    num_rollouts: number of rollouts.
    num_steps: steps of each.
    values: `[num_rollouts * num_steps]`.
    width: number of bits, of which one is never 1.

  Returns:
    float32 `[rollout, time, width]`, and a list of `bits.NormalBits`.
  """
  rng = np.random.default_rng(4)
  found = rng.random((num_rollouts, num_steps, width)) < 0.2
  found[..., 0] |= np.reshape(values, [num_rollouts, num_steps]) > 1
  found[..., -1] = False
  normaliser = normalisation.BitNormaliser()
  for rollout in found:
    normaliser.update(rollout.astype(np.uint8))
  transform = normaliser.transform()
  sparse = [bits.NormalBits(transform, x.astype(np.uint8)) for x in found]
  return np.stack(list(map(bits.dense, sparse))), sparse


def label_score(label, gain, width=0.01):
  """A score with this gain for all probes, and 0 for shuffled labels."""

  def score(gain):
    return results.TaskScore(
      measure=results.ACCURACY if label == 'shape' else results.R2,
      error=0.5,
      gain=gain,
      interval=None if gain is None else (gain - width, gain + width),
      error_interval=(0.4, 0.6),
    )

  true = score(gain)
  exact = results.ProbeScore(
    **vars(true),
    shuffled=score(None if gain is None else 0.0),
    above_shuffled=gain,
    above_shuffled_interval=true.interval,
  )
  return results.LabelScore(
    **vars(exact),
    range=None if gain is None else (gain - 0.002, gain + 0.001),
    exact=exact,
    beside=exact if label == 'shape' else None,
  )


def with_gain(score, gain, interval):
  """The same score with another gain."""
  return dataclasses.replace(score, gain=gain, interval=interval)


def scores(gains):
  """Scores by offset and label.

  Args:
    gains: by (offset, label); 0 if not given.
  """
  return {
    offset: {
      label: label_score(label, gains.get((offset, label), 0.0))
      for label in latents.NAMES
    }
    for offset in OFFSETS
  }


def against_untrained(p_value=1.0, number=3, is_frozen=False):
  """A memory with this p-value for every label, held against untrained ones."""
  compared = learned.Compared((0.3,), (0.0, 0.01, 0.05)[:number], p_value)
  return learned.AgainstUntrained(
    own_seeds=(0,),
    seeds=(0, 1, 2)[:number],
    num_rollouts={'train': 50, 'test': 20},
    is_frozen=is_frozen,
    compared={
      'memory': {
        offset: dict.fromkeys(labels_lib.OF_SPRITES, compared)
        for offset in OFFSETS
      }
    },
  )


def differences(more):
  """The same difference for every offset and label."""
  return {
    offset: {
      label: results.Difference(more, (more - 0.01, more + 0.01))
      for label in latents.NAMES
    }
    for offset in OFFSETS
  }


def result(
  memory=None, random=None, planted=0.5, more=0.0, p_value=1.0, beyond=0.0
):
  """A result with a memory, a controller's cell, and controls.

  Args:
    memory: gains of the memory, see `scores`.
    random: gains of random inputs.
    planted: gain of all labels at the planted offset.
    more: how much more the memory holds than the cell.
    p_value: see `against_untrained`.
    beyond: how much the memory adds to the controller, at offset 5.
  """
  of_planted = {(0, label): planted for label in latents.NAMES}
  of_split = {
    'memory': scores(memory or {}),
    'controller_cell': scores({}),
    'random_256': scores(random or {}),
    'planted_256': scores(of_planted),
    'image': {
      offset: {
        label: dataclasses.replace(score, exact=None, beside=None)
        for label, score in of_offset.items()
      }
      for offset, of_offset in scores({}).items()
    },
  }
  return results.ProbeResult(
    widths={name: 4096 if name == 'image' else 256 for name in of_split},
    offsets=OFFSETS,
    spec=labels_lib.latent_spec(),
    num_rollouts={'train': 100, 'test': 30},
    num_steps=50_000,
    num_seeds=3,
    num_logistic_steps=20_000,
    num_wide_steps=0,
    without_exact=('image',),
    attainable=dict.fromkeys(latents.NAMES[1:], 0.5),
    scores={'train': of_split, 'test': copy.deepcopy(of_split)},
    comparisons={'memory': {'controller_cell': differences(more)}},
    untrained=against_untrained(p_value),
    beyond={
      'memory': {
        'alone': differences(0.3),
        'controller': {**differences(0.0), 5: differences(beyond)[5]},
      }
    },
  )
