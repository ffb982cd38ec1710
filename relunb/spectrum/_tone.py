"""One tone with a bias through ReLU: every line, in closed form."""

import math

import torch
from torch import Tensor

from .._checks import Numbers, check_broadcast, check_count, check_real
from .._scaling import power_of_two

_MOST_LINES = 2**25  # numbers in one answer, 256 MiB
_MOST_SAMPLES = 2**32  # of a period: the product with a harmonic stays an exact 64-bit integer


def tone_harmonics(
    amplitude: Numbers, bias: Numbers = 0.0, n_harmonics: int = 8, *, samples_per_period: int | None = None
) -> Tensor:
    """The exact cosine lines of ``ReLU(a cos t + b)``.

    Without a bias: ``a/pi``, ``a/2``, then ``2a (-1)^(k+1) / (pi (4k^2 - 1))`` at ``2k`` and nothing at odd harmonics
    from 3 on. With one, every harmonic appears.

    The lines never end, so a sampled signal shows each harmonic above half the sample rate at a lower frequency, its
    alias. With ``samples_per_period`` the lines are those of the P samples ``ReLU(a cos(2 pi m / P) + b)``, all
    aliases added up: what a discrete Fourier transform of whole periods reads, to rounding.

    Args:
        amplitude: a, a number or a tensor of any shape; a negative one is a tone of opposite phase.
        bias: b, a number or a tensor that broadcasts with ``amplitude``.
        n_harmonics: the highest harmonic, at least 0. With ``samples_per_period`` at most half of it.
        samples_per_period: P, at least 1, with a sample at the crest; None for continuous time.

    Returns:
        Tensor (..., n_harmonics + 1). The constant (DC) is first, then the signed amplitudes of ``cos t, cos 2t, ...``
        follow. Numbers give float64. The error is a few roundings of ``|a| + |b|``, at any scale. Differentiable twice,
        but where ``|b| = |a|``, or where a sample lies on the kink.

    Raises:
        TypeError: ``amplitude`` or ``bias`` is not real, or a count is not an integer.
        ValueError: an input is empty or not finite, shapes do not broadcast, a count is out of its range, or the answer
            would have more than 33,554,432 numbers.

    Example:
        >>> [round(line, 6) for line in tone_harmonics(1.0, n_harmonics=4).tolist()]
        [0.31831, 0.5, 0.212207, 0.0, -0.042441]
        >>> round(tone_harmonics(1.0, n_harmonics=2, samples_per_period=8)[0].item(), 6)  # cot(pi / 8) / 8
        0.301777

    Source: Kechris et al. (2024), Section III, gives a series; the closed form is derived in
    :doc:`/book/spectrum/one-tone`.
    """
    amplitude = check_real("amplitude", amplitude)
    bias = check_real("bias", bias, like=amplitude)
    n_harmonics = check_count("n_harmonics", n_harmonics, least=0)
    dtype = torch.promote_types(amplitude.dtype, bias.dtype)
    amplitude, bias = check_broadcast(amplitude=amplitude, bias=bias)
    check_lines(n_harmonics, amplitude.numel())
    n = torch.arange(n_harmonics + 1, device=amplitude.device)
    if samples_per_period is None:
        return lines_of_tone(amplitude.double(), bias.double(), n).to(dtype)
    period = check_count("samples_per_period", samples_per_period, most=_MOST_SAMPLES)
    if n_harmonics > period // 2:
        raise ValueError(
            f"n_harmonics must be at most {period // 2}, the highest line of {period} samples a period; "
            f"got {n_harmonics}."
        )
    return _lines_of_samples(amplitude.double(), bias.double(), n, period).to(dtype)


def check_lines(n_harmonics: int, rows: int) -> None:
    """Refuse an answer that no memory holds."""
    if rows * (n_harmonics + 1) > _MOST_LINES:
        raise ValueError(
            f"n_harmonics={n_harmonics} asks for {rows * (n_harmonics + 1):,} numbers, and {_MOST_LINES:,} is the "
            f"limit: ask for fewer harmonics{', or split the rows' if rows > 1 else ''}."
        )


def lines_of_tone(amplitude: Tensor, bias: Tensor, n: Tensor) -> Tensor:
    """The lines at the harmonics ``n`` (integers), for amplitudes and biases of one shape (...), float64: (..., n)."""
    unit, sign, a, b = _scaled(amplitude, bias)
    n = n.to(a.dtype)
    switches = b.detach().abs() < a.detach()
    # ReLU(x) = x + ReLU(-x): a positive bias is the mirror image of a negative one, whose tone is on for |t| < t0.
    flipped = b.detach() >= 0
    depth = torch.where(flipped, b, -b)
    safe_a, safe_depth = torch.where(switches, a, 1.0), torch.where(switches, depth, 0.0)
    t0 = torch.atan2(((safe_a - safe_depth) * (safe_a + safe_depth)).sqrt(), safe_depth)  # no digit lost near |b| = a
    lines = a * (4 / math.pi) * t0.pow(3) * _sinc_slope(n, t0) * torch.where(n == 0, 0.5, 1.0)
    lines = torch.where(switches, lines, 0.0)
    # What symmetry makes zero is zero, and not a rounding; its derivative with respect to the bias stays.
    silent = (b.detach() == 0) & (n % 2 == 1) & (n > 1)
    lines = torch.where(silent, lines - lines.detach(), lines)
    lines = lines * torch.where(flipped & (n % 2 == 1), -1.0, 1.0)
    on = torch.where(switches, flipped, b.detach() > 0)  # a tone alone, a = 0 = b too, is off
    lines = lines + torch.where(on, _own(n, a, b), 0.0)
    return lines * torch.where(n % 2 == 1, sign, 1.0) * unit


