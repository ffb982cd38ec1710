"""The activations that coordinate networks use beside the wavelet: a sine, a Gaussian and a complex Gabor function."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from .._checks import check_flag, check_positive
from ..wavelet._activation import _without_half


def number(scale: float | Tensor) -> float:
    """The value of a scale, fixed or learned."""
    return scale.item() if isinstance(scale, Tensor) else scale


def _held(name: str, value: Any) -> float:
    """A positive number that float32 holds with all its digits."""
    found, held = check_positive(name, value), torch.finfo(torch.float32)
    if not held.tiny <= found <= held.max:
        raise ValueError(f"{name} must be between {held.tiny:.2g} and {held.max:.2g}, as float32 is; got {found:g}.")
    return found


class _Scaled(nn.Module):
    """An activation with a scale, fixed or learned; a learned one stays in float32 at least, as that of BWReLU."""

    scale: float | nn.Parameter

    def __init__(self, scale: float, learnable: bool = False) -> None:
        super().__init__()
        value = _held("scale", scale)
        dtype = torch.promote_types(torch.get_default_dtype(), torch.float32)
        self.scale = nn.Parameter(torch.tensor(value, dtype=dtype)) if check_flag("learnable", learnable) else value

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        return super()._apply(_without_half(fn), recurse)

    def extra_repr(self) -> str:
        learned = isinstance(self.scale, nn.Parameter)
        value = "?" if isinstance(self.scale, Tensor) and self.scale.is_meta else f"{number(self.scale):g}"
        return f"scale={value}, learnable={learned}"


class Sine(_Scaled):
    """``sin(scale * z)``; NaN where ``scale * z`` overflows.

    Args:
        scale: c > 0, a number that float32 holds.
        learnable: make ``scale`` a parameter, one number for the whole layer.

    Raises:
        TypeError: ``scale`` is not a number.
        ValueError: ``scale`` is not positive, not finite, or too large or small for float32.

    Example:
        >>> Sine(30.0)(torch.tensor([0.0, torch.pi / 60])).tolist()
        [0.0, 1.0]

    Source: Sitzmann et al. (2020). Used in :doc:`/book/inr/spectral-bias`.
    """

    def forward(self, z: Tensor) -> Tensor:
        return torch.sin(self.scale * z)


class Gaussian(_Scaled):
    """``exp(-(scale * z)**2)``.

    Args:
        scale: c > 0, a number that float32 holds.
        learnable: make ``scale`` a parameter, one number for the whole layer.

    Raises:
        TypeError: ``scale`` is not a number.
        ValueError: ``scale`` is not positive, not finite, or too large or small for float32.

    Example:
        >>> [round(v, 4) for v in Gaussian(2.0)(torch.tensor([0.0, 0.5])).tolist()]
        [1.0, 0.3679]

    Source: Ramasinghe and Lucey (2022). Used in :doc:`/book/inr/spectral-bias`.
    """

    def forward(self, z: Tensor) -> Tensor:
        return torch.exp(-_square(self.scale * z))


class Gabor(_Scaled):
    """``exp(i * scale * z - |sigma * z|**2)``, complex; ``sigma`` is not learned.

    Half precision is computed in float32: PyTorch has no complex numbers of it.

    Args:
        scale: c > 0, a number that float32 holds.
        sigma: how narrow the window is, of the same kind.
        learnable: make ``scale`` a parameter, one number for the whole layer.

    Raises:
        TypeError: ``scale`` or ``sigma`` is not a number.
        ValueError: one is not positive, not finite, or too large or small for float32.

    Example:
        >>> Gabor(scale=10.0, sigma=10.0)(torch.tensor([0.0, 10.0])).tolist()
        [(1+0j), 0j]

    Source: Saragadam et al. (2023). Used in :doc:`/book/inr/spectral-bias`.
    """

    def __init__(self, scale: float, sigma: float, learnable: bool = False) -> None:
        super().__init__(scale, learnable)
        self.sigma = _held("sigma", sigma)

    def forward(self, z: Tensor) -> Tensor:
        if not z.is_complex():
            z = z.to(torch.promote_types(z.dtype, torch.float32))
            size = torch.exp(-_square(self.sigma * z))
            return _polar(size, torch.where(size > 0, self.scale * z, 0.0))
        # Size and angle apart are half again as fast as the exponential of a complex number.
        x, y = z.real, z.imag
        u, v = self.sigma * x, self.sigma * y
        return _polar(torch.exp(-self.scale * y - (u * u + v * v)), self.scale * x)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sigma={self.sigma:g}"


def _polar(size: Tensor, angle: Tensor) -> Tensor:
    """``torch.polar``, whose gradient divides by ``|size|``: below 1e-22 its square is zero in float32."""
    return torch.complex(size * angle.cos(), size * angle.sin())


def _square(u: Tensor) -> Tensor:
    """u**2 up to 900, of which exp(-u**2) is zero in every precision: no infinity, whose gradient would be NaN."""
    return u.clamp(-30.0, 30.0) ** 2


class ComplexLinear(nn.Module):
    """``nn.Linear`` with complex weights, kept as pairs of real numbers so that ``.double()`` and optimizers just work.

    Real and imaginary parts start as PyTorch's ``nn.Linear(dtype=torch.cfloat)`` has them, each uniform within
    ``1 / sqrt(in_features)``.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(torch.empty(out_features, in_features, 2))
        self.bias = nn.Parameter(torch.empty(out_features, 2))
        bound = in_features**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, z: Tensor) -> Tensor:
        wide = torch.promote_types(self.weight.dtype, torch.float32)  # there are no complex numbers of half precision
        weight, bias = (torch.view_as_complex(pair.to(wide)) for pair in (self.weight, self.bias))
        return nn.functional.linear(z, weight, bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"
