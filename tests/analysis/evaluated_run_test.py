"""Tests of the traces that an evaluation requests, and of their space."""

import dataclasses
import glob
import os
import shutil
from unittest import mock

import tensorflow as tf

from analysis import evaluated_run
from dnc import config as config_lib
from dnc import tasks
from dnc import unroll
from dnc.dsprites import latents
from dnc.next_sprite import model as model_lib
from dnc.next_sprite import rollouts
from dnc.system import errors
from dnc.system import progress
from dnc.traces import writing
from dnc.training import checkpoints
from tests.support import testing_data

_TRAINING = config_lib.TrainingConfig(memory_size=5, word_size=4, hidden_size=8)
_EVALUATION = dict(num_rollouts=12, num_sequences=3, rollout_length=15)


class EvaluatedRunTest(tf.test.TestCase):
  """Which traces a run has; all of one model, whose graph is made once."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    cls._model = model_lib.SpritePredictor(
      dataclasses.replace(_TRAINING, seed=1)
    )

  def setUp(self):
    super().setUp()
    self._lines = []

  def _run(self, folder=None, **changes):
    config = config_lib.EvaluationConfig(**{**_EVALUATION, **changes})
    task = tasks.get(tasks.NEXT_SPRITE)
    model = self._model
    return evaluated_run.EvaluatedRun(
      model_dir=folder or self.get_temp_dir(),
      task=task,
      trained=tasks.TrainedModel(_TRAINING, model, model.core, 7),
      evaluation=task.evaluation_of(_TRAINING, config),
      table=testing_data.rendered_table(),
      console=progress.as_console(self._lines.append),
    )

  def test_traces_say_what_they_are_of(self):
    run = self._run()
    split = rollouts.RolloutRange(run.spec(), 0, 2)
    traces = run.traces(
      evaluated_run.TraceRequest('probe', dict(test=split), ('memory',))
    )
    self.assertEndsWith(traces.path, '/probe_2x15_seed0_update7')
    self.assertEqual(traces.widths, {'memory': 20})
    self.assertEqual(traces.metadata['num_updates'], 7)
    self.assertEqual(
      traces.metadata['model_fingerprint'],
      checkpoints.fingerprint(run.trained.model),
    )

  def test_other_rollouts_have_other_traces(self):
    def traces(run):
      split = rollouts.RolloutRange(run.spec(), 0, 2)
      return run.traces(
        evaluated_run.TraceRequest('probe', dict(test=split), ('memory',))
      )

    usual, confined = self._run(), self._run(varying=('scale', 'x_position'))
    path = traces(usual).path
    other = traces(confined).path
    self.assertEqual(
      other, path.replace('probe', 'probe_varying-scale-x_position')
    )
    for run in (usual, confined):
      self._lines.clear()
      traces(run)
      self.assertNotIn('writing', ''.join(self._lines))
    # As if a folder had been renamed.
    shutil.rmtree(path)
    shutil.copytree(other, path)
    with self.assertRaisesRegex(errors.UsageError, 'traces have splits'):
      traces(usual)

  def test_what_test_1_asks_for(self):
    def numbers(request):
      return {k: v.num_rollouts for k, v in request.splits.items()}

    requests = self._run(num_isolated=4).for_probe()
    self.assertEqual([*requests.isolated], [*latents.NAMES])
    names = (*config_lib.REPRESENTATIONS, 'read_weights', 'write_weights')
    self.assertEqual(requests.trained.representations, names)
    self.assertEqual(
      requests.all(), [requests.trained, *requests.isolated.values()]
    )
    self.assertEqual(numbers(requests.trained), dict(train=12, test=2))
    for name, request in requests.isolated.items():
      self.assertEqual(request.splits['train'].spec.varying, (name,))
      self.assertEqual(numbers(request), dict(train=4, test=20))
      self.assertEqual(request.representations, config_lib.REPRESENTATIONS)
    requests = self._run(export=('memory',), num_isolated=0).for_probe()
    self.assertEqual(
      [request.name for request in requests.all()], ['probe_memory']
    )

  def test_says_what_its_results_are_of(self):
    run = self._run()
    about = run.about()
    self.assertEqual(about['num_updates'], 7)
    self.assertEqual(about['training']['word_size'], 4)
    self.assertEqual(about['evaluation'], dataclasses.asdict(run.evaluation))
    # Settings of tests that a task does not have are left out.
    other = dataclasses.replace(run, task=tasks.get(tasks.REPEAT_COPY))
    self.assertEqual(
      set(other.about()['evaluation']),
      {'tests', 'num_lesioned', 'lesion_step', 'reset_interval', 'seed'},
    )

  def test_space_is_told_for_all_before_any_is_written(self):
    run = self._run(num_isolated=0, export=('memory',))
    requests = [*run.for_probe().all(), run.for_mutual_information(['memory'])]
    traces = os.path.join(run.folder, 'traces')
    usage = mock.Mock(free=10**9)
    with mock.patch.object(writing.shutil, 'disk_usage', return_value=usage):
      run.check_space(requests)
      self.assertRegex(
        self._lines[-1], f'^traces: .* MB to write into {traces}, free 1 GB$'
      )
      needed = sum(
        os.path.getsize(file)
        for each in requests
        for file in glob.glob(run.traces(each).path + '/*.tfrecord-*')
      )
      self._lines.clear()
      run.check_space(requests)
      self.assertEmpty(self._lines)
      # In another folder, all traces are missing.
      folder = os.path.join(self.get_temp_dir(), 'other')
      other = self._run(folder, num_isolated=0, export=('memory',))
      usage.free = needed
      other.check_space(requests)
      usage.free = needed - 1
      with self.assertRaisesRegex(
        errors.UsageError, 'traces need .*--num_rollouts.*--export.*--test'
      ):
        other.check_space(requests)


if __name__ == '__main__':
  tf.test.main()
