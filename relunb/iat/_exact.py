"""IAT-ReLU for any pair of bases, exactly: where the state is positive, and the integral over that.

With D(x) the set where z = p^T x is positive, IAT(x) = A(D) x, its gradient is A(D), and its Hessian is what A's
boundary terms add: sum over the roots of q_i p p^T / |p'^T x|. Values and gradients are made by panels, with two matrix
products. A derivative of the gradient needs roots that move with x: the same products, over a D that is given by its
edges, are differentiable in those too.
"""

import math
from typing import Any

import torch
from torch import Tensor

from .._functorch import (
    batched,
    inside_transform,
    legacy_batched,
    nested_forward_mode,
    outside_graphs,
    recorded,
    shape_alone,
    valueless,
    without_autocast,
)
from .._scaling import power_of_two
from . import _panels
from ._basis import Basis
from ._pattern import (
    active_nodes,
    block_rows,
    boundaries,
    bounding,
    check_roots_can_be_found,
    in_blocks,
    one_sided,
    value_rows,
)

_MOST = 1 << 26  # numbers of a table, 512 MiB: beyond it sums over nodes take the time, but not the memory


@outside_graphs("The exact transform finds roots, and their number differs from sample to sample.")
def exact_relu(x: Tensor, input_basis: Basis, output_basis: Basis) -> Tensor:
    """IAT-ReLU of x (..., input size) for q of unit L1 norms: (..., output size). Roots are found in float64.

    A sample that is not finite gives NaN.
    """
    if valueless(x) and not recorded():
        return shape_alone(output_basis.size, x)
    check_roots_can_be_found(x)
    wide = x.double()
    good = wide.detach().abs().amax(-1, keepdim=True) < math.inf  # a tenth of the time of isfinite
    call = _Call(input_basis, output_basis, x.dtype != torch.float64)
    y = _Apply.apply(torch.where(good, wide, 0), call)
    return torch.where(good, y, torch.nan).to(x.dtype)  # pyright: ignore[reportArgumentType]


class _Call:
    """One transform of some states: the bases, and where the states were positive."""

    def __init__(self, p: Basis, q: Basis, narrow: bool) -> None:
        self.p, self.q, self.narrow = p, q, narrow
        self.domains: list[_panels.Domain] = []

    def on(self, device: torch.device) -> _panels.Panels:
        return _panels.panels(self.p, self.q, self.narrow, device)


class _Apply(torch.autograd.Function):
    """The transform. Its derivative is A(D): the edges' own contribution is zero, Eq. (20), as z vanishes at a root."""

    @staticmethod
    def forward(x: Tensor, call: _Call) -> Tensor:
        with without_autocast(x):
            y, call.domains = _panels.transformed(x.reshape(-1, x.shape[-1]), call.on(x.device))
        return y.reshape(*x.shape[:-1], call.q.size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, _Call], output: Tensor) -> None:
        x, ctx.call = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,), call = ctx.saved_tensors, ctx.call
        if torch.is_grad_enabled() or _transformed(grad, x):  # a derivative of this one may follow
            edges, active = boundaries(x, call.p)[:2]
            return product(grad, edges, active, call.p, call.q, transposed=True), None
        with without_autocast(x):
            flat = _panels.rmatvec(grad.reshape(-1, grad.shape[-1]), call.domains, call.on(x.device))
        return flat.reshape(x.shape), None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor, _: None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,), call = ctx.saved_tensors, ctx.call
        if x.requires_grad or x_dot.requires_grad or _transformed(x_dot, x):
            edges, active = boundaries(x, call.p)[:2]
            return product(x_dot, edges, active, call.p, call.q)
        with without_autocast(x):
            flat = _panels.matvec(x_dot.reshape(-1, x_dot.shape[-1]), call.domains, call.on(x.device))
        return flat.reshape(*x_dot.shape[:-1], call.q.size)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], x: Tensor, call: _Call) -> tuple[Tensor, int]:
        return _Apply.apply(x.movedim(in_dims[0], 0), call), 0  # pyright: ignore[reportReturnType]


