"""Trains and evaluates the models of docs/RESULTS.md, and writes its tables.

  python -m analysis.results                   # all but the next; hours
  python -m analysis.results --kinds=full_model_b   # the post's size; longer
  python -m analysis.results --kinds=model_b   # a part; then the tables of all
  python -m analysis.results --kinds=          # only the tables

Runs are kept in runs/, and their numbers in docs/results/. A model that has
either is not trained again. After Ctrl-C, the same command continues. If
--results_dir is an empty folder, models that have no run here are trained, too.
"""

from collections.abc import Iterable
from collections.abc import Sequence
import os
import sys

from absl import flags

from analysis.results import keeping
from analysis.results import kinds as kinds_lib
from analysis.results import page
from analysis.results import running
from dnc.system import command_line
from dnc.system import errors
from dnc.system import paths

_PROGRAM = 'python -m analysis.results'


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
  """Defines the command's flags."""
  flags.DEFINE_list(
    'kinds',
    [name for name, kind in kinds_lib.KINDS.items() if not kind.is_full],
    "The kinds of models to train and evaluate, by default all but the post's "
    'size; the tables always have all.',
    flag_values=flag_values,
  )
  flags.DEFINE_integer(
    'num_models',
    5,
    'Number of seeds of each kind, from 0 on; some kinds have one.',
    lower_bound=1,
    flag_values=flag_values,
  )
  flags.DEFINE_string(
    'results_dir',
    os.path.join('docs', 'results'),
    'The folder that keeps what evaluated models gave.',
    flag_values=flag_values,
  )


def _reports(names: Iterable[str], folder: str) -> dict[tuple[str, int], str]:
  """Keeps the reports of runs of the post's size that are here.

  Returns:
    By kind and seed, the folders of all kept reports, as links from the page.
  """
  links = {}
  for name in names:
    kind = kinds_lib.KINDS[name]
    for seed in range(kind.most):
      if running.is_evaluated(kind, seed):
        keeping.keep_report(folder, kind, seed)
      kept = keeping.report_folder(folder, kind, seed)
      if os.path.exists(os.path.join(kept, keeping.REPORT_PAGE)):
        links[name, seed] = os.path.relpath(kept, os.path.dirname(page.PATH))
  return links


def main(
  argv: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS
) -> None:
  """Runs what is missing, then writes the tables."""
  del argv
  names, num_models = flag_values.kinds, flag_values.num_models
  folder = paths.local(flag_values.results_dir, '--results_dir')
  for name in names:
    if name not in kinds_lib.KINDS:
      raise errors.UsageError(
        f'--kinds={name}: must be some of {", ".join(kinds_lib.KINDS)}'
      )
  page.check()
  for line in running.plan(names, num_models, folder):
    print(line, flush=True)
  running.run_missing(names, num_models, folder)

  # TensorFlow takes seconds to load, and memory that the runs may need.
  command_line.load_tensorflow()
  from analysis.results import picture
  from analysis.results import tables

  found = {
    name: [
      numbers
      for seed in range(kind.number(num_models))
      if (numbers := running.read(kind, seed, folder)) is not None
    ]
    for name, kind in kinds_lib.KINDS.items()
  }
  of = {
    is_full: {
      k: v for k, v in found.items() if kinds_lib.KINDS[k].is_full == is_full
    }
    for is_full in (True, False)
  }
  page.write(
    {
      page.FULL: tables.full_text(of[True], _reports(of[True], folder)),
      page.QUICK: tables.text(of[False]),
    }
  )
  picture.write(found['model_b'])
  print(f'\ntables: {page.PATH}')


if __name__ == '__main__':
  define_flags()
  sys.argv[0] = _PROGRAM
  command_line.run(main)
