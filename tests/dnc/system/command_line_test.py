"""Tests of dnc.system.command_line, with commands that do nothing else."""

import os
import signal
import subprocess
import sys
import time
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized

from dnc.system import command_line
from dnc.system import paths
from tests.support import commands
from tests.support import testing_data

_COMMAND = """
import signal
import sys
import time
from absl import flags
from dnc.system import command_line
from dnc.system import errors
flags.DEFINE_integer('number', 1, 'A number.')
def main(argv):
  print('started', flush=True)
  {}
sys.argv[0] = '/folder/command.py'
command_line.run(main)
"""


class RunTest(parameterized.TestCase):
  def _run(self, code, *words):
    return subprocess.run(
      [sys.executable, '-c', _COMMAND.format(code), *words],
      cwd=testing_data.ROOT,
      capture_output=True,
      text=True,
      check=False,
      timeout=60,
    )

  @parameterized.parameters(
    ('return 3', 3, ''),
    ('raise errors.UsageError("--a=b:\\n wrong")', 1, '--a=b: wrong'),
    ('raise MemoryError("9 GB")', 1, 'not enough memory for these sizes: 9 GB'),
    ('signal.raise_signal(signal.SIGINT)', 130, 'interrupted'),
  )
  def test_how_commands_end(self, code, status, message):
    result = self._run(code)
    self.assertEqual(result.returncode, status)
    self.assertEqual(
      result.stderr, f'command.py: {message}\n' if message else ''
    )
    self.assertEqual(result.stdout, 'started\n')

  def test_no_thread_is_left_that_calls_python(self):
    # Without care, this hangs forever more often than not.
    result = self._run(
      'import tensorflow as tf\n'
      '  sleep = lambda x: (time.sleep(0.5), x)[1]\n'
      '  call = lambda x: tf.numpy_function(sleep, [x], tf.int64)\n'
      '  dataset = tf.data.Dataset.range(1000).map(call).prefetch(2)\n'
      '  iterator = iter(dataset)\n'
      '  next(iterator)\n'
      '  signal.raise_signal(signal.SIGINT)'
    )
    self.assertEqual(result.returncode, 130, msg=result.stderr)
    self.assertEndsWith(result.stderr, 'command.py: interrupted\n')

  @parameterized.parameters(
    ('--number=x', 'flag --number=x: .*'),
    ('--nummber=1', "Unknown command line flag 'nummber'.*"),
    ('7', '7: not a flag; write flags as --name=value'),
  )
  def test_wrong_flags_take_one_line(self, word, pattern):
    result = self._run('return 0', word)
    self.assertEqual(result.returncode, 1)
    self.assertRegex(result.stderr, f'^command.py: {pattern}\n$')
    self.assertEmpty(result.stdout)

  def test_outputs_that_lack_characters_or_are_closed(self):
    code = _COMMAND.format('print("R²"); raise errors.UsageError("ü")')
    for closed, shown in (('', b'started\nR?\n'), ('>&-', b'')):
      result = subprocess.run(
        ['sh', '-c', f'exec "$0" -c "$1" {closed}', sys.executable, code],
        cwd=testing_data.ROOT,
        env={**os.environ, 'PYTHONIOENCODING': 'ascii'},
        capture_output=True,
        check=False,
      )
      self.assertEqual(result.stdout, shown)
      self.assertEqual(result.stderr, b'command.py: ?\n')
      self.assertEqual(result.returncode, 1)

  def test_nobody_reads_the_output(self):
    code = 'while True: print("more")'
    process = subprocess.Popen(
      [sys.executable, '-c', _COMMAND.format(code)],
      cwd=testing_data.ROOT,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
    )
    self.addCleanup(process.kill)
    process.stdout.readline()
    process.stdout.close()
    self.assertEmpty(process.stderr.read())
    self.assertEqual(process.wait(60), 1)

  @parameterized.parameters(
    ('print("x")', 1, 'standard output: No space left on device'),
    ('print("x" * 100_000)', 1, 'standard output: No space left on device'),
    ('print("x"); sys.exit(3)', 3, ''),
    ('print("x"); raise RuntimeError("why")', 1, 'RuntimeError: why'),
    ('print("x"); sys.stdout.close()', 1, 'standard output: No space left'),
    ('sys.stdout = None', 0, ''),
  )
  def test_a_full_output_is_no_fault_of_a_file(self, code, status, message):
    # As in a training: what a folder's errors are blamed on.
    code = f"""with files.explained_errors('folder'):
    {code}"""
    command = 'from dnc.system import files\n' + _COMMAND.format(code)
    command = command.replace("  print('started', flush=True)\n", '')
    with open('/dev/full', 'w') as full:
      result = subprocess.run(
        [sys.executable, '-c', command],
        cwd=testing_data.ROOT,
        env={**os.environ, 'PYTHONUNBUFFERED': ''},
        stdout=full,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
      )
    self.assertEqual(result.returncode, status, msg=result.stderr)
    self.assertIn(message, (result.stderr.splitlines() or [''])[-1])
    self.assertNotIn('folder', result.stderr.replace('explained_errors', ''))

  def test_output_that_is_not_buffered(self):
    code = 'print("first"); sys.stdin.readline()'
    process = subprocess.Popen(
      [sys.executable, '-u', '-c', _COMMAND.format(code)],
      cwd=testing_data.ROOT,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
    )
    self.assertEqual(process.stdout.readline(), 'started\n')
    # Otherwise this would wait for the input below.
    self.assertEqual(process.stdout.readline(), 'first\n')
    process.communicate('\n')
    self.assertEqual(process.returncode, 0)


