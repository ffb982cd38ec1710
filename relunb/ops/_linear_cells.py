"""Integrals of piecewise quadratics times the ReLU of a piecewise-linear state, exact, at O(cells) a sample.

On a cell the state runs from ``a`` to ``b``. With ``S = |a| + |b|`` it is positive on ``[lo, hi]``, where

    lo = (-a)_+ / S,   1 - hi = (-b)_+ / S,   hi - lo = l = (a_+ + b_+) / S,

and there it runs from ``f0 = a_+`` to ``f1 = b_+``. A quadratic q restricted to that part has the Bernstein
coefficients ``q0 = q(lo, lo), q1 = q(lo, hi), q2 = q(hi, hi)`` (its blossom), and

    integral_0^1 q relu = l (f0 (q0/4 + q1/6 + q2/12) + f1 (q0/12 + q1/6 + q2/4)).

All terms are nonnegative where q's coefficients are, so nothing cancels. The boundary of the positive part adds nothing
to the gradient, as the state is zero there: the slope towards ``a`` is the same sum with ``(f0, f1) = (1-lo, 1-hi)``,
towards ``b`` with ``(lo, hi)``.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .._functorch import batched, plain_only
from ._blocks import block_rows, blocks
from ._native import kernel_for
from ._relu_cell_means import relu_cell_means, smallest

_MOST_SIDE_BY_SIDE = 4096  # numbers of 16 samples, which the kernel holds at a time: half a mebibyte


@dataclass(frozen=True, eq=False)
class LinearCells:
    """Where a piecewise-linear state is integrated, and against what: the plan of :func:`linear_cells`.

    The state has N nodal values on N - 1 intervals. Breakpoints of the output functions cut the intervals into C cells.
    On each cell at most R output functions are not zero, and each is a quadratic there.
    A cell with fewer than R repeats one of its own targets with zero coefficients: 0 times NaN is NaN, so any other
    target would see a NaN that is none of its own.

    Args:
        left: int64, (C,). The cell lies between the nodes ``left`` and ``left + 1``.
        start, stop: (C,), ``0 <= start < stop <= 1``. The cell's ends as fractions of its interval. Exactly 0 and 1
            give the nodal values themselves, bit by bit.
        length: (C,), positive. The cell's length in the variable of integration.
        coefficients: (R, C, 3). Bernstein coefficients of degree 2 of the r-th output function on the cell, from its
            ``start`` to its ``stop``. A constant has three equal ones.
        target: int64, (R, C). Which output that function belongs to, ``0 <= target < outputs``.
        outputs: how many outputs there are.

    Attributes:
        nodes: the least N that ``left`` allows.
        constant: every output function is constant on every cell, which takes a third of the work.
        means: each output is the mean of one whole interval, in their order: what relu_cell_means computes.

    Raises:
        ValueError: the shapes do not fit, or a number lies outside its range.

    The floating-point tensors are best float64: they are rounded once to the precision of each computation.
    """

    left: Tensor
    start: Tensor
    stop: Tensor
    length: Tensor
    coefficients: Tensor
    target: Tensor
    outputs: int
    nodes: int = field(init=False)
    constant: bool = field(init=False)
    means: bool = field(init=False)

    def __post_init__(self) -> None:
        cells = self.left.shape
        if len(cells) != 1 or not self.start.shape == self.stop.shape == self.length.shape == cells:
            shapes = [tuple(t.shape) for t in (self.left, self.start, self.stop, self.length)]
            raise ValueError(f"left, start, stop and length must have one shape (C,); got {shapes}")
        if self.target.dim() != 2 or self.target.shape[1:] != cells:
            raise ValueError(f"target must have shape (R, {cells[0]}); got {tuple(self.target.shape)}")
        if self.coefficients.shape != (*self.target.shape, 3):
            wanted = (*self.target.shape, 3)
            raise ValueError(f"coefficients must have shape {wanted}; got {tuple(self.coefficients.shape)}")
        if not (self.left.dtype == self.target.dtype == torch.int64):
            raise ValueError(f"left and target must be int64; got {self.left.dtype} and {self.target.dtype}")
        if (self.left < 0).any():
            raise ValueError("left has a negative index")
        if not ((self.start >= 0) & (self.start < self.stop) & (self.stop <= 1)).all():
            raise ValueError("a cell must have 0 <= start < stop <= 1")
        if not (self.length > 0).all():
            raise ValueError("length must be positive")
        if ((self.target < 0) | (self.target >= self.outputs)).any():
            raise ValueError(f"target must lie between 0 and {self.outputs - 1}")
        first = self.coefficients[..., :1]
        object.__setattr__(self, "nodes", int(self.left.max()) + 2 if cells[0] else 0)
        object.__setattr__(self, "constant", bool((self.coefficients == first).all()))
        object.__setattr__(self, "means", self.constant and self._is_means())

    def _is_means(self) -> bool:
        in_order = torch.arange(self.outputs, device=self.left.device)
        if self.target.shape != (1, self.outputs):
            return False
        whole = bool(((self.start == 0) & (self.stop == 1)).all())
        weight = self.length.double() * self.coefficients[0, :, 0].double()
        one = bool(((weight - 1).abs() <= 2**-50).all())  # 1/length times length, each rounded
        return whole and one and torch.equal(self.left, in_order) and torch.equal(self.target[0], in_order)


def linear_cells_plain(x: Tensor, plan: LinearCells) -> Tensor:
    """:func:`linear_cells` in plain torch operations: the definition that the fast form is tested against.

    Each cell is measured in units of its own larger end, as in :func:`relu_cell_means_plain`.
    """
    wide, constants = _by_node(x), _constants(plan, x)
    a, b = _ends(wide, constants)
    moments = _moments(_active(a, b), a.relu(), b.relu(), plan.constant)
    return _by_sample(_gather(moments, constants, plan), x)


def linear_cells(x: Tensor, plan: LinearCells) -> Tensor:
    """``y_o = sum over cells of length * integral_0^1 q_o(t) relu(a + t (b - a)) dt``, state times output functions.

    Exact IAT-ReLU of a piecewise-linear state with local outputs. Gradients of any order, vmap and jvp included; the
    derivative of relu at 0 is 0. On a CPU by a compiled kernel where the output functions are constant on each cell,
    else in blocks of samples that stay in cache; elsewhere in plain operations, but for a plan of means, which takes
    the kernel of :func:`relu_cell_means`. Autograd keeps ``x``, nothing of the cells.

    Args:
        x: nodal values of the state, shape (..., N), floating point. Half precisions are computed in float32.
        plan: the cells and the output functions on them.

    Returns:
        Tensor of shape (..., plan.outputs), dtype and device of ``x``. A NaN stays in the outputs whose cells see it.

    Raises:
        ValueError: ``x`` has fewer nodes than the plan needs.

    Source: IAT paper, eq. (4) and (20), for every local pair of a PWL or PWL-w input.
    """
    if x.shape[-1] < plan.nodes:
        raise ValueError(f"x must have at least {plan.nodes} nodes in its last dimension; got shape {tuple(x.shape)}")
    if plan.means and x.shape[-1] == plan.nodes:
        return relu_cell_means(x)
    if plain_only(x) or x.numel() == 0 or len(plan.left) == 0:
        return linear_cells_plain(x, plan)
    return _LinearCells.apply(x.contiguous(), plan)  # pyright: ignore[reportReturnType]


# ----------------------------------------------------------------------------------------------------------------
# The formulas. The first dimension counts nodes, cells or outputs, the second samples: then to gather and to scatter is
# to move whole rows, and the constants of a cell are a column.


class _Constants(NamedTuple):
    """The plan in the precision of the computation."""

    left: Tensor
    start: Tensor  # (C, 1)
    stop: Tensor
    from_start: Tensor  # 1 - start
    from_stop: Tensor
    target: Tensor
    weights: Tensor  # (R, moments, C, 1): length times Bernstein coefficient


class _Active(NamedTuple):
    """The positive part [lo, hi] of each cell, by numbers that are each free of cancellation."""

    share: Tensor  # hi - lo
    lo: Tensor
    not_lo: Tensor  # 1 - lo
    hi: Tensor
    not_hi: Tensor


def _compute_dtype(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _by_node(x: Tensor) -> Tensor:
    return x.to(_compute_dtype(x)).reshape(-1, x.shape[-1]).T


def _by_sample(y: Tensor, x: Tensor) -> Tensor:
    return y.T.reshape(*x.shape[:-1], y.shape[0]).to(x.dtype)


def _constants(plan: LinearCells, x: Tensor) -> _Constants:
    def column(t: Tensor) -> Tensor:
        return t.to(device=x.device, dtype=_compute_dtype(x))[..., None]

    start, stop = plan.start.double(), plan.stop.double()
    weights = (plan.length.double()[:, None] * plan.coefficients.double()).movedim(-1, 1)
    weights = column(weights[:, :1] if plan.constant else weights)
    ends = column(start), column(stop), column(1 - start), column(1 - stop)
    return _Constants(plan.left.to(x.device), *ends, plan.target.to(x.device), weights)


def _ends(x: Tensor, c: _Constants) -> tuple[Tensor, Tensor]:
    """The state at both ends of every cell."""
    left, right = x.index_select(0, c.left), x.index_select(0, c.left + 1)
    return left * c.from_start + right * c.start, left * c.from_stop + right * c.stop


def _one_for_zero(size: Tensor) -> Tensor:
    """A divisor of what is zero anyway: with a tiny one instead, derivatives would be infinity times zero."""
    return torch.where(size == 0, 1.0, size)


def _active(a: Tensor, b: Tensor) -> _Active:
    """In units of the larger end, a constant to autograd: nothing overflows, in derivatives neither."""
    unit = _one_for_zero(torch.maximum(a.abs(), b.abs()).detach())
    a, b = a / unit, b / unit
    p0, p1 = a.relu(), b.relu()
    n0, n1 = p0 - a, p1 - b  # exact; and their derivative at zero is that from the left, as that of relu is
    size = _one_for_zero((p0 + n0) + (p1 + n1))
    share, lo, not_hi = (p0 + p1) / size, n0 / size, n1 / size
    return _Active(share, lo, share + not_hi, lo + share, not_hi)


def _moments(on: _Active, f0: Tensor, f1: Tensor, constant: bool) -> list[Tensor]:
    """Integrals over each cell of the three Bernstein quadratics (or of 1) times the line from f0 to f1 on [lo, hi]."""
    if constant:
        return [on.share * (f0 / 2 + f1 / 2)]  # the sum of two halves cannot overflow
    middle = f0 / 6 + f1 / 6
    first, last = middle / 2 + f0 / 6, middle / 2 + f1 / 6  # f0/4 + f1/12, f0/12 + f1/4
    # Grouped by Horner's rule: the moment of B_0 is share * (first L^2 + middle L H + last H^2), L = 1-lo, H = 1-hi.
    below = (first * on.not_lo + middle * on.not_hi / 2, middle * on.not_lo / 2 + last * on.not_hi)
    above = (first * on.lo + middle * on.hi / 2, middle * on.lo / 2 + last * on.hi)
    return [
        on.share * (below[0] * on.not_lo + below[1] * on.not_hi),
        on.share * (below[0] * on.lo + below[1] * on.hi) * 2,
        on.share * (above[0] * on.lo + above[1] * on.hi),
    ]


def _slopes(on: _Active, w: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Derivatives towards a and b of the cell's moments weighted by w: the adjoint of :func:`_moments`."""
    if len(w) == 1:
        half = on.share * w[0] / 2
        return half * (on.not_lo + on.not_hi), half * (on.lo + on.hi)
    low = w[0] * on.not_lo + w[1] * on.lo, w[1] * on.not_lo + w[2] * on.lo  # de Casteljau at lo, then at both ends
    high = w[0] * on.not_hi + w[1] * on.hi, w[1] * on.not_hi + w[2] * on.hi
    q0, q1, q2 = (
        low[0] * on.not_lo + low[1] * on.lo,
        low[0] * on.not_hi + low[1] * on.hi,
        high[0] * on.not_hi + high[1] * on.hi,
    )
    f0, f1 = on.share * (q0 / 4 + q1 / 6 + q2 / 12), on.share * (q0 / 12 + q1 / 6 + q2 / 4)
    return f0 * on.not_lo + f1 * on.not_hi, f0 * on.lo + f1 * on.hi


