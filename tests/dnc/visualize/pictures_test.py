"""Tests that every number of a memory's picture is where it belongs."""

from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from dnc.visualize import memory_trace
from dnc.visualize import pictures

_LEFT, _RIGHT = pictures._LEFT, pictures._RIGHT
_DARK, _LIGHT = (0x44, 0x01, 0x54), (0xFD, 0xE7, 0x25)


def trace(num_steps=100, slots=16, word=16, reads=4, writes=1):
  """Any numbers, of the shapes of a trace."""

  def shares(*shape):
    return np.random.RandomState(len(shape)).rand(num_steps, *shape)

  mode = shares(reads, 2 * writes + 1)
  return memory_trace.MemoryTrace(
    memory=shares(slots, word) - 0.5,
    read_words=shares(reads, word),
    read_weights=shares(reads, slots),
    write_weights=shares(writes, slots),
    usage=shares(slots),
    allocation_gate=shares(writes),
    write_gate=shares(writes),
    free_gate=shares(reads),
    read_mode=mode / mode.sum(axis=2, keepdims=True),
    link=np.random.RandomState(0).rand(4, writes, slots, slots),
    link_steps=np.array([24, 49, 74, 99]) * num_steps // 100,
  )


def _all_pictures(trace, sprites=None):
  return {
    'read': pictures.weights(trace.read_weights, 'READ', sprites),
    'write': pictures.weights(trace.write_weights, 'WRITE', sprites),
    'usage': pictures.usage(trace.usage, sprites),
    'gates': pictures.gates(trace, sprites),
    'links': pictures.links(trace),
    'words': pictures.words(trace.memory, sprites),
    'norms': pictures.norms(trace.memory, sprites),
    'last': pictures.last_words(trace.memory[-1]),
  }


class ColoursTest(tf.test.TestCase):
  def test_shares_run_from_dark_to_light(self):
    colours = pictures._SHARES.paint(np.linspace(0, 1, 256))
    self.assertAllEqual(colours[0], _DARK)
    self.assertAllEqual(colours[-1], _LIGHT)
    luminance = colours @ [0.2126, 0.7152, 0.0722]
    self.assertAllGreater(np.diff(luminance), -1.0)
    self.assertAllGreater(np.diff(luminance[::16]), 0.0)

  def test_beyond_the_bounds_is_as_at_them(self):
    colours = pictures._SHARES.paint(np.array([-3.0, 1.5]))
    self.assertAllEqual(colours, [_DARK, _LIGHT])

  def test_signed_numbers_are_blue_and_red_and_zero_is_white(self):
    scale = pictures._signed_scale(np.array([-0.3, 0.1]))
    self.assertAllClose((scale.low, scale.high), (-0.3, 0.3))
    negative, zero, positive = scale.paint(np.array([-0.5, 0, 0.5])).astype(int)
    self.assertGreater(negative[2], negative[0] + 50)
    self.assertGreater(positive[0], positive[2] + 50)
    self.assertAllGreater(zero, 240)

  def test_bounds_are_round(self):
    for value, expected in (
      (0.3, 0.5),
      (0.011, 0.02),
      (1.0, 1.0),
      (7.0, 10.0),
      (0.0, 1.0),
      (1234.0, 2000.0),
    ):
      self.assertAlmostEqual(pictures._round_up(value), expected)


