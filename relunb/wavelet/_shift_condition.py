"""How well the shifts of one activation are conditioned, on the whole line."""

import math
from fractions import Fraction

import numpy as np
import torch

from .._checks import check_positive, shown
from ..ops import LinearSpline

_MOST_SHIFTS = 400  # that overlap: beyond it the condition number is no number that float64 knows
_LARGEST = 1e14  # what is larger cannot be told from infinity


def shift_condition_number(activation: LinearSpline | str, spacing: float) -> float:
    """The condition number of ``{l(x - spacing m)}``, m an integer: the ratio of its Riesz bounds.

    The Gram matrix of the shifts is a Toeplitz matrix, and its eigenvalues fill the range of its symbol, the sum of
    the autocorrelations ``r(spacing m) e^(i m theta)``. The answer is the largest value of the symbol over its
    smallest. It is infinite where the symbol has a zero: there the shifts are dependent. It need not grow with the
    overlap.

    Args:
        activation: a :class:`relunb.LinearSpline` of compact support, the name of one ("hat", "bw_relu"), or "gauss",
            ``exp(-x^2)``. For a scale c give ``c spacing``.
        spacing: the distance of two neighbours, positive.

    Returns:
        The condition number, at least 1. From 1e14 on it is infinite for a spline; "gauss" has its own formula, by
        theta functions, and all digits.

    Raises:
        TypeError: ``activation`` is none of these, or ``spacing`` is not a number.
        ValueError: ``spacing`` is not positive, or more than 400 shifts overlap; or the spline has no compact support,
            as ReLU, so that no Gram matrix exists.

    Example:
        >>> [round(shift_condition_number("bw_relu", spacing), 9) for spacing in (1.0, 0.75, 0.5)]
        [2.25, 15.0, inf]

    Source: Riesz bounds are classical; derived in :doc:`/book/together/shifted-activations`.
    """
    spacing = check_positive("spacing", spacing)
    if activation == "gauss":
        return _of_gauss(spacing)
    if isinstance(activation, str):
        activation = LinearSpline.named(activation)
    if not isinstance(activation, LinearSpline):
        raise TypeError(f'activation must be a LinearSpline, the name of one, or "gauss"; got {shown(activation)}.')
    if activation.knots.ndim == 2:
        raise ValueError("activation has a spline in each channel: give them one by one.")
    knots, values = _corners(activation)
    overlapping = float(knots[-1] - knots[0]) / spacing
    if overlapping > _MOST_SHIFTS:
        raise ValueError(
            f"spacing={spacing:g} lets {overlapping:,.0f} shifts overlap, and {_MOST_SHIFTS} is the limit."
        )
    step, lags = Fraction(spacing), math.ceil(overlapping)
    return _ratio([_autocorrelation(knots, values, step * m) for m in range(lags)])


def _corners(spline: LinearSpline) -> tuple[list[Fraction], list[Fraction]]:
    """Knots and values there, exact as the numbers are given; zero outside, or a refusal."""
    pieces = spline.pieces if not spline.learnable else spline.frozen().pieces
    start, height, rise = pieces.detach().cpu().T.tolist()
    largest = max(map(abs, height))
    rounding = 64 * torch.finfo(spline.knots.dtype).eps * max(largest, *map(abs, rise))
    if max(abs(rise[0]), abs(rise[-1]), abs(height[0]), abs(height[-1])) > rounding or largest == 0:
        raise ValueError(
            "activation has no compact support: it is not zero, or never differs from zero, far out, so its shifts "
            "have no Gram matrix. A difference of two shifts of it may have one."
        )
    corners = sorted(dict(zip(start[1:], height[1:], strict=True)).items())
    return [Fraction(x) for x, _ in corners], [Fraction(y) for _, y in corners]


def _autocorrelation(knots: list[Fraction], values: list[Fraction], shift: Fraction) -> Fraction:
    """The integral of ``l(x) l(x - shift)``: on each piece of both a parabola, so Simpson's rule is exact."""
    moved = [knot + shift for knot in knots]
    cuts = sorted({x for x in (*knots, *moved) if moved[0] <= x <= knots[-1]})
    total = Fraction(0)
    for low, high in zip(cuts, cuts[1:], strict=False):
        points = (low, (low + high) / 2, high)
        f, g = ([_at(knots, values, x - by) for x in points] for by in (Fraction(0), shift))
        total += (high - low) / 6 * (f[0] * g[0] + 4 * f[1] * g[1] + f[2] * g[2])
    return total


def _at(knots: list[Fraction], values: list[Fraction], x: Fraction) -> Fraction:
    for (a, b), (y, z) in zip(zip(knots, knots[1:], strict=False), zip(values, values[1:], strict=False), strict=True):
        if a <= x <= b:
            return y + (z - y) * (x - a) / (b - a)
    return Fraction(0)


def _ratio(r: list[Fraction]) -> float:
    """Largest over smallest value of ``r_0 + 2 sum r_m cos(m theta)``, a polynomial in cos(theta)."""
    from numpy.polynomial import chebyshev

    coefficients = np.array([float(r[0]), *(2 * float(x) for x in r[1:])])
    ends = [float(r[0] + 2 * sum(r[1:])), float(r[0] + 2 * sum(x * (-1) ** m for m, x in enumerate(r[1:], 1)))]
    level = chebyshev.chebroots(chebyshev.chebder(coefficients)) if len(r) > 2 else np.zeros(0)
    inside = np.clip(np.real(level[np.abs(np.imag(level)) < 1e-6]), -1, 1)
    values = [*ends, *chebyshev.chebval(inside, coefficients).tolist()]
    low, high = min(values), max(values)
    return high / low if low > high / _LARGEST else math.inf


def _of_gauss(spacing: float) -> float:
    """theta_3(0, q) / theta_4(0, q) with ``q = exp(-spacing^2 / 2)``, by whichever series is short."""
    if spacing > math.sqrt(2 * math.pi):
        terms = [math.exp(-((spacing * n) ** 2) / 2) for n in range(1, 8)]
        return (1 + 2 * sum(terms)) / (1 + 2 * sum(x * (-1) ** n for n, x in enumerate(terms, 1)))
    rate = 2 * (math.pi / spacing) ** 2  # Jacobi's imaginary transformation
    above = 1 + 2 * sum(math.exp(-rate * n**2) for n in range(1, 8))
    below = 2 * sum(math.exp(-rate * (n * (n + 1))) for n in range(8))  # over exp(-rate / 4)
    return above / below * math.exp(rate / 4) if rate < 4 * 709 else math.inf