def _sum(terms: Iterable[Tensor]) -> Tensor:
    return functools.reduce(torch.add, terms)


def _gather(moments: Sequence[Tensor], c: _Constants, plan: LinearCells) -> Tensor:
    """Outputs (outputs, samples) from the moments of the cells."""
    y = moments[0].new_zeros(plan.outputs, moments[0].shape[1])
    for target, weights in zip(c.target, c.weights, strict=True):
        y = y.index_add(0, target, _sum(w * m for w, m in zip(weights, moments, strict=True)))
    return y


def _spread(grad: Tensor, c: _Constants) -> list[Tensor]:
    """Weights of the moments of the cells from the gradient of the outputs: the adjoint of :func:`_gather`."""
    of_cell = [grad.index_select(0, target) for target in c.target]
    each = [[w * g for w in weights] for weights, g in zip(c.weights, of_cell, strict=True)]
    return [_sum(terms) for terms in zip(*each, strict=True)]


def _gradient(x: Tensor, grad: Tensor, c: _Constants) -> Tensor:
    """Gradient (nodes, samples) from the state and the gradient of the outputs."""
    da, db = _slopes(_active(*_ends(x, c)), _spread(grad, c))
    out = torch.zeros_like(x).index_add(0, c.left, da * c.from_start + db * c.from_stop)
    return out.index_add(0, c.left + 1, da * c.start + db * c.stop)


