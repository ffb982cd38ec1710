"""The wavelet as the paper writes it: seven knots, seven weights, seven ReLUs."""

from torch import Tensor

from ._activation import _check_beside, _check_input, _checked_scale
from ._knots import KNOTS, WEIGHTS


def seven_relus(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """The sum of seven ReLUs, as Eq. (2) prints it: the reference, not the activation to train with.

    Right of the support the seven terms are large and cancel, so rounding leaves an error of about ``6 eps |scale x|``
    where the answer is zero, and a product beyond a sixth of the dtype's largest number overflows to NaN.
    :func:`relunb.bw_relu` is the same function without that error. At a knot the slope is that of the left side, as
    ``torch.relu`` has it.

    Args:
        x: input, any shape, floating point.
        scale: the factor c > 0 of Eq. (29), a float or a tensor that broadcasts with ``x``.

    Returns:
        Tensor of the broadcast shape, in the dtype torch promotes to.

    Raises:
        TypeError: ``x`` is not a dense floating-point tensor, or ``scale`` is neither a number nor such a tensor.
        ValueError: ``scale`` is not positive, or not finite, or does not broadcast with ``x``.

    Example:
        >>> import torch
        >>> [round(y, 6) for y in seven_relus(torch.tensor([-1.0, 1.5, 2.0])).tolist()]
        [0.0, 0.833333, -0.5]

    Source: Shenouda, Zhou and Nowak (2024), Eq. (2) and (31). Derived in :doc:`/book/wavelet/wavelet-activation`.
    """
    _check_input(x)
    scale = _checked_scale(scale)
    if isinstance(scale, Tensor):
        _check_beside(x, scale)
    u = scale * x
    total = float(WEIGHTS[0]) * u.relu()
    for knot, weight in zip(KNOTS[1:], WEIGHTS[1:], strict=True):
        total = total + float(weight) * (u - float(knot)).relu()
    return total