_LIBRARY_CALL = """
def call(finished, interrupts, number):
  inner(finished, interrupts, number)
  finished.append('outer')
def inner(finished, interrupts, number):
  for _ in range(interrupts):
    os.kill(os.getpid(), number)
  for _ in range(100):
    pass
  finished.append('inner')
def apply(function, *args):
  function(*args)
class Iterator:
  def __init__(self, number):
    self.number = number
  def __iter__(self):
    return self
  def __next__(self):
    os.kill(os.getpid(), self.number)
    raise StopIteration
"""


class _Destroyed:
  """Receives Ctrl-C in its destructor, where Python ignores exceptions."""

  def __init__(self, interrupts=1):
    self._interrupts = interrupts

  def __del__(self):
    for _ in range(self._interrupts):
      os.kill(os.getpid(), signal.SIGINT)
    for _ in range(100):
      pass


class LoadTest(parameterized.TestCase):
  def test_keras_makes_no_folder_for_a_home_that_is_unknown(self):
    for has_home, place in ((True, None), (False, os.devnull)):
      with (
        mock.patch.object(paths, 'has_home', return_value=has_home),
        mock.patch.dict(os.environ),
      ):
        os.environ.pop('KERAS_HOME', None)
        command_line.load_tensorflow(initialize=False)
        self.assertEqual(os.environ.get('KERAS_HOME'), place)

  @parameterized.parameters((None, '1'), ('0', '0'))
  def test_one_dnn_unless_the_user_says_otherwise(self, given, used):
    name = 'TF_ENABLE_ONEDNN_OPTS'
    with (
      mock.patch.dict(os.environ),
      mock.patch.dict(sys.modules, tensorflow=mock.Mock()),
    ):
      os.environ.pop(name, None)
      command_line.load_tensorflow()
      self.assertNotIn(name, os.environ)
      if given is not None:
        os.environ[name] = given
      command_line.load_tensorflow(use_one_dnn=True)
      self.assertEqual(os.environ[name], used)

  def test_deterministic_operations(self):
    code = (
      'from dnc.system import command_line; command_line.load_tensorflow(); '
      'import sonnet as snt; import tensorflow as tf; '
      'snt.Linear(2)(tf.ones([1, 2]))'
    )
    subprocess.run(
      [sys.executable, '-c', code],
      cwd=testing_data.ROOT,
      env={**os.environ, 'TF_DETERMINISTIC_OPS': '1'},
      check=True,
    )

  def test_keras_is_not_loaded_before_it_is_used(self):
    code = (
      'import importlib.util, sys; from dnc.system import command_line; '
      'command_line.load_tensorflow(); import dnc.training.loop; '
      'print([m for m in ("keras", "sklearn") if m in sys.modules]); '
      'print(importlib.util.find_spec("keras").name)'
    )
    self.assertEqual(commands.output_of(code), '[]\nkeras\n')

  def test_without_docstrings(self):
    result = subprocess.run(
      [
        *[sys.executable, '-OO', '-c'],
        'from dnc.system import command_line; command_line.load_tensorflow()',
      ],
      cwd=testing_data.ROOT,
      capture_output=True,
      text=True,
      check=False,
    )
    self.assertRegex(result.stderr, 'UsageError: PYTHONOPTIMIZE=2 .* left out')


