"""Checks README.md and docs/: snippets run, and the names in them exist."""

import ast
from collections.abc import Iterator
import contextlib
import functools
import glob
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import shlex
from typing import Any
from typing import NamedTuple
from unittest import mock

from absl import flags
import tensorflow as tf

from analysis import probe
from dnc import unroll
from tests.support import testing_data

# Snippets with one of these need a trained run, or take minutes to prepare a
# dataset. Only their names and arguments are checked.
_NOT_RUN = ("'runs/", 'tfds.load')
# Programs that are not ours, and the long flags that the pages use.
_OTHER_PROGRAMS = {
  '-m venv': set(),
  '-m pytest': set(),
  'pip': {'target'},
  'tensorboard': {'logdir'},
  'apt-get': set(),
}


class Page(NamedTuple):
  """A Markdown file."""

  path: str  # From the root of the repository.
  text: str

  def fenced(self, language: str) -> list[str]:
    """The code of its fenced blocks in a language."""
    return re.findall(rf'^```{language}\n(.*?)^```$', self.text, re.M | re.S)

  @property
  def prose(self) -> str:
    """The text outside fenced blocks."""
    return re.sub(r'^```.*?^```$', '', self.text, flags=re.M | re.S)

  @property
  def anchors(self) -> set[str]:
    """Its headings, as GitHub links to them."""
    headings = re.findall(r'^#+ (.*)$', self.prose, re.M)
    return {
      re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')
      for heading in headings
    }


@functools.cache
def _pages() -> tuple[Page, ...]:
  pages = []
  for path in ('README.md', 'testdata/README.md', *glob.glob('docs/*.md')):
    with open(os.path.join(testing_data.ROOT, path), encoding='utf-8') as file:
      pages.append(Page(path, file.read()))
  return tuple(pages)


def _snippets() -> list[str]:
  return [code for page in _pages() for code in page.fenced('python')]


def _snippet(word: str) -> str:
  """The only Python snippet that has a word."""
  (code,) = (x for x in _snippets() if word in x)
  return code


@functools.cache
def _run(code: str) -> list[tuple[dict[str, Any], Any]]:
  """Runs a snippet; returns the names and the value after each statement."""
  names, steps = {}, []
  with contextlib.chdir(testing_data.ROOT):
    for statement in ast.parse(code).body:
      source, value = ast.unparse(statement), None
      if isinstance(statement, ast.Expr):
        value = eval(source, names)  # pylint: disable=eval-used
      else:
        exec(source, names)  # pylint: disable=exec-used
      steps.append((dict(names), value))
  return steps


def _imported(tree: ast.Module) -> dict[str, Any]:
  """The names that a snippet imports."""
  names = {}
  for statement in tree.body:
    if isinstance(statement, ast.Import | ast.ImportFrom):
      exec(ast.unparse(statement), names)  # pylint: disable=exec-used
  return names


def _calls(tree: ast.Module, names: dict[str, Any]) -> Iterator[ast.Call]:
  """Calls of imported functions and classes."""
  for node in ast.walk(tree):
    root = node.func if isinstance(node, ast.Call) else None
    while isinstance(root, ast.Attribute):
      root = root.value
    if isinstance(root, ast.Name) and root.id in names:
      yield node


class Command(NamedTuple):
  """A command of a fenced block: our script or module, or another program."""

  program: str
  flags: frozenset[str]


def _commands(block: str) -> Iterator[Command]:
  block = block.replace('\\\n', ' ')
  for line in block.splitlines():
    for command in line.split('&&'):
      words = shlex.split(command, comments=True)
      if not words:
        continue
      program = os.path.basename(words[0])
      if program in ('python', 'python3'):
        program = words[1] if words[1] != '-m' else f'-m {words[2]}'
      flags = (word for word in words if word.startswith('--'))
      yield Command(
        program, frozenset(flag[2:].split('=')[0] for flag in flags)
      )


@functools.cache
def _flags_of_script(script: str) -> set[str]:
  """The flags that a script defines."""
  values = flags.FlagValues()
  importlib.import_module(script.removesuffix('.py')).define_flags(values)
  negated = {f'no{name}' for name in values if values[name].boolean}
  return {'help', *values, *negated}


@functools.cache
def _flags_of_module(module: str) -> set[str]:
  """The flags in the source of a module; importing it may take seconds."""
  spec = importlib.util.find_spec(module)
  if spec.submodule_search_locations:
    spec = importlib.util.find_spec(f'{module}.__main__')
  with open(spec.origin, encoding='utf-8') as file:
    tree = ast.parse(file.read())
  names = (
    node.args[0].value
    for node in ast.walk(tree)
    if isinstance(node, ast.Call)
    and re.search(r'\.(DEFINE_\w+|add_argument)$', ast.unparse(node.func))
  )
  return {name.removeprefix('--') for name in names}


