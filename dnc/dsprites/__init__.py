"""dSprites: the table of latents, the renderer and the packed table.

>>> from dnc import dsprites
>>> dsprites.render_images([[0, 5, 0, 16, 16]]).shape
(1, 64, 64)

Sets of other shapes, latents and image sizes: `SpriteSpec`. From a terminal:
`python -m dnc.dsprites --help`.
"""

from dnc.dsprites.render import render_all
from dnc.dsprites.render import render_images
from dnc.dsprites.spec import DSPRITES
from dnc.dsprites.spec import SpriteSpec

__all__ = ('DSPRITES', 'SpriteSpec', 'render_all', 'render_images')
