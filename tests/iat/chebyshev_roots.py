"""Roots of a state function by Chebyshev coefficients and halves of panels: another way to what the package finds.

Every cell of the input basis is cut into panels on which z is a polynomial of low degree to the last digit (or is one:
then a cell is a panel). On a panel, with z = sum_k c_k T_k(u), the Chebyshev coefficients decide what to do:

* |c_0| > sum of the other |c_k|: z has no root here.
* |c_1| > sum_(k >= 2) k^2 |c_k|: z is monotone, since |T_k'| <= k^2. It has a root if its ends differ in sign.
* Otherwise, seldom: halve the panel, and look at both halves.

The sign of an interval is taken inside it, so an edge too many does no harm. No edge is lost: every end of a panel
where z is zero to rounding is one too. A double root, which z only touches, bounds nothing.

This shares the bases' values with the package, and nothing of how the package finds roots.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from relunb._scaling import power_of_two
from relunb.iat._basis import Basis

_TRIG_DEGREE = 13  # of a panel with a quarter wave of the highest harmonic: |J_14(pi/4)| = 2e-17
_EPS = 2.0**-52
_HELD = 1 << 21  # Chebyshev coefficients of states that are held at a time: 16 MiB
_HALVINGS = 30  # of [-1, 1]: two roots closer than the square root of the rounding are one double root


class Roots(NamedTuple):
    """Where z may change its sign, in order, and where it is positive."""

    edges: Tensor  # (rows, intervals + 1), from -1 to 1, float64; repeated where a row has fewer
    active: Tensor  # (rows, intervals), bool: z > 0 between edge k and edge k + 1
    moving: Tensor  # (rows, intervals + 1), bool: this edge bounds the positive part, and is a root that moves with x


class _Panels(NamedTuple):
    ends: Tensor  # (panels + 1,)
    breaks: Tensor  # (cells + 1,): which of them are breakpoints
    coefficients: Tensor  # (size, panels, degree + 1): of each p_i on each panel, in Chebyshev polynomials, in its unit
    bounds: Tensor  # (size, panels): of |p_i| there, likewise
    units: Tensor  # (size,): powers of two, at most 1: the sizes of the functions


def _panels(basis: Basis, device: torch.device) -> _Panels:
    degree = max(basis.degree, _TRIG_DEGREE if basis.harmonics else 0)
    ends = basis.breakpoints
    parts = torch.ones(len(ends) - 1, dtype=torch.long)
    if basis.harmonics:  # a quarter of a wave of the highest harmonic, at most
        parts = (ends.diff() * basis.harmonics * 2).ceil().clamp_min(1).long()
        starts = ends.tolist()
        pieces = [
            np.linspace(a, b, n, endpoint=False) for a, b, n in zip(starts, starts[1:], parts.tolist(), strict=False)
        ]
        ends = torch.from_numpy(np.concatenate([*pieces, starts[-1:]]))
    if degree <= 1:  # from the values at the ends, without a rounding
        left, right = basis(ends[:-1]), basis.left_limit(ends[1:])
        coefficients = torch.stack([(left + right) / 2, (right - left) / 2][: degree + 1]).permute(2, 1, 0)
    else:
        angles = math.pi * (torch.arange(degree + 1, dtype=torch.float64) + 0.5) / (degree + 1)
        nodes = (ends[:-1, None] + ends[1:, None]) / 2 + ends.diff()[:, None] / 2 * angles.cos()
        transform = torch.cos(torch.arange(degree + 1, dtype=torch.float64)[:, None] * angles) * (2 / (degree + 1))
        transform[0] /= 2
        coefficients = torch.einsum("kn,cni->ick", transform, basis(nodes))
    units = power_of_two(coefficients.flatten(1), 1)
    coefficients = coefficients / units[..., None]
    units = (units / units.max()).squeeze(1)
    coefficients[coefficients.abs() < 4e-16 * coefficients.abs().amax(-1, keepdim=True)] = 0
    breaks = torch.cat([parts.new_zeros(1), parts.cumsum(0)])
    return _Panels(*(t.to(device) for t in (ends, breaks, coefficients, coefficients.abs().sum(-1), units)))


@torch.no_grad()
def roots(x: Tensor, basis: Basis) -> Roots:
    """Edges of the sign pattern of z for x (rows, size), float64, finite. In blocks of rows."""
    panels = _panels(basis, x.device)
    rows = max(1, _HELD // panels.coefficients[0].numel())
    blocks = [_signs(block, panels) for block in x.split(rows)]
    most = max(block.edges.shape[1] for block in blocks)
    edges, active, moving = (torch.cat(parts) for parts in zip(*(_filled(b, most) for b in blocks), strict=True))
    return Roots(edges, active, moving)


def _signs(x: Tensor, panels: _Panels) -> Roots:
    x = x / power_of_two(x, 1) * panels.units
    x = x / power_of_two(x, 1)
    c = torch.einsum("bi,ick->bck", x, panels.coefficients)
    # A bound of what z is rounded by: its sum, and the angles of its harmonics.
    noise = (x.abs() @ panels.bounds) * (_EPS * 8 * (len(panels.units) + 4))
    edges, closing, opening = _edges(c, noise, panels)
    active = across_gaps(_inside(c, noise / 16, edges, panels), edges.diff(dim=1) > 0)
    return _shortened(edges, active, closing, opening)


def _shortened(edges: Tensor, active: Tensor, closing: Tensor, opening: Tensor) -> Roots:
    """Without the edges that bound nothing: -1 and 1 stay."""
    left, right = pad(active, (1, 0)), pad(active, (0, 1))
    moving = (left & ~right & closing) | (~left & right & opening)
    kept = left ^ right
    kept[:, 0] = True
    kept[:, 1:] |= (edges[:, 1:] == 1) & (edges[:, :-1] < 1)
    counts = kept.sum(1, keepdim=True)
    most = int(counts.max()) if len(kept) else 2
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)[:, :most]
    beyond = torch.arange(most, device=edges.device) >= counts
    right, moving = (of.gather(1, order) & ~beyond for of in (right, moving))
    return Roots(torch.where(beyond, 1.0, edges.gather(1, order)), right[:, :-1], moving)


def across_gaps(active: Tensor, sure: Tensor) -> Tensor:
    """An interval that is not sure, as an empty one, is active where both its neighbours are."""
    before, after = _neighbours(sure)
    padded = pad(active, (1, 1))
    return padded.gather(-1, before + 1) & padded.gather(-1, after + 1)


def _neighbours(sure: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest interval that is sure, itself or before, and itself or after: -1, and their number, for none."""
    places = torch.arange(sure.shape[-1], device=sure.device)
    before = torch.where(sure, places, -1).cummax(-1).values
    return before, torch.where(sure, places, len(places)).flip(-1).cummin(-1).values.flip(-1)