class _LinearCells(torch.autograd.Function):
    """linear_cells of a contiguous x."""

    @staticmethod
    def forward(x: Tensor, plan: LinearCells) -> Tensor:
        return _forward(x, plan) if x.is_cpu else linear_cells_plain(x, plan)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, LinearCells], output: Tensor) -> None:
        x, ctx.plan = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        # A second derivative will follow, or many at once (is_grads_batched): operations that autograd and vmap know.
        if torch.is_grad_enabled() or batched(grad) or not x.is_cpu:
            return _by_sample(_gradient(_by_node(x), _by_node(grad), _constants(ctx.plan, x)), x), None
        return _backward(x, grad, ctx.plan), None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor, _: None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        constants = _constants(ctx.plan, x)
        on = _active(*_ends(_by_node(x), constants))
        a, b = _ends(_by_node(x_dot), constants)
        moved = _moments(on, a * on.not_lo + b * on.lo, a * on.not_hi + b * on.hi, ctx.plan.constant)
        return _by_sample(_gather(moved, constants, ctx.plan), x)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], x: Tensor, plan: LinearCells) -> tuple[Tensor, int]:
        return linear_cells(x.movedim(in_dims[0], 0), plan), 0


# ----------------------------------------------------------------------------------------------------------------
# CPU. The compiled kernel makes one pass, where the output functions are constant on each cell. Else, and without it:


def _forward(x: Tensor, plan: LinearCells) -> Tensor:
    out = x.new_empty((*x.shape[:-1], plan.outputs))
    return out if _filled(out, x, None, plan) else _forward_blocks(x, plan)


def _backward(x: Tensor, grad: Tensor, plan: LinearCells) -> Tensor:
    out = torch.empty_like(x)
    return out if _filled(out, x, grad, plan) else _backward_blocks(x, grad, plan)


def _filled(out: Tensor, x: Tensor, grad: Tensor | None, plan: LinearCells) -> bool:
    """Fill ``out`` with the values, or with the gradient, if there is a kernel for it."""
    nodes = x.shape[-1]
    kernel = kernel_for("linear_cells", x, *([] if grad is None else [grad]))
    if kernel is None or not plan.constant or 2 * nodes + plan.outputs > _MOST_SIDE_BY_SIDE:
        return False
    c = _constants(plan, x)
    grad = grad if grad is None else grad.contiguous()
    tables = [t.contiguous() for t in (c.left, c.target, c.start, c.stop, c.from_start, c.from_stop, c.weights)]
    pointers = (0 if t is None else t.data_ptr() for t in (x, grad, out, *tables))
    sizes = x.numel() // nodes, nodes, len(plan.left), len(plan.target), plan.outputs
    kernel(*pointers, *sizes, torch.get_num_threads())
    return True


# The same formulas for a block of samples at a time, in arrays that are allocated once.


def _blocks(plan: LinearCells, arrays: int, *tensors: Tensor) -> Iterator[tuple[Any, ...]]:
    """The blocks of each tensor, and behind them the scratch arrays of shape (C, samples of the block)."""
    cells = len(plan.left)
    samples = block_rows(tensors[0], 2 * cells)  # six to twelve arrays are alive
    scratch = tensors[0].new_empty(arrays, cells * samples, dtype=_compute_dtype(tensors[0]))
    for block in blocks(samples, *tensors):
        n = len(block[0])
        yield *block, scratch[:, : cells * n].view(arrays, cells, n).unbind()


def _halved(x: Tensor) -> Tensor:
    """Half the state, by node: the sum of two halves cannot overflow."""
    return (_by_node(x) / 2).contiguous()


def _mix(a: Tensor, s: Tensor, b: Tensor, t: Tensor, out: Tensor) -> Tensor:
    return torch.mul(a, s, out=out).addcmul_(b, t)


def _block_ends(x: Tensor, c: _Constants, arrays: Sequence[Tensor]) -> None:
    """a_+, b_+, (-a)_+, (-b)_+, P and S of every cell into six arrays."""
    f0, f1, n0, n1, positive, size = arrays
    torch.index_select(x, 0, c.left, out=f0)
    torch.index_select(x, 0, c.left + 1, out=f1)
    _mix(f0, c.from_start, f1, c.start, out=n0)
    _mix(f0, c.from_stop, f1, c.stop, out=n1)
    torch.sub(torch.clamp_min(n0, 0.0, out=f0), n0, out=n0)
    torch.sub(torch.clamp_min(n1, 0.0, out=f1), n1, out=n1)
    torch.add(f0, f1, out=positive)
    torch.add(n0, n1, out=size).add_(positive).clamp_min_(smallest(x))


