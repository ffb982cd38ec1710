"""Roots of the secular equations: an eigenvalue of a matrix of any size as the root of one function."""

from collections.abc import Callable


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root between ``low`` and ``high``, where the function changes its sign, by bisection to the last bit.

    At most 60 evaluations; importing SciPy for a faster method would cost more than all of them.
    """
    sign = function(low) > 0
    if (function(high) > 0) == sign:
        raise ArithmeticError(f"an error of ours: no change of sign between {low} and {high}.")
    while low < (middle := (low + high) / 2) < high:
        if (function(middle) > 0) == sign:
            low = middle
        else:
            high = middle
    return high
