"""Where in an image a network found what it decided by, and whether to believe it."""

from medimg_cnn.explain._grad_cam import grad_cam, grad_cam_plus_plus
from medimg_cnn.explain._integrated_gradients import integrated_gradients
from medimg_cnn.explain._overlay import overlay
from medimg_cnn.explain._randomisation import RandomisationCheck, randomisation_check

__all__ = [
    "RandomisationCheck",
    "grad_cam",
    "grad_cam_plus_plus",
    "integrated_gradients",
    "overlay",
    "randomisation_check",
]
