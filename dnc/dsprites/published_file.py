"""Reads the published dSprites files.

Google DeepMind publishes dSprites as one file in two formats,
`dsprites_ndarray_co1sh3sc6or40x32y32_64x64` `.npz` and `.hdf5`. Both hold the
images, one byte a pixel, and the latents of each image as classes and as
values. The latents have six columns; the first, the colour, never changes. The
images are streamed, because they would fill 3 GB.

A `dataset` may be the path of such a file. `identify` adds the checksum of its
content, `/path/to/file.npz@sha256:...`. That name identifies the images even
after the file has changed or moved.
"""

from collections.abc import Iterator
import dataclasses
import hashlib
import os
import re
import zipfile

import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import render
from dnc.system import errors
from dnc.system import paths
from dnc.system import wording

SUFFIXES = ('.npz', '.hdf5', '.h5')
FILE_NAME = 'dsprites_ndarray_co1sh3sc6or40x32y32_64x64'
_COLUMNS = ('color', 'shape', 'scale', 'orientation', 'posX', 'posY')
_IDENTIFIED = re.compile(r'(.+)@sha256:([0-9a-f]{64})', re.DOTALL)
# Images read at once: 32 MB of pixels.
_IMAGES_PER_BLOCK = 8192
# Allows values rounded to float32, off by 1e-6; steps are at least 0.03.
_TOLERANCE = 1e-5
# A prime, so that the sample has every class of every latent.
_SAMPLE_STEP = 1021
# The published images and ours differ by two pixels at most.
_MAX_PIXELS_APART = 16


@dataclasses.dataclass(frozen=True)
class _Field:
  """An array of the file.

  Attributes:
    in_npz: its name in the .npz file.
    in_hdf5: its name in the .hdf5 file.
    row: shape of the part that belongs to one image.
    dtype: type of its numbers.
    streamed: whether it is read in blocks, because it is large.
  """

  in_npz: str
  in_hdf5: str
  row: tuple[int, ...]
  dtype: type[np.generic]
  streamed: bool = False

  def check(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raises ValueError unless the file's array has this shape and type."""
    wanted = (latents.NUM_SPRITES, *self.row)
    if shape != wanted or dtype != self.dtype:
      raise ValueError(
        f'{name} is {dtype} {list(shape)} instead of '
        f'{np.dtype(self.dtype)} {list(wanted)}'
      )


_CLASSES = _Field('latents_classes', 'latents/classes', (6,), np.int64)
_VALUES = _Field('latents_values', 'latents/values', (6,), np.float64)
_IMAGES = _Field(
  'imgs',
  'imgs',
  (render.IMAGE_SIZE, render.IMAGE_SIZE),
  np.uint8,
  streamed=True,
)


def is_file(dataset: str) -> bool:
  """Whether `dataset` names a file, by its ending."""
  return _split(dataset)[0].lower().endswith(SUFFIXES)


def identify(dataset: str) -> str:
  """Adds the checksum of a file's content to its name. Reads the whole file.

  Returns:
    '<absolute path>@sha256:<64 hexadecimal digits>'. Names that already end in
    a checksum, or that name no file, are returned unchanged.

  Raises:
    UsageError: if the file cannot be read.
  """
  path, checksum = _split(dataset)
  if checksum or not is_file(path):
    return dataset
  path = os.path.abspath(paths.local(path, '--dataset'))
  try:
    return f'{path}@sha256:{_checksum(path)}'
  except OSError as error:
    raise errors.UsageError(
      f'--dataset={path} cannot be read: {error.strerror or error}'
    ) from error


def content(dataset: str) -> str:
  """Identifies a dataset's content: a file by its checksum, not its path."""
  checksum = _split(dataset)[1]
  return f'sha256:{checksum}' if checksum else dataset


def _split(dataset: str | os.PathLike[str]) -> tuple[str, str]:
  """Splits a name into path and checksum; the checksum may be ''."""
  dataset = os.fspath(dataset)
  match = _IDENTIFIED.fullmatch(dataset)
  return match.groups() if match else (dataset, '')


def _checksum(path: str) -> str:
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def read_identified(dataset: str) -> np.ndarray:
  """Reads the images of a file that `identify` named: uint8 [737280, 64, 8].

  Raises:
    UsageError: if the file has moved or changed since, cannot be read, is not
      dSprites, or some images do not look like the sprites with their latents.
  """
  path, checksum = _split(dataset)
  try:
    found = f'its sha256 is {_checksum(path)}'
  except OSError as error:
    found = error.strerror or str(error)
  if not found.endswith(checksum):
    raise errors.UsageError(
      f'--dataset={path} has moved or changed ({found}): name the file whose '
      f'sha256 is {checksum}'
    )
  bits = read_bits(path)
  _check_sample(path, bits)
  return bits


def read_bits(path: str | os.PathLike[str]) -> np.ndarray:
  """Reads the images of a published file and checks their latents.

  Reading takes up to half a minute and little more memory than the result.

  Args:
    path: a file that ends in one of `SUFFIXES`; .hdf5 and .h5 need h5py.

  Returns:
    uint8 [737280, 64, 8] in the order of `latents.classes_to_index`;
    `np.unpackbits(_, axis=-1)` gives pixels of 0 and 1.

  Raises:
    UsageError: if the file cannot be read, is truncated or corrupt, or is not
      dSprites: it has other arrays, shapes, dtypes, pixels or latents.
  """
  path = paths.local(path, 'file')
  try:
    # zipfile and h5py report a wrong path less clearly.
    with open(path, 'rb'):
      pass
    _check_latents(path)
    return _pack_images(path)
  except (errors.UsageError, MemoryError):
    raise
  except Exception as error:  # zipfile, zlib and h5py raise various types.
    if isinstance(error, OSError) and error.strerror:
      raise errors.UsageError(
        f'{path} cannot be read: {error.strerror}'
      ) from error
    text = wording.one_line(error, 300) or type(error).__name__
    raise errors.UsageError(
      f'{path} is not dSprites: {text}; it must be {FILE_NAME}.npz or .hdf5 as '
      'published'
    ) from error


def _npz_blocks(path: str, field: _Field) -> Iterator[np.ndarray]:
  """Yields an array of an .npz file in blocks [rows, ...]."""
  name = field.in_npz
  with zipfile.ZipFile(path) as archive:
    if f'{name}.npy' not in archive.namelist():
      raise ValueError(f'it has no {name}')
    # Other members are not read: `metadata` is a pickle and could run code.
    with archive.open(f'{name}.npy') as member:
      version = np.lib.format.read_magic(member)
      read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
      )
      shape, fortran_order, dtype = read_header(member)
      field.check(name, shape, dtype)
      if fortran_order and field.streamed:
        raise ValueError(f'{name} is stored in Fortran order')
      order = 'F' if fortran_order else 'C'
      rows_per_block = _IMAGES_PER_BLOCK if field.streamed else shape[0]
      for start in range(0, shape[0], rows_per_block):
        rows = min(rows_per_block, shape[0] - start)
        block = np.empty((rows, *field.row), dtype, order)
        if member.readinto(block.ravel('K').view(np.uint8)) < block.nbytes:
          raise ValueError(f'{member.name} ends too soon')
        yield block
      # At the end of a member, zipfile verifies its checksum.
      if member.read1(1):
        raise ValueError(f'{name} is longer than its shape')


