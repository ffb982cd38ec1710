"""The wavelet lens: seven ReLUs that make one linear B-spline wavelet.

==================================  =====================================================================
``bw_relu``                         The wavelet psi as an activation, ``psi(scale * x)``.
``BWReLU``                          The same as a layer, with a fixed or a learned scale.
``seven_relus``                     The sum of seven ReLUs that defines psi.
``KNOTS``, ``WEIGHTS``, ``VALUES``  Where its slope changes, by how much, and psi there. Exact.
``from_relu``                       A ReLU network on a bounded domain, with wavelets in place of its ReLUs.
``wavelet_fourier``                 Its Fourier transform.
``inner_product``                   Of two wavelets on an interval, exact.
``dyadic_system``                   Level and shift of each neuron of Theorem 3.3.
``DyadicSystem``                    What it returns.
``wavelet_gram``                    The Gram matrix of the dyadic system.
``relu_gram``                       The Gram matrix of ReLU neurons.
``toeplitz_symbol``                 Its range holds the eigenvalues of a level's block.
``gershgorin_interval``             Where Gershgorin's theorem puts the eigenvalues of a matrix.
``GershgorinInterval``              What it returns: the interval,
``GershgorinDiscs``                 and the discs.
``wavelet_condition_number``        Of the dyadic system's Gram matrix, for any number of levels.
``relu_condition_number``           Of the Gram matrix of evenly spaced ReLUs, for any number of neurons.
``shift_condition_number``          Of the shifts of any compact activation, at any spacing.
``conditioning``                    How well conditioned the last layer of your network is.
``Conditioning``                    What that returns.
``feature_condition``               Its condition number alone, differentiable.
``variation_norm``                  How much a network of wavelets bends in total.
``deep_variation_norm``             The sum of it over the layers of a deep network.
==================================  =====================================================================
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._activation import BWReLU as BWReLU
    from ._activation import bw_relu as bw_relu
    from ._conditioning import Conditioning as Conditioning
    from ._conditioning import conditioning as conditioning
    from ._conditioning import feature_condition as feature_condition
    from ._fourier import wavelet_fourier as wavelet_fourier
    from ._from_relu import from_relu as from_relu
    from ._gershgorin import GershgorinDiscs as GershgorinDiscs
    from ._gershgorin import GershgorinInterval as GershgorinInterval
    from ._gershgorin import gershgorin_interval as gershgorin_interval
    from ._inner_product import inner_product as inner_product
    from ._knots import KNOTS as KNOTS
    from ._knots import VALUES as VALUES
    from ._knots import WEIGHTS as WEIGHTS
    from ._relu_gram import relu_condition_number as relu_condition_number
    from ._relu_gram import relu_gram as relu_gram
    from ._seven_relus import seven_relus as seven_relus
    from ._shift_condition import shift_condition_number as shift_condition_number
    from ._variation_norm import deep_variation_norm as deep_variation_norm
    from ._variation_norm import variation_norm as variation_norm
    from ._wavelet_gram import DyadicSystem as DyadicSystem
    from ._wavelet_gram import dyadic_system as dyadic_system
    from ._wavelet_gram import toeplitz_symbol as toeplitz_symbol
    from ._wavelet_gram import wavelet_condition_number as wavelet_condition_number
    from ._wavelet_gram import wavelet_gram as wavelet_gram
else:  # The rest of Python sees these names, and loads each when it is first used.
    from .._lazy import lazy

    __getattr__, __dir__, __all__ = lazy(__name__)
