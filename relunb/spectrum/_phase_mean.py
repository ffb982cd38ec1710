"""The integral behind every line of ReLU of tones with independent phases, to 1e-12, without oscillation.

The mean of ``|b + sum a_i cos t_i|`` over independent phases, and each of its Fourier lines, is an integral of a
product of Bessel functions over ``u^2``. On the real axis it oscillates, and when some ``+-a_1 +- a_2 ...`` is nearly
zero it hardly decays. So we leave the real axis. Each J is half a sum of two Hankel functions, one that dies away
upwards in the complex plane and one downwards. Multiplied out, n tones give 2^n terms, and each has a direction in
which it dies away like ``exp(-|s| t)``, ``s`` its ``+-a_1 +- a_2 ...``: on the imaginary axis nothing oscillates, and
nothing is special about a small ``s``. Near zero, where Hankel functions are singular, the path is a quarter circle.

Small tones need not be multiplied out when the large ones outweigh them, and many tones of a similar size need none of
this: there the product dies away at once on the real axis, and a sum over few points is exact.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._tables import kept_table
from ._factors import BesselFactor, BiasFactor, Factor, Parts, exp

RADIUS = 1.5  # of the quarter circle, in units of one over the scale below
_ARC = 14  # points on it
PANELS = (0.0, 1.5, 3.2, 6.0, 11.0, 22.0)  # in log t, Gauss-Legendre on each
_PANEL = 9  # points on a panel; 7 would leave errors of 1e-6 in a derivative
HIGHEST_ROTATED = 20  # order: the power series near zero, and the recurrence of I, have their digits up to here
_MOST_SPLIT = 8  # tones that are multiplied out, at most: 2^8 terms
_FEW = 4  # up to so many tones the terms are cheaper than any sum
_LONG = 512  # points of a sum that is longer than the terms would take
_LONGEST = 1 << 19  # enough for a derivative of the DC; lines, which are summed at high orders, make do with a quarter


@functools.cache
def _gauss(edges: tuple[float, ...], points: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(points)
    left, right = np.array(edges[:-1])[:, None], np.array(edges[1:])[:, None]
    return ((left + right + (right - left) * nodes) / 2).ravel(), ((right - left) * weights / 2).ravel()


def phase_mean_integral(amplitudes: Tensor, orders: Sequence[int], bias: Tensor | None) -> Tensor:
    """The integral over u > 0 of ``(c - w(b u) prod_i J_{k_i}(a_i u)) / u^2``.

    ``w`` is cos where the orders have an even sum, else sin; ``c`` is 1 where all orders are zero, else 0. Orders whose
    sum is odd, with no bias, and an order sum of 1 without one, have no such integral: the caller keeps them away.

    Args:
        amplitudes: (rows, tones), float64, non-negative, each row with a positive entry.
        orders: the k_i, non-negative.
        bias: (rows,), float64, non-negative and less than the sum of the row; None where all are zero.

    Returns:
        float64 (rows,).
    """
    weights = amplitudes if bias is None else torch.cat([amplitudes, bias.unsqueeze(-1)], -1)
    block = portion(amplitudes.device, amplitudes.shape[-1])
    if len(amplitudes) > block:
        biases = [None] * -(-len(amplitudes) // block) if bias is None else bias.split(block)
        pairs = zip(amplitudes.split(block), biases, strict=True)
        return torch.cat([phase_mean_integral(rows, orders, b) for rows, b in pairs])

    scale = scale_of(weights)
    weights = weights / scale
    factors: list[Factor] = [BesselFactor(order) for order in orders]
    if bias is not None:
        factors.append(BiasFactor(odd=sum(orders) % 2 == 1))
    split, rotate, points = routes(weights.detach(), factors)

    total = torch.zeros_like(weights[:, 0])
    terms = 2 ** min(weights.shape[-1], _MOST_SPLIT) * _PANEL * (len(PANELS) - 1)
    for rows in portions(rotate.nonzero()[:, 0], terms):
        total = total.index_put((rows,), _rotated(weights[rows], split[rows], factors))
    for length in map(int, points[~rotate].unique()):  # tolist fails inside torch.func.hessian on 2.6
        for rows in portions((~rotate & (points == length)).nonzero()[:, 0], length * weights.shape[-1]):
            total = total.index_put((rows,), _sampled(weights[rows], factors, length))
    return total * scale[:, 0]


def scale_of(weights: Tensor) -> Tensor:
    """The unit of each row, (rows, 1): in it no tone leaves the power series on the quarter circle, all grow little."""
    weights = weights.detach()
    return weights.amax(-1, keepdim=True).maximum(weights.sum(-1, keepdim=True) / 3)


def routes(weights: Tensor, factors: list[Factor]) -> tuple[Tensor, Tensor, Tensor]:
    """Which tones of a row to multiply out, whether its path leaves the real axis, and the points of a sum if not."""
    split, rotate = _tones_to_split(weights)
    orders = [factor.order for factor in factors]
    rotate &= max(orders) <= HIGHEST_ROTATED
    # Near zero a Hankel function of order k is as large as 1/a^k, and digits are lost when such parts cancel.
    for i, k in enumerate(orders):
        if k > 0:
            rotate &= ~split[:, i] | (k * math.log(2 / RADIUS) + math.lgamma(k) < 7 + k * weights[:, i].log())
    few = len(factors) <= _FEW
    points = torch.zeros_like(rotate, dtype=torch.int64)
    if not few or not rotate.all():
        points = _points_on_real_axis(weights, factors)
    return split, rotate & (few | (points > _LONG)), points


def portions(rows: Tensor, numbers: int) -> Iterator[Tensor]:
    """Rows of so many numbers each, in portions of a good size."""
    return iter(rows.split(portion(rows.device, numbers))) if len(rows) else iter(())


def portion(device: torch.device, numbers: int) -> int:
    """How many rows of so many numbers to work on at once.

    On a CPU all numbers of a step stay in its cache, and are so few that torch wakes no second thread: hundreds of
    short steps would wait for it longer than it helps, and on a busy machine for ever. A GPU takes all it can hold.
    """
    return max(32_768 // numbers, 4) if device.type == "cpu" else max((1 << 24) // numbers, 1)


def _tones_to_split(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Which tones to multiply out, and whether that can be done: the largest few that outweigh all others.

    In every one of their terms ``|+-a_1 +- a_2 ...|`` must be at least the sum of the tones left whole: those grow on
    the imaginary axis as fast as their sum.
    """
    tones = weights.shape[-1]
    ordered, order = weights.sort(-1, descending=True)
    rest = ordered.sum(-1, keepdim=True) - ordered.cumsum(-1)
    rest = torch.where(ordered.flip(-1).cumsum(-1).flip(-1) - ordered > 0, rest, 0).clamp_min(0)
    most = min(tones, _MOST_SPLIT)
    number = torch.full_like(order[:, 0], tones + 1)
    for m in range(most, 0, -1):
        least = (ordered[:, :m] @ _signs(m).to(weights).T).abs().amin(-1)
        number = torch.where(least >= rest[:, m - 1], m, number)
    rank = order.argsort(-1)
    return rank < number.unsqueeze(-1), number <= most


