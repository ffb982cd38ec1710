"""The integral activation transform by the midpoint rule: its plain form, and a fast form on either side of the FFT.

``y = (2/M) Q sigma(P^T x)`` with the input basis P (d, M) and the output basis Q (n, M) at the midpoints
``s_m = -1 + (2 m - 1) / M``: Eq. (12) of the paper on IAT. Two matrix products cost 2 (d + n) M a sample, and write
M numbers of state to memory. Here a Fourier basis is an FFT, a local basis a narrow band of its matrix, and with ReLU
the state lives in cache: rows go through it in blocks, and the backward pass computes it again.
"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .._checks import check_dense
from .._functorch import batched, legacy_batched, plain_only, without_autocast
from ._blocks import block_rows, blocks
from ._midpoint_maps import LinearMap, fft_is_faster, fft_maps, fourier_basis, product


@dataclass(frozen=True)
class MidpointTables:
    """What the transform needs to know, made once by :func:`midpoint_tables`. Constant: no gradient reaches it."""

    p: Tensor  # (d, M), the input basis at the midpoints
    q: Tensor  # (n, M), the output basis there times 2/M
    synthesis: LinearMap  # x -> state
    analysis: LinearMap  # its transpose
    pooling: LinearMap  # activated state -> y
    spreading: LinearMap  # its transpose


def midpoint_tables(p: Tensor, q: Tensor, *, fourier: bool) -> MidpointTables:
    """Find the fastest maps for two bases.

    Args:
        p: (d, M), float32 or float64, the input basis at the midpoints -1 + (2m-1)/M. Low precisions of ``x`` are
            computed with a float32 table.
        q: (n, M), same dtype and device, the output basis there times 2/M. A local basis is found by its zeros.
        fourier: p is cos(pi s), sin(pi s), cos(2 pi s), ..., without a constant.

    Raises:
        TypeError: a table is not float32 or float64, or they differ in dtype.
        ValueError: a table is not a matrix, is empty, requires a gradient, or the shapes do not fit; ``fourier`` is
            claimed and not true.
    """
    if p.dtype not in (torch.float32, torch.float64) or p.dtype != q.dtype:
        raise TypeError(f"p and q must both be float32 or both float64; got {p.dtype} and {q.dtype}")
    if p.dim() != 2 or q.dim() != 2 or p.shape[1] != q.shape[1] or 0 in (*p.shape, *q.shape):
        raise ValueError(
            f"p must have the shape (d, M) and q (n, M), not empty; got {tuple(p.shape)} and {tuple(q.shape)}"
        )
    if p.requires_grad or q.requires_grad:
        raise ValueError("p and q must not require a gradient: the transform is differentiated towards x only")
    p, q = p.contiguous(), q.contiguous()
    size, nodes = p.shape
    if fourier and (p - fourier_basis(size, nodes, p.device)).abs().max() > 1e-4:  # float32 pi k s is off by k eps
        raise ValueError(f"p is not the Fourier basis of {size} functions at {nodes} midpoints")
    synthesis, analysis = fft_maps(p) if fourier and fft_is_faster(size, nodes) else (product(p), product(p.T))
    return MidpointTables(p, q, synthesis, analysis, product(q.T), product(q))


def midpoint_plain(x: Tensor, tables: MidpointTables, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """The transform as two matrix products: the definition that the fast forms are tested against."""
    dtype = _compute_dtype(x, tables)
    with without_autocast(x):
        return (activated(activation, x.to(dtype) @ tables.p.to(x.device)) @ tables.q.T.to(x.device)).to(x.dtype)


def midpoint(x: Tensor, tables: MidpointTables, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """The transform for any elementwise activation, by FFT and bands where they are faster.

    Args:
        x: (..., d), floating point.
        tables: of :func:`midpoint_tables`, in float64 for a float64 ``x``, else in float32.
        activation: an elementwise function of a tensor.

    Returns:
        Tensor (..., n), same dtype and device as ``x``. Autograd keeps the state of M numbers a sample for the
        activation's gradient; :func:`midpoint_relu` does not.
    """
    if plain_only(x) or x.numel() == 0:
        return midpoint_plain(x, tables, activation)
    wide = x.to(_compute_dtype(x, tables))
    with without_autocast(x):
        state = activated(activation, _apply(wide, tables.synthesis, tables.analysis))
        return _apply(state, tables.pooling, tables.spreading).to(x.dtype)


def midpoint_relu(x: Tensor, tables: MidpointTables) -> Tensor:
    """The transform for ReLU, with no state in memory; arguments and result as :func:`midpoint`.

    It is piecewise linear: the second derivative is zero almost everywhere. ReLU's derivative at 0 is 0.
    """
    _compute_dtype(x, tables)
    if plain_only(x) or x.numel() == 0:
        return midpoint_plain(x, tables, torch.relu)
    return _MidpointReLU.apply(x, tables)  # pyright: ignore[reportReturnType]


def activated(activation: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    result: Any = activation(state)
    if not isinstance(result, Tensor):
        raise TypeError(f"activation must give a tensor; got {type(result).__name__}.")
    check_dense("activation(x)", result)
    if result.shape != state.shape or result.dtype != state.dtype:
        raise ValueError(
            f"activation must be element-wise and keep the dtype: of {state.dtype} {tuple(state.shape)} it made "
            f"{result.dtype} {tuple(result.shape)}."
        )
    return result


def _compute_dtype(x: Tensor, tables: MidpointTables) -> torch.dtype:
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    if tables.p.dtype != dtype or not x.is_floating_point():
        raise TypeError(f"x of {x.dtype} needs floating point, and tables of {dtype}; they are {tables.p.dtype}")
    if x.dim() == 0 or x.shape[-1] != tables.p.shape[0]:
        raise ValueError(f"x must have {tables.p.shape[0]} columns, one a basis function; got {tuple(x.shape)}")
    return dtype


def _block_rows(x: Tensor, nodes: int) -> int:
    return max(1, min(block_rows(x, nodes), x.numel() // x.shape[-1]))


# ----------------------------------------------------------------------------------------------------------------
# A linear map and its transpose are each other's derivative, to any order.


def _apply(x: Tensor, forward: LinearMap, transpose: LinearMap) -> Tensor:
    if legacy_batched(x):
        return x @ forward.matrix
    return _Linear.apply(x, forward, transpose)  # pyright: ignore[reportReturnType]


class _Linear(torch.autograd.Function):
    """forward(x) of the rows of x (..., inputs), in blocks."""

    @staticmethod
    def forward(x: Tensor, forward: LinearMap, transpose: LinearMap) -> Tensor:
        inputs, outputs = forward.matrix.shape
        rows = _block_rows(x, max(inputs, outputs))
        run = forward.prepare(rows)
        out = x.new_empty((*x.shape[:-1], outputs))
        for x_block, out_block in blocks(rows, x, out):
            run(x_block.contiguous(), out_block)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, LinearMap, LinearMap], output: Tensor) -> None:
        _, ctx.map, ctx.transpose = inputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _apply(grad, ctx.transpose, ctx.map), None, None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor, *_: None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _apply(x_dot, ctx.map, ctx.transpose)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, forward: LinearMap, transpose: LinearMap) -> tuple[Tensor, int]:
        return _apply(x.movedim(in_dims[0], 0), forward, transpose), 0


# ----------------------------------------------------------------------------------------------------------------
# ReLU: synthesis, ReLU and pooling of a block of rows while its state is in cache.


class _MidpointReLU(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, tables: MidpointTables) -> Tensor:
        kernels = _triton_kernels(x, tables)
        if kernels is not None:
            return kernels.forward(x.contiguous(), tables.p, tables.q)
        return _forward_blocks(x, tables)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, MidpointTables], output: Tensor) -> None:
        x, ctx.tables = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        tables: MidpointTables = ctx.tables
        # A second derivative will follow, or many at once (is_grads_batched): operations that autograd and vmap know.
        if torch.is_grad_enabled() or batched(grad):
            spread = _apply(grad.to(tables.q.dtype), tables.spreading, tables.pooling)
            back = _apply(_masked(spread, x, tables), tables.analysis, tables.synthesis).to(x.dtype)
            return back + _nothing_of(x), None
        kernels = _triton_kernels(x, tables)
        if kernels is not None:
            return kernels.backward(x.contiguous(), grad.contiguous(), tables.p, tables.q), None
        return _backward_blocks(x, grad, tables), None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor, *_: None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        tables: MidpointTables = ctx.tables
        moved = _apply(x_dot.to(tables.p.dtype), tables.synthesis, tables.analysis)
        out = _apply(_masked(moved, x, tables), tables.pooling, tables.spreading).to(x.dtype)
        return out + _nothing_of(x).sum(-1, keepdim=True)

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, tables: MidpointTables) -> tuple[Tensor, int]:
        return midpoint_relu(x.movedim(in_dims[0], 0), tables), 0


def _nothing_of(x: Tensor) -> Tensor:
    """Zeros that depend on x, with a derivative of zero: where relu's second derivative is asked for, there is one."""
    return torch.where(torch.zeros_like(x, dtype=torch.bool), x, 0)


