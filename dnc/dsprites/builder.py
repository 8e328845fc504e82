"""`dsprites_rendered`: TFDS's dataset `dsprites` without the download.

The images are rendered. Features, split, keys and hence the order of the
examples are those of TFDS's own builder, version 2.1.0. Importing
`dnc.dsprites` registers the dataset with TFDS:

    import dnc.dsprites
    import tensorflow_datasets as tfds
    dataset = tfds.load('dsprites_rendered', split='train')
"""

from collections.abc import Iterator
import io
import struct
from typing import Any
import zlib

import numpy as np
import tensorflow_datasets as tfds

from dnc.dsprites import latents
from dnc.dsprites import render

_CITATION = """\
@misc{dsprites17,
  author = {Loic Matthey and Irina Higgins and Demis Hassabis and
            Alexander Lerchner},
  title = {dSprites: Disentanglement testing Sprites dataset},
  howpublished = {https://github.com/google-deepmind/dsprites-dataset/},
  year = {2017},
}
"""
# Sprites rendered at once: all positions of one shape, scale, orientation.
_BLOCK = latents.SIZES[3] * latents.SIZES[4]


class DspritesRendered(tfds.core.GeneratorBasedBuilder):
  """All 737,280 sprites, rendered."""

  VERSION = tfds.core.Version('2.1.0')
  RELEASE_NOTES = {'2.1.0': "As TFDS's `dsprites` 2.1.0, with `id`."}

  def _info(self) -> tfds.core.DatasetInfo:
    features = {'image': tfds.features.Image(shape=(64, 64, 1))}
    for name, size in zip(latents.NAMES, latents.SIZES):
      features[f'label_{name}'] = tfds.features.ClassLabel(num_classes=size)
      features[f'value_{name}'] = tfds.features.Tensor(
        shape=[], dtype=np.float32
      )
    features['id'] = tfds.features.Text()
    # Lets the progress bar show how much is left.
    train = tfds.core.SplitInfo(
      name='train', shard_lengths=[latents.NUM_SPRITES], num_bytes=0
    )
    return tfds.core.DatasetInfo(
      builder=self,
      description=(
        'dSprites: every combination of shape, scale, orientation, x and y '
        'position of a white sprite, rendered from the latents. The images '
        "equal those of DeepMind's dataset, except that a few hundred may "
        'differ by a pixel.'
      ),
      features=tfds.features.FeaturesDict(features),
      homepage='https://github.com/google-deepmind/dsprites-dataset',
      citation=_CITATION,
      split_dict=tfds.core.SplitDict([train]),
    )

  def _split_generators(
    self, dl_manager: tfds.download.DownloadManager
  ) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
    del dl_manager
    return {'train': self._generate_examples()}

  def _generate_examples(self) -> Iterator[tuple[int, dict[str, Any]]]:
    for start in range(0, latents.NUM_SPRITES, _BLOCK):
      stop = min(start + _BLOCK, latents.NUM_SPRITES)
      classes = latents.index_to_classes(np.arange(start, stop))
      pngs = _encode_pngs(render.render_images(classes))
      all_values = latents.classes_to_values(classes).tolist()
      for index, png, labels, values in zip(
        range(start, stop), pngs, classes.tolist(), all_values
      ):
        example = {'image': io.BytesIO(png), 'id': f'{index:06d}'}
        for name, label, value in zip(latents.NAMES, labels, values):
          example[f'label_{name}'] = label
          example[f'value_{name}'] = value
        yield index, example


def _png_chunk(kind: bytes, data: bytes) -> bytes:
  checksum = zlib.crc32(kind + data)
  return (
    struct.pack('>I', len(data)) + kind + data + struct.pack('>I', checksum)
  )


_PNG_START = b'\x89PNG\r\n\x1a\n' + _png_chunk(
  b'IHDR',
  # Eight bits a pixel, greyscale.
  struct.pack('>IIBBBBB', render.IMAGE_SIZE, render.IMAGE_SIZE, 8, 0, 0, 0, 0),
)
_PNG_END = _png_chunk(b'IEND', b'')


def _encode_pngs(images: np.ndarray) -> Iterator[bytes]:
  """Encodes images, uint8 [n, 64, 64], as PNG files.

  Five times as fast as Pillow, which would add a minute to preparing the
  dataset.
  """
  # Each row begins with the number of its filter, 0 for none.
  for image in np.pad(images, ((0, 0), (0, 0), (1, 0))):
    data = _png_chunk(b'IDAT', zlib.compress(image.data, level=1))
    yield _PNG_START + data + _PNG_END
