"""Inner products of two wavelets of any scale and shift: exact, because both are straight lines between their knots."""

import math
import sys
from fractions import Fraction
from numbers import Number, Rational
from typing import Any

import torch
from torch import Tensor

from .._checks import known, real
from ._activation import bw_relu
from ._knots import KNOTS, WEIGHTS


def inner_product(scale_a: Any, shift_a: Any, scale_b: Any, shift_b: Any, low: Any = -1, high: Any = 1) -> Any:
    """``int psi(scale_a x - shift_a) psi(scale_b x - shift_b) dx`` from ``low`` to ``high``, the entry of Eq. (18).

    Between two neighbouring knots of either wavelet the integrand is a parabola, and Simpson's rule is exact for it. So
    the result is exact for exact input and right to rounding for tensors, whatever the scales.

    Args:
        scale_a, shift_a, scale_b, shift_b: scale and shift of the two wavelets. Either all integers, ``Fraction`` or
            SymPy numbers, or tensors, lists and floats that broadcast. A negative scale turns the wavelet round.
        low, high: ends of the interval, numbers; ``-inf`` and ``inf`` stand for the whole line.

    Returns:
        ``Fraction`` for integers and fractions, a SymPy number as soon as one input is one, a float for Python floats,
        and else a tensor of the broadcast shape, float64 or the tensors' own dtype, differentiable in scales and
        shifts.

    Raises:
        TypeError: an input is not a real number or tensor.
        ValueError: an input is not finite, ``low > high``, or both scales are zero on an unbounded interval.

    Source: Shenouda, Zhou and Nowak (2024), Eq. (18), (38), (44), (45). Derived in :doc:`/book/wavelet/gershgorin`.
    """
    neurons = {"scale_a": scale_a, "shift_a": shift_a, "scale_b": scale_b, "shift_b": shift_b}
    sympy = sys.modules.get("sympy")  # if no one has loaded SymPy, no input comes from it
    if sympy is not None and any(isinstance(v, sympy.Basic) for v in (*neurons.values(), low, high)):
        number = _sympy_number
    elif all(isinstance(v, Rational) for v in neurons.values()) and all(_is_rational_end(v) for v in (low, high)):
        number = _fraction
    else:
        return _of_tensors(neurons, low, high)
    a, s, b, t = (number(name, value) for name, value in neurons.items())
    low, high = (value if _is_infinite(value) else number("an end of the interval", value) for value in (low, high))
    _check_interval(low, high, unbounded_ok=a != 0 or b != 0)
    return _exact(a, s, b, t, low, high)


def _of_tensors(neurons: dict[str, Any], low: Any, high: Any) -> Any:
    with next((value.device for value in neurons.values() if isinstance(value, Tensor)), torch.get_default_device()):
        tensors = {name: real(name, value) for name, value in neurons.items()}
    low, high = float(low), float(high)
    if math.isnan(low) or math.isnan(high):
        raise ValueError("an end of the interval is NaN.")
    bounded = math.isfinite(low) and math.isfinite(high)
    if not bounded:
        known(**tensors)
    both_zero = not bounded and bool(((tensors["scale_a"] == 0) & (tensors["scale_b"] == 0)).any())
    _check_interval(low, high, unbounded_ok=not both_zero)
    a, s, b, t = torch.broadcast_tensors(*(value.double() for value in tensors.values()))
    knots = torch.tensor([float(k) for k in KNOTS], dtype=torch.float64, device=a.device)
    cuts = [
        (knots + shift[..., None]) / torch.where(scale == 0, 1.0, scale)[..., None] for scale, shift in ((a, s), (b, t))
    ]
    cuts += [torch.full_like(a[..., None], end) for end in (low, high) if math.isfinite(end)]
    points = torch.cat(cuts, -1).clamp(low, high).sort(-1).values
    left, right = points[..., :-1], points[..., 1:]

    def product(x: Tensor) -> Tensor:
        return bw_relu(a[..., None] * x - s[..., None]) * bw_relu(b[..., None] * x - t[..., None])

    ends, middles = product(points), product((left + right) / 2)
    total = ((right - left) * (ends[..., :-1] + 4 * middles + ends[..., 1:])).sum(-1) / 6
    if all(isinstance(value, Number) for value in neurons.values()):
        return total.item()
    given = [value.dtype for value in neurons.values() if isinstance(value, Tensor) and value.is_floating_point()]
    return total.to(torch.float32) if given and all(dtype == torch.float32 for dtype in given) else total


def _exact(a: Any, s: Any, b: Any, t: Any, low: Any, high: Any) -> Any:
    cuts = [(knot + shift) / scale for scale, shift in ((a, s), (b, t)) if scale != 0 for knot in KNOTS]
    cuts += [end for end in (low, high) if not _is_infinite(end)]
    points = sorted({min(max(x, low), high) for x in cuts})

    def product(x: Any) -> Any:
        return _psi(a * x - s) * _psi(b * x - t)

    total = 0 * a  # zero of the caller's kind
    for left, right in zip(points, points[1:], strict=False):
        total += (right - left) * (product(left) + 4 * product((left + right) / 2) + product(right)) / 6
    return total.expand() if hasattr(total, "expand") else total


def _psi(u: Any) -> Any:
    return sum((weight * max(u - knot, 0) for knot, weight in zip(KNOTS, WEIGHTS, strict=True)), 0 * u)


def _fraction(name: str, value: Any) -> Fraction:
    return Fraction(value)


def _sympy_number(name: str, value: Any) -> Any:
    import sympy

    if isinstance(value, Tensor):
        raise TypeError(f"{name} is a tensor and another input a SymPy number; give either all exact or none.")
    value = sympy.sympify(value)
    if not (value.is_number and value.is_extended_real):
        raise TypeError(f"{name} must be a real number; got {value}. Substitute numbers for the symbols first.")
    if not value.is_finite:
        raise ValueError(f"{name} must be finite; got {value}.")
    return value


def _is_rational_end(value: Any) -> bool:
    return isinstance(value, Rational) or (isinstance(value, float) and math.isinf(value))


def _is_infinite(value: Any) -> bool:
    return bool(getattr(value, "is_infinite", False)) or (isinstance(value, float) and math.isinf(value))


def _check_interval(low: Any, high: Any, *, unbounded_ok: bool) -> None:
    if low > high:
        raise ValueError(f"low must not exceed high; got [{low}, {high}].")
    if (_is_infinite(low) or _is_infinite(high)) and not unbounded_ok:
        raise ValueError("both scales are zero: two constants have no inner product on an unbounded interval.")
