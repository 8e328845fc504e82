"""dSprites: renders the images of sprites from their latents.

>>> from dnc import dsprites
>>> dsprites.render_images([[0, 5, 0, 16, 16]]).shape
(1, 64, 64)

latents          names, sizes, values of latents; symmetries; sprites' indices
spec             a set of sprites: polygons, grids of latents, image size
render           images from latents
variation        which latents vary within a rollout, which stay fixed
published_file   reads the published .npz and .hdf5 files
tfds_dsprites    reads the original images through TFDS's own builder
table            all images, one bit per pixel, in a memory-mapped file
nearest          the sprite that an image resembles most
latent_errors    how far a sprite's latents are from the true ones
builder          `dsprites_rendered`, a dataset for TFDS
verify           compares the published images with ours
sheet            draws a contact sheet of the latents
__main__         `python -m dnc.dsprites verify` and `sheet`

Importing them does not import TensorFlow, except for `builder`. Once TFDS is
imported, before or after this package, `builder` is imported too, which
registers `dsprites_rendered` with TFDS.
"""

import importlib

import wrapt

from dnc.dsprites.render import render_all
from dnc.dsprites.render import render_images
from dnc.dsprites.spec import DSPRITES
from dnc.dsprites.spec import SpriteSpec

__all__ = ('DSPRITES', 'SpriteSpec', 'render_all', 'render_images')

# Only once TFDS is used, because it takes seconds to import.
wrapt.register_post_import_hook(
  lambda _: importlib.import_module('dnc.dsprites.builder'),
  'tensorflow_datasets',
)
