"""The rule for all paths that users give, in flags and in functions.

A path is on this machine, may begin with `~` for the home folder, and may have
any characters.
"""

from collections.abc import Iterator
import contextlib
import os
import re

from dnc.system import errors

# `pathlib` turns `gs://` into `gs:/`.
_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]+:/')
# Characters that make TensorFlow read a name as a pattern.
_WILDCARD = re.compile(r'[*?\[\\]')


def local(path: str | os.PathLike[str], name: str) -> str:
  """Returns a path as text, with its `~` replaced.

  Called with its own result, it returns the same text.

  Args:
    path: the path.
    name: where it comes from, for the error: a flag such as '--model_dir', an
      environment variable or an argument.

  Raises:
    UsageError: if it is not a path, is empty, is not on this machine, begins
      with an unknown home folder, or has characters that this process cannot
      write.
  """
  try:
    text = os.fspath(path)
  except TypeError:
    text = path
  if not isinstance(text, str):
    raise errors.UsageError(f'{name}={path!r}: must be a path')
  problem = _problem(text)
  if problem:
    raise errors.UsageError(f'{name}={text}: {problem}')
  return os.path.expanduser(text)


def _problem(text: str) -> str | None:
  """Says what is wrong with a path; None if nothing is."""
  if not text:
    return 'must not be empty'
  if '\0' in text:
    return 'must not have a zero byte'
  if _SCHEME.match(text):
    return (
      'must be a path on this machine, without file://; put ./ before a name '
      'such as a:/b'
    )
  if text.startswith('~') and not _is_home_known(text):
    return (
      'there is no such home folder; give the whole path, or put ./ before a '
      'name that begins with ~'
    )
  return _problem_of_coding(os.path.expanduser(text))


def _problem_of_coding(path: str) -> str | None:
  # TensorFlow writes all names in UTF-8, Python as the locale says.
  try:
    path = os.path.abspath(path)
    if path.encode() == os.fsencode(path):
      return None
  except FileNotFoundError:
    return 'the current folder does not exist any more'
  except UnicodeEncodeError:
    pass
  return (
    'must be a name in UTF-8, and the locale must use UTF-8 (or set '
    'PYTHONUTF8=1 in the environment)'
  )


def _is_home_known(path: str) -> bool:
  own = path == '~' or path.startswith('~/')
  if own and os.environ.get('HOME') == '':
    return False
  return not os.path.expanduser(path).startswith('~')


def has_home() -> bool:
  """Whether this process knows its home folder; some containers have none."""
  return _is_home_known('~')


def several(text: str) -> tuple[str, ...]:
  """Splits a flag's paths at commas, but not within a name that exists."""
  parts, found = text.split(','), []
  while parts:
    for number in range(len(parts), 0, -1):
      path = ','.join(parts[:number])
      if os.path.exists(os.path.expanduser(path)):
        break
    else:
      path = path.strip()
    found.append(path)
    parts = parts[number:]
  return tuple(found)


@contextlib.contextmanager
def without_wildcards(folder: str) -> Iterator[str]:
  """Yields a name of a folder that is not read as a pattern.

  TensorFlow's checkpoint readers read names as patterns, without a way to
  escape characters.
  """
  if not _WILDCARD.search(folder):
    yield folder
    return
  descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
  try:
    yield f'/proc/self/fd/{descriptor}'
  finally:
    os.close(descriptor)
