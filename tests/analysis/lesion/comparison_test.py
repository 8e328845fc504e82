"""Tests of analysis.lesion."""

from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis.lesion import comparison as lesion
from analysis.lesion import side_by_side as lesioned_runs
from dnc import dnc
from dnc import lesions
from dnc.system import errors

_STEPS = 8


class CompareTest(tf.test.TestCase, parameterized.TestCase):
  def test_a_constant_change(self):
    intact = np.arange(10.0)
    found = lesion.compare(intact, intact + 2, intact + 8)
    self.assertEqual(
      found,
      lesion.Comparison(
        num_sequences=10,
        intact=4.5,
        lesioned=6.5,
        difference=2.0,
        interval=(2.0, 2.0),
        share=0.25,
        share_interval=(0.25, 0.25),
      ),
    )

  def test_interval_is_that_of_the_mean(self):
    rng = np.random.default_rng(0)
    # Sequences differ by far more than the lesion does: they are paired.
    intact = 1_000 * rng.normal(size=400)
    changes = rng.normal(3.0, 2.0, size=400)
    found = lesion.compare(intact, intact + changes)
    error = changes.std() / 20
    self.assertAllClose(found.difference, changes.mean())
    self.assertAllClose(
      found.interval,
      changes.mean() + 1.96 * error * np.array([-1, 1]),
      atol=0.2 * error,
    )
    self.assertIsNone(found.share)
    self.assertIsNone(found.share_interval)

  def test_interval_covers_the_truth(self):
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
      changes = rng.normal(1.0, 1.0, size=40)
      found = lesion.compare(
        np.zeros(40), changes, seed=seed, num_resamples=300
      )
      covered += found.interval[0] <= 1.0 <= found.interval[1]
    # Of 95 %, less a little for 40 sequences; within four standard deviations.
    self.assertBetween(covered, 174, 199)

  def test_share_is_of_what_is_gained(self):
    rng = np.random.default_rng(2)
    intact = rng.normal(100.0, 5.0, size=50)
    lesioned = intact + rng.normal(30.0, 5.0, size=50)
    baseline = rng.normal(400.0, 5.0, size=50)
    found = lesion.compare(intact, lesioned, baseline)
    self.assertAllClose(found.share, 0.1, atol=0.01)
    self.assertBetween(found.share, *found.share_interval)
    low, high = found.share_interval
    self.assertLess(high - low, 0.02)
    # The same of a score that is the better the higher it is.
    higher = lesion.compare(-intact, -lesioned, -baseline, False)
    self.assertAllClose(higher.share, found.share)
    self.assertAllClose(higher.difference, -found.difference)

  @parameterized.parameters(0.0, -3.0)
  def test_no_share_of_nothing(self, gain):
    rng = np.random.default_rng(3)
    intact = rng.normal(size=30)
    baseline = intact + gain + 0.1 * rng.normal(size=30)
    found = lesion.compare(intact, intact + 1, baseline)
    self.assertIsNone(found.share)
    self.assertAllClose(found.difference, 1.0)

  def test_sequences_without_a_score_are_left_out(self):
    intact = [1.0, np.nan, 3.0, 4.0]
    found = lesion.compare(intact, [2.0, 7.0, np.nan, 7.0], [5.0] * 4)
    self.assertEqual(found.num_sequences, 2)
    self.assertAllClose([found.intact, found.difference], [2.5, 2.0])
    self.assertAllClose(found.interval, [1.0, 3.0])

  def test_the_seed_is_all_there_is_to_chance(self):
    rng = np.random.default_rng(4)
    scores = rng.normal(size=[3, 20])
    self.assertEqual(lesion.compare(*scores), lesion.compare(*scores))
    self.assertNotEqual(
      lesion.compare(*scores).interval, lesion.compare(*scores, seed=1).interval
    )

  def test_scores_that_do_not_fit(self):
    with self.assertRaisesRegex(ValueError, 'one for each sequence'):
      lesion.compare([1.0, 2.0], [1.0, 2.0, 3.0])
    with self.assertRaisesRegex(ValueError, 'two sequences at least.*got 1'):
      lesion.compare([1.0, np.nan], [1.0, 2.0])


