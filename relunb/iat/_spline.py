"""The transform of a linear spline, exactly: an affine part, and the IAT-ReLU of the state less each knot.

Where the input basis reproduces constants, w^T p(s) = 1 for every s, the state less a knot b is the state of x - b w:

    IAT[l](x) = value * (integral of q) + slope * (integral of q p^T) x + sum_k jumps_k IAT[relu](x - knots_k w),

and what holds of IAT-ReLU, with its two derivatives, holds term by term. A spline whose knots are all at zero
(|x|, leaky ReLU) needs no constant.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .._functorch import inside_transform, plain_only
from .._scaling import power_of_two
from .._tables import kept_table
from ..ops import LinearSpline
from ._basis import Basis, Mixed
from ._cells import Sparse, entries_map, times
from ._gram import products
from ._quadrature import cuts, gauss_nodes

_HELD = 1 << 22  # numbers of shifted states, and what becomes of them, that are held at a time: 32 MiB
_MOST = 1 << 23  # numbers of a basis at its nodes among which a constant is looked for: seconds


def is_spline(activation: object) -> bool:
    """Whether it computes what a LinearSpline does: a subclass may, if it has no ``forward`` of its own."""
    return isinstance(activation, LinearSpline) and type(activation).forward is LinearSpline.forward


def check_exact(spline: LinearSpline, p: Basis) -> None:
    """Refuse what the exact form cannot do."""
    if spline.knots.ndim == 2:
        raise ValueError(
            f"activation must be one spline, as a state function has no channels; got one for each of "
            f"{len(spline.knots)} channels."
        )
    if constant_of(p) is None and not _all_at_zero(spline):
        raise _no_constant(p)


def _all_at_zero(spline: LinearSpline) -> bool:
    """Whether all knots stand at zero, and stay there: nothing is taken off the state then."""
    knots = spline.knots
    return not (knots.is_meta or knots.requires_grad or bool(knots.any()))


def _no_constant(p: Basis) -> ValueError:
    return ValueError(
        f"method='exact' takes the knots of a LinearSpline off the state, and no sum of the functions of "
        f"input_basis={p} is constant. Add one that is, input_basis=Mixed(Rect(1), {p}) with in_features="
        f"{p.size + 1}, or use method='midpoint'."
    )


class SplineTransform:
    """Exact for a linear spline, by the exact transform of ReLU for the same bases. Computed in float64."""

    def __init__(self, p: Basis, q: Basis, spline: LinearSpline, relu: Callable[[Tensor], Tensor]) -> None:
        self.spline, self.relu = spline, relu
        self.one, self.whole, self.means = constant_of(p), _whole(p, q), q.integrals / q.l1_norms
        self.size, self.p = p.size + q.size, p

    def __call__(self, x: Tensor) -> Tensor:
        knots, jumps, slope, value = (
            part.to(x.device, torch.float64)
            for part in (self.spline.knots, self.spline.jumps, self.spline.slope, self.spline.value)
        )
        x_wide = x.double().reshape(-1, x.shape[-1])
        unit = power_of_two(x_wide, -1)  # in which no sum of large numbers overflows
        affine = value * self.means.to(x_wide) + slope * (times(x_wide / unit, self.whole) * unit)
        y = affine + self._kinks(x_wide, knots, jumps)
        return y.to(x.dtype).reshape(*x.shape[:-1], y.shape[-1])

    def _kinks(self, x: Tensor, knots: Tensor, jumps: Tensor) -> Tensor:
        """The ReLUs of all samples and knots: one call, or blocks that the backward pass computes again."""
        many = min(len(knots), max(1, _HELD // self.size))
        rows = max(1, _HELD // (many * self.size))
        if plain_only(x) or (len(x) <= rows and many == len(knots)):
            return self._block(x, knots, jumps)
        again = torch.is_grad_enabled() and not inside_transform()  # which know no checkpoints
        total = []
        for block in x.split(rows):
            parts = [
                checkpoint(self._block, block, b, j, use_reentrant=False) if again else self._block(block, b, j)
                for b, j in zip(knots.split(many), jumps.split(many), strict=True)
            ]
            total.append(torch.stack(parts).sum(0))
        return torch.cat(total)

    def _block(self, x: Tensor, knots: Tensor, jumps: Tensor) -> Tensor:
        if self.one is None:
            if knots.any():  # they were moved, or another spline was loaded
                raise _no_constant(self.p)
            return jumps.sum() * self.relu(x)
        return jumps @ self.relu(x[:, None, :] - knots[:, None] * self.one.to(x))


@kept_table(64)
def constant_of(p: Basis) -> Tensor | None:
    """w with w^T p(s) = 1 on all of [-1, 1], (size,); None where there is none."""
    if p.properties["zero_integral"]:
        return None
    if isinstance(p, Mixed):
        zeros = [torch.zeros(basis.size, dtype=torch.float64) for basis in p.bases]
        for place, basis in enumerate(p.bases):
            found = constant_of(basis)
            if found is not None:
                return torch.cat([*zeros[:place], found, *zeros[place + 1 :]])
    s, weight = gauss_nodes(cuts(p, p), p, p)
    total = p.local_values(s)[1].sum(-1)
    if (total - total[0]).abs().max() <= 1e-14 * total[0].abs():  # they add up to a constant, as most bases do
        return torch.full((p.size,), 1 / total[0].item(), dtype=torch.float64)
    if len(s) * p.size > _MOST:
        raise ValueError(
            f"{p} is too large to look for a constant among the sums of its functions. Add one, "
            f"Mixed(Rect(1), {p}), or use method='midpoint'."
        )
    values, root = p(s), weight.sqrt()
    w = torch.linalg.lstsq(values * root[:, None], root[:, None], driver="gelsd").solution.squeeze(1)
    close = 1e-13 * (values.abs() @ w.abs()).max().clamp_min(1)
    return w if (values @ w - 1).abs().max() <= close else None


@kept_table(64)
def _whole(p: Basis, q: Basis) -> Tensor | Sparse | None:
    """The map from x to the integrals of q p^T x, for q of unit L1 norms: (inputs, outputs)."""
    s, weight = gauss_nodes(cuts(p, q), p, q)
    own, other = (basis.local_values(s[:1])[0].shape[-1] for basis in (p, q))
    if len(s) * own * other >= p.size * q.size:
        return products(p, q) / q.l1_norms
    (inputs, a), (outputs, b) = p.local_values(s), q.local_values(s)
    weights = weight[:, None, None] * a[:, :, None] * (b / q.l1_norms[outputs])[:, None, :]
    inputs, outputs = torch.broadcast_tensors(inputs[:, :, None], outputs[:, None, :])
    return entries_map(inputs, outputs, weights, (p.size, q.size))
