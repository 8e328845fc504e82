"""The kinds of models that docs/RESULTS.md compares."""

from collections.abc import Mapping
import dataclasses
import os
from typing import Any

from dnc import config as config_lib
from dnc.config import checks
from dnc.config import runs

# The preset of all trainings and evaluations.
PRESET = 'quick'


@dataclasses.dataclass(frozen=True)
class Kind:
  """Models that differ by their seeds alone.

  Attributes:
    title: its name in tables.
    settings: of the training, besides the preset's.
    most: the most models of this kind; None for as many as are asked for.
  """

  title: str
  settings: Mapping[str, Any]
  most: int | None = None

  def number(self, num_models: int) -> int:
    """How many models to train if `num_models` are asked for."""
    return num_models if self.most is None else min(num_models, self.most)

  def flags(self) -> list[str]:
    """The flags of train.py, without the seed."""
    given = [f'--{k}={checks.shown(v)}' for k, v in self.settings.items()]
    # A flag that is true or false is written without a value.
    given = [flag.removesuffix('=True') for flag in given]
    return [f'--preset={PRESET}', *given]

  def training(self, seed: int) -> config_lib.TrainingConfig:
    """The training of a seed."""
    return config_lib.make_training(PRESET, **self.settings, seed=seed)

  def model_dir(self, seed: int) -> str:
    """The folder in which train.py puts the run of a seed."""
    return os.path.join(runs.RUNS_DIR, self.training(seed).name())


def _truncated(length: int) -> Kind:
  return Kind(f'Model B, truncation at {length}', {'tbptt_length': length}, 1)


KINDS = {
  'model_b': Kind('Model B', {}),
  'model_a': Kind('Model A', {'memory_size': 256, 'word_size': 64}),
  'lstm': Kind('no memory (LSTM)', {'core': config_lib.LSTM}),
  'frozen': Kind('Model B, frozen core', {'freeze_core': True}),
  **{f'truncation_{n}': _truncated(n) for n in (5, 15, 50)},
}
