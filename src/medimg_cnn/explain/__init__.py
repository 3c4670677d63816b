"""Class-activation maps: where in an image a network found what it decided by, and whether to believe them."""

from medimg_cnn.explain._grad_cam import grad_cam
from medimg_cnn.explain._overlay import overlay
from medimg_cnn.explain._randomisation import RandomisationCheck, randomisation_check

__all__ = ["RandomisationCheck", "grad_cam", "overlay", "randomisation_check"]
