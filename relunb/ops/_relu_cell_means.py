"""The mean of the ReLU of a straight line, cell by cell: the plain form, the compiled kernel or row blocks, Triton's.

Between the nodal values ``a`` and ``b`` the mean is ``P^2 / (2 S)``, ``P = a_+ + b_+``, ``S = |a| + |b|``: one formula
for the four pairs of signs, of nonnegative terms only, so nothing cancels. With ``r = P / S`` its slopes are
``r - r^2/2`` towards a positive end and ``r^2/2`` towards the other.
"""

import functools
import importlib.util
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._functorch import batched, plain_only
from ._blocks import block_rows, blocks
from ._native import is_small, kernel_for, one_number


def relu_cell_means_plain(x: Tensor) -> Tensor:
    """:func:`relu_cell_means` in plain torch operations: the definition that the fast forms are tested against.

    Each cell is measured in units of its own larger end. The unit is a constant to autograd (the mean is homogeneous),
    so no derivative of a number beyond 1/|x| comes up on the way to the Hessian ``b^2 / |a - b|^3``.
    """
    wide = _wide(x)
    unit = torch.maximum(wide[..., :-1].abs(), wide[..., 1:].abs()).detach()
    unit = torch.where(unit == 0, 1.0, unit)
    a, b = wide[..., :-1] / unit, wide[..., 1:] / unit
    positive = a.relu() + b.relu()
    total = (_size(a) + _size(b)).clamp_min(0.5)  # between 1 and 2, or 0 where both ends are
    return (positive / total * (positive * (unit / 2))).to(x.dtype)


def relu_cell_means(x: Tensor) -> Tensor:
    """Mean of relu over each cell of a piecewise-linear function: ``integral_0^1 relu((1 - t) x_i + t x_{i+1}) dt``.

    Exact IAT-ReLU from hat functions to rectangles on the same mesh, by the fastest form for this device and size.
    Gradients of any order, vmap and jvp included. The derivative at a cell of two zeros is zero.

    Args:
        x: nodal values, shape (..., d), floating point, d >= 1. Half precisions are computed in float32.

    Returns:
        Tensor of shape (..., d - 1), dtype and device of ``x``. A cell with a NaN end is NaN,
        and one with an infinite end may be.

    Source: IAT paper, eq. (4) with PWL input and Rect output.
    """
    if plain_only(x) or x.numel() == 0 or x.shape[-1] == 1:
        return relu_cell_means_plain(x)
    if x.is_cpu:
        if is_small(x):
            return relu_cell_means_plain(x)
    elif not x.is_cuda or _triton_kernels() is None:
        return relu_cell_means_plain(x)
    return _ReLUCellMeans.apply(x.contiguous())  # pyright: ignore[reportReturnType]


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def smallest(x: Tensor) -> float:
    """The smallest positive number: what divides zero, and changes no other divisor."""
    return torch.finfo(x.dtype).tiny * torch.finfo(x.dtype).eps


def _size(x: Tensor) -> Tensor:
    """|x|, whose derivative at zero is that from the left, as that of relu is."""
    return torch.where(x > 0, x, -x)


def _slopes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of each mean towards its left and its right node, themselves differentiable."""
    half = _wide(x) / 2  # the sum of two halves cannot overflow
    a, b = half[..., :-1], half[..., 1:]
    total = _size(a) + _size(b)
    r = (a.relu() + b.relu()) / torch.where(total == 0, 1.0, total)
    near, far = r - r * r / 2, r * r / 2
    return torch.where(a > 0, near, far), torch.where(b > 0, near, far)


class _ReLUCellMeans(torch.autograd.Function):
    """relu_cell_means of a contiguous x."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _forward(x) if x.is_cpu else _triton_kernels().forward(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        # A second derivative will follow, or many at once (is_grads_batched): operations that autograd and vmap know.
        if torch.is_grad_enabled() or batched(grad):
            left, right = _slopes(x)
            return (pad(grad * left, (0, 1)) + pad(grad * right, (1, 0))).to(x.dtype)
        if x.is_cpu:
            return _backward(x, grad)
        return _triton_kernels().backward(x, grad.contiguous())

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        left, right = _slopes(x)
        return (left * x_dot[..., :-1] + right * x_dot[..., 1:]).to(x.dtype)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Tensor, int]:
        return relu_cell_means(x.movedim(in_dims[0], 0)), 0


