"""The binomial series of |x| around a mean power, cut after N terms: what it gives, and how wrong it is."""

import math

import numpy as np
import torch
from torch import Tensor

from .._checks import Numbers, check_broadcast, check_count, check_known, check_real, is_readable
from .._functorch import outside_graphs
from .._tables import made_plainly
from ._tone import check_lines

_MOST_TERMS = 10**7  # in a list
_MOST_STEPS = 10**6  # of a sum, one after the other
_MOST_WORK = 10**10  # terms x lines


def abs_series_coefficients(n_terms: int) -> Tensor:
    """The coefficients binom(1/2, n) of ``|x| = sqrt(A) sum_n a_n m^n`` with ``m = x^2/A - 1``.

    Args:
        n_terms: how many, from 1 to 10,000,000.

    Returns:
        float64 tensor (n_terms,) that starts 1, 1/2, -1/8, 1/16, -5/128.

    Raises:
        TypeError: ``n_terms`` is not an integer.
        ValueError: ``n_terms`` is out of its range.

    Example:
        >>> abs_series_coefficients(5).tolist()
        [1.0, 0.5, -0.125, 0.0625, -0.0390625]

    Source: Kechris et al. (2024), Eq. (6) and Table I. Derived in :doc:`/book/spectrum/power-series`.
    """
    n = torch.arange(1, check_count("n_terms", n_terms, most=_MOST_TERMS), dtype=torch.float64)
    return torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod((1.5 - n) / n, 0)])


