"""dSprites: the table of latents, the renderer and the packed table.

>>> from dnc import dsprites
>>> dsprites.render_images([[0, 5, 0, 16, 16]]).shape
(1, 64, 64)
"""

from dnc.dsprites.render import render_images

__all__ = ('render_images',)
