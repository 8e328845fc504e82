"""The kinds of models that docs/RESULTS.md compares."""

from collections.abc import Mapping
import dataclasses
import os
from typing import Any

from dnc import config as config_lib
from dnc.config import checks
from dnc.config import runs

# The preset of trainings and evaluations, except for those of the post's size.
PRESET = 'quick'


@dataclasses.dataclass(frozen=True)
class Kind:
  """Models that differ by their seeds alone.

  Attributes:
    title: its name in tables.
    settings: of the training, besides the preset's.
    most: the most models of this kind; None for as many as are asked for.
    preset: of the training; None for the defaults, which are the post's.
    group: name of the folder that keeps what these models gave.
  """

  title: str
  settings: Mapping[str, Any]
  most: int | None = None
  preset: str | None = PRESET
  group: str = PRESET

  @property
  def is_full(self) -> bool:
    """Whether training and evaluation are of the post's size."""
    return self.preset is None

  @property
  def asked(self) -> int | None:
    """The offset of the sprite that a twin of the task needs; None: no twin."""
    training = self.training(0)
    # Where the image is hidden, the place of the current sprite is needed.
    return 0 if training.show_every > 1 else training.recall

  @property
  def expose_weight(self) -> float | None:
    """The weight of the expose loss; None if nothing is exposed."""
    return self.training(0).expose_weight

  def number(self, num_models: int) -> int:
    """How many models to train if `num_models` are asked for."""
    return num_models if self.most is None else min(num_models, self.most)

  def flags(self) -> list[str]:
    """The flags of train.py, without the seed."""
    # A flag that is true or false is written without a value.
    words = {True: '--{}', False: '--no{}'}
    return [
      *([] if self.is_full else [f'--preset={self.preset}']),
      *(
        words[value].format(name)
        if isinstance(value, bool)
        else f'--{name}={checks.shown(value)}'
        for name, value in self.settings.items()
      ),
    ]

  def evaluation_flags(self) -> list[str]:
    """The flags of evaluate.py, without the run's folder."""
    return [] if self.is_full else [f'--preset={PRESET}']

  def evaluation(self) -> config_lib.EvaluationConfig:
    """The settings of the evaluation."""
    return config_lib.make_evaluation(None if self.is_full else PRESET)

  def training(self, seed: int) -> config_lib.TrainingConfig:
    """The training of a seed."""
    return config_lib.make_training(self.preset, **self.settings, seed=seed)

  def model_dir(self, seed: int) -> str:
    """The folder in which train.py puts the run of a seed."""
    return os.path.join(runs.RUNS_DIR, self.training(seed).name())


def _truncated(length: int) -> Kind:
  return Kind(f'Model B, truncation at {length}', {'tbptt_length': length}, 1)


def _exposed(weight: float) -> Kind:
  """A model trained to show the current and an earlier sprite in its memory."""
  given = {'expose': 'memory', 'expose_weight': weight}
  return Kind(f'Model B, memory exposed, weight {weight:g}', given, 1)


def _twins(
  preset: str, words: str, **more: tuple[str, Mapping[str, Any]]
) -> dict[str, Kind]:
  """The kinds of a twin of the post's task: a DNC and its controls."""
  controls = {
    'lstm': ('no memory (LSTM)', {'core': config_lib.LSTM}),
    'frozen': ('frozen core', {'freeze_core': True}),
    **more,
  }
  name = preset.removeprefix('quick_')
  return {
    name: Kind(words, {}, preset=preset),
    **{
      f'{name}_{end}': Kind(f'{words}, {title}', given, preset=preset)
      for end, (title, given) in controls.items()
    },
  }


_LARGE = {'memory_size': 16, 'word_size': 16, 'num_read_heads': 4}
_KEEPING = {'core': config_lib.LSTM, 'reset_controller': False}

KINDS = {
  'model_b': Kind('Model B', {}),
  'model_a': Kind('Model A', {'memory_size': 256, 'word_size': 64}),
  'lstm': Kind('no memory (LSTM)', {'core': config_lib.LSTM}),
  'frozen': Kind('Model B, frozen core', {'freeze_core': True}),
  **{f'truncation_{n}': _truncated(n) for n in (5, 15, 50)},
  **{f'exposed_{n:g}': _exposed(n) for n in (1.0, 10.0, 100.0)},
  **_twins(
    'quick_show_every',
    'image often hidden',
    lstm=('controller alone', {'core': config_lib.LSTM}),
    sixteen=('16 slots', _LARGE),
    keeping=('controller alone, not reset (LSTM)', _KEEPING),
  ),
  **_twins('quick_recall', 'earlier image asked'),
  **{
    f'full_{name}': Kind(f"{title}, the post's size", sizes, most, None, name)
    for name, title, sizes, most in (
      ('model_b', 'Model B', {'memory_size': 16, 'word_size': 16}, 2),
      ('model_a', 'Model A', {'memory_size': 256, 'word_size': 64}, 1),
    )
  },
}
