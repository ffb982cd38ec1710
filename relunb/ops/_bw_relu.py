"""psi(scale * x): the plain form, the same in cache-sized blocks for the CPU, and the door to the Triton kernel.

With ``t = |scale x - 3/2|``, ``psi = (3/2 - t)_+ / 6 - 4 (1 - t)_+ / 3 + 23 (1/2 - t)_+ / 6``. Every term is exactly
zero for ``t >= 3/2``, and rounding ``scale x - 3/2`` is monotone, so psi is exactly zero off ``[0, 3/scale]``.
"""

import functools
import importlib.util
import math
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor, is_legacy_batchedtensor

from ._forward_mode import nested_forward_mode
from ._memory import empty_like_fast

# Below this the plain form's twelve small kernels cost less than one autograd.Function call and its block loop.
# Measured on two cores: the crossover lies between 40 and 65 thousand elements, by how torch's threads wait.
_SMALL = 65_536
# Long enough that starting torch's threads ten times a block costs little, short enough that a core finds its part of
# the two or three scratch blocks in its cache again. At most 6 MiB of float32 scratch, so no longer with more threads.
_BLOCK_PER_THREAD, _BLOCK_MAX = 262_144, 524_288


def bw_relu_plain(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """psi(scale * x) in plain torch operations: the definition that the fast forms are tested against."""
    t = (_scaled(x, scale) - 1.5).abs()
    psi = torch.sub((1.5 - t).relu() / 6, (1 - t).relu(), alpha=4 / 3)
    psi = torch.add(psi, (0.5 - t).relu(), alpha=23 / 6)
    return psi if psi.dtype == x.dtype else psi.to(x.dtype)


def bw_relu_fused(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """psi(scale * x) by the fastest form for this device and size; gradients of any order, vmap and jvp included."""
    if nested_forward_mode():
        return bw_relu_plain(x, scale)
    if x.is_cpu:
        if x.numel() < _SMALL:
            return bw_relu_plain(x, scale)
    elif not x.is_cuda or x.numel() == 0 or _triton_kernels() is None:
        return bw_relu_plain(x, scale)
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


def _compute_dtype(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _scaled(x: Tensor, scale: float | Tensor) -> Tensor:
    """scale * x in the precision that psi is computed in; NaN where a tensor scale is not positive and finite."""
    wide = x if x.dtype in (torch.float32, torch.float64) else x.float()
    if isinstance(scale, Tensor):
        scale = scale.to(dtype=wide.dtype, device=x.device)
        scale = torch.where((scale > 0) & (scale < math.inf), scale, math.nan)
    return wide * scale


def _slope(x: Tensor, scale: float | Tensor) -> Tensor:
    """psi'(scale * x), constant between knots, zero at the centre, outer side at the other knots."""
    u = _scaled(x, scale) - 1.5
    t = u.abs()
    steps = (t < 1).to(u.dtype) * (4 / 3) - (t < 1.5).to(u.dtype) / 6 - (t < 0.5).to(u.dtype) * (23 / 6)
    return steps * u.sign()


class _BWReLU(torch.autograd.Function):
    """psi(scale * x) of a contiguous x and one scale."""

    @staticmethod
    def forward(x: Tensor, scale: float | Tensor) -> Tensor:
        if x.is_cpu:
            return _forward_blocks(x, float(scale))
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
        if torch.is_grad_enabled() or is_batchedtensor(grad) or is_legacy_batchedtensor(grad):
            weighted = grad * _slope(x, scale).detach()
            grad_x = (weighted * scale).to(x.dtype)
            return grad_x, (weighted * x).sum().to(scale.dtype) if need_scale else None
        if x.is_cpu:
            grad_x, grad_scale = _backward_blocks(x, grad, float(scale), need_scale)
        else:
            grad_x, grad_scale = _triton_kernels().backward(x, grad.contiguous(), _as_device_scale(x, scale))
        return grad_x, grad_scale.to(scale.dtype).to(scale.device) if need_scale else None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor | None, scale_dot: Tensor | None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, scale = ctx.saved_tensors if ctx.scale is None else (*ctx.saved_tensors, ctx.scale)
        u_dot = x_dot * scale if x_dot is not None else torch.zeros_like(x)
        if scale_dot is not None:
            u_dot = u_dot + x * scale_dot
        return (_slope(x, scale).detach() * u_dot).to(x.dtype)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], x: Tensor, scale: float | Tensor) -> tuple[Tensor, int]:
        x_dim, scale_dim = in_dims
        x = x.movedim(x_dim, 0) if x_dim is not None else x.expand(info.batch_size, *x.shape)
        if scale_dim is not None:
            assert isinstance(scale, Tensor)
            scale = scale.reshape(-1, *[1] * (x.dim() - 1))
        return bw_relu_fused(x, scale), 0


# ----------------------------------------------------------------------------------------------------------------
# CPU. An operator of ten torch calls moves the tensor through memory ten times; ten calls on a block that stays in
# cache move it once. With v = |2 scale x - 3|, 12 psi = max(10 - 16 v, min(7 v - 13, (3 - v)_+)): integers, so the
# last term is exactly zero from v = 3 on, and the other two never exceed it there.


def _blocks(*tensors: Tensor) -> Any:
    length = min(_BLOCK_PER_THREAD * torch.get_num_threads(), _BLOCK_MAX)
    return length, zip(*(t.reshape(-1).split(length) for t in tensors), strict=True)


def _forward_blocks(x: Tensor, scale: float) -> Tensor:
    dtype = _compute_dtype(x)
    out = empty_like_fast(x)
    length, blocks = _blocks(x, out)
    v_, line_ = torch.empty(2, min(length, x.numel()), dtype=dtype)
    psi_ = None if x.dtype == dtype else torch.empty_like(v_)
    constant = functools.partial(torch.tensor, dtype=dtype)
    minus_three, three, inner, peak = constant(-3.0), constant(3.0), constant(-13.0), constant(10.0)
    for x_block, out_block in blocks:
        n = x_block.numel()
        v, line = v_[:n], line_[:n]
        psi = out_block if psi_ is None else psi_[:n]
        torch.add(minus_three, x_block.to(dtype), alpha=2 * scale, out=v).abs_()
        torch.sub(three, v, out=psi).relu_()
        torch.minimum(psi, torch.add(inner, v, alpha=7, out=line), out=psi)
        torch.maximum(psi, torch.add(peak, v, alpha=-16, out=line), out=psi).mul_(1 / 12)
        if psi is not out_block:
            out_block.copy_(psi)
    return out


def _backward_blocks(x: Tensor, grad: Tensor, scale: float, need_scale: bool) -> tuple[Tensor, Tensor]:
    dtype = _compute_dtype(x)
    out = empty_like_fast(x)
    length, blocks = _blocks(x, grad, out)
    u_, part_, signed_ = torch.empty(3, min(length, x.numel()), dtype=dtype)
    total_ = None if x.dtype == dtype else torch.empty_like(u_)
    inside = torch.ops.aten.hardtanh_backward.grad_input  # signed where -limit < u < limit, else 0
    minus_three, zero = torch.tensor(-3.0, dtype=dtype), torch.zeros((), dtype=dtype)
    grad_scale = 0.0
    for x_block, grad_block, out_block in blocks:
        n = x_block.numel()
        x_block = x_block.to(dtype)
        u, part, signed = u_[:n], part_[:n], signed_[:n]
        total = out_block if total_ is None else total_[:n]
        torch.add(minus_three, x_block, alpha=2 * scale, out=u)
        torch.addcmul(zero, torch.sign(u, out=part), grad_block.to(dtype), value=4 * scale / 3, out=signed)
        inside(signed, u, -1.0, 1.0, grad_input=total)
        torch.add(inside(signed, u, -2.0, 2.0, grad_input=part), total, alpha=-23 / 8, out=total)
        total.add_(inside(signed, u, -3.0, 3.0, grad_input=part), alpha=-1 / 8)
        if need_scale:
            grad_scale += torch.dot(total, x_block).item()
        if total is not out_block:
            out_block.copy_(total)
    return out, torch.tensor(grad_scale / scale, dtype=torch.float64)


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
