"""The commands `verify` and `sheet`, for dSprites from a terminal."""

import argparse
from collections.abc import Sequence
import os
import sys
from typing import NoReturn

from absl import flags

from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.dsprites import verify
from dnc.system import command_line
from dnc.system import errors
from dnc.system import files
from dnc.system import paths

_PROGRAM = 'python -m dnc.dsprites'
# Exit statuses, as in cmp and diff.
_EQUAL, _DIFFERENT, _TROUBLE = 0, 1, 2


class _Parser(argparse.ArgumentParser):
  """Reports a mistake in one line, as all our commands do."""

  def error(self, message: str) -> NoReturn:
    raise errors.UsageError(f'{message}; see {self.prog} --help')


def _natural_number(text: str) -> int:
  if not text.isdecimal():
    raise argparse.ArgumentTypeError(f'{text}: must be an integer of 0 or more')
  return int(text)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = _Parser(
    prog=_PROGRAM,
    description='Checks and shows our rendering of dSprites.',
    allow_abbrev=False,
  )
  commands = parser.add_subparsers(
    required=True, metavar='COMMAND', help='see COMMAND --help'
  )

  command = commands.add_parser(
    'verify',
    help='compare the published file with our rendering',
    description=(
      'Compares the published images with our rendering one by one. Prints how '
      'many differ, where, and by how many pixels. The exit status is '
      f'{_EQUAL} if all are equal, {_DIFFERENT} if some differ, {_TROUBLE} if '
      'the file cannot be read.'
    ),
    allow_abbrev=False,
  )
  command.add_argument(
    'file',
    metavar='FILE',
    help='dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz or .hdf5',
  )
  command.add_argument(
    '--num_listed',
    type=_natural_number,
    default=20,
    metavar='NUMBER',
    help='maximum number of differing images to list with latents and pixels '
    '(default: %(default)s)',
  )
  command.set_defaults(command=_verify)

  command = commands.add_parser(
    'sheet',
    help='draw a contact sheet of the latents',
    description=(
      'Draws a row of sprites for each latent: up to ten of its classes from '
      'the first to the last, with the other latents fixed.'
    ),
    allow_abbrev=False,
  )
  command.add_argument(
    '--out',
    default='sheet.png',
    metavar='FILE',
    help='the PNG to write (default: %(default)s)',
  )
  command.set_defaults(command=_sheet)

  arguments = parser.parse_args(argv[1:])
  flags.FLAGS.mark_as_parsed()  # absl's flags, unused here.
  return arguments


def _verify(arguments: argparse.Namespace) -> int:
  print(f'reading {arguments.file}', flush=True)
  comparison = verify.ImageComparison(
    published_file.read_bits(arguments.file), render.render_all()
  )
  report = verify.report(comparison, arguments.file, arguments.num_listed)
  print(report, end='', flush=True)
  return _DIFFERENT if comparison.differing.size else _EQUAL


def _sheet(arguments: argparse.Namespace) -> int:
  from dnc.dsprites import sheet  # Matplotlib is slow to import.

  path = paths.local(arguments.out, '--out')
  if os.path.splitext(path)[1].lower() != '.png':
    raise errors.UsageError(f'--out={path}: must end in .png')
  try:
    with files.atomic_file(path) as file:
      sheet.write(file)
  except OSError as e:
    raise errors.UsageError(
      f'--out={path} cannot be written: {e.strerror or e}'
    ) from e
  print(f'wrote {path}', flush=True)
  return _EQUAL


def main(arguments: argparse.Namespace) -> int:
  """Runs a command; returns the exit status."""
  return arguments.command(arguments)


if __name__ == '__main__':
  sys.argv[0] = _PROGRAM
  command_line.run(main, _parse, error_status=_TROUBLE)