def _masked(t: Tensor, x: Tensor, tables: MidpointTables) -> Tensor:
    """t (..., M) where the state of x is positive, else zero; as torch.relu does it, also where the state is NaN."""
    state = _apply(x.detach().to(tables.p.dtype), tables.synthesis, tables.analysis)
    return torch.where(state <= 0, 0.0, t)


def _forward_blocks(x: Tensor, tables: MidpointTables) -> Tensor:
    dtype, (n, nodes) = tables.p.dtype, tables.q.shape
    rows = _block_rows(x, nodes)
    synthesis, pooling = tables.synthesis.prepare(rows), tables.pooling.prepare(rows)
    out = x.new_empty((*x.shape[:-1], n))
    state_ = torch.empty(rows, nodes, dtype=dtype, device=x.device)
    y_ = None if x.dtype == dtype else state_.new_empty(rows, n)
    for x_block, out_block in blocks(rows, x, out):
        length = len(x_block)
        state = synthesis(x_block.to(dtype), state_[:length]).relu_()
        y = pooling(state, out_block if y_ is None else y_[:length])
        if y is not out_block:
            out_block.copy_(y)
    return out


def _backward_blocks(x: Tensor, grad: Tensor, tables: MidpointTables) -> Tensor:
    dtype, (d, nodes) = tables.p.dtype, tables.p.shape
    rows = _block_rows(x, nodes)
    synthesis, spreading = tables.synthesis.prepare(rows), tables.spreading.prepare(rows)
    analysis = tables.analysis.prepare(rows)
    out = x.new_empty(x.shape)
    state_, spread_ = torch.empty(2, rows, nodes, dtype=dtype, device=x.device)
    sum_ = None if x.dtype == dtype else state_.new_empty(rows, d)
    for x_block, grad_block, out_block in blocks(rows, x, grad, out):
        length = len(x_block)
        state = synthesis(x_block.to(dtype), state_[:length])
        spread = spreading(grad_block.to(dtype).contiguous(), spread_[:length])
        torch.ops.aten.threshold_backward.grad_input(spread, state, 0, grad_input=spread)
        total = analysis(spread, out_block if sum_ is None else sum_[:length])
        if total is not out_block:
            out_block.copy_(total)
    return out


# ----------------------------------------------------------------------------------------------------------------
# CUDA. The kernel is imported on first use: neither Triton nor CUDA is needed to import relunb.


def _triton_kernels(x: Tensor, tables: MidpointTables) -> Any:
    """The kernels if they can run on x, else None: the blocks above run on a GPU as well."""
    if not x.is_cuda or x.dtype == torch.float64 or max(tables.p.shape[0], tables.q.shape[0]) > 256:
        return None
    return _import_kernels()


@functools.cache
def _import_kernels() -> Any:
    if importlib.util.find_spec("triton") is None:
        return None
    from . import _midpoint_triton

    return _midpoint_triton
