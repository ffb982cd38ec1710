"""The activations that coordinate networks use beside the wavelet: a sine, a Gaussian and a complex Gabor function."""

import torch
from torch import Tensor, nn

from ..wavelet._activation import _checked_scale


def number(scale: float | Tensor) -> float:
    """The value of a scale, fixed or learned."""
    return scale.item() if isinstance(scale, Tensor) else scale


class _Scaled(nn.Module):
    """An activation with a scale, fixed or learned."""

    scale: float | nn.Parameter

    def __init__(self, scale: float, learnable: bool = False) -> None:
        super().__init__()
        value = float(_checked_scale(scale))
        self.scale = nn.Parameter(torch.tensor(value)) if learnable else value

    def extra_repr(self) -> str:
        learnable = isinstance(self.scale, nn.Parameter)
        value = "?" if learnable and self.scale.is_meta else f"{number(self.scale):g}"
        return f"scale={value}, learnable={learnable}"


class Sine(_Scaled):
    """``sin(scale * z)``."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.sin(self.scale * z)


class Gaussian(_Scaled):
    """``exp(-(scale * z)**2)``."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.exp(-((self.scale * z) ** 2))


class Gabor(_Scaled):
    """``exp(i * scale * z - |sigma * z|**2)``, complex; ``sigma`` is not learned."""

    def __init__(self, scale: float, sigma: float, learnable: bool = False) -> None:
        super().__init__(scale, learnable)
        self.sigma = float(_checked_scale(sigma))

    def forward(self, z: Tensor) -> Tensor:
        if not z.is_complex():
            return torch.polar(torch.exp(-((self.sigma * z) ** 2)), self.scale * z)
        # Size and angle apart are half again as fast as the exponential of a complex number.
        x, y = z.real, z.imag
        return torch.polar(torch.exp(-self.scale * y - self.sigma**2 * (x * x + y * y)), self.scale * x)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, sigma={self.sigma:g}"


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
        return nn.functional.linear(z, torch.view_as_complex(self.weight), torch.view_as_complex(self.bias))

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}"
