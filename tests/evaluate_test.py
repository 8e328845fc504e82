"""Tests of evaluate.py's flags; commands_test runs evaluations."""

import os
import tempfile

from absl.testing import absltest
from absl.testing import parameterized

from dnc import config as config_lib
from dnc.config import flags as flags_lib
from dnc.config import runs
from dnc.config import settings
from dnc.system import errors
import evaluate
from tests.support import commands
from tests.support import testing_data

_REPEAT_COPY = os.path.join(testing_data.ROOT, 'testdata', 'repeat_copy_run')


class EvaluateTest(parameterized.TestCase):
  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls._model_dir = cls.enterClassContext(tempfile.TemporaryDirectory())
    runs.save(config_lib.TrainingConfig(), cls._model_dir)

  @parameterized.parameters(
    ('--fixed=shape:3', '--fixed=shape:3: .*shape are 0 to 2'),
    ('--offsets=0,x', '--offsets=0,x: must be whole numbers'),
    ('--offsets=0,one', '--offsets=0,one: must be whole'),
    ('--lags=0,x', '--lags=0,x: must be whole numbers'),
    ('--lags=500', '--lags=500: must be in -1 to 487'),
    ('--locations=-1', '--locations=-1: must be whole .* 0'),
    ('--test=lesions', r'--test=lesions.*probe\|mi\|lesion\|intervention\|all'),
    ('--num_lesioned=1', '--num_lesioned=1: .*at least 2'),
    ('--num_intervened=1', '--num_intervened=1: .*at least 2'),
    ('--rollout_length=0', '--rollout_length=0: must be at least 1'),
    ('--lesion_step=500', '--lesion_step=500: .*0 to 499'),
    ('--reset_interval=0', '--reset_interval=0: .*1 to 499'),
    ('--num_rollouts=1', '--num_rollouts=1.*at least 2'),
    ('--num_isolated=1', '--num_isolated=1: .* 0 for none'),
    ('--representations=x', '--representations=x.*read_words'),
    ('--export=x', '--export=x: .*read_words.*loss'),
    ('--export=loss', '--export=loss: .*which Test 1 probes'),
    ('--dataset=/no/d.h5', '--dataset=/no/d.h5 .*No such file'),
    (
      '--model_dir=gs://b/run',
      '--model_dir=gs://b/run: must be a path on this',
    ),
    ('--model_dir=', '--model_dir=: must not be empty'),
    ('--data_dir=gs://b', '--data_dir=gs://b: must be a path on this machine'),
    ('--model_dir=/nonexistent', '--model_dir=/nonexistent.*config.json'),
    (
      f'--model_dir={_REPEAT_COPY},{_REPEAT_COPY}',
      'repeat_copy_run are the same run, of --seed=',
    ),
    ('--num_untrained=-1', '--num_untrained=-1: must be at least 0'),
    ('--model=x', 'model'),
    ('quick', '^quick: not a flag'),
  )
  def test_a_wrong_flag_is_named_before_tensorflow_loads(self, given, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern):
      commands.run_to_tensorflow(evaluate, *given.split())

  def test_rollouts_too_short_for_what_the_run_recalls(self):
    with tempfile.TemporaryDirectory() as folder:
      runs.save(config_lib.TrainingConfig(recall=9), folder)
      short = '--offsets=0 --lags=0 --rollout_length=9'
      with self.assertRaisesRegex(
        errors.UsageError, '^--rollout_length=9: must be more .*--offsets, 9$'
      ):
        commands.run_to_tensorflow(
          evaluate, f'--model_dir={folder}', *short.split()
        )

  def test_no_run_to_evaluate(self):
    self.addCleanup(os.chdir, os.getcwd())
    os.chdir(self._model_dir)
    with self.assertRaisesRegex(
      errors.UsageError, r'no run to evaluate in runs/.*train\.py'
    ):
      commands.run_to_tensorflow(evaluate)

  def test_flags_of_tests_that_a_task_does_not_have(self):
    about = settings.of(config_lib.EvaluationConfig)
    given = dict(
      dataset='dsprites',
      export='memory',
      representations='memory',
      estimator='binned',
      fixed='shape:1',
      varying='scale',
    )
    refused = []
    for name in about:
      flag = f'--{name}={given.get(name, 20)}'
      try:
        commands.run_to_tensorflow(
          evaluate, f'--model_dir={_REPEAT_COPY}', flag
        )
      except errors.UsageError as error:
        refused.append(name)
        self.assertEqual(
          str(error), f'{flag}: not a flag for a run of --task=repeat_copy'
        )
      # A run on sprites takes every flag.
      commands.run_to_tensorflow(
        evaluate, f'--model_dir={self._model_dir}', flag
      )
    left = ['seed', 'num_lesioned', 'lesion_step', 'reset_interval']
    self.assertCountEqual(refused, set(about) - set(left))

  def test_a_mistake_takes_one_line_and_no_tensorflow(self):
    result = commands.run_without_tensorflow('evaluate.py', '--lags=500')
    self.assertEqual(result.returncode, 1)
    self.assertRegex(result.stderr, '^evaluate.py: --lags=500: must be .*\n$')

  def test_flags_become_the_config(self):
    flag_values = commands.parsed(
      evaluate,
      '--export=usage,memory',
      '--lags=0,7',
      '--offsets=-1',
      '--fixed=shape:2',
      '--num_isolated=0',
    )
    self.assertEqual(
      flags_lib.read(config_lib.EvaluationConfig, flag_values),
      dict(
        export=('usage', 'memory'),
        lags=(0, 7),
        offsets=(-1,),
        fixed=(('shape', 2),),
        num_isolated=0,
      ),
    )


if __name__ == '__main__':
  absltest.main()
