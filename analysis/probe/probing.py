"""Test 1: can a linear layer read the latents off what a model held?

PROTOCOL, 'Test 1: linear probe'; the post's section of that name. For every
representation, and for controls beside it, linear probes predict the labels of
the current step, of earlier and of later ones, and labels of other rollouts,
which none can know. `run` takes traces, `fit_and_score` arrays of any origin.

Rollouts are streamed and may differ in length. A map:

  probe_passes.py    three passes over them: statistics, training, scores
  probe_inputs.py    representations and controls, rollout by rollout
  probe_labels.py    labels at offsets, true and shuffled
  normalisation.py   mean and deviation by time step
  linear_probe.py    the Keras probe
  exact_probe.py     least squares, discriminant, logistic regression
  probe_scores.py    errors, gains, intervals
  planted.py         a memory in which the labels must be found
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from analysis.probe import inputs as probe_inputs
from analysis.probe import passes as probe_passes
from analysis.probe import scores as probe_scores
from dnc.dsprites import latents
from dnc.system import progress
from dnc.traces import reading as traces_lib

# What the memory is compared with.
_OF_MEMORY = ('read_words', 'memory')
_OF_CONTROLLER = ('controller_hidden', 'controller_cell')


ProbeResult = probe_scores.ProbeResult


def run(
  traces: traces_lib.Traces,
  offsets: Sequence[int] = (0, 5, 10),
  seed: int = 0,
  representations: Sequence[str] | None = None,
  batch_size: int = 256,
  log: progress.Log | None = None,
  num_seeds: int = 1,
  untrained: traces_lib.Traces | None = None,
  inputs: probe_inputs.InputsOf | None = None,
  asked: Sequence[str] = latents.NAMES,
  plant: bool = True,
  centred: bool = False,
) -> ProbeResult:
  """Runs Test 1 on traces, streamed from disk in three passes.

  Args:
    traces: traces with a split 'train' and, for rollouts that the probes have
      not seen, 'test'. Those are normalised by the training statistics, so none
      may be longer than the longest training rollout.
    offsets: how many steps before the current one the labelled sprite was; -1
      for the next one, which is to be predicted. Steps whose label lies outside
      the rollout have none.
    seed: of the controls, the shuffled labels, the order of the steps and the
      resamples.
    representations: names of those to probe; all in the traces if None.
    batch_size: steps in a mini-batch.
    log: takes a line of progress now and then.
    num_seeds: Keras probes of each representation: the order of the steps, and
      the random inputs, are others for each.
    untrained: traces of an untrained model over the same rollouts, a control.
    inputs: what went into the model, a control.
    asked: which latents to predict.
    plant: whether to probe a planted memory, a control.
    centred: whether to subtract the mean over a rollout from each number of its
      representations. Where a latent varies alone, what is constant in a
      rollout tells of the others.

  Raises:
    errors.UsageError: if the traces lack a representation or the split 'train',
      are damaged, hold numbers that are not finite, or are of rollouts shorter
      than the offsets.
  """
  stream = probe_inputs.TraceStream(
    traces, representations, asked, untrained, inputs, centred
  )
  compare = {}
  for one in (*_OF_MEMORY, *_OF_CONTROLLER):
    others = [f'{probe_inputs.UNTRAINED_PREFIX}{one}']
    if one in _OF_MEMORY:
      others += _OF_CONTROLLER
      others += [probe_inputs.UNTRAINED_PREFIX + x for x in _OF_CONTROLLER]
    if one in stream.widths:
      compare[one] = [other for other in others if other in stream.widths]
  settings = probe_passes.Settings(
    tuple(offsets), seed, num_seeds, batch_size, 1e-3, plant, log
  )
  with stream.explained_errors():
    return probe_passes.Prober(stream, settings).run(compare)


def fit_and_score(
  features: Mapping[str, Any] | Any,
  classes: Mapping[str, Any] | Any | None = None,
  values: Mapping[str, Any] | Any | None = None,
  num_train: int | None = None,
  offsets: Sequence[int] = (0,),
  seed: int = 0,
  num_seeds: int = 1,
  batch_size: int = 256,
  learning_rate: float = 1e-3,
  log: progress.Log | None = None,
) -> ProbeResult:
  """Probes what any model held, with all of Test 1's controls for arrays.

  Args:
    features: `[rollout, time, width]`, or several of the same rollouts by name;
      where rollouts differ in length, a sequence of `[time, width]`.
    classes: categorical labels of every step, int `[rollout, time]` numbered
      from 0, or several by name.
    values: continuous labels of every step, float `[rollout, time]`, or several
      by name.
    num_train: the probes are trained on so many of the first rollouts and
      scored on these and on the others; by default on four fifths.
    offsets: see `run`.
    seed: see `run`.
    num_seeds: see `run`.
    batch_size: see `run`.
    learning_rate: Adam's. With few steps the Keras probe, trained for one
      epoch, wants more than the default; the exact probes do not.
    log: see `run`.

  Returns:
    What was found. Chance, for a class, is the share of the most frequent one.

  Raises:
    ValueError: if there is nothing to read or to ask, or shapes differ.
    errors.UsageError: if features are not finite, or rollouts shorter than the
      offsets.
  """

  def named(arrays, name):
    if arrays is None:
      return {}
    return arrays if isinstance(arrays, Mapping) else {name: arrays}

  features = named(features, 'features')
  if num_train is None and features:
    num_rollouts = len(next(iter(features.values())))
    num_train = num_rollouts - num_rollouts // 5
  stream = probe_inputs.ArrayStream(
    features, named(classes, 'class'), named(values, 'value'), num_train
  )
  settings = probe_passes.Settings(
    tuple(offsets), seed, num_seeds, batch_size, learning_rate, True, log
  )
  return probe_passes.Prober(stream, settings).run({})
