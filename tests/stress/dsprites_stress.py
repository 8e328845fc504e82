"""All ways to read dSprites, at full size and bit for bit.

  python -m tests.stress.dsprites_stress --folder=/tmp/dsprites_stress

Writes rendered sprites into files with the layout of the published ones, and
reads these as `--dataset=FILE` does. Then prepares `dsprites_rendered` and,
from the HDF5 file, TFDS's own `dsprites`, and compares all 737,280 images. Each
step runs in a process of its own; its time and peak memory are printed. Takes
about ten minutes and 2 GB of disk. Files that exist are not written again.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import multiprocessing
import os
import resource
import time
from typing import Any
import zipfile

from absl import app
from absl import flags
import h5py
import numpy as np

from dnc.dsprites import latents
from dnc.dsprites import published_file
from dnc.dsprites import render
from dnc.dsprites import table as table_lib

_FOLDER = flags.DEFINE_string(
  'folder', '/tmp/dsprites_stress', 'Folder for the files.'
)

# A chunk of the published HDF5 file; it divides the number of images.
_BLOCK = 23040


def _measured(
  step: Callable[..., Callable[[], None] | None], *args: Any
) -> None:
  """Runs a step in a process of its own; prints its time and peak memory.

  Args:
    step: the function to measure. It may return a function that checks its
      result, which is not measured.
    *args: arguments of `step`.
  """

  def run(*args: Any) -> None:
    start = time.perf_counter()
    check = step(*args)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000
    print(f'{step.__name__}{args[:1]}: {seconds:.1f} s, {peak} MB', flush=True)
    if check:
      check()

  process = multiprocessing.get_context('fork').Process(target=run, args=args)
  process.start()
  process.join()
  if process.exitcode:
    raise SystemExit(f'{step.__name__} failed')


def _rendered(folder: str) -> table_lib.SpriteTable:
  return table_lib.load_table(data_dir=folder)


def _image_blocks(folder: str) -> Iterator[np.ndarray]:
  bits = _rendered(folder).bits
  for start in range(0, latents.NUM_SPRITES, _BLOCK):
    yield np.unpackbits(bits[start : start + _BLOCK], axis=-1)


def _latents() -> tuple[np.ndarray, np.ndarray]:
  classes = latents.index_to_classes(np.arange(latents.NUM_SPRITES))
  values = latents.class_values(classes)
  return (
    np.pad(classes, ((0, 0), (1, 0))),
    np.pad(values, ((0, 0), (1, 0)), constant_values=1),
  )


_IMAGES_SHAPE = (latents.NUM_SPRITES, render.IMAGE_SIZE, render.IMAGE_SIZE)


def write_npz(path: str, folder: str) -> None:
  """Writes a .npz file without holding all images in memory."""
  classes, values = _latents()
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    with archive.open('metadata.npy', 'w', force_zip64=True) as member:
      np.lib.format.write_array(
        member, np.array({'date': 'April 2017'}, object)
      )
    with archive.open('imgs.npy', 'w', force_zip64=True) as member:
      header = dict(descr='|u1', fortran_order=False, shape=_IMAGES_SHAPE)
      np.lib.format.write_array_header_1_0(member, header)
      for images in _image_blocks(folder):
        member.write(images.data)
    for name, array in (('classes', classes), ('values', values)):
      with archive.open(f'latents_{name}.npy', 'w') as member:
        np.lib.format.write_array(member, array)


def write_hdf5(path: str, folder: str) -> None:
  """Writes an HDF5 file with the chunks of the published one."""
  classes, values = _latents()
  with h5py.File(path, 'w') as file:
    file['latents/classes'] = classes
    file['latents/values'] = values
    imgs = file.create_dataset(
      'imgs', _IMAGES_SHAPE, np.uint8, chunks=(_BLOCK, 2, 4), compression='gzip'
    )
    for i, images in enumerate(_image_blocks(folder)):
      imgs[i * _BLOCK : (i + 1) * _BLOCK] = images


def read_bits(path: str, folder: str) -> Callable[[], None]:
  """Reads a file with the published layout."""
  bits = published_file.read_bits(path)
  return lambda: np.testing.assert_array_equal(bits, _rendered(folder).bits)


def load_table(path: str, folder: str) -> Callable[[], None]:
  """Loads a table as train.py does; the first time it is built."""
  fingerprint = table_lib.load_table(path, folder).fingerprint
  return lambda: np.testing.assert_equal(
    fingerprint, _rendered(folder).fingerprint
  )


def prepare(name: str, folder: str) -> None:
  """Prepares a dataset with TFDS."""
  import tensorflow_datasets as tfds

  from tests.support import published_files

  builder = tfds.builder(name, data_dir=os.path.join(folder, 'tfds'))
  with published_files.known_to_tfds(_manual_file(folder)):
    builder.download_and_prepare()


def compare(folder: str) -> None:
  """Compares all examples that were prepared, and their order."""
  import tensorflow_datasets as tfds

  table = _rendered(folder)
  ours, theirs = (
    tfds.builder(name, data_dir=os.path.join(folder, 'tfds')).as_dataset(
      split='train', batch_size=1024
    )
    for name in ('dsprites_rendered', 'dsprites:2.1.0')
  )
  counts = np.zeros([latents.NUM_SPRITES], np.int64)
  for our, their in zip(tfds.as_numpy(ours), tfds.as_numpy(theirs)):
    for key, value in our.items():
      np.testing.assert_array_equal(value, their[key], err_msg=key)
    index = our['id'].astype(np.int64)
    classes = np.stack([our[f'label_{n}'] for n in latents.NAMES], axis=-1)
    values = np.stack([our[f'value_{n}'] for n in latents.NAMES], axis=-1)
    assert (latents.classes_to_index(classes) == index).all()
    assert (latents.classes_to_values(classes) == values).all()
    assert (our['image'][..., 0] == table.images(index)).all()
    counts[index] += 1
  assert (counts == 1).all()


def _manual_file(folder: str) -> str:
  return os.path.join(
    folder, 'tfds', 'downloads', 'manual', f'{published_file.FILE_NAME}.hdf5'
  )


def main(argv: Sequence[str]) -> None:
  """Runs all steps."""
  del argv
  folder = os.path.abspath(_FOLDER.value)
  hdf5 = _manual_file(folder)
  npz = os.path.join(folder, f'{published_file.FILE_NAME}.npz')
  os.makedirs(os.path.dirname(hdf5), exist_ok=True)
  _measured(load_table, table_lib.RENDERED, folder)
  for path, write in ((npz, write_npz), (hdf5, write_hdf5)):
    if not os.path.exists(path):
      _measured(write, path, folder)
    print(f'{path}: {os.path.getsize(path):,} bytes')
    _measured(read_bits, path, folder)
    _measured(load_table, path, folder)
    _measured(load_table, path, folder)
  for name in ('dsprites_rendered', 'dsprites:2.1.0'):
    _measured(prepare, name, folder)
  _measured(compare, folder)
  print('everything is equal')


if __name__ == '__main__':
  app.run(main)
