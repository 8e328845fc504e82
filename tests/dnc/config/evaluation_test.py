"""Tests of the settings of an evaluation."""

import dataclasses
import json

from absl.testing import absltest
from absl.testing import parameterized

from dnc import config as config_lib
from dnc.system import errors


class EvaluationConfigTest(parameterized.TestCase):
  def test_post(self):
    config = config_lib.make_evaluation('post')
    self.assertEqual(config.num_rollouts, 10_000)
    self.assertEqual(config.rollout_length, 500)
    self.assertEqual(config.num_sequences, 50)

  @parameterized.parameters(
    ('tests', ('probe', 'lesions'), 'probe,lesions'),
    ('representations', (), ''),
    ('representations', ('usage',), 'usage'),
    ('export', (), ''),
    ('export', ('link',), 'link'),
    ('export', ('usage', 'loss'), 'usage,loss'),
    ('estimator', 'kde', 'kde'),
    ('rollout_length', 10, '10'),
    ('lags', (), ''),
    ('lags', (0, 488), '0,488'),
    ('lags', (0, -2), '0,-2'),
    ('lags', (0, 5, 0), '0,5,0'),
    ('locations', (5, 5), '5,5'),
    ('locations', (), ''),
    ('locations', (3, -1), '3,-1'),
    ('offsets', (), ''),
    ('offsets', (5, 0, 5), '5,0,5'),
    ('num_seeds', 0, '0'),
    ('num_isolated', 1, '1'),
    ('num_sequences', 0, '0'),
    ('dataset', 'mnist', 'mnist'),
    ('varying', ('x',), 'x'),
    ('fixed', {'y': 0}, 'y:0'),
  )
  def test_what_is_not_allowed_is_named(self, name, value, shown):
    with self.assertRaisesRegex(errors.UsageError, f'^--{name}={shown}[: ]'):
      config_lib.EvaluationConfig(**{name: value})

  def test_what_is_probed_must_be_written(self):
    options = dict(export=('usage', 'memory'), representations=('read_words',))
    with self.assertRaisesRegex(
      errors.UsageError,
      '^--export=usage,memory: must be a list with read_words, which',
    ):
      config_lib.EvaluationConfig(**options)
    # Only Test 1 uses these.
    config_lib.EvaluationConfig(**options, tests=('mi',))

  def test_settings_bind_their_own_test_alone(self):
    config_lib.EvaluationConfig(tests=('lesion',), rollout_length=5)
    for tests, length in ((('probe',), 10), (('lesion',), 4)):
      with self.assertRaises(errors.UsageError):
        config_lib.EvaluationConfig(
          tests=tests, rollout_length=length, lesion_step=4
        )

  def test_lags_bind_test_2_alone(self):
    config_lib.EvaluationConfig(tests=('probe',), rollout_length=11)
    with self.assertRaisesRegex(
      errors.UsageError, '--lags=-1,0,5,10: must be in -1 to 7 with'
    ):
      config_lib.EvaluationConfig(tests=('mi',), rollout_length=11)
    # The next sprite takes a step, which short rollouts do not have to spare.
    for lags, most in (((0, 6), 6), ((-1, 5), 5)):
      short = dict(tests=('mi',), rollout_length=9)
      config_lib.EvaluationConfig(**short, lags=lags)
      with self.assertRaisesRegex(errors.UsageError, f'-1 to {most} with'):
        config_lib.EvaluationConfig(**short, lags=(*lags, most + 1))

  def test_rollouts_are_the_runs_unless_told_otherwise(self):
    training = config_lib.TrainingConfig(
      varying=['x_position'], fixed={'shape': 2}
    )
    config = config_lib.make_evaluation('quick').for_run(training)
    self.assertEqual(config.varying, ('x_position',))
    self.assertEqual(config.fixed, (('shape', 2),))
    self.assertEqual(config.num_rollouts, 500)
    # If either is given, the run's are not used.
    given = config_lib.make_evaluation('quick', varying=['scale'])
    self.assertEqual(given.for_run(training), given)
    self.assertEqual((given.varying, given.fixed), (('scale',), ()))
    given = config_lib.make_evaluation('quick', fixed={'scale': 1})
    self.assertEqual(given.for_run(training), given)
    self.assertEqual(given.fixed, (('scale', 1),))
    self.assertNotIn('scale', given.varying)
    self.assertIn('shape', given.varying)

  def test_what_a_run_recalls_is_among_the_offsets(self):
    training = config_lib.TrainingConfig(recall=7)
    found = config_lib.make_evaluation('quick').for_run(training)
    self.assertEqual(found.offsets, (-1, 0, 5, 10, 7))
    self.assertEqual(found.lags, (-1, 0, 5, 10, 7))
    given = config_lib.EvaluationConfig(offsets=(7, 0), lags=(3,))
    found = given.for_run(training)
    self.assertEqual((found.offsets, found.lags), ((7, 0), (3, 7)))
    short = dict(offsets=(0,), lags=(0,))
    config_lib.EvaluationConfig(**short, rollout_length=11).for_run(training)
    for length, message in (
      (7, '--rollout_length=7: .* --offsets, 7'),
      (10, '--lags=0,7: must be in -1 to 6 with --rollout_length=10'),
    ):
      given = config_lib.EvaluationConfig(**short, rollout_length=length)
      with self.assertRaisesRegex(errors.UsageError, message):
        given.for_run(training)

  def test_offsets(self):
    config_lib.EvaluationConfig(
      tests=('probe',), offsets=(0,), rollout_length=1
    )
    with self.assertRaisesRegex(
      errors.UsageError, '--rollout_length=7: .* --offsets, 7'
    ):
      config_lib.EvaluationConfig(offsets=(0, -7), rollout_length=7)

  def test_number_of_rollouts_in_isolation(self):
    self.assertEqual(config_lib.make_evaluation('post').num_isolated, 200)
    self.assertEqual(config_lib.make_evaluation('quick').num_isolated, 50)
    few = config_lib.make_evaluation('quick', num_rollouts=30)
    self.assertEqual(few.num_isolated, 20)
    none = config_lib.make_evaluation('quick', num_isolated=0)
    self.assertEqual(none.num_isolated, 0)

  def test_is_json(self):
    config = config_lib.make_evaluation('quick')
    self.assertEqual(
      json.loads(json.dumps(dataclasses.asdict(config)))['num_rollouts'], 500
    )


if __name__ == '__main__':
  absltest.main()