def _filled(block: Roots, most: int) -> Roots:
    """With as many empty intervals at the end as make ``most`` edges."""
    missing = most - block.edges.shape[1]
    return Roots(
        pad(block.edges, (0, missing), value=1.0), pad(block.active, (0, missing)), pad(block.moving, (0, missing))
    )


def _edges(c: Tensor, noise: Tensor, panels: _Panels) -> tuple[Tensor, Tensor, Tensor]:
    """Breakpoints, roots, and ends of panels that may be roots, sorted; and which ones can move.

    A breakpoint cannot where z jumps, or is flat on the positive side: on the left, or on the right.
    """
    rows = len(c)
    number, u = crossings(c.flatten(0, 1), noise.flatten())
    row, panel = number // c.shape[1], number % c.shape[1]
    a, b = panels.ends[panel], panels.ends[panel + 1]
    s = torch.where(u == 1, b, torch.where(u == -1, a, ((a + b) / 2 + (b - a) / 2 * u).clamp(a, b)))
    breaks = panels.ends[panels.breaks]
    new = ~torch.isin(s, breaks)
    row, s = row[new], s[new]
    # One line for each row, filled up beyond s = 1.
    counts = torch.bincount(row, minlength=rows)
    order = row.argsort(stable=True)
    place = torch.arange(len(row), device=c.device) - (counts.cumsum(0) - counts)[row[order]]
    table = c.new_full((rows, int(counts.max()) if rows else 0), 2.0)
    table[row[order], place] = s[order]
    edges, order = torch.cat([table, breaks.expand(rows, -1)], 1).sort(dim=1)
    # Outside [-1, 1] z is zero.
    first, last = panels.breaks[:-1], panels.breaks[1:] - 1
    at_left, at_right = end_values(c)
    after, before = pad(at_left[:, first], (0, 1)), pad(at_right[:, last], (1, 0))
    jumps = (after - before).abs() > pad(noise[:, first], (0, 1)) + pad(noise[:, last], (1, 0))
    powers = torch.arange(c.shape[-1], dtype=c.dtype, device=c.device) ** 2
    flat_right, flat_left = (slope.abs() <= noise * powers[-1] for slope in end_values(c * powers))
    cannot = jumps | pad(flat_left[:, last], (1, 0)), jumps | pad(flat_right[:, first], (0, 1))
    closing, opening = (~torch.cat([torch.zeros_like(table), held], 1).gather(1, order).bool() for held in cannot)
    return edges.clamp(max=1), closing, opening


