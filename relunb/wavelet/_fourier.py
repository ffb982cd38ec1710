"""The Fourier transform of psi in closed form."""

import torch
from torch import Tensor

from .._checks import Numbers, real


def wavelet_fourier(omega: Numbers) -> Tensor:
    """Fourier transform of the wavelet, ``int psi(x) exp(-i omega x) dx``.

    ``exp(-3i omega/2) * 16 sin(omega/4)**4 (2 - cos(omega/2)) / (3 omega**2)``, written with ``sin(x)/x`` so that
    nothing is
    divided by zero: near zero it behaves as ``exp(-3i omega/2) omega**2 / 48``, because psi has two vanishing moments.
    Its modulus peaks at 0.485977974 for omega = 5.13979256.

    Args:
        omega: angular frequency in radians per unit of x, any shape, float64 or float32; numbers and lists become
            float64.

    Returns:
        Complex tensor of the same shape and device, complex128 for float64 and complex64 for float32. Differentiable.

    Raises:
        TypeError: ``omega`` is not real.
        ValueError: ``omega`` is empty or not finite.

    Source: the transform of Shenouda, Zhou and Nowak (2024), Eq. (2). Derived in :doc:`/book/wavelet/gershgorin`.
    """
    omega = real("omega", omega)
    quarter = omega / 4
    modulus = (torch.sinc(quarter / torch.pi) * quarter.sin()).square() * (2 - (omega / 2).cos()) / 3
    turn = 1.5 * omega
    return torch.complex(modulus * turn.cos(), -modulus * turn.sin())
