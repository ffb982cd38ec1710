"""IAT-ReLU as two matrix products and a repair: the integral over panels, for any pair of bases.

[-1, 1] is cut at the breakpoints of both bases and into about half waves of the highest harmonic. On such a panel every
function of both bases is a polynomial to the last digit, and is kept as its Legendre coefficients. One product takes x
to the coefficients of its state on all panels. Restricted to where the state is positive, a panel keeps its
coefficients, or loses them, unless the state has a root there: these panels, about half of them, get the coefficients
of the restricted state one by one, and all at once. One more product takes those to the outputs.

The restriction is a symmetric map of coefficients. So the same domain and the same tables, in the other order, give the
gradient; and in the same order the derivative along a direction.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor
from torch.nn.functional import pad

from .._scaling import power_of_two
from .._tables import kept_table
from ._basis import Basis
from ._legendre import maps, sign_changes
from ._panel_kernels import Domain, fill_restricted, find_domain

_PHASE = 1.25 * math.pi  # of the highest harmonic on a panel, at most
_MOST_TERMS = 19  # of a harmonic on a panel, in float64
_EPS = 2.0**-52
_HELD = 1 << 20  # coefficients of states that are held at a time: 8 MiB


class StatePanels(NamedTuple):
    """The functions of p on all panels, in units of their own."""

    ends: Tensor  # (panels + 1,), float64
    p: Tensor  # (size, panels * n): Legendre coefficients, float64
    bounds: Tensor  # (size, panels): of |p|
    units: Tensor | None  # (size,): powers of two, at most 1: the sizes of the functions; None where all are alike
    largest: Tensor  # (), the unit of these units
    n: int  # coefficients of a state on a panel


class Panels(NamedTuple):
    """The functions of p and q on all panels: those of p as above."""

    ends: Tensor
    p: Tensor
    q: Tensor  # (panels * m, size of q): integrals over the panels of L_j q, for q of unit L1 norms
    back: Tensor  # (panels * n, size of p): p again, in the precision of q
    bounds: Tensor
    units: Tensor | None
    largest: Tensor
    n: int
    m: int  # of an output function
    steps: int  # that a root takes


def table_numbers(p: Basis, q: Basis) -> int:
    """How many numbers the tables hold, at most: known before they are made."""
    waves = math.ceil(2 * max(p.harmonics, q.harmonics) * math.pi / _PHASE)
    terms = [max(basis.degree + 1, _MOST_TERMS if basis.harmonics else 0) for basis in (p, q)]
    return (len(p.breakpoints) + len(q.breakpoints) + waves) * (2 * p.size * terms[0] + q.size * terms[1])


@kept_table(64)
def panels(p: Basis, q: Basis, narrow: bool, device: torch.device) -> Panels:
    """The tables: for float64, or with fewer terms for narrower numbers."""
    ends = _mesh(p, q)
    close = 2.0**-26 if narrow else 2.0**-54
    n, m = (_terms(basis, p, q, close) for basis in (p, q))
    own, output = _of_states(p, ends, n), _coefficients(q, ends, m)
    weight = ends.diff()[:, None, None] / (2 * torch.arange(m, dtype=torch.float64) + 1)
    output = output / q.l1_norms[:, None] * weight
    dtype = torch.float32 if narrow else torch.float64
    return Panels(
        **_there(own, device)._asdict(),
        q=output.transpose(1, 2).flatten(0, 1).to(device, dtype),
        back=own.p.mT.contiguous().to(device, dtype),
        m=m,
        steps=2 if narrow else 3,
    )


@kept_table(64)
def state_panels(p: Basis, device: torch.device) -> StatePanels:
    """The tables for states alone, in float64: on panels of p's own."""
    return _there(_of_states(p, _mesh(p, p), _terms(p, p, p, 2.0**-54)), device)


def _of_states(p: Basis, ends: Tensor, n: int) -> StatePanels:
    state = _coefficients(p, ends, n)  # (panels, size, n)
    units = power_of_two(state.transpose(0, 1).flatten(1), 1).squeeze(1)
    largest = units.max()
    alike = bool((units * 2.0**30 >= largest).all())
    state = state / (largest if alike else units[:, None])
    return StatePanels(
        ends=ends,
        p=state.transpose(0, 1).flatten(1),
        bounds=state.abs().sum(-1).mT.contiguous(),
        units=None if alike else units / largest,
        largest=largest,
        n=n,
    )


def _there(of: StatePanels, device: torch.device) -> StatePanels:
    ends, p, bounds, largest = (t.to(device) for t in (of.ends, of.p, of.bounds, of.largest))
    return StatePanels(ends, p, bounds, None if of.units is None else of.units.to(device), largest, of.n)


def _mesh(p: Basis, q: Basis) -> Tensor:
    """The ends of the panels. Of two breakpoints that differ by rounding, that of p stays: it may jump there."""
    own, other = p.breakpoints, q.breakpoints
    apart = (
        other[:, None] - own[torch.searchsorted(own, other)[:, None].clamp(1) - torch.tensor([0, 1])]
    ).abs() > 1e-14
    cells = torch.cat([own, other[apart.all(1)]]).sort().values.tolist()
    waves = max(p.harmonics, q.harmonics) * math.pi / _PHASE
    parts = [max(1, math.ceil((b - a) * waves - 1e-9)) for a, b in zip(cells, cells[1:], strict=False)]
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(cells, cells[1:], parts, strict=False)]
    return torch.from_numpy(np.concatenate([*pieces, cells[-1:]]))


