"""Means of relu over the cells of a line in one pass on a GPU: a neighbour's value is in the cache already."""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton

_BLOCK = 1024


@triton.jit
def _load(ptr, offsets, inside, WIDE: tl.constexpr):
    value = tl.load(ptr + offsets, mask=inside, other=0.0)
    return value.to(tl.float64) if WIDE else value.to(tl.float32)


@triton.jit
def _active_share(a, b):
    """P/2 and r = P/S of the cells from a to b; 0 where both are. A NaN comes through S."""
    half_p = 0.5 * tl.where(a > 0, a, 0.0) + 0.5 * tl.where(b > 0, b, 0.0)
    half_s = 0.5 * tl.abs(a) + 0.5 * tl.abs(b)
    return half_p, half_p / tl.where(half_s == 0, 1.0, half_s)


@triton.jit
def _forward_kernel(x_ptr, out_ptr, n, cells, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    offsets = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < n
    node = offsets + offsets // cells  # a row has one node more than it has cells
    a = _load(x_ptr, node, inside, WIDE)
    b = _load(x_ptr, node + 1, inside, WIDE)
    half_p, r = _active_share(a, b)
    tl.store(out_ptr + offsets, (r * half_p).to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _backward_kernel(x_ptr, grad_ptr, out_ptr, n, cells, BLOCK: tl.constexpr, WIDE: tl.constexpr):
    offsets = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row = offsets // (cells + 1)
    column = offsets - row * (cells + 1)
    has_left = (offsets < n) & (column > 0)
    has_right = (offsets < n) & (column < cells)
    x = _load(x_ptr, offsets, offsets < n, WIDE)
    _, r_left = _active_share(_load(x_ptr, offsets - 1, has_left, WIDE), x)
    _, r_right = _active_share(x, _load(x_ptr, offsets + 1, has_right, WIDE))
    grad_left = _load(grad_ptr, offsets - row - 1, has_left, WIDE)
    grad_right = _load(grad_ptr, offsets - row, has_right, WIDE)
    left = grad_left * tl.where(x > 0, r_left - 0.5 * r_left * r_left, 0.5 * r_left * r_left)
    right = grad_right * tl.where(x > 0, r_right - 0.5 * r_right * r_right, 0.5 * r_right * r_right)
    # Where there is no cell its gradient is 0; but 0 times the share of a NaN node would be NaN, as the node is anyway.
    tl.store(out_ptr + offsets, (left + right).to(out_ptr.dtype.element_ty), mask=offsets < n)


def _launch_forward(kernel, x: Tensor) -> Tensor:
    cells = x.shape[-1] - 1
    out = x.new_empty(*x.shape[:-1], cells)
    n = out.numel()
    kernel[(-(-n // _BLOCK),)](x, out, n, cells, BLOCK=_BLOCK, WIDE=x.dtype == torch.float64)
    return out


def _launch_backward(kernel, x: Tensor, grad: Tensor) -> Tensor:
    out = torch.empty_like(x)
    n = x.numel()
    cells = x.shape[-1] - 1
    kernel[(-(-n // _BLOCK),)](x, grad, out, n, cells, BLOCK=_BLOCK, WIDE=x.dtype == torch.float64)
    return out


@triton_op("relunb::relu_cell_means_forward", mutates_args=())
def forward(x: Tensor) -> Tensor:
    """relu_cell_means of a contiguous CUDA tensor with at least two nodes a row."""
    return _launch_forward(wrap_triton(_forward_kernel), x)


@triton_op("relunb::relu_cell_means_backward", mutates_args=())
def backward(x: Tensor, grad: Tensor) -> Tensor:
    """Gradient of :func:`forward` towards ``x``; both contiguous."""
    return _launch_backward(wrap_triton(_backward_kernel), x, grad)
