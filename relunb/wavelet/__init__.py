"""The wavelet lens: seven ReLUs that make one linear B-spline wavelet."""

from ._activation import BWReLU as BWReLU
from ._activation import bw_relu as bw_relu
from ._conditioning import Conditioning as Conditioning
from ._conditioning import conditioning as conditioning
from ._conditioning import feature_condition as feature_condition
from ._fourier import wavelet_fourier as wavelet_fourier
from ._gershgorin import GershgorinDiscs as GershgorinDiscs
from ._gershgorin import GershgorinInterval as GershgorinInterval
from ._gershgorin import gershgorin_interval as gershgorin_interval
from ._inner_product import inner_product as inner_product
from ._knots import KNOTS as KNOTS
from ._knots import VALUES as VALUES
from ._knots import WEIGHTS as WEIGHTS
from ._knots import seven_relus as seven_relus
from ._relu_gram import relu_condition_number as relu_condition_number
from ._relu_gram import relu_gram as relu_gram
from ._variation_norm import deep_variation_norm as deep_variation_norm
from ._variation_norm import variation_norm as variation_norm
from ._wavelet_gram import DyadicSystem as DyadicSystem
from ._wavelet_gram import dyadic_system as dyadic_system
from ._wavelet_gram import toeplitz_symbol as toeplitz_symbol
from ._wavelet_gram import wavelet_condition_number as wavelet_condition_number
from ._wavelet_gram import wavelet_gram as wavelet_gram

__all__ = [
    "KNOTS",
    "VALUES",
    "WEIGHTS",
    "BWReLU",
    "Conditioning",
    "DyadicSystem",
    "GershgorinDiscs",
    "GershgorinInterval",
    "bw_relu",
    "conditioning",
    "deep_variation_norm",
    "dyadic_system",
    "feature_condition",
    "gershgorin_interval",
    "inner_product",
    "relu_condition_number",
    "relu_gram",
    "seven_relus",
    "toeplitz_symbol",
    "variation_norm",
    "wavelet_condition_number",
    "wavelet_fourier",
    "wavelet_gram",
]
