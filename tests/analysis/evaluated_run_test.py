"""Tests of which traces an evaluation asks for, and of their space."""

import dataclasses
import glob
import os
from unittest import mock

import tensorflow as tf

from analysis import evaluated_run
from dnc import config as config_lib
from dnc import unroll
from dnc.dsprites import latents
from dnc.next_sprite import model as predictor_lib
from dnc.next_sprite import rollouts
from dnc.system import errors
from dnc.traces import writing as trace_export
from dnc.training import checkpoints
from tests.support import data as testing_data

_TRAINING = config_lib.TrainingConfig(memory_size=5, word_size=4, hidden_size=8)
_EVALUATION = dict(num_rollouts=12, num_sequences=3, rollout_length=15)


class EvaluatedRunTest(tf.test.TestCase):
  """Of what is run, which traces."""

  def setUp(self):
    super().setUp()
    self.enter_context(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    self._lines = []

  def _run(self, folder=None, training_config=_TRAINING, **changes):
    config = config_lib.EvaluationConfig(**{**_EVALUATION, **changes})
    return evaluated_run.EvaluatedRun(
      training=training_config,
      evaluation=config.for_run(training_config),
      predictor=predictor_lib.SpritePredictor(
        dataclasses.replace(training_config, seed=1)
      ),
      num_updates=7,
      table=testing_data.rendered_table(),
      folder=folder or self.get_temp_dir(),
      log=self._lines.append,
    )

  def test_the_untrained_core_has_traces_of_its_own(self):
    run = self._run()
    split = rollouts.RolloutRange(run.spec(), 0, 2)
    wanted = evaluated_run.Wanted('probe', dict(test=split), ('usage',))
    own = run.traces(wanted)
    other = run.traces(dataclasses.replace(wanted, is_untrained=True))
    self.assertEndsWith(own.path, '/probe_2x15_seed0_update7')
    self.assertEqual(other.path, own.path.replace('update7', 'update0'))
    untrained = predictor_lib.SpritePredictor(_TRAINING)
    for traces, model, num_updates in (
      (own, run.predictor, 7),
      (other, untrained, 0),
    ):
      self.assertEqual(traces.widths, {'usage': 5})
      self.assertEqual(traces.metadata['num_updates'], num_updates)
      self.assertEqual(
        traces.metadata['model_fingerprint'], checkpoints.fingerprint(model)
      )

  def test_what_test_1_asks_for(self):
    wanted = self._run(num_isolated=4).for_probe()
    self.assertEqual([*wanted], ['trained', 'untrained', *latents.NAMES])
    self.assertEqual(wanted['trained'].representations, config_lib.EXPORTS)
    self.assertTrue(wanted['untrained'].is_untrained)
    for name, each in wanted.items():
      if name != 'trained':
        self.assertEqual(each.representations, config_lib.REPRESENTATIONS)
      numbers = {k: v.num_rollouts for k, v in each.splits.items()}
      if name in latents.NAMES:
        self.assertEqual(each.splits['train'].spec.varying, (name,))
        self.assertEqual(numbers, dict(train=4, test=20))
      else:
        self.assertEqual(numbers, dict(train=12, test=2))
    wanted = self._run(export=('memory',), num_isolated=0).for_probe()
    self.assertEqual([*wanted], ['trained', 'untrained'])
    self.assertEqual(
      [x.name for x in wanted.values()],
      ['probe_memory', 'probe_untrained_memory'],
    )
    frozen = dataclasses.replace(_TRAINING, freeze_core=True)
    wanted = self._run(training_config=frozen, num_isolated=0).for_probe()
    self.assertEqual([*wanted], ['trained'])

  def test_space_is_told_for_all_before_any_is_written(self):
    run = self._run(num_isolated=0)
    wanted = [*run.for_probe().values(), run.for_mutual_information(['memory'])]
    traces = os.path.join(run.folder, 'traces')
    usage = mock.Mock(free=10**9)
    with mock.patch.object(
      trace_export.shutil, 'disk_usage', return_value=usage
    ):
      run.check_space(wanted)
      self.assertRegex(
        self._lines[-1], f'^traces: .* MB to write into {traces}, free 1 GB$'
      )
      needed = sum(
        os.path.getsize(file)
        for each in wanted
        for file in glob.glob(run.traces(each).path + '/*.tfrecord-*')
      )
      self._lines.clear()
      run.check_space(wanted)
      self.assertEmpty(self._lines)
      # Elsewhere, all of it is missing.
      other = self._run(os.path.join(self.get_temp_dir(), 'other'))
      usage.free = needed
      other.check_space(wanted)
      usage.free = needed - 1
      with self.assertRaisesRegex(
        errors.UsageError, 'traces need .*--num_rollouts.*--export.*--test'
      ):
        other.check_space(wanted)


if __name__ == '__main__':
  tf.test.main()
