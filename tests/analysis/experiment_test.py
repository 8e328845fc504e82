"""Tests of analysis.experiment on a run whose rollouts are confined.

commands_test evaluates a run on the usual rollouts.
"""

import dataclasses
import glob
import json
import os
import tempfile
from unittest import mock
import warnings

import numpy as np
import tensorflow as tf

from analysis import evaluated_run
from analysis import experiment
from dnc import config as config_lib
from dnc import tasks
from dnc import unroll
from dnc.config import runs
from dnc.dsprites import latents
from dnc.system import errors
from dnc.system import files
from dnc.traces import reading
from dnc.training import checkpoints
from tests.analysis.pooling import examples as pooling_examples
from tests.support import testing_data
from tests.support import training_runs

_TRAINING = config_lib.TrainingConfig(
  hidden_size=8,
  memory_size=5,
  word_size=4,
  varying=('scale', 'y_position'),
  fixed={'shape': 2, 'x_position': 4},
  show_every=3,
)
_EVALUATION = dict(
  num_rollouts=12,
  num_sequences=3,
  rollout_length=15,
  num_seeds=2,
  num_isolated=3,
  num_untrained=3,
  num_lesioned=5,
  offsets=(-1, 0),
  lags=(-1, 0),
  lesion_step=0,
  reset_interval=14,
  num_intervened=2,
)


