"""What the three lenses say of one activation, a reader's own too, and of several side by side.

==================  =======================================================================
``card``            What the three lenses say of one activation: a table and a picture.
``compare``         Several activations side by side.
``ActivationCard``  What ``card`` returns.
``Comparison``      What ``compare`` returns.
==================  =======================================================================
"""

from ._card import ActivationCard as ActivationCard
from ._card import Comparison as Comparison
from ._card import card as card
from ._card import compare as compare

__all__ = ["ActivationCard", "Comparison", "card", "compare"]
