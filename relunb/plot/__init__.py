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
else:  # The rest of Python sees these names, and loads each when it is first used.
    from .._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
