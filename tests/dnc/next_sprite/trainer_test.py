"""Tests of one update, on real sprites, with models of a few units."""

import dataclasses
import functools
from unittest import mock

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc import unroll
from dnc.dsprites import latents
from dnc.next_sprite import rollouts
from dnc.next_sprite import scoring
from dnc.next_sprite import trainer as trainer_lib
from tests.support import testing_data
from tests.support import training_runs

# Enough units and epochs to learn, so that one graph with a memory serves all.
_CONFIG = dataclasses.replace(
  training_runs.CONFIG, hidden_size=64, num_epochs=60
)

# Settings that a core without a memory lacks must have their defaults.
_NO_MEMORY = dict(memory_size=16, word_size=16, num_read_heads=4)


class TrainerTest(tf.test.TestCase, parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Compiling takes seconds per graph and computes the same.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    cls._table = testing_data.rendered_table()

  @classmethod
  @functools.cache
  def _cached_trainer(cls, config):
    """A trainer, and the values of its variables before any update."""
    trainer = trainer_lib.SpriteTrainer(config, cls._table)
    return trainer, [v.numpy() for v in trainer.variables]

  def _trainer(self, **changes):
    """A trainer before any update, cached: making its graph takes seconds."""
    trainer, initial = self._cached_trainer(
      dataclasses.replace(_CONFIG, **changes)
    )
    for variable, value in zip(trainer.variables, initial, strict=True):
      variable.assign(value)
    return trainer

  def _update_only_the_state(self, trainer, batch):
    """Makes an update, and takes back what the weights learned."""
    before = [v.numpy() for v in trainer.learned_variables]
    metrics = trainer.update(batch)
    for variable, value in zip(trainer.learned_variables, before):
      variable.assign(value)
    return metrics

  def _batch(self, indices, config=_CONFIG):
    spec = rollouts.training_spec(config, 'train')
    return rollouts.make_batch(self._table, spec, indices)

  def test_starts_by_predicting_the_mean_image(self):
    batch = self._batch([0, 1])
    loss = self._trainer().update(batch)['loss']
    mean = self._table.mean_image().clip(1e-3, 1 - 1e-3).astype(np.float64)
    true = np.unpackbits(batch.target[:8], axis=-1)
    cost = -np.log(np.where(true, mean, 1 - mean)).sum(axis=(2, 3)).mean()
    # Random weights change the loss of the mean image a little.
    self.assertAllClose(loss, cost, rtol=0.1)

  def test_padding_counts_for_nothing(self):
    # The same two rollouts; the second batch has room for longer ones.
    plain = self._batch([0, 1])
    time = [(0, 8)]
    padded = plain._replace(
      **{
        name: np.pad(
          value,
          time + [(0, 0)] * (value.ndim - 1),
          constant_values=-1 if name == 'since_shown' else 7,
        )
        for name, value in plain._asdict().items()
        if name not in ('length', 'index')
      }
    )
    results = []
    for batch in (plain, padded):
      trainer = self._trainer()
      metrics = []
      while not trainer.num_batches.numpy():
        metrics.append(trainer.update(batch))
      weights = [v.numpy() for v in trainer.predictor.variables]
      results.append((metrics, weights))
    self.assertAllClose(*results, rtol=0, atol=0)

  def test_filler_rollouts_count_for_nothing(self):
    settings = dict(core='lstm', **_NO_MEMORY)
    filled = self._trainer(**settings).update(self._batch([0, -1]))
    alone = self._trainer(batch_size=1, **settings).update(self._batch([0]))
    self.assertAllClose(filled['loss'], alone['loss'])
    self.assertAllClose(filled['grad_norm'], alone['grad_norm'])
    self.assertAllEqual(filled['num_steps'], 8)

  def test_state_is_carried_over_between_segments(self):
    batch = self._batch([0, 1])
    end = int(batch.length.max())
    trainer = self._trainer()
    losses, steps = [], []
    while not trainer.num_batches.numpy():
      metrics = self._update_only_the_state(trainer, batch)
      losses.append(metrics['loss'] * metrics['num_steps'])
      steps.append(int(metrics['num_steps']))
    self.assertLen(steps, -(-end // 8))
    self.assertEqual(sum(steps), batch.length.sum())
    predictor = trainer.predictor
    logits, _, _ = predictor(
      rollouts.model_inputs(batch), predictor.initial_state(2)
    )
    expected = scoring.sum_scores(
      logits, rollouts.model_targets(batch), rollouts.counted(batch)
    )
    self.assertAllClose(sum(losses), expected.loss, rtol=1e-5)
    # And it starts from zeros again with the next batch.
    self.assertAllClose(trainer.update(batch)['loss'] * 16, losses[0])

  def test_steps_before_there_is_a_target_do_not_count(self):
    config = dataclasses.replace(_CONFIG, recall=3)
    batch = self._batch([0, 1], config)
    # Only the data differ, so the graph is that of the post's task.
    trainer = self._trainer()
    metrics = self._update_only_the_state(trainer, batch)
    self.assertAllEqual(metrics['num_steps'], 2 * (8 - 3))
    predictor = trainer.predictor
    segment = rollouts.segment(batch, 0, 8)
    logits, _, _ = predictor(
      rollouts.model_inputs(segment), predictor.initial_state(2)
    )
    losses = predictor.loss(logits, rollouts.model_targets(segment))
    self.assertAllClose(metrics['loss'], tf.reduce_mean(losses[3:]))

  def test_a_gradient_that_is_not_finite_changes_nothing(self):
    trainer = self._trainer()
    trainer.predictor.core.output_linear.b.assign(tf.fill([4096], np.nan))
    before = [v.numpy() for v in trainer.variables]
    self.assertFalse(trainer.update(self._batch([0, 1]))['finite'])
    for variable, value in zip(trainer.variables, before):
      np.testing.assert_array_equal(variable, value)

  def test_one_graph_for_every_length(self):
    trainer = self._trainer()
    for indices in ([0, 1], [2, 3], [4, -1]):
      batch = self._batch(indices)
      while not trainer.update(batch)['finished']:
        pass
    self.assertEqual(int(trainer.num_batches), 3)
    self.assertEqual(trainer.update_graph.experimental_get_tracing_count(), 1)

  def test_learning_rate_falls_from_first_batch_to_last(self):
    trainer = self._trainer(core='lstm', **_NO_MEMORY, num_epochs=2)
    batch = self._batch([0, 1])
    rates = []
    for _ in range(2 * 3):
      finished = False
      while not finished:
        finished = trainer.update(batch)['finished']
      rates.append(float(trainer.learning_rate))
    self.assertLen(rates, 2 * 3)
    self.assertAllClose(rates, np.linspace(5e-3, 1e-4, 6), rtol=1e-5)

  def _short(self, **changes):
    """A batch of short rollouts, and a trainer that can memorise it."""
    lengths = dict(min_length=10, max_length=10)
    batch = self._batch([0, 1], dataclasses.replace(_CONFIG, **lengths))
    return batch, self._trainer(tbptt_length=0, **changes)

  def test_learns(self):
    # The first 8 steps alone, all of an update.
    config = dataclasses.replace(_CONFIG, min_length=8, max_length=8)
    batch, trainer = self._batch([0, 1], config), self._trainer()
    losses = [float(trainer.update(batch)['loss']) for _ in range(60)]
    self.assertLess(losses[-1], losses[0] / 2)

  def test_frozen_core_stays_and_output_layer_learns(self):
    trainer = self._trainer(freeze_core=True)
    core = trainer.predictor.core
    output = core.output_linear.trainable_variables
    before = {v.ref(): v.numpy() for v in core.trainable_variables}
    trainer.update(self._batch([0, 1]))
    learned = {v.ref() for v in output}
    for variable in core.trainable_variables:
      changed = np.any(variable.numpy() != before[variable.ref()])
      self.assertEqual(changed, variable.ref() in learned, variable.name)
    # The same gradient as when all variables are trained.
    whole = self._trainer()
    whole.update(self._batch([0, 1]))
    for a, b in zip(output, whole.predictor.core.output_linear.variables):
      self.assertAllClose(a, b, rtol=1e-4, atol=1e-6)

  @parameterized.parameters(
    dict(),
    dict(loss='mean_squared_error'),
    dict(optimizer='rmsprop', learning_rate=2e-3),
  )
  def test_learns_without_a_memory(self, **changes):
    batch, trainer = self._short(core='lstm', **_NO_MEMORY, **changes)
    losses = [float(trainer.update(batch)['loss']) for _ in range(60)]
    self.assertLess(losses[-1], losses[0] / 2)

  def test_learns_to_show(self):
    settings = dict(core='lstm', **_NO_MEMORY)
    batch, plain = self._short(**settings)
    _, trainer = self._short(
      **settings,
      expose='controller_hidden',
      expose_weight=20.0,
      expose_offsets=(-1, 3),
    )
    # Only what it needs is added to the variables, after the others.
    own = [*trainer.reader.variables, *trainer.optimizer.m[-2:]]
    own = {v.ref() for v in [*own, *trainer.optimizer.v[-2:]]}
    self.assertEqual(
      [v.name for v in trainer.variables if v.ref() not in own],
      [v.name for v in plain.variables],
    )
    self.assertLen(trainer.variables, len(plain.variables) + 7)
    self.assertIsNone(plain.reader)
    first = trainer.update(batch)
    self.assertAllEqual(first['loss'], plain.update(batch)['loss'])
    # It starts from the means; the last step has no next sprite.
    expected = 0.0
    for classes in (batch.classes[1:], batch.classes[:-3]):
      expected += np.log(3)
      for number, grid in list(enumerate(latents.VALUES))[1:]:
        values = grid[classes[..., number]]
        expected += np.mean((values - grid.mean()) ** 2) / grid.var()
    self.assertAllClose(first['expose_loss'], expected, rtol=1e-5)
    for _ in range(59):
      last = trainer.update(batch)
    self.assertLess(float(last['loss']), float(first['loss']) / 2)
    self.assertLess(float(last['expose_loss']), expected / 2)
    self.assertEqual(
      trainer.finish_report().keys(),
      {
        'loss',
        'grad_norm',
        'expose_loss',
      },
    )

  def test_the_graph_without_exposing_takes_no_labels(self):
    graph = self._trainer().update_graph.get_concrete_function().graph
    # The classes of all steps, the only such input.
    kind = (tf.int32, [None, 2, 5])
    labels = [x for x in graph.inputs if (x.dtype, x.shape.as_list()) == kind]
    (cut,) = labels[0].consumers()
    self.assertLen(labels, 1)
    # They are cut with all else, and not used.
    self.assertEqual(cut.type, 'StridedSlice')
    self.assertEmpty(cut.outputs[0].consumers())

  def test_squared_error_is_of_probabilities(self):
    trainer = self._trainer(
      core='lstm', loss='mean_squared_error', **_NO_MEMORY
    )
    batch = self._batch([0, 1])
    loss = trainer.update(batch)['loss']
    mean = self._table.mean_image().clip(1e-3, 1 - 1e-3).astype(np.float64)
    true = np.unpackbits(batch.target[:8], axis=-1)
    cost = ((mean - true) ** 2).sum(axis=(2, 3)).mean()
    self.assertAllClose(loss, cost, rtol=0.1)


if __name__ == '__main__':
  tf.test.main()
