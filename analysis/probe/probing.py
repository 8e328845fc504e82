"""Test 1: can a linear layer read the latents from a model's state?

PROTOCOL, 'Test 1: linear probe'; the post's section of that name. From every
representation and from controls, linear probes predict the labels of the
current, earlier and later steps. As a control, they also predict the labels of
other rollouts, about which no representation says anything.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from analysis.common import arrays as arrays_lib
from analysis.probe import beyond
from analysis.probe import controls
from analysis.probe import exact_probe
from analysis.probe import naming
from analysis.probe import passes
from analysis.probe import results
from analysis.probe import streams
from analysis.probe import walk
from dnc import traces as traces_lib
from dnc.dsprites import latents
from dnc.system import own_settings
from dnc.system import progress

# The parts of the memory that are compared with parts of the controller.
_OF_MEMORY = ('read_words', 'memory')
_OF_CONTROLLER = ('controller_hidden', 'controller_cell')


def from_traces(
  traces: traces_lib.Traces,
  offsets: Sequence[int] = (-1, 0, 5, 10),
  **options: Any,
) -> results.ProbeResult:
  """Runs Test 1 on traces; takes and raises what `of_traces` does."""
  return of_traces(traces, offsets, **options).result()


def of_traces(
  traces: traces_lib.Traces,
  offsets: Sequence[int] = (-1, 0, 5, 10),
  seed: int = 0,
  representations: Sequence[str] | None = None,
  batch_size: int = 256,
  log: progress.Log | None = None,
  num_seeds: int = 1,
  inputs: streams.ModelInputs | None = None,
  asked: Sequence[str] = latents.NAMES,
  plant: bool = True,
  centred: bool = False,
  num_slots: int | None = None,
) -> passes.Passes:
  """Prepares Test 1 on traces, streamed from disk in three passes.

  Args:
    traces: traces with a split 'train' and, for unseen rollouts, 'test'. Unseen
      rollouts are normalised by the training statistics, so none may be longer
      than the longest training rollout.
    offsets: how many steps ago the labelled sprite was; -1 for the next one,
      which the model predicts. Steps whose labelled sprite lies outside the
      rollout are left out.
    seed: of controls, shuffled labels, order of the steps and resamples.
    representations: the representations to probe; all in the traces if None.
    batch_size: steps in a mini-batch.
    log: takes a line of progress now and then.
    num_seeds: Keras probes of each representation. Each sees the steps in its
      own order, and its own random inputs unless these are wide.
    inputs: the inputs of the model, a control.
    asked: which latents to predict.
    plant: whether to probe a planted memory, a control.
    centred: whether to subtract from each number, except of the inputs, its
      mean over the rollout. Where only one latent varies, this mean reveals the
      others.
    num_slots: slots of the memory; if given, the memory is also probed with its
      slots sorted.

  Raises:
    errors.UsageError: if the traces lack a representation or the split 'train',
      are damaged, or hold numbers that are not finite; if rollouts are shorter
      than the offsets, or an unseen one is longer than all training rollouts.
  """
  stream = streams.TraceStream(
    traces, representations, asked, inputs, centred, num_slots
  )
  compare = {
    one: [other for other in _OF_CONTROLLER if other in stream.widths]
    for one in _OF_MEMORY
    if one in stream.widths
  }
  settings = walk.ProbeSettings(
    tuple(offsets), seed, num_seeds, batch_size, 1e-3, plant, log
  )
  # Centred rollouts are a control: what they add to others is not measured.
  given = {} if centred else _given(stream)
  return passes.Passes(stream, settings, compare, given)


def _given(stream: streams.TraceStream) -> dict[str, dict[str, Sequence[str]]]:
  """By representation, the sets of representations that it may add to."""
  sets = {
    beyond.ALONE: (),
    'actions': (naming.ACTIONS,),
    'inputs': ('image', naming.ACTIONS),
    'controller': _OF_CONTROLLER,
  }
  found = {
    name: {
      given: names
      for given, names in sets.items()
      if set(names) <= set(stream.widths) - {name}
    }
    for name in (*stream.probed, *stream.ordered)
  }
  for name in stream.ordered:
    # Sums with the image would cost too much for sorted memories, too.
    found[name].pop('inputs', None)
  if stream.ordered:
    found.update(dict.fromkeys(controls.ROTATING, {beyond.ALONE: ()}))
  return found


@own_settings.computing()
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
  given: Mapping[str, Sequence[str]] | None = None,
) -> results.ProbeResult:
  """Probes representations of any model, with Test 1's controls for arrays.

  Args:
    features: `[rollout, time, width]`, or several of the same rollouts by name;
      where rollouts differ in length, a sequence of `[time, width]`.
    classes: categorical labels of every step, numbers or text `[rollout,
      time]`, or several by name.
    values: continuous labels of every step, `[rollout, time]`, or several by
      name. Probes predict them standardised; errors are in the original unit.
    num_train: how many rollouts, from the first on, to train on, at least 2;
      four fifths by default. The others are unseen.
    offsets: how many steps ago the label was; negative if it comes later.
    seed: of controls, shuffled labels, order of the steps and resamples.
    num_seeds: Keras probes of each representation.
    batch_size: steps in a mini-batch.
    learning_rate: Adam's learning rate. With few steps the Keras probe, trained
      for one epoch, needs more than the default; the exact probes do not.
    log: takes a line of progress now and then.
    given: sets of features, by any name. What the other features add to each
      set is measured, see `beyond.py`; gains below 0 count as 0.

  Returns:
    The result. Chance, for a categorical label, is the share of its most
    frequent class in the training rollouts.

  Raises:
    ValueError: names the argument and the position, if features or labels are
      missing or not finite, or shapes differ; if rollouts are shorter than the
      offsets, or an unseen one is longer than all training rollouts.
  """
  settings = walk.ProbeSettings(
    arrays_lib.whole_numbers('offsets', offsets),
    arrays_lib.whole_number('seed', seed, 0),
    arrays_lib.whole_number('num_seeds', num_seeds, 1),
    arrays_lib.whole_number('batch_size', batch_size, 1),
    arrays_lib.positive('learning_rate', learning_rate),
    True,
    log,
  )
  stream = streams.ArrayStream(
    _by_name(features, 'features', 'features'),
    _by_name(classes, 'classes', 'class'),
    _by_name(values, 'values', 'value'),
    num_train,
  )
  sets = {beyond.ALONE: (), **_checked_given(given or {}, stream.widths)}
  of_all = {
    name: {of: names for of, names in sets.items() if name not in names}
    for name in stream.probed
  }
  return passes.Passes(stream, settings, {}, of_all).result()


def _by_name(arrays: Any, argument: str, name: str) -> Mapping[str, Any]:
  """Returns arrays by name; an array that comes alone is called `name`."""
  if arrays is None:
    return {}
  named = arrays if isinstance(arrays, Mapping) else {name: arrays}
  arrays_lib.names(argument, named)
  return named


def _checked_given(
  given: Mapping[str, Sequence[str]], widths: Mapping[str, int]
) -> Mapping[str, Sequence[str]]:
  """Returns `given`; raises a `ValueError` if a name is not in `widths`."""
  if not isinstance(given, Mapping):
    raise ValueError(f'given: is {given!r}: must be lists of features, by name')
  arrays_lib.names('given', given)
  if beyond.ALONE in given:
    raise ValueError(f'given {beyond.ALONE!r}: this name is for no features')
  for of, names in given.items():
    if not (
      isinstance(names, Sequence)
      and not isinstance(names, str)
      and all(name in [*widths] for name in names)
    ):
      raise ValueError(
        f'given {of!r}: is {names!r}: must be a list of names of features, '
        f'which are {", ".join(map(str, widths))}'
      )
    wide = [name for name in names if widths[name] > exact_probe.MAX_WIDTH]
    if len(wide) > 1:
      raise ValueError(
        f'given {of!r}: {" and ".join(wide)} are wider than '
        f'{exact_probe.MAX_WIDTH}: only one may be'
      )
  return given
