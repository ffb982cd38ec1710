"""The two cheap exact routes: a state that is constant on each cell, and one that is linear between nodes."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .._functorch import without_autocast
from ..ops import LinearCells, linear_cells
from ._basis import Basis, PiecewisePolynomial, merged
from ._quadrature import interval_nodes


class ConstantCells(NamedTuple):
    """Maps of a transform whose state is constant on each cell; None stands for the identity."""

    values: Tensor | None  # (size, cells): the state on the cells from x
    weights: Tensor | None  # (cells, outputs): integrals of the output functions over the cells


def constant_cells(p: PiecewisePolynomial, q: Basis) -> ConstantCells:
    ends = p.breakpoints
    values = p((ends[1:] + ends[:-1]) / 2).T
    s, weight = interval_nodes(ends, p, q)
    cell = torch.searchsorted(ends[1:-1].contiguous(), s, right=True)
    weighted = weight[:, None] * q(s) / q.l1_norms
    weights = torch.zeros(len(ends) - 1, q.size, dtype=torch.float64).index_add(0, cell, weighted)
    weights[weights.abs() < 1e-15] = 0
    values, weights = values / _size(values), weights * _size(values)
    return ConstantCells(*(None if _is_identity(t) else t for t in (values, weights)))


def constant_relu(x: Tensor, cells: ConstantCells) -> Tensor:
    """IAT-ReLU of a state that is constant on each cell: relu between two small matrices, or alone."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    with without_autocast(x):
        y = x.to(dtype)
        y = torch.relu(y if cells.values is None else y @ cells.values.to(y))
        return _finite_or_nan(y if cells.weights is None else y @ cells.weights.to(y), x)


def nodal_table(p: PiecewisePolynomial) -> Tensor | None:
    """(size, nodes): the values of a continuous piecewise-linear state at its breakpoints; None for the identity."""
    table = p(p.breakpoints).T
    return None if _is_identity(table) else table / _size(table)


def linear_relu(x: Tensor, table: Tensor | None, cells: LinearCells) -> Tensor:
    """IAT-ReLU of a state that is linear between nodes."""
    if table is None:
        return _finite_or_nan(linear_cells(x, cells), x)
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    with without_autocast(x):
        return _finite_or_nan(linear_cells(x.to(dtype) @ table.to(x.device, dtype), cells), x)


def _finite_or_nan(y: Tensor, x: Tensor) -> Tensor:
    """y, or NaN in a sample where x is not finite."""
    return (y + (x.detach() * 0).sum(-1, keepdim=True)).to(x.dtype)


def _size(table: Tensor) -> float:
    """A power of two that x @ table is divided by, so that no sum of large numbers overflows."""
    largest = float(table.abs().sum(0).max())
    return 2.0 ** max(0, math.ceil(math.log2(largest) - 1e-9))


def cut_cells(p: PiecewisePolynomial, q: PiecewisePolynomial) -> LinearCells:
    """The plan of :func:`relunb.ops.linear_cells`: intervals of p cut at the breakpoints of q."""
    ends = merged([p.breakpoints, q.breakpoints])
    start, stop = ends[:-1], ends[1:]
    left = torch.searchsorted(p.breakpoints[1:-1].contiguous(), (start + stop) / 2, right=True)
    origin, width = p.breakpoints[left], p.breakpoints.diff()[left]
    at_start, at_middle, at_stop = q(start), q((start + stop) / 2), q.left_limit(stop)
    quadratic = torch.stack([at_start, 2 * at_middle - (at_start + at_stop) / 2, at_stop], -1) / q.l1_norms[:, None]
    quadratic[quadratic.abs() < 1e-14 * quadratic.abs().amax()] = 0
    present = (quadratic != 0).any(-1)  # (cells, outputs)
    most = int(present.sum(1).max())
    order = (~present).to(torch.int8).argsort(dim=1, stable=True)[:, :most]
    # A cell with fewer functions repeats one of its own with coefficients of zero.
    target = torch.where(present.gather(1, order), order, order[:, :1])
    coefficients = quadratic.gather(1, order[..., None].expand(-1, -1, 3)) * present.gather(1, order)[..., None]
    return LinearCells(
        left=left,
        start=_snapped((start - origin) / width),
        stop=_snapped((stop - origin) / width),
        length=(stop - start) * _size(p(p.breakpoints).T),
        coefficients=coefficients.movedim(0, 1).contiguous(),
        target=target.T.contiguous(),
        outputs=q.size,
    )


def _snapped(fraction: Tensor) -> Tensor:
    """Ends of an interval exactly 0 and 1, whatever rounding made of them."""
    return torch.where((fraction - fraction.round()).abs() < 1e-12, fraction.round(), fraction)


def _is_identity(table: Tensor) -> bool:
    return table.shape[0] == table.shape[1] and bool((table - torch.eye(len(table)).to(table)).abs().max() < 1e-15 * 8)
