"""The table of all sprites, bit-packed: built once, then mapped from disk.

A table is one file, `<data_dir>/dsprites_packed/<dataset>.bits`: a header of
one page (JSON with the layout and the checksum of what follows, padded with
spaces) and the 737,280 packed images. It appears whole or not at all, and is
verified in full whenever it is opened; one that fails is built again. The table
of a file goes by the file's checksum: a file that has changed has another one,
a file that has moved the same.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
from typing import BinaryIO

from absl import logging
import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.system import errors
from dnc.system import files
from dnc.system import quiet

RENDERED = 'dsprites_rendered'
ORIGINAL = 'dsprites'
DATASETS = (RENDERED, ORIGINAL)

_SHAPE = (latents.NUM_SPRITES, render.IMAGE_SIZE, render.ROW_BYTES)
_NUM_BYTES = latents.NUM_SPRITES * render.IMAGE_SIZE * render.ROW_BYTES
_HEADER_BYTES = 4096
_FORMAT = 1
_ORIGINAL_FILE = f'{published_file.FILE_NAME}.hdf5 (28,024,106 bytes)'
_READ_BATCH = 4096
_PROBE_SECONDS = 20
# What the operating system says when the folder, not the network, is at fault.
_FOLDER_ERRORS = frozenset(
  [
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EIO,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
  ]
)


class SpriteTable:
  """All sprites of a dataset, one bit a pixel.

  Attributes:
    name: the dataset, as `published_file.identify` returns it.
    bits: uint8 [737280, 64, 8], read-only, in the order of
      `latents.classes_to_index`; `np.unpackbits(bits[i], axis=-1)` is image i.
    fingerprint: hexadecimal checksum of `bits`; equal tables have equal ones.
  """

  def __init__(self, name: str, bits: np.ndarray, fingerprint: str):
    self.name = name
    self.bits = bits
    self.fingerprint = fingerprint

  def images(self, indices: np.ndarray) -> np.ndarray:
    """Looks up images.

    Args:
      indices: integers [...], sprite indices.

    Returns:
      uint8 [..., 64, 64] of 0 and 1.

    Raises:
      TypeError, ValueError: as `latents.check_index`.
    """
    return np.unpackbits(self.bits[latents.check_index(indices)], axis=-1)

  def mean_image(self) -> np.ndarray:
    """The exact mean of all images: float32 [64, 64] in [0, 1]."""
    words = self.bits.reshape(latents.NUM_SPRITES, -1).view(np.uint64)
    counts = np.zeros([8, render.IMAGE_SIZE, render.ROW_BYTES], np.int64)
    low_bits = np.uint64(0x0101010101010101)
    # Eight byte-wide counters a word: they hold up to 255 images.
    for start in range(0, len(words), 255):
      chunk = words[start : start + 255]
      for shift in range(8):
        sums = ((chunk >> np.uint64(shift)) & low_bits).sum(axis=0)
        counts[shift] += sums.view(np.uint8).reshape(counts.shape[1:])
    # packbits puts the leftmost pixel in the highest bit.
    counts = np.moveaxis(counts[::-1], 0, -1)
    counts = counts.reshape(render.IMAGE_SIZE, render.IMAGE_SIZE)
    return (counts / len(words)).astype(np.float32)


def default_data_dir() -> str:
  """TFDS's default: $TFDS_DATA_DIR, or else ~/tensorflow_datasets."""
  return os.environ.get('TFDS_DATA_DIR') or os.path.join(
    '~', 'tensorflow_datasets'
  )


def _checksum(bits: np.ndarray) -> str:
  return hashlib.blake2b(bits.data, digest_size=16).hexdigest()


def _header(dataset: str, checksum: str) -> dict[str, object]:
  return {
    'format': _FORMAT,
    'dataset': published_file.content(dataset),
    # What is read does not depend on our renderer.
    'recipe': render.RECIPE if dataset == RENDERED else None,
    'shape': list(_SHAPE),
    'blake2b': checksum,
  }


def _write(path: str, dataset: str, bits: np.ndarray) -> None:
  header = json.dumps(_header(dataset, _checksum(bits))).encode()
  with files.atomic_file(path) as file:
    file.write(header.ljust(_HEADER_BYTES - 1) + b'\n')
    file.write(bits.data)


