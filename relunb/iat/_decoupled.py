"""Values from one input, pattern from another: y = A(D(u)) x.

The derivative in x is A(D). The derivative in u goes through the ends of D alone: an end s that opens an interval takes
q(s) p(s)^T x away when it moves to the right, one that closes it adds that, and Eq. (22) says how s moves with u.
"""

import torch
from torch import Tensor, nn

from .._checks import check_count, check_points, check_same_place
from .._functorch import outside_graphs, recorded, shape_alone, valueless
from .._scaling import power_of_two
from ._bases import BASES
from ._bases import basis as basis_of
from ._basis import Basis
from ._exact import product
from ._pattern import ActivationPattern, boundaries
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
        unit = power_of_two(values, -1)  # no sum of large numbers overflows
        y = product(values / unit, edges, active, self.input_basis, self.output_basis) * unit
        y = torch.where(good, y, torch.nan)
        return (y if self._norms is None else y * self._norms.to(y)).to(x.dtype)

    def extra_repr(self) -> str:
        normalized = "" if self.normalized else ", normalized=False"
        return (
            f"{self.in_features}, {self.pattern_features}, {self.out_features}, input_basis={self.input_basis}, "
            f"output_basis={self.output_basis}, pattern_basis={self.pattern_basis}{normalized}"
        )


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
