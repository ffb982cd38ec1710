"""Inner products of two wavelets of any scale and shift: exact, because both are straight lines between their knots."""

import math
import sys
from fractions import Fraction
from itertools import accumulate
from numbers import Number
from typing import Any

import torch
from torch import Tensor

from .._checks import check_known, check_real, check_single, is_rational, is_readable, shown
from ._knots import KNOTS, VALUES, WEIGHTS


def inner_product(scale_a: Any, shift_a: Any, scale_b: Any, shift_b: Any, low: Any = -1, high: Any = 1) -> Any:
    """``int psi(scale_a x - shift_a) psi(scale_b x - shift_b) dx`` from ``low`` to ``high``, the entry of Eq. (18).

    Between two neighbouring knots of either wavelet the integrand is a parabola, for which two nodes are exact. So the
    result is exact for exact input and right to rounding for tensors, whatever the scales, and so are its first and
    second derivatives, also where knots of the two coincide. Where a knot meets an end of the interval the second
    derivative jumps; it is then that of one side.

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
        ValueError: an input is not finite, shapes do not broadcast, ``low > high``, or both scales are zero on an
            unbounded interval.

    Example:
        >>> inner_product(1, 0, 1, 1, 0, 4), inner_product(1, 0, 2, 1, 0, 4)
        (Fraction(5, 108), Fraction(0, 1))

    Source: Shenouda, Zhou and Nowak (2024), Eq. (18), (38), (44), (45). Derived in
    :doc:`/book/wavelet/wavelet-features`.
    """
    neurons = {"scale_a": scale_a, "shift_a": shift_a, "scale_b": scale_b, "shift_b": shift_b}
    sympy = sys.modules.get("sympy")  # if no one has loaded SymPy, no input comes from it
    if sympy is not None and any(isinstance(v, sympy.Basic) for v in (*neurons.values(), low, high)):
        number = _sympy_number
    elif all(map(is_rational, neurons.values())) and all(_is_rational_end(v) for v in (low, high)):
        number = _fraction
    else:
        return _of_tensors(neurons, low, high)
    a, s, b, t = (number(name, value) for name, value in neurons.items())
    low, high = (value if _is_infinite(value) else number("an end of the interval", value) for value in (low, high))
    _check_interval(low, high, unbounded_ok=a != 0 or b != 0)
    return _exact(a, s, b, t, low, high)


def _of_tensors(neurons: dict[str, Any], low: Any, high: Any) -> Any:
    given = [value for value in neurons.values() if isinstance(value, Tensor)]
    like = torch.empty((), dtype=torch.float64, device=given[0].device if given else "cpu")
    tensors = {name: check_real(name, value, like=like) for name, value in neurons.items()}
    low, high = check_single("low", low), check_single("high", high)
    if math.isnan(low) or math.isnan(high):
        raise ValueError("an end of the interval is NaN.")
    bounded = math.isfinite(low) and math.isfinite(high)
    if not bounded:
        check_known(**tensors)
    a, b = tensors["scale_a"], tensors["scale_b"]
    try:
        a, s, b, t = torch.broadcast_tensors(*(value.double() for value in tensors.values()))
    except RuntimeError:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in tensors.items())
        raise ValueError(f"the scales and shifts must broadcast; their shapes are {shapes}.") from None
    both_zero = not bounded and is_readable(a) and is_readable(b) and bool(((a == 0) & (b == 0)).any())
    _check_interval(low, high, unbounded_ok=not both_zero)
    narrow_first = a.abs() >= b.abs()
    a, s, b, t = (torch.where(narrow_first, p, q) for p, q in ((a, b), (s, t), (b, a), (t, s)))
    total = _integral(a, s, b, t, low, high)
    if all(isinstance(value, Number) for value in neurons.values()):
        return total.item()
    floats = [value.dtype for value in given if value.is_floating_point()]
    return total.to(torch.float32) if floats and all(dtype == torch.float32 for dtype in floats) else total


