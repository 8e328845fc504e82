"""The repeat-copy task against DeepMind's, and training on it."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import tempfile

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import config as config_lib
from dnc.config import runs
from dnc.repeat_copy import data as repeat_copy
from dnc.repeat_copy import training as repeat_copy_training
from dnc.system import errors
from tests.support import data as testing_data
from tests.support import golden
from tests.support import training_runs as testing_runs

_CONFIG = config_lib.RepeatCopyConfig(
  num_bits=3,
  max_length=1,
  memory_size=4,
  word_size=5,
  num_read_heads=1,
  hidden_size=32,
  num_training_iterations=250,
  learning_rate=0.01,
  report_interval=50,
  checkpoint_interval=100,
)


class TaskTest(tf.test.TestCase, parameterized.TestCase):
  def test_a_sequence_by_hand(self):
    batch = repeat_copy.lay_out(
      bits=tf.constant([[[1.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]]]),
      length=tf.constant([2, 1]),
      repeats=tf.constant([2, 3]),
    )
    expected = [
      # Bits, start, repeats; bits, end; mask.
      [0, 0, 1, 0.0, 0, 0, 0, 0],
      [1, 0, 0, 0.0, 0, 0, 0, 0],
      [1, 1, 0, 0.0, 0, 0, 0, 0],
      [0, 0, 0, 0.2, 0, 0, 0, 0],
      [0, 0, 0, 0.0, 1, 0, 0, 1],
      [0, 0, 0, 0.0, 1, 1, 0, 1],
      [0, 0, 0, 0.0, 1, 0, 0, 1],
      [0, 0, 0, 0.0, 1, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 0, 1, 1],
    ]
    shorter = [
      [0, 0, 1, 0.0, 0, 0, 0, 0],
      [0, 1, 0, 0.0, 0, 0, 0, 0],
      [0, 0, 0, 0.3, 0, 0, 0, 0],
      [0, 0, 0, 0.0, 0, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 1, 0, 1],
      [0, 0, 0, 0.0, 0, 0, 1, 1],
      [0, 0, 0, 0.0, 0, 0, 0, 0],
      [0, 0, 0, 0.0, 0, 0, 0, 0],
    ]
    together = np.stack([expected, shorter], axis=1)
    self.assertAllClose(batch.observations, together[..., :4])
    self.assertAllClose(batch.target, together[..., 4:7])
    self.assertAllClose(batch.mask, together[..., 7])

  def test_deepminds_batch(self):
    folder = os.path.join(testing_data.ROOT, 'testdata', 'tf1_checkpoint')
    with np.load(os.path.join(folder, 'batch.npz')) as arrays:
      theirs = dict(arrays)
    observations = theirs['observations']
    self.assertEqual(
      observations.shape[2],
      repeat_copy.observation_size(config_lib.RepeatCopyConfig()),
    )
    # The number of repeats stands one step after the pattern's end.
    number = observations[..., -1].argmax(axis=0)
    repeats = np.rint(10 * observations[..., -1].max(axis=0)).astype(np.int32)
    # Several kinds, or this would show little.
    self.assertGreater(len(set(zip(number, repeats))), 2)
    ours = repeat_copy.lay_out(
      bits=tf.constant(observations[1:, :, :-2].transpose(1, 0, 2)),
      length=tf.constant(number - 1, tf.int32),
      repeats=tf.constant(repeats),
    )
    np.testing.assert_array_equal(ours.observations, observations)
    np.testing.assert_array_equal(ours.target, theirs['target'])
    np.testing.assert_array_equal(ours.mask, theirs['mask'])
    cost = repeat_copy.masked_sigmoid_cross_entropy(
      theirs['outputs'], ours.target, ours.mask
    )
    self.assertAllClose(cost, theirs['loss'], rtol=1e-6, atol=0)

  def test_a_batch_is_a_function_of_seed_stream_and_index(self):
    batch = repeat_copy.make_batch(_CONFIG, 'train', 7)
    in_graph = tf.function(
      lambda index: repeat_copy.make_batch(_CONFIG, 'train', index)
    )
    tf.random.set_seed(1)
    for again in (
      repeat_copy.make_batch(_CONFIG, 'train', 7),
      in_graph(tf.constant(7, tf.int64)),
    ):
      for a, b in zip(batch, again):
        np.testing.assert_array_equal(a, b)
    other_seed = dataclasses.replace(_CONFIG, seed=1)
    batches = [
      batch,
      repeat_copy.make_batch(_CONFIG, 'train', 8),
      repeat_copy.make_batch(_CONFIG, 'train', 2**40),
      repeat_copy.make_batch(_CONFIG, 'validation', 7),
      repeat_copy.make_batch(other_seed, 'train', 7),
    ]
    self.assertLen({b.observations.numpy().tobytes() for b in batches}, 5)

  def test_lengths_repeats_and_bits_are_uniform(self):
    config = dataclasses.replace(
      _CONFIG, min_length=2, max_length=4, min_repeats=3, max_repeats=4
    )
    num = 3_000
    batch = repeat_copy.make_batch(config, 'train', 0, num)
    observations = batch.observations.numpy()
    lengths = observations[..., -1].argmax(axis=0) - 1
    repeats = np.rint(10 * observations[..., -1].max(axis=0))
    kinds, counts = np.unique([lengths, repeats], axis=1, return_counts=True)
    self.assertAllEqual(kinds, [[2, 2, 3, 3, 4, 4], [3, 4] * 3])
    # Five standard deviations.
    self.assertAllClose(
      counts / num, [1 / 6] * 6, atol=5 * (5 / 36 / num) ** 0.5
    )
    num_bits = config.num_bits * lengths.sum()
    self.assertAllClose(
      observations[..., :-2].sum() / num_bits, 0.5, atol=2.5 / num_bits**0.5
    )

  @parameterized.product(
    time_average=(False, True),
    dtype_prefix=((tf.float32, '', 1e-6), (tf.float64, 'f64.', 1e-14)),
  )
  def test_golden_cost(self, time_average, dtype_prefix):
    dtype, prefix, tolerance = dtype_prefix
    kind = 'time_average' if time_average else 'plain'
    case = f'masked_sigmoid_cross_entropy_{kind}'
    with np.load(os.path.join(golden.FOLDER, 'pieces.npz')) as arrays:
      logits, target, mask, cotangent, cost, gradient = (
        tf.constant(arrays[f'{case}.{name}'], dtype)
        for name in (
          'in.logits',
          'in.target',
          'in.mask',
          'cotangent.cost',
          f'{prefix}out.cost',
          f'{prefix}grad.logits',
        )
      )
    with tf.GradientTape() as tape:
      tape.watch(logits)
      ours = repeat_copy.masked_sigmoid_cross_entropy(
        logits, target, mask, time_average
      )
      loss = ours * cotangent[0]
    self.assertAllClose(ours, cost[0], rtol=tolerance, atol=0)
    self.assertLess(
      golden.relative_error(tape.gradient(loss, logits), gradient), tolerance
    )
    in_bits = repeat_copy.masked_sigmoid_cross_entropy(
      logits, target, mask, time_average, log_prob_in_bits=True
    )
    self.assertAllClose(in_bits * np.log(2.0), ours)

  def test_score(self):
    # Two sequences: a pattern of one step of two bits, then the end marker;
    # step 0 does not count, whatever is said there.
    target = np.array([[[1, 1, 1], [0, 1, 0], [0, 0, 1]]] * 2, np.float32)
    target = target.transpose(1, 0, 2)
    mask = np.array([[0, 0], [1, 1], [1, 1]], np.float32)
    right = np.where(target > 0, 3.0, -3.0)
    right[0] *= -1

    def score(*wrong):
      logits = right.copy()
      for place in wrong:
        logits[place] *= -1
      return repeat_copy.score(tf.constant(logits), target, mask)

    self.assertAllEqual(score(), [1.0, 1.0])
    self.assertAllEqual(score((1, 0, 1)), [0.75, 0.5])
    # An end marker that is missing, and one that should not be there.
    self.assertAllEqual(score((2, 1, 2)), [1.0, 0.5])
    self.assertAllEqual(score((1, 0, 2), (2, 1, 0)), [1.0, 0.0])


class TrainingTest(tf.test.TestCase, parameterized.TestCase):
  """As a user does; the graphs take seconds, so that tests share runs."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    flags = [f'--{k}={v}' for k, v in dataclasses.asdict(_CONFIG).items()]
    cls._trained = cls._run(
      'train.py', '--task=repeat_copy', '--model_dir=whole', *flags
    )

  @classmethod
  def _run(cls, script, *flags):
    return subprocess.run(
      [sys.executable, os.path.join(testing_data.ROOT, script), *flags],
      cwd=cls._folder,
      env={**os.environ, 'PYTHONPATH': testing_data.ROOT},
      capture_output=True,
      text=True,
      check=False,
    )

  def _whole(self, name):
    with open(os.path.join(self._folder, 'whole', name)) as file:
      return json.load(file)

  @staticmethod
  def _reports(output):
    """Update, loss and bits right of unseen sequences, of each report."""
    line = (
      r'update (\d+)  \d+%  loss ([\d.]+)  ([\d.]+)% of bits right, '
      r'.*% of sequences  .* steps/s  .* left'
    )
    return np.array(re.findall(line, output), np.float64)

  def _train(self, name, config=_CONFIG, interrupt_at=None):
    """Trains; after some lines it does what Ctrl-C does."""
    lines = []

    def log(line):
      lines.append(line)
      if len(lines) == interrupt_at:
        os.kill(os.getpid(), signal.SIGINT)

    model_dir = os.path.join(self._folder, name)
    return repeat_copy_training.train(config, model_dir, log), lines

  def _assert_refused(self, result, pattern):
    self.assertNotEqual(result.returncode, 0)
    self.assertLen(result.stderr.splitlines(), 1, msg=result.stderr)
    self.assertRegex(result.stderr, pattern)

  def test_learns(self):
    self.assertEqual(self._trained.returncode, 0, msg=self._trained.stderr)
    self.assertEqual(self._trained.stderr, '')
    reports = self._reports(self._trained.stdout)
    self.assertAllEqual(reports[:, 0], [50, 100, 150, 200, 250])
    self.assertLess(reports[-1, 1], reports[0, 1] / 2)
    # Chance is a half.
    result = self._whole(runs.RESULT_FILE)
    self.assertGreater(result['bit_accuracy'], 0.8)
    self.assertAllClose(reports[-1, 2], 100 * result['bit_accuracy'], atol=0.01)

  def test_resumed_is_as_never_stopped(self):
    model_dir = os.path.join(self._folder, 'resumed')
    # Ctrl-C with the second report.
    result, lines = self._train('resumed', interrupt_at=3)
    self.assertIsNone(result)
    self.assertIn('stopped after 100 updates; the same command', lines[-1])
    result, lines = self._train('resumed')
    self.assertIn('after 100 updates', lines[0])
    self.assertEqual(result, self._whole(runs.RESULT_FILE))
    testing_runs.assert_same(
      self, os.path.join(self._folder, 'whole'), model_dir
    )

  def test_a_finished_run_stays_as_it_is(self):
    result, lines = self._train('whole')
    self.assertIn('after 250 updates', lines[0])
    self.assertLen(lines, 2)
    self.assertEqual(result, self._whole(runs.RESULT_FILE))

  def test_a_loss_that_is_not_finite_can_be_seen_again(self):
    wild = dataclasses.replace(
      _CONFIG, learning_rate=1e30, max_grad_norm=1e30, clip_value=0.0
    )
    with self.assertRaisesRegex(errors.UsageError, 'diverged: update 2 has'):
      self._train('wild', wild)
    model_dir = os.path.join(self._folder, 'wild')
    self.assertFalse(repeat_copy_training.replay(model_dir)['finite'])

  def test_another_run_in_the_folder_is_refused(self):
    other = dataclasses.replace(_CONFIG, num_bits=4)
    with self.assertRaisesRegex(errors.UsageError, 'num_bits=3 there, 4 asked'):
      self._train('whole', other)
    model_dir = os.path.join(self._folder, 'sprites')
    os.makedirs(model_dir)
    runs.save(config_lib.TrainingConfig(), model_dir)
    with self.assertRaisesRegex(errors.UsageError, '--task=dsprites'):
      self._train('sprites')

  def test_evaluate_lesions_it(self):
    flags = ('--model_dir=whole', '--preset=quick')
    result = self._run('evaluate.py', *flags)
    self.assertEqual(result.returncode, 0, msg=result.stderr)
    self.assertEqual(result.stderr, '')
    self.assertIn('only Test 3', result.stdout)
    found = self._whole(os.path.join('evaluation', 'lesion.json'))
    self.assertEqual(found['num_sequences'], 100)
    self.assertIn(found['verdict'], result.stdout)
    folder = os.path.join(self._folder, 'whole', 'evaluation')
    with open(os.path.join(folder, 'report.md'), encoding='utf-8') as file:
      text = file.read()
    self.assertIn(found['verdict'], text)
    self.assertIn('The network hears a pattern', text)
    self.assertNotIn('sprite', text)
    self.assertCountEqual(
      re.findall(r'figures/(.+)\)', text),
      [
        f'lesion_{x}.svg' for x in ('loss', 'bit_accuracy', 'sequence_accuracy')
      ],
    )
    self.assertTrue(os.path.exists(os.path.join(folder, 'report.html')))
    # Other sequences than those that the training reports on, as hard.
    self.assertAllClose(
      np.mean(found['scores']['intact']['bit_accuracy']),
      self._whole(runs.RESULT_FILE)['bit_accuracy'],
      atol=0.1,
    )

  def test_evaluate_has_no_other_test_of_it(self):
    for flags, pattern in (
      ('--test=mi', '--test=mi: whole is a run of --task=repeat_copy'),
      ('--reset_interval=7', '--reset_interval=7: must be in 1 to 5'),
    ):
      result = self._run('evaluate.py', '--model_dir=whole', flags)
      self._assert_refused(result, pattern)


if __name__ == '__main__':
  tf.test.main()
