"""Where a state function z(s) = p(s)^T x changes its sign, for a batch of x at once.

The panels of the exact transform (``relunb/iat/_panels.py``) say it: the signs at their ends, and the roots between.
What is left is to list the changes of each state in order, and to tell which of them are roots that move with x.

Rounding decides nothing that matters. An end of a panel that is rounding has the sign beside it, on either side: a root
there is one change, at that end. Two changes so close that z is rounding between them are none: so a double root, which
z only touches, bounds nothing. What is rounding on a whole panel is zero.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ._basis import Basis
from ._legendre import legendre_sum
from ._panel_kernels import Domain
from ._panels import StatePanels, positive, state_panels, states

_HELD = 1 << 20  # coefficients of states that are held at a time: 8 MiB
_STEPS = 3  # that a root takes


class Roots(NamedTuple):
    """Where z may change its sign, in order, and where it is positive."""

    edges: Tensor  # (rows, intervals + 1), from -1 to 1, float64; repeated where a row has fewer
    active: Tensor  # (rows, intervals), bool: z > 0 between edge k and edge k + 1
    moving: Tensor  # (rows, intervals + 1), bool: this edge bounds the positive part, and is a root that moves with x


@torch.no_grad()
def roots(x: Tensor, basis: Basis) -> Roots:
    """Edges of the sign pattern of z for x (rows, size), float64, finite. In blocks of rows."""
    on = state_panels(basis, x.device)
    breaks = basis.breakpoints.to(x.device)
    rows = max(1, (_HELD if x.is_cpu else 4 * _HELD) // on.p.shape[1])
    blocks = [_signs(block, on, breaks) for block in x.split(rows)]
    if len(blocks) == 1:
        return blocks[0]
    most = max(block.edges.shape[1] for block in blocks)
    edges, active, moving = (torch.cat(parts) for parts in zip(*(_filled(b, most) for b in blocks), strict=True))
    return Roots(edges, active, moving)


def _signs(x: Tensor, on: StatePanels, breaks: Tensor) -> Roots:
    state, noise, _ = states(x, on)
    if on.n > 1:
        some = state.abs().sum(1) > noise
        domain = positive(state, torch.where(some, noise / 16, math.inf), _STEPS)
    else:  # a constant has the sign of its sum
        domain = positive(state, torch.zeros_like(noise), _STEPS)
    state, noise = state.view(len(x), len(on.ends) - 1, on.n), noise.view(len(x), len(on.ends) - 1)
    edges, active = _in_order(domain, on.ends, len(x))
    edges, active = _shortened(edges, _settled(state, noise, edges, active, on.ends, breaks))
    return Roots(edges, active, _moving(state, noise, edges, active, on.ends, breaks))


def _in_order(domain: Domain, ends: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """All changes of sign between -1 and 1, row by row, and what is positive between two of them."""
    panels = len(ends) - 1
    after = domain.after.view(rows, panels)
    before = after ^ (torch.bincount(domain.panel, minlength=rows * panels) % 2).bool().view(rows, panels)
    a, b = ends[:-1][domain.panel % panels], ends[1:][domain.panel % panels]
    s = torch.addcmul((a + b) / 2, (b - a) / 2, domain.place)
    s = torch.where(domain.place == 1, b, torch.where(domain.place == -1, a, s.clamp(a, b)))
    row, end = (before[:, 1:] != after[:, :-1]).nonzero(as_tuple=True)
    row, s = torch.cat([domain.panel // panels, row]), torch.cat([s, ends[end + 1]])
    # One line for each row, filled up at s = 1.
    counts = torch.bincount(row, minlength=rows)
    order = row.argsort(stable=True)
    row = row[order]
    place = torch.arange(len(row), device=s.device) - (counts.cumsum(0) - counts)[row]
    edges = s.new_ones(rows, (int(counts.max()) if rows else 0) + 2)
    edges[:, 0] = -1
    edges[row, place + 1] = s[order]
    places = torch.arange(edges.shape[1] - 1, device=s.device)
    return edges.sort(dim=1).values, before[:, :1] ^ (places % 2 == 1)


def _settled(state: Tensor, noise: Tensor, edges: Tensor, active: Tensor, ends: Tensor, breaks: Tensor) -> Tensor:
    """What is active; and an interval on which z is rounding, if both its neighbours in its cell are, or the only one.

    States are (rows, panels, n), noise (rows, panels).
    """
    length = edges.diff(dim=1)
    sure = length > 0
    row, place = (sure & (length * 1024 < ends.diff().max())).nonzero(as_tuple=True)
    if len(row):
        start, stop = edges[row, place], edges[row, place + 1]
        panel = torch.searchsorted(ends[1:-1].contiguous(), (start + stop) / 2, right=True)
        a, b = ends[panel], ends[panel + 1]
        start, stop = torch.maximum(start, a), torch.minimum(stop, b)
        # At three places: at one z may just touch zero, and show the sign of its rounding.
        parts = start.new_tensor([0.23, 0.5, 0.81])[:, None]
        values = legendre_sum(state[row, panel], ((start - a) + parts * (stop - start)) / (b - a) * 2 - 1)
        sure[row, place] = (values.sum(0).abs() > 1.5 * noise[row, panel]) | ((stop - start) * 1024 > b - a)
    if not bool((~sure & (edges[:, :-1] < 1)).any()):
        return active & sure
    before, after = (at + 1 for at in _neighbours(sure))
    left, right = (pad(active, (1, 1)).gather(1, at) for at in (before, after))
    first, last = torch.searchsorted(breaks, edges[:, :-1].contiguous(), right=True), torch.searchsorted(breaks, edges)
    last = last[:, 1:]
    on_left = pad(last, (1, 1), value=-1).gather(1, before) == first
    on_right = pad(first, (1, 1), value=-1).gather(1, after) == last
    return torch.where(on_left | ~on_right, left, right) & torch.where(on_right | ~on_left, right, left)


def _shortened(edges: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Without the edges that bound nothing: -1 and 1 stay."""
    right = pad(active, (0, 1))
    kept = pad(active, (1, 0)) ^ right
    kept[:, 0] = True
    kept[:, 1:] |= (edges[:, 1:] == 1) & (edges[:, :-1] < 1)
    counts = kept.sum(1, keepdim=True)
    most = int(counts.max()) if len(kept) else 2
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)[:, :most]
    beyond = torch.arange(most, device=edges.device) >= counts
    return torch.where(beyond, 1.0, edges.gather(1, order)), (right.gather(1, order) & ~beyond)[:, :-1]


