"""What a training or an evaluation is: every number of it, in a dataclass.

Light to import, so that a wrong flag is told before TensorFlow is loaded.
"""

import dataclasses
import hashlib
import json
from typing import Any
from typing import ClassVar

from dnc.config import checks
from dnc.dsprites import published_file
from dnc.dsprites import table
from dnc.dsprites import variation

# What train.py trains on: rollouts of sprites, or DeepMind's repeat-copy task.
DSPRITES = 'dsprites'
REPEAT_COPY = 'repeat_copy'

# What predicts: a DNC, or its controller alone.
DNC = 'dnc'
LSTM = 'lstm'
CORES = (DNC, LSTM)
SIGMOID_CROSS_ENTROPY = 'sigmoid_cross_entropy'
MEAN_SQUARED_ERROR = 'mean_squared_error'
LOSSES = (SIGMOID_CROSS_ENTROPY, MEAN_SQUARED_ERROR)
ADAM = 'adam'
RMSPROP = 'rmsprop'
OPTIMIZERS = (ADAM, RMSPROP)

# Which checkpoint of a run to evaluate.
CHECKPOINTS = ('newest', 'best')
# How to share the work of a training.
DEFAULT = 'default'
MIRRORED = 'mirrored'
MULTI_WORKER = 'multi_worker'
STRATEGIES = (DEFAULT, MIRRORED, MULTI_WORKER)

# The post's schedule (section "Experiment Setup"), and one of minutes. Both
# train Model B unless told otherwise.
PRESETS = {
  'post': dict(num_epochs=5, rollouts_per_epoch=10_000),
  'quick': dict(num_epochs=1, rollouts_per_epoch=1_600, tbptt_length=15),
}

# Test 1's rollouts: the post's, and a few hundred. Test 3 is ours.
EVALUATION_PRESETS = {
  'post': dict(num_rollouts=10_000, num_lesioned=200),
  'quick': dict(num_rollouts=500, num_lesioned=100),
}
TESTS = ('probe', 'mi', 'lesion')
ESTIMATORS = ('binned', 'nearest_neighbours')
# What is logged of each step: PROTOCOL, "Logged at every evaluation step".
REPRESENTATIONS = (
  'read_words',
  'memory',
  'controller_hidden',
  'controller_cell',
)
# And what can be, too.
EXPORTS = (
  *REPRESENTATIONS,
  'usage',
  'read_weights',
  'write_weights',
  'loss',
)

# These change what is seen of a run, not what it computes.
_REPORTING = ('report_interval', 'checkpoint_interval')
# There were runs before these fields: their names leave out the defaults.
_LATER = ('varying', 'fixed', 'core', 'freeze_core', 'loss', 'optimizer')
# Only a core with a memory has these.
_OF_MEMORY = ('memory_size', 'word_size', 'num_read_heads', 'num_write_heads')