def _open(path: str, dataset: str) -> SpriteTable:
  """Maps a table after verifying it.

  Args:
    path: file written by `_write`.
    dataset: the dataset that it should hold.

  Returns:
    The table.

  Raises:
    OSError: if the file cannot be read.
    ValueError: if it is torn, corrupt, or of another layout; says which.
  """
  with open(path, 'rb') as file:
    size = os.fstat(file.fileno()).st_size
    if size != _HEADER_BYTES + _NUM_BYTES:
      raise ValueError(f'{size} bytes instead of {_HEADER_BYTES + _NUM_BYTES}')
    header = json.loads(file.read(_HEADER_BYTES))
    bits = np.memmap(file, np.uint8, 'r', offset=_HEADER_BYTES, shape=_SHAPE)
  checksum = _checksum(bits)
  if header != _header(dataset, checksum):
    raise ValueError('its header does not fit its content')
  return SpriteTable(dataset, bits, checksum)


def _open_if_sound(path: str, dataset: str) -> SpriteTable | None:
  if not os.path.exists(path):
    return None
  try:
    return _open(path, dataset)
  except ValueError as error:
    logging.warning('%s is unusable (%s); building it again.', path, error)
    return None


@contextlib.contextmanager
def _only_builder(path: str) -> Iterator[None]:
  """Keeps other processes from building the same table meanwhile."""
  os.makedirs(os.path.dirname(path), exist_ok=True)
  lock = path + '.lock'
  while True:
    with open(lock, 'wb') as file:
      fcntl.flock(file, fcntl.LOCK_EX)
      # Who held it has removed it: a newcomer may hold another one by now.
      if not _is_at(file, lock):
        continue
      try:
        # Nobody else writes now: these are left from killed processes.
        for partial in glob.glob(glob.escape(path) + '.*.partial'):
          os.unlink(partial)
        yield
        return
      finally:
        os.unlink(lock)


def _is_at(file: BinaryIO, path: str) -> bool:
  try:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
  except FileNotFoundError:
    return False


def check_dataset(dataset: str) -> None:
  """Checks the name of a dataset, without reading any file.

  Args:
    dataset: one of `DATASETS`, or the path of a published file.

  Raises:
    UsageError: if it is neither.
  """
  if dataset not in DATASETS and not published_file.is_file(dataset):
    raise errors.UsageError(
      f'--dataset={dataset} is unknown: use one of {", ".join(DATASETS)}, or '
      f'the path of {published_file.FILE_NAME}.npz or .hdf5'
    )


def _table_name(dataset: str) -> str:
  name, _, checksum = published_file.content(dataset).partition(':')
  return f'original_{checksum[:16]}.bits' if checksum else f'{name}.bits'


def _build(dataset: str, data_dir: str) -> np.ndarray:
  """Makes the images of a dataset: uint8 [737280, 64, 8]."""
  if dataset == RENDERED:
    return render.render_all()
  if dataset == ORIGINAL:
    return _pack_original(data_dir)
  return published_file.read_identified(dataset)


def load_table(
  dataset: str = RENDERED, data_dir: str | os.PathLike[str] | None = None
) -> SpriteTable:
  """Opens the table of a dataset, building it when there is none.

  Args:
    dataset: 'dsprites_rendered', images from `render`; 'dsprites', the original
      images by way of TFDS's own builder; or the path of a published file. A
      file that `published_file.identify` named is only needed to build its
      table.
    data_dir: folder of datasets, as for TFDS; by default `default_data_dir()`.

  Returns:
    The table, mapped from disk: its pages are shared by all processes.

  Raises:
    errors.UsageError: if the dataset is unknown or cannot be had, or `data_dir`
      cannot be used.
  """
  check_dataset(dataset)
  dataset = published_file.identify(dataset)
  data_dir = os.fspath(data_dir or default_data_dir())
  if '://' in data_dir:
    raise errors.UsageError(
      f'--data_dir={data_dir} must be a folder of this machine: the table of '
      'sprites is mapped into memory'
    )
  data_dir = os.path.abspath(os.path.expanduser(data_dir))
  path = os.path.join(data_dir, 'dsprites_packed', _table_name(dataset))
  try:
    table = _open_if_sound(path, dataset)
    if table is not None:
      return table
    with _only_builder(path):
      table = _open_if_sound(path, dataset)
      if table is not None:
        return table
      logging.info('Building %s from %s.', path, dataset)
      _write(path, dataset, _build(dataset, data_dir))
      return _open(path, dataset)
  except OSError as error:
    raise errors.UsageError(
      f'--data_dir={data_dir} cannot hold the table of sprites '
      f'({error.strerror or error}): name a writable folder with '
      f'{_NUM_BYTES / 1e6:.0f} MB free'
    ) from error


