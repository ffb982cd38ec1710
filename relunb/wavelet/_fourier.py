"""The Fourier transform of psi in closed form."""

import torch
from torch import Tensor

from .._checks import Numbers, check_real


def wavelet_fourier(omega: Numbers) -> Tensor:
    """Fourier transform of the wavelet, ``int psi(x) exp(-i omega x) dx``.

    ``exp(-3i omega/2) * 16 sin(omega/4)**4 (2 - cos(omega/2)) / (3 omega**2)``, written with ``sin(x)/x`` so that
    nothing is divided by zero: near zero it behaves as ``exp(-3i omega/2) omega**2 / 48``, because psi has two
    vanishing moments. Its modulus peaks at 0.485977974 for omega = 5.13979256.

    Args:
        omega: angular frequency in radians per unit of x, any shape, float64 or float32; numbers and lists become
            float64.

    Returns:
        Complex tensor of the same shape and device, complex128 for float64 and complex64 for float32. Differentiable.

    Raises:
        TypeError: ``omega`` is not real.
        ValueError: ``omega`` is empty or not finite.

    Example:
        >>> value = wavelet_fourier(5.13979256)
        >>> print(f"{value.abs():.9f}")
        0.485977974

    Source: the transform of Shenouda, Zhou and Nowak (2024), Eq. (2). Derived in :doc:`/book/wavelet/wavelet-features`.
    """
    omega = check_real("omega", omega)
    quarter, half = omega / 4, omega / 2
    modulus = (_sinc(quarter) * quarter.sin()).square() * (2 - half.cos()) / 3
    # exp(-3i omega/2) in two turns: 1.5 * omega would be rounded, and overflow
    return modulus * torch.complex(omega.cos(), -omega.sin()) * torch.complex(half.cos(), -half.sin())


def _sinc(x: Tensor) -> Tensor:
    """sin(x)/x with every derivative; that of torch.sinc has NaN at zero from the second on."""
    small = x.abs() < 0.05  # where the first term left out is below 1e-20
    square = torch.where(small, x, 0.0).square()  # elsewhere it may overflow, and its gradient be NaN
    series = 1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72)))
    divisor = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, series, divisor.sin() / divisor)
