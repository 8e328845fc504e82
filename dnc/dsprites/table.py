"""The table of all sprites, one bit per pixel: built once, then memory-mapped.

A table is one file, `<data_dir>/dsprites_packed/<dataset>.bits`: a header of
one page, then the 737,280 packed images. The header is JSON padded with spaces:
the layout, and a checksum of the images. The file is written whole or not at
all, and verified in full whenever it is opened; a damaged table is rebuilt.
The table of a published file is named after the file's checksum, so that a
moved file keeps its table and a changed file gets another one.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import glob
import hashlib
import json
import math
import os
import tempfile
from typing import BinaryIO

from absl import logging
import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.dsprites import tfds_dsprites
from dnc.system import errors
from dnc.system import files
from dnc.system import paths

RENDERED = 'dsprites_rendered'
ORIGINAL = 'dsprites'
DATASETS = (RENDERED, ORIGINAL)

_SHAPE = (latents.NUM_SPRITES, render.IMAGE_SIZE, render.ROW_BYTES)
_NUM_BYTES = math.prod(_SHAPE)
_HEADER_BYTES = 4096
_FOLDER = 'dsprites_packed'
_FORMAT = 1
# By the table's fingerprint. Programs that train many models load the same
# table often.
_mean_images: dict[str, np.ndarray] = {}


@dataclasses.dataclass(frozen=True, eq=False)
class SpriteTable:
  """All sprites of a dataset, one bit a pixel.

  Attributes:
    name: the dataset, as `published_file.identify` returns it.
    bits: uint8 [737280, 64, 8], read-only, in the order of
      `latents.classes_to_index`; `np.unpackbits(bits[i], axis=-1)` is image i.
    fingerprint: hexadecimal checksum of `bits`.
  """

  name: str
  bits: np.ndarray
  fingerprint: str

  def images(self, indices: np.ndarray) -> np.ndarray:
    """Looks up images by index: integers [...] -> uint8 [..., 64, 64], 0 or 1.

    Raises:
      TypeError: if the indices are not integers.
      ValueError: if an index is outside [0, 737280).
    """
    return np.unpackbits(self.bits[latents.check_index(indices)], axis=-1)

  def mean_image(self) -> np.ndarray:
    """The exact mean of all images: float32 [64, 64] in [0, 1], read-only."""
    if self.fingerprint not in _mean_images:
      mean = self._mean_image()
      mean.setflags(write=False)
      _mean_images[self.fingerprint] = mean
    return _mean_images[self.fingerprint]

  def _mean_image(self) -> np.ndarray:
    counts = np.zeros([render.IMAGE_SIZE, render.IMAGE_SIZE], np.int64)
    # A byte holds the sum of 255 images, and bytes are the fastest to sum.
    for start in range(0, len(self.bits), 255):
      images = np.unpackbits(self.bits[start : start + 255], axis=-1)
      counts += images.sum(axis=0, dtype=np.uint8)
    return (counts / len(self.bits)).astype(np.float32)


def default_data_dir() -> str:
  """Returns TFDS's default: $TFDS_DATA_DIR or ~/tensorflow_datasets.

  Without a writable home folder, returns a temporary folder of this user's and
  logs a warning.
  """
  name, given = 'tensorflow_datasets', os.environ.get('TFDS_DATA_DIR')
  if given:
    return paths.local(given, 'TFDS_DATA_DIR')
  if paths.has_home():
    folder = os.path.expanduser(os.path.join('~', name))
    if _may_hold(folder):
      return folder
  folder = os.path.join(tempfile.gettempdir(), f'{name}_{os.getuid()}')
  logging.warning(
    'No home folder to write to: the table of sprites is kept in %s; '
    '--data_dir or TFDS_DATA_DIR names another folder.',
    folder,
  )
  return folder


def _may_hold(folder: str) -> bool:
  """Whether a folder has tables, or this process may make some there."""
  if os.path.isdir(os.path.join(folder, _FOLDER)):
    return True
  while not os.path.exists(folder):
    folder = os.path.dirname(folder)
  return os.access(folder, os.W_OK | os.X_OK)


def _checksum(bits: np.ndarray) -> str:
  return hashlib.blake2b(bits.data, digest_size=16).hexdigest()


def _header(dataset: str, checksum: str) -> dict[str, object]:
  return {
    'format': _FORMAT,
    'dataset': published_file.content(dataset),
    # Only rendered images depend on the renderer.
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
  """Verifies that a file is the table of a dataset and maps it.

  Raises:
    OSError: if the file cannot be read.
    ValueError: if it is truncated, corrupt, or of another layout or dataset.
  """
  with open(path, 'rb') as file:
    size = os.fstat(file.fileno()).st_size
    if size != _HEADER_BYTES + _NUM_BYTES:
      raise ValueError(f'{size} bytes instead of {_HEADER_BYTES + _NUM_BYTES}')
    header = files.parse_json(file.read(_HEADER_BYTES))
    bits = np.memmap(file, np.uint8, 'r', offset=_HEADER_BYTES, shape=_SHAPE)
  checksum = _checksum(bits)
  if header != _header(dataset, checksum):
    raise ValueError('its header does not fit its content')
  return SpriteTable(dataset, bits, checksum)


def _open_if_sound(path: str, dataset: str) -> SpriteTable | None:
  """Opens a table; returns None if there is none or it is damaged."""
  if not os.path.exists(path):
    return None
  try:
    return _open(path, dataset)
  except ValueError as error:
    logging.warning('%s is unusable (%s); building it again.', path, error)
    return None


@contextlib.contextmanager
def _only_builder(path: str) -> Iterator[None]:
  """Waits until no other process builds the same table, then locks it.

  Where there are no locks, several may build it; each replaces it as a whole.
  """
  os.makedirs(os.path.dirname(path), exist_ok=True)
  lock = path + '.lock'
  while True:
    with open(lock, 'wb') as file:
      if not files.lock(file, wait=True):
        yield
        return
      # The previous holder has removed this lock file; a new one may be in use.
      if not _is_at(file, lock):
        continue
      try:
        # Under the lock, partial files can only be from killed processes.
        for partial in glob.glob(glob.escape(path) + '.*.partial'):
          os.unlink(partial)
        yield
        return
      finally:
        os.unlink(lock)


def _is_at(file: BinaryIO, path: str) -> bool:
  """Whether an open file is still the one at this path."""
  try:
    return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
  except FileNotFoundError:
    return False


def check_dataset(dataset: str) -> None:
  """Checks the name of a dataset, without reading any file.

  Raises:
    UsageError: if it is neither of `DATASETS` nor the path of a published file.
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
  """Renders or reads the images of a dataset: uint8 [737280, 64, 8]."""
  if dataset == RENDERED:
    return render.render_all()
  if dataset == ORIGINAL:
    return tfds_dsprites.read_bits(data_dir)
  return published_file.read_identified(dataset)