def _hdf5_blocks(path: str, field: _Field) -> Iterator[np.ndarray]:
  """Yields an array of an HDF5 file in blocks [rows, ...]."""
  try:
    import h5py  # Optional: nothing else needs it.
  except ImportError as error:
    raise errors.UsageError(
      f'{path} needs h5py: pip install h5py, or use {FILE_NAME}.npz'
    ) from error

  name = field.in_hdf5
  with h5py.File(path, 'r') as file:
    array = file.get(name)
    if not isinstance(array, h5py.Dataset):
      raise ValueError(f'it has no {name}')
    field.check(name, array.shape, array.dtype)
    rows_per_block = _IMAGES_PER_BLOCK if field.streamed else len(array)
    if array.chunks:
      # Whole chunks, so that none is decompressed twice.
      rows_per_block = -(-rows_per_block // array.chunks[0]) * array.chunks[0]
    for start in range(0, len(array), rows_per_block):
      yield array[start : start + rows_per_block]


def _blocks(path: str, field: _Field) -> Iterator[np.ndarray]:
  read = _npz_blocks if path.lower().endswith('.npz') else _hdf5_blocks
  return read(path, field)


def _check_latents(path: str) -> None:
  """Raises ValueError unless the latents are those of dSprites, in order."""
  (found,) = _blocks(path, _CLASSES)
  classes = latents.index_to_classes(np.arange(latents.NUM_SPRITES))
  wanted = np.pad(classes, ((0, 0), (1, 0)))
  _check_rows('latent classes', found, wanted, found == wanted)

  (found,) = _blocks(path, _VALUES)
  wanted = np.pad(
    latents.class_values(classes), ((0, 0), (1, 0)), constant_values=1
  )
  close = np.isclose(found, wanted, rtol=0, atol=_TOLERANCE)
  _check_rows('latent values', found, wanted, close)


def _check_rows(
  name: str, found: np.ndarray, wanted: np.ndarray, same: np.ndarray
) -> None:
  """Raises ValueError with the first row that differs, if any does."""
  wrong = np.flatnonzero(~same.all(axis=1))
  if wrong.size:
    row = wrong[0]
    pairs = zip(_COLUMNS, found[row], wanted[row], same[row])
    what = ', '.join(
      f'{c} {f:g} (expected {w:g})' for c, f, w, s in pairs if not s
    )
    raise ValueError(
      f'{name} of {wrong.size} images are wrong, first in image {row}: {what}'
    )


def _pack_images(path: str) -> np.ndarray:
  bits = np.empty(
    [latents.NUM_SPRITES, render.IMAGE_SIZE, render.ROW_BYTES], np.uint8
  )
  start = 0
  for block in _blocks(path, _IMAGES):
    if block.max() > 1:
      image = np.flatnonzero(block.max(axis=(1, 2)) > 1)[0]
      raise ValueError(
        f'image {start + image} has a pixel of {block[image].max()}: pixels '
        'must be 0 or 1'
      )
    bits[start : start + len(block)] = np.packbits(block, axis=-1)
    start += len(block)
  return bits


def _check_sample(path: str, bits: np.ndarray) -> None:
  """Raises UsageError if an image differs much from its rendered sprite."""
  sample = np.arange(0, len(bits), _SAMPLE_STEP)
  rendered = render.render_images(latents.index_to_classes(sample))
  found = np.unpackbits(bits[sample], axis=-1)
  apart = (found != rendered).sum(axis=(1, 2))
  if apart.max() > _MAX_PIXELS_APART:
    worst = apart.argmax()
    raise errors.UsageError(
      f'{path} is not dSprites: image {sample[worst]} differs in '
      f'{apart[worst]} pixels from the sprite of its latents'
    )