def _flags_of(program: str) -> set[str]:
  if program in _OTHER_PROGRAMS:
    return _OTHER_PROGRAMS[program]
  if program.startswith('-m '):
    return _flags_of_module(program.removeprefix('-m '))
  return _flags_of_script(program)


def _all_commands() -> list[tuple[str, Command]]:
  return [
    (page.path, command)
    for page in _pages()
    for block in page.fenced('bash')
    for command in _commands(block)
  ]


class ReadmeTest(tf.test.TestCase):
  def test_what_snippets_import_and_call_is_there(self):
    num_calls = 0
    for code in _snippets():
      tree = ast.parse(code)
      names = _imported(tree)
      for call in _calls(tree, names):
        source = ast.unparse(call)
        with self.subTest(call=source):
          called = eval(ast.unparse(call.func), names)  # pylint: disable=eval-used
          keywords = {keyword.arg: None for keyword in call.keywords}
          try:
            signature = inspect.signature(called)
          except ValueError:  # Written in C.
            continue
          signature.bind(*call.args, **keywords)
          num_calls += 1
    self.assertGreater(num_calls, 10)

  def test_snippets_run(self):
    run = [x for x in _snippets() if not any(word in x for word in _NOT_RUN)]
    # The core's snippet has its own test below.
    run.remove(_snippet('snt.dynamic_unroll'))
    self.assertGreater(len(run), 2)
    for code in run:
      with (
        self.subTest(code=code),
        mock.patch.object(unroll, 'can_compile', return_value=False),
      ):
        _run(code)

  def test_a_keras_lstm_is_probed(self):
    steps = _run(_snippet('fit_and_score'))
    now, before, scores = (value for _, value in steps if value is not None)
    # The values are in the snippet's comments.
    self.assertAllClose([now, before], [0.9, 0.1], atol=0.06)
    excess, significant = scores
    self.assertEqual(excess.shape, (2, 16))
    self.assertTrue(significant[0].any())

  def test_the_core_and_unroll_give_the_same(self):
    code = _snippet('snt.dynamic_unroll')
    self.assertIn('[100, 16, 8]', code)
    # Fewer steps and no compiling take less time.
    with mock.patch.object(unroll, 'can_compile', return_value=False):
      steps = _run(code.replace('[100, 16, 8]', '[7, 16, 8]'))
    outputs = [names.get('outputs') for names, _ in steps]
    self.assertEqual(outputs[-1].shape, (7, 16, 10))
    self.assertIsNot(outputs[-1], outputs[-2])
    self.assertAllClose(outputs[-1], outputs[-2], atol=1e-5)

  def test_an_evaluation_is_read(self):
    read = ast.parse(_snippet('experiment.evaluate')).body[-1]
    # Another result, with another representation and label, is read alike.
    read = ast.unparse(read).replace("'memory'", "'features'")
    read = read.replace("'x_position'", "'input'")
    results = (x.get('found') for x, _ in _run(_snippet('fit_and_score')))
    result = next(x for x in results if isinstance(x, probe.ProbeResult))
    score = eval(read, {'found': {'probe': result}})  # pylint: disable=eval-used
    self.assertContainsSubset({'error', 'r2', 'interval', 'exact'}, score)

  def test_commands_take_their_flags(self):
    commands = _all_commands()
    self.assertGreater(len(commands), 20)
    for path, (program, given) in commands:
      with self.subTest(path=path, program=program):
        self.assertContainsSubset(given, _flags_of(program))

  def test_flags_in_the_text_are_there(self):
    known = {'help'}
    for program in {command.program for _, command in _all_commands()}:
      known |= _flags_of(program)
    for page in _pages():
      for code in re.findall(r'`([^`]+)`', page.prose):
        with self.subTest(path=page.path, code=code):
          self.assertContainsSubset(re.findall(r'--(\w+)', code), known)

  def test_links_lead_somewhere(self):
    anchors = {page.path: page.anchors for page in _pages()}
    num_links = 0
    for page in _pages():
      for link in re.findall(r'\]\(([^)]+)\)', page.prose):
        if link.startswith('https://'):
          continue
        file, _, anchor = link.partition('#')
        path = os.path.normpath(
          os.path.join(os.path.dirname(page.path), file) if file else page.path
        )
        with self.subTest(path=page.path, link=link):
          self.assertTrue(os.path.exists(os.path.join(testing_data.ROOT, path)))
          if anchor:
            self.assertIn(anchor, anchors[path])
        num_links += 1
    self.assertGreater(num_links, 20)

  def test_modules_and_functions_in_the_text_are_there(self):
    for page in _pages():
      for code in re.findall(r'`([^`]+)`', page.prose):
        name = re.match(r'(?:dnc|analysis|tests)(?:\.\w+)+(?!\w)', code)
        if not name or name[0].endswith('.py'):
          continue
        with self.subTest(path=page.path, name=name[0]):
          pkgutil.resolve_name(name[0])


if __name__ == '__main__':
  tf.test.main()