class Config:
  """What the configs of all tasks can do.

  Attributes:
    TASK: what is trained on.
  """

  TASK: ClassVar[str]
  _PREFIX: ClassVar[str]

  def identity(self) -> dict[str, Any]:
    """The fields that decide the run's numbers."""
    fields = dataclasses.asdict(self)
    return {k: v for k, v in fields.items() if k not in _REPORTING}

  def name(self) -> str:
    """A folder's name: readable, and another one for every other run."""
    default = type(self)()
    named = {
      k: v
      for k, v in self.identity().items()
      if k not in _LATER or v != getattr(default, k)
    }
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    return f'{self._kind()}_seed{self.seed}_{digest[:8]}'

  def _kind(self) -> str:
    """What a run's name begins with."""
    return f'{self._PREFIX}_{self.memory_size}x{self.word_size}'


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Config):
  """A training run; the defaults are the post's, or ours where it is silent.

  Attributes:
    memory_size: slots of the memory, N.
    word_size: width of a slot, W.
    num_read_heads: read heads, R.
    num_write_heads: write heads.
    hidden_size: size of the LSTM controller.
    clip_value: bound on the controller's output and state and on the logits;
      0 for none.
    dataset: `dsprites_rendered`, `dsprites` or the path of a published file,
      which becomes absolute and gains its content's checksum: the run is the
      same when the file moves, and another one when it changes.
    num_epochs: epochs; each has rollouts of its own.
    rollouts_per_epoch: rollouts in an epoch.
    min_length: fewest steps of a rollout.
    max_length: most steps of a rollout.
    batch_size: rollouts trained on together.
    tbptt_length: steps of truncated back-propagation through time; the state is
      carried over from one segment to the next. 0 for whole rollouts.
    learning_rate: at the beginning.
    final_learning_rate: at the end; it falls linearly, batch by batch.
    max_grad_norm: bound on the global norm of the gradient.
    seed: of the weights and of the rollouts.
    report_interval: updates between reports.
    checkpoint_interval: updates between checkpoints.
    varying: latents that are drawn anew for every sprite, and
    fixed: latents that keep one class; both as in `rollouts.RolloutSpec`.
    core: `dnc`, or `lstm`: the same controller without a memory.
    freeze_core: whether the core stays as it was made and only the output layer
      learns.
    loss: `sigmoid_cross_entropy`, nats; or `mean_squared_error` of the
      predicted probabilities. Both are summed over an image's pixels.
    optimizer: `adam` or `rmsprop`.
  """

  TASK = DSPRITES
  _PREFIX = 'dnc'

  memory_size: int = 16
  word_size: int = 16
  num_read_heads: int = 4
  num_write_heads: int = 1
  hidden_size: int = 256
  clip_value: float = 20.0
  dataset: str = table.RENDERED
  num_epochs: int = 5
  rollouts_per_epoch: int = 10_000
  min_length: int = 500
  max_length: int = 1000
  batch_size: int = 16
  tbptt_length: int = 25
  learning_rate: float = 5e-3
  final_learning_rate: float = 1e-4
  max_grad_norm: float = 50.0
  seed: int = 0
  report_interval: int = 100
  checkpoint_interval: int = 500
  varying: variation.Varying | None = None
  fixed: variation.Fixed = ()
  core: str = DNC
  freeze_core: bool = False
  loss: str = SIGMOID_CROSS_ENTROPY
  optimizer: str = ADAM

  def __post_init__(self):
    for name, allowed in dict(
      core=CORES, loss=LOSSES, optimizer=OPTIMIZERS
    ).items():
      checks.require_choice(self, name, allowed)
    if self.core == LSTM:
      for field in dataclasses.fields(self):
        if field.name in _OF_MEMORY:
          value = getattr(self, field.name)
          checks.require(
            self,
            field.name,
            value == field.default,
            'left out with --core=lstm, which has no memory',
          )
    _resolve_variation(self)
    _require_sizes(
      self, 'num_epochs', 'rollouts_per_epoch', 'min_length', 'max_length'
    )
    checks.require_at_least(self, 0, 'tbptt_length')
    checks.require_positive(self, 'final_learning_rate')
    # The way of frozen dataclasses.
    table.check_dataset(self.dataset)
    object.__setattr__(self, 'dataset', published_file.identify(self.dataset))
    checks.require_order(self, 'min_length', 'max_length')

  def identity(self) -> dict[str, Any]:
    """As in the base class; of a file, its content counts and not its path."""
    dataset = published_file.content(self.dataset)
    return {**super().identity(), 'dataset': dataset}

  def _kind(self) -> str:
    kind = LSTM if self.core == LSTM else super()._kind()
    return f'{kind}_frozen' if self.freeze_core else kind

  @property
  def segment_length(self) -> int:
    """Steps of one update, at most."""
    return self.tbptt_length or self.max_length

  @property
  def batches_per_epoch(self) -> int:
    """Batches of rollouts in an epoch; the last one may be filled up."""
    return -(-self.rollouts_per_epoch // self.batch_size)

  @property
  def num_batches(self) -> int:
    """Batches of rollouts of the whole run."""
    return self.num_epochs * self.batches_per_epoch

  @property
  def num_rollouts(self) -> int:
    """Rollouts of the whole run."""
    return self.num_epochs * self.rollouts_per_epoch


@dataclasses.dataclass(frozen=True)
class RepeatCopyConfig(Config):
  """A training run on repeat-copy.

  Sizes are those of DeepMind's train.py; optimizer, learning rate and number of
  updates are ours: they learn the task in minutes.

  Attributes:
    num_bits: bits of a pattern's vector.
    min_length: fewest vectors of a pattern.
    max_length: most vectors of a pattern.
    min_repeats: fewest copies asked for.
    max_repeats: most copies asked for.
    memory_size: slots of the memory, N.
    word_size: width of a slot, W.
    num_read_heads: read heads, R.
    num_write_heads: write heads.
    hidden_size: size of the LSTM controller.
    clip_value: bound on the controller's output and state and on the logits;
      0 for none.
    batch_size: sequences trained on together.
    num_training_iterations: updates of the whole run.
    learning_rate: of Adam.
    max_grad_norm: bound on the global norm of the gradient.
    seed: of the weights and of the sequences.
    report_interval: updates between reports.
    checkpoint_interval: updates between checkpoints.
  """

  TASK = REPEAT_COPY
  _PREFIX = REPEAT_COPY

  num_bits: int = 4
  min_length: int = 1
  max_length: int = 2
  min_repeats: int = 1
  max_repeats: int = 2
  memory_size: int = 16
  word_size: int = 16
  num_read_heads: int = 4
  num_write_heads: int = 1
  hidden_size: int = 64
  clip_value: float = 20.0
  batch_size: int = 16
  num_training_iterations: int = 3_000
  learning_rate: float = 3e-3
  max_grad_norm: float = 50.0
  seed: int = 0
  report_interval: int = 100
  checkpoint_interval: int = 500

  def __post_init__(self):
    _require_sizes(
      self,
      'num_bits',
      'min_length',
      'max_length',
      'min_repeats',
      'max_repeats',
      'num_training_iterations',
    )
    for name in ('length', 'repeats'):
      checks.require_order(self, f'min_{name}', f'max_{name}')


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
  """An evaluation of a trained model; the defaults are the post's.

  Attributes:
    tests: which of `TESTS` to run: Test 1 (`probe`), Test 2 (`mi`), Test 3
      (`lesion`).
    dataset: the sprites, as in `TrainingConfig`. None: those trained on.
    num_rollouts: rollouts that the probe is trained on; a tenth as many more
      score it.
    num_sequences: sequences for Test 2.
    rollout_length: steps of a rollout for Test 1; sequences for Test 2 have
      from this many to twice as many.
    export: what is written of each step of Test 1's rollouts, of `EXPORTS`,
      beside their labels. None: all, but the memory only up to `MAX_MEMORY`
      numbers or where `representations` names it.
    representations: what Test 1 probes, of `REPRESENTATIONS`. None: those that
      are written.
    estimator: how Test 2 estimates mutual information, one of `ESTIMATORS`.
    lags: Test 2 compares contents with the x of so many steps before.
    locations: Test 2 scores these numbers of the memory, counted slot by slot,
      and nothing else. None: all, and the other representations.
    offsets: how many steps before the current one the sprites are whose latents
      Test 1 predicts; -1 for the next one.
    num_seeds: Keras probes of each representation in Test 1.
    num_isolated: rollouts that the probe is trained on for each latent that
      varies alone, 0 for none. None: a tenth of `num_rollouts`, at least 20;
      it reads as that.
    seed: of the rollouts, the controls, the shuffles and the shifts.
    varying: latents that are drawn anew for every sprite of Test 1's rollouts;
      in Test 2's it is always x alone.
    fixed: latents that keep one class, in all tests, but x in Test 2. Both as
      in `rollouts.RolloutSpec`; where neither is given, as in training.
    num_lesioned: rollouts, or sequences of repeat-copy, for Test 3.
    lesion_step: the step from which on Test 3 freezes the memory. None: half of
      a rollout; 1, before the pattern, of repeat-copy.
    reset_interval: steps after which Test 3 resets the memory, or exchanges it,
      again and again. None: 10; 2 of repeat-copy.
  """

  tests: tuple[str, ...] = TESTS
  dataset: str | None = None
  num_rollouts: int = 10_000
  num_sequences: int = 50
  rollout_length: int = 500
  export: tuple[str, ...] | None = None
  representations: tuple[str, ...] | None = None
  estimator: str = 'binned'
  lags: tuple[int, ...] = (0, 1, 5, 10)
  locations: tuple[int, ...] | None = None
  offsets: tuple[int, ...] = (0, 5, 10)
  num_seeds: int = 3
  num_isolated: int | None = None
  seed: int = 0
  varying: variation.Varying | None = None
  fixed: variation.Fixed | None = None
  num_lesioned: int = 200
  lesion_step: int | None = None
  reset_interval: int | None = None

  # The memory of Model B has 256 numbers, that of Model A 16,384.
  MAX_MEMORY = 1024

  def __post_init__(self):
    # Standard deviations over rollouts want more than one.
    checks.require_at_least(self, 2, 'num_rollouts', 'num_lesioned')
    checks.require_at_least(self, 1, 'num_sequences', 'num_seeds')
    for name, least in dict(lesion_step=0, reset_interval=1).items():
      value, most = getattr(self, name), self.rollout_length - 1
      allowed = f'in {least} to {most}, within a rollout'
      checks.require(
        self, name, value is None or least <= value <= most, allowed
      )
    if self.num_isolated is None:
      number = max(20, self.num_rollouts // 10)
      object.__setattr__(self, 'num_isolated', number)
    checks.require(
      self,
      'num_isolated',
      self.num_isolated >= 2 or not self.num_isolated,
      'at least 2, or 0 for none',
    )
    checks.require(
      self,
      'offsets',
      0 < len(self.offsets) == len(set(self.offsets)),
      'some numbers, each once',
    )
    furthest = max(map(abs, self.offsets))
    checks.require(
      self,
      'rollout_length',
      self.rollout_length > furthest,
      f'more than the furthest of --offsets, {furthest}',
    )
    checks.require_seed(self)
    if self.dataset is not None:
      table.check_dataset(self.dataset)
      object.__setattr__(self, 'dataset', published_file.identify(self.dataset))
    for name, allowed in dict(
      tests=TESTS, export=EXPORTS, representations=REPRESENTATIONS
    ).items():
      chosen = getattr(self, name)
      checks.require(
        self,
        name,
        chosen is None or (chosen and set(chosen) <= set(allowed)),
        f'some of {", ".join(allowed)}',
      )
    if 'probe' in self.tests and self.export is not None:
      probed = self.representations or REPRESENTATIONS
      lacking = [x for x in self.representations or () if x not in self.export]
      checks.require(
        self,
        'export',
        set(probed) & set(self.export) and not lacking,
        f'with {", ".join(lacking) or "some of " + ", ".join(probed)}, which '
        'Test 1 probes',
      )
    checks.require_choice(self, 'estimator', ESTIMATORS)
    if 'mi' in self.tests:
      self._check_lags()
    if self.locations is not None:
      once = len(self.locations) == len(set(self.locations))
      holds = min(self.locations, default=-1) >= 0 and once
      checks.require(
        self, 'locations', holds, 'whole numbers from 0, each once'
      )
    if self.varying is not None or self.fixed is not None:
      _resolve_variation(self)

  def _check_lags(self) -> None:
    # Test 2 shifts a sequence by more steps than any lag, in more than one way.
    most = self.rollout_length - min(self.rollout_length // 10, 10) - 3
    checks.require(
      self,
      'lags',
      0 < len(self.lags) == len(set(self.lags))
      and all(0 <= lag <= most for lag in self.lags),
      f'of 0 to {most} with --rollout_length={self.rollout_length}, each once',
    )

  def for_run(self, training: TrainingConfig) -> 'EvaluationConfig':
    """The same on rollouts like the run's, unless it says on which."""
    if self.varying is not None:
      return self
    return dataclasses.replace(
      self, varying=training.varying, fixed=training.fixed
    )


def make_training(preset: str, **overrides: Any) -> TrainingConfig:
  """The config of a preset, with what is not None in `overrides` in its place.

  Args:
    preset: a key of `PRESETS`.
    **overrides: fields of `TrainingConfig`.

  Returns:
    The config.

  Raises:
    UsageError: if a value is not allowed.
  """
  return TrainingConfig(**{**PRESETS[preset], **_given(overrides)})


def make_repeat_copy(**overrides: Any) -> RepeatCopyConfig:
  """As `make_training`, for `RepeatCopyConfig`, which has one preset."""
  return RepeatCopyConfig(**_given(overrides))


def make_evaluation(preset: str, **overrides: Any) -> EvaluationConfig:
  """As `make_training`, for `EVALUATION_PRESETS` and `EvaluationConfig`."""
  return EvaluationConfig(**{**EVALUATION_PRESETS[preset], **_given(overrides)})


def _given(overrides: dict[str, Any]) -> dict[str, Any]:
  return {k: v for k, v in overrides.items() if v is not None}


def _resolve_variation(config: TrainingConfig | EvaluationConfig) -> None:
  """Puts what varies and what is fixed as `variation.resolve` does."""
  resolved = variation.resolve(config.varying, config.fixed or ())
  for name, value in zip(('varying', 'fixed'), resolved):
    object.__setattr__(config, name, value)


def _require_sizes(config: Config, *names: str) -> None:
  """Checks `names`, at least 1 each, and the fields that all tasks have."""
  checks.require_at_least(
    config,
    1,
    'memory_size',
    'word_size',
    'num_read_heads',
    'num_write_heads',
    'hidden_size',
    *names,
    'batch_size',
    'report_interval',
    'checkpoint_interval',
  )
  checks.require_bound(config, 'clip_value')
  checks.require_seed(config)
  checks.require_positive(config, 'learning_rate', 'max_grad_norm')