def _inside(c: Tensor, noise: Tensor, edges: Tensor, panels: _Panels) -> Tensor:
    """Whether z is positive on each interval between edges.

    One so short that z is rounding there is as both its neighbours in its cell are, or as the only one: so a double
    root, which rounding parts into two, bounds nothing, at the end of a cell neither.
    """
    panel = torch.searchsorted(panels.ends[1:-1].contiguous(), (edges[:, 1:] + edges[:, :-1]) / 2, right=True)
    a, b = panels.ends[panel], panels.ends[panel + 1]
    start, stop = torch.maximum(edges[:, :-1], a), torch.minimum(edges[:, 1:], b)
    row = torch.arange(len(c), device=c.device)[:, None]
    picked = c[row, panel]
    # The sum of three values: at one place z may just touch zero, and show the sign of its rounding.
    total = torch.zeros_like(start)
    for part in (0.23, 0.5, 0.81):
        total += chebyshev(picked, ((start - a) + part * (stop - start)) / (b - a) * 2 - 1)
    sure = (total.abs() > 3 * noise[row, panel]) | (stop - start > (b - a) / 1024)
    before, after = _neighbours(sure & (edges[:, 1:] > edges[:, :-1]))
    cell = pad(torch.searchsorted(panels.breaks, panel, right=True), (1, 1), value=-1)
    own = cell[:, 1:-1]
    left, right = (torch.where(cell.gather(1, at + 1) == own, at, -1) for at in (before, after))
    left, right = torch.where(left < 0, right, left), torch.where(right < 0, left, right)
    positive = pad(total > 0, (1, 0))
    return positive.gather(1, left + 1) & positive.gather(1, right + 1)