@kept_table(64)
def _signs(n: int) -> Tensor:
    """All 2^n rows of n signs; the first tone's sign changes with every row."""
    rows = np.arange(2**n)[:, None] >> np.arange(n)
    return torch.from_numpy(1.0 - 2.0 * (rows & 1))


class Terms(NamedTuple):
    """What is left of the terms of the product, 2^tones in a row, once the parts of each tone are known."""

    chosen: Tensor | None  # the tones that may be multiplied out, where those are not all
    split: Tensor  # which of those are multiplied out
    excess: Tensor  # a term dies away like exp(-excess t) on the imaginary axis
    on_axis: Tensor  # its weight there
    on_arc: Tensor  # and on the quarter circle

    def of_rows(self, rows: Tensor) -> "Terms":
        chosen, *others = self
        return Terms(chosen if chosen is None else chosen[rows], *(each[rows] for each in others))


def terms_of(weights: Tensor, split: Tensor, is_bias: Tensor) -> Terms:
    """The terms of each row of weights; ``is_bias`` (tones,) tells waves from tones."""
    chosen, candidates, chosen_split = None, weights, split
    if weights.shape[-1] > _MOST_SPLIT:  # only so many can be; of equal ones those of ``split``
        chosen = split.double().topk(_MOST_SPLIT).indices
        candidates, chosen_split = weights.gather(1, chosen), split.gather(1, chosen)
    signs = _signs(candidates.shape[-1]).to(weights.device)
    # +-a_1 +- a_2 ... of every term
    net = (torch.where(chosen_split, candidates, 0.0).unsqueeze(1) * signs).sum(-1)
    # A silent tone has no growth to take out. A bias has, by its derivative, even where it is zero.
    heard = torch.where((weights.detach() > 0) | is_bias, weights, 0.0)
    rest = heard.sum(-1, keepdim=True) - torch.where(chosen_split, candidates, 0.0).sum(-1, keepdim=True)
    # A tone that is left whole goes with its plus sign; the terms with its minus sign do not exist.
    exists = ~((signs < 0) & ~chosen_split.unsqueeze(1)).any(-1)
    upper = (net.detach() > 0).double() + (net.detach() == 0).double() / 2
    # Zero where tones and bias add up to zero, or less by a rounding: its slope counts there, and is 1.
    excess = net - rest
    excess = excess - excess.detach().clamp_max(0)
    return Terms(chosen, chosen_split, excess, upper * exists, (2 * upper - 1) * exists)


