"""Reads the original images through `dsprites`, TFDS's own builder."""

from collections.abc import Iterable
from collections.abc import Mapping
import errno
import glob
import os

import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.system import errors
from dnc.system import quiet
from dnc.system import wording

_ORIGINAL_FILE = f'{published_file.FILE_NAME}.hdf5 (28,024,106 bytes)'
_READ_BATCH = 4096
_PROBE_SECONDS = 20
# Operating-system errors that come from the folder, not from the network.
_FOLDER_ERRORS = (
  errno.EACCES,
  errno.EDQUOT,
  errno.EEXIST,
  errno.EIO,
  errno.ENOSPC,
  errno.ENOTDIR,
  errno.EPERM,
  errno.EROFS,
)


def read_bits(data_dir: str) -> np.ndarray:
  """Reads all images from TFDS's folder: uint8 [737280, 64, 8].

  On first use TFDS downloads and converts the original file, which takes
  minutes and 3 GB of memory.

  Raises:
    UsageError: if TFDS is missing or cannot download, prepare or read the
      dataset, or the dataset does not hold every sprite exactly once.
    OSError: if `data_dir` cannot be written.
  """
  otherwise = 'or use --dataset=dsprites_rendered'
  manual_dir = os.path.join(data_dir, 'downloads', 'manual')
  try:
    import tensorflow_datasets as tfds  # Slow to import.

    # This hides TFDS's logs; its progress bars stay.
    with quiet.tfds_logs():
      builder = tfds.builder('dsprites', data_dir=data_dir)
      if not builder.is_prepared():
        _check_obtainable(builder, manual_dir)
        builder.download_and_prepare()
  except Exception as error:  # TFDS passes on all errors of its libraries.
    if isinstance(error, OSError) and error.errno in _FOLDER_ERRORS:
      raise
    raise errors.UsageError(
      f'--dataset=dsprites: TFDS could not download and prepare it '
      f'({_brief(error)}); put the original {_ORIGINAL_FILE} into {manual_dir} '
      f'by hand or name it as --dataset=/path/to/it, {otherwise}'
    ) from error
  try:
    dataset = builder.as_dataset(split='train', batch_size=_READ_BATCH)
    bits, counts = _pack_examples(tfds.as_numpy(dataset))
    if (counts != 1).any():
      raise ValueError(
        f'{(counts == 0).sum()} sprites are missing and '
        f'{(counts > 1).sum()} occur more than once'
      )
  except Exception as error:
    raise errors.UsageError(
      f'--dataset=dsprites: {builder.data_dir} is not the whole of dSprites '
      f'({_brief(error)}); delete it and run again, {otherwise}'
    ) from error
  return bits


def _check_obtainable(builder, manual_dir: str) -> None:
  """Fails at once if TFDS would retry its download for minutes.

  Raises:
    ConnectionError: if TFDS has no file to prepare the dataset from and the
      server does not answer.
  """
  import requests  # TFDS depends on it.

  ((url, info),) = builder.url_infos.items()
  if os.path.exists(os.path.join(manual_dir, info.filename)):
    return
  # TFDS records finished downloads in .INFO files.
  downloads = os.path.join(os.path.dirname(manual_dir), builder.name)
  if glob.glob(os.path.join(glob.escape(downloads), '*.INFO')):
    return
  try:
    requests.head(url, timeout=_PROBE_SECONDS)
  except requests.exceptions.RequestException as error:
    raise ConnectionError(f'no answer from {url}') from error


def _pack_examples(
  batches: Iterable[Mapping[str, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
  """Packs TFDS's examples, which come in any order, by sprite index.

  Returns:
    bits: uint8 [737280, 64, 8], 0 where there was no example.
    counts: int64 [737280], number of examples of each sprite.
  """
  bits = np.zeros(
    [latents.NUM_SPRITES, render.IMAGE_SIZE, render.ROW_BYTES], np.uint8
  )
  counts = np.zeros([latents.NUM_SPRITES], np.int64)
  for batch in batches:
    classes = [batch[f'label_{name}'] for name in latents.NAMES]
    image = batch['image']
    if image.shape[1:] != (64, 64, 1) or image.max() > 1:
      raise ValueError('images must be 64 x 64 pixels of 0 and 1')
    index = latents.classes_to_index(np.stack(classes, axis=-1))
    bits[index] = np.packbits(image[..., 0], axis=-1)
    np.add.at(counts, index, 1)
  return bits, counts


def _brief(error: Exception) -> str:
  return f'{type(error).__name__}: {wording.one_line(error, 300)}'
