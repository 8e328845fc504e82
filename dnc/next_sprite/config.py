"""Settings of a training run on rollouts of sprites. Needs no TensorFlow."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from dnc import tasks
from dnc.config import checks
from dnc.config import settings
from dnc.config import training
from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import table
from dnc.dsprites import variation

SIGMOID_CROSS_ENTROPY = 'sigmoid_cross_entropy'
MEAN_SQUARED_ERROR = 'mean_squared_error'
LOSSES = (SIGMOID_CROSS_ENTROPY, MEAN_SQUARED_ERROR)

# Presets that train in minutes.
_QUICK = dict(num_epochs=1, rollouts_per_epoch=1_600, tbptt_length=15)
_SMALL = dict(
  num_epochs=1, rollouts_per_epoch=1_600, tbptt_length=20, hidden_size=32
)
# The place of a sprite is a few numbers. A controller would keep them itself;
# with several slots, it hardly needs what is written. This one must write.
_ONE_SLOT = dict(
  memory_size=1, word_size=32, num_read_heads=1, reset_controller=True
)

# The representations that --expose takes; the first two need a memory.
_EXPOSED_OF_MEMORY = ('memory', 'read_words')
_EXPOSED = (*_EXPOSED_OF_MEMORY, 'controller_hidden')
_EXPOSE_WEIGHT = 10.0
_EXPOSE_OFFSETS = (0, 5)

# Only a core with a memory has these.
_OF_MEMORY = ('memory_size', 'word_size', 'num_read_heads', 'num_write_heads')


@dataclasses.dataclass(frozen=True)
class TrainingConfig(training.Config):
  """A training run; defaults are the post's, or ours where the post is silent.

  The default model has the size of the post's Model B.
  """

  TASK = tasks.NEXT_SPRITE
  # 'post' is the post's schedule (section "Experiment Setup").
  PRESETS = {
    'post': {},
    'quick': _QUICK,
    # Twins of the post's task, with a controller that cannot remember, or is
    # too small to.
    'quick_show_every': dict(**_SMALL, show_every=5, **_ONE_SLOT),
    'quick_recall': dict(**_SMALL, recall=4),
  }
  _PREFIX = 'dnc'

  memory_size: int = training.memory_size(16)
  word_size: int = training.word_size(16)
  num_read_heads: int = training.num_read_heads(4)
  num_write_heads: int = training.num_write_heads(1)
  hidden_size: int = training.hidden_size(256)
  clip_value: float = training.clip_value(20.0)
  dataset: str = settings.setting(
    table.RENDERED,
    'The images of the sprites. dsprites_rendered: rendered here, nothing to '
    'download; dsprites: the original images, downloaded by TFDS; or the path '
    'of the original file, .npz or .hdf5.',
    training.DATA,
  )
  num_epochs: int = settings.count(
    5, 'Number of epochs; each has new rollouts.', training.TRAINING
  )
  rollouts_per_epoch: int = settings.count(
    10_000, 'Number of rollouts in an epoch.', training.TRAINING
  )
  min_length: int = settings.count(
    500, 'Minimum number of steps in a rollout.', training.DATA
  )
  max_length: int = settings.count(
    1000, 'Maximum number of steps in a rollout.', training.DATA
  )
  batch_size: int = training.batch_size(16)
  tbptt_length: int = settings.count(
    25,
    'Number of steps of truncated back-propagation through time; the state is '
    'carried over from one segment to the next. 0: whole rollouts.',
    training.TRAINING,
    least=0,
  )
  learning_rate: float = settings.setting(
    5e-3,
    'Initial learning rate.',
    training.TRAINING,
    allowed=checks.POSITIVE,
  )
  final_learning_rate: float = settings.setting(
    1e-4,
    'Final learning rate; the rate falls linearly, batch by batch.',
    training.TRAINING,
    allowed=checks.POSITIVE,
  )
  max_grad_norm: float = training.max_grad_norm(50.0)
  seed: int = training.seed(0)
  report_interval: int = training.report_interval(100)
  checkpoint_interval: int = training.checkpoint_interval(500)
  varying: variation.Varying | None = settings.setting(
    None,
    'Latents redrawn for every sprite. Latents named neither here nor in '
    '--fixed are drawn once per rollout.',
    training.DATA,
    allowed=checks.some_of(*latents.NAMES),
    unset='all that are not in --fixed',
    is_later=True,
  )
  fixed: variation.Fixed = settings.setting(
    (),
    'Latents fixed in all rollouts, each with its class, counted from 0: e.g. '
    'shape:2,scale:5.',
    training.DATA,
    is_later=True,
  )
  core: str = settings.choice(
    training.DNC,
    training.CORES,
    'The core: dnc; or lstm, the same controller without a memory.',
    training.MODEL,
    is_later=True,
  )
  freeze_core: bool = settings.setting(
    False,
    'Keep the initial weights of the core; only the output layer learns.',
    training.MODEL,
    is_later=True,
  )
  loss: str = settings.choice(
    SIGMOID_CROSS_ENTROPY,
    LOSSES,
    "The training loss, summed over an image's pixels: cross-entropy in nats, "
    'or squared error of the predicted probabilities.',
    training.TRAINING,
    is_later=True,
  )
  optimizer: str = settings.choice(
    training.ADAM,
    training.OPTIMIZERS,
    'The optimizer.',
    training.TRAINING,
    is_later=True,
  )

  show_every: int = settings.count(
    1,
    'Show the image only once in this many steps, and zeros at the others, so '
    'that the model must remember the sprite and add up the actions. 1: show '
    'the image at every step, as in the post.',
    training.DATA,
    is_later=True,
  )
  recall: int | None = settings.count(
    None,
    'Predict the image that was shown this many steps before; 0: the one just '
    'shown. The first steps, which have no such image, do not count.',
    training.DATA,
    least=0,
    unset='predict the next sprite',
    is_later=True,
  )

  expose: str | None = settings.setting(
    None,
    'Train the model so that a linear layer can read the latents from this '
    "part of it: the layer's loss is added to the training loss.",
    training.TRAINING,
    allowed=checks.one_of(*_EXPOSED),
    unset='nothing',
    is_later=True,
  )
  expose_weight: float | None = settings.setting(
    None,
    'Weight of the loss added by --expose.',
    training.TRAINING,
    allowed=checks.POSITIVE,
    unset=f'{_EXPOSE_WEIGHT:g} with --expose',
    is_later=True,
  )
  expose_offsets: tuple[int, ...] | None = settings.setting(
    None,
    'With --expose, the linear layer reads the latents of the sprite this many '
    'steps earlier; -1 is the next sprite.',
    training.TRAINING,
    allowed=checks.EACH_ONCE,
    unset=f'{checks.shown(_EXPOSE_OFFSETS)} with --expose',
    is_later=True,
  )

  reset_controller: bool = settings.setting(
    False,
    'Start the LSTM controller from zeros at every step, so that it cannot '
    'remember: only the memory and the words read carry anything on. With '
    f'--core={training.LSTM}, nothing does.',
    training.MODEL,
    is_later=True,
  )

  @classmethod
  def _preset(cls, preset: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    found = dict(super()._preset(preset, given))
    if given.get('core') == training.LSTM:
      for name in _OF_MEMORY:
        found.pop(name, None)
    return found

  def __post_init__(self):
    super().__post_init__()
    if self.core == training.LSTM:
      for name in _OF_MEMORY:
        checks.require(
          self,
          name,
          getattr(self, name) == getattr(TrainingConfig, name),
          f'left out with --core={training.LSTM}, which has no memory',
        )
    checks.require_order(self, 'min_length', 'max_length')
    self._check_twin()
    self._resolve_exposing()
    table.check_dataset(self.dataset)
    varying, fixed = variation.resolve(self.varying, self.fixed)
    # The dataclass is frozen.
    object.__setattr__(self, 'varying', varying)
    object.__setattr__(self, 'fixed', fixed)

  def _reach(self) -> tuple[int, str]:
    """Returns the least number of steps that gradients go back, and its flag.

    No target may depend on an image that was shown further back.
    """
    bounds = {'min_length': self.min_length}
    if self.tbptt_length:
      bounds['tbptt_length'] = self.tbptt_length
    name = min(bounds, key=bounds.get)
    return bounds[name], f'--{name}={bounds[name]}'

  def _check_twin(self) -> None:
    reach, flag = self._reach()
    checks.require(
      self, 'show_every', self.show_every <= reach, f'at most {flag}'
    )
    if self.recall is not None:
      checks.require(self, 'recall', self.recall < reach, f'less than {flag}')
      flag = f'--show_every={self.show_every}'
      checks.require(
        self, 'recall', self.show_every == 1, f'left out with {flag}'
      )

  def _resolve_exposing(self) -> None:
    """Checks the settings of --expose, and fills in the missing ones."""
    if self.expose is None:
      for name in ('expose_weight', 'expose_offsets'):
        is_unset = getattr(self, name) is None
        checks.require(self, name, is_unset, 'left out without --expose')
      return
    checks.require(
      self,
      'expose',
      self.core == training.DNC or self.expose not in _EXPOSED_OF_MEMORY,
      f'controller_hidden with --core={training.LSTM}, which has no memory',
    )
    # In a frozen core, this loss could change nothing.
    checks.require(
      self, 'expose', not self.freeze_core, 'left out with --freeze_core'
    )
    if self.expose_weight is None:
      object.__setattr__(self, 'expose_weight', _EXPOSE_WEIGHT)
    offsets = tuple(sorted(self.expose_offsets or _EXPOSE_OFFSETS))
    object.__setattr__(self, 'expose_offsets', offsets)
    reach, flag = self._reach()
    # Sprites beyond the next one depend on nothing that the model has seen.
    least = -1 if self.min_length > 1 else 0
    checks.require(
      self,
      'expose_offsets',
      all(least <= offset < reach for offset in offsets),
      f'in {least} to {reach - 1}, less than {flag}',
    )

  def identity(self) -> dict[str, Any]:
    """The fields that determine the run's numbers; a file counts by content."""
    dataset = published_file.content(self.dataset)
    return {**super().identity(), 'dataset': dataset}

  def _kind(self) -> str:
    kind = super()._kind() if self.core == training.DNC else self.core
    if self.reset_controller:
      kind += '_reset'
    if self.show_every > 1:
      kind += f'_show{self.show_every}'
    if self.recall is not None:
      kind += f'_recall{self.recall}'
    if self.expose is not None:
      kind += f'_expose_{self.expose}'
    return f'{kind}_frozen' if self.freeze_core else kind

  @property
  def segment_length(self) -> int:
    """Maximum number of steps in one update."""
    return self.tbptt_length or self.max_length

  @property
  def batches_per_epoch(self) -> int:
    """Batches of rollouts in an epoch; the last one may be padded."""
    return -(-self.rollouts_per_epoch // self.batch_size)

  @property
  def num_batches(self) -> int:
    """Batches of rollouts of the whole run."""
    return self.num_epochs * self.batches_per_epoch

  @property
  def num_rollouts(self) -> int:
    """Rollouts of the whole run."""
    return self.num_epochs * self.rollouts_per_epoch


make_training = TrainingConfig.make
