"""IAT-ReLU as an integral done plainly: signs on a fine mesh, bisection, Gauss nodes between. Slow, and blind to none.

It shares the bases with the package and nothing of how the package finds roots. The mesh is skew, so no root that a
symmetric or an integer state has lies on it.
"""

import itertools

import numpy as np
import torch

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def state(x, p, s):
    """z at s (rows, points) or (points,) for x (rows, size)."""
    values = p(torch.from_numpy(s)).numpy()
    return np.einsum("...pi,...i->...p", values, x) if s.ndim == 2 else x @ values.T


def cut(x, p, q, parts=24):
    """For each row of x the breakpoints of p and q and the roots of z between them, in order: (rows, many)."""
    waves = 2 * max(p.harmonics, q.harmonics)
    ends = np.unique(np.concatenate([p.breakpoints.numpy(), q.breakpoints.numpy(), np.linspace(-1, 1, 2 * waves + 1)]))
    ends = ends[np.concatenate([[True], np.diff(ends) > 1e-12])]
    low, high = [], []
    skew = (np.arange(parts) + 0.5 + 0.2718 * np.sin(np.arange(parts))) / parts
    skew = np.concatenate([[1e-5], skew, [1 - 1e-5]])
    for a, b in itertools.pairwise(ends):
        grid = a + (b - a) * skew
        low.append(grid[:-1])
        high.append(grid[1:])
    low, high = np.concatenate(low), np.concatenate(high)
    at_low, at_high = state(x, p, low), state(x, p, high)
    rounding = 1e-15 * np.abs(x).sum(1, keepdims=True)
    row, place = np.nonzero((at_low * at_high < 0) & (np.abs(at_low) > rounding) & (np.abs(at_high) > rounding))
    left, right, rising = low[place], high[place], at_high[row, place] > 0
    for _ in range(60):
        middle = (left + right) / 2
        above = (np.einsum("ni,ni->n", p(torch.from_numpy(middle)).numpy(), x[row]) > 0) == rising
        left, right = np.where(above, left, middle), np.where(above, middle, right)
    table = np.ones((len(x), max(np.bincount(row, minlength=len(x)), default=0)))
    for n, s in zip(row, left, strict=True):  # a number 1 is a free place
        table[n, np.argmax(table[n] == 1)] = s
    return np.sort(np.concatenate([np.broadcast_to(ends, (len(x), len(ends))), table], 1), 1)


def integral(x, p, q):
    """y (rows, outputs), A(D) (rows, outputs, inputs) and the measure of D, for q of unit L1 norms."""
    x = np.asarray(x, dtype=np.float64)
    edges = cut(x, p, q)
    length = np.diff(edges, axis=1)
    inside = edges[:, :-1, None] + length[..., None] * np.array([0.31, 0.5, 0.72])
    z = state(x, p, inside.reshape(len(x), -1)).reshape(inside.shape)
    # What is zero to rounding is not positive.
    positive = z.sum(-1) > 3e-15 * np.abs(x).sum(1, keepdims=True)
    s = edges[:, :-1, None] + length[..., None] * (_NODES + 1) / 2
    weight = (length[..., None] * _WEIGHTS / 2 * positive[..., None]).reshape(len(x), -1)
    nodes = torch.from_numpy(s.reshape(len(x), -1))
    outputs = (q(nodes) / q.l1_norms).numpy() * weight[..., None]
    matrix = np.einsum("bso,bsi->boi", outputs, p(nodes).numpy())
    return np.einsum("boi,bi->bo", matrix, x), matrix, (length * positive).sum(1)
