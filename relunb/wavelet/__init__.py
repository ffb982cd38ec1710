"""The wavelet lens: seven ReLUs that make one linear B-spline wavelet."""

from ._activation import BWReLU as BWReLU
from ._activation import bw_relu as bw_relu
from ._knots import KNOTS as KNOTS
from ._knots import VALUES as VALUES
from ._knots import WEIGHTS as WEIGHTS
from ._knots import seven_relus as seven_relus

__all__ = ["KNOTS", "VALUES", "WEIGHTS", "BWReLU", "bw_relu", "seven_relus"]
