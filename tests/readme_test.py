"""Runs the README's Python where that takes no trained run."""

import ast
import os
import re
from unittest import mock

import tensorflow as tf

from dnc import unroll
from tests.support import data as testing_data


def _snippets():
  with open(os.path.join(testing_data.ROOT, 'README.md')) as file:
    return re.findall(r'^```python\n(.*?)^```$', file.read(), re.M | re.S)


def _run(word):
  """Runs the one snippet with a word: its names, values of its expressions."""
  (code,) = (x for x in _snippets() if word in x)
  names, values = {}, []
  for statement in ast.parse(code).body:
    if isinstance(statement, ast.Expr):
      value = ast.unparse(statement.value)
      values.append(eval(value, names))  # pylint: disable=eval-used
    else:
      exec(ast.unparse(statement), names)  # pylint: disable=exec-used
  return names, values


class ReadmeTest(tf.test.TestCase):
  def test_every_snippet_can_be_read(self):
    self.assertGreater(len(_snippets()), 4)
    for code in _snippets():
      ast.parse(code)

  def test_a_keras_lstm_is_probed(self):
    _, (now, before, scores) = _run('fit_and_score')
    # As the comments beside them say.
    self.assertAllClose([now, before], [0.9, 0.1], atol=0.06)
    excess, significant = scores
    self.assertEqual(excess.shape, (2, 16))
    self.assertTrue(significant[0].any())

  def test_the_core_and_unroll_give_the_same(self):
    # What is computed is the same, and this does not wait for XLA.
    with mock.patch.object(unroll, 'can_compile', return_value=False):
      names, _ = _run('snt.dynamic_unroll')
    self.assertEqual(names['outputs'].shape, (100, 16, 10))
    core, sequence = names['core'], names['sequence']
    expected, _ = names['snt'].dynamic_unroll(
      core, sequence, core.initial_state(16)
    )
    self.assertAllClose(names['outputs'], expected, atol=1e-5)


if __name__ == '__main__':
  tf.test.main()
