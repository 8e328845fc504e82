"""Tests of repeat-copy's sequences, and that Test 3 detects memory use."""

import json
import os

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from analysis import lesion
from dnc import config as config_lib
from dnc import dnc
from dnc import lesions
from dnc import reference_weights
from dnc import unroll
from dnc.repeat_copy import data
from dnc.repeat_copy import sequences
from dnc.repeat_copy import training
from dnc.system import errors
from tests.support import markdown_tables
from tests.support import testing_data

_CHECKPOINT_FOLDER = os.path.join(
  testing_data.ROOT, 'testdata', 'tf1_checkpoint'
)
_OUR_FOLDER = os.path.join(testing_data.ROOT, 'testdata', 'repeat_copy_run')


class CopySequencesTest(tf.test.TestCase, parameterized.TestCase):
  """On a model trained by DeepMind's own code."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    with open(os.path.join(_CHECKPOINT_FOLDER, 'config.json')) as file:
      sizes = json.load(file)
    cls._core = dnc.DNC(
      sizes['access_config'],
      sizes['controller_config'],
      sizes['output_size'],
      sizes['clip_value'],
    )
    reference_weights.load_checkpoint(
      cls._core, os.path.join(_CHECKPOINT_FOLDER, 'model.ckpt-3000')
    )
    cls._config = config_lib.RepeatCopyConfig(**sizes['task'])
    cls._sequences = sequences.CopySequences(cls._core, cls._config)
    cls._result = lesion.measure(cls._sequences, 200)

  def _mean(self, name, metric):
    return np.nanmean(self._result.scores[name][metric])

  def test_scores_are_those_of_the_training(self):
    (segment,) = self._sequences.segments(0, 25)
    batch = data.make_batch(self._config, 'validation', 1, 25)
    np.testing.assert_array_equal(segment.inputs, batch.observations)
    outputs, _, _ = unroll.unroll(
      self._core,
      segment.inputs,
      self._core.initial_state(25),
      compiled=False,
    )
    scores = self._sequences.scores(outputs, segment.targets)
    found = {
      metric.name: [
        metric.of_sequence(values[counts])
        for values, counts in zip(
          scores[metric.name].numpy().T, segment.counts[metric.name].T
        )
      ]
      for metric in self._sequences.metrics
    }
    expected = data.score(outputs, batch.target, batch.mask)
    self.assertAllClose(np.mean(found['sequence_accuracy']), expected.sequences)
    copied = segment.counts['bit_accuracy'].sum(axis=0)
    self.assertAllClose(
      np.average(found['bit_accuracy'], weights=copied), expected.bits
    )
    loss = data.masked_sigmoid_cross_entropy(outputs, batch.target, batch.mask)
    self.assertAllClose(np.mean(found['loss']), loss, rtol=1e-5)

  def test_real_steps_end_with_the_end_marker(self):
    (segment,) = self._sequences.segments(0, 25)
    for i in range(25):
      end = segment.targets[:, i, -1].numpy().argmax()
      self.assertAllEqual(
        segment.is_real[:, i], np.arange(len(segment.is_real)) <= end
      )

  def test_batches_are_other_sequences(self):
    first, second = (next(self._sequences.segments(b, 25)) for b in (0, 1))
    reported = data.make_batch(self._config, 'validation', 0, 25)
    seen = {
      x.numpy().tobytes()
      for x in (first.inputs, second.inputs, reported.observations)
    }
    self.assertLen(seen, 3)

  def _change(self, name, metric):
    return self._result.comparisons[name][metric]

  def test_intact_it_does_most_of_the_task(self):
    # After 3,000 updates the model does not copy every sequence.
    self.assertGreater(self._mean(lesions.INTACT, 'bit_accuracy'), 0.9)
    self.assertGreater(self._mean(lesions.INTACT, 'sequence_accuracy'), 0.5)
    self.assertLess(self._mean(lesion.BASELINE, 'bit_accuracy'), 0.55)

  @parameterized.parameters(
    *lesions.OF_READ_WORDS, 'frozen_memory', 'reset_memory'
  )
  def test_lesions_break_it(self, name):
    loss = self._change(name, 'loss')
    self.assertGreater(loss.share_interval[0], 0.4)
    bits = self._change(name, 'bit_accuracy')
    self.assertLess(bits.interval[1], -0.04)
    # Hardly any sequence is still right.
    self.assertLess(self._mean(name, 'sequence_accuracy'), 0.15)
    self.assertLess(self._change(name, 'sequence_accuracy').interval[1], -0.3)

  @parameterized.parameters('exchanged_memory', 'no_usage')
  def test_other_lesions_harm_it(self, name):
    self.assertGreater(self._change(name, 'loss').share_interval[0], 0.1)
    self.assertLess(self._change(name, 'sequence_accuracy').interval[1], -0.05)

  def test_links_are_not_what_it_does_it_with(self):
    # Patterns of at most two steps can be found by content.
    self.assertAllClose(self._change('no_link', 'loss').share, 0.0, atol=0.01)
    self.assertEqual(self._change('no_link', 'bit_accuracy').difference, 0.0)

  def test_no_sequence_is_long_enough_for_an_earlier_memory(self):
    found = self._result.courses['earlier_memory']
    self.assertGreater(found.first_cut, self._sequences.num_steps)
    self.assertIsNone(found.jolt)
    self.assertIsNone(self._change('earlier_memory', 'loss'))
    text = lesion.tables.text(self._result)
    (row,) = (
      cells
      for name, cells in markdown_tables.rows(text)[1].items()
      if name.endswith('(never cut)')
    )
    self.assertEqual(row, ['-'] * 7)

  def test_a_step_after_which_nothing_counts(self):
    last = self._sequences.num_steps - 1
    # Making other graphs would take longest.
    tf.config.run_functions_eagerly(True)
    self.addCleanup(tf.config.run_functions_eagerly, False)
    with self.assertRaisesRegex(
      errors.UsageError,
      f'^--lesion_step={last}: only 0 sequences .* bit_accuracy',
    ):
      lesion.measure(self._sequences, 4, lesion_step=last)

  def test_verdict(self):
    self.assertStartsWith(
      lesion.verdict.text(self._result),
      'Yes: the model uses what it reads and what it stores.',
    )


class WholeControlTest(tf.test.TestCase, parameterized.TestCase):
  """On a model of ours that always remembers patterns, also longer ones."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    trained = training.restore(_OUR_FOLDER)
    assert trained.num_updates == trained.config.num_training_iterations
    cls._result = lesion.measure(
      sequences.CopySequences(trained.core, trained.config), 100
    )

  def test_intact_it_does_the_task(self):
    intact = self._result.scores[lesions.INTACT]
    self.assertEqual(np.nanmean(intact['sequence_accuracy']), 1.0)

  @parameterized.parameters(*lesions.NAMES)
  def test_every_lesion_breaks_it(self, name):
    comparison = self._result.comparisons[name]
    self.assertGreater(comparison['loss'].share_interval[0], 1.0)
    self.assertLess(comparison['bit_accuracy'].interval[1], -0.2)
    self.assertLess(comparison['sequence_accuracy'].interval[1], -0.8)


if __name__ == '__main__':
  tf.test.main()
