"""Tests of train.py's flags; commands_test runs trainings."""

from absl.testing import absltest
from absl.testing import parameterized

from dnc.config import flags as flags_lib
from dnc.next_sprite import config as next_sprite_config
from dnc.repeat_copy import config as repeat_copy_config
from dnc.system import errors
from tests.support import commands
import train


class TrainTest(parameterized.TestCase):
  @parameterized.parameters(
    ('--preset=fast', r'--preset=fast.*post\|quick'),
    ('--nofreeze_core=1', '--nofreeze_core=1 does not take an argument'),
    # It would be 0 in float32.
    ('--learning_rate=1e-50', '--learning_rate=1e-50: must be in 1e-30 to'),
    ('--memory_size=0', '--memory_size=0: must be at least 1'),
    ('--memory_size=many', '--memory_size=many: must be a whole number'),
    ('--learning_rate=fast', '--learning_rate=fast: must be a number'),
    ('--min_length=9 --max_length=3', '--max_length=3.*at least'),
    ('--dataset=mnist', '--dataset=mnist.*dsprites_rendered'),
    ('--dataset=/no/d.npz', '--dataset=/no/d.npz .*No such file'),
    ('--dataset=s3://d.npz', '--dataset=s3://d.npz: must be a path on this'),
    (
      '--model_dir=gs://b/run',
      '--model_dir=gs://b/run: must be a path on this',
    ),
    ('--model_dir=file:///run', '--model_dir=file:///run: .* without file://'),
    ('--model_dir=~nobody_of_this_name', 'no such home folder'),
    ('--model_dir=', '--model_dir=: must not be empty'),
    ('--data_dir=s3://b', '--data_dir=s3://b: must be a path on this machine'),
    ('--memorysize=3', 'memorysize.*Did you mean: memory_size'),
    ('--varying=x', '--varying=x: must be some of .*x_position'),
    ('--fixed=shape', '--fixed=shape: must .*shape:2,scale:5'),
    ('--core=gru', r'--core=gru.*dnc\|lstm'),
    ('--task=copy', '--task=copy.*repeat_copy'),
    ('--task=repeat_copy --fixed=shape:1', '--fixed=shape:1: not a flag of'),
    ('--task=repeat_copy --recall=2', '--recall=2: not a flag of'),
    ('--task=repeat_copy --expose=memory', '--expose=memory: not a flag of'),
    (
      '--expose=usage',
      r'--expose=usage.*memory\|read_words\|controller_hidden',
    ),
    ('--expose_weight=2', '--expose_weight=2.0: must be left out without'),
    ('--expose=memory --expose_offsets=now', 'expose_offsets=now: .*numbers'),
    ('--show_every=0', '--show_every=0: must be at least 1'),
    ('--task=repeat_copy --preset=quick', '--preset=quick: not a flag of'),
    ('--task=repeat_copy --num_epochs=1', '--num_epochs=1: not a flag of'),
    ('--task=repeat_copy --data_dir=x', '--data_dir=x: not a flag of'),
    ('--task=repeat_copy --num_bits=0', '--num_bits=0: must be at least 1'),
    ('--task=repeat_copy --min_repeats=3', 'max_repeats=2.*min_repeats=3'),
    ('--num_bits=3', '--num_bits=3: not a flag of --task=dsprites'),
    ('quick', '^quick: not a flag; .*--name=value'),
  )
  def test_a_wrong_flag_is_named_before_tensorflow_loads(self, given, pattern):
    with self.assertRaisesRegex(errors.UsageError, pattern):
      commands.run_to_tensorflow(train, *given.split())

  @parameterized.parameters(
    '',
    '--preset=quick --min_length=9 --max_length=9',
    '--strategy=mirrored --model_dir=somewhere',
    '--task=repeat_copy --num_bits=6 --min_length=2 --model_dir=somewhere',
  )
  def test_right_flags(self, given):
    commands.run_to_tensorflow(train, *given.split())

  def test_a_mistake_takes_one_line_and_no_tensorflow(self):
    result = commands.run_without_tensorflow('train.py', '--preset=fast')
    self.assertEqual(result.returncode, 1)
    self.assertRegex(result.stderr, r'^train.py: .*--preset=fast.*\n$')

  def test_help_as_a_command(self):
    result = commands.run_without_tensorflow('train.py', '--help')
    self.assertEqual(result.returncode, 1)  # As for every absl command.
    self.assertEqual(result.stderr, '')
    self.assertIn('\nGeneral:\n  --task: ', result.stdout)
    self.assertNotIn('--verbosity', result.stdout)

  def test_flags_become_the_config(self):
    flag_values = commands.parsed(
      train,
      '--num_epochs=2',
      '--learning_rate=0.5',
      '--freeze_core',
      '--loss=mean_squared_error',
      '--varying=x_position,y_position',
      '--fixed=shape:2,scale:5',
    )
    given = flags_lib.read(next_sprite_config.TrainingConfig, flag_values)
    self.assertEqual(
      given,
      dict(
        num_epochs=2,
        learning_rate=0.5,
        freeze_core=True,
        loss='mean_squared_error',
        varying=('x_position', 'y_position'),
        fixed=(('shape', 2), ('scale', 5)),
      ),
    )
    # Flags that tasks share are read for each.
    self.assertEqual(
      flags_lib.read(repeat_copy_config.RepeatCopyConfig, flag_values),
      dict(learning_rate=0.5),
    )


if __name__ == '__main__':
  absltest.main()
