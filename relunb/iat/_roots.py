"""The roots of a state function z(s) = p(s)^T x, all of them, for a batch of x at once.

Every cell of the input basis is cut into panels on which z is a polynomial of low degree to the last digit (or is one:
then a cell is a panel). On a panel, with z = sum_k c_k T_k(u), the Chebyshev coefficients decide what to do:

* |c_0| > sum of the other |c_k|: z has no root here.
* |c_1| > sum_(k >= 2) k^2 |c_k|: z is monotone, since |T_k'| <= k^2. It has a root if its ends differ in sign.
* Otherwise, seldom: the eigenvalues of the colleague matrix are candidates, and a sign that changes from one candidate
  to the next encloses a root. A double root, which z only touches, bounds nothing and is left out.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._tables import kept_table
from ._basis import Basis

_TRIG_DEGREE = 13  # of a panel with a quarter wave of the highest harmonic: |J_14(pi/4)| = 2e-17


class Roots(NamedTuple):
    """Where z may change its sign, in order, and where it is positive."""

    edges: Tensor  # (rows, intervals + 1), from -1 to 1, float64; repeated where a row has fewer
    active: Tensor  # (rows, intervals), bool: z > 0 between edge k and edge k + 1
    moving: Tensor  # (rows, intervals + 1), bool: this edge is a root that moves with x


class _Panels(NamedTuple):
    ends: Tensor  # (panels + 1,)
    coefficients: Tensor  # (size, panels, degree + 1): of each p_i on each panel, in Chebyshev polynomials
    left: Tensor  # (size, panels): the values at the left end of each panel, and
    right: Tensor  # at the right one; on the border of two panels both are the same number, unless p_i jumps there


@kept_table(64)
def _panels(basis: Basis, device: torch.device) -> _Panels:
    degree = max(basis.degree, _TRIG_DEGREE if basis.harmonics else 0)
    ends = basis.breakpoints
    if basis.harmonics:  # a quarter of a wave of the highest harmonic, at most
        parts = (ends.diff() * basis.harmonics * 2).ceil().clamp_min(1).long().tolist()
        starts = ends.tolist()
        pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(starts, starts[1:], parts, strict=False)]
        ends = torch.from_numpy(np.concatenate([*pieces, starts[-1:]]))
    angles = math.pi * (torch.arange(degree + 1, dtype=torch.float64) + 0.5) / (degree + 1)
    nodes = (ends[:-1, None] + ends[1:, None]) / 2 + ends.diff()[:, None] / 2 * angles.cos()
    transform = torch.cos(torch.arange(degree + 1, dtype=torch.float64)[:, None] * angles) * (2 / (degree + 1))
    transform[0] /= 2
    coefficients = torch.einsum("kn,cni->ick", transform, basis(nodes))
    coefficients[coefficients.abs() < 4e-16] = 0  # a function that is zero on a panel stays exactly zero there
    left, right = basis(ends[:-1]).T, basis.left_limit(ends[1:]).T
    return _Panels(*(t.to(device) for t in (ends, coefficients, left, right)))


@torch.no_grad()
def roots(basis: Basis, x: Tensor) -> Roots:
    """Edges of the sign pattern of z for x (rows, size), float64, finite."""
    panels = _panels(basis, x.device)
    c = torch.einsum("bi,ick->bck", x, panels.coefficients)
    row, panel, u = _roots_on_panels(c, x @ panels.left, x @ panels.right)
    middle, half = (panels.ends[1:] + panels.ends[:-1]) / 2, panels.ends.diff() / 2
    s = (middle[panel] + half[panel] * u).clamp(-1, 1)
    # One line of roots for each row, filled up with s = 1, where an empty interval does no harm.
    counts = torch.bincount(row, minlength=len(x))
    most = int(counts.max()) if len(x) and len(row) else 0
    order = row.argsort(stable=True)
    first = counts.cumsum(0) - counts
    place = torch.arange(len(row), device=x.device) - first[row[order]]
    table = x.new_ones(len(x), most)
    table[row[order], place] = s[order]
    is_root = torch.zeros_like(table, dtype=torch.bool)
    is_root[row[order], place] = True
    breaks = basis.breakpoints.to(x.device)
    edges = torch.cat([breaks.expand(len(x), -1), table], 1)
    edges, order = edges.sort(dim=1, stable=True)
    is_root = torch.cat([is_root.new_zeros(len(x), len(breaks)), is_root], 1).gather(1, order)
    # The sum of three values inside an interval: at one place z may just touch zero, and show the sign of its rounding.
    lengths = edges.diff(dim=1)
    total = torch.zeros_like(lengths)
    for part in (0.23, 0.5, 0.81):
        total += state(basis, edges[:, :-1] + part * lengths, x)
    positive = total > 0
    # An empty interval takes the sign of the last one that is not empty.
    positions = torch.arange(positive.shape[1], device=x.device)
    last = torch.where(lengths > 0, positions, 0).cummax(1).values
    active = positive.gather(1, last)
    changes = torch.nn.functional.pad(active[:, 1:] != active[:, :-1], (1, 1))
    return Roots(edges, active, is_root & changes)


def cell_roots(basis: Basis) -> tuple[Tensor, Tensor, Tensor]:
    """The roots of piecewise polynomials: the number of the function, the cell, and the place t in [0, 1]."""
    panels = _panels(basis, torch.device("cpu"))
    function, cell, u = _roots_on_panels(panels.coefficients, panels.left, panels.right)
    return function, cell, (u + 1) / 2


def state(basis: Basis, s: Tensor, x: Tensor) -> Tensor:
    """z(s) = p(s)^T x for s (..., points) and x (..., size): (..., points)."""
    return (basis(s) * x[..., None, :]).sum(-1)


def _roots_on_panels(c: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Row, panel and place u in [-1, 1] of every root where the sum of c[row, panel, k] T_k(u) changes its sign."""
    size = c.abs()
    degree = c.shape[-1] - 1
    if not degree:
        return _nothing(c)
    possible = size[..., 0] <= size[..., 1:].sum(-1)
    squares = torch.arange(degree + 1, dtype=c.dtype, device=c.device) ** 2
    monotone = size[..., 1] > size[..., 2:] @ squares[2:]
    # A root on the border of two panels belongs to the left one. Signs, since a product of small numbers is zero.
    single = monotone & (left != 0) & (left.sign() != right.sign())
    found = [_enclosed(c, single, left, right)]
    several = possible & ~monotone & (size.amax(-1) > 0)
    if several.any():
        found.append(_candidates(c, several, left, right))
    row, panel, u = (torch.cat(parts) for parts in zip(*found, strict=True))
    return row, panel, u