def _terms(basis: Basis, p: Basis, q: Basis, close: float) -> int:
    """How many Legendre coefficients hold the functions of a basis on a panel, each to an error of ``close``."""
    count = basis.degree + 1
    if basis.harmonics:
        half = float(_mesh(p, q).diff().max()) * basis.harmonics * math.pi / 2
        left, k = 2.0, 0  # 2 J_k(half) is at most 2 (half / 2)^k / k!
        while left > close or k < 2:
            k += 1
            left *= half / 2 / k
        count = max(count, k)
    return count


def _coefficients(basis: Basis, ends: Tensor, terms: int) -> Tensor:
    """(panels, size, terms)."""
    if terms <= 2:  # from the values at the ends, without a rounding
        left, right = basis(ends[:-1]), basis.left_limit(ends[1:])
        return torch.stack([(left + right) / 2, (right - left) / 2][:terms], -1)
    u, project = _projection(terms + 12 if basis.harmonics else terms, terms)
    nodes = (ends[:-1, None] + ends[1:, None]) / 2 + ends.diff()[:, None] / 2 * torch.from_numpy(u)
    found = torch.einsum("kn,cni->cik", torch.from_numpy(project), basis(nodes))
    found[found.abs() < 4e-16 * found.abs().amax(-1, keepdim=True)] = 0
    return found


