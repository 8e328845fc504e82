"""Tests of importing dnc.dsprites and its modules."""

import doctest
import pkgutil

from absl.testing import absltest

from dnc import dsprites
from tests.support import commands


class ImportTest(absltest.TestCase):
  def test_examples(self):
    results = doctest.testmod(dsprites)
    self.assertEqual((results.attempted, results.failed), (2, 0))

  def test_no_module_but_the_builder_imports_tensorflow(self):
    names = [module.name for module in pkgutil.iter_modules(dsprites.__path__)]
    names.remove('builder')
    self.assertContainsSubset(['table', 'tfds_dsprites', 'sheet'], names)
    code = ''.join(f'import dnc.dsprites.{name}\n' for name in names)
    code += 'import sys\n'
    code += 'print([m for m in sys.modules if m.startswith("tensorflow")])'
    output = commands.output_of(code)
    self.assertEqual(output, '[]\n')


if __name__ == '__main__':
  absltest.main()
