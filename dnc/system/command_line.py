"""What all commands share: flags in, one line for a mistake."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import os
import re
import signal
import sys
import tempfile
import types
from typing import Any

from absl import app
from absl import flags
from absl import logging

from dnc.system import errors

# As a shell reports a command that Ctrl-C ended.
EXIT_INTERRUPTED = 130


# TensorFlow's C++ writes these to file descriptor 2 as it is loaded, whatever
# TF_CPP_MIN_LOG_LEVEL says: CPU features, and that there is no GPU.
_NOTICE = re.compile(
  rb'WARNING: All log messages before absl::InitializeLog|'
  rb'[IWE]0000 .* (port|cudart_stub|cuda_platform|cpu_feature_guard)\.cc'
)


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
  """Holds back what is written to stderr, then lets all but notices through."""
  with tempfile.TemporaryFile() as held:
    sys.stderr.flush()
    stderr = os.dup(2)
    os.dup2(held.fileno(), 2)
    try:
      yield
    finally:
      os.dup2(stderr, 2)
      os.close(stderr)
      held.seek(0)
      for line in held:
        if not _NOTICE.match(line):
          sys.stderr.buffer.write(line)
      sys.stderr.flush()


def load_tensorflow(initialize: bool = True) -> None:
  """Imports TensorFlow without its notices about the machine.

  Args:
    initialize: whether to look for devices, too; workers of a cluster have
      first to find each other.
  """
  # That a worker is lost, a line of ours says better.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2' if initialize else '3')
  # The probe's losses and data are TensorFlow's.
  os.environ['KERAS_BACKEND'] = 'tensorflow'
  with _without_notices():
    import tensorflow as tf

    if initialize:
      tf.config.list_logical_devices()


def _fail(message: object, status: int) -> None:
  line = ' '.join(str(message).split())
  print(f'{os.path.basename(sys.argv[0])}: {line}', file=sys.stderr)
  sys.exit(status)


def _parse_flags(argv: Sequence[str]) -> list[str]:
  """As absl does, but a wrong flag takes one line."""
  try:
    rest = flags.FLAGS(argv)
  except flags.Error as e:
    raise errors.UsageError(e) from e
  if len(rest) > 1:
    raise errors.UsageError(
      f'{rest[1]}: not a flag; flags are written --name=value'
    )
  return rest


def _in_destructor(frame: types.FrameType | None) -> bool:
  while frame is not None:
    if frame.f_code.co_name == '__del__':
      return True
    frame = frame.f_back
  return False


def _interrupt(number: int, frame: types.FrameType | None) -> None:
  """Raises `KeyboardInterrupt`, but not where Python would swallow it.

  What a destructor raises is printed and forgotten; the signal is sent again a
  little later.
  """
  del number
  if _in_destructor(frame):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
  else:
    raise KeyboardInterrupt


def run(
  main: Callable[[Any], int | None],
  parse: Callable[[Sequence[str]], Any] = _parse_flags,
  error_status: int = 1,
) -> None:
  """Parses flags and runs `main`, then exits.

  A `UsageError`, or too little memory, is printed as one line without a stack
  trace; Ctrl-C ends with status 130. When nobody reads the output any more
  (`| head`), it ends without a word.

  Args:
    main: takes what `parse` returns; returns the exit status.
    parse: takes the command line; must leave absl's flags parsed. By default
      what is left of the command line is returned, only its first word.
    error_status: exit status after a mistake.
  """

  def guarded_parse(argv: Sequence[str]) -> Any:
    try:
      return parse(argv)
    except errors.UsageError as e:
      return _fail(e, error_status)

  def guarded(arguments: Any) -> int | None:
    # Of what absl and TensorFlow log.
    if not flags.FLAGS['verbosity'].present:
      logging.set_verbosity(logging.WARNING)
    try:
      return main(arguments)
    except errors.UsageError as e:
      _fail(e, error_status)
    except MemoryError as e:
      _fail(f'not enough memory for these sizes: {e}', error_status)
    except KeyboardInterrupt:
      _fail('interrupted', EXIT_INTERRUPTED)
    except BrokenPipeError:
      # Python would complain once more when it closes stdout.
      os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
      sys.exit(error_status)
    return None

  signal.signal(signal.SIGINT, _interrupt)
  signal.signal(signal.SIGALRM, _interrupt)
  app.run(guarded, flags_parser=guarded_parse)