def _nothing(c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    none = torch.empty(0, dtype=torch.long, device=c.device)
    return none, none, c.new_empty(0)


def _enclosed(c: Tensor, mask: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    row, panel = mask.nonzero(as_tuple=True)
    if not len(row):
        return _nothing(c)
    picked = c[row, panel]
    if c.shape[-1] == 2:
        a, b = left[mask], right[mask]
        return row, panel, (a + b) / (a - b)
    low = -torch.ones_like(picked[:, 0])
    return row, panel, _refined(picked, low, -low, left[row, panel] > 0)


def _candidates(c: Tensor, mask: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    row, panel = mask.nonzero(as_tuple=True)
    picked = c[row, panel]
    inner = _quadratic(picked) if c.shape[-1] == 3 else _colleague(picked)
    ends = torch.ones_like(picked[:, :1])
    grid = torch.cat([-ends, inner.clamp(-1, 1).sort(dim=1).values, ends], 1)
    middles = (grid[:, 1:] + grid[:, :-1]) / 2
    # Signs at the ends themselves and between the candidates: one change encloses one root.
    probes = torch.cat([-ends, middles, ends], 1)
    values = torch.cat([left[mask][:, None], chebyshev(picked[:, None], middles), right[mask][:, None]], 1)
    sign = _carried(values.sign())
    changes = sign[:, 1:] * sign[:, :-1] < 0
    which, place = changes.nonzero(as_tuple=True)
    low, high = probes[which, place], probes[which, place + 1]
    u = _refined(picked[which], low, high, sign[which, place] > 0)
    return row[which], panel[which], u


def _carried(sign: Tensor) -> Tensor:
    """Zeros take the last sign before them."""
    positions = torch.arange(sign.shape[1], device=sign.device)
    last = torch.where(sign != 0, positions, 0).cummax(1).values
    return sign.gather(1, last)


def _quadratic(c: Tensor) -> Tensor:
    """Both roots of c_0 + c_1 u + c_2 (2 u^2 - 1), or twice the vertex where there are none."""
    a, b, d = 2 * c[:, 2], c[:, 1] / 2, c[:, 0] - c[:, 2]
    q = -(b + torch.copysign((b * b - a * d).clamp_min(0).sqrt(), b))
    first = torch.where(a != 0, q / a, 0)
    second = torch.where(q != 0, d / q, first)
    return torch.stack([first, second], 1).nan_to_num(0)


def _colleague(c: Tensor) -> Tensor:
    """Real parts of all roots of sum_k c_k T_k: eigenvalues of the colleague matrix."""
    n = c.shape[-1] - 1
    largest = c.abs().amax(-1, keepdim=True)
    lead = torch.where(c[:, n:].abs() < 1e-15 * largest, 1e-15 * largest, c[:, n:])
    matrix = c.new_zeros(n, n)
    k = torch.arange(n - 1)
    matrix[k, k + 1] = matrix[k + 1, k] = 0.5
    matrix[0, 1] = 1.0
    matrix = matrix.expand(len(c), n, n).clone()
    matrix[:, -1] -= c[:, :-1] / (2 * lead)
    return torch.linalg.eigvals(matrix).real


def chebyshev(c: Tensor, u: Tensor) -> Tensor:
    """sum_k c[..., k] T_k(u) by Clenshaw's recurrence; c (..., degree + 1) and u broadcast."""
    b1 = b2 = torch.zeros_like(u)
    for k in range(c.shape[-1] - 1, 0, -1):
        b1, b2 = torch.addcmul(c[..., k] - b2, u, b1, value=2), b1
    return c[..., 0] + u * b1 - b2


def _refined(c: Tensor, low: Tensor, high: Tensor, falling: Tensor) -> Tensor:
    """The root between low and high, where z changes its sign once: Newton's steps, or halves where they leave it."""
    slopes = torch.from_numpy(np.polynomial.chebyshev.chebder(np.eye(c.shape[-1]), axis=0).copy()).to(c)
    derivative = c @ slopes.T
    rounding = 4e-16 * c.abs().sum(-1)
    u = (low + high) / 2
    for turn in range(100):
        value = chebyshev(c, u)
        below = (value > 0) == falling  # the root lies above u
        low, high = torch.where(below, u, low), torch.where(below, high, u)
        step = u - value / chebyshev(derivative, u)
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
