"""Synthetic images for trying things out: drawn by a program, honest about it, not trivially separable.

Example:
    >>> from medimg_cnn.data.phantoms import render_phantom
    >>> render_phantom(seed=0, patient=0, lesion=True, image_size=32).shape
    (32, 32, 1)
"""

from medimg_cnn.data.phantoms._cohort import PhantomFormat
from medimg_cnn.data.phantoms._make import make_phantoms
from medimg_cnn.data.phantoms._render import render_phantom

__all__ = ["PhantomFormat", "make_phantoms", "render_phantom"]
