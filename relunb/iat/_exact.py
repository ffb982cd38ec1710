"""IAT-ReLU for any pair of bases, exactly: split [-1, 1] at roots and breakpoints, and integrate each piece.

With D(x) the set where z = p^T x is positive, IAT(x) = A(D) x, its gradient is A(D), and its Hessian is what A's
boundary terms add: sum over the roots of q_i p p^T / |p'^T x|. All three come from one sum over the nodes of D.
"""

from typing import Any

import torch
from torch import Tensor

from .._functorch import recorded, shape_alone, valueless
from .._scaling import power_of_two
from ._basis import Basis
from ._pattern import active_nodes, block_rows, boundaries, in_blocks


def exact_relu(x: Tensor, input_basis: Basis, output_basis: Basis) -> Tensor:
    """IAT-ReLU of x (..., input size) for q of unit L1 norms: (..., output size). Computed in float64.

    A sample that is not finite gives NaN.
    """
    if valueless(x) and not recorded():
        return shape_alone(output_basis.size, x)
    if torch.compiler.is_compiling() and not recorded():
        # Made here and not by a decorator: that would import the compiler, which takes seconds.
        reason = "The exact transform finds roots, and their number differs from sample to sample."
        outside: Any = torch.compiler.disable(exact_relu, reason=reason)
        return outside(x, input_basis, output_basis)
    wide = x.double()
    good = wide.isfinite().all(-1, keepdim=True)
    wide = torch.where(good, wide, 0)
    edges, active, _ = boundaries(wide, input_basis)
    y = _Apply.apply(wide, edges, active, input_basis, output_basis)
    return torch.where(good, y, torch.nan).to(x.dtype)  # pyright: ignore[reportArgumentType]


def matvec(v: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """A(D) v: (..., output size)."""
    s, weight = active_nodes(edges, active, p, q)
    along = weight * (p(s) * v[..., None, :]).sum(-1)
    return (along[..., None, :] @ q(s)).squeeze(-2) / q.l1_norms.to(v)


def rmatvec(g: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """A(D)^T g: (..., input size)."""
    s, weight = active_nodes(edges, active, p, q)
    along = weight * (q(s) * (g / q.l1_norms.to(g))[..., None, :]).sum(-1)
    return (along[..., None, :] @ p(s)).squeeze(-2)


class _Apply(torch.autograd.Function):
    """A(D) x with D(x) found before. The edges' own gradient is zero, Eq. (20): z vanishes at a root, and jumps stay.

    The second derivative comes through them: the gradient A(D)^T g is differentiable in the edges.
    """

    @staticmethod
    def forward(x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
        return scaled_matvec(x, edges, active, p, q)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Basis, Basis], output: Tensor) -> None:
        x, edges, active, ctx.p, ctx.q = inputs
        ctx.save_for_backward(edges, active)
        ctx.save_for_forward(edges, active)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        edges, active = ctx.saved_tensors
        return by_rows(rmatvec, grad, edges, active, ctx.p, ctx.q), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor, *_: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        edges, active = ctx.saved_tensors
        return by_rows(matvec, x_dot, edges, active, ctx.p, ctx.q)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        x, edges, active, p, q = inputs
        moved = [
            t.movedim(dim, 0) if dim is not None else t.expand(info.batch_size, *t.shape)
            for t, dim in zip((x, edges, active), in_dims, strict=False)
        ]
        return _Apply.apply(*moved, p, q), 0  # pyright: ignore[reportReturnType]


def scaled_matvec(x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """A(D) x in blocks of samples, each in units of its own largest number: no sum of large numbers overflows."""
    unit = power_of_two(x, -1)
    return by_rows(matvec, x / unit, edges, active, p, q) * unit


def by_rows(function: Any, v: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """``function`` on blocks of samples, so that the nodes' values fit the memory of a block."""
    return in_blocks(function, block_rows(edges, p, q), v, edges, active, p, q)
