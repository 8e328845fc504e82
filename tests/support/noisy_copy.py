"""Contents whose mutual information with a sequence is known exactly."""

import numpy as np
from scipy import stats


def draw(rng, num_classes, width, num_steps):
  """Draws classes, and contents: class + uniform noise of this width."""
  x = rng.integers(num_classes, size=num_steps)
  return x, (x + width * rng.uniform(size=num_steps))[:, np.newaxis]


def overlap(num_classes, width):
  """Counts the classes that can give contents in [i, i + 1), for each i."""
  starts = np.arange(num_classes)
  cells = np.arange(num_classes + width - 1)[:, np.newaxis]
  return ((starts <= cells) & (cells < starts + width)).sum(axis=1)


def exact(num_classes, width):
  """Returns the mutual information of `draw`, h(y) - h(y | x), in nats.

  The density is constant in each interval of length 1.
  """
  density = overlap(num_classes, width) / (num_classes * width)
  return -(density * np.log(density)).sum() - np.log(width)


def exact_binned(num_classes, width, num_bins):
  """Returns the mutual information of class and quantile bin of `draw`."""
  mass = overlap(num_classes, width) / (num_classes * width)
  ends = np.concatenate([[0], np.cumsum(mass)])
  edges = np.interp(np.linspace(0, 1, num_bins + 1), ends, np.arange(len(ends)))
  starts = np.arange(num_classes)[:, np.newaxis]
  below = np.clip((edges - starts) / width, 0, 1) / num_classes
  joint = np.diff(below, axis=1)
  independent = joint.sum(axis=0) * joint.sum(axis=1, keepdims=True)
  return stats.entropy(joint.ravel(), independent.ravel())
