"""One tone with a bias through ReLU: every line, in closed form."""

import math

import torch
from torch import Tensor

from .._checks import Numbers, count, real


def tone_harmonics(amplitude: Numbers, bias: Numbers = 0.0, n_harmonics: int = 8) -> Tensor:
    """The exact cosine lines of ``ReLU(a cos t + b)``.

    Without a bias: ``a/pi``, ``a/2``, then ``2a (-1)^(k+1) / (pi (4k^2 - 1))`` at ``2k`` and nothing at odd harmonics
    from 3 on. With one, every harmonic appears.

    Args:
        amplitude: a, a number or a tensor of any shape; a negative one is a tone of opposite phase.
        bias: b, a number or a tensor that broadcasts with ``amplitude``.
        n_harmonics: the highest harmonic, at least 0.

    Returns:
        Tensor (..., n_harmonics + 1). The constant (DC) is first, then the signed amplitudes of ``cos t, cos 2t, ...``
        follow. Numbers give float64. Differentiable twice, but where ``|b| = |a|``.

    Raises:
        TypeError: ``amplitude`` or ``bias`` is not real, or ``n_harmonics`` is not an integer.
        ValueError: an input is empty or not finite, or ``n_harmonics`` is negative.

    Source: Kechris et al. (2024), Section III, gives a series; the closed form is derived in
    :doc:`/book/spectrum/one-tone`.
    """
    amplitude = real("amplitude", amplitude)
    bias = real("bias", bias, like=amplitude)
    n_harmonics = count("n_harmonics", n_harmonics, least=0)
    dtype = torch.promote_types(amplitude.dtype, bias.dtype)
    a, b = torch.broadcast_tensors(amplitude.to(dtype).unsqueeze(-1), bias.to(dtype).unsqueeze(-1))
    sign = 1 - 2 * (a < 0).to(dtype)
    a = a * sign  # |a|, with the derivative 1 at a = 0: a tone that is about to appear
    n = torch.arange(n_harmonics + 1, dtype=dtype, device=a.device)

    # ReLU is on for |t| < t0. Where it is always on or always off, t0 does not depend on a and b.
    switches = (b.abs() < a) & (a > 0)
    safe_a, safe_b = torch.where(switches, a, 1), torch.where(switches, b, 0)
    height = ((safe_a - safe_b) * (safe_a + safe_b)).sqrt() / safe_a  # sin t0, exact for b near +-a
    always = (b > 0).to(dtype) * math.pi
    t0 = torch.where(switches, torch.atan2(height * safe_a, -safe_b), always)

    lines = (a * (_sinc(n - 1, t0) + _sinc(n + 1, t0)) + 2 * b * _sinc(n, t0)) / math.pi
    lines = torch.where(n == 0, lines / 2, lines)
    # What symmetry makes zero is zero, and not a rounding; its derivative with respect to the bias stays.
    silent = ((b == 0) & (n % 2 == 1) & (n > 1)) | (~switches & (n > 1))
    lines = torch.where(silent, lines - lines.detach(), lines)
    return lines * torch.where(n % 2 == 1, sign, torch.ones_like(sign))


def _sinc(n: Tensor, t0: Tensor) -> Tensor:
    """The integral of cos(n t) from 0 to t0: sin(n t0) / n, and t0 for n = 0."""
    zero = n == 0
    return torch.where(zero, t0, torch.sin(n * t0) / torch.where(zero, 1, n))
