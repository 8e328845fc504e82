"""dSprites: the table of latents, the renderer and the packed table.

>>> from dnc import dsprites
>>> dsprites.render_images([[0, 5, 0, 16, 16]]).shape
(1, 64, 64)

Sets of other shapes, latents and image sizes: `SpriteSpec`. From a terminal:
`python -m dnc.dsprites --help`. With TFDS, before or after it is imported, it
brings `dsprites_rendered`: see `builder`.
"""

import importlib

import wrapt

from dnc.dsprites.render import render_all
from dnc.dsprites.render import render_images
from dnc.dsprites.spec import DSPRITES
from dnc.dsprites.spec import SpriteSpec

__all__ = ('DSPRITES', 'SpriteSpec', 'render_all', 'render_images')

# TFDS takes seconds to import: who does without it need not wait.
wrapt.register_post_import_hook(
  lambda _: importlib.import_module('dnc.dsprites.builder'),
  'tensorflow_datasets',
)
