"""Roots of the secular equations: an eigenvalue of a matrix of any size as the root of one function."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from scipy.optimize import brentq


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root between ``low`` and ``high``, where the function changes its sign, to the last digits of a float."""
    return float(cast(Any, brentq(function, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps)))
