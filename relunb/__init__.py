"""ReLU seen through three lenses: spectrum, wavelet and integral.

Each name here is derived in a chapter of the book before you are asked to use it. Nothing is loaded before you ask for
it: ``relunb.check`` needs SymPy alone, and the rest PyTorch.

================  =============================================================================
``bw_relu``       The B-spline wavelet activation, as a function.
``BWReLU``        The same as a layer.
``IAT``           The integral activation transform, a layer.
``LinearSpline``  Any continuous, piecewise linear activation.
``card``          What the three lenses say of one activation, yours too: a table and a picture.
``compare``       Several activations side by side.
``spectrum``      What ReLU does to a spectrum: harmonics, DC, intermodulation.
``wavelet``       Seven ReLUs that train well: Gram matrices, conditioning, variation norm.
``iat``           Bases, the transform and its patterns, continuous width.
``inr``           Coordinate networks: images, computed tomography, super-resolution, sound.
``check``         Prove a SymPy identity; compare a derived formula with a PyTorch function.
``plot``          The book's style, pictures in a grid, conditioning as curves.
================  =============================================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import check as check
    from . import iat as iat
    from . import inr as inr
    from . import plot as plot
    from . import spectrum as spectrum
    from . import wavelet as wavelet
    from .cards import card as card
    from .cards import compare as compare
    from .iat import IAT as IAT
    from .ops import LinearSpline as LinearSpline
    from .wavelet import BWReLU as BWReLU
    from .wavelet import bw_relu as bw_relu
else:  # The rest of Python sees these names, and loads each when it is first used.
    from ._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)

__version__ = "0.2.0"
