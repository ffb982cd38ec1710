"""What the three lenses say of one activation, a reader's own too, and of several side by side.

==================  =======================================================================
``card``            What the three lenses say of one activation: a table and a picture.
``compare``         Several activations side by side.
``ActivationCard``  What ``card`` returns.
``Comparison``      What ``compare`` returns.
==================  =======================================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._card import ActivationCard as ActivationCard
    from ._card import Comparison as Comparison
    from ._card import card as card
    from ._card import compare as compare
else:  # The rest of Python sees these names, and loads each when it is first used.
    from .._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
