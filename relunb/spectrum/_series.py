"""The binomial series of |x| around a mean power, cut after N terms: what it gives, and how wrong it is."""

import math

import numpy as np
import torch
from torch import Tensor

from .._checks import Numbers, count, known, readable, real
from .._tables import made_plainly


def abs_series_coefficients(n_terms: int) -> Tensor:
    """The coefficients binom(1/2, n) of ``|x| = sqrt(A) sum_n a_n m^n`` with ``m = x^2/A - 1``.

    Args:
        n_terms: how many, at least 1.

    Returns:
        float64 tensor (n_terms,) that starts 1, 1/2, -1/8, 1/16, -5/128.

    Raises:
        TypeError: ``n_terms`` is not an integer.
        ValueError: ``n_terms`` is less than 1.

    Source: Kechris et al. (2024), Eq. (6) and Table I. Derived in :doc:`/book/spectrum/power-series`.
    """
    n = torch.arange(1, count("n_terms", n_terms), dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod((1.5 - n) / n, 0)])


def relu_series(x: Tensor, n_terms: int, center: Numbers | None = None) -> Tensor:
    """ReLU with its ``|x|`` replaced by the first N terms of its series around ``x^2 = center``.

    A polynomial of degree ``2 (n_terms - 1)`` in each sample plus ``x/2``. It converges for ``x^2 <= 2 center`` and
    nowhere else, and its worst error is at ``x = 0``: half of :func:`series_sup_error`.

    Args:
        x: signals, shape (..., time); float64 or float32. Numbers and lists are taken as float64.
        n_terms: terms of the series, at least 1.
        center: the power A to expand around, a number or a tensor of shape (...). Default: for each signal the smallest
            for which the series converges at every sample, ``max x^2 / 2``.

    Returns:
        Tensor of the shape of ``x``.

    Raises:
        TypeError: ``x`` is not real, or ``n_terms`` is not an integer.
        ValueError: ``x`` is empty or not finite, ``n_terms`` is less than 1, or ``center`` is too small for the data,
            so that the series would diverge.

    Source: Kechris et al. (2024), Eq. (6) and (7). Derived in :doc:`/book/spectrum/power-series`.
    """
    x = real("x", x)
    coefficients = made_plainly(abs_series_coefficients, n_terms).tolist()
    square = x.square()
    peak = square.amax(-1, keepdim=x.ndim > 0) if x.ndim else square
    if center is None:
        power = peak / 2
    else:
        power = real("center", center, like=x)
        power = power.unsqueeze(-1) if power.ndim else power
        _check_center(power, peak)
    # A silent signal has no power to expand around; any positive center gives its limit, zero.
    silent = power == 0
    m = square / torch.where(silent, 1, power) - 1
    total = torch.full_like(m, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * m + coefficient
    root = torch.where(silent, 0, torch.where(silent, 1, power).sqrt())
    return (x + root * total) / 2


def _check_center(power: Tensor, peak: Tensor) -> None:
    if not readable(power * peak):
        return
    if (power.detach() <= 0).any():
        raise ValueError(f"center must be positive; got {power.detach().min().item():g}.")
    # One rounding of x^2 must not turn the smallest center that converges into a refusal.
    excess = (peak / (2 * power)).detach().amax().item()
    if excess > 1 + 4 * torch.finfo(peak.dtype).eps:
        needed = (peak.detach().amax() / 2).item()
        raise ValueError(
            f"center is too small: the series converges for x^2 <= 2 center only, and x^2 reaches {excess:.6g} times "
            f"that. Use at least {needed:.6g}, or leave center out."
        )


def series_sup_error(n_terms: int, center: float | Tensor) -> float | Tensor:
    """The largest error of N terms of the series of ``|x|`` on ``0 <= x^2 <= 2 center``, exactly.

    ``sqrt(center) binom(2N-2, N-1) / 4^(N-1)``, attained at ``x = 0`` alone. ReLU has half of ``|x|``, so the error of
    :func:`relu_series` is half of this. It falls like ``sqrt(center / (pi N))``.

    Args:
        n_terms: terms of the series, at least 1.
        center: the power A, positive; a number, or a tensor of any shape.

    Returns:
        A float for a number, else a tensor of the shape of ``center``.

    Raises:
        TypeError: ``n_terms`` is not an integer, or ``center`` is not real.
        ValueError: ``n_terms`` is less than 1, or ``center`` is not positive and finite.

    Source: derived in :doc:`/book/spectrum/power-series`; the paper gives no error.
    """
    k = np.arange(1, count("n_terms", n_terms), dtype=np.float64)
    share = float(np.prod(1 - 1 / (2 * k)))
    power = real("center", center)
    known(center=power)
    if (power.detach() <= 0).any():
        raise ValueError(f"center must be positive; got {power.detach().min().item():g}.")
    return power.sqrt() * share if isinstance(center, Tensor) else math.sqrt(power.item()) * share


def series_tone_harmonics(amplitude: Numbers, n_terms: int, n_harmonics: int = 8) -> Tensor:
    """The cosine lines of the N-term series of ``ReLU(a cos t)`` around ``a^2/2``, exactly.

    The counterpart of :func:`tone_harmonics`, to see what cutting the series does to each line. A polynomial has no
    line above its degree: all beyond ``2 (n_terms - 1)`` are zero.

    Args:
        amplitude: a, a number or a tensor of any shape (...).
        n_terms: terms of the series, at least 1.
        n_harmonics: the highest harmonic, at least 0.

    Returns:
        Tensor (..., n_harmonics + 1). The constant is first, then the signed amplitudes of ``cos t, cos 2t, ...``
        follow.

    Raises:
        TypeError: a count is not an integer, or ``amplitude`` is not real.
        ValueError: ``amplitude`` is empty or not finite, or a count is too small.

    Source: Kechris et al. (2024), Eq. (6) and (7). Derived in :doc:`/book/spectrum/one-tone`.
    """
    amplitude = real("amplitude", amplitude)
    n_harmonics = count("n_harmonics", n_harmonics, least=0)
    coefficients = made_plainly(abs_series_coefficients, n_terms).numpy()
    # cos^n has the line j with weight 2 binom(n, (n-j)/2) / 2^n, and half of that for j = 0. Row by row of Pascal's
    # triangle, scaled by 2^-n so that nothing overflows.
    lines = np.zeros(n_harmonics + 1)
    row = np.ones(1)
    for n, a_n in enumerate(coefficients):
        orders = n - 2 * np.arange(n // 2 + 1)
        weights = row[: n // 2 + 1] * np.where(orders == 0, 1, 2)
        kept = 2 * orders <= n_harmonics
        lines[2 * orders[kept]] += a_n * weights[kept]
        row = (np.append(row, 0) + np.append(0, row)) / 2
    lines /= 2 * math.sqrt(2)
    size = torch.from_numpy(lines).to(amplitude)
    input_line = torch.zeros_like(size)
    input_line[1:2] = 0.5
    # |a| and not a: the series is one of |a cos t|. The input's own line keeps its sign.
    return amplitude.abs().unsqueeze(-1) * size + amplitude.unsqueeze(-1) * input_line