@outside_graphs("It makes its coefficients as exact fractions.")
def relu_series(x: Tensor, n_terms: int, center: Numbers | None = None) -> Tensor:
    """ReLU with its ``|x|`` replaced by the first N terms of its series around ``x^2 = center``.

    A polynomial of degree ``2 (n_terms - 1)`` in each sample plus ``x/2``. It converges for ``x^2 <= 2 center`` and
    nowhere else, and its worst error is at ``x = 0``: half of :func:`series_sup_error`.

    Args:
        x: signals, shape (..., time); float64 or float32. Numbers and lists are taken as float64.
        n_terms: terms of the series, from 1 to 1,000,000.
        center: the power A to expand around, a number or a tensor of shape (...). Default: for each signal the smallest
            for which the series converges at every sample, ``max x^2 / 2``.

    Returns:
        Tensor of the shape of ``x``.

    Raises:
        TypeError: ``x`` is not real, or ``n_terms`` is not an integer.
        ValueError: ``x`` is empty or not finite, ``n_terms`` is out of its range, or ``center`` is too small for the
            data, so that the series would diverge.

    Example:
        >>> [round(value, 4) for value in relu_series([-1.0, 0.0, 0.5, 1.0], 50).tolist()]
        [0.0001, 0.0284, 0.5, 1.0001]

    Source: Kechris et al. (2024), Eq. (6) and (7). Derived in :doc:`/book/spectrum/power-series`.
    """
    x = check_real("x", x)
    check_count("n_terms", n_terms, most=_MOST_STEPS)
    coefficients = made_plainly(abs_series_coefficients, n_terms).tolist()
    peak = _largest_size(x)
    if center is None:
        root = peak * math.sqrt(0.5)
    else:
        power = check_real("center", center, like=x)
        power = power.unsqueeze(-1) if power.ndim else power
        check_broadcast(center=power, x=x)
        _check_center(power, peak)
        root = power.sqrt()
    # A silent signal has no power to expand around; any positive center gives its limit, zero. No square of x is
    # formed, which would be no number for 1e-200 or 1e200.
    silent = root.detach() == 0
    m = (x / torch.where(silent, 1, root)).square() - 1
    total = torch.full_like(m, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * m + coefficient
    return x * 0.5 + torch.where(silent, 0, root * 0.5) * total


def _largest_size(x: Tensor) -> Tensor:
    """max |x| over time, kept as a dimension. Several samples of the largest size share its slope."""
    sign = 1 - 2 * (x.detach() < 0).to(x.dtype)
    if not x.ndim:
        return x * sign
    size = x * sign
    peak = size.detach().amax(-1, keepdim=True)
    share = (size.detach() == peak).to(x.dtype)
    share = share / share.sum(-1, keepdim=True)
    return peak + ((size - size.detach()) * share).sum(-1, keepdim=True)


def _check_center(power: Tensor, peak: Tensor) -> None:
    if not is_readable(power * peak):
        return
    if (power.detach() <= 0).any():
        raise ValueError(f"center must be positive; got {power.detach().min().item():g}.")
    # One rounding of x^2 must not turn the smallest center that converges into a refusal.
    excess = (peak * math.sqrt(0.5) / power.sqrt()).detach().amax().item() ** 2
    if excess > 1 + 8 * torch.finfo(peak.dtype).eps:
        needed = peak.detach().amax().item() ** 2 / 2 if peak.detach().amax() < 1e154 else math.inf
        advice = f"Use at least {needed:.6g}, or leave center out." if needed < math.inf else "Leave center out."
        raise ValueError(
            f"center is too small: the series converges for x^2 <= 2 center only, and x^2 reaches {excess:.6g} times "
            f"that. {advice}"
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
        ValueError: ``n_terms`` is less than 1 or above 2^53, or ``center`` is not positive and finite.

    Example:
        >>> series_sup_error(2, 4.0), f"{series_sup_error(3 * 10**8, 1.0):.6e}"
        (1.0, '3.257350e-05')

    Source: derived in :doc:`/book/spectrum/power-series`; the paper gives no error.
    """
    share = _central_binomial(check_count("n_terms", n_terms, most=2**53) - 1)
    power = check_real("center", center)
    check_known(center=power)
    if (power.detach() <= 0).any():
        raise ValueError(f"center must be positive; got {power.detach().min().item():g}.")
    return power.sqrt() * share if isinstance(center, Tensor) else math.sqrt(power.item()) * share


def _central_binomial(n: int) -> float:
    """binom(2n, n) / 4^n: a product, and from 1000 on Stirling's series, whose next term is below 1e-17."""
    if n < 1000:
        return math.prod(1 - 1 / (2 * k) for k in range(1, n + 1))
    return (1 - 1 / (8 * n) + 1 / (128 * n**2) + 5 / (1024 * n**3) - 21 / (32768 * n**4)) / math.sqrt(math.pi * n)


@outside_graphs("It makes its coefficients as exact fractions.")
def series_tone_harmonics(amplitude: Numbers, n_terms: int, n_harmonics: int = 8) -> Tensor:
    """The cosine lines of the N-term series of ``ReLU(a cos t)`` around ``a^2/2``, exactly.

    The counterpart of :func:`tone_harmonics`, to see what cutting the series does to each line. A polynomial has no
    line above its degree: all beyond ``2 (n_terms - 1)`` are zero.

    Args:
        amplitude: a, a number or a tensor of any shape (...).
        n_terms: terms of the series, from 1 to 10,000,000.
        n_harmonics: the highest harmonic, at least 0.

    Returns:
        Tensor (..., n_harmonics + 1). The constant is first, then the signed amplitudes of ``cos t, cos 2t, ...``
        follow.

    Raises:
        TypeError: a count is not an integer, or ``amplitude`` is not real.
        ValueError: ``amplitude`` is empty or not finite, a count is out of its range, or terms times lines are above
            10,000,000,000.

    Example:
        >>> [f"{line:.6f}" for line in series_tone_harmonics(1.0, 3, n_harmonics=4).tolist()]
        ['0.331456', '0.500000', '0.176777', '0.000000', '-0.022097']

    Source: Kechris et al. (2024), Eq. (6) and (7). Derived in :doc:`/book/spectrum/one-tone`.
    """
    amplitude = check_real("amplitude", amplitude)
    n_harmonics = check_count("n_harmonics", n_harmonics, least=0)
    coefficients = np.array(made_plainly(abs_series_coefficients, n_terms).tolist())
    check_lines(n_harmonics, amplitude.numel())
    if n_terms * (n_harmonics + 1) > _MOST_WORK:
        raise ValueError(
            f"{n_terms:,} terms of {n_harmonics + 1:,} lines take too long: their product is above {_MOST_WORK:,}."
        )
    # cos^n has the line j with weight 2 binom(n, (n-j)/2) / 2^n, and half of that for j = 0. From each j to j + 2 a
    # weight changes by (n-j) / (n+j+2).
    lines = np.zeros(n_harmonics + 1)
    for parity in (0, 1):
        n = np.arange(parity, n_terms, 2, dtype=np.float64)
        if len(n) == 0:
            continue
        steps = np.concatenate([[0.5**parity], (n[1:] - 1) * n[1:] / ((n[1:] - parity) * (n[1:] + parity))])
        weights = np.cumprod(steps) * coefficients[parity::2]
        for j in range(parity, min(n_harmonics // 2, n_terms - 1) + 1, 2):
            lines[2 * j] = weights.sum() * (2 if j else 1)
            weights *= np.maximum(n - j, 0) / (n + j + 2)
    lines /= 2 * math.sqrt(2)
    size = torch.from_numpy(lines).to(amplitude)
    input_line = torch.zeros_like(size)
    input_line[1:2] = 0.5
    # |a| and not a: the series is one of |a cos t|. The input's own line keeps its sign.
    sign = 1 - 2 * (amplitude.detach() < 0).to(amplitude.dtype)
    return (amplitude * sign).unsqueeze(-1) * size + amplitude.unsqueeze(-1) * input_line