def load_table(
  dataset: str | os.PathLike[str] = RENDERED,
  data_dir: str | os.PathLike[str] | None = None,
) -> SpriteTable:
  """Opens the table of a dataset; builds it first if there is none.

  Args:
    dataset: 'dsprites_rendered', images from `render`; 'dsprites', the original
      images through TFDS; or the path of a published file. Once its table is
      built, a file that `published_file.identify` named is no longer needed.
    data_dir: folder of datasets; by default TFDS's.

  Returns:
    The table, mapped from disk: all processes share its memory.

  Raises:
    UsageError: if the dataset is unknown or cannot be read, or `data_dir`
      cannot be used.
  """
  check_dataset(dataset)
  dataset = published_file.identify(os.fspath(dataset))
  if data_dir is None:
    data_dir = default_data_dir()
  data_dir = os.path.abspath(paths.local(data_dir, '--data_dir'))
  path = os.path.join(data_dir, _FOLDER, _table_name(dataset))
  try:
    table = _open_if_sound(path, dataset)
    if table is None:
      with _only_builder(path):
        # Another process may have built it meanwhile.
        table = _open_if_sound(path, dataset)
        if table is None:
          logging.info('Building %s from %s.', path, dataset)
          _write(path, dataset, _build(dataset, data_dir))
          table = _open(path, dataset)
    return table
  except OSError as error:
    raise errors.UsageError(
      f'--data_dir={data_dir} cannot hold the table of sprites '
      f'({error.strerror or error}): choose a writable folder with '
      f'{_NUM_BYTES / 1e6:.0f} MB free'
    ) from error
