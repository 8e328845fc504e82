"""Files in the layout of the published dSprites, with rendered sprites."""

import contextlib
import os
from typing import Any
from unittest import mock

from etils import epath
import h5py
import numpy as np
import tensorflow_datasets as tfds

from dnc.dsprites import latents
from dnc.dsprites import render


def arrays_of(indices: np.ndarray) -> dict[str, np.ndarray]:
  """Makes the arrays of the published .npz for some sprites, by name.

  Args:
    indices: int64 [n], sprites.

  Returns:
    All arrays but `metadata`, each [n, ...].
  """
  classes = latents.index_to_classes(indices)
  colour = np.zeros([len(indices), 1], np.int64)
  return {
    'imgs': render.render_images(classes),
    'latents_classes': np.hstack([colour, classes]),
    'latents_values': np.hstack([colour + 1, latents.class_values(classes)]),
  }


def write_hdf5(
  path: str, arrays: dict[str, np.ndarray], **options: Any
) -> None:
  """Writes arrays in the layout of the published .hdf5.

  Args:
    path: the file; its folder is created.
    arrays: arrays from `arrays_of`.
    **options: arguments of h5py's `create_dataset` for the images.
  """
  os.makedirs(os.path.dirname(path), exist_ok=True)
  with h5py.File(path, 'w') as file:
    for name, array in arrays.items():
      file.create_dataset(
        name.replace('_', '/'),
        data=array,
        **(options if name == 'imgs' else {}),
      )


def known_to_tfds(path: str) -> contextlib.AbstractContextManager:
  """Makes TFDS's `dsprites` accept an HDF5 file of ours by its checksum."""
  builder = tfds.builder_cls('dsprites')
  (url,) = builder.url_infos
  info = tfds.core.download.checksums.compute_url_info(epath.Path(path))
  return mock.patch.object(builder, 'url_infos', {url: info})