class PicturesTest(tf.test.TestCase, parameterized.TestCase):
  @parameterized.parameters(
    dict(num_steps=100),
    dict(num_steps=1, slots=1, word=1, reads=1),
    dict(num_steps=12, slots=4, word=3, reads=2, writes=3),
    dict(num_steps=700, slots=5, word=2, reads=1),
    dict(num_steps=100, slots=256, word=64),
  )
  def test_any_sizes(self, **sizes):
    traced = trace(**sizes)
    num_steps = len(traced.usage)
    sprites = np.zeros([num_steps, 64, 64])
    for name, picture in _all_pictures(traced, sprites).items():
      self.assertEqual(picture.dtype, np.uint8)
      self.assertEqual(picture.shape[2:], (3,), name)
      if name not in ('links', 'last'):
        width = picture.shape[1] - _LEFT - _RIGHT
        self.assertEqual(width, num_steps * pictures._column_width(num_steps))

  def test_weights_are_at_their_slot_and_step(self):
    values = np.zeros([100, 2, 16])
    values[30, 1, 5] = 1.0
    picture = pictures.weights(values, 'READ')
    light = np.argwhere((picture[:, :-_RIGHT] == _LIGHT).all(axis=2))
    # Cells of 12 by 8 pixels; the second head's panel is below the first's.
    top = 16 * 12 + pictures._GAP + 5 * 12
    left = _LEFT + 30 * 8
    self.assertAllEqual(light.min(axis=0), [top, left])
    self.assertAllEqual(light.max(axis=0), [top + 11, left + 7])
    self.assertLen(light, 96)
    dark = (picture[:, :-_RIGHT] == _DARK).all(axis=2)
    self.assertEqual(dark.sum(), 2 * 100 * 16 * 96 - 96)

  def test_ranges_do_not_depend_on_the_numbers(self):
    small = pictures.usage(np.full([100, 16], 0.25))
    self.assertAllEqual(
      small[10, _LEFT + 10], pictures._SHARES.paint(np.array(0.25))
    )

  def test_words_are_slot_by_slot(self):
    memory = np.zeros([100, 16, 16])
    memory[7, 2, 3] = -1.0
    picture = pictures.words(memory)
    blue = (picture[:, :-_RIGHT] == (0x05, 0x30, 0x61)).all(axis=2)
    rows, columns = np.nonzero(blue)
    # Two pixels a row, and a line before every slot but the first.
    self.assertAllEqual(np.unique(rows), 2 * (2 * 16 + 3) + 2 + np.arange(2))
    self.assertAllEqual(np.unique(columns), _LEFT + 7 * 8 + np.arange(8))

  def test_norms(self):
    memory = np.zeros([100, 300, 4])
    memory[50, 100] = [3, 0, 4, 0]
    picture = pictures.norms(memory)
    light = np.argwhere((picture[:, :-_RIGHT] == _LIGHT).all(axis=2))
    self.assertAllEqual(np.unique(light[:, 0]), [100])
    self.assertAllEqual(np.unique(light[:, 1]), _LEFT + 50 * 8 + np.arange(8))

  def test_links_lead_from_columns_to_rows(self):
    traced = trace(writes=2)
    link = np.zeros_like(traced.link)
    link[1, 1, 4, 9] = 1.0
    picture = pictures.links(traced._replace(link=link))
    light = np.argwhere((picture[:, :-_RIGHT] == _LIGHT).all(axis=2))
    # Cells of 12 by 12 pixels; one panel is above, one to the left.
    top = 16 * 12 + pictures._GAP + 4 * 12
    left = _LEFT + 16 * 12 + pictures._GAP + 9 * 12
    self.assertAllEqual(light.min(axis=0), [top, left])
    self.assertAllEqual(light.max(axis=0), [top + 11, left + 11])

  def test_gates_are_in_the_order_of_their_labels(self):
    zero = {
      name: np.zeros_like(getattr(trace(writes=2), name))
      for name in ('write_gate', 'allocation_gate', 'free_gate', 'read_mode')
    }
    zero['free_gate'][:, 2] = 1.0
    zero['read_mode'][:, 1, 4] = 1.0
    picture = pictures.gates(trace(writes=2)._replace(**zero))
    light = (picture[:, _LEFT] == _LIGHT).all(axis=1).nonzero()[0]
    row, gap = pictures._GATE_HEIGHT, pictures._GAP
    # Two write gates, two allocation gates, four free gates, heads of five.
    expected = [4 * row + 2 * gap + 2 * row, 8 * row + 3 * gap + 5 * row + gap]
    expected[1] += 4 * row
    self.assertAllEqual(
      light, np.concatenate([top + np.arange(row) for top in expected])
    )

  def test_sprites_stand_above_their_steps(self):
    sprites = np.zeros([100, 64, 64])
    sprites[20, :32, 32:] = 1.0
    picture = pictures.usage(np.zeros([100, 16]), sprites)
    plain = pictures.usage(np.zeros([100, 16]))
    added = len(picture) - len(plain)
    self.assertAllEqual(picture[added:], plain)
    left = _LEFT + 20 * 8
    expected = np.zeros([64, 64, 3])
    expected[:32, 32:] = 255
    self.assertAllEqual(picture[:64, left : left + 64], expected)
    self.assertAllEqual(picture[:64, _LEFT : _LEFT + 64], 0 * expected)

  def test_bounds_of_the_memory_are_written(self):
    pictured = [
      pictures.words(bound * np.ones([100, 16, 16])) for bound in (1.0, 2.0, 1)
    ]
    self.assertAllEqual(pictured[0], pictured[2])
    bars = [picture[:, -_RIGHT:] for picture in pictured]
    self.assertNotAllEqual(bars[0], bars[1])

  def test_digits(self):
    paper = pictures._paper(20, 32)
    pictures._write(paper, 0, 0, '17')
    ink = (paper[::4, ::4] == pictures._INK).all(axis=2)
    self.assertEqual(
      [''.join(' #'[int(dot)] for dot in row) for row in ink],
      [
        ' #  ### ',
        '##    # ',
        ' #   #  ',
        ' #   #  ',
        '###  #  ',
      ],
    )


if __name__ == '__main__':
  tf.test.main()
