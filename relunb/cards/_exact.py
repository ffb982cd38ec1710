"""What is proved of an activation whose form is known: a linear spline, a sine or a Gaussian."""

import math

import torch
from torch import Tensor

from ..ops import LinearSpline
from ..spectrum import activation_harmonics
from ..wavelet import relu_condition_number, shift_condition_number
from ._finding import SHIFTS, Finding, brief, dead_fraction, level, without_shifts
from ._subject import REACH, Subject

_CELLS = 4096  # of the amplitudes from 0 to 4
_MOST = 2**23  # numbers at once


def proved(subject: Subject) -> dict[str, Finding]:
    """All findings but the cost."""
    form = subject.form
    assert form is not None
    lines = activation_harmonics(form, torch.tensor(1.0, dtype=torch.float64))
    found = {"lines": Finding(tuple(0.0 if abs(line) < 1e-15 else line for line in lines.tolist()), "proved")}
    if isinstance(form, LinearSpline):
        return found | _of_spline(form, subject)
    bends = {
        "homogeneous": Finding(False, "proved"),
        "continuous_slope": Finding(True, "proved"),
        "second_derivative": Finding(True, "proved"),
        "dead_fraction": Finding(0.0, "proved"),
    }
    return found | bends | (_of_sine(subject) if form == "siren" else _of_gaussian())


def _of_sine(subject: Subject) -> dict[str, Finding]:
    return {
        "decay": Finding("abrupt past n = a", "proved", "Bessel functions"),
        "decay_exponent": Finding(None, "", "faster than any power"),
        "level_turn": Finding(0.0, "proved", level(0.0)),
        "condition_number": without_shifts(subject, "not square integrable"),
        "slope_variation": Finding(math.inf, "proved", "2 for every half period"),
    }


def _of_gaussian() -> dict[str, Finding]:
    return {
        "decay": Finding("faster than geometric", "proved", "modified Bessel functions"),
        "decay_exponent": Finding(None, "", "faster than any power"),
        "level_turn": Finding(None, "proved", level(None)),
        "condition_number": Finding(shift_condition_number("gauss", 1.0), "proved"),
        "slope_variation": Finding(4 * math.sqrt(2 / math.e), "proved"),
    }


def _of_spline(spline: LinearSpline, subject: Subject) -> dict[str, Finding]:
    knots, jumps = _kinks(spline)
    plain = not len(knots)
    reached = (knots.abs() < 1).any().item()
    if reached:
        decay = Finding("like n^-2", "proved"), Finding(2.0, "proved")
    else:
        why = "a unit tone reaches no kink" if not plain else "no kink"
        decay = Finding("ends after line 1", "proved", why), Finding(None, "", why)
    turn, how = _turn(knots.abs(), jumps)
    return {
        "decay": decay[0],
        "decay_exponent": decay[1],
        "level_turn": Finding(turn, how, level(turn)),
        "condition_number": _conditioning(spline, subject),
        "dead_fraction": Finding(dead_fraction(_flat(spline)), "proved"),
        "slope_variation": Finding(jumps.abs().sum().item(), "proved"),
        "homogeneous": Finding(bool((knots == 0).all()) and spline.value.item() == 0, "proved"),
        "continuous_slope": Finding(plain, "proved"),
        "second_derivative": Finding(False, "proved"),
    }


def _kinks(spline: LinearSpline) -> tuple[Tensor, Tensor]:
    """The knots where the slope does change, in order and once each, and the jumps there."""
    return _summed(spline.knots, spline.jumps)


def _summed(places: Tensor, jumps: Tensor) -> tuple[Tensor, Tensor]:
    """Jumps at one place added up; places without one are left out."""
    places, which = places.unique(return_inverse=True)
    total = torch.zeros_like(places).index_add_(0, which, jumps)
    size = torch.zeros_like(places).index_add_(0, which, jumps.abs())
    kept = total.abs() > 64 * torch.finfo(total.dtype).eps * size
    return places[kept], total[kept]


def _flat(spline: LinearSpline) -> list[tuple[float, float]]:
    """Where the spline is constant; neighbours that are both flat are one interval."""
    start, _, rise = spline.pieces.T.tolist()
    limit = 64 * torch.finfo(spline.knots.dtype).eps * max(map(abs, rise))
    ends = [-math.inf, *start[1:]], [*start[1:], math.inf]
    flat: list[tuple[float, float]] = []
    for low, high, slope in zip(*ends, rise, strict=True):
        if abs(slope) <= limit:
            flat.append((flat.pop()[0], high) if flat and flat[-1][1] == low else (low, high))
    return flat


def _conditioning(spline: LinearSpline, subject: Subject) -> Finding:
    try:
        return Finding(shift_condition_number(spline, 1.0), "proved")
    except ValueError as error:
        if "compact support" not in str(error):
            return Finding(None, "", "more than 400 shifts overlap")
    if [*spline.knots.tolist(), *spline.jumps.tolist(), spline.slope.item(), spline.value.item()] == [0, 1, 0, 0]:
        kappa = brief(relu_condition_number(SHIFTS))
        return Finding(None, "", f"not square integrable; {SHIFTS} on [-1, 1]: {kappa}, growing like K^4")
    return without_shifts(subject, "not square integrable")


def _turn(sizes: Tensor, jumps: Tensor) -> tuple[float | None, str]:
    """Where the DC of a cos t first stops to be strictly monotone in a, up to a = 4, and how we know.

    Its derivative is ``(1/pi) sum_k j_k sqrt(1 - (b_k/a)^2)`` over the knots with ``|b_k| < a``. Each root grows
    with a, so its values at the ends of a small interval of amplitudes enclose the sum: no sign is missed.
    """
    sizes, jumps = _summed(sizes, jumps)
    sizes, jumps = sizes[sizes < REACH], jumps[sizes < REACH]
    if not len(sizes) or sizes[0] > 0:
        return 0.0, "proved"
    sign = jumps[0].sign()
    cells = max(64, min(_CELLS, _MOST // len(sizes)))
    a = torch.arange(cells + 1, dtype=torch.float64) * (REACH / cells)
    roots = _roots(a, sizes)
    roots[0, 0] = 1.0  # just above a = 0
    rises, falls = roots @ (sign * jumps).clamp(min=0), roots @ (sign * jumps).clamp(max=0)
    rounding = 1e-12 * jumps.abs().sum()
    turned = rises[1:] + falls[1:] < -rounding
    if not turned.any():
        enclosed = rises[:-1] + falls[1:] > rounding
        return None, "proved" if enclosed.all() else "measured"
    first = int(turned.nonzero()[0])
    low, high = a[first].item(), a[first + 1].item()
    for _ in range(60):
        middle = (low + high) / 2
        there = _roots(torch.tensor([middle], dtype=torch.float64), sizes) @ (sign * jumps)
        low, high = (middle, high) if there.item() > 0 else (low, middle)
    return high, "proved"


def _roots(a: Tensor, sizes: Tensor) -> Tensor:
    """``sqrt(1 - (b/a)^2)``, zero where the tone does not reach the knot; a row an amplitude."""
    a = a.unsqueeze(-1)
    return torch.where(a > sizes, (a - sizes).clamp(min=0).sqrt() * (a + sizes).sqrt() / a, 0.0)