def _integral(a: Tensor, s: Tensor, b: Tensor, t: Tensor, low: float, high: float) -> Tensor:
    """The integral for ``|a| >= |b|``, at any scale.

    Where the interval is longer than ``1 / |a|`` the variable is ``u = a x - s``, in which the narrower wavelet has its
    knots at 0, 1/2, ..., 3: then neither a large shift nor a large scale rounds them. Elsewhere it is x itself.

    Gauss's two nodes are exact for the parabola between two cuts. The cuts move with the parameters, which second
    derivatives need. Where cuts coincide, the piece between them is empty, but its slopes enter the second derivative:
    so a wavelet's piece is told by how many of its own knots come before in the sorted order, not by its value.
    """
    bounded = math.isfinite(low) and math.isfinite(high)
    wide = (a.detach() * high - a.detach() * low).abs() >= 1 if bounded else torch.ones_like(a, dtype=torch.bool)
    divisor = torch.where(wide, a, 1.0)
    ratio = b / divisor
    size = divisor * divisor.detach().sign()
    start, end = (_inside_support(a, s, x) for x in (low, high))
    start, end = torch.where(a > 0, start, end), torch.where(a > 0, end, start)
    zero = torch.zeros_like(a)
    lines = [
        (torch.where(wide, 1.0, a), torch.where(wide, 0.0, -s)),
        (torch.where(wide, ratio, b), torch.where(wide, ratio * s - t, -t)),
    ]
    if bounded:
        start, end = torch.where(wide, start, zero + low), torch.where(wide, end, zero + high)
    knots = torch.tensor([float(k) for k in KNOTS], dtype=torch.float64, device=a.device)
    start, end = start[..., None], end[..., None]
    cuts, before = [start, end], []
    for slope, offset in lines:
        slope, offset = slope[..., None], offset[..., None]
        place = (knots - offset.detach()) / slope.detach()
        inside = (place > start.detach()) & (place < end.detach())
        cuts.append(torch.where(inside, (knots - offset.where(inside, 0.0)) / slope.where(inside, 1.0), start))
        before.append((place <= start.detach()).sum(-1, keepdim=True))
    points, order = torch.cat(cuts, -1).sort(-1)
    left, right = points[..., :-1], points[..., 1:]
    middle, half = left / 2 + right / 2, right / 2 - left / 2
    nodes = (middle - half / math.sqrt(3), middle + half / math.sqrt(3))
    integrand = [torch.ones_like(left) for _ in nodes]
    moved = torch.cat(cuts, -1).detach() > start.detach()  # a cut at the start is no knot inside
    for k, (slope, offset) in enumerate(lines):
        first = 2 + k * len(KNOTS)
        own = (order >= first) & (order < first + len(KNOTS)) & moved.gather(-1, order)
        passed = before[k] + own.cumsum(-1)[..., :-1]
        slope, offset = slope[..., None], offset[..., None]
        still = (knots < offset.detach()).sum(-1, keepdim=True)
        piece = torch.where(slope > 0, passed, torch.where(slope < 0, len(KNOTS) - passed, still))
        integrand = [f * _on_piece(piece, slope * node + offset) for f, node in zip(integrand, nodes, strict=True)]
    integrand = integrand[0] + integrand[1]
    return (half * integrand).sum(-1) / size


def _on_piece(piece: Tensor, u: Tensor) -> Tensor:
    """psi's line number ``piece`` at u: 0 is the zero before the first knot, the last one the zero behind them all."""
    steps = list(accumulate(WEIGHTS, initial=Fraction(0)))
    anchors = [KNOTS[0], *KNOTS[: len(KNOTS) - 2], KNOTS[-1], KNOTS[-1]]  # zero at both ends of the support, exactly
    values = [VALUES[KNOTS.index(knot)] for knot in anchors]
    slope, anchor, value = (
        torch.tensor([float(v) for v in t], dtype=u.dtype, device=u.device)[piece] for t in (steps, anchors, values)
    )
    return value + slope * (u - anchor)


def _inside_support(a: Tensor, s: Tensor, x: float) -> Tensor:
    """Where the end ``x`` of the interval lies in ``u = a x - s``, or the end of the support [0, 3] that is nearer."""
    u = a * x - s if math.isfinite(x) else a.detach().sign() * x
    return torch.where(u > 0, torch.where(u < 3, u, 3.0), 0.0)


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
    try:
        value = sympy.sympify(value, strict=True)
    except sympy.SympifyError:
        raise TypeError(f"{name} must be a real number; got {shown(value)}.") from None
    if not (getattr(value, "is_number", False) and value.is_extended_real):
        raise TypeError(f"{name} must be a real number; got {value}. Substitute numbers for the symbols first.")
    if not value.is_finite:
        raise ValueError(f"{name} must be finite; got {value}.")
    return value


def _is_rational_end(value: Any) -> bool:
    return is_rational(value) or (isinstance(value, float) and math.isinf(value))


def _is_infinite(value: Any) -> bool:
    return bool(getattr(value, "is_infinite", False)) or (isinstance(value, float) and math.isinf(value))


def _check_interval(low: Any, high: Any, *, unbounded_ok: bool) -> None:
    if low > high:
        raise ValueError(f"low must not exceed high; got [{low}, {high}].")
    if (_is_infinite(low) or _is_infinite(high)) and not unbounded_ok:
        raise ValueError("both scales are zero: two constants have no inner product on an unbounded interval.")
