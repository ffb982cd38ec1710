"""IAT-ReLU as an integral done plainly: intervals halved until one root or none can be in them, bisection, Gauss nodes.

It shares the bases' values with the package, and nothing of how the package finds roots. No pair of roots is missed:
with h half the length of an interval, z0 and z1 the value and the slope in its middle and m a bound of the second
derivative, there is no root where |z0| > |z1| h + m h^2 / 2, and at most one where |z1| > m h. What is neither after
all halvings is so short, and z so small there, that it adds less than a rounding.
"""

from typing import NamedTuple

import numpy as np
import torch

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)  # for a whole wave of a product's highest harmonic
_HALVINGS = 22
_EPS = 2.0**-52


class Reference(NamedTuple):
    """For each state x: the integrals over D, where z > 0, and how much of D no float64 arithmetic can know."""

    y: np.ndarray  # (rows, outputs): of q p^T x, for q of unit L1 norms
    matrix: np.ndarray  # (rows, outputs, inputs): of q p^T
    least: np.ndarray  # (rows,): the measure of where z is above the rounding of its sum
    most: np.ndarray  # (rows,): of where it is above minus that
    doubt: np.ndarray  # (rows, outputs, inputs): of |q| |p| where it is between the two, at most


def integral(x, p, q):
    """The reference for states x (rows, size of p)."""
    unit = 2.0 ** np.frexp(np.abs(x).max(1, keepdims=True))[1]
    found = over(x, p, p, q)
    return Reference(np.einsum("boi,bi->bo", found.matrix, x / unit) * unit, *found[1:])