def crossings(c: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Number n and place u of every sign change of sum_k c[n, k] T_k(u) on [-1, 1], and of what may be one.

    That is -1 or 1 where the value is noise, at most noise[n], and an end of a halved part with a simple root there.
    """
    degree = c.shape[1] - 1
    whole, number, low = c, torch.arange(len(c), device=c.device), -torch.ones_like(c[:, 0])
    numbers, places = [number[:0]], [low[:0]]
    squares = torch.arange(degree + 1, dtype=c.dtype, device=c.device)[2:] ** 2
    halves = [half.to(c) for half in _halves(degree)]
    for turn in range(_HALVINGS if degree else 0):
        high = low + 2.0 ** (1 - turn)
        size = c.abs()
        left, right = end_values(c)
        monotone = size[:, 1] > size[:, 2:] @ squares
        some = size.amax(1) > 0
        if turn:  # what is noise beside -1 or 1 is a root there
            some &= (size.sum(1) > noise[number]) | ((low > -1) & (high < 1))
        for value, place in ((left, low), (right, high)):
            zero = some & (value.abs() <= noise[number])
            if turn:
                zero &= monotone & (value.abs() * 1024 < size[:, 1])
            numbers.append(number[zero])
            places.append(place[zero])
        several = some & ~monotone & (size[:, 0] <= size[:, 1:].sum(1))
        last = several & (turn == _HALVINGS - 1)
        single = some & (monotone | last) & (left.sign() * right.sign() < 0)
        numbers.append(number[single])
        places.append(_refined(whole[number[single]], low[single], high[single], left[single] > 0))
        if not several.any():
            break
        c, number, low = c[several], number[several], low[several]
        low = torch.cat([low, low + 2.0**-turn])
        c, number = torch.cat([c @ half for half in halves]), number.repeat(2)
    return torch.cat(numbers), torch.cat(places)


def end_values(c: Tensor) -> tuple[Tensor, Tensor]:
    """The values at u = -1 and u = 1."""
    even, odd = c[..., ::2].sum(-1), c[..., 1::2].sum(-1)
    return even - odd, even + odd


def _halves(degree: int) -> tuple[Tensor, Tensor]:
    """Maps of the coefficients on [-1, 1] to those on its left and on its right half: (degree + 1, degree + 1) each."""
    angles = math.pi * (np.arange(degree + 1) + 0.5) / (degree + 1)
    to_values = np.polynomial.chebyshev.chebvander(np.cos(angles), degree)
    halves = [np.polynomial.chebyshev.chebvander((np.cos(angles) + side) / 2, degree) for side in (-1, 1)]
    return tuple(torch.from_numpy(np.linalg.solve(to_values, half).T.copy()) for half in halves)  # pyright: ignore[reportReturnType]


def chebyshev(c: Tensor, u: Tensor) -> Tensor:
    """sum_k c[..., k] T_k(u) by Clenshaw's recurrence; c (..., degree + 1) and u broadcast."""
    b1 = b2 = torch.zeros_like(u)
    for k in range(c.shape[-1] - 1, 0, -1):
        b1, b2 = torch.addcmul(c[..., k] - b2, u, b1, value=2), b1
    return c[..., 0] + u * b1 - b2


def _refined(c: Tensor, low: Tensor, high: Tensor, falling: Tensor) -> Tensor:
    """The root between low and high, where z changes its sign once."""
    slopes = torch.from_numpy(np.polynomial.chebyshev.chebder(np.eye(c.shape[-1]), axis=0).copy()).to(c)
    derivative = c @ slopes.T
    rounding = 4e-16 * c.abs().sum(-1)
    return bracketed_root(
        lambda u: (chebyshev(c, u), chebyshev(derivative, u)), (low + high) / 2, low, high, falling, rounding
    )


def bracketed_root(
    value_and_slope: Callable[[Tensor], tuple[Tensor, Tensor]],
    u: Tensor,
    low: Tensor,
    high: Tensor,
    falling: Tensor,
    rounding: Tensor,
) -> Tensor:
    """Roots between signs that differ, from u on: Newton's steps, or halves where they leave the bracket."""
    for turn in range(100):
        value, slope = value_and_slope(u)
        below = (value > 0) == falling  # the root lies above u
        low, high = torch.where(below, u, low), torch.where(below, high, u)
        step = u - value / slope
        inside = (step > low) & (step < high)
        if turn % 3 == 2:  # steps that crawl along one side
            inside &= high - low < 1e-3
        new = torch.where(inside, step, (low + high) / 2)
        # A panel is at most half as long as [-1, 1], so this is the last digit of s.
        noise = value.abs() <= rounding
        done = ((new - u).abs() <= 4e-16) | noise
        u = torch.where(noise, u, new)
        if bool(done.all()):
            break
    return u
