"""psi(scale * x): the plain form, the compiled kernel or cache-sized blocks for the CPU, and the door to Triton's.

With ``t = |scale x - 3/2|``, ``psi = (3/2 - t)_+ / 6 - 4 (1 - t)_+ / 3 + 23 (1/2 - t)_+ / 6``. Every term is exactly
zero for ``t >= 3/2``, and rounding ``scale x - 3/2`` is monotone, so psi is exactly zero off ``[0, 3/scale]``. The
slope of a ReLU at 0 is 0 and that of the modulus is 0, by comparisons of ours: no rule of torch's for a tie has a say.
"""

import functools
import importlib.util
import math
from typing import Any

import torch
from torch import Tensor

from .._functorch import batched, plain_only
from ._blocks import block_rows
from ._native import is_small, kernel_for, one_number, partial_sums

_TINY, _HUGE = torch.finfo(torch.float32).tiny, torch.finfo(torch.float32).max


def bw_relu_plain(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """psi(scale * x) in plain torch operations: the definition that the fast forms are tested against."""
    u = _scaled(x, scale) - 1.5
    t = u * u.sign()  # the modulus, with our slope at the centre
    psi = torch.sub((1.5 - t).relu() / 6, (1 - t).relu(), alpha=4 / 3)
    psi = torch.add(psi, (0.5 - t).relu(), alpha=23 / 6)
    return psi if psi.dtype == x.dtype else psi.to(x.dtype)


def bw_relu_fused(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """psi(scale * x) by the fastest form for this device and size; gradients of any order, vmap and jvp included."""
    if plain_only(x):
        return bw_relu_plain(x, scale)
    if x.is_cpu:
        if is_small(x):
            return bw_relu_plain(x, scale)
    elif not x.is_cuda or x.numel() == 0 or _triton_kernels() is None:
        return bw_relu_plain(x, scale)
    if _compute_dtype(x, scale) != _compute_dtype(x):
        return bw_relu_fused(x.double(), scale).to(x.dtype)
    if isinstance(scale, Tensor):
        if scale.numel() != 1 or scale.dim() > x.dim():  # one scale a channel, say: psi(u) of the broadcast product
            return bw_relu_fused(_scaled(x, scale)).to(x.dtype)
        scale = scale.reshape(())
    if x.is_contiguous():
        return _BWReLU.apply(x, scale)  # pyright: ignore[reportReturnType]
    # Walk memory in its own order: a permuted tensor is contiguous after the inverse permutation.
    order = sorted(range(x.dim()), key=x.stride, reverse=True)
    back = sorted(range(x.dim()), key=order.__getitem__)
    return _BWReLU.apply(x.permute(order).contiguous(), scale).permute(back)  # pyright: ignore[reportReturnType]


def _compute_dtype(x: Tensor, scale: float | Tensor = 1.0) -> torch.dtype:
    """float32, or float64 if ``x`` has it, or for a scale that float32 may round to zero or to infinity."""
    wide = scale.dtype == torch.float64 if isinstance(scale, Tensor) else not _TINY <= scale <= _HUGE
    return torch.float64 if wide or x.dtype == torch.float64 else torch.float32


def _scaled(x: Tensor, scale: float | Tensor) -> Tensor:
    """scale * x in the precision that psi is computed in; NaN where a tensor scale is not positive and finite."""
    wide = x.to(_compute_dtype(x, scale))
    if isinstance(scale, Tensor):
        good = ((scale > 0) & (scale < math.inf)).to(x.device)
        scale = torch.where(good, scale.to(dtype=wide.dtype, device=x.device), math.nan)
    return wide * scale


def _slope(x: Tensor, scale: float | Tensor) -> Tensor:
    """psi'(scale * x), constant between knots, zero at the centre, outer side at the other knots.

    Its own derivative is zero, and autograd knows that it has one: as that of relu's slope.
    """
    u = _scaled(x, scale) - 1.5
    t = u.abs()
    steps = (t < 1).to(u.dtype) * (4 / 3) - (t < 1.5).to(u.dtype) / 6 - (t < 0.5).to(u.dtype) * (23 / 6)
    return steps * u.sign()


class _BWReLU(torch.autograd.Function):
    """psi(scale * x) of a contiguous x and one scale."""

    @staticmethod
    def forward(x: Tensor, scale: float | Tensor) -> Tensor:
        if x.is_cpu:
            return _forward(x, float(scale))
        return _triton_kernels().forward(x, _as_device_scale(x, scale))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float | Tensor], output: Tensor) -> None:
        x, scale = inputs
        ctx.scale = None if isinstance(scale, Tensor) else scale
        saved = (x, scale) if isinstance(scale, Tensor) else (x,)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, scale = ctx.saved_tensors if ctx.scale is None else (*ctx.saved_tensors, ctx.scale)
        need_scale = ctx.needs_input_grad[1]
        # A second derivative will follow, or many at once (is_grads_batched): operations that autograd and vmap know.
        if torch.is_grad_enabled() or batched(grad):
            weighted = grad * _slope(x, scale)
            grad_x = (weighted * scale).to(x.dtype)
            return grad_x, (weighted * x).sum().to(scale.dtype) if need_scale else None
        if x.is_cpu:
            grad_x, grad_scale = _backward(x, grad, float(scale), need_scale)
        else:
            grad_x, grad_scale = _triton_kernels().backward(x, grad.contiguous(), _as_device_scale(x, scale))
        return grad_x, grad_scale.to(scale.dtype).to(scale.device) if need_scale and grad_scale is not None else None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor | None, scale_dot: Tensor | None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, scale = ctx.saved_tensors if ctx.scale is None else (*ctx.saved_tensors, ctx.scale)
        slope = _slope(x, scale)  # first: off the support it is zero, and what it multiplies may overflow
        moved = slope * x_dot * scale if x_dot is not None else torch.zeros_like(slope)
        if scale_dot is not None:
            moved = moved + slope * x * scale_dot
        return moved.to(x.dtype)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], x: Tensor, scale: float | Tensor) -> tuple[Tensor, int]:
        x_dim, scale_dim = in_dims
        x = x.movedim(x_dim, 0) if x_dim is not None else x.expand(info.batch_size, *x.shape)
        if scale_dim is not None:
            assert isinstance(scale, Tensor)
            scale = scale.reshape(-1, *[1] * (x.dim() - 1))
        return bw_relu_fused(x, scale), 0