# ----------------------------------------------------------------------------------------------------------------
# CPU. The compiled kernel moves the tensor through memory once. Without it, and for half precision, whole rows stay in
# cache through a dozen torch calls, a block of them at a time. Inside a block the rows lie end to end, and a cell from
# the end of one row to the start of the next is computed with the others: a call on one long line is faster than on
# many short ones. The last call leaves that cell out; in the backward pass it is set to zero.


def _active_share(x: Tensor, half_p: Tensor, half_s: Tensor, r: Tensor, part: Tensor) -> None:
    """P/2, S/2 and r = P/S of the cells of a line of nodes; ``part`` is scratch of the length of ``x``."""
    torch.clamp_min(x, 0.0, out=part)
    torch.lerp(part[:-1], part[1:], 0.5, out=half_p)  # the mean of two finite numbers is finite, their sum may not be
    torch.abs(x, out=part)
    torch.lerp(part[:-1], part[1:], 0.5, out=half_s).clamp_min_(smallest(x))
    torch.div(half_p, half_s, out=r)


def _forward(x: Tensor) -> Tensor:
    out = torch.empty_like(x[..., 1:], memory_format=torch.contiguous_format)
    kernel = kernel_for("cell_means", x)
    if kernel is None:
        return _forward_blocks(x, out)
    width = x.shape[-1]
    kernel(x.data_ptr(), out.data_ptr(), x.numel() // width, width, torch.get_num_threads())
    return out


def _backward(x: Tensor, grad: Tensor) -> Tensor:
    out = torch.empty_like(x)
    kernel = kernel_for("cell_means_gradient", x, grad)
    if kernel is None:
        return _backward_blocks(x, grad, out)
    same = one_number(grad)
    grad = grad if same else grad.contiguous()
    width = x.shape[-1]
    pointers = x.data_ptr(), grad.data_ptr(), same, out.data_ptr()
    kernel(*pointers, x.numel() // width, width, torch.get_num_threads())
    return out


def _forward_blocks(x: Tensor, out: Tensor) -> Tensor:
    width = x.shape[-1]
    rows = min(block_rows(x, width), x.numel() // width)
    scratch = _wide(x[:0]).new_empty(3, rows * width)
    for x_block, out_block in blocks(rows, x, out):
        n = x_block.numel()
        part, p, s = scratch[:, :n]
        r = part  # read for the last time before r is written
        _active_share(_wide(x_block).view(-1), p[:-1], s[:-1], r[:-1], part)
        cells = slice(None), slice(None, -1)
        r, p = r.view(-1, width)[cells], p.view(-1, width)[cells]
        if out_block.dtype == r.dtype:
            torch.mul(r, p, out=out_block)
        else:
            out_block.copy_(r.mul_(p))
    return out


def _backward_blocks(x: Tensor, grad: Tensor, out: Tensor) -> Tensor:
    width = x.shape[-1]
    rows = min(block_rows(x, width), x.numel() // width)
    # One cell before the first: the node at place i has the cells at i and i + 1, of which the first may be no cell.
    scratch = _wide(x[:0]).new_zeros(3, rows * width + 1)
    total_ = torch.empty_like(scratch[0, 1:])
    where_positive = torch.ops.aten.threshold_backward.grad_input  # its first argument where the second is > 0, else 0
    for x_block, grad_block, out_block in blocks(rows, x, grad, out):
        n = x_block.numel()
        line = _wide(x_block).view(-1)
        r, q, h = scratch[:, : n + 1]
        total = total_[:n] if out_block.dtype != line.dtype else out_block.view(-1)
        _active_share(line, q[1:-1], h[1:-1], r[1:-1], total)
        for cells in (r, q):
            cells[1:].view(-1, width)[:, -1] = 0.0
        inner = slice(None), slice(None, -1)
        torch.mul(grad_block, r[1:].view(-1, width)[inner], out=q[1:].view(-1, width)[inner])
        torch.mul(q, r, out=h)
        torch.sub(q, h, out=q)  # g (r - r^2): what a positive end has more than g r^2 / 2
        torch.add(q[:-1], q[1:], out=total)
        torch.add(h[:-1], h[1:], out=r[1:])
        where_positive(total, line, 0.0, grad_input=total)
        torch.add(total, r[1:], alpha=0.5, out=total)
        if total_.dtype != out_block.dtype:
            out_block.copy_(total.view_as(out_block))
    return out


# ----------------------------------------------------------------------------------------------------------------
# CUDA. The kernel is imported on first use: neither Triton nor CUDA is needed to import relunb.


@functools.cache
def _triton_kernels() -> Any:
    if importlib.util.find_spec("triton") is None:
        return None
    from . import _relu_cell_means_triton

    return _relu_cell_means_triton
