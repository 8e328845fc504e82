"""Tests what a trained DNC keeps in its memory.

  python evaluate.py                    # all tests on the latest run
  python evaluate.py --test=mi          # Test 2 only
  python evaluate.py --preset=quick     # minutes, not hours
  python evaluate.py --model_dir=A,B,C  # runs of several seeds, and their means
  python evaluate.py --runner=DirectRunner  # by Apache Beam, see docs/beam.md

Writes traces and reports to evaluation/ in the run's folder.
"""

from collections.abc import Sequence
import dataclasses
import os
import shlex
import sys

from absl import flags

from dnc import config as config_lib
from dnc import tasks
from dnc.config import flags as flags_lib
from dnc.config import runs
from dnc.config import settings
from dnc.system import command_line
from dnc.system import progress

_ALL = 'all'
_PRESETS = tuple(config_lib.EvaluationConfig.PRESETS)


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(settings.Settings):
  """Options of evaluate.py besides the evaluation's config."""

  test: str = settings.choice(
    _ALL,
    (*config_lib.TESTS, _ALL),
    'Which test to run. probe: Test 1, a linear probe; mi: Test 2, mutual '
    'information; lesion: Test 3, lesions of the memory, the only test for '
    'models of repeat_copy; intervention: Test 4, predictions from a changed '
    'memory; all: all tests.',
    settings.RUN,
  )
  preset: str | None = settings.choice(
    None,
    _PRESETS,
    "Sets the defaults of other flags: to the post's, or to quick ones for an "
    'answer in minutes.',
    settings.RUN,
    unset=_PRESETS[0],
  )
  model_dir: tuple[str, ...] | None = settings.folder(
    "The run's folder. Several runs that differ only in their seeds, as in "
    'A,B,C, are also pooled into one report.',
    settings.RUN,
    unset=f'the latest in {runs.RUNS_DIR}/',
  )
  checkpoint: str = settings.choice(
    config_lib.CHECKPOINTS[0],
    config_lib.CHECKPOINTS,
    'Which checkpoint of the run to test: the newest, or the one with the '
    'lowest validation loss.',
    settings.RUN,
  )
  data_dir: str | None = settings.data_dir()
  runner: str | None = settings.choice(
    None,
    config_lib.RUNNERS,
    'The Apache Beam runner whose workers share the work; see docs/beam.md. '
    "All workers must see the run's folder under the same path.",
    settings.RUN,
    unset='none: this process does all the work, without Beam',
  )
  runner_options: str | None = settings.setting(
    None,
    "Beam's own options for the runner, as on a command line: "
    '--runner_options="--job_endpoint=localhost:8073 '
    '--environment_type=LOOPBACK".',
    settings.RUN,
    unset='none',
  )


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  flags_lib.define(
    __doc__,
    EvaluateOptions,
    config_lib.EvaluationConfig,
    flag_values=flag_values,
  )


def main(
  argv: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS
) -> None:
  """Evaluates."""
  options = EvaluateOptions(**flags_lib.read(EvaluateOptions, flag_values))
  config = config_lib.make_evaluation(
    options.preset,
    tests=config_lib.TESTS if options.test == _ALL else (options.test,),
    **flags_lib.read(config_lib.EvaluationConfig, flag_values),
  )
  model_dirs = options.model_dir or (runs.latest(),)
  training = runs.load_seeds(model_dirs)[0]
  task = tasks.get(training.TASK)
  about = settings.of(config_lib.EvaluationConfig)
  flags_lib.refuse(
    [
      name
      for name, setting in about.items()
      if setting.tests and not set(setting.tests) & set(task.tests)
    ],
    f'not a flag for a run of --task={task.name}',
    flag_values,
  )
  task.evaluation_of(training, config)  # Checks that it fits the run.

  engine = None
  if options.runner is not None:
    from analysis import beam_engine

    engine = beam_engine.BeamEngine(
      options.runner, options.runner_options or ''
    )
  elif options.runner_options is not None:
    flags_lib.refuse(['runner_options'], 'needs a --runner', flag_values)
  # TensorFlow takes seconds to load, so wrong flags are reported first.
  command_line.load_tensorflow()
  from analysis import experiment

  experiment.evaluate_all(
    model_dirs,
    config,
    options.data_dir,
    log=progress.Console(),
    checkpoint=options.checkpoint,
    command=shlex.join(['python', os.path.basename(argv[0]), *sys.argv[1:]]),
    engine=engine,
  )


if __name__ == '__main__':
  define_flags()
  command_line.run(main)
