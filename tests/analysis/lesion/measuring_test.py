"""Tests of Test 3: each sequence is scored as if it ran alone."""

import functools
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis import lesion
from analysis.lesion import course
from analysis.lesion import measuring
from analysis.lesion import side_by_side
from dnc import dnc
from dnc import lesions
from dnc.system import errors
from dnc.training import sequences
from tests.support import spread_stages

_STEPS = 8


class _Sequences(sequences.Sequences):
  """Random bits of random lengths, predicted by an untrained core."""

  task = 'dsprites'
  input_size = 3
  num_steps = _STEPS
  metrics = (
    sequences.Metric('loss', np.mean, lower_is_better=True),
    sequences.Metric('iou', np.min),
  )
  loss_unit = 'nats'
  unit = 'rollout'
  lesion_step = 5
  reset_interval = 3

  def __init__(self):
    self.core = dnc.DNC(
      dict(memory_size=4, word_size=3, num_reads=2),
      dict(hidden_size=6),
      output_size=2,
    )
    self.core(tf.zeros([1, 3]), self.core.initial_state(1))
    for number, variable in enumerate(self.core.variables):
      variable.assign(self._normal(variable.shape, number))

  @staticmethod
  def _normal(shape, seed):
    return tf.random.stateless_normal(shape, [seed, 3])

  def sequence(self, index):
    """Inputs, targets and length of a sequence."""
    length = 2 + index % (_STEPS - 1)
    inputs = self._normal([_STEPS, self.input_size], 100 + index)
    targets = self._normal([_STEPS, 2], 500 + index) > 0.5
    return inputs, tf.cast(targets, tf.float32), length

  def segments(self, batch, batch_size):
    found = [
      self.sequence(index)
      for index in range(batch * batch_size, (batch + 1) * batch_size)
    ]
    inputs, targets = (tf.stack(x, axis=1) for x in list(zip(*found))[:2])
    lengths = np.array([x[2] for x in found])
    is_real = np.arange(_STEPS)[:, np.newaxis] < lengths
    for start in range(0, _STEPS, 3):
      part = slice(start, start + 3)
      # The first step does not count.
      counts = is_real[part] & (np.arange(_STEPS)[part, np.newaxis] > 0)
      yield sequences.Segment(
        inputs[part],
        targets[part],
        is_real[part],
        dict(loss=counts, iou=counts),
      )

  def scores(self, outputs, targets):
    losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, outputs)
    right = tf.cast((outputs > 0) == (targets > 0.5), tf.float32)
    return dict(
      loss=tf.reduce_sum(losses, axis=-1), iou=tf.reduce_min(right, axis=-1)
    )

  def expected(self, outputs, index, first_step=0, first_cut=0):
    """Scores of one sequence, computed by itself; NaN if it is not cut."""
    _, targets, length = self.sequence(index)
    scores = self.scores(outputs[:, tf.newaxis], targets[:, tf.newaxis])
    first = max(1, first_step)
    loss, right = (scores[k].numpy()[first:length, 0] for k in ('loss', 'iou'))
    if not len(loss) or length <= first_cut:
      return np.nan, np.nan
    return loss.mean(dtype=np.float64), right.min()


class MeasureTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Models with equal settings share their graphs, which are slow to build.
    cls.enterClassContext(
      mock.patch.object(
        side_by_side, 'SideBySide', functools.cache(side_by_side.SideBySide)
      )
    )
    cls._sequences = _Sequences()
    cls._num = 9
    cls._result = lesion.measure(cls._sequences, cls._num)

  @mock.patch.object(measuring, '_BATCH_SIZE', 4)
  def test_batches_run_apart_give_the_same_to_the_last_bit(self):
    trial = lesion.LesionTrial(self._sequences, self._num)
    self.assertLen(trial.batches, 3)
    expected = lesion.result(trial, 1)
    found = lesion.result(trial, 1, spread_stages.apart(trial))
    self.assertAllEqual(found.mean_words, expected.mean_words)
    for name, by_metric in expected.scores.items():
      for metric, scores in by_metric.items():
        self.assertAllEqual(found.scores[name][metric], scores)
    self.assertEqual(repr(found.comparisons), repr(expected.comparisons))
    self.assertEqual(repr(found.courses), repr(expected.courses))

  def _outputs(self, lesion_step, reset_interval, *batches):
    """Yields the outputs of each batch of sequences, by lesion."""
    model = side_by_side.SideBySide(
      self._sequences.core,
      self._sequences.input_size,
      lesion_step,
      reset_interval,
    )
    for indices in batches:
      inputs = [self._sequences.sequence(index)[0] for index in indices]
      states = model.initial_states(len(indices))
      mean_words = self._result.mean_words
      yield {
        name: found.numpy()
        for name, found, _ in model.unroll(
          tf.stack(inputs, axis=1), states, mean_words
        )
      }

  def _assert_scores(self, found, outputs, first_step=0, first_cut=0):
    """Compares scores, by metric, with scores of each sequence's outputs."""
    expected = [
      self._sequences.expected(one, index, first_step, first_cut)
      for index, one in enumerate(outputs)
    ]
    for metric, values in zip(('loss', 'iou'), zip(*expected)):
      np.testing.assert_allclose(found[metric], values, rtol=1e-5)

  def test_each_sequence_has_its_scores(self):
    result = self._result
    (outputs,) = self._outputs(5, 3, range(self._num))
    for name, found in outputs.items():
      with self.subTest(name):
        first = 5 if name == 'frozen_memory' else 0
        by_sequence = tf.unstack(found, axis=1)
        cut = lesions.first_cut(name, 5, 3)
        self._assert_scores(result.scores[name], by_sequence, first, cut)
        if name == lesions.INTACT:
          self._assert_scores(result.late_scores[name], by_sequence, 5)
    # In shorter sequences no step counts.
    self.assertAllEqual(
      np.isnan(result.scores['frozen_memory']['loss']),
      [True] * 4 + [False] * 3 + [True] * 2,
    )

  def test_means_are_over_real_steps(self):
    words, targets = [], []
    core = self._sequences.core
    state = core.initial_state(1)
    for index in range(self._num):
      inputs, target, length = self._sequences.sequence(index)
      state = core.initial_state(1)
      for t in range(length):
        _, state = core(inputs[t][tf.newaxis], state)
        words.append(state.access_output[0])
        if t:
          targets.append(target[t])
    mean_words, mean_target = np.mean(words, axis=0), np.mean(targets, axis=0)
    self.assertAllClose(self._result.mean_words, mean_words, atol=1e-5)
    logit = np.log(mean_target) - np.log1p(-mean_target)
    constant = tf.constant(np.tile(logit, [_STEPS, 1]), tf.float32)
    baseline = [constant] * self._num
    for name, first in (('scores', 0), ('late_scores', 5)):
      found = getattr(self._result, name)[lesion.BASELINE]
      self._assert_scores(found, baseline, first)

  def test_batches_and_other_settings(self):
    with mock.patch.object(measuring, '_BATCH_SIZE', 4):
      # Seven sequences leave room in the second batch of four.
      result = lesion.measure(
        self._sequences, 7, lesion_step=4, reset_interval=2
      )
    self.assertEqual((result.lesion_step, result.reset_interval), (4, 2))
    one, other = self._outputs(4, 2, range(4), range(4, 8))
    outputs = {
      name: np.concatenate([found, other[name]], axis=1)
      for name, found in one.items()
    }
    for name, found in outputs.items():
      # The mean of these sequences is another one.
      if name != 'read_words_mean':
        first = 4 if name == 'frozen_memory' else 0
        by_sequence = list(np.moveaxis(found, 1, 0))[:7]
        cut = lesions.first_cut(name, 4, 2)
        self._assert_scores(result.scores[name], by_sequence, first, cut)
    for name in lesions.NAMES:
      self.assertLen(result.scores[name]['iou'], 7)

  def test_compares_the_same_steps(self):
    result = self._result
    for name, by_metric in result.comparisons.items():
      reference = result.scores
      if name == 'frozen_memory':
        reference = result.late_scores
      for metric, found in by_metric.items():
        # No sequence has the 18 steps before an earlier memory is put back.
        if name == 'earlier_memory':
          self.assertIsNone(found)
          continue
        self.assertEqual(
          found,
          lesion.compare(
            reference[lesions.INTACT][metric],
            result.scores[name][metric],
            reference[lesion.BASELINE][metric],
            metric == 'loss',
          ),
        )
    self.assertEqual(
      result.comparisons['frozen_memory']['iou'].num_sequences, 3
    )
    # Of 9 sequences of 2 to 8 steps, 5 have steps from the third on that count.
    self.assertEqual(
      result.comparisons['reset_memory']['loss'].num_sequences, 5
    )
    self.assertEqual(
      (result.lesion_step, result.reset_interval, result.metrics),
      (5, 3, ('loss', 'iou')),
    )

  def test_courses_are_of_the_losses_of_the_steps(self):
    (outputs,) = self._outputs(5, 3, range(self._num))
    losses = {}
    for name, found in outputs.items():
      losses[name] = np.full([self._num, _STEPS], np.nan)
      for index in range(self._num):
        _, targets, length = self._sequences.sequence(index)
        scores = self._sequences.scores(found[:, index], targets)['loss']
        losses[name][index, 1:length] = scores[1:length]
    intact = losses[lesions.INTACT]
    for name in lesions.NAMES:
      at_intervals = name in lesions.AT_INTERVALS
      expected = course.find(
        intact,
        losses[name],
        intact + 1,
        lesions.first_cut(name, 5, 3),
        3 if at_intervals else None,
      )
      found = self._result.courses[name]
      self.assertEqual(found.cut_interval, expected.cut_interval)
      for field in ('first_cut', 'first_steps', 'changes', 'intervals'):
        self.assertAllClose(
          getattr(found, field), getattr(expected, field), rtol=1e-4, atol=1e-5
        )
    # The first step does not count; only one sequence has the last one.
    self.assertAllEqual(
      self._result.courses['no_link'].first_steps, np.arange(2, _STEPS)
    )

  @parameterized.parameters(
    (dict(lesion_step=8), '--lesion_step=8: must be in 0 to 7, .* 8 steps'),
    (dict(reset_interval=0), '--reset_interval=0: must be in 1 to 7'),
    (dict(reset_interval=8), '--reset_interval=8: must be in 1 to 7'),
  )
  def test_settings_that_do_not_fit_are_refused(self, changes, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern):
      lesion.measure(self._sequences, 4, **changes)


if __name__ == '__main__':
  tf.test.main()
