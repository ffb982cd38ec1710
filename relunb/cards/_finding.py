"""One thing that is known of an activation, and what is common to the two ways to find it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ._subject import Subject

SHIFTS = 16  # of a Gram matrix on [-1, 1]


class Finding(NamedTuple):
    """``how`` is "proved" or "measured", or "" where ``value`` is None and ``note`` says why."""

    value: Any
    how: str
    note: str = ""


def dead_fraction(flat: Iterable[tuple[float, float]]) -> float:
    """How likely ``[b - |w|, b + |w|]`` lies in one of the intervals, w and b drawn evenly from [-1, 1].

    With r = |w| the bias has a length ``min(q - r, 1) - max(p + r, -1)`` to choose from: straight between few places.
    """
    total = 0.0
    for p, q in flat:
        places = sorted({0.0, 1.0, *(r for r in (q - 1, -1 - p) if 0 < r < 1)})
        lengths = [min(q - r, 1.0) - max(p + r, -1.0) for r in places]
        for step, left, right in zip(
            (high - low for low, high in zip(places, places[1:], strict=False)), lengths, lengths[1:], strict=False
        ):
            low, high = min(left, right), max(left, right)
            if low >= 0:
                total += step * (low + high) / 2
            elif high > 0:
                total += step * high / 2 * high / (high - low)
    return total / 2


def gram_eigenvalues(subject: Subject) -> Tensor:
    """Of the Gram matrix of 16 evenly spaced shifts on [-1, 1], from the largest, which is 1; by the midpoint rule."""
    x = torch.linspace(-1, 1, 2**13 + 1, dtype=torch.float64, device="cpu")
    x = (x[1:] + x[:-1]) / 2
    features = subject.values(x[:, None] - torch.arange(SHIFTS, device="cpu") * (2 / SHIFTS) + 1)
    values = torch.linalg.svdvals(features).square()
    return values / values[0].clamp(min=torch.finfo(torch.float64).tiny)


def without_shifts(subject: Subject, why: str) -> Finding:
    """The condition number where the shifts have no Gram matrix on the line: what is true on [-1, 1] instead."""
    last = gram_eigenvalues(subject)[-1].item()
    return Finding(None, "", f"{why}; {SHIFTS} on [-1, 1]: " + (brief(1 / last) if last > 1e-13 else "above 1e13"))


def level(turn: float | None) -> str:
    """The sentence about a DC that turns first at this amplitude."""
    if turn is None:
        return "strictly monotone for 0 < a ≤ 4"
    return f"turns at a = {turn:.6g}" if turn else "constant from a = 0 on"


def brief(value: float) -> str:
    """Two digits, as 2.8e5."""
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits}e{int(power)}" if abs(int(power)) > 2 else f"{value:.2g}"
