"""BW-ReLU, the activation: checks what the caller gave, then hands over to the kernel."""

import math
from numbers import Real

import torch
from torch import Tensor, nn
from torch._C._functorch import is_batchedtensor

from ..ops import bw_relu_fused, bw_relu_plain

_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def bw_relu(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """Second-order B-spline wavelet activation, ``psi(scale * x)``.

    Folded into three ReLUs of ``t = |scale*x - 3/2|``: equal to the sum of seven ReLUs, exactly zero off the support
    ``[0, 3/scale]`` in every precision, and free of that sum's cancellation (``6 eps |x|``). bfloat16 and float16 are
    computed in float32 and rounded once. At a knot the derivative is that of the side away from the centre; at the
    centre it is zero. NaN gives NaN.

    Args:
        x: input, any shape, floating point.
        scale: c > 0 in Eq. (29); a float, or a tensor that broadcasts with ``x`` and may require grad. A tensor on a
            GPU, under ``torch.compile`` or under ``vmap`` is not read back to be checked: where it is not positive and
            finite, the output is NaN.

    Returns:
        Tensor of the broadcast shape, same dtype and device as ``x``. Values in [-1/2, 5/6].

    Raises:
        TypeError: ``x`` is not a floating-point tensor, or ``scale`` is neither a number nor a floating-point tensor.
        ValueError: ``scale`` is not positive, or not finite.

    Source: Shenouda, Zhou and Nowak (2024), Eq. (2) and (29). Derived in :doc:`/book/wavelet/seven-relus`.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch.Tensor; got {type(x).__name__}. Use torch.as_tensor(x).")
    if x.dtype not in _DTYPES:
        raise TypeError(f"x must be float64, float32, bfloat16 or float16; got {x.dtype}. Use x.float().")
    if not (type(scale) is float and 0 < scale < math.inf):
        scale = _checked_scale(scale)
    if torch.compiler.is_compiling():  # the compiler fuses the plain form by itself
        return bw_relu_plain(x, scale)
    return bw_relu_fused(x, scale)


def _checked_scale(scale: float | Tensor) -> float | Tensor:
    if not isinstance(scale, Tensor):
        if not isinstance(scale, Real):
            raise TypeError(f"scale must be a number or a tensor; got {type(scale).__name__}.")
        value = float(scale)
        if not 0 < value < math.inf:
            raise ValueError(f"scale must be positive and finite; got {value}.")
        return value
    if scale.dtype not in _DTYPES:
        raise TypeError(f"a scale tensor must be floating point; got {scale.dtype}. Use scale.float().")
    # Reading a value back would stop the GPU's queue, break a compiled graph, or fail under vmap: NaN tells there.
    if scale.device.type == "cpu" and not torch.compiler.is_compiling() and not is_batchedtensor(scale):
        lowest, highest = scale.aminmax() if scale.numel() > 1 else (scale, scale)
        if scale.numel() and not (lowest.item() > 0 and highest.item() < math.inf):
            bad = lowest.item() if not lowest.item() > 0 else highest.item()
            raise ValueError(
                f"scale must be positive and finite; got {bad:g}. If it is learned, a step took it there: "
                "use a lower learning rate for it, or learn its logarithm."
            )
    return scale


class BWReLU(nn.Module):
    """:func:`relunb.bw_relu` as a layer, with a fixed or a learned scale.

    Args:
        scale: c > 0; a larger scale makes a narrower wavelet, with support ``[0, 3/scale]``.
        learnable: make ``scale`` a parameter, one number for the whole layer.

    Raises:
        TypeError: ``scale`` is not a number.
        ValueError: ``scale`` is not positive, or not finite.

    Input and output have the same shape, dtype and device.

    Source: Shenouda, Zhou and Nowak (2024), Eq. (29). Derived in :doc:`/book/wavelet/seven-relus`.
    """

    scale: float | nn.Parameter

    def __init__(self, scale: float = 1.0, learnable: bool = False) -> None:
        super().__init__()
        if isinstance(scale, Tensor):
            raise TypeError("scale must be a number; the layer makes its own parameter when learnable=True.")
        _checked_scale(scale)
        self.scale = nn.Parameter(torch.tensor(float(scale))) if learnable else float(scale)

    def forward(self, x: Tensor) -> Tensor:
        return bw_relu(x, self.scale)

    def extra_repr(self) -> str:
        learnable = isinstance(self.scale, nn.Parameter)
        value = self.scale.item() if isinstance(self.scale, nn.Parameter) else self.scale
        return f"scale={value:g}, learnable={learnable}"