# ----------------------------------------------------------------------------------------------------------------
# CPU. The compiled kernel moves the tensor through memory once. Without it, and for half precision, ten torch calls on
# blocks that stay in cache.
# With t = |scale x - 3/2|, 12 psi = max(10 - 32 t, min(14 t - 13, (3 - 2 t)_+)): integers, so the last term is exactly
# zero from t = 3/2 on, and the other two never exceed it there. The product is rounded before 3/2 is taken away, as in
# the plain form, so that the same inputs lie on a knot.


def _forward(x: Tensor, scale: float) -> Tensor:
    out = torch.empty_like(x)
    kernel = kernel_for("psi", x)
    if kernel is None:
        return _forward_blocks(x, scale, out)
    kernel(x.data_ptr(), out.data_ptr(), x.numel(), scale, torch.get_num_threads())
    return out


def _backward(x: Tensor, grad: Tensor, scale: float, need_scale: bool) -> tuple[Tensor, Tensor | None]:
    out = torch.empty_like(x)
    kernel = kernel_for("psi_gradient", x, grad)
    if kernel is None:
        return _backward_blocks(x, grad, scale, need_scale, out)
    same = one_number(grad)
    grad = grad if same else grad.contiguous()
    sums = partial_sums(x) if need_scale else None
    pointers = x.data_ptr(), grad.data_ptr(), same, out.data_ptr()
    kernel(*pointers, x.numel(), scale, None if sums is None else sums.data_ptr(), torch.get_num_threads())
    return out, None if sums is None else sums.sum()


def _forward_blocks(x: Tensor, scale: float, out: Tensor) -> Tensor:
    dtype = _compute_dtype(x)
    length = min(block_rows(x, 1), x.numel())
    t_, line_ = torch.empty(2, length, dtype=dtype, device=x.device)
    psi_ = None if x.dtype == dtype else torch.empty_like(t_)
    constant = functools.partial(torch.tensor, dtype=dtype, device=x.device)
    three, inner, peak = constant(3.0), constant(-13.0), constant(10.0)
    for x_block, out_block in zip(*(t.view(-1).split(length) for t in (x, out)), strict=True):
        n = x_block.numel()
        t, line = t_[:n], line_[:n]
        psi = out_block if psi_ is None else psi_[:n]
        torch.mul(x_block.to(dtype), scale, out=t).sub_(1.5).abs_()
        torch.sub(three, t, alpha=2, out=psi).relu_()
        torch.minimum(psi, torch.add(inner, t, alpha=14, out=line), out=psi)
        torch.maximum(psi, torch.add(peak, t, alpha=-32, out=line), out=psi).mul_(1 / 12)
        if psi is not out_block:
            out_block.copy_(psi)
    return out


def _backward_blocks(
    x: Tensor, grad: Tensor, scale: float, need_scale: bool, out: Tensor
) -> tuple[Tensor, Tensor | None]:
    dtype = _compute_dtype(x)
    length = min(block_rows(x, 1), x.numel())
    t_, signed_, part_ = torch.empty(3, length, dtype=dtype, device=x.device)
    total_ = None if x.dtype == dtype else torch.empty_like(t_)
    grad_scale = 0.0
    lines = x.view(-1), grad.reshape(-1), out.view(-1)
    for x_block, grad_block, out_block in zip(*(t.split(length) for t in lines), strict=True):
        n = x_block.numel()
        x_block = x_block.to(dtype)
        t, signed, part = t_[:n], signed_[:n], part_[:n]
        total = out_block if total_ is None else total_[:n]
        torch.mul(x_block, scale, out=t).sub_(1.5)
        torch.sign(t, out=signed).mul_(grad_block.to(dtype))
        torch.lt(t.abs_(), 0.5, out=total).mul_(-23 / 6)  # the slopes of _slope; a comparison is 1 or 0
        total.add_(torch.lt(t, 1.0, out=part), alpha=4 / 3)
        total.add_(torch.lt(t, 1.5, out=part), alpha=-1 / 6).mul_(signed)
        if need_scale:
            grad_scale += torch.dot(total, x_block).item()
        total.mul_(scale)  # last, as in the plain form: nothing overflows before it
        if total is not out_block:
            out_block.copy_(total)
    return out, torch.tensor(grad_scale, dtype=torch.float64, device=x.device) if need_scale else None


# ----------------------------------------------------------------------------------------------------------------
# CUDA. The kernel is imported on first use: neither Triton nor CUDA is needed to import relunb.


@functools.cache
def _triton_kernels() -> Any:
    if importlib.util.find_spec("triton") is None:
        return None
    from . import _bw_relu_triton

    return _bw_relu_triton


def _as_device_scale(x: Tensor, scale: float | Tensor) -> Tensor:
    return torch.as_tensor(scale, dtype=_compute_dtype(x), device=x.device)