def pack_examples(
  batches: Iterable[Mapping[str, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
  """Puts TFDS's examples, in whatever order they come, in their places.

  Args:
    batches: mappings with `image` uint8 [n, 64, 64, 1] of 0 and 1 and the five
      `label_<name>` [n].

  Returns:
    bits uint8 [737280, 64, 8], zero where no example came, and how many
    examples came for each sprite, int64 [737280].

  Raises:
    ValueError: if an image is not 64 x 64 of 0 and 1 or a label out of range.
  """
  bits = np.zeros(_SHAPE, np.uint8)
  indices = [np.zeros([0], np.int64)]
  for batch in batches:
    classes = [batch[f'label_{name}'] for name in latents.NAMES]
    image = batch['image']
    if image.shape[1:] != (64, 64, 1) or image.max() > 1:
      raise ValueError('images must be 64 x 64 pixels of 0 and 1')
    index = latents.classes_to_index(np.stack(classes, axis=-1))
    bits[index] = np.packbits(image[..., 0], axis=-1)
    indices.append(index)
  counts = np.bincount(np.concatenate(indices), minlength=latents.NUM_SPRITES)
  return bits, counts


def _check_obtainable(builder, manual_dir: str) -> None:
  """Fails at once where TFDS would retry its download for minutes.

  Args:
    builder: TFDS's builder of dSprites, not prepared yet.
    manual_dir: where TFDS looks for files that were fetched by hand.

  Raises:
    ConnectionError: if TFDS has no file to prepare from and nothing answers at
      its address.
  """
  import requests  # Comes with TFDS.

  ((url, info),) = builder.url_infos.items()
  if os.path.exists(os.path.join(manual_dir, info.filename)):
    return
  # TFDS notes finished downloads in .INFO files.
  downloads = os.path.join(os.path.dirname(manual_dir), builder.name)
  if glob.glob(os.path.join(glob.escape(downloads), '*.INFO')):
    return
  try:
    requests.head(url, timeout=_PROBE_SECONDS)
  except requests.exceptions.RequestException as error:
    raise ConnectionError(f'no answer from {url}') from error


def _pack_original(data_dir: str) -> np.ndarray:
  """Reads the original images through TFDS: uint8 [737280, 64, 8].

  TFDS downloads and converts the original file on first use, which takes
  minutes and 3 GB of memory.

  Args:
    data_dir: TFDS's folder.

  Raises:
    errors.UsageError: if TFDS is missing, or cannot download, prepare or read
      the dataset, or some sprite is not there exactly once.
    OSError: if `data_dir` cannot be written.
  """
  prefix = f'--dataset={ORIGINAL}: '
  otherwise = f'or use --dataset={RENDERED}'
  manual_dir = os.path.join(data_dir, 'downloads', 'manual')
  try:
    import tensorflow_datasets as tfds  # Slow, and only needed here.

    # Its progress bars are no logs: they stay.
    with quiet.tfds_logs():
      builder = tfds.builder('dsprites', data_dir=data_dir)
      if not builder.is_prepared():
        _check_obtainable(builder, manual_dir)
        builder.download_and_prepare()
  except Exception as error:  # TFDS lets through whatever its parts raise.
    if isinstance(error, OSError) and error.errno in _FOLDER_ERRORS:
      raise
    raise errors.UsageError(
      f'{prefix}TFDS could not download and prepare it ({_brief(error)}); put '
      f'the original {_ORIGINAL_FILE} into {manual_dir} by hand or name it as '
      f'--dataset=/path/to/it, {otherwise}'
    ) from error
  try:
    dataset = builder.as_dataset(split='train', batch_size=_READ_BATCH)
    bits, counts = pack_examples(tfds.as_numpy(dataset))
    if (counts != 1).any():
      raise ValueError(
        f'{(counts == 0).sum()} sprites are missing and '
        f'{(counts > 1).sum()} are there more than once'
      )
  except Exception as error:
    raise errors.UsageError(
      f'{prefix}{builder.data_dir} is not the whole of dSprites '
      f'({_brief(error)}); delete it and run again, {otherwise}'
    ) from error
  return bits


def _brief(error: Exception) -> str:
  """An exception of someone else's in one line, and not a long one."""
  text = ' '.join(str(error).split())
  return f'{type(error).__name__}: {text[:300]}'
