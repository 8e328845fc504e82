"""`EvaluationConfig`: every number of an evaluation, for `evaluate.py`."""

import dataclasses
from typing import Self

from dnc.config import checks
from dnc.config import settings
from dnc.config import training
from dnc.dsprites import latents
from dnc.dsprites import table
from dnc.dsprites import variation

TESTS = ('probe', 'mi', 'lesion', 'intervention')
# Which checkpoint of a run to evaluate.
CHECKPOINTS = ('newest', 'best')
# The runners of Apache Beam that --runner takes.
RUNNERS = (
  'DirectRunner',
  'PrismRunner',
  'FlinkRunner',
  'SparkRunner',
  'DataflowRunner',
  'PortableRunner',
)
ESTIMATORS = ('binned', 'nearest_neighbours')
# What a probe can read (PROTOCOL, "Logged at every evaluation step").
REPRESENTATIONS = (
  'read_words',
  'memory',
  'controller_hidden',
  'controller_cell',
)
# What can be recorded at each step.
EXPORTS = (*REPRESENTATIONS, 'usage', 'read_weights', 'write_weights', 'loss')
# Headings of `evaluate.py --help`.
_ROLLOUTS = 'Rollouts'
_PROBE = 'Test 1, linear probe'
_MI = 'Test 2, mutual information'
_LESION = 'Test 3, lesions'
_INTERVENTION = 'Test 4, interventions'
# The tests on rollouts. Test 3 takes sequences of the model's task; these are
# rollouts only if the task also has the other tests.
_ON_ROLLOUTS = ('probe', 'mi', 'intervention')


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(settings.Settings):
  """An evaluation of a trained model; the defaults are the post's.

  `tests` are the tests to run, of `TESTS`. Tests 3 and 4 are ours, not
  the post's.
  """

  # By default, traces include a memory of at most this many numbers. Model B's
  # memory has 256 numbers, Model A's 16,384.
  MAX_MEMORY = 1024
  PRESETS = {
    'post': {},
    'quick': dict(num_rollouts=500, num_lesioned=100, num_intervened=20),
  }

  tests: tuple[str, ...] = TESTS
  dataset: str | None = settings.setting(
    None,
    "The images of the sprites, as in train.py's --dataset. Give it if the "
    'file has moved since the training.',
    _ROLLOUTS,
    unset='as in training',
    tests=_ON_ROLLOUTS,
  )
  num_rollouts: int = settings.count(
    10_000,
    'Number of rollouts to train the probe on. It is scored on other rollouts, '
    'a tenth as many.',
    _PROBE,
    # Standard deviations over rollouts need more than one.
    least=2,
    tests=('probe',),
  )
  num_sequences: int = settings.count(
    50, 'Number of sequences.', _MI, tests=('mi',)
  )
  rollout_length: int = settings.count(
    500,
    'Steps of a rollout. Sequences for Test 2 are once to twice as long.',
    _ROLLOUTS,
    tests=_ON_ROLLOUTS,
  )
  export: tuple[str, ...] | None = settings.setting(
    None,
    "What to write to Test 1's traces at each step, besides the latents. Other "
    'tests write what they need.',
    _PROBE,
    allowed=checks.some_of(*EXPORTS),
    unset='what Test 1 reads: everything that can be probed (a memory of more '
    f'than {MAX_MEMORY} numbers only if --representations names it) and the '
    'weights by which it sorts the slots of a smaller memory',
    tests=('probe',),
  )
  representations: tuple[str, ...] | None = settings.setting(
    None,
    'What to probe.',
    _PROBE,
    allowed=checks.some_of(*REPRESENTATIONS),
    unset='all of these that --export writes',
    tests=('probe',),
  )
  estimator: str = settings.choice(
    'binned',
    ESTIMATORS,
    'How mutual information is estimated; nearest_neighbours is much slower.',
    _MI,
    tests=('mi',),
  )
  lags: tuple[int, ...] = settings.setting(
    (-1, 0, 5, 10),
    'Compare the memory with the x position of the sprite this many steps '
    'earlier; -1 is the next sprite, which the model predicts.',
    _MI,
    tests=('mi',),
  )
  locations: tuple[int, ...] | None = settings.setting(
    None,
    'Score only these numbers of the memory, counted slot by slot from 0, as '
    'in 0,5,17.',
    _MI,
    allowed=checks.Allowed(
      lambda value: checks.is_each_once(value) and min(value) >= 0,
      'whole numbers from 0, each once',
    ),
    unset='all numbers of the memory, and the other representations',
    tests=('mi',),
  )
  offsets: tuple[int, ...] = settings.setting(
    (-1, 0, 5, 10),
    'The probe predicts the latents of the sprite this many steps earlier; -1 '
    'is the next sprite, which the model predicts.',
    _PROBE,
    allowed=checks.EACH_ONCE,
    tests=('probe',),
  )
  num_seeds: int = settings.count(
    3,
    'Number of Keras probes of each representation. Each sees the steps in a '
    'different order.',
    _PROBE,
    tests=('probe',),
  )
  num_untrained: int = settings.count(
    5,
    'Number of untrained cores, with other seeds, to compare the model with; '
    '3 or more are needed to tell what is learned. 0: none.',
    _PROBE,
    least=0,
    tests=('probe',),
  )
  num_isolated: int | None = settings.setting(
    None,
    'Repeat Test 1 for each latent on this many rollouts in which only that '
    'latent varies. 0: do not repeat it.',
    _PROBE,
    allowed=checks.Allowed(
      lambda value: value >= 2 or value == 0, 'at least 2, or 0 for none'
    ),
    unset='a tenth of --num_rollouts, at least 20 and at most 200',
    tests=('probe',),
  )
  seed: int = settings.setting(
    0,
    'Seed of the rollouts, the controls, the shuffles and the shifts.',
    _ROLLOUTS,
    allowed=checks.SEED,
  )
  varying: variation.Varying | None = settings.setting(
    None,
    'Latents that are redrawn for every sprite in the rollouts of Tests 1, 3 '
    'and 4; in Test 2 only x_position varies.',
    _ROLLOUTS,
    allowed=checks.some_of(*latents.NAMES),
    unset='as in training; with --fixed, all others',
    tests=_ON_ROLLOUTS,
  )
  fixed: variation.Fixed | None = settings.setting(
    None,
    'Latents that keep one class in all tests (except x_position in Test 2), '
    'and that class, numbered from 0, as in shape:2,scale:5.',
    _ROLLOUTS,
    unset='as in training; with --varying, none',
    tests=_ON_ROLLOUTS,
  )
  num_lesioned: int = settings.count(
    200,
    "Number of rollouts, or of sequences of the model's task.",
    _LESION,
    least=2,
    tests=('lesion',),
  )
  lesion_step: int | None = settings.setting(
    None,
    'First step at which the memory is frozen, numbered from 0.',
    _LESION,
    unset='half of a rollout; for repeat_copy 1, before the pattern',
    tests=('lesion',),
  )
  reset_interval: int | None = settings.setting(
    None,
    'Number of steps between resets of the memory, and between its '
    "replacements by another sequence's memory or by an earlier one.",
    _LESION,
    unset='10; for repeat_copy 2',
    tests=('lesion',),
  )

  num_intervened: int = settings.count(
    50,
    'Number of rollouts in which the memory or the words read are changed. The '
    'probes that define the change are fitted to twice as many other rollouts.',
    _INTERVENTION,
    least=2,
    tests=('intervention',),
  )

  def __post_init__(self):
    super().__post_init__()
    known = set(self.tests) <= set(TESTS) and self.tests
    checks.require(self, 'tests', known, f'some of {", ".join(TESTS)}')
    # In the order of `TESTS`, because a report needs exactly `TESTS`.
    tests = tuple(test for test in TESTS if test in self.tests)
    # The dataclass is frozen.
    object.__setattr__(self, 'tests', tests)
    if self.num_isolated is None:
      number = min(max(20, self.num_rollouts // 10), 200)
      object.__setattr__(self, 'num_isolated', number)
    if self.dataset is not None:
      table.check_dataset(self.dataset)
    if self.varying is not None or self.fixed is not None:
      varying, fixed = variation.resolve(self.varying, self.fixed or ())
      object.__setattr__(self, 'varying', varying)
      object.__setattr__(self, 'fixed', fixed)
    if 'lesion' in self.tests:
      self._check_steps()
    if 'probe' in self.tests:
      self._check_offsets()
      if self.export is not None:
        self._check_export()
    if 'mi' in self.tests:
      self._check_lags()

  def _check_steps(self) -> None:
    for name, least in dict(lesion_step=0, reset_interval=1).items():
      value, most = getattr(self, name), self.rollout_length - 1
      checks.require(
        self,
        name,
        value is None or least <= value <= most,
        f'in {least} to {most}, within a rollout',
      )

  def _check_offsets(self) -> None:
    furthest = max(map(abs, self.offsets))
    checks.require(
      self,
      'rollout_length',
      self.rollout_length > furthest,
      f'more than the furthest of --offsets, {furthest}',
    )

  def _check_export(self) -> None:
    probed = self.representations or REPRESENTATIONS
    lacking = [x for x in self.representations or () if x not in self.export]
    checks.require(
      self,
      'export',
      set(probed) & set(self.export) and not lacking,
      f'a list with {", ".join(lacking) or "some of " + ", ".join(probed)}, '
      'which Test 1 probes',
    )

  def _check_lags(self) -> None:
    # Test 2 shifts a sequence by more steps than any lag, in more than one way.
    # Sprites beyond the next one depend on nothing that the model has seen.
    ahead = max(min(self.rollout_length // 10, 10), int(-1 in self.lags))
    most = self.rollout_length - ahead - 3
    checks.require(
      self,
      'lags',
      checks.is_each_once(self.lags)
      and all(-1 <= lag <= most for lag in self.lags),
      f'in -1 to {most} with --rollout_length={self.rollout_length}, each once',
    )

  def for_run(self, config: training.Config) -> Self:
    """Fills in the settings that come from the run, for a training on rollouts.

    These are `varying` and `fixed`, unless set. If the run recalls the image of
    `recall` steps before, `recall` is added to `offsets` and `lags`.

    Raises:
      UsageError: if the rollouts are too short for the added number.
    """
    changes = {}
    if self.varying is None:
      changes |= dict(varying=config.varying, fixed=config.fixed)
    if config.recall is not None:
      for name in ('offsets', 'lags'):
        given = getattr(self, name)
        if config.recall not in given:
          changes[name] = (*given, config.recall)
    return dataclasses.replace(self, **changes)


make_evaluation = EvaluationConfig.make
