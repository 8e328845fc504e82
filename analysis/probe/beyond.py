"""What a representation adds to others, such as the inputs of the model.

Hewitt et al., "Conditional probing: measuring usable information beyond a
baseline" (2021). Two exact probes are compared on unseen rollouts, label by
label: one reads some given representations and this one, the other only the
given ones. The difference of their gains is what this representation adds.

The probes are least squares for values and the linear discriminant for classes,
from the sums in `joint_sums.py`. They are fitted to, and scored on, the steps
that have a label at every offset. A wide representation, such as the image, can
be given, but what it adds is not measured. Probes that read it are fitted to
the first of these steps only, like its own exact probe.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import copy
import types
from typing import Any
from typing import NamedTuple

import numpy as np

from analysis.probe import bits as bits_lib
from analysis.probe import exact_probe
from analysis.probe import joint_sums
from analysis.probe import labels as labels_lib
from analysis.probe import results
from analysis.probe import scoring
from analysis.probe import step_sums

# For each representation: the sets of given representations, by name.
Given = Mapping[str, Mapping[str, Sequence[str]]]
# Name of the empty set, with which a representation is scored by itself.
ALONE = 'alone'


class _NestedProbes(NamedTuple):
  """Probes without and with a representation, for each given set.

  Attributes:
    given: names of the sets.
    maps: by representation, a linear map to `[probe * task * output]`.
    bias: `[probe, task, output]`.
  """

  given: Sequence[str]
  maps: Mapping[str, bits_lib.LinearMap]
  bias: np.ndarray

  def read(
    self, features: Mapping[str, np.ndarray | bits_lib.NormalBits]
  ) -> np.ndarray:
    """Returns predictions, float32 `[time, probe, task, output]`."""
    found = self.bias
    for name, read in self.maps.items():
      found = found + read(features[name]).reshape([-1, *self.bias.shape])
    return found.astype(np.float32)


class Beyond:
  """Gathers sums over training rollouts, then scores unseen ones.

  Attributes:
    errors: `scoring.ErrorsByPart` of the unseen rollouts.
  """

  def __init__(
    self,
    asked: Given,
    widths: Mapping[str, int],
    spec: labels_lib.LabelSpec,
    offsets: Sequence[int],
    parts: Sequence[str] = (),
  ):
    """Constructs it.

    Args:
      asked: which representations to measure, and what is given. At most one
        representation of a given set may be wider than `exact_probe.MAX_WIDTH`.
        Left out are representations to measure that are wider than this, and
        given sets with one wider than `exact_probe.MAX_WIDE`.
      widths: width of each representation.
      spec: the labels.
      offsets: how many steps ago the labelled sprites were.
      parts: kinds of steps that are also scored separately.
    """
    self._widths = widths
    self._spec = spec
    self._offsets = offsets
    self._asked, narrow, wide = {}, [], {}
    for name, sets in asked.items():
      if widths[name] > exact_probe.MAX_WIDTH:
        continue
      self._asked[name] = {}
      for given, names in sets.items():
        of_wide = [x for x in names if widths[x] > exact_probe.MAX_WIDTH]
        if any(widths[x] > exact_probe.MAX_WIDE for x in of_wide):
          continue
        self._asked[name][given] = tuple(names)
        if of_wide:
          (image,) = of_wide
          wide.setdefault(image, []).append([*names, name])
        else:
          narrow.append([*names, name])
    num_outputs = len(offsets) * spec.num_outputs
    self._narrow = joint_sums.JointSums(widths, narrow, num_outputs)
    self._wide = {
      image: joint_sums.JointSums(widths, sets, num_outputs)
      for image, sets in wide.items()
    }
    # By representation: probes that read no wide one, and those that do.
    self._probes = {}
    self._parts = parts
    self.errors = scoring.ErrorsByPart(spec, parts)

  @property
  def names(self) -> set[str]:
    """All representations that are needed."""
    return {
      name
      for sums in (self._narrow, *self._wide.values())
      for name in sums.names
    }

  @property
  def overall(self) -> tuple[str, ...]:
    """Representations that are needed with one normalisation for all steps."""
    return self._narrow.names

  def add(
    self,
    features: Mapping[str, np.ndarray | bits_lib.NormalBits],
    overall: Mapping[str, np.ndarray],
    labels: np.ndarray,
    sampled: exact_probe.SampledLabels,
    each: Callable[..., Any] = map,
  ) -> None:
    """Adds a training rollout.

    Args:
      features: by name float32 `[time, width]`, or bits, normalised at each
        step.
      overall: the same, normalised by one mean and deviation for all steps.
      labels: float32 `[time, label]`.
      sampled: says which steps are summed.
      each: `map`, or a function like it that uses threads.
    """
    outputs, _ = step_sums.labelled_outputs(self._spec, self._tasks(labels))
    outputs = outputs.reshape([len(outputs), -1])
    for sums, source, rows in (
      (self._narrow, overall, sampled.labelled),
      *((sums, features, sampled.wide) for sums in self._wide.values()),
    ):
      if len(rows):
        chosen = {name: source[name][rows] for name in sums.names}
        sums.add(chosen, outputs[rows], each)

  def merge(self, other: 'Beyond') -> None:
    """Takes over the training rollouts of another."""
    self._narrow.merge(other._narrow)
    for image, sums in self._wide.items():
      sums.merge(other._wide[image])

  def _tasks(self, labels: np.ndarray) -> np.ndarray:
    return np.stack(
      [labels_lib.at_offset(labels, x, len(labels)) for x in self._offsets],
      axis=1,
    )

  def fit(
    self, exact: exact_probe.ExactProbes, each: Callable[..., Any] = map
  ) -> None:
    """Solves for all probes; `exact` has the sums of wide representations."""
    if not self._narrow.count:
      self._asked = {}
    without = {
      image: joint_sums.WithoutWide(sums, image, exact.of_wide(image))
      for image, sums in self._wide.items()
      if sums.count
    }

    def fit(name):
      narrow, wide = {}, {}
      for given, names in self._asked[name].items():
        of_wide = set(names) & set(self._wide)
        if of_wide <= set(without):
          found = wide if of_wide else narrow
          found[given] = self._fitted(name, names, without)
      return [_joined(found) for found in (narrow, wide)]

    self._probes = dict(zip(self._asked, each(fit, self._asked)))

  def _fitted(
    self,
    name: str,
    given: Sequence[str],
    without: Mapping[str, joint_sums.WithoutWide],
  ) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Kernels and biases of the probes without and with a representation."""
    image = [x for x in given if x in without]
    rest = [*(x for x in given if x not in without), name]
    num_given = sum(self._widths[x] for x in rest[:-1])
    if image:
      sums = self._wide[image[0]]
      kernels = without[image[0]].least_squares(rest, num_given)
    else:
      sums = self._narrow
      kernels = joint_sums.least_squares(sums.moments(rest), num_given)
    names = image + rest
    mean, cross = (
      np.concatenate([of(x) for x in names]) for of in (sums.mean, sums.cross)
    )
    shape = [-1, len(self._offsets), self._spec.num_outputs]
    mean_outputs = sums.mean_outputs.reshape(shape[1:])
    ends = np.cumsum([self._widths[x] for x in names])[:-1]
    found = []
    for kernel in kernels:
      kernel, bias = joint_sums.probe(
        kernel.reshape(shape),
        cross.reshape(shape),
        mean,
        mean_outputs,
        self._spec,
      )
      found.append((dict(zip(names, np.split(kernel, ends))), bias))
    return found

  def unscored(self) -> 'Beyond':
    """The same probes, before they have scored any rollout."""
    found = copy.copy(self)
    found.errors = scoring.ErrorsByPart(self._spec, self._parts)
    return found

  def score(
    self,
    features: Mapping[str, np.ndarray | bits_lib.NormalBits],
    overall: Mapping[str, np.ndarray],
    labels: np.ndarray,
    each: Callable[..., Any] = map,
    parts: Mapping[str, np.ndarray] = types.MappingProxyType({}),
  ) -> None:
    """Scores the steps of an unseen rollout that have all labels; see `add`.

    Probes are fitted to these steps only. At the start of a rollout, where the
    memory is still empty, their errors would be large. `parts` says for each
    part which steps are in it: bool `[time]`.
    """
    tasks = self._tasks(labels)
    tasks[~tasks[..., -1].all(axis=1)] = 0
    tasks = labels_lib.by_part(tasks, parts)

    def count(name):
      read = [
        probes.read(source)
        for probes, source in zip(self._probes[name], (overall, features))
        if probes.given
      ]
      return self.errors.count(tasks, np.concatenate(read, axis=1))

    errors = dict(zip(self._probes, each(count, self._probes)))
    self.errors.update(tasks, errors)

  def result(
    self, seed: int, part: str | None = None
  ) -> dict[str, dict[str, results.Differences]]:
    """Returns what each representation adds, by representation and given set.

    A gain below 0 counts as 0. Else a given set whose probe fails in an unseen
    rollout would make anything beside it seem to add much.

    Args:
      seed: the seed of the resamples.
      part: the part whose steps are scored; None for all steps.
    """
    errors = self.errors.by_part[part]
    number = len(errors)
    weights = scoring.resamples(seed, number, scoring.NUM_RESAMPLES)
    found = {}
    for name, probes in self._probes.items():
      _, gain = errors.score(name, weights)
      # Without the representation, then with it.
      before, after = gain[:, ::2], gain[:, 1::2]
      added = np.maximum(after, 0) - np.maximum(before, 0)
      given_sets = [given for each in probes for given in each.given]
      unordered = {
        given: scoring.differences(
          added[:, i] if given != ALONE else after[:, i],
          self._offsets,
          self._spec,
          number,
        )
        for i, given in enumerate(given_sets)
      }
      found[name] = {
        x: unordered[x] for x in self._asked[name] if x in unordered
      }
    return found


def _joined(
  fitted: Mapping[str, Sequence[tuple[Mapping[str, np.ndarray], np.ndarray]]],
) -> _NestedProbes:
  """Stacks the probes of all given sets; kernels that a probe lacks are 0."""
  if not fitted:
    return _NestedProbes((), {}, np.zeros([0]))
  probes = [probe for found in fitted.values() for probe in found]
  kernels = {}
  for i, (of_names, _) in enumerate(probes):
    for name, kernel in of_names.items():
      size = [len(kernel), len(probes), *kernel.shape[1:]]
      kernels.setdefault(name, np.zeros(size))[:, i] = kernel
  maps = {}
  for name, kernel in kernels.items():
    # Single precision is enough for wide representations.
    kind = np.float64 if len(kernel) <= exact_probe.MAX_WIDTH else np.float32
    maps[name] = bits_lib.LinearMap(kernel.reshape([len(kernel), -1]), kind)
  return _NestedProbes(
    tuple(fitted), maps, np.stack([bias for _, bias in probes])
  )
