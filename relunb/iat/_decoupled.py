"""Values from one input, pattern from another: y = A(D(u)) x.

The derivative in x is A(D). The derivative in u goes through the ends of D alone: an end s that opens an interval takes
q(s) p(s)^T x away when it moves to the right, one that closes it adds that, and Eq. (22) says how s moves with u.
"""

from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_count, check_points, check_same_place
from .._functorch import nested_forward_mode, outside_graphs, recorded, shape_alone, valueless
from .._scaling import power_of_two
from ._bases import BASES
from ._bases import basis as basis_of
from ._basis import Basis
from ._exact import by_rows, matvec, rmatvec, scaled_matvec
from ._pattern import ActivationPattern, boundaries, bounding, in_blocks, one_sided, value_rows
from ._transform import l1_norms_unless


class DecoupledIAT(nn.Module):
    """IAT-ReLU with a pattern of its own: y = A(D(u)) x, where A(D) is the integral of q(s) p(s)^T over D.

    Linear in the values x. The pattern D(u) = {s : r(s)^T u > 0} comes from u, which may have another width and another
    basis r: patterns are subsets of [-1, 1], whatever made them. With u = x and r = p it is :class:`relunb.IAT`, the
    same values and the same gradient. It has no parameters.

    The gradient in u is the sum over the roots s of q(s) (p(s)^T x) r(s)^T / \\|r'(s)^T u\\|; at a double root it is
    infinite. y jumps where D does: where r(s)^T u vanishes on a piece of [-1, 1]. With "fourier" that is u = 0 alone.
    With "rect" and "rect-w" D does nothing but jump, and the gradient in u is zero.

    Args:
        in_features: width of the values x.
        pattern_features: width of u; ``in_features`` where it is None.
        out_features: width of the output; ``in_features`` where it is None.
        input_basis: p: "rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w", or a :class:`relunb.iat.Basis`.
        output_basis: q, likewise; its functions are scaled to unit L1 norm, unless ``normalized`` is false.
        pattern_basis: r, likewise; the kind of ``input_basis``, of width ``pattern_features``, where it is None.
        normalized: see :class:`relunb.IAT`.

    Raises:
        TypeError: an argument of another type.
        ValueError: an unknown basis, a width that the basis does not have, or no ``pattern_basis`` where a basis of
            your own has another width than u.

    Example:
        >>> layer = DecoupledIAT(2, input_basis="pwl", output_basis="rect")
        >>> x, u = torch.tensor([-1.0, 1.0]), torch.tensor([1.0, -1.0])
        >>> layer(x, u).tolist()  # values of x where the state of u is positive
        [-0.5, 0.0]

    Source: Zhang, Bao and Zhang (2023), Eq. (24)-(26). Derived in :doc:`/book/iat/decoupling`.
    """

    def __init__(
        self,
        in_features: int,
        pattern_features: int | None = None,
        out_features: int | None = None,
        input_basis: str | Basis = "fourier",
        output_basis: str | Basis = "pwq",
        pattern_basis: str | Basis | None = None,
        *,
        normalized: bool = True,
    ) -> None:
        super().__init__()
        self.in_features = check_count("in_features", in_features)
        self.pattern_features = (
            self.in_features if pattern_features is None else check_count("pattern_features", pattern_features)
        )
        self.out_features = self.in_features if out_features is None else check_count("out_features", out_features)
        self.input_basis = basis_of(input_basis, self.in_features, "input_basis")
        self.output_basis = basis_of(output_basis, self.out_features, "output_basis")
        if pattern_basis is None:
            pattern_basis = _same_kind(self.input_basis, self.pattern_features)
        self.pattern_basis = basis_of(pattern_basis, self.pattern_features, "pattern_basis")
        self.normalized, self._norms = normalized, l1_norms_unless(normalized, self.output_basis)

    @outside_graphs("It finds roots, and their number differs from sample to sample.")
    def forward(self, x: Tensor, pattern_from: Tensor | ActivationPattern) -> Tensor:
        """A(D) x.

        Args:
            x: the values, (..., in_features), floating point.
            pattern_from: u, (..., pattern_features), or a pattern of any basis from
                :func:`relunb.iat.activation_pattern`. Its samples broadcast with those of x.

        Returns:
            (..., out_features), in the dtype of x. Computed in float64. A sample where x or u is not finite gives NaN.

        Raises:
            TypeError: x or u is not a floating-point tensor.
            ValueError: another width, or samples that do not broadcast.
        """
        check_points("x", x, self.in_features)
        values = x.double()
        good = values.isfinite().all(-1, keepdim=True)
        if isinstance(pattern_from, ActivationPattern):
            edges, active = pattern_from.edges, pattern_from.active
            check_same_place(x=x, pattern_from=edges)
        elif isinstance(pattern_from, Tensor):
            check_points("pattern_from", pattern_from, self.pattern_features)
            check_same_place(x=x, pattern_from=pattern_from)
            if (valueless(x) or valueless(pattern_from)) and not recorded():
                _together(x, pattern_from)
                return shape_alone(self.out_features, x, pattern_from)
            u = pattern_from.double()
            known = u.isfinite().all(-1, keepdim=True)
            edges, active, _ = boundaries(torch.where(known, u, 0), self.pattern_basis)
            _together(good, known)
            good = good & known
        else:
            raise TypeError(f"pattern_from must be a tensor or a pattern; got {type(pattern_from).__name__}.")
        shape = _together(good, edges)
        values, edges, active = (t.expand(*shape, t.shape[-1]) for t in (torch.where(good, values, 0), edges, active))
        applied = scaled_matvec if nested_forward_mode() else _Decoupled.apply
        y = applied(values, edges, active, self.input_basis, self.output_basis)
        y = torch.where(good, y, torch.nan)  # pyright: ignore[reportArgumentType]
        return (y if self._norms is None else y * self._norms.to(y)).to(x.dtype)

    def extra_repr(self) -> str:
        normalized = "" if self.normalized else ", normalized=False"
        return (
            f"{self.in_features}, {self.pattern_features}, {self.out_features}, input_basis={self.input_basis}, "
            f"output_basis={self.output_basis}, pattern_basis={self.pattern_basis}{normalized}"
        )


