"""Inner products of the functions of two bases."""

from torch import Tensor

from .._tables import made_plainly
from ._bases import pair_of_bases
from ._basis import Basis
from ._quadrature import cuts, gauss_nodes

_HELD = 1 << 22  # values of functions that are held at a time: 32 MiB


def gram(p: str | Basis, q: str | Basis) -> Tensor:
    """The inner products of two bases: the integrals of ``p_i q_j`` over [-1, 1].

    Of a basis with itself it is the Gram matrix. ``gram(q, p) @ x`` has the integrals of each q_j times the state
    p(s)^T x, which is what the transform makes of a state that is positive everywhere, for q that is not scaled.

    Args:
        p: :class:`relunb.iat.Basis`, or a name, for as many functions as q has.
        q: likewise, for as many functions as p has. One of the two must be a :class:`relunb.iat.Basis`.

    Returns:
        Tensor (size of p, size of q), float64, exact to rounding by Gauss's nodes where both are smooth.

    Raises:
        TypeError: neither is a :class:`relunb.iat.Basis`, or one is no basis at all.
        ValueError: an unknown name.

    Example:
        >>> from relunb.iat import Rect
        >>> gram(Rect(2), "pwl").tolist()  # a hat over each half
        [[0.75, 0.25], [0.25, 0.75]]

    Source: Zhang, Bao and Zhang (2023), Section 3.1 and Eq. (18) with D all of [-1, 1]. Chapter
    :doc:`/book/iat/activation-pattern`.
    """
    return made_plainly(products, *pair_of_bases(p=p, q=q))


def products(p: Basis, q: Basis) -> Tensor:
    """As :func:`gram`."""
    s, weight = gauss_nodes(cuts(p, q), p, q)
    total = s.new_zeros(p.size, q.size)
    rows = max(1, _HELD // (p.size + q.size))
    for at, of in zip(s.split(rows), weight.split(rows), strict=True):
        total.addmm_((p(at) * of[:, None]).mT, q(at))
    return total
