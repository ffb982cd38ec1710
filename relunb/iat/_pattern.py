"""Activation patterns: the set of s where the state function is positive, and the activation matrix of such a set."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._checks import check_dense, check_finite, check_flag, check_floating, check_known
from .._functorch import nested_forward_mode, outside_graphs, recorded, valueless
from .._scaling import power_of_two
from ..ops._blocks import blocks
from ._bases import basis as basis_of
from ._bases import pair_of_bases
from ._basis import Basis
from ._quadrature import cuts, gauss_nodes
from ._roots import across_gaps
from ._roots import roots as find_roots

# Values of basis functions that are held at a time: 32 MiB of float64.
_HELD = 1 << 22


@dataclass(frozen=True, eq=False)
class ActivationPattern:
    """A subset D of [-1, 1] for each sample: intervals between edges, active or not.

    Attributes:
        edges: (..., intervals + 1), from -1 to 1, in order and possibly repeated. Those that bound D and are roots of
            the state function carry its gradient, Eq. (22).
        active: (..., intervals), bool: whether the interval between edge k and edge k + 1 belongs to D.
        moving: (..., intervals + 1), bool: which edges are such roots.

    Example:
        >>> pattern = activation_pattern(torch.tensor([1.0, -1.0]), "pwl")
        >>> pattern.measure.item(), pattern.roots.tolist()
        (1.0, [0.0])

    Source: Zhang, Bao and Zhang (2023), Eq. (19). Chapter :doc:`/book/iat/activation-pattern`.
    """

    edges: Tensor
    active: Tensor
    moving: Tensor

    @property
    def measure(self) -> Tensor:
        """The length of D, between 0 and 2, of shape (...,). Differentiable."""
        return (self.edges.diff(dim=-1) * self.active).sum(-1)

    @property
    def roots(self) -> Tensor:
        """The roots that bound D, in order, (..., most), the rest NaN where a sample has fewer. Differentiable.

        -1 or 1 is one of them where the state is zero there and positive beside it. A double root, which D touches from
        both sides or from inside [-1, 1], bounds nothing, and a place where the state jumps is no root.
        """
        return _compact(self.edges, self.moving)

    @property
    def intervals(self) -> Tensor:
        """D as rows (start, end), neighbours joined, (..., most, 2), filled up with NaN. Differentiable."""
        active = pad(self.active, (1, 1))
        starts, ends = active[..., 1:] & ~active[..., :-1], active[..., :-1] & ~active[..., 1:]
        return torch.stack([_compact(self.edges, starts), _compact(self.edges, ends)], -1)

    def contains(self, s: Tensor) -> Tensor:
        """Whether D contains s: bool, (..., points), for s (..., points), (points,) or one number.

        As for a basis, what counts at a jump is the limit from the right. The roots that bound D are not in it.

        Raises:
            TypeError: s is not a real tensor.
            ValueError: the samples of s do not broadcast with those of the pattern.
        """
        if not isinstance(s, Tensor) or s.is_complex():
            raise TypeError(f"s must be a real tensor; got {s.dtype if isinstance(s, Tensor) else type(s).__name__}.")
        check_dense("s", s)
        edges = self.edges.detach()
        if not edges.is_meta:
            check_known(s=s)
        if not s.ndim:
            return self.contains(s[None]).squeeze(-1)
        try:
            shape = torch.broadcast_shapes(edges.shape[:-1], s.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"s has samples {tuple(s.shape[:-1])} and the pattern {tuple(edges.shape[:-1])}: they do not broadcast."
            ) from error
        edges, active, moving = (
            t.expand(*shape, t.shape[-1]).contiguous() for t in (edges, pad(self.active, (1, 1)), self.moving)
        )
        s = s.detach().to(edges).expand(*shape, s.shape[-1]).contiguous()
        # The interval that begins at s or before; at 1 the one that ends there.
        first, place = torch.searchsorted(edges, s), torch.searchsorted(edges, s, right=True)
        inside = active.gather(-1, torch.where(s == 1, first, place)) & (s >= -1) & (s <= 1)
        roots = pad(moving.cumsum(-1), (1, 0))  # how many among the edges before
        return inside & (roots.gather(-1, first) == roots.gather(-1, place))

    def symmetric_difference(self, other: "ActivationPattern") -> "ActivationPattern":
        """The points that belong to just one of the two. Its ``measure`` is a distance between patterns."""
        if not isinstance(other, ActivationPattern):
            raise TypeError(f"a pattern differs from a pattern; got {type(other).__name__}.")
        try:
            shape = torch.broadcast_shapes(self.edges.shape[:-1], other.edges.shape[:-1])
        except RuntimeError as error:
            samples = tuple(self.edges.shape[:-1]), tuple(other.edges.shape[:-1])
            raise ValueError(f"patterns of samples {samples[0]} and {samples[1]} do not broadcast.") from error
        edges, moving, active = (
            [t.expand(*shape, t.shape[-1]) for t in pair]
            for pair in ((self.edges, other.edges), (self.moving, other.moving), (self.active, other.active))
        )
        joined, order = torch.cat(edges, -1).sort(dim=-1, stable=True)
        own = order < edges[0].shape[-1]
        # A root of both, or of one that the other does not see, leaves an empty interval and need bound nothing.
        differ = across_gaps(_carried(active[0], own) ^ _carried(active[1], ~own), joined.detach().diff(dim=-1) > 0)
        bounds = pad(differ, (1, 0)) ^ pad(differ, (0, 1))
        return ActivationPattern(joined, differ, torch.cat(moving, -1).gather(-1, order) & bounds)

    def __getitem__(self, sample: Any) -> "ActivationPattern":
        """The pattern of one sample, or of some."""
        shape = self.edges.shape[:-1]
        try:
            place = torch.arange(shape.numel(), device=self.edges.device).reshape(shape)[sample]
        except (IndexError, TypeError) as error:
            raise IndexError(f"the pattern has the samples {tuple(shape)}; got the index {sample!r:.60}.") from error
        return ActivationPattern(*(t.reshape(-1, t.shape[-1])[place] for t in (self.edges, self.active, self.moving)))


@outside_graphs("It finds roots, and their number differs from sample to sample.")
def activation_pattern(x: Tensor, basis: str | Basis) -> ActivationPattern:
    """D(x) = {s in [-1, 1] : p(s)^T x > 0}, where the state function of x is positive.

    Exact: every root is found to the last digits, for any basis (see ``relunb/iat/_roots.py``). The edges are
    differentiable in x, with ds/dx = -p(s) / (p'(s)^T x) at a simple root; the gradient of ``measure`` is how the
    length of D changes. A root on a breakpoint or at -1 or 1 has the one-sided derivative from where the state is
    positive. At a double root the derivative is infinite, and where D jumps (x = 0; for local bases neighbouring zeros)
    there is none.

    Args:
        x: (..., size), floating point, finite. Computed in float64.
        basis: "rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w", or a :class:`Basis` of that size.

    Returns:
        An :class:`ActivationPattern` with edges of shape (..., intervals + 1), float64.

    Raises:
        TypeError: x is not a floating-point tensor.
        ValueError: x is not finite, or the basis is unknown or of another size.

    Example:
        >>> activation_pattern(torch.tensor([0.0, 1.0]), "fourier").intervals.tolist()
        [[0.0, 1.0]]

    Source: Zhang, Bao and Zhang (2023), Eq. (19) and (22). Derived in :doc:`/book/iat/activation-pattern`.
    """
    check_floating("x", x)
    if not x.ndim:
        raise ValueError("x must be (..., size); got a single number.")
    found = basis_of(basis, x.shape[-1])
    check_finite("x", x)
    return ActivationPattern(*boundaries(x.double(), found))


@outside_graphs("It finds roots, and their number differs from sample to sample.")
def activation_matrix(
    pattern: ActivationPattern, input_basis: str | Basis, output_basis: str | Basis, *, normalized: bool = True
) -> Tensor:
    """A(D), the integral of q(s) p(s)^T over the pattern D.

    Args:
        pattern: from :func:`activation_pattern`, for any basis: D and p need not belong together.
        input_basis: p. One of the two bases may be a name, for as many functions as the other has.
        output_basis: q, likewise; scaled to unit L1 norms, as :class:`relunb.IAT` does, unless ``normalized`` is false.

    Returns:
        Tensor (..., output size, input size), float64. Differentiable in the pattern's edges, with
        dA/ds = q(s) p(s)^T and the sign of the edge, by the fundamental theorem.

    Raises:
        TypeError: ``pattern`` is not a pattern, or neither basis is a :class:`Basis`.
        ValueError: an unknown name.

    Example:
        >>> from relunb.iat import PWL
        >>> pattern = activation_pattern(torch.tensor([1.0, -1.0]), "pwl")
        >>> activation_matrix(pattern, PWL(2), "rect").tolist()
        [[0.75, 0.25], [0.0, 0.0]]

    Source: Zhang, Bao and Zhang (2023), Eq. (18). Derived in :doc:`/book/iat/activation-pattern`.
    """
    if not isinstance(pattern, ActivationPattern):
        raise TypeError(f"pattern must come from activation_pattern; got {type(pattern).__name__}.")
    p, q = pair_of_bases(input_basis=input_basis, output_basis=output_basis)
    normalized = check_flag("normalized", normalized)
    matrix = _matrix if nested_forward_mode() else _Matrix.apply
    flat: Tensor = matrix(pattern.edges, pattern.active, p, q, normalized)  # pyright: ignore[reportAssignmentType]
    # A copy, which may be changed in place: what a Function returns as a view may not.
    return flat.reshape(*flat.shape[:-1], q.size, p.size).clone()


def _matrix(edges: Tensor, active: Tensor, p: Basis, q: Basis, normalized: bool) -> Tensor:
    """The integral of q p^T over the active intervals, (..., output size * input size), in blocks of samples."""
    return in_blocks(_block_matrix, block_rows(edges, p, q), edges, active, p, q, normalized)


def _block_matrix(edges: Tensor, active: Tensor, p: Basis, q: Basis, normalized: bool) -> Tensor:
    s, weight = active_nodes(edges, active, p, q)
    return ((_scaled(q(s), q, normalized) * weight[..., None]).mT @ p(s)).flatten(-2)


def _scaled(values: Tensor, q: Basis, normalized: bool) -> Tensor:
    return values / q.l1_norms.to(values) if normalized else values


class _Matrix(torch.autograd.Function):
    """The matrix with the fundamental theorem for its derivative, dA/ds = +-q(s) p(s)^T, which has one itself."""

    forward = staticmethod(_matrix)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Basis, Basis, bool], output: Tensor) -> None:
        edges, active, *ctx.rest = inputs
        ctx.save_for_backward(edges, active)
        ctx.save_for_forward(edges, active)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        edges, active = ctx.saved_tensors
        rows = value_rows(edges, *ctx.rest[:2])
        return in_blocks(_matrix_pull, rows, grad, edges, active, *ctx.rest), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, edges_dot: Tensor, *_: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        edges, active = ctx.saved_tensors
        return in_blocks(_matrix_push, value_rows(edges, *ctx.rest[:2]), edges_dot, edges, active, *ctx.rest)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], edges: Tensor, active: Tensor, *rest: Any) -> tuple[Any, int]:
        moved = [
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((edges, active), in_dims, strict=False)
        ]
        return _Matrix.apply(*moved, *rest), 0


def _matrix_pull(grad: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis, normalized: bool) -> Tensor:
    rates = _scaled(one_sided(q, edges, active), q, normalized) @ grad.reshape(*grad.shape[:-1], q.size, p.size)
    return (rates * one_sided(p, edges, active)).sum(-1) * bounding(active, edges)


def _matrix_push(edges_dot: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis, normalized: bool) -> Tensor:
    rates = _scaled(one_sided(q, edges, active), q, normalized) * (edges_dot * bounding(active, edges))[..., None]
    return (rates.mT @ one_sided(p, edges, active)).reshape(*edges.shape[:-1], -1)


def bounding(active: Tensor, like: Tensor) -> Tensor:
    """1 at an edge that closes D, -1 at one that opens it, 0 at others: how an integral over D changes with it."""
    before, after = (pad(active, ends).to(like.dtype) for ends in ((1, 0), (0, 1)))
    return before - after


def in_blocks(function: Any, rows: int, *args: Any) -> Tensor:
    """``function`` on so many samples at a time: of tensors (..., numbers) and bases to one of (..., numbers)."""
    tensors = [t for t in args if isinstance(t, Tensor)]
    shape = tensors[0].shape[:-1]
    parts = [function(*block, *args[len(tensors) :]) for block in blocks(rows, *tensors)]
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).reshape(*shape, parts[0].shape[-1])


def block_rows(edges: Tensor, p: Basis, q: Basis) -> int:
    """How many samples' nodes are held at a time."""
    return max(1, _HELD // (12 * (edges.shape[-1] + len(cuts(p, q))) * (p.size + q.size)))


def value_rows(edges: Tensor, *bases: Basis) -> int:
    """How many samples' values at their edges are held at a time, with what is computed on the way."""
    return max(1, _HELD // (6 * edges.shape[-1] * sum(basis.size for basis in bases)))


def active_nodes(edges: Tensor, active: Tensor, *bases: Basis) -> tuple[Tensor, Tensor]:
    """Nodes and weights of an integral over D: (..., points) each; weights are zero off D. Differentiable in edges."""
    mesh = cuts(*bases).to(edges.device).expand(*edges.shape[:-1], -1)
    # An edge on a cut of the mesh comes on the side of the interval of D that it bounds: that one moves with it.
    before, after = pad(active, (1, 0)), pad(active, (0, 1))
    place = edges.detach() + (after.to(edges) - before.to(edges)) * 2.0**-52
    order = torch.cat([place, mesh], -1).argsort(dim=-1, stable=True)
    joined = torch.cat([edges, mesh], -1).gather(-1, order)
    inside = _carried(active, order < edges.shape[-1])
    s, weight = gauss_nodes(joined, *bases)
    each = s.shape[-1] // inside.shape[-1]
    return s, (weight.unflatten(-1, (-1, each)) * inside[..., None]).flatten(-2)


def one_sided(basis: Basis, edges: Tensor, active: Tensor, order: int = 0) -> Tensor:
    """The functions or their derivatives at the edges, (..., size): their limits from the side that is active."""
    right = basis.derivative(edges) if order else basis(edges)
    return torch.where(pad(active, (1, 0))[..., None], basis.left_limit(edges, order), right)


def _carried(active: Tensor, own: Tensor) -> Tensor:
    """Activity on a finer mesh, of whose edges some are a pattern's own: (..., edges - 1)."""
    return pad(active, (1, 1)).gather(-1, own.cumsum(-1)[..., :-1])


def boundaries(x: Tensor, basis: Basis) -> tuple[Tensor, Tensor, Tensor]:
    """Edges, active and moving for x (..., size), float64 and finite; the edges differentiable in x."""
    check_roots_can_be_found(x)
    return _Boundaries.apply(x, basis)  # pyright: ignore[reportReturnType]


def check_roots_can_be_found(x: Tensor) -> None:
    """Refuse what would be silently wrong."""
    if recorded():
        raise RuntimeError(
            "torch.export and torch.jit.trace cannot record how roots are found, as their number differs from sample "
            'to sample. They can record relunb.IAT(..., method="midpoint").'
        )
    if valueless(x):
        raise ValueError("x has a shape and no numbers (device meta): where its state function is positive is unknown.")
    if nested_forward_mode():
        raise RuntimeError(
            "jvp inside jvp (jacfwd inside jacfwd) through roots would silently give zero, a fault of PyTorch's "
            "(issue 197867). Use torch.func.hessian, or jacrev inside jacfwd."
        )


class _Boundaries(torch.autograd.Function):
    """The roots are found off the graph. Eq. (22) is their derivative; it uses the output, so it has one itself."""

    @staticmethod
    def forward(x: Tensor, basis: Basis) -> tuple[Tensor, Tensor, Tensor]:
        found = find_roots(x.reshape(-1, x.shape[-1]), basis)
        return tuple(t.reshape(*x.shape[:-1], t.shape[-1]) for t in found)  # pyright: ignore[reportReturnType]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Basis], output: tuple[Tensor, Tensor, Tensor]) -> None:
        edges, active, moving = output
        ctx.basis = inputs[1]
        ctx.save_for_backward(inputs[0], edges, active, moving)
        ctx.save_for_forward(inputs[0], edges, active, moving)
        ctx.mark_non_differentiable(active, moving)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: Any) -> tuple[Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if grad is None:
            return None, None
        return in_blocks(_root_pull, value_rows(grad, ctx.basis), grad, *ctx.saved_tensors, ctx.basis), None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor, _: None) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows = value_rows(ctx.saved_tensors[1], ctx.basis)
        return in_blocks(_root_push, rows, x_dot, *ctx.saved_tensors, ctx.basis), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], x: Tensor, basis: Basis) -> tuple[Any, tuple[int, int, int]]:
        return _Boundaries.apply(x.movedim(in_dims[0], 0), basis), (0, 0, 0)


