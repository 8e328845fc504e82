"""Results of Test 2 with chosen numbers."""

import dataclasses

import numpy as np

from analysis import mutual_information

PLAIN = dict(
  raw=np.full([2, 4], 3.4),
  adjusted=np.array([[0, 0, -1e-16, 0], [0.0, 0, 0, 0]]),
  integers=np.array([[0, 0, 0, 0.2], [0.0, 0, 0, 0.2]]),
)


def result(**changes):
  """Two slots of two words; word 1 of slot 0 never changes."""
  found = mutual_information.MutualInformationResult(
    estimator='binned',
    num_bins=10,
    num_sequences=50,
    num_shifts=99,
    num_different_shifts=99,
    lags=(0, 5),
    layout=(2, 2),
    locations=np.arange(4),
    scores=np.array([[0.5, 0.0, 0.1, 0.2], [0.1, 0.0, 0.1, 0.9]]),
    standard_error=np.full([2, 4], 0.015),
    excess_by_sequence=np.full([50, 2], 0.1),
    control=np.array([0.125, 0.0, 0.1, 0.1]),
    null=np.array([0.1, 0.0, 0.1, 0.2]),
    shifted=np.array([0.11, 0.0, 0.1, 0.19]),
    null_deviation=np.array([0.01, 0, 0.01, 0.01]),
    p_values=np.array([[1e-9, 1, 0.5, 0.6], [0.4, 1, 0.3, 1e-120]]),
    empirical_p_values=np.array([[0.01, 1, 0.5, 0.6], [0.4, 1, 0.3, 0.01]]),
    q_values=np.array([[4e-9, 1, 0.8, 0.8], [0.8, 1, 0.8, 8e-20]]),
    control_q_values=np.array([0.2, 1, 0.9, 0.9]),
    constant=np.array([False, True, False, False]),
    plain=PLAIN,
    plain_negligible=dict(
      raw=np.zeros([2, 4]),
      adjusted=np.array([[1, 1, 1, 0.9], [1, 1, 1, 1]]),
      integers=np.array([[1, 1, 1, 0], [1, 1, 1, 0]]),
    ),
    entropy=3.4,
  )
  return dataclasses.replace(found, **changes)


def next_and_current(of_next, of_current):
  """The same at lags -1 and 0, with these means in each sequence."""
  return result(
    lags=(-1, 0),
    num_sequences=len(of_next),
    excess_by_sequence=np.stack([of_next, of_current], axis=1),
  )


def nothing(**changes):
  ones = np.ones([2, 4])
  return result(p_values=ones, q_values=ones, **changes)


def controller():
  return result(layout=(4,), lags=(0, 5))
