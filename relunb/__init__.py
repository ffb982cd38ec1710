"""ReLU seen through three lenses: spectrum, wavelet and integral.

Each name here is derived in a chapter of the book before you are asked to use it.
"""

from . import iat as iat
from . import inr as inr
from . import spectrum as spectrum
from . import wavelet as wavelet
from .iat import IAT as IAT
from .wavelet import BWReLU as BWReLU
from .wavelet import bw_relu as bw_relu

__all__ = ["IAT", "BWReLU", "bw_relu", "iat", "inr", "spectrum", "wavelet"]
__version__ = "0.1.0"
