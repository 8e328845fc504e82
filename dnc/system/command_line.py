"""Parses the flags of all commands; prints their errors as one line."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import gc
import io
import os
import re
import signal
import sys
import traceback
import types
from typing import Any
from typing import NoReturn

from absl import app
from absl import flags
from absl import logging

from dnc.system import errors
from dnc.system import paths
from dnc.system import wording

# The status that a shell reports for a command ended by Ctrl-C.
EXIT_INTERRUPTED = 130
# Packages with C++ code that calls Python, and those of this project.
_LIBRARIES = ('tensorflow', 'keras', 'sonnet')
_OWN = ('dnc', 'analysis', '__main__')

# While TensorFlow loads, C++ code writes these notices about CPU features and a
# missing GPU to file descriptor 2, whatever TF_CPP_MIN_LOG_LEVEL is.
_NOTICE = re.compile(
  rb'WARNING: All log messages before absl::InitializeLog|'
  rb'[IWE]0000 .* (port|cudart_stub|cuda_platform|cpu_feature_guard)\.cc'
)


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
  """Keeps TensorFlow from loading Keras, and with it scikit-learn, at once.

  Loading Keras takes nearly as long as the rest of TensorFlow, which works
  without it. Code that uses Keras imports it later.
  """
  if 'keras' in sys.modules:
    yield
    return
  sys.modules['keras'] = None  # Makes `import keras` raise an ImportError.
  try:
    yield
  finally:
    del sys.modules['keras']


@contextlib.contextmanager
def _without_notices() -> Iterator[None]:
  """Holds back what is written to stderr, then prints it without notices."""
  with os.fdopen(os.memfd_create('stderr'), 'w+b') as held:
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


def load_tensorflow(initialize: bool = True, use_one_dnn: bool = False) -> None:
  """Imports TensorFlow without printing its notices about the machine.

  Args:
    initialize: whether to initialize the devices, too. The workers of a cluster
      must connect before that.
    use_one_dnn: whether to use oneDNN unless the user says otherwise; by
      default TensorFlow does so on some processors only.

  Raises:
    UsageError: if Python has removed the docstrings that Sonnet reads.
  """
  if sys.flags.optimize > 1:
    raise errors.UsageError(
      'PYTHONOPTIMIZE=2 (python -OO): must be left out, because it removes '
      'docstrings that Sonnet needs'
    )
  # Level 3 also hides errors: commands report a lost worker themselves.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2' if initialize else '3')
  if use_one_dnn:
    os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
  # The Keras probe works on TensorFlow's tensors and datasets.
  os.environ['KERAS_BACKEND'] = 'tensorflow'
  if not paths.has_home():
    # Keras would make a folder called `~` for its settings.
    os.environ.setdefault('KERAS_HOME', os.devnull)
  with _without_notices(), _without_keras():
    import tensorflow as tf

    # Sonnet draws initial weights, which we replace. Drawing needs a seed under
    # TF_DETERMINISTIC_OPS.
    tf.random.set_seed(0)
    if initialize:
      tf.config.list_logical_devices()


class _Output(io.TextIOWrapper):
  """Standard output; its errors do not blame the file that is being written."""

  def write(self, text: str) -> int:
    """Writes; raises the same errors as `flush`."""
    with self._explained():
      return super().write(text)

  def flush(self) -> None:
    """Flushes.

    Raises:
      BrokenPipeError: if the reader is gone.
      UsageError: in place of any other `OSError`.
    """
    with self._explained():
      super().flush()

  @contextlib.contextmanager
  def _explained(self) -> Iterator[None]:
    try:
      yield
    except OSError as e:
      # Otherwise Python would fail again when it closes stdout.
      with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), self.fileno())
      if isinstance(e, BrokenPipeError):
        raise
      raise errors.UsageError(f'standard output: {e.strerror}') from e


def _prepare_streams() -> None:
  """Makes the standard streams safe to use, even if they are closed."""
  # If one is closed, the next file that is opened would get its descriptor, so
  # os.devnull takes it.
  while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
    pass
  os.close(descriptor)
  sys.stdout = sys.stdout or open(os.devnull, 'w')  # noqa: SIM115
  sys.stderr = sys.stderr or open(os.devnull, 'w')  # noqa: SIM115
  for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, io.TextIOWrapper):
      # Characters that its encoding lacks become ?.
      stream.reconfigure(errors='replace')
  if type(sys.stdout) is io.TextIOWrapper:
    kept = dict(
      encoding=sys.stdout.encoding,
      line_buffering=sys.stdout.line_buffering,
      write_through=sys.stdout.write_through,
    )
    sys.stdout = _Output(sys.stdout.detach(), errors='replace', **kept)
    sys.__stdout__ = sys.stdout


def _fail(message: object, status: int) -> NoReturn:
  program = os.path.basename(sys.argv[0])
  print(f'{program}: {wording.one_line(message)}', file=sys.stderr)
  sys.exit(status)


def _flush_output(error_status: int | None) -> None:
  """Flushes stdout; if that fails, exits with the status, if there is one."""
  if sys.stdout is None or sys.stdout.closed:
    return
  try:
    sys.stdout.flush()
  except errors.UsageError as e:
    if error_status is not None:
      _fail(e, error_status)
  except BrokenPipeError:
    if error_status is not None:
      sys.exit(error_status)


def _release(error: BaseException) -> None:
  """Frees what the frames of an exception hold, while Python still runs.

  If a frame holds an iterator of a dataset, a thread may be preparing the next
  batch by calling Python. When Python shuts down, it ends such a thread in the
  middle of TensorFlow, which then waits for it forever, or crashes.
  """
  signal.signal(signal.SIGINT, signal.SIG_DFL)  # There is nothing left to undo.
  seen, exceptions = [], [error]
  while exceptions:
    each = exceptions.pop()
    if each is not None and not any(each is x for x in seen):
      seen.append(each)
      traceback.clear_frames(each.__traceback__)
      exceptions += [each.__context__, each.__cause__]
  gc.collect()


def parse_flags(
  argv: Sequence[str],
  flag_values: flags.FlagValues = flags.FLAGS,
  allow_words: bool = False,
) -> list[str]:
  """Parses flags as absl does; returns the program's name, then other words.

  Raises:
    UsageError: if a flag or its value is wrong, or a word is not a flag and
      words are not allowed.
  """
  try:
    rest = flag_values(argv)
  except (flags.Error, ValueError) as e:  # absl knows both.
    raise errors.UsageError(e) from e
  if len(rest) > 1 and not allow_words:
    raise errors.UsageError(
      f'{rest[1]}: not a flag; write flags as --name=value'
    )
  return rest


def _is_in(frame: types.FrameType, packages: tuple[str, ...]) -> bool:
  name, _, _ = str(frame.f_globals.get('__name__')).partition('.')
  return name in packages


def _safe(frame: types.FrameType | None) -> types.FrameType | None:
  """The innermost frame in which an exception does no harm.

  Python ignores exceptions in destructors. TensorFlow's C++ code calls Python
  in places where an exception is lost, or crashes the process. So the safe
  frame is the one of ours that has called these.

  Args:
    frame: the innermost frame.
  """
  safe, is_ours = frame, False
  while frame is not None:
    if frame.f_code.co_name == '__del__':
      safe, is_ours = frame.f_back, False
    elif _is_in(frame, _OWN):
      is_ours = True
    elif not is_ours and _is_in(frame, _LIBRARIES):
      safe = frame.f_back
    frame = frame.f_back
  return safe


class _Postponed:
  """A trace function that raises `KeyboardInterrupt` in a safe frame."""

  def __init__(self, frame: types.FrameType):
    """Waits until a frame goes on, or another one of ours begins."""
    frame.f_trace = self._in_frame

  def __call__(self, frame: types.FrameType, *_: object) -> None:
    """Is called when any function is."""
    if _is_in(frame, _OWN) and _safe(frame) is frame:
      self._raise()

  def _in_frame(self, frame: types.FrameType, event: str, *_: object) -> Any:
    """Is called before a line, and at the end of the frame."""
    # What is raised when an iterator ends a loop is lost.
    if event != 'exception':
      self._raise()
    return self._in_frame

  def _raise(self) -> NoReturn:
    sys.settrace(None)
    raise KeyboardInterrupt


def _interrupt(number: int, frame: types.FrameType | None) -> None:
  """Raises `KeyboardInterrupt`, if need be as soon as there is a safe frame.

  The second Ctrl-C raises it at once, as does one under a debugger.
  """
  del number
  safe = _safe(frame)
  if safe in (None, frame) or sys.gettrace() is not None:
    raise KeyboardInterrupt
  sys.settrace(_Postponed(safe))


def run(
  main: Callable[[Any], int | None],
  parse: Callable[[Sequence[str]], Any] = parse_flags,
  error_status: int = 1,
) -> None:
  """Parses the command line, runs `main` and exits.

  Prints a `UsageError` or `MemoryError` as one line without a stack trace.
  After Ctrl-C, the status is 130. If the reader of the output is gone, as with
  `| head`, the command ends silently.

  Args:
    main: takes what `parse` returns and returns the exit status.
    parse: takes the command line; must leave absl's flags parsed.
    error_status: exit status after an error.
  """

  def guarded_parse(argv: Sequence[str]) -> Any:
    try:
      return parse(argv)
    except errors.UsageError as e:
      _fail(e, error_status)

  def guarded(arguments: Any) -> int | None:
    # For the logs of absl and of TensorFlow's Python code.
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
      sys.exit(error_status)

  _prepare_streams()
  # We show no windows; Matplotlib refuses to load with an unknown backend.
  os.environ['MPLBACKEND'] = 'agg'
  signal.signal(signal.SIGINT, _interrupt)
  try:
    app.run(guarded, flags_parser=guarded_parse)
  except BaseException as e:
    is_success = isinstance(e, SystemExit) and not e.code
    _flush_output(error_status if is_success else None)
    _release(e)
    raise