def on_quarter_circle(device: torch.device) -> tuple[Tensor, Tensor]:
    """Angles of the points, and what a value there counts, complex128."""
    angle, weight = (torch.from_numpy(v).to(device) for v in _gauss((0.0, math.pi / 2), _ARC))
    return angle, torch.polar(weight / RADIUS, math.pi / 2 - angle)


def on_axis(device: torch.device, panels: tuple[float, ...] = PANELS) -> tuple[Tensor, Tensor]:
    """The points t on the imaginary axis, beyond the quarter circle, and what a value there counts."""
    log_t, weight = (torch.from_numpy(v).to(device) for v in _gauss(panels, _PANEL))
    t = RADIUS * log_t.exp()
    return t, weight / t


def _rotated(weights: Tensor, split: Tensor, factors: list[Factor]) -> Tensor:
    device = weights.device
    is_bias = torch.tensor([isinstance(factor, BiasFactor) for factor in factors], device=device)
    terms = terms_of(weights, split, is_bias)

    angle, turn = on_quarter_circle(device)
    parts = _of_each(factors, weights, split, lambda factor, w, s: factor.near_zero(RADIUS * w, s, angle))
    arc = (_multiplied_out(parts, terms.chosen, terms.split, terms.on_arc.unsqueeze(-1)) * turn).sum(-1).real

    # A Hankel function of high order falls so fast at first that the first panel must be shorter.
    t, weight = on_axis(device, PANELS if sum(f.order for f in factors) <= 2 else (0.0, 0.7, *PANELS[1:]))
    parts = _of_each(factors, weights, split, lambda factor, w, s: factor.on_imaginary_axis(w, s, t))
    decay = exp(-terms.excess.unsqueeze(-1) * t) * terms.on_axis.unsqueeze(-1)
    axis = (_multiplied_out(parts, terms.chosen, terms.split, decay).imag * weight).sum(-1)
    return -arc - 2 * axis


def _of_each(
    factors: list[Factor], weights: Tensor, split: Tensor, part: Callable[[Factor, Tensor, Tensor], Parts]
) -> Parts:
    """``part`` of every factor, (rows, factors, points) each, equal ones at a time, in the factors' order."""
    places: list[int] = []
    found: list[Parts] = []
    for factor, mine in _equal_ones(factors):
        found.append(part(factor, weights[:, mine].unsqueeze(-1), split[:, mine].unsqueeze(-1)))
        places += mine
    all_parts = (torch.cat([parts[i].to(torch.complex128) for parts in found], 1) for i in range(3))
    back = np.argsort(places).tolist()
    return Parts(*(parts[:, back] if len(found) > 1 else parts for parts in all_parts))