class InterruptTest(absltest.TestCase):
  def setUp(self):
    super().setUp()
    previous = signal.signal(signal.SIGINT, command_line._interrupt)
    self.addCleanup(signal.signal, signal.SIGINT, previous)

  def test_ctrl_c(self):
    with self.assertRaises(KeyboardInterrupt):
      os.kill(os.getpid(), signal.SIGINT)
      time.sleep(5)

  def test_ctrl_c_in_a_destructor_is_not_lost(self):
    with self.assertRaises(KeyboardInterrupt):
      _Destroyed()
      time.sleep(5)

  def _library_call(self, interrupts):
    """Receives Ctrl-C within TensorFlow; says whether that call finished."""
    finished = []
    library = {'__name__': 'tensorflow.python.eager.execute', 'os': os}
    exec(_LIBRARY_CALL, library)
    with self.assertRaises(KeyboardInterrupt):
      library['call'](finished, interrupts, signal.SIGINT)
      time.sleep(5)
    self.assertIsNone(sys.gettrace())
    return finished

  def test_ctrl_c_waits_until_tensorflow_returns(self):
    self.assertEqual(self._library_call(1), ['inner', 'outer'])

  def test_the_second_ctrl_c_does_not_wait(self):
    self.assertEqual(self._library_call(2), [])

  def test_the_second_ctrl_c_in_a_destructor_is_not_lost(self):
    with self.assertRaises(KeyboardInterrupt):
      _Destroyed(interrupts=2)
      time.sleep(5)
    self.assertIsNone(sys.gettrace())

  def test_ctrl_c_as_an_iterator_ends_is_not_lost(self):
    library = {'__name__': 'tensorflow.python.data.ops', 'os': os}
    exec(_LIBRARY_CALL, library)
    with self.assertRaises(KeyboardInterrupt):
      for _ in library['Iterator'](signal.SIGINT):
        pass
      time.sleep(5)
    self.assertIsNone(sys.gettrace())

  def test_ctrl_c_does_not_wait_for_the_rest_of_the_line(self):
    begun = []
    library = {'__name__': 'tensorflow.python.eager.execute', 'os': os}
    exec(_LIBRARY_CALL, library)
    ours = {'__name__': 'dnc.model', 'begun': begun}
    exec('def long(_):\n  begun.append(1)', ours)
    with self.assertRaises(KeyboardInterrupt):
      ours['long'](library['call']([], 1, signal.SIGINT))
    self.assertEmpty(begun)

  def test_a_call_of_ours_from_tensorflow_is_safe(self):
    finished = []
    library = {'__name__': 'tensorflow.python.eager.function', 'os': os}
    exec(_LIBRARY_CALL, library)
    ours = {'__name__': 'dnc.model', 'call': library['call']}
    exec('def traced(*args):\n  call(*args)\n  args[0].append("ours")', ours)
    with self.assertRaises(KeyboardInterrupt):
      library['apply'](ours['traced'], finished, 1, signal.SIGINT)
    self.assertEqual(finished, ['inner', 'outer'])


if __name__ == '__main__':
  absltest.main()