class _Task(lesion.Task):
  """Random bits of random lengths, predicted by an untrained core."""

  name = 'dsprites'
  input_size = 3
  num_steps = _STEPS
  metrics = (
    lesion.Metric('loss', np.mean, lower_is_better=True),
    lesion.Metric('iou', np.min),
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
    """Inputs, targets and the length of one."""
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
      yield lesion.Segment(
        inputs[part],
        targets[part],
        is_real[part],
        dict(loss=counts, iou=counts),
      )

  def scores(self, outputs, targets):
    losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, outputs)
    right = tf.cast((outputs > 0) == (targets > 0.5), tf.float32)
    return dict(
      loss=tf.reduce_sum(losses, axis=2), iou=tf.reduce_min(right, axis=2)
    )

  def expected(self, outputs, index, first_step=0):
    """A sequence's scores, computed by itself."""
    _, targets, length = self.sequence(index)
    scores = self.scores(outputs[:, tf.newaxis], targets[:, tf.newaxis])
    first = max(1, first_step)
    loss, right = (scores[k].numpy()[first:length, 0] for k in ('loss', 'iou'))
    if not len(loss):
      return np.nan, np.nan
    return loss.mean(dtype=np.float64), right.min()


class RunTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._task = _Task()
    cls._num = 9
    cls._result = lesion.run(cls._task, cls._num)

  def _outputs(self, lesion_step, reset_interval, *batches):
    """Of batches of sequences, each by itself, outputs by name."""
    runs = lesioned_runs.LesionedRuns(
      self._task.core, self._task.input_size, lesion_step, reset_interval
    )
    for indices in batches:
      inputs = [self._task.sequence(index)[0] for index in indices]
      states = runs.initial_states(len(indices))
      mean_words = self._result.mean_words
      yield {
        name: found.numpy()
        for name, found, _ in runs.run(
          tf.stack(inputs, axis=1), states, mean_words
        )
      }

  def _assert_scores(self, found, outputs, first_step=0):
    """`found` by metric; `outputs` of each sequence."""
    expected = [
      self._task.expected(one, index, first_step)
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
        self._assert_scores(result.scores[name], by_sequence, first)
        if name == lesions.INTACT:
          self._assert_scores(result.late_scores[name], by_sequence, 5)
    # Shorter sequences have no step that counts.
    self.assertAllEqual(
      np.isnan(result.scores['frozen_memory']['loss']),
      [True] * 4 + [False] * 3 + [True] * 2,
    )

  def test_means_are_of_real_steps(self):
    words, targets = [], []
    core = self._task.core
    state = core.initial_state(1)
    for index in range(self._num):
      inputs, target, length = self._task.sequence(index)
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
    with mock.patch.object(lesion, '_BATCH_SIZE', 4):
      # The last of two batches of four has room for one more.
      result = lesion.run(self._task, 7, lesion_step=4, reset_interval=2)
    self.assertEqual((result.lesion_step, result.reset_interval), (4, 2))
    one, other = self._outputs(4, 2, range(4), range(4, 8))
    outputs = {
      name: np.concatenate([found, other[name]], axis=1)
      for name, found in one.items()
    }
    for name, found in outputs.items():
      # Other sequences have another mean.
      if name != 'read_words_mean':
        first = 4 if name == 'frozen_memory' else 0
        by_sequence = list(np.moveaxis(found, 1, 0))[:7]
        self._assert_scores(result.scores[name], by_sequence, first)
    for name in lesions.NAMES:
      self.assertLen(result.scores[name]['iou'], 7)

  def test_compares_the_same_steps(self):
    result = self._result
    for name, of_lesion in result.comparisons.items():
      reference = result.scores
      if name == 'frozen_memory':
        reference = result.late_scores
      for metric, found in of_lesion.items():
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
    self.assertEqual(
      (result.lesion_step, result.reset_interval, result.metrics),
      (5, 3, ('loss', 'iou')),
    )

  def test_again_is_the_same(self):
    again = lesion.run(self._task, self._num, lesion_step=5, reset_interval=3)
    self.assertEqual(again.comparisons, self._result.comparisons)

  @parameterized.parameters(
    (dict(lesion_step=8), '--lesion_step=8: must be in 0 to 7, .* 8 steps'),
    (dict(reset_interval=0), '--reset_interval=0: must be in 1 to 7'),
    (dict(reset_interval=8), '--reset_interval=8: must be in 1 to 7'),
  )
  def test_what_does_not_fit_the_sequences(self, changes, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern):
      lesion.run(self._task, 4, **changes)


if __name__ == '__main__':
  tf.test.main()
