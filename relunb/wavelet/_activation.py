"""BW-ReLU, the activation: checks what the caller gave, then hands over to the kernel."""

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from .._checks import check_dense, check_flag, check_same_place, check_single, is_readable
from ..ops import bw_relu_fused, bw_relu_plain

_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def bw_relu(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """Second-order B-spline wavelet activation, ``psi(scale * x)``.

    Folded into three ReLUs of ``t = |scale*x - 3/2|``: equal to the sum of seven ReLUs, exactly zero off the support
    ``[0, 3/scale]`` in every precision, and free of that sum's cancellation (``6 eps |x|``). bfloat16 and float16 are
    computed in float32 and rounded once; a scale that float32 may not hold, a float64 tensor or a number below 1.2e-38
    or above 3.4e38, makes it float64. At a knot the derivative is that of the side away from the centre; at the centre
    it is zero. NaN gives NaN. A product ``scale*x`` that overflows, and an infinite ``x``, lie off the support: zero,
    with a gradient of zero. Only the gradient of ``scale`` is NaN where ``x`` is infinite.

    Args:
        x: input, any shape, floating point.
        scale: c > 0 in Eq. (29); a float, or a tensor that broadcasts with ``x`` and may require grad. A tensor on a
            GPU, under ``torch.compile`` or under ``vmap`` is not read back to be checked: where it is not positive and
            finite, the output is NaN.

    Returns:
        Tensor of the broadcast shape, same dtype and device as ``x``. Values in [-1/2, 5/6].

    Raises:
        TypeError: ``x`` is not a dense floating-point tensor, or ``scale`` is neither a number nor such a tensor.
        ValueError: ``scale`` is not positive, or not finite, or does not broadcast with ``x``.

    Example:
        >>> [round(y, 6) for y in bw_relu(torch.tensor([-1.0, 1.5, 2.0, 9.0])).tolist()]
        [0.0, 0.833333, -0.5, 0.0]

    Source: Shenouda, Zhou and Nowak (2024), Eq. (2) and (29). Derived in :doc:`/book/wavelet/wavelet-activation`.
    """
    _check_input(x)
    if not (type(scale) is float and 0 < scale < math.inf):
        scale = _checked_scale(scale)
        if isinstance(scale, Tensor):
            _check_beside(x, scale)
    if torch.compiler.is_compiling():  # the compiler fuses the plain form by itself
        return bw_relu_plain(x, scale)
    return bw_relu_fused(x, scale)


def _check_input(x: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch.Tensor; got {type(x).__name__}. Use torch.as_tensor(x).")
    if x.dtype not in _DTYPES:
        raise TypeError(f"x must be float64, float32, bfloat16 or float16; got {x.dtype}. Use x.float().")
    check_dense("x", x)


def _check_beside(x: Tensor, scale: Tensor) -> None:
    check_same_place(x=x, scale=scale)
    for size, other in zip(reversed(x.shape), reversed(scale.shape), strict=False):
        if size != other and size != 1 and other != 1:
            raise ValueError(
                f"scale must broadcast with x, one entry a channel say; got {tuple(scale.shape)} and {tuple(x.shape)}."
            )


def _checked_scale(scale: float | Tensor) -> float | Tensor:
    if not isinstance(scale, Tensor):
        try:
            value = check_single("scale", scale)
        except TypeError:
            raise TypeError(f"scale must be a number or a tensor; got {type(scale).__name__}.") from None
        if not 0 < value < math.inf:
            raise ValueError(f"scale must be positive and finite; got {value}.")
        return value
    if scale.dtype not in _DTYPES:
        raise TypeError(f"a scale tensor must be floating point; got {scale.dtype}. Use scale.float().")
    check_dense("scale", scale)
    # Reading a value back would stop the GPU's queue, break a compiled graph, or fail under vmap: NaN tells there.
    if scale.device.type == "cpu" and scale.numel() and is_readable(scale):
        lowest, highest = scale.aminmax() if scale.numel() > 1 else (scale, scale)
        if not (lowest.item() > 0 and highest.item() < math.inf):
            bad = lowest.item() if not lowest.item() > 0 else highest.item()
            raise ValueError(f"scale must be positive and finite; got {bad:g}. {_why(scale.dtype)}")
    return scale


def _why(dtype: torch.dtype) -> str:
    """How a learned scale came to be zero, negative or infinite."""
    step = "a step took it there: use a lower learning rate for it, or learn its logarithm"
    if dtype in (torch.float64, torch.float32):
        return f"If it is learned, {step}."
    held = torch.finfo(dtype)
    return (
        f"{dtype} has no numbers below {held.tiny * held.eps:.1g} and above {held.max:.2g}: keep the scale in float32, "
        f"as BWReLU does. Or, if it is learned, {step}."
    )


class BWReLU(nn.Module):
    """:func:`relunb.bw_relu` as a layer, with a fixed or a learned scale.

    Args:
        scale: c > 0; a larger scale makes a narrower wavelet, with support ``[0, 3/scale]``.
        learnable: make ``scale`` a parameter, one number for the whole layer. It stays in float32 at least: ``half()``
            and ``bfloat16()`` leave it there, because half precision would round a small scale to zero and swallow
            small steps.

    Raises:
        TypeError: ``scale`` is not a number.
        ValueError: ``scale`` is not positive, or not finite; or it is learnable, and torch's default dtype does not
            hold it.

    Input and output have the same shape, dtype and device.

    Example:
        >>> layer = BWReLU(3.0, learnable=True)
        >>> [round(y, 6) for y in layer(torch.tensor([0.5, 1.0])).tolist()], layer.scale.item()
        ([0.833333, 0.0], 3.0)

    Source: Shenouda, Zhou and Nowak (2024), Eq. (29). Derived in :doc:`/book/wavelet/wavelet-activation`.
    """

    scale: float | nn.Parameter

    def __init__(self, scale: float = 1.0, learnable: bool = False) -> None:
        super().__init__()
        if isinstance(scale, Tensor):
            raise TypeError("scale must be a number; the layer makes its own parameter when learnable=True.")
        number = float(_checked_scale(scale))
        learned = check_flag("learnable", learnable)
        self.scale = nn.Parameter(torch.tensor(number, dtype=_learned_dtype(number))) if learned else number

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        return super()._apply(_without_half(fn), recurse)

    def forward(self, x: Tensor) -> Tensor:
        return bw_relu(x, self.scale)

    def extra_repr(self) -> str:
        if not isinstance(self.scale, nn.Parameter):
            return f"scale={self.scale:g}, learnable=False"
        return f"scale={'?' if self.scale.is_meta else format(self.scale.item(), 'g')}, learnable=True"


def _without_half(fn: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A conversion that moves a learned scale and does not round it to half precision."""

    def kept(t: Tensor) -> Tensor:
        moved = fn(t)
        return moved if moved.dtype.itemsize >= 4 else t.to(moved.device)

    return kept


def _learned_dtype(scale: float) -> torch.dtype:
    """Torch's default, but at least float32, where it holds the scale."""
    dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
    held = torch.finfo(dtype)
    if not held.tiny <= scale <= held.max:
        raise ValueError(
            f"a learned scale is of {dtype}, torch's default, and must be from {held.tiny:.2g} to {held.max:.2g}; "
            f"got {scale:g}."
        )
    return dtype
