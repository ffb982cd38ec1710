"""The midpoint form for ReLU on a GPU: a program owns some rows of x and walks over the nodes.

Of the state (rows, M) there is never more than one tile, in registers. The products run in full float32.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton

# 16 is the least that tl.dot takes. Sizes up to 256 with such tiles hold at most 96 KiB of operands.
_ROWS = 16


@triton.jit
def _load(ptr, rows, columns, n_rows, n_columns):
    """The float32 tile of a row-major matrix, zero outside."""
    inside = (rows[:, None] < n_rows) & (columns[None, :] < n_columns)
    value = tl.load(ptr + rows[:, None].to(tl.int64) * n_columns + columns[None, :], mask=inside, other=0.0)
    return value.to(tl.float32)


@triton.jit
def _store(ptr, value, rows, columns, n_rows, n_columns):
    inside = (rows[:, None] < n_rows) & (columns[None, :] < n_columns)
    offsets = rows[:, None].to(tl.int64) * n_columns + columns[None, :]
    tl.store(ptr + offsets, value.to(ptr.dtype.element_ty), mask=inside)


@triton.jit
def _forward_kernel(
    x_ptr,
    p_ptr,
    q_ptr,
    out_ptr,
    n_rows,
    d,
    n,
    m,
    ROWS: tl.constexpr,
    D: tl.constexpr,
    N: tl.constexpr,
    TILE: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inputs, outputs = tl.arange(0, D), tl.arange(0, N)
    x = _load(x_ptr, rows, inputs, n_rows, d)
    y = tl.zeros((ROWS, N), dtype=tl.float32)
    for start in range(0, m, TILE):
        nodes = start + tl.arange(0, TILE)
        state = tl.dot(x, _load(p_ptr, inputs, nodes, d, m), input_precision="ieee")
        # tl.maximum would turn NaN into 0; past the last node an infinite x would turn 0 into NaN.
        state = tl.where((state <= 0) | (nodes[None, :] >= m), 0.0, state)
        y = tl.dot(state, tl.trans(_load(q_ptr, outputs, nodes, n, m)), acc=y, input_precision="ieee")
    _store(out_ptr, y, rows, outputs, n_rows, n)


@triton.jit
def _backward_kernel(
    x_ptr,
    grad_ptr,
    p_ptr,
    q_ptr,
    out_ptr,
    n_rows,
    d,
    n,
    m,
    ROWS: tl.constexpr,
    D: tl.constexpr,
    N: tl.constexpr,
    TILE: tl.constexpr,
):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    inputs, outputs = tl.arange(0, D), tl.arange(0, N)
    x = _load(x_ptr, rows, inputs, n_rows, d)
    grad = _load(grad_ptr, rows, outputs, n_rows, n)
    total = tl.zeros((ROWS, D), dtype=tl.float32)
    for start in range(0, m, TILE):
        nodes = start + tl.arange(0, TILE)
        p = _load(p_ptr, inputs, nodes, d, m)
        state = tl.dot(x, p, input_precision="ieee")
        spread = tl.dot(grad, _load(q_ptr, outputs, nodes, n, m), input_precision="ieee")
        spread = tl.where((state <= 0) | (nodes[None, :] >= m), 0.0, spread)
        total = tl.dot(spread, tl.trans(p), acc=total, input_precision="ieee")
    _store(out_ptr, total, rows, inputs, n_rows, d)


def _tiles(p: Tensor, q: Tensor) -> dict[str, int]:
    d, n = (max(16, 1 << (t.shape[0] - 1).bit_length()) for t in (p, q))
    return {"ROWS": _ROWS, "D": d, "N": n, "TILE": 32 if d + n <= 256 else 16, "num_stages": 1}


def _launch_forward(kernel, x: Tensor, p: Tensor, q: Tensor) -> Tensor:
    (d, m), n, rows = p.shape, q.shape[0], x.numel() // p.shape[0]
    out = x.new_empty(*x.shape[:-1], n)
    kernel[(-(-rows // _ROWS),)](x, p, q, out, rows, d, n, m, **_tiles(p, q))
    return out


def _launch_backward(kernel, x: Tensor, grad: Tensor, p: Tensor, q: Tensor) -> Tensor:
    (d, m), n, rows = p.shape, q.shape[0], x.numel() // p.shape[0]
    out = torch.empty_like(x)
    kernel[(-(-rows // _ROWS),)](x, grad, p, q, out, rows, d, n, m, **_tiles(p, q))
    return out


@triton_op("relunb::midpoint_relu_forward", mutates_args=())
def forward(x: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """relu(x @ p) @ q.T of contiguous CUDA tensors: x (..., d), p (d, M) and q (n, M) float32; d, n <= 256."""
    return _launch_forward(wrap_triton(_forward_kernel), x, p, q)


@triton_op("relunb::midpoint_relu_backward", mutates_args=())
def backward(x: Tensor, grad: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """The gradient of :func:`forward` towards ``x``."""
    return _launch_backward(wrap_triton(_backward_kernel), x, grad, p, q)
