"""Tests of the source tree: imports, names, maps, a test for every module."""

import ast
from collections.abc import Sequence
import os
import re

from absl.testing import absltest
from absl.testing import parameterized

from dnc import tasks
from tests.support import testing_data

_CORE = (
  'dnc.util',
  'dnc.addressing',
  'dnc.access',
  'dnc.dnc',
  'dnc.lstm',
  'dnc.lesions',
  'dnc.unroll',
  'dnc.reference_weights',
)
_TESTS = (
  'analysis.probe',
  'analysis.mutual_information',
  'analysis.lesion',
  'analysis.intervention',
)
# Our modules that a module or package may import, besides itself. All imports
# count: at the top, in functions, and for types.
_ALLOWED = {
  'dnc.system': (),
  'dnc.dsprites': ('dnc.system',),
  'dnc.config': ('dnc.system', 'dnc.dsprites', 'dnc.tasks'),
  'dnc.recurrence': ('dnc.system.paths', *_CORE),
  'dnc.traces': ('dnc.system', 'dnc.dsprites'),
  'dnc.visualize': ('dnc.system', 'dnc.dsprites', *_CORE),
  'dnc.training': (
    'dnc.system',
    'dnc.dsprites',
    'dnc.config',
    'dnc.tasks',
    'dnc.recurrence',
    'dnc.visualize',
    *_CORE,
  ),
  # Every task has the same rule; none imports another.
  **dict.fromkeys(
    [
      type(tasks.get(name)).__module__.rpartition('.')[0]
      for name in tasks.NAMES
    ],
    (
      'dnc.system',
      'dnc.dsprites',
      'dnc.config',
      'dnc.tasks',
      'dnc.recurrence',
      'dnc.traces',
      'dnc.visualize',
      'dnc.training',
      *_CORE,
    ),
  ),
  # The registry imports these for types only.
  'dnc.tasks': (
    'dnc.system',
    'dnc.dsprites',
    'dnc.config',
    'dnc.training',
    *_CORE,
  ),
  'dnc.keras_layer': ('dnc.system.json_values', *_CORE),
  **dict.fromkeys(
    _CORE,
    ('dnc.recurrence', 'dnc.system.errors', 'dnc.system.paths', *_CORE),
  ),
  'analysis.common': ('dnc',),
  **dict.fromkeys(_TESTS, ('dnc', 'analysis.common')),
  'analysis.report': ('dnc', 'analysis.common', *_TESTS),
  'analysis.pooling': ('dnc', 'analysis.common', 'analysis.report', *_TESTS),
  'analysis.results': (
    'dnc',
    'analysis.common',
    'analysis.probe',
    'analysis.report.curves',
  ),
  'analysis.evaluated_run': ('dnc', 'analysis.common'),
  'analysis.work_files': ('dnc.system',),
  'analysis.beam_engine': (
    'dnc',
    'analysis.evaluated_run',
    'analysis.work_files',
  ),
  'analysis.experiment': ('dnc', 'analysis'),
}
_LIGHT = ('dnc.system', 'dnc.dsprites', 'dnc.config')
# Allowed aliases of libraries. Our modules may be imported as `x_lib`, if a
# variable has the module's name, or as `package_x`.
_CUSTOMARY = ('np', 'tf', 'snt', 'tfds', 'hp', 'beam')


def _modules(package: str) -> list[str]:
  """Names of all modules below a package, `__init__` as the package."""
  folder = os.path.join(testing_data.ROOT, *package.split('.'))
  names = []
  for parent, folders, files in os.walk(folder):
    folders[:] = [name for name in folders if name != '__pycache__']
    prefix = os.path.relpath(parent, testing_data.ROOT).replace(os.sep, '.')
    for file in files:
      if file.endswith('.py'):
        name = file.removesuffix('.py')
        names.append(prefix if name == '__init__' else f'{prefix}.{name}')
  return sorted(names)


def _path(module: str) -> str:
  path = os.path.join(testing_data.ROOT, *module.split('.'))
  return (
    os.path.join(path, '__init__.py') if os.path.isdir(path) else f'{path}.py'
  )


def _nodes(module: str) -> list[ast.AST]:
  with open(_path(module), encoding='utf-8') as file:
    return list(ast.walk(ast.parse(file.read())))


def _imports(module: str) -> set[str]:
  """All that a module imports, at the top or elsewhere."""
  found = set()
  for node in _nodes(module):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      found |= {f'{node.module}.{alias.name}' for alias in node.names}
  return found


def _is_in(name: str, packages: Sequence[str]) -> bool:
  return any(
    name == package or name.startswith(f'{package}.') for package in packages
  )


_MODULES = [*_modules('dnc'), *_modules('analysis')]


