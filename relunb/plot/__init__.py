"""Pictures for chapters and for your own work, in the book's style. Needs matplotlib.

=========================================  ==========================================================
``style``                                  Set how the book's figures look.
``curves``                                 Draw named lines, with a legend.
``pictures``                               Pictures in a grid, each under its name.
``learning_curves``                        PSNR in dB against the step of training.
``conditioning``                           What :func:`relunb.wavelet.conditioning` found, as curves.
``Interactive``                            A plotly figure for the built book and for a notebook.
``BLUE``, ``ORANGE``, ``GREEN``, ``GRAY``  The colors.
``WIDTH``                                  Inches: a figure this wide stays legible on a phone.
=========================================  ==========================================================
"""

from typing import TYPE_CHECKING

from .._lazy import lazy

if TYPE_CHECKING:
    from ._base import BLUE as BLUE
    from ._base import GRAY as GRAY
    from ._base import GREEN as GREEN
    from ._base import ORANGE as ORANGE
    from ._base import WIDTH as WIDTH
    from ._base import Interactive as Interactive
    from ._base import curves as curves
    from ._base import learning_curves as learning_curves
    from ._base import pictures as pictures
    from ._base import style as style
    from ._conditioning import conditioning as conditioning

__all__ = [
    "BLUE",
    "GRAY",
    "GREEN",
    "ORANGE",
    "WIDTH",
    "Interactive",
    "conditioning",
    "curves",
    "learning_curves",
    "pictures",
    "style",
]

if not TYPE_CHECKING:  # A type checker then refuses a name that is not there.
    __getattr__, __dir__ = lazy(
        __name__,
        {
            "_base": "BLUE GRAY GREEN ORANGE WIDTH Interactive curves learning_curves pictures style",
            "_conditioning": "conditioning",
        },
    )
