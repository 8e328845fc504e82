"""Tests of dnc.dsprites.variation."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import variation
from dnc.system import errors


class ResolveTest(parameterized.TestCase):
  @parameterized.parameters(
    (None, (), latents.NAMES, ()),
    (
      None,
      {'scale': 5, 'shape': 2},
      ('orientation', 'x_position', 'y_position'),
      (('shape', 2), ('scale', 5)),
    ),
    (
      ['y_position', 'x_position', 'y_position'],
      [['shape', 0]],
      ('x_position', 'y_position'),
      (('shape', 0),),
    ),
    (['scale'], {'orientation': np.int64(39)}, ('scale',), None),
  )
  def test_resolves(self, varying, fixed, expected_varying, expected_fixed):
    found = variation.resolve(varying, fixed)
    self.assertEqual(found[0], expected_varying)
    if expected_fixed is not None:
      self.assertEqual(found[1], expected_fixed)
    # NumPy's integers cannot be written as JSON.
    self.assertTrue(all(type(number) is int for _, number in found[1]))
    self.assertEqual(variation.resolve(*found), found)

  @parameterized.parameters(
    (['colour'], (), '--varying=colour: must be some of shape, scale'),
    ([], (), '--varying=: must be some of shape'),
    (None, {'colour': 1}, '--fixed=colour:1: must be some of shape'),
    (None, {'scale': 6}, '--fixed=scale:6: classes of scale are 0 to 5'),
    (None, {'shape': -1}, '--fixed=shape:-1: classes of shape are 0 to 2'),
    (None, [('shape', 1)] * 2, '--fixed=shape:1,shape:1: .* only once'),
    (
      ['shape', 'scale'],
      {'scale': 0},
      '--varying=shape,scale also names: sc',
    ),
    (None, dict.fromkeys(latents.NAMES, 0), 'must leave at least one latent'),
  )
  def test_mistakes_take_one_line(self, varying, fixed, message):
    with self.assertRaisesRegex(errors.UsageError, message) as raised:
      variation.resolve(varying, fixed)
    self.assertNotIn('\n', str(raised.exception))

  def test_classes_are_integers(self):
    with self.assertRaises(TypeError):
      variation.resolve(None, {'shape': 1.5})


class FlagTest(parameterized.TestCase):
  @parameterized.parameters(
    ([], ()),
    (['shape:2', 'scale:5'], (('shape', 2), ('scale', 5))),
  )
  def test_read_and_shown(self, texts, expected):
    self.assertEqual(variation.parse_fixed(texts), expected)
    self.assertEqual(variation.shown(expected), ','.join(texts))

  @parameterized.parameters('shape', 'shape:', 'shape:two', 'shape:-1', 'x:1:2')
  def test_what_is_not_of_the_form_is_named(self, text):
    with self.assertRaisesRegex(
      errors.UsageError, f'^--fixed=scale:1,{text}: must .*shape:2,scale:5'
    ):
      variation.parse_fixed(['scale:1', text])

  def test_in_words(self):
    self.assertEqual(
      variation.in_words(*variation.resolve(['x_position'], {'shape': 2})),
      'x_position varies from sprite to sprite; shape is of class 2; scale, '
      'orientation and y_position are drawn once for each rollout',
    )
    self.assertEqual(
      variation.in_words(*variation.resolve(None, {'shape': 2, 'scale': 0})),
      'orientation, x_position and y_position vary from sprite to sprite; '
      'shape is of class 2; scale is of class 0',
    )


if __name__ == '__main__':
  absltest.main()
