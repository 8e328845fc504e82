"""Tests that pictures of a memory show every number in its place."""

from unittest import mock

from absl.testing import parameterized
import matplotlib
import numpy as np
import tensorflow as tf

from dnc.visualize import pictures
from tests.support import random_memory

_TOP, _LEFT, _GAP = pictures._TOP, pictures._LEFT, pictures._GAP
_STRIP = 64 + _GAP
# The ends of viridis, and blue and white of the signed colours.
_DARK, _LIGHT = (0x44, 0x01, 0x54), (0xFD, 0xE7, 0x24)
_BLUE, _WHITE = (0x05, 0x30, 0x61), (0xF7, 0xF6, 0xF6)


def _all_pictures(trace, sprites=None):
  small = trace.memory[0].size <= pictures.MAX_ROWS
  return {
    'read': pictures.weights(trace.read_weights, 'read', sprites),
    'write': pictures.weights(trace.write_weights, 'write', sprites),
    'usage': pictures.usage(trace.usage, sprites),
    'gates': pictures.gates(trace, sprites),
    'links': pictures.links(trace),
    **({'words': pictures.words(trace.memory, sprites)} if small else {}),
    'norms': pictures.norms(trace.memory, sprites),
    'last': pictures.last_words(trace.memory[-1]),
  }


def _figure(draw, *arguments):
  """The figure whose pixels a function would return."""
  with mock.patch.object(
    pictures._PixelFigure, 'to_pixels', lambda picture: picture.figure
  ):
    return draw(*arguments)


def _labels(axis):
  """Where an axis has labels, and their texts."""
  texts = [label.get_text() for label in axis.get_ticklabels()]
  return dict(zip(axis.get_ticklocs(), texts))


def _panels(picture):
  """A picture without its left and right margins."""
  return picture[:, _LEFT : -pictures._RIGHT]


def _find(picture, colour):
  """The rectangle that has a colour: top, left, bottom, right; inclusive."""
  places = np.argwhere((_panels(picture) == colour).all(axis=2))
  rectangle = (*places.min(axis=0), *places.max(axis=0))
  top, left, bottom, right = rectangle
  assert len(places) == (bottom - top + 1) * (right - left + 1)
  return [int(x) for x in rectangle]


class BoundsTest(parameterized.TestCase):
  @parameterized.parameters(
    (0.3, 0.5), (0.011, 0.02), (1.0, 1.0), (7.0, 10.0), (0.0, 1.0), (1234, 2000)
  )
  def test_round_up(self, value, expected):
    self.assertAlmostEqual(pictures._round_up(value, (1, 2, 5)), expected)

  def test_a_hundredth_may_exceed_the_bound(self):
    values = np.full([1000], -0.25)
    values[:9] = 70
    self.assertAlmostEqual(pictures._bound(values), 0.3)
    values[:11] = 70
    self.assertAlmostEqual(pictures._bound(values), 80)


class PicturesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    dict(num_steps=1, slots=1, word=1, reads=1),
    dict(num_steps=12, slots=4, word=3, reads=2, writes=3),
    dict(num_steps=700, slots=5, word=2, reads=1),
    dict(num_steps=20, slots=256, word=64),
  )
  def test_any_sizes(self, **sizes):
    trace = random_memory.trace(**sizes)
    num_steps = len(trace.usage)
    for name, picture in _all_pictures(
      trace, np.zeros([num_steps, 64, 64])
    ).items():
      self.assertEqual(picture.dtype, np.uint8)
      self.assertEqual(picture.shape[2:], (3,), name)
      if name not in ('links', 'last'):
        width = _panels(picture).shape[1]
        self.assertEqual(width, num_steps * pictures._column_width(num_steps))

  def test_same_numbers_same_bytes(self):
    trace = random_memory.trace(num_steps=20, reads=2)
    once, again = (_all_pictures(trace) for _ in range(2))
    for name, picture in once.items():
      self.assertEqual(picture.tobytes(), again[name].tobytes(), msg=name)

  def test_every_number_has_the_colour_of_its_share(self):
    trace = random_memory.trace(slots=8, reads=1)
    for picture, numbers in (
      (pictures.usage(trace.usage), trace.usage),
      (
        pictures.weights(trace.read_weights, 'read'),
        np.sqrt(trace.read_weights[:, 0]),
      ),
    ):
      colours = matplotlib.colormaps['viridis'](numbers.T, bytes=True)[..., :3]
      expected = colours.repeat(24, axis=0).repeat(8, axis=1)
      self.assertAllEqual(_panels(picture)[_TOP : _TOP + 8 * 24], expected)

  def test_numbers_beyond_the_bounds_look_like_the_bounds(self):
    picture = pictures.usage(np.array([[-3.0, 1.5]] * 100))
    self.assertEqual(_find(picture, _DARK), [_TOP, 0, _TOP + 95, 799])
    self.assertEqual(_find(picture, _LIGHT), [_TOP + 96, 0, _TOP + 191, 799])

  def test_weights_are_at_their_slot_and_step(self):
    values = np.zeros([100, 2, 16])
    values[30, 1, 5] = 1.0
    picture = pictures.weights(values, 'read')
    # Cells of 12 by 8 pixels; the second head's panel is below the first's.
    top, left = _TOP + 16 * 12 + _GAP + 5 * 12, 30 * 8
    self.assertEqual(_find(picture, _LIGHT), [top, left, top + 11, left + 7])
    dark = (_panels(picture) == _DARK).all(axis=2)
    self.assertEqual(dark.sum(), (2 * 100 * 16 - 1) * 12 * 8)

  def test_weights_are_labelled(self):
    values = np.zeros([100, 2, 16])
    bar, *heads = _figure(pictures.weights, values, 'read').axes
    self.assertEqual([x.get_ylabel() for x in heads], ['read 0', 'read 1'])
    self.assertEqual(_labels(heads[0].yaxis), {0: '0', 15: '15'})
    self.assertEqual(heads[1].get_xlabel(), 'step')
    self.assertAllEqual(heads[1].get_xticks(), np.arange(0, 100, 10))
    self.assertEqual(
      list(_labels(bar.yaxis).values()), ['0', '0.1', '0.5', '1']
    )

  def test_words_are_slot_by_slot(self):
    memory = np.zeros([100, 16, 16])
    memory[7, 2, 3] = -1.0
    picture = pictures.words(memory)
    # Two pixels a number, and as many between slots.
    top, left = _TOP + 2 * (2 * 17 + 3), 7 * 8
    self.assertEqual(_find(picture, _BLUE), [top, left, top + 1, left + 7])
    white = (_panels(picture) == _WHITE).all(axis=2)
    self.assertEqual(white.sum(), 16 * (100 * 256 - 1))
    (_, panel) = _figure(pictures.words, memory).axes
    self.assertEqual(
      _labels(panel.yaxis), {17 * slot + 8: str(slot) for slot in range(16)}
    )

  @parameterized.parameters(0.5, 2.0)
  def test_bounds_of_the_memory_are_written(self, bound):
    memory = np.full([10, 4, 4], bound)
    for draw, values, expected in (
      (pictures.words, memory, [-bound, 0, bound]),
      (pictures.last_words, memory[0], [-bound, 0, bound]),
      (pictures.norms, memory, [0, 2 * bound]),
    ):
      bar = _figure(draw, values).axes[0]
      self.assertAllClose(list(_labels(bar.yaxis)), expected)
      self.assertEqual(
        list(_labels(bar.yaxis).values()), [f'{x:g}' for x in expected]
      )

  def test_norms(self):
    memory = np.zeros([100, 300, 4])
    memory[50, 100] = [3, 0, 4, 0]
    picture = pictures.norms(memory)
    top, left = _TOP + 100, 50 * 8
    self.assertEqual(_find(picture, _LIGHT), [top, left, top, left + 7])

  def test_last_words_are_numbers_by_slots(self):
    memory = np.zeros([100, 20])
    memory[30, 5] = -1.0
    picture = pictures.last_words(memory)
    top, left = _TOP + 5 * 8, 30 * 8
    self.assertEqual(_find(picture, _BLUE), [top, left, top + 7, left + 7])
    (_, panel) = _figure(pictures.last_words, memory).axes
    self.assertEqual(panel.get_xlabel(), 'slot')
    self.assertEqual(_labels(panel.yaxis), {0: '0', 19: '19'})

  def test_links_lead_from_columns_to_rows(self):
    trace = random_memory.trace(writes=2)
    link = np.zeros_like(trace.link)
    link[1, 1, 4, 9] = 1.0
    trace = trace._replace(link=link)
    # Cells of 12 by 12 pixels; one panel is above, one to the left.
    top = _TOP + 16 * 12 + _GAP + 4 * 12
    left = 16 * 12 + 2 * _GAP + 9 * 12
    self.assertEqual(
      _find(pictures.links(trace), _LIGHT), [top, left, top + 11, left + 11]
    )
    axes = _figure(pictures.links, trace).axes[1:]
    self.assertEqual(
      [x.get_xlabel() for x in axes],
      4 * [''] + [f'from slot (step {step})' for step in (24, 49, 74, 99)],
    )
    self.assertEqual(axes[4].get_ylabel(), 'to slot')

  def test_gates_are_beside_their_labels(self):
    trace = random_memory.trace(num_steps=10, reads=3, writes=2)
    names = ('write_gate', 'allocation_gate', 'free_gate', 'read_mode')
    zeros = {name: np.zeros_like(getattr(trace, name)) for name in names}
    expected = {
      **{f'write {i}': ('write_gate', i) for i in range(2)},
      **{f'allocate {i}': ('allocation_gate', i) for i in range(2)},
      **{f'free {i}': ('free_gate', i) for i in range(3)},
    }
    modes = ['backward 0', 'backward 1', 'forward 0', 'forward 1', 'content']
    for head in range(3):
      for i, mode in enumerate(modes):
        expected[f'read {head} {mode}'] = ('read_mode', head, i)
    axes = _figure(pictures.gates, trace).axes[1:]
    rows = {}
    for panel in axes:
      for row, text in _labels(panel.yaxis).items():
        label = f'{panel.get_ylabel()} {text}'.strip()
        # Figures count from the bottom, pictures from the top.
        place = panel.transData.transform([0, row])[1]
        rows[label] = panel.figure.bbox.height - place
    self.assertEqual(list(rows), list(expected))
    for label in ('write 1', 'allocate 0', 'free 2', 'read 1 forward 1'):
      name, *place = expected[label]
      ones = {**zeros, name: zeros[name].copy()}
      ones[name][:, *place] = 1.0
      picture = pictures.gates(trace._replace(**ones))
      top, _, bottom, _ = _find(picture, _LIGHT)
      self.assertEqual(bottom - top + 1, pictures._GATE_HEIGHT)
      self.assertAlmostEqual((top + bottom + 1) / 2, rows[label])

  def test_sprites_stand_above_their_steps(self):
    sprites = np.zeros([100, 64, 64])
    sprites[20, :32, 32:] = 1.0
    picture = pictures.usage(np.zeros([100, 16]), sprites)
    plain = pictures.usage(np.zeros([100, 16]))
    self.assertLen(picture, len(plain) + _STRIP)
    self.assertAllEqual(picture[_TOP + _STRIP :], plain[_TOP:])
    strip = _panels(picture)[_TOP : _TOP + 64]
    expected = np.zeros([64, 64, 3])
    expected[:32, 32:] = 255
    self.assertAllEqual(strip[:, 160 : 160 + 64], expected)
    self.assertAllEqual(strip[:, :64], 0 * expected)
    self.assertAllEqual(strip[:, 64:80], np.full([64, 16, 3], 255))


if __name__ == '__main__':
  tf.test.main()