def _projection(nodes: int, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss nodes, and the matrix that takes values there to Legendre coefficients, to the last digit."""
    u = legendre.leggauss(nodes)[0].astype(np.longdouble)
    unit = np.eye(nodes + 1)[-1].astype(np.longdouble)
    derivative = legendre.legder(unit)
    for _ in range(2):
        u -= legendre.legval(u, unit) / legendre.legval(u, derivative)
    weight = 2 / ((1 - u * u) * legendre.legval(u, derivative) ** 2)
    project = (legendre.legvander(u, terms - 1) * weight[:, None]).T * (np.arange(terms)[:, None] + 0.5)
    return u.astype(np.float64), project.astype(np.float64)


def transformed(x: Tensor, on: Panels) -> tuple[Tensor, list[Domain]]:
    """The transform of x (rows, size of p), float64 and finite; and where its state is positive, block by block."""
    values, domains = [], []
    for block in x.split(_rows(x, on)):
        state, noise, units = states(block, on)
        domains.append(positive(state, noise, on.steps))
        values.append(_times(_matvec(state, domains[-1], on), units))
    return torch.cat(values), domains


def states(x: Tensor, on: StatePanels | Panels) -> tuple[Tensor, Tensor, list[Tensor]]:
    """States (rows * panels, n), what they are rounded by (rows * panels,), and the units of both."""
    x, units = _in_units(x, on)
    noise = (x.abs() @ on.bounds).view(-1) * (_EPS * (x.shape[1] + 4))
    return (x @ on.p).view(-1, on.n), noise, units


def domains_between(edges: Tensor, active: Tensor, on: Panels) -> list[Domain]:
    """A domain that is given by its edges (rows, intervals + 1) and which intervals belong to it, block by block."""
    rows = _rows(edges, on)
    pairs = zip(edges.split(rows), active.split(rows), strict=True)
    return [_between(*pair, on.ends) for pair in pairs]


def _between(edges: Tensor, active: Tensor, ends: Tensor) -> Domain:
    """An edge at the right end of a panel is not on it: ``after`` is what holds just left of that end."""
    edges = edges.contiguous()
    stops = ends[1:].expand(len(edges), -1).contiguous()
    after = active.gather(1, torch.searchsorted(edges, stops) - 1)
    left, right = pad(active, (1, 0)), pad(active, (0, 1))
    panel = torch.searchsorted(ends, edges, right=True) - 1
    row, at = ((left ^ right) & (panel < len(ends) - 1)).nonzero(as_tuple=True)
    panel, s = panel[row, at], edges[row, at]
    start = ends[panel]
    place = ((s - start) / (ends[panel + 1] - start) * 2 - 1).clamp(-1, 1)
    return Domain(after.flatten(), row * (len(ends) - 1) + panel, place, left[row, at])


def matvec(v: Tensor, domains: list[Domain], on: Panels) -> Tensor:
    """A(D) v for v (rows, size of p): (rows, size of q)."""
    values = []
    for block, domain in zip(v.split(_rows(v, on)), domains, strict=True):
        block, units = _in_units(block, on)
        values.append(_times(_matvec((block @ on.p).view(-1, on.n), domain, on), units))
    return torch.cat(values)


def rmatvec(g: Tensor, domains: list[Domain], on: Panels) -> Tensor:
    """A(D)^T g for g (rows, size of q): (rows, size of p)."""
    odd = 2 * torch.arange(on.m, dtype=torch.float64, device=g.device) + 1
    inner, outer = maps(on.m, g.device).powers * (odd / 2), maps(on.n, g.device).powers.mT
    values = []
    for block, domain in zip(g.split(_rows(g, on)), domains, strict=True):
        spread = (block.to(on.q.dtype) @ on.q.mT).view(-1, on.m)
        kept = _restricted(spread, domain, inner, outer, on.q.dtype)
        values.append((kept.view(len(block), on.back.shape[0]) @ on.back).double())
    found = torch.cat(values) * on.largest
    return found if on.units is None else found * on.units


def _rows(x: Tensor, on: Panels) -> int:
    """How many samples are taken at a time."""
    return max(1, (_HELD if x.is_cpu else 4 * _HELD) // max(on.p.shape[1], on.q.shape[0]))


def _in_units(x: Tensor, on: StatePanels | Panels) -> tuple[Tensor, list[Tensor]]:
    """x in units of the table and of its own largest number, and these units: no sum of large numbers overflows."""
    unit = power_of_two(x, 1)
    x = x / unit
    if on.units is None:
        return x, [on.largest, unit]
    x = x * on.units
    again = power_of_two(x, 1)
    return x / again, [again, on.largest, unit]


def _times(y: Tensor, units: list[Tensor]) -> Tensor:
    y = y.double()
    for unit in units:
        y = y * unit
    return y


def positive(state: Tensor, noise: Tensor, steps: int) -> Domain:
    """Where states (panels, n), which are rounded by noise (panels,), are positive. What is all noise is zero."""
    some, unclear = find_domain(state, noise, steps) or _without_roots(state, noise)
    panel = unclear.nonzero().squeeze(1)
    if not len(panel):
        return some
    changes = sign_changes(state.index_select(0, panel), 8 * noise.index_select(0, panel), steps)
    some.after[panel] = changes.after
    order = changes.number.argsort(stable=True)
    more = panel.index_select(0, changes.number), changes.place, changes.falling
    more = (t.index_select(0, order) for t in more)
    return Domain(some.after, *(torch.cat(pair) for pair in zip(some[1:], more, strict=True)))


def _without_roots(state: Tensor, noise: Tensor) -> tuple[Domain, Tensor]:
    """The panels on which the mean of a state leaves no room for a root; and those where it does."""
    size = state.abs().sum(1)
    some = size > noise
    unclear = (2 * state[:, 0].abs() <= size + noise) & some if state.shape[1] > 1 else torch.zeros_like(some)
    none = torch.zeros(0, device=state.device)
    return Domain((state[:, 0] > 0) & some, none.long(), none.double(), none.bool()), unclear


def _matvec(state: Tensor, domain: Domain, on: Panels) -> Tensor:
    """The outputs for states (panels, n): (rows, size of q), in the precision of the tables."""
    odd = 2 * torch.arange(on.m, dtype=torch.float64, device=state.device) + 1
    inner, outer = maps(on.n, state.device).powers, maps(on.m, state.device).powers.mT * (odd / 2)[:, None]
    kept = _restricted(state, domain, inner, outer, on.q.dtype)
    return kept.view(len(state) // on.bounds.shape[1], on.q.shape[0]) @ on.q


def _restricted(c: Tensor, domain: Domain, inner: Tensor, outer: Tensor, dtype: torch.dtype) -> Tensor:
    """Legendre coefficients (panels, many) restricted to a domain: (panels, len(outer)), of that dtype.

    A panel is kept or lost as its right end says, and each root adds or takes away what lies to its left.
    """
    size, both = len(outer), min(len(outer), c.shape[1])
    kept = c.new_empty(len(c), size, dtype=dtype)
    if fill_restricted(c, domain, inner, outer, kept):
        return kept
    kept.zero_()
    torch.mul(c[:, :both], domain.after[:, None], out=kept[:, :both])
    if not len(domain.panel):
        return kept
    powers = inner @ c.index_select(0, domain.panel).double().mT
    integrals = _integrals(domain.place, len(powers) + size - 1)
    left = integrals.new_zeros(size, len(domain.place))
    for k, row in enumerate(powers):
        left.addcmul_(row, integrals[k : k + size])
    left *= torch.where(domain.falling, 1.0, -1.0).to(left)
    return kept.index_add_(0, domain.panel, (outer @ left).mT.to(kept))


def _integrals(u: Tensor, many: int) -> Tensor:
    """The integrals of 1, u, u^2, ... from -1 to u: (many, places)."""
    powers = u.new_empty(many, len(u))
    powers[0], filled = u, 1
    while filled < many:
        more = min(filled, many - filled)
        torch.mul(powers[:more], powers[filled - 1], out=powers[filled : filled + more])
        filled += more
    reciprocal, start = _ends(many, u.device)
    return torch.addcmul(start, powers, reciprocal, out=powers)


@kept_table(64)
def _ends(many: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """1 / k, and minus (-1)^k / k, for k = 1, 2, ...: (many, 1) each."""
    k = torch.arange(1, many + 1, dtype=torch.float64, device=device)[:, None]
    return 1 / k, (k % 2 * 2 - 1) / k