def _block_active(arrays: Sequence[Tensor]) -> _Active:
    """The positive parts from (-a)_+, (-b)_+, P and S, in place, and one array more."""
    lo, not_hi, share, hi, not_lo = arrays
    for part in (lo, not_hi, share):
        part.div_(hi)
    return _Active(share, lo, torch.add(share, not_hi, out=not_lo), torch.add(lo, share, out=hi), not_hi)


def _forward_blocks(x: Tensor, plan: LinearCells) -> Tensor:
    c = _constants(plan, x)
    c = c._replace(weights=c.weights * 2)  # the state is halved
    out = x.new_empty((*x.shape[:-1], plan.outputs))
    for x_block, out_block, t in _blocks(plan, 6 if plan.constant else 11, x, out):
        _block_ends(_halved(x_block), c, t[:6])
        f0, f1, _, _, positive, size = t[:6]
        if plan.constant:
            moments = [torch.div(positive, size, out=size).mul_(positive).mul_(0.5)]
        else:
            share, lo, not_lo, hi, not_hi = _block_active(t[2:7])
            first, last = torch.add(f1, f0, alpha=3, out=t[7]), torch.add(f0, f1, alpha=3, out=t[8])
            middle = f0.add_(f1)
            for weight in (first, middle, last):
                weight.mul_(share).mul_(1 / 12)
            low, high = _mix(first, not_lo, middle, not_hi, out=t[9]), _mix(middle, not_lo, last, not_hi, out=t[10])
            zeroth = _mix(low, not_lo, high, not_hi, out=share)
            linear = _mix(low, lo, high, hi, out=f1).mul_(2)
            low, high = _mix(first, lo, middle, hi, out=low), _mix(middle, lo, last, hi, out=high)
            moments = [zeroth, linear, _mix(low, lo, high, hi, out=first)]
        y = moments[0].new_zeros(plan.outputs, moments[0].shape[1])
        for target, weights in zip(c.target, c.weights, strict=True):
            term = torch.mul(moments[0], weights[0], out=t[3])
            for moment, weight in zip(moments[1:], weights[1:], strict=True):
                term.addcmul_(moment, weight)
            y.index_add_(0, target, term)
        out_block.copy_(y.T)
    return out


def _backward_blocks(x: Tensor, grad: Tensor, plan: LinearCells) -> Tensor:
    c = _constants(plan, x)
    out = torch.empty_like(x)
    for x_block, grad_block, out_block, t in _blocks(plan, 12, x, grad, out):
        nodes, outputs = _halved(x_block), _by_node(grad_block).contiguous()
        _block_ends(nodes, c, t[:6])
        share, lo, not_lo, hi, not_hi = _block_active(t[2:7])
        of_cell, w = t[0], t[7 : 7 + c.weights.shape[1]]
        for r, (target, weights) in enumerate(zip(c.target, c.weights, strict=True)):
            torch.index_select(outputs, 0, target, out=of_cell)
            for sum_, weight in zip(w, weights, strict=True):
                torch.addcmul(sum_, of_cell, weight, out=sum_) if r else torch.mul(of_cell, weight, out=sum_)
        if plan.constant:
            half = w[0].mul_(share).mul_(0.5)
            da, db = not_lo.add_(not_hi).mul_(half), lo.add_(hi).mul_(half)
        else:
            low, high = _mix(w[0], not_lo, w[1], lo, out=t[10]), _mix(w[1], not_lo, w[2], lo, out=t[11])
            q0, q1 = _mix(low, not_lo, high, lo, out=t[0]), _mix(low, not_hi, high, hi, out=t[1])
            low, high = _mix(w[0], not_hi, w[1], hi, out=low), _mix(w[1], not_hi, w[2], hi, out=high)
            q2 = _mix(low, not_hi, high, hi, out=w[0])
            f0, f1 = torch.add(q2, q0, alpha=3, out=low), torch.add(q0, q2, alpha=3, out=high)
            for f in (f0, f1):
                f.add_(q1, alpha=2).mul_(share).mul_(1 / 12)
            da, db = _mix(f0, not_lo, f1, not_hi, out=w[1]), _mix(f0, lo, f1, hi, out=w[2])
        of_node = torch.zeros_like(nodes)
        of_node.index_add_(0, c.left, _mix(da, c.from_start, db, c.from_stop, out=t[0]))
        of_node.index_add_(0, c.left + 1, _mix(da, c.start, db, c.stop, out=t[1]))
        out_block.copy_(of_node.T)
    return out