def _scaled(amplitude: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unit, sign of a, ``|a|`` over unit and b over unit, each with a last dimension for lines."""
    a, b = amplitude.unsqueeze(-1), bias.unsqueeze(-1)
    unit = power_of_two(torch.maximum(a.detach().abs(), b.detach().abs()))
    sign = 1.0 - 2.0 * (a.detach() < 0).to(a.dtype)
    # |a|, with the derivative 1 at a = 0: a tone that is about to appear.
    return unit, sign, a / unit * sign, b / unit


def _sinc_slope(n: Tensor, t0: Tensor) -> Tensor:
    """``(s(p) - s(q)) / (q^2 - p^2)`` with ``s(x) = sin(x)/x``, ``p = (n-1) t0`` and ``q = (n+1) t0``.

    The line n is this times ``4 a t0^3 / pi``. Where q is small the two sines agree in all but a few digits, and the
    power series of the quotient is summed.
    """
    p, q = (n - 1) * t0, (n + 1) * t0
    small = q.detach() < 1.5
    near_p, near_q = (torch.where(small, x, 1.0).square() for x in (p, q))
    # s(x) = 1 - x^2/3! + x^4/5! ...: the quotient of x^2k is q^2k-2 + q^2k-4 p^2 + ... + p^2k-2.
    total = torch.zeros_like(near_q)
    mixed, power = torch.ones_like(near_q), torch.ones_like(near_p)
    for k in range(1, 13):
        total = total + mixed * ((-1) ** (k + 1) / math.factorial(2 * k + 1))
        power = power * near_p
        mixed = mixed * near_q + power
    # Away from zero: s(p) = 1 for n = 1, and for n = 0, where p = -q, the quotient is minus the slope of s in x^2.
    far_t = torch.where(small, 1.0, t0)
    far_p, far_q = (n - 1) * far_t, (n + 1) * far_t
    sine_p = torch.where(n == 1, 1.0, torch.sin(far_p) / torch.where(n == 1, 1.0, far_p))
    far = (sine_p - torch.sin(far_q) / far_q) / (4 * torch.where(n == 0, 1.0, n) * far_t.square())
    still = (torch.sin(far_t) - far_t * torch.cos(far_t)) / (2 * far_t.pow(3))
    return torch.where(small, total, torch.where(n == 0, still, far))


def _lines_of_samples(amplitude: Tensor, bias: Tensor, n: Tensor, period: int) -> Tensor:
    """As :func:`lines_of_tone` for P samples a period, by sums of cosines over the samples where ReLU is on."""
    unit, sign, a, b = _scaled(amplitude, bias)
    # ReLU(x) = x + ReLU(-x): a tone that starts at its trough is the mirror image of one that starts at its crest.
    depth = -b * sign
    switches = depth.detach().abs() < a.detach()
    last = _last_sample_on(a.detach(), depth.detach(), switches, period)

    def cosines(k: Tensor) -> Tensor:
        """The mean over a period of cos(2 pi k m / P), counted where |m| is at most ``last`` only."""
        half_turn = math.pi / period
        turns = ((2 * last + 1) * k % (2 * period)).to(a.dtype)  # of whole numbers: the angle is exact for any harmonic
        whole = k % period == 0
        quotient = torch.sin(turns * half_turn) / torch.sin(torch.where(whole, 1, k).to(a.dtype) * half_turn)
        return torch.where(whole, (2 * last + 1).to(a.dtype), quotient) / period

    once = (n == 0) | (2 * n == period)  # lines that are their own mirror image
    lines = torch.where(once, 0.5, 1.0) * (a * (cosines(n - 1) + cosines(n + 1)) - 2 * depth * cosines(n))
    silent = (b.detach() == 0) & (n % 2 == 1) & (n > 1) & (period % 2 == 0)
    lines = torch.where(silent, lines - lines.detach(), lines)
    lines = torch.where(switches, lines, torch.where(depth.detach() < 0, _own(n, a, -depth, period), 0.0))
    return torch.where(sign < 0, lines + _own(n, -a, -depth * sign, period), lines) * unit


def _own(n: Tensor, a: Tensor, b: Tensor, period: int = 0) -> Tensor:
    """The lines of ``a cos t + b`` itself. With one sample a period the tone is a constant."""
    return torch.where(n == 0, b + a if period == 1 else b, torch.where(n == 1, a, 0.0))


def _last_sample_on(a: Tensor, depth: Tensor, switches: Tensor, period: int) -> Tensor:
    """The largest m with ``a cos(2 pi m / P) > depth``, as integers. A sample on the kink is off."""
    a, depth = torch.where(switches, a, 1.0), torch.where(switches, depth, 0.0)
    t0 = torch.atan2(((a - depth) * (a + depth)).sqrt(), depth)
    position = t0 * (period / (2 * math.pi))
    nearest = position.round()
    touches = (position - nearest).abs() <= 8 * torch.finfo(a.dtype).eps * position
    return (torch.where(touches, nearest, position.ceil()) - 1).long().clamp(0, (period - 1) // 2)