class ImportsTest(parameterized.TestCase):
  @parameterized.parameters(*_ALLOWED.items())
  def test_nobody_imports_what_comes_later(self, package, allowed):
    modules = [module for module in _MODULES if _is_in(module, [package])]
    self.assertNotEmpty(modules)
    broken = [
      f'{module} imports {name}'
      for module in modules
      for name in sorted(_imports(module))
      if _is_in(name, ['dnc', 'analysis'])
      and not _is_in(name, [package, *allowed])
    ]
    self.assertEmpty(broken)

  def test_every_module_has_its_rule(self):
    faces = ('dnc', 'analysis')
    without = [
      module
      for module in _MODULES
      if module not in faces and not _is_in(module, list(_ALLOWED))
    ]
    self.assertEmpty(without)

  def test_light_packages_do_without_tensorflow(self):
    # Except TFDS's builder, which is imported only after TFDS.
    heavy = [
      module
      for module in _MODULES
      if _is_in(module, _LIGHT) and _is_in_any(_top_imports(module))
    ]
    self.assertEqual(heavy, ['dnc.dsprites.builder'])

  def test_only_the_engine_imports_beam(self):
    users = {
      module
      for module in [*_MODULES, 'train', 'evaluate']
      for name in _imports(module)
      if _is_in(name, ['apache_beam'])
    }
    self.assertEqual(users, {'analysis.beam_engine'})
    self.assertFalse(
      _is_in_any(_top_imports('analysis.beam_engine'), ('apache_beam',))
    )

  def test_no_private_tensorflow(self):
    private = ('tensorflow.python', 'tensorflow.compiler', 'tensorflow.core')
    users = {
      f'{module}: {name}'
      for module in _MODULES
      for name in _imports(module)
      if _is_in(name, private)
    }
    self.assertEmpty(users)

  def test_graphs_are_traced_without_autograph(self):
    # Converting code would take most of the time. XLA is only tried in
    # dnc.unroll, with a graph of one operation.
    converted = [
      f'{module}:{node.lineno}'
      for module in _MODULES
      for node in _nodes(module)
      if isinstance(node, ast.Call)
      and ast.unparse(node.func) == 'tf.function'
      and 'autograph' not in {word.arg for word in node.keywords}
    ]
    self.assertLen(converted, 1)
    self.assertStartsWith(converted[0], 'dnc.unroll:')

  def test_modules_go_by_their_names(self):
    renamed = []
    for module in [*_MODULES, *_modules('tests'), 'train', 'evaluate']:
      for node in _nodes(module):
        if not isinstance(node, ast.Import | ast.ImportFrom):
          continue
        package = (getattr(node, 'module', None) or '').split('.')[-1]
        for alias in node.names:
          allowed = (
            None,
            *_CUSTOMARY,
            f'{alias.name}_lib',
            f'{package}_{alias.name.strip("_")}',
          )
          if alias.asname not in allowed:
            renamed.append(f'{module}: {alias.name} as {alias.asname}')
    self.assertEmpty(renamed)


def _top_imports(module: str) -> set[str]:
  """What a module imports at its top."""
  with open(_path(module), encoding='utf-8') as file:
    tree = ast.parse(file.read())
  found = set()
  for node in tree.body:
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      found.add(node.module)
  return found


_HEAVY = ('tensorflow', 'tensorflow_datasets', 'sonnet', 'keras')


def _is_in_any(names: set[str], heavy: Sequence[str] = _HEAVY) -> bool:
  return any(_is_in(name, heavy) for name in names)


class ModulesTest(absltest.TestCase):
  def test_every_module_has_its_test(self):
    missing = []
    for module in _MODULES:
      if os.path.basename(_path(module)) == '__init__.py':
        continue
      *folders, name = module.split('.')
      test = os.path.join('tests', *folders, f'{name.strip("_")}_test.py')
      if not os.path.exists(os.path.join(testing_data.ROOT, test)):
        missing.append(test)
    self.assertEmpty(missing)

  def test_no_two_classes_have_one_name(self):
    places = {}
    for module in _MODULES:
      for node in _nodes(module):
        if isinstance(node, ast.ClassDef):
          places.setdefault(node.name.lstrip('_'), []).append(module)
    self.assertEmpty({k: v for k, v in places.items() if len(v) > 1})

  def test_maps_have_a_line_for_every_module(self):
    missing = []
    for module in _MODULES:
      path = _path(module)
      if os.path.basename(path) != '__init__.py':
        continue
      with open(path, encoding='utf-8') as file:
        text = ast.get_docstring(ast.parse(file.read()))
      # A line of a map begins with the names of one or more modules.
      entries = re.findall(
        r'^ *((?:\w+(?:\.py|/)?(?:, )?)+)(?:  |$)', text, re.M
      )
      named = {name for entry in entries for name in re.findall(r'\w+', entry)}
      missing += [
        f'{module}: {name}'
        for name in sorted(os.listdir(os.path.dirname(path)))
        if not name.startswith('_') and name.removesuffix('.py') not in named
      ]
    self.assertEmpty(missing)


if __name__ == '__main__':
  absltest.main()