def _root_pull(grad: Tensor, x: Tensor, edges: Tensor, active: Tensor, moving: Tensor, basis: Basis) -> Tensor:
    along = grad * _per_slope(x, edges, active, moving, basis)
    return -(along[..., None, :] @ one_sided(basis, edges, active)).squeeze(-2)


def _root_push(x_dot: Tensor, x: Tensor, edges: Tensor, active: Tensor, moving: Tensor, basis: Basis) -> Tensor:
    along = (one_sided(basis, edges, active) * x_dot[..., None, :]).sum(-1)
    return -along * _per_slope(x, edges, active, moving, basis)


def _per_slope(x: Tensor, edges: Tensor, active: Tensor, moving: Tensor, basis: Basis) -> Tensor:
    """1/(p'(s)^T x) at the moving edges, zero at the others."""
    unit = power_of_two(x, -1)
    slope = (one_sided(basis, edges, active, 1) * (x / unit)[..., None, :]).sum(-1)
    return torch.where(moving, 1 / torch.where(moving, slope, 1), 0) / unit


def _compact(values: Tensor, mask: Tensor) -> Tensor:
    """The masked values of each row moved to its front, filled up with NaN: (..., most)."""
    counts = mask.sum(-1)
    most = int(counts.max()) if counts.numel() else 0
    order = (~mask).to(torch.int8).argsort(dim=-1, stable=True)[..., :most]
    return torch.where(torch.arange(most, device=mask.device) < counts[..., None], values.gather(-1, order), torch.nan)