class _Decoupled(torch.autograd.Function):
    """A(D) x in blocks of samples, differentiable in x and in the edges of D, and again: its derivatives are plain."""

    @staticmethod
    def forward(x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
        return scaled_matvec(x, edges, active, p, q)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Basis, Basis], output: Tensor) -> None:
        *tensors, ctx.p, ctx.q = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, edges, active = ctx.saved_tensors
        grad_x = grad_edges = None
        if ctx.needs_input_grad[0]:
            grad_x = by_rows(rmatvec, grad, edges, active, ctx.p, ctx.q)
        if ctx.needs_input_grad[1]:
            rows = value_rows(edges, ctx.p, ctx.q)
            grad_edges = in_blocks(_speed_pull, rows, grad, x, edges, active, ctx.p, ctx.q)
        return grad_x, grad_edges, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_dot: Tensor, edges_dot: Tensor, *_: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, edges, active = ctx.saved_tensors
        rows = value_rows(edges, ctx.p, ctx.q)
        moved = in_blocks(_speed_push, rows, edges_dot, x, edges, active, ctx.p, ctx.q)
        return by_rows(matvec, x_dot, edges, active, ctx.p, ctx.q) + moved

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis
    ) -> tuple[Any, int]:
        moved = [
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in zip((x, edges, active), in_dims, strict=False)
        ]
        return _Decoupled.apply(*moved, p, q), 0


def _speed_pull(grad: Tensor, x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    return (_speed(x, edges, active, p, q) * grad[..., None, :]).sum(-1)


def _speed_push(edges_dot: Tensor, x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    return (_speed(x, edges, active, p, q) * edges_dot[..., None]).sum(-2)


def _speed(x: Tensor, edges: Tensor, active: Tensor, p: Basis, q: Basis) -> Tensor:
    """dy/ds at each edge s, by the fundamental theorem: (..., edges, output size)."""
    unit = power_of_two(x, -1)
    along = bounding(active, x) * (one_sided(p, edges, active) * (x / unit)[..., None, :]).sum(-1) * unit
    return along[..., None] * (one_sided(q, edges, active) / q.l1_norms.to(x))


def _together(one: Tensor, other: Tensor) -> torch.Size:
    """The samples of x and of the pattern, broadcast."""
    try:
        return torch.broadcast_shapes(one.shape[:-1], other.shape[:-1])
    except RuntimeError as error:
        raise ValueError(
            f"x has samples {tuple(one.shape[:-1])} and pattern_from {tuple(other.shape[:-1])}: they do not broadcast."
        ) from error


def _same_kind(basis: Basis, size: int) -> Basis:
    if basis.size == size:
        return basis
    if type(basis) not in BASES.values():
        raise ValueError(f"pattern_basis is needed: {basis} has no known kind of width {size}.")
    options = {"multiscale": True} if getattr(basis, "multiscale", False) else {}
    return type(basis)(size, **options)  # pyright: ignore[reportCallIssue, reportArgumentType]