class ConfinedTest(tf.test.TestCase):
  """Hearts that grow and move vertically; one angle for each rollout.

  They are shown at every third step.
  """

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Saves most of a minute; the results are the same.
    cls.enterClassContext(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls._model_dir = os.path.join(folder, 'run')
    training_runs.make_restorable(_TRAINING, cls._model_dir)
    cls._found, cls._lines = cls._evaluate()
    # Later evaluations overwrite these files.
    cls._texts = {}
    for path in glob.glob(
      os.path.join(cls._model_dir, runs.EVALUATION_DIR, '*.[jm]*')
    ):
      with open(path, encoding='utf-8') as file:
        cls._texts[os.path.basename(path)] = file.read()

  @classmethod
  def _evaluate(cls, **changes):
    lines = []
    config = config_lib.EvaluationConfig(**{**_EVALUATION, **changes})
    with warnings.catch_warnings():
      # NumPy warns of divisions by zero.
      warnings.simplefilter('error', RuntimeWarning)
      found = experiment.evaluate(
        cls._model_dir,
        config,
        testing_data.data_dir(),
        log=lines.append,
      )
    return found, '\n'.join(lines)

  def _folder(self, name):
    """The one folder of traces whose name matches."""
    folder = os.path.join(self._model_dir, runs.EVALUATION_DIR, 'traces')
    (path,) = glob.glob(os.path.join(folder, name))
    return path

  def _classes(self, name, split):
    traces = reading.open_traces(self._folder(name))
    return [
      x['classes']
      for x in traces.dataset(split, ['classes']).as_numpy_iterator()
    ]

  def _json(self, name):
    return json.loads(self._texts[name])

  def test_rollouts_are_like_those_of_the_training(self):
    name = 'probe_varying-scale-y_position_fixed-shape2-x_position4_12+2x15_*'
    rollouts = [x for s in ('train', 'test') for x in self._classes(name, s)]
    self.assertLen(rollouts, 14)
    for classes in rollouts:
      self.assertAllEqual(np.unique(classes[:, [0, 3]], axis=0), [[2, 4]])
      self.assertLen(np.unique(classes[:, 2]), 1)
      self.assertGreater(len(np.unique(classes[:, 1])), 3)
      self.assertGreater(len(np.unique(classes[:, 4])), 5)
    self.assertGreater(len({classes[0, 2] for classes in rollouts}), 5)
    # Test 2 moves only x; other fixed latents stay fixed.
    for classes in self._classes('mi_fixed-shape2_3x15_*', 'sequences'):
      self.assertAllEqual(np.unique(classes[:, 0]), [2])
      self.assertLen(np.unique(classes[:, [1, 2, 4]], axis=0), 1)
      self.assertGreater(len(np.unique(classes[:, 3])), 5)
    self.assertIn('x_position, which did not vary in training', self._lines)

  def test_what_does_not_vary_has_no_score(self):
    for scores in self._found['probe'].scores.values():
      for of_offset in scores.values():
        for of_latent in of_offset.values():
          for name, score in of_latent.items():
            gain = score['accuracy_above_chance' if name == 'shape' else 'r2']
            self.assertTrue(np.isfinite(score['error']))
            if name in ('shape', 'x_position'):
              self.assertIsNone(gain)
            else:
              self.assertTrue(np.isfinite(gain))
    text = self._texts['probe.md']
    self.assertIn('scale and y_position vary from sprite to sprite', text)
    self.assertNotRegex(text, r'\bnan\b|\binf\b')
    row = '| predicting the mean (exact)'
    rows = [x for x in text.splitlines() if x.startswith(row)]
    # Two splits, two offsets, two probes.
    self.assertLen(rows, 8)
    for row in rows:
      cells = [cell.strip() for cell in row.strip('|').split('|')]
      self.assertEqual([cells[1], cells[4]], ['does not vary'] * 2)
      self.assertEqual(cells[3], '3.458579 (+0.000)')

  def test_what_varies_is_put_to_the_test_alone(self):
    isolated = self._found['probe'].isolated
    self.assertEqual(list(isolated), ['scale', 'y_position'])
    for latent, result in isolated.items():
      self.assertEqual(result.num_rollouts, {'train': 3, 'test': 20})
      self.assertEqual(list(result.scores['test']['memory'][0]), [latent])
      name = f'probe_alone_varying-{latent}_fixed-*'
      for classes in self._classes(name, 'test'):
        varies = [len(np.unique(x)) > 1 for x in classes.T]
        self.assertEqual(
          [latents.NAMES[i] for i in np.flatnonzero(varies)], [latent]
        )
    self.assertIn('## Each latent in isolation', self._texts['probe.md'])

  def test_controls_stand_beside(self):
    result = self._found['probe']
    self.assertContainsSubset(
      [
        'memory',
        'image',
        'action',
        'random_20',
        'planted_20',
      ],
      result.widths,
    )
    self.assertEqual(
      list(result.comparisons['read_words']),
      ['controller_hidden', 'controller_cell'],
    )
    # The planted memory rotates. Sums of sorted slots lack the image.
    given = {name: [*by_given] for name, by_given in result.beyond.items()}
    self.assertEqual(
      given['memory'], ['alone', 'actions', 'inputs', 'controller']
    )
    self.assertEqual(
      given['memory_by_writing'], ['alone', 'actions', 'controller']
    )
    self.assertEqual(given['planted_rotating'], ['alone'])
    self.assertEqual(given['planted_rotating_by_writing'], ['alone'])
    untrained = result.untrained
    self.assertEqual(untrained.seeds, (0, 1, 2))
    self.assertEqual(untrained.num_rollouts, dict(train=12, test=2))
    orders = ('memory_by_writing', 'memory_by_reading')
    self.assertEqual(
      tuple(untrained.compared),
      (
        *config_lib.REPRESENTATIONS,
        *orders,
        *(f'other_{name}' for name in orders),
        'memory_in_best_order',
      ),
    )
    # The trained model has the gains that Test 1 found.
    for offset, of_offset in untrained.compared['memory'].items():
      self.assertNotIn('x_position', of_offset)
      self.assertAllClose(
        of_offset['scale'].trained[0],
        result.scores['test']['memory'][offset]['scale']['exact']['r2'],
        rtol=1e-3,
      )

  def test_reports_say_what_they_are_of(self):
    probe = self._json('probe.json')
    self.assertAllEqual(
      np.equal(probe['predicting_the_mean'], 0), [1, 0, 0, 1, 0]
    )
    self.assertEqual(
      probe['config']['evaluation']['varying'], ['scale', 'y_position']
    )
    self.assertEqual(
      probe['config']['evaluation']['fixed'], [['shape', 2], ['x_position', 4]]
    )
    self.assertIn(
      'only x moves; fixed: shape:2.', self._texts['mutual_information.md']
    )
    found = self._found['mi']
    self.assertEqual(
      {name: result.layout for name, result in found.items()},
      dict(
        memory=(5, 4),
        read_words=(4, 4),
        controller_hidden=(8,),
        controller_cell=(8,),
        action=(1,),
      ),
    )
    for result in found.values():
      for scores in (result.scores, result.null, result.p_values):
        self.assertTrue(np.isfinite(scores).all())

  def test_shown_and_hidden_images_are_scored_apart(self):
    parts = self._found['probe'].parts
    self.assertEqual(list(parts), ['shown', 'hidden'])
    # Nothing can be read from a hidden image.
    gains = {
      part: found.scores['image'][0]['y_position'].best.gain
      for part, found in parts.items()
    }
    self.assertGreater(gains['shown'], 0.5)
    self.assertLess(gains['hidden'], 0.1)
    self.assertIn('memory_by_writing', parts['hidden'].beyond)
    self.assertIn('## Shown and hidden images', self._texts['probe.md'])
    lesion = self._found['lesion']
    self.assertEqual(
      lesion.metrics, ('loss', 'iou', 'loss_shown', 'loss_hidden')
    )
    all_steps, shown, hidden = (
      lesion.scores['intact'][x] for x in ('loss', 'loss_shown', 'loss_hidden')
    )
    self.assertAllClose(all_steps, (5 * shown + 10 * hidden) / 15)
    self.assertIn('loss, image hidden', self._texts['lesion.md'])
    self.assertIn('shown once in 3 steps only', self._texts['report.md'])

  def test_fewer_representations_and_locations_read_the_same_traces(self):
    found, lines = self._evaluate(
      tests=('probe', 'mi'),
      representations=('read_words',),
      num_isolated=0,
      num_untrained=1,
      locations=(7, 2),
      lags=(0, 3),
    )
    self.assertRegex(lines, 'traces: reading .*/probe_varying')
    self.assertRegex(lines, 'traces: reading .*/mi_fixed')
    self.assertNotIn('writing', lines)
    self.assertEqual(list(found['probe'].untrained.compared), ['read_words'])
    self.assertNotIn('memory', found['probe'].widths)
    for split, scores in found['probe'].scores.items():
      # Controls depend on what is probed; this score does not.
      before = self._found['probe'].scores[split]['read_words']
      self.assertEqual(
        scores['read_words'][0]['scale']['exact'], before[0]['scale']['exact']
      )
      self.assertAllClose(
        scores['read_words'][0]['scale']['r2'], before[0]['scale']['r2']
      )
    self.assertEqual(list(found['mi']), ['memory'])
    self.assertEqual(found['mi']['memory'].scores.shape, (2, 2))
    self.assertEqual(found['mi']['memory'].lags, (0, 3))

  def test_flags_that_do_not_fit_are_refused_before_anything_is_written(self):
    for pattern, changes in {
      '--locations=0,20: must be in 0 to 19': dict(
        tests=('mi',), locations=(0, 20)
      ),
      # The last image is shown at step 12.
      '--lesion_step=13: only 0 rollouts .* for loss_shown': dict(
        lesion_step=13
      ),
      '--rollout_length=1: must be at least 2 for Test 4': dict(
        tests=('intervention',), rollout_length=1
      ),
    }.items():
      with (
        mock.patch.object(files, 'only_writer') as writer,
        self.assertRaisesRegex(errors.UsageError, pattern),
      ):
        self._evaluate(**changes)
      writer.assert_not_called()

  def test_lesions_as_asked_for(self):
    result, data = self._found['lesion'], self._json('lesion.json')
    self.assertEqual((result.num_sequences, result.num_steps), (5, 15))
    self.assertEqual((result.lesion_step, result.reset_interval), (0, 14))
    self.assertEqual(data['config']['evaluation']['num_lesioned'], 5)
    self.assertIn('model_fingerprint', data['config'])
    self.assertAllClose(
      data['scores']['no_link']['loss'], result.scores['no_link']['loss']
    )
    self.assertIn(data['verdict'], self._lines)
    self.assertIn('| memory reset every 14 steps', self._texts['lesion.md'])

  def test_interventions_on_what_varies(self):
    result, data = self._found['intervention'], self._json('intervention.json')
    self.assertEqual(result.latents, ('scale', 'y_position'))
    self.assertEqual((result.num_rollouts, result.num_fitted), (2, 4))
    self.assertEqual(data['config']['evaluation']['num_intervened'], 2)
    self.assertIn(data['verdict'], self._lines)
    self.assertIn('| memory: y ', self._texts['intervention.md'])
    self.assertNotIn('This core was never trained.', self._lines)


class FrozenTest(tf.test.TestCase):
  """A core that was never trained, below a trained output layer."""

  def test_every_answer_says_so(self):
    self.enter_context(
      mock.patch.object(unroll, 'can_compile', return_value=False)
    )
    model_dir = os.path.join(self.get_temp_dir(), 'run')
    training_runs.make_restorable(
      dataclasses.replace(_TRAINING, freeze_core=True), model_dir
    )
    config = {**_EVALUATION, 'tests': ('mi', 'lesion', 'intervention')}
    lines = []
    experiment.evaluate(
      model_dir,
      config_lib.EvaluationConfig(**config),
      testing_data.data_dir(),
      log=lines.append,
    )
    for number, name in enumerate(
      ('mutual_information', 'lesion', 'intervention'), start=2
    ):
      path = os.path.join(model_dir, runs.EVALUATION_DIR, name)
      with open(f'{path}.json', encoding='utf-8') as file:
        verdict = json.load(file)['verdict']
      self.assertEndsWith(verdict, ' This core was never trained.')
      with open(f'{path}.md', encoding='utf-8') as file:
        self.assertEqual(file.read().split('\n\n')[1], verdict)
      (line,) = [x for x in lines if x.startswith(f'Test {number}, ')]
      self.assertEndsWith(line, f'? {verdict}')


class WithoutMemoryTest(tf.test.TestCase):
  """A core without a memory: only its controller can be probed.

  It recalls what was shown two steps before.
  """

  _FEWER = dict(num_seeds=1, num_isolated=0, num_untrained=1)

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    folder = cls.enterClassContext(tempfile.TemporaryDirectory())
    cls._model_dir = os.path.join(folder, 'run')
    config = config_lib.TrainingConfig(
      hidden_size=8, core='lstm', loss='mean_squared_error', recall=2
    )
    training_runs.make_restorable(config, cls._model_dir, 'best_00000008')

  def _evaluate(self, **changes):
    lines = []
    config = config_lib.EvaluationConfig(
      **{**_EVALUATION, **self._FEWER, **changes}
    )
    found = experiment.evaluate(
      self._model_dir,
      config,
      testing_data.data_dir(),
      lines.append,
      checkpoint='best',
    )
    return found, lines

  def test_probes_the_controller(self):
    found, lines = self._evaluate()
    self.assertContainsSubset(
      ['controller_hidden', 'controller_cell'], found['probe'].scores['test']
    )
    self.assertNotIn('memory', found['probe'].scores['test'])
    self.assertEqual(
      list(found['mi']), ['controller_hidden', 'controller_cell', 'action']
    )
    self.assertTrue(any('core=lstm has no memory;' in line for line in lines))
    self.assertNoCommonElements(['lesion', 'intervention'], found)
    for test in ('Test 3', 'Test 4'):
      message = f'no {test}: a run of --core=lstm has no memory'
      self.assertIn(message, lines)
    self.assertEqual(
      list(found['probe'].untrained.compared),
      ['controller_hidden', 'controller_cell'],
    )
    path = os.path.join(self._model_dir, runs.EVALUATION_DIR, 'report.md')
    with open(path, encoding='utf-8') as file:
      text = file.read()
    self.assertIn('the memory: a control.', text)
    self.assertIn('shown 2\nsteps before instead', text)
    self.assertIn('### t-2, the sprite to be predicted: ', text)
    self.assertEqual(found['probe'].offsets, (-1, 0, 2))
    self.assertEqual(found['mi']['action'].lags, (-1, 0, 2))
    # It is always asked for what is no longer shown.
    self.assertEmpty(found['probe'].parts)
    self.assertIn('can the latents be read from its state?', text)
    self.assertIn('this network has no memory', text)
    self.assertTrue(any('squared error' in line for line in lines))

  def test_says_what_it_does_not_have(self):
    with self.assertRaisesRegex(
      errors.UsageError, '--locations=0: .*no memory'
    ):
      self._evaluate(tests=('mi',), locations=(0,))
    for test in ('lesion', 'intervention'):
      with self.assertRaisesRegex(
        errors.UsageError, f'^--test={test}: .*no memory$'
      ):
        self._evaluate(tests=(test,))
    with (
      mock.patch.object(files, 'only_writer') as writer,
      self.assertRaisesRegex(
        errors.UsageError, 'representations=memory.* it has controller_hidden'
      ),
    ):
      self._evaluate(tests=('probe',), representations=('memory',))
    writer.assert_not_called()


class EvaluateAllTest(tf.test.TestCase):
  """Several runs; what is found of each is an example."""

  def setUp(self):
    super().setUp()
    self._lines, self._seen = [], []
    self._model_dirs = []
    for seed in range(2):
      self._model_dirs.append(os.path.join(self.get_temp_dir(), f'run{seed}'))
      os.makedirs(self._model_dirs[-1], exist_ok=True)
      runs.save(config_lib.TrainingConfig(seed=seed), self._model_dirs[-1])

  def _load(self, model_dir, evaluation, data_dir, checkpoint, console):
    del data_dir, checkpoint
    trained = tasks.TrainedModel(runs.load(model_dir), None, None, 3)
    task = tasks.get(tasks.NEXT_SPRITE)
    return evaluated_run.EvaluatedRun(
      model_dir, task, trained, evaluation, None, console
    )

  def _evaluate(self, run, config, command):
    del config, command
    self._seen.append(run)
    return pooling_examples.run(len(self._seen))

  def _evaluate_all(self, model_dirs):
    with (
      mock.patch.object(evaluated_run, 'load', self._load),
      mock.patch.object(experiment, '_evaluate', self._evaluate),
    ):
      return experiment.evaluate_all(
        model_dirs, config_lib.EvaluationConfig(), log=self._lines.append
      )

  def test_pools_what_was_found_of_each(self):
    result = self._evaluate_all(self._model_dirs)
    self.assertEqual(result.prediction['loss'].values, (101.0, 102.0))
    self.assertEqual([x.model_dir for x in self._seen], self._model_dirs)
    # Untrained cores are measured once for all.
    self.assertIs(self._seen[0].untrained, self._seen[1].untrained)
    folder = runs.pooled_dir(self._model_dirs)
    path = os.path.join(folder, 'report.html')
    self.assertEqual(self._lines[-1], f'report of all 2 runs: {path}')
    # The answers and the table are shown, as for one run, and the answer to
    # the post.
    self.assertTrue(any(': Could M_t' in line for line in self._lines))
    self.assertStartsWith(self._lines[0], '2 of 2: Test 1, ')
    self.assertIn('more than untrained', ' '.join(self._lines))
    self.assertTrue(os.path.exists(path))

  def test_one_run_is_not_pooled(self):
    self.assertIsNone(self._evaluate_all(self._model_dirs[:1]))
    self.assertEmpty(self._lines)

  def test_runs_that_do_not_belong_together_are_not_evaluated(self):
    with self.assertRaisesRegex(errors.UsageError, 'are the same run'):
      self._evaluate_all(self._model_dirs[:1] * 2)
    self.assertEmpty(self._seen)

  def _write_checkpoints(self):
    for model_dir, number in zip(self._model_dirs, (300, 40)):
      folder = os.path.join(model_dir, runs.CHECKPOINT_DIR, str(number))
      checkpoints.write(folder, tf.Module())

  def test_finished_runs_may_have_different_numbers_of_updates(self):
    self._write_checkpoints()
    for model_dir in self._model_dirs:
      files.write_json(os.path.join(model_dir, runs.RESULT_FILE), {})
    self.assertEqual(self._evaluate_all(self._model_dirs).number, 2)

  def test_an_interrupted_run_is_not_pooled_with_finished_ones(self):
    self._write_checkpoints()
    finished = os.path.join(self._model_dirs[0], runs.RESULT_FILE)
    files.write_json(finished, {})
    with self.assertRaisesRegex(
      errors.UsageError,
      '^--model_dir=.*run0,.*: .*run1 has 40 updates, must be 300 .*$',
    ):
      self._evaluate_all(self._model_dirs)
    self.assertEmpty(self._seen)


if __name__ == '__main__':
  tf.test.main()
