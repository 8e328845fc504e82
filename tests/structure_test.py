"""Tests of the tree: who may import whom, and a test for every module."""

import ast
import os

from absl.testing import absltest
from absl.testing import parameterized

from tests.support import data as testing_data

# What a package must not import, at its top, inside functions or for types.
_FORBIDDEN = {
  'dnc.system': ('dnc', 'analysis', 'tensorflow_datasets'),
  'dnc.dsprites': ('dnc.training', 'dnc.next_sprite', 'dnc.config', 'analysis'),
  'dnc.config': (
    'dnc.training',
    'dnc.next_sprite',
    'dnc.repeat_copy',
    'dnc.traces',
    'analysis',
    'tensorflow',
  ),
  'dnc.recurrence': ('dnc.dsprites', 'dnc.config', 'dnc.training', 'analysis'),
  'dnc.traces': (
    'dnc.training',
    'dnc.next_sprite',
    'dnc.repeat_copy',
    'dnc.recurrence',
    'analysis',
  ),
  'dnc.visualize': ('dnc.training', 'dnc.next_sprite', 'analysis'),
  'dnc.training': ('dnc.next_sprite', 'dnc.repeat_copy', 'analysis'),
  'dnc.next_sprite': ('dnc.repeat_copy', 'analysis'),
  'dnc.repeat_copy': ('dnc.next_sprite', 'dnc.dsprites', 'analysis'),
  'analysis.common': (
    'analysis.probe',
    'analysis.mutual_information',
    'analysis.lesion',
    'analysis.report',
    'analysis.experiment',
  ),
  'analysis.probe': (
    'analysis.mutual_information',
    'analysis.lesion',
    'analysis.report',
    'analysis.experiment',
  ),
  'analysis.mutual_information': (
    'analysis.probe',
    'analysis.lesion',
    'analysis.report',
    'analysis.experiment',
  ),
  'analysis.lesion': (
    'analysis.probe',
    'analysis.mutual_information',
    'analysis.report',
    'analysis.experiment',
  ),
  'analysis.report': ('analysis.experiment', 'analysis.evaluated_run'),
}
# Modules that lie in `dnc` itself: the core, and the registry of tasks.
_CORE = (
  'util',
  'addressing',
  'access',
  'dnc',
  'lstm',
  'lesions',
  'unroll',
  'reference_weights',
)
_CORE_MAY_IMPORT = tuple(f'dnc.{name}' for name in _CORE) + (
  'dnc.recurrence',
  'dnc.system.errors',
  'dnc.system.private_tensorflow',
)


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


def _imports(module: str) -> set[str]:
  """All that a module imports, wherever the statement stands."""
  with open(_path(module), encoding='utf-8') as file:
    tree = ast.parse(file.read())
  found = set()
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert not node.level, f'{module}: a relative import'
      found |= {f'{node.module}.{alias.name}' for alias in node.names}
  return found


def _is_in(name: str, package: str) -> bool:
  return name == package or name.startswith(f'{package}.')


class ImportsTest(parameterized.TestCase):
  @parameterized.parameters(*_FORBIDDEN.items())
  def test_packages_keep_to_their_rules(self, package, forbidden):
    broken = [
      f'{module} imports {name}'
      for module in _modules(package)
      for name in sorted(_imports(module))
      if not _is_in(name, package)
      and any(_is_in(name, other) for other in forbidden)
    ]
    self.assertEmpty(broken)

  @parameterized.parameters(*_CORE)
  def test_the_core_knows_nothing_but_itself(self, name):
    ours = [
      found
      for found in _imports(f'dnc.{name}')
      if _is_in(found, 'dnc') or _is_in(found, 'analysis')
    ]
    for found in ours:
      self.assertTrue(
        any(_is_in(found, allowed) for allowed in _CORE_MAY_IMPORT), msg=found
      )

  def test_private_tensorflow_stands_in_one_file(self):
    private = ('tensorflow.python', 'tensorflow.compiler', 'tensorflow.core')
    users = {
      module
      for package in ('dnc', 'analysis')
      for module in _modules(package)
      for name in _imports(module)
      if any(_is_in(name, other) for other in private)
    }
    self.assertLessEqual(users, {'dnc.system.private_tensorflow'})


class ModulesTest(absltest.TestCase):
  def test_every_module_has_its_test(self):
    missing = []
    for package in ('dnc', 'analysis'):
      for module in _modules(package):
        if os.path.isdir(os.path.join(testing_data.ROOT, *module.split('.'))):
          continue  # A face.
        *folders, name = module.split('.')
        test = os.path.join('tests', *folders, f'{name.strip("_")}_test.py')
        if not os.path.exists(os.path.join(testing_data.ROOT, test)):
          missing.append(test)
    self.assertEmpty(missing)

  def test_no_two_classes_have_one_name(self):
    places = {}
    for package in ('dnc', 'analysis'):
      for module in _modules(package):
        with open(_path(module), encoding='utf-8') as file:
          tree = ast.parse(file.read())
        for node in ast.walk(tree):
          if isinstance(node, ast.ClassDef):
            places.setdefault(node.name.lstrip('_'), []).append(module)
    self.assertEmpty({k: v for k, v in places.items() if len(v) > 1})

  def test_maps_name_every_module(self):
    for package in ('dnc', 'analysis'):
      for module in _modules(package):
        folder = os.path.join(testing_data.ROOT, *module.split('.'))
        if not os.path.isdir(folder):
          continue
        with open(_path(module), encoding='utf-8') as file:
          text = ast.get_docstring(ast.parse(file.read()))
        for entry in sorted(os.listdir(folder)):
          name = entry.removesuffix('.py')
          if not name.startswith('_'):
            self.assertRegex(text, rf'\b{name}\b', msg=module)


if __name__ == '__main__':
  absltest.main()
