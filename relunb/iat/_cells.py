"""The two cheap exact routes: a state that is constant on each cell, and one that is linear between nodes."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._functorch import without_autocast
from ..ops import LinearCells, linear_cells
from ._basis import Basis, PiecewisePolynomial, merged
from ._quadrature import interval_nodes

_DENSE = 1 << 22  # numbers of a matrix that is kept whole, zeros and all
_MOST = 1 << 25  # of a matrix that is not sparse: 256 MiB, and already many seconds of work


class Sparse(NamedTuple):
    """A large matrix (inputs, outputs) by its entries that are not zero."""

    inputs: Tensor
    outputs: Tensor
    weights: Tensor
    shape: tuple[int, int]


class ConstantCells(NamedTuple):
    """Maps of a transform whose state is constant on each cell; None stands for the identity."""

    values: Tensor | Sparse | None  # (size, cells): the state on the cells from x
    weights: Tensor | Sparse | None  # (cells, outputs): integrals of the output functions over the cells


def constant_cells(p: PiecewisePolynomial, q: Basis, *, in_units: bool = True) -> ConstantCells:
    """The plan of :func:`constant_state`; ``in_units`` for ReLU, which any power of two may be taken out of."""
    ends, cells = p.breakpoints, len(p.breakpoints) - 1
    functions, values = p.local_values((ends[1:] + ends[:-1]) / 2)
    place = torch.arange(cells)[:, None].expand_as(functions)
    size = _size(values) if in_units else 1.0
    state = entries_map(functions, place, values / size, (p.size, cells))
    s, weight = interval_nodes(ends, p, q)
    entries = cells * q.local_values(s[:1])[0].shape[-1]
    if entries > _MOST:
        raise ValueError(
            f"{q} on the {cells:,} cells of {p} takes a table of {entries:,} numbers, and {_MOST:,} are the most. "
            "Take a local output basis, or smaller widths."
        )
    parts: list[list[Tensor]] = []
    for at, of in zip(*(t.split(max(1, _DENSE // q.size)) for t in (s, weight)), strict=True):
        functions, values = q.local_values(at)
        cell = torch.searchsorted(ends[1:-1].contiguous(), at, right=True)[:, None].expand_as(functions)
        weighted = of[:, None] * values / q.l1_norms[functions]
        parts.append([t.flatten() for t in (cell, functions, weighted * size)])
    cell, functions, weights = (torch.cat(t) for t in zip(*parts, strict=True))
    return ConstantCells(state, entries_map(cell, functions, weights, (cells, q.size), 1e-15))


def entries_map(inputs: Tensor, outputs: Tensor, weights: Tensor, shape: tuple[int, int], least: float = 0.0) -> Any:
    """A matrix from its entries, those at one place added up; None for the identity."""
    key = inputs.flatten() * shape[1] + outputs.flatten()
    if shape[0] * shape[1] <= _DENSE:
        total = torch.zeros(shape[0] * shape[1], dtype=torch.float64).index_add(0, key, weights.flatten())
        table = total.reshape(shape)
        table[table.abs() < least] = 0
        return None if _is_identity(table) else table
    places, where = key.unique(return_inverse=True)
    total = torch.zeros(len(places), dtype=torch.float64).index_add(0, where, weights.flatten())
    kept = (total != 0) & (total.abs() >= least)
    places, total = places[kept], total[kept]
    inputs, outputs = places // shape[1], places % shape[1]
    one_each = shape[0] == shape[1] == len(places) and torch.equal(inputs, outputs)
    if one_each and bool(((total - 1).abs() < 1e-15 * 8).all()):
        return None
    return Sparse(inputs, outputs, total, shape)


def times(x: Tensor, matrix: Tensor | Sparse | None) -> Tensor:
    """x @ matrix, for x (..., inputs)."""
    if matrix is None:
        return x
    if isinstance(matrix, Tensor):
        return x @ matrix.to(x)
    terms = x.index_select(-1, matrix.inputs.to(x.device)) * matrix.weights.to(x)
    return x.new_zeros(*x.shape[:-1], matrix.shape[1]).index_add(-1, matrix.outputs.to(x.device), terms)


def sizes(matrix: Tensor | Sparse) -> Tensor | Sparse:
    """The matrix of absolute values."""
    return matrix.abs() if isinstance(matrix, Tensor) else matrix._replace(weights=matrix.weights.abs())


def constant_state(x: Tensor, cells: ConstantCells, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """The transform of a state that is constant on each cell: the activation between two small matrices, or alone."""
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    with without_autocast(x):
        y = activation(times(x.to(dtype), cells.values))
        return finite_or_nan(times(y, cells.weights), x)


def nodal_table(p: PiecewisePolynomial) -> Tensor | Sparse | None:
    """(size, nodes): the values of a continuous piecewise-linear state at its breakpoints; None for the identity."""
    functions, values = p.local_values(p.breakpoints)
    node = torch.arange(len(p.breakpoints))[:, None].expand_as(functions)
    return entries_map(functions, node, values / _size(values), (p.size, len(p.breakpoints)))


def linear_relu(x: Tensor, table: Tensor | Sparse | None, cells: LinearCells) -> Tensor:
    """IAT-ReLU of a state that is linear between nodes."""
    if table is None:  # the kernel takes every dtype
        return finite_or_nan(linear_cells(x, cells), x)
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    with without_autocast(x):
        return finite_or_nan(linear_cells(times(x.to(dtype), table), cells), x)


def finite_or_nan(y: Tensor, x: Tensor) -> Tensor:
    """y, or NaN in a sample where x is not finite."""
    return (y + (x.detach() * 0).sum(-1, keepdim=True)).to(x.dtype)


def _size(values: Tensor) -> float:
    """A power of two that a state, whose functions have these values (places, functions), is divided by.

    So no sum of large numbers overflows.
    """
    largest = float(values.abs().sum(1).max())
    return 2.0 ** max(0, math.ceil(math.log2(largest) - 1e-9))


def cut_cells(p: PiecewisePolynomial, q: PiecewisePolynomial) -> LinearCells:
    """The plan of :func:`relunb.ops.linear_cells`: intervals of p cut at the breakpoints of q."""
    ends = merged([p.breakpoints, q.breakpoints])
    start, stop = ends[:-1], ends[1:]
    left = torch.searchsorted(p.breakpoints[1:-1].contiguous(), (start + stop) / 2, right=True)
    origin, width = p.breakpoints[left], p.breakpoints.diff()[left]
    cell = q.cell_of((start + stop) / 2)
    functions, at_middle = q.values_on(cell, (start + stop) / 2)  # (cells, some)
    at_start, at_stop = q.values_on(cell, start)[1], q.values_on(cell, stop)[1]
    quadratic = torch.stack([at_start, 2 * at_middle - (at_start + at_stop) / 2, at_stop], -1)
    quadratic = quadratic / q.l1_norms[functions][..., None]
    quadratic[quadratic.abs() < 1e-14 * quadratic.abs().amax()] = 0
    present = (quadratic != 0).any(-1)
    most = int(present.sum(1).max())
    order = (~present).to(torch.int8).argsort(dim=1, stable=True)[:, :most]
    target = functions.gather(1, order)
    # A cell with fewer functions repeats one of its own with coefficients of zero.
    target = torch.where(present.gather(1, order), target, target[:, :1])
    coefficients = quadratic.gather(1, order[..., None].expand(-1, -1, 3)) * present.gather(1, order)[..., None]
    return LinearCells(
        left=left,
        start=_snapped((start - origin) / width),
        stop=_snapped((stop - origin) / width),
        length=(stop - start) * _size(p.local_values(p.breakpoints)[1]),
        coefficients=coefficients.movedim(0, 1).contiguous(),
        target=target.T.contiguous(),
        outputs=q.size,
    )


def _snapped(fraction: Tensor) -> Tensor:
    """Ends of an interval exactly 0 and 1, whatever rounding made of them."""
    return torch.where((fraction - fraction.round()).abs() < 1e-12, fraction.round(), fraction)


def _is_identity(table: Tensor) -> bool:
    return table.shape[0] == table.shape[1] and bool((table - torch.eye(len(table)).to(table)).abs().max() < 1e-15 * 8)