def _moving(state: Tensor, noise: Tensor, edges: Tensor, active: Tensor, ends: Tensor, breaks: Tensor) -> Tensor:
    """Which edges bound the positive part and are roots that move with x.

    Not breakpoints where z jumps, or is flat on the positive side. Outside [-1, 1] z is zero.
    """
    closing = pad(active, (1, 0))
    moving = closing ^ pad(active, (0, 1))
    row, place = (moving & (breaks[torch.searchsorted(breaks, edges)] == edges)).nonzero(as_tuple=True)
    closing, panel = closing[row, place], torch.searchsorted(ends, edges[row, place])  # the one that begins there
    k = torch.arange(state.shape[2], dtype=state.dtype, device=state.device)
    signs, slopes = 1 - 2 * (k % 2), k * (k + 1) / 2  # of the Legendre polynomials at -1, and at 1
    before, inner = (panel - 1).clamp_min(0), panel.clamp_max(len(ends) - 2)
    left, right = state[row, before], state[row, inner] * signs
    room = [8 * noise[row, of] for of in (before, inner)]
    left_inside, right_inside = panel > 0, panel < len(ends) - 1
    gap = right.sum(1) * right_inside - left.sum(1) * left_inside
    jumps = gap.abs() > room[0] * left_inside + room[1] * right_inside
    flat = [(of @ slopes).abs() <= most * slopes[-1] for of, most in zip((left, right), room, strict=True)]
    moving[row, place] = ~(jumps | torch.where(closing, *flat))
    return moving


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