def _equal_ones(factors: list[Factor]) -> Iterator[tuple[Factor, list[int]]]:
    """Every factor that differs from those before, and where it stands."""
    for factor in dict.fromkeys(factors):
        yield factor, [i for i, other in enumerate(factors) if other == factor]


def _multiplied_out(parts: Parts, chosen: Tensor | None, split: Tensor, of_terms: Tensor) -> Tensor:
    """The sum of all terms of the product, those of the chosen tones times the others left whole: (rows, points).

    ``of_terms`` (rows, 2^tones, points or 1) weighs them. No term is made: with real weights the sum over the signs of
    half of the tones is made of real numbers, and so is its gradient.
    """
    whole, upper, lower = parts
    others = None
    if chosen is not None:
        left = torch.ones(whole.shape[:2], dtype=torch.bool, device=whole.device).scatter(1, chosen, False)
        others = torch.where(left.unsqueeze(-1), whole, 1.0).prod(1)
        index = chosen.unsqueeze(-1).expand(-1, -1, whole.shape[-1])
        whole, upper, lower = (part.gather(1, index) for part in parts)
    is_split = split.unsqueeze(-1)
    upper, lower = torch.where(is_split, upper, whole), torch.where(is_split, lower, 0.0)
    pairs = torch.stack([upper, lower], 2).unbind(1)  # (rows, 2, points) each
    half = (len(pairs) + 1) // 2
    first, second = (functools.reduce(_outer, some) if some else None for some in (pairs[:half], pairs[half:]))
    assert first is not None
    of_terms = of_terms.unflatten(1, (-1, first.shape[1]))
    made = ((of_terms * part.contiguous().unsqueeze(1)).sum(2) for part in (first.real, first.imag))
    total = torch.complex(*made)
    total = (total if second is None else total * second).sum(1)
    return total if others is None else total * others


def _outer(first: Tensor, second: Tensor) -> Tensor:
    """All products, the factors of the first one in a row."""
    return (second.unsqueeze(2) * first.unsqueeze(1)).flatten(1, 2)


def _points_on_real_axis(weights: Tensor, factors: list[Factor]) -> Tensor:
    """How many points of the real axis are enough: past the last one the product is below 1e-10 at every u."""
    longest = _LONGEST // 4 if any(factor.order for factor in factors) else _LONGEST
    length = torch.full_like(weights[:, 0], longest, dtype=torch.int64)
    total = weights.sum(-1, keepdim=True)
    points = 16
    while points < longest and (length == longest).any():
        x = weights * (2 * points * math.pi / total)
        bound = torch.ones_like(weights[:, 0])
        for factor, mine in _equal_ones(factors):
            bound = bound * factor.square_bound(x[:, mine]).prod(-1)
        length = torch.where((bound < 1e-20) & (length == longest), points, length)
        points *= 2
    return length


def _sampled(weights: Tensor, factors: list[Factor], points: int) -> Tensor:
    """The Fourier series of ``|x|`` on ``|x| <= sum of the weights``, which the signal never leaves, cut where it ends.

    The integral is replaced by a sum over the odd multiples of ``pi / sum``, and that is exact.
    """
    reach = weights.detach().sum(-1, keepdim=True)
    k = torch.arange(1, 2 * points, 2, dtype=weights.dtype, device=weights.device)
    u = k * (math.pi / reach)
    values = [
        factor.on_real_axis(weights[:, mine].unsqueeze(-1) * u.unsqueeze(1)) for factor, mine in _equal_ones(factors)
    ]
    product = _product(torch.cat(values, 1))
    level = not any(factor.order or factor == BiasFactor(odd=True) for factor in factors)
    constant = math.pi / 4 if level else 0
    return reach[:, 0] * (constant - (product / k.square()).sum(-1) * (2 / math.pi))


def _product(values: Tensor) -> Tensor:
    """Along dimension 1, halves by halves: one by one a gradient would take a step of its own for each."""
    while values.shape[1] > 1:
        half = values.shape[1] // 2
        first, second, odd = values.split([half, half, values.shape[1] % 2], 1)
        values = torch.cat([first * second, odd], 1) if odd.shape[1] else first * second
    return values.squeeze(1)
