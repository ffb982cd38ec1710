"""The integral lens: ReLU made smooth by integrating over basis functions."""

from ._bases import PWL as PWL
from ._bases import PWQ as PWQ
from ._bases import Fourier as Fourier
from ._bases import PWLWavelet as PWLWavelet
from ._bases import Rect as Rect
from ._bases import RectWavelet as RectWavelet
from ._basis import Basis as Basis
from ._basis import Mixed as Mixed
from ._basis import PiecewisePolynomial as PiecewisePolynomial
from ._pattern import ActivationPattern as ActivationPattern
from ._pattern import activation_matrix as activation_matrix
from ._pattern import activation_pattern as activation_pattern
from ._transform import IAT as IAT
from ._transform import transform as transform

__all__ = [
    "IAT",
    "PWL",
    "PWQ",
    "ActivationPattern",
    "Basis",
    "Fourier",
    "Mixed",
    "PWLWavelet",
    "PiecewisePolynomial",
    "Rect",
    "RectWavelet",
    "activation_matrix",
    "activation_pattern",
    "transform",
]