def over(u, r, p, q):
    """The integrals over where r^T u > 0, for values of another basis p: no y."""
    unit = 2.0 ** np.frexp(np.abs(u).max(1, keepdims=True))[1]
    blocks = [_block(block, r, p, q) for block in np.array_split(u / unit, max(1, len(u) // 500))]
    return Reference(np.empty(0), *(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def _block(u, r, p, q):
    margin, zero = rounding(u, r)
    sets = [positive(u, r, np.where(zero, 1, level)) for level in (0 * margin, margin, -margin)]
    least, most = ((np.diff(edges) * inside).sum(1) for edges, inside in sets[1:])
    grid = np.linspace(-1, 1, 999)
    largest = (np.abs(_values(q, grid)) / q.l1_norms.numpy()).max(0)[:, None] * np.abs(_values(p, grid)).max(0)
    return weighed(*sets[0], p, q), least, most, (most - least)[:, None, None] * largest


def rounding(x, p):
    """What z = p^T x may be wrong by on each cell of p, in any order of its sum, and where z is zero: (rows, cells)."""
    values = _values(p, _inside(p, 65))
    margin = 4 * _EPS * (p.size + 4) * np.abs(x) @ np.abs(values).reshape(-1, 65, p.size).max(1).T
    z = np.abs(x @ values.T).reshape(len(x), -1, 65).max(2)
    if _signs_are_exact(p):
        return 0 * margin, z == 0
    # Small integers add up to zero or to more than a rounding.
    small = x / np.where(x == 0, 9, np.abs(x)).min(1, keepdims=True)
    return margin, (small == np.rint(small)).all(1)[:, None] & (z <= margin)


def _signs_are_exact(p):
    """A number, or the difference of two, has the right sign."""
    return p.degree == 0 and not p.harmonics and (_values(p, _inside(p, 1)) != 0).sum(1).max() <= 2


def positive(x, p, level):
    """Where z > level, (rows, cells): edges in order, (rows, n + 1), and whether z > level between them, (rows, n)."""
    breaks = p.breakpoints.numpy()
    row, root = _roots(x, p, level)
    table = np.ones((len(x), np.bincount(row, minlength=len(x)).max(initial=0)))
    order = np.argsort(row, kind="stable")
    starts = np.searchsorted(row[order], np.arange(len(x)))
    table[row[order], np.arange(len(row)) - starts[row[order]]] = root[order]
    edges = np.sort(np.concatenate([np.broadcast_to(breaks, (len(x), len(breaks))), table], 1), 1)
    middle = edges[:, :-1, None] + np.diff(edges)[..., None] * np.array([0.31, 0.5, 0.72])
    cell = np.clip(np.searchsorted(breaks, middle[..., 1], side="right") - 1, 0, len(breaks) - 2)
    z = np.einsum("rnki,ri->rnk", _values(p, middle), x) - np.take_along_axis(level, cell, 1)[..., None]
    return edges, z.sum(-1) > 0


def _roots(x, p, level):
    """The row and the place of each root of z - level inside the cells, and of what may be a nearly double one."""
    breaks, parts = p.breakpoints.numpy(), 4 * max(1, p.harmonics)
    cells = len(breaks) - 1
    slopes = _values(p, _inside(p, 65), 1)
    steps = np.diff((x @ slopes.T).reshape(len(x), cells, 65)) / (np.diff(breaks)[:, None] / 65)
    scale = np.abs(x).sum(1)
    bend = 1.5 * np.abs(steps).max(2) + 1e-13 * scale[:, None]
    row, cell, part = (t.ravel() for t in np.indices((len(x), cells, parts), dtype=np.int64))
    length = np.diff(breaks)[cell] / parts
    low = breaks[cell] + part * length
    high = np.where(part == parts - 1, breaks[cell + 1], breaks[cell] + (part + 1) * length)
    found = []
    for turn in range(_HALVINGS + 1):
        middle, h = (low + high) / 2, (high - low) / 2
        value = np.abs(_at(x, p, level, row, cell, middle))
        slope = np.abs((_values(p, middle, 1) * x[row]).sum(1))
        rest = bend[row, cell] * h
        reach, rounding = slope * h + rest * h / 2, _EPS * scale[row]
        some = (value <= reach + 8 * rounding) & (value + reach > rounding)
        single = some & (slope > rest)
        found.append([t[single] for t in (row, cell, low, high)])
        some &= ~single
        if turn == _HALVINGS:
            break
        row, cell = (np.concatenate([t[some], t[some]]) for t in (row, cell))
        low, high = np.concatenate([low[some], middle[some]]), np.concatenate([middle[some], high[some]])
    double = row[some], middle[some]
    row, cell, low, high = (np.concatenate(t) for t in zip(*found, strict=True))
    rising = _at(x, p, level, row, cell, high, left=True) > 0
    crossed = (_at(x, p, level, row, cell, low) > 0) != rising
    row, cell, low, high, rising = (t[crossed] for t in (row, cell, low, high, rising))
    for _ in range(54):
        middle = (low + high) / 2
        above = (_at(x, p, level, row, cell, middle) > 0) == rising
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.concatenate([double[0], row]).astype(np.int64), np.concatenate([double[1], (low + high) / 2])


def weighed(edges, inside, p, q):
    """The integral of q p^T over the intervals that are inside: (rows, outputs, inputs)."""
    waves = np.linspace(-1, 1, 2 * max(p.harmonics, q.harmonics) + 1)
    mesh = np.unique(np.concatenate([p.breakpoints.numpy(), q.breakpoints.numpy(), waves]))
    mesh = mesh[np.concatenate([[True], np.diff(mesh) > 1e-12])]
    mesh = np.broadcast_to(mesh, (len(edges), len(mesh)))
    joined = np.sort(np.concatenate([edges, mesh], 1), 1)
    place = (joined[:, 1:] + joined[:, :-1]) / 2
    of = np.clip((edges[:, None, 1:-1] <= place[..., None]).sum(2), 0, inside.shape[1] - 1)
    row, n = np.nonzero(np.take_along_axis(inside, of, 1) & (np.diff(joined) > 0))
    start, length = joined[row, n, None], np.diff(joined)[row, n, None]
    s = start + length * (_NODES + 1) / 2
    outputs = _values(q, s) / q.l1_norms.numpy() * (length * _WEIGHTS / 2)[..., None]
    total = np.zeros((len(edges), q.size, p.size))
    np.add.at(total, row, outputs.transpose(0, 2, 1) @ _values(p, s))
    return total


def hessian(x, p, q):
    """The sum of q p p^T / |p'^T x| over the roots that bound D, for one state x and continuous p and q.

    A root on a knot, or at -1 or 1, counts from the side where z is positive. None where a root is nearly double, or z
    touches zero on a knot from above: there is no second derivative.
    """
    edges, inside = (t[0] for t in positive(x[None], p, np.zeros((1, len(p.breakpoints) - 1))))
    long = np.diff(edges) > 1e-9  # what is shorter is a root that both of two halves have found
    starts, ends, inside = edges[:-1][long], edges[1:][long], np.concatenate([[False], inside[long], [False]])
    total = np.zeros((q.size, p.size, p.size))
    for before, after, s in zip(inside, inside[1:], np.append(starts, ends[-1]), strict=False):
        near = p.breakpoints.numpy()[np.abs(p.breakpoints.numpy() - s).argmin()]
        s = torch.tensor([near if abs(near - s) < 1e-9 else s])
        if before == after:
            if before and abs(p(s)[0].numpy() @ x) <= 1e-12 * np.abs(x).sum():
                return None
            continue
        at = p.left_limit if before else lambda s, order: (p.derivative if order else p)(s)
        value, slope = at(s, 0)[0].numpy(), abs(float(at(s, 1)[0].numpy() @ x))
        if abs(value @ x) > 1e-12 * np.abs(x).sum():
            continue  # at an end of [-1, 1]
        if slope < 0.05 * np.abs(x).sum():
            return None
        total += np.einsum("n,i,j->nij", (q(s)[0] / q.l1_norms).numpy(), value, value) / slope
    return total


def _at(x, p, level, row, cell, s, left=False):
    values = p.left_limit(torch.from_numpy(s)).numpy() if left else _values(p, s)
    return (values * x[row]).sum(1) - level[row, cell]


def _inside(p, points):
    """Places inside each cell of p, one cell after another."""
    breaks = p.breakpoints.numpy()
    return (breaks[:-1, None] + np.diff(breaks)[:, None] * (np.arange(points) + 0.5) / points).ravel()


def _values(basis, s, order=0):
    return (basis.derivative if order else basis)(torch.from_numpy(np.ascontiguousarray(s))).numpy()