def _transformed(*tensors: Tensor) -> bool:
    """Whether a transform of torch.func, or one like it, stands around these tensors."""
    return inside_transform() or any(batched(t) for t in tensors)


def product(v: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis, *, transposed: bool = False) -> Tensor:
    """A(D) v, or A(D)^T v, for D between edges: differentiable in v and in the edges, to any order."""
    by_nodes = nested_forward_mode() or any(map(legacy_batched, (v, edges, active)))
    if by_nodes or _panels.table_numbers(p, q) > _MOST:
        function = rmatvec if transposed else matvec
        return by_rows(function, v, edges, active, p, q)
    return _Product.apply(v, edges, active, p, q, transposed)  # pyright: ignore[reportReturnType]


class _Product(torch.autograd.Function):
    """By panels. The derivative in v is the other product, that in an edge what stands under the integral there."""

    @staticmethod
    def forward(v: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis, transposed: bool) -> Tensor:
        on = _panels.panels(p, q, False, v.device)
        rows, edges, active = (t.reshape(-1, t.shape[-1]) for t in (v, edges, active))
        found = (_panels.rmatvec if transposed else _panels.matvec)(
            rows, _panels.domains_between(edges, active, on), on
        )
        return found.reshape(*v.shape[:-1], found.shape[-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Basis, Basis, bool], output: Tensor) -> None:
        *tensors, ctx.p, ctx.q, ctx.transposed = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        v, edges, active = ctx.saved_tensors
        grad_v = grad_edges = None
        if ctx.needs_input_grad[0]:
            grad_v = product(grad, edges, active, ctx.p, ctx.q, transposed=not ctx.transposed)
        if ctx.needs_input_grad[1]:
            x, g = (grad, v) if ctx.transposed else (v, grad)
            rows = value_rows(edges, ctx.p, ctx.q)
            grad_edges = in_blocks(_speed_pull, rows, g, x, edges, active, ctx.p, ctx.q)
        return grad_v, grad_edges, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, v_dot: Tensor, edges_dot: Tensor, *_: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        v, edges, active = ctx.saved_tensors
        push = _speed_push_transposed if ctx.transposed else _speed_push
        moved = in_blocks(push, value_rows(edges, ctx.p, ctx.q), edges_dot, v, edges, active, ctx.p, ctx.q)
        return product(v_dot, edges, active, ctx.p, ctx.q, transposed=ctx.transposed) + moved

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, int]:
        moved = [
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip(inputs[:3], in_dims, strict=False)
        ]
        return _Product.apply(*moved, *inputs[3:]), 0


def _speed_pull(g: Tensor, x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """How g^T A(D) x changes with each edge, by the fundamental theorem: (..., edges)."""
    return bounding(active, x) * _along(p, x, edges, active) * _along(q, g / q.l1_norms.to(g), edges, active)


def _speed_push(edges_dot: Tensor, x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """How A(D) x changes: (..., output size)."""
    along = edges_dot * bounding(active, x) * _along(p, x, edges, active)
    return (along[..., None, :] @ one_sided(q, edges, active)).squeeze(-2) / q.l1_norms.to(x)


def _speed_push_transposed(edges_dot: Tensor, g: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """How A(D)^T g changes: (..., input size)."""
    along = edges_dot * bounding(active, g) * _along(q, g / q.l1_norms.to(g), edges, active)
    return (along[..., None, :] @ one_sided(p, edges, active)).squeeze(-2)


def _along(basis: Basis, v: Tensor, edges: Tensor, active: Tensor) -> Tensor:
    """The function with these coefficients at the edges, (..., edges), in units of its own: no sum overflows."""
    unit = torch.ones(()) if legacy_batched(v) else power_of_two(v, -1)  # that batch has no detach
    return (one_sided(basis, edges, active) * (v / unit)[..., None, :]).sum(-1) * unit


# By nodes: what defines these products, differentiable in the edges of D, to any order.


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


def by_rows(function: Any, v: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """``function`` on blocks of samples, so that the nodes' values fit the memory of a block."""
    return in_blocks(function, block_rows(edges, p, q), v, edges, active, p, q)
