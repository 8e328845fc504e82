"""Trains a DNC on next-sprite prediction for dSprites, or on repeat-copy.

  python train.py --memory_size=16 --word_size=16     # the post's Model B
  python train.py --memory_size=256 --word_size=64    # the post's Model A
  python train.py --preset=quick                      # Model B in minutes
  python train.py --preset=quick --core=lstm          # a control: no memory
  python train.py --task=repeat_copy                  # DeepMind's task

On 2 cores, the first takes 2 to 6 hours, the second 8 to 12. The same command
resumes a run.
"""

from collections.abc import Sequence
import dataclasses
import os

from absl import flags

from dnc import config as config_lib
from dnc import tasks
from dnc.config import cluster
from dnc.config import flags as flags_lib
from dnc.config import runs
from dnc.config import settings
from dnc.system import command_line
from dnc.system import progress

_TASKS = tuple(tasks.get(name) for name in tasks.NAMES)
_PRESETS = tuple(
  dict.fromkeys(name for task in _TASKS for name in task.config_class.PRESETS)
)


@dataclasses.dataclass(frozen=True)
class TrainOptions(settings.Settings):
  """Options of train.py besides the run's config."""

  task: str = settings.choice(
    tasks.NAMES[0],
    tasks.NAMES,
    'What to learn. '
    + '; '.join(f'{task.name}: {task.summary}' for task in _TASKS)
    + '.',
    settings.RUN,
  )
  preset: str | None = settings.choice(
    None,
    _PRESETS,
    "Sets the defaults of other flags: to the post's, or to quick ones for a "
    'model in minutes.',
    settings.RUN,
    unset=_PRESETS[0],
  )
  model_dir: str | None = settings.folder(
    "The run's folder.",
    settings.RUN,
    unset=f'one in {runs.RUNS_DIR}/, named after the settings',
  )
  data_dir: str | None = settings.data_dir()
  strategy: str = settings.choice(
    config_lib.DEFAULT,
    config_lib.STRATEGIES,
    'Where to train. default: on one device; mirrored: on all devices of this '
    'machine; multi_worker: on the workers that the environment variable '
    'TF_CONFIG names, each of which runs this command. The batch is divided '
    'among them; the results are the same up to rounding.',
    settings.RUN,
  )


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  configs = [task.config_class for task in _TASKS]
  options = {name for task in _TASKS for name in task.options}
  flags_lib.define(
    __doc__,
    TrainOptions,
    *configs,
    only={
      name: [task.name for task in _TASKS if name in task.options]
      for name in options
    },
    flag_values=flag_values,
  )


def main(
  argv: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS
) -> int:
  """Trains; returns the exit status."""
  del argv
  options = TrainOptions(**flags_lib.read(TrainOptions, flag_values))
  task = tasks.get(options.task)
  own = {*settings.of(task.config_class), *task.options}
  flags_lib.refuse(
    [
      name
      for other in _TASKS
      for name in (*settings.of(other.config_class), *other.options)
      if name not in own
    ],
    f'not a flag of --task={task.name}',
    flag_values,
  )
  given = flags_lib.read(task.config_class, flag_values)
  config = task.config_class.make(options.preset, **given)
  model_dir = options.model_dir or os.path.join(runs.RUNS_DIR, config.name())

  console = progress.Console()
  if options.strategy == config_lib.MULTI_WORKER:
    cluster.check()
  # TensorFlow takes seconds to load, so wrong flags are reported first.
  command_line.load_tensorflow(
    initialize=options.strategy != config_lib.MULTI_WORKER,
    use_one_dnn=True,  # Trains faster on most processors.
  )
  from dnc.training import distribution

  strategy = distribution.make_strategy(options.strategy, console)
  result = task.train(config, model_dir, options.data_dir, console, strategy)
  return 0 if result is not None else command_line.EXIT_INTERRUPTED


if __name__ == '__main__':
  define_flags()
  command_line.run(main)
