"""The Gram matrix of ReLU neurons on [-1, 1], and its condition number, which grows like the width to the fourth."""

import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
import torch

from .._checks import Numbers, check_count, check_finite, check_real, shown
from ._secular import root

_MOST_ENTRIES = 2**28  # 2 GiB of float64
_MOST_NEURONS = 8 * 10**76  # kappa is 1.6e308 there


def relu_gram(biases: Numbers | Sequence[Rational]) -> Any:
    """Gram matrix of ReLU neurons, ``G[i, j] = int relu(x - b_i) relu(x - b_j) dx`` over [-1, 1], in closed form.

    With ``m = max(b_i, b_j, -1)``, ``L = max(1 - m, 0)``, ``p = m - b_i`` and ``q = m - b_j``, an entry is
    ``L**3/3 + (p + q) L**2/2 + p q L``. A bias above 1 gives a row of zeros: that neuron is dead on [-1, 1].

    Args:
        biases: (..., K), float64 or float32; numbers and lists become float64. A list of integers, ``Fraction`` or
            SymPy rationals gives an exact result.

    Returns:
        (..., K, K) tensor, same dtype and device, differentiable; or a (K, K) NumPy array of ``Fraction``, of SymPy
        numbers if they were given.

    Raises:
        TypeError: ``biases`` is not real.
        ValueError: ``biases`` is empty, has no dimension, is not finite, has more than 16,384 entries in all, or one so
            negative, below -1e154 in float64, that its dtype cannot hold the entries.

    Example:
        >>> relu_gram([-1, 0]).tolist()
        [[Fraction(8, 3), Fraction(5, 6)], [Fraction(5, 6), Fraction(1, 3)]]

    Source: Shenouda, Zhou and Nowak (2024), Eq. (12). Derived in :doc:`/book/wavelet/relu-features`.
    """
    if isinstance(biases, (list, tuple)) and biases and all(isinstance(b, Rational) for b in biases):
        _check_size(len(biases), len(biases))
        exact = [Fraction(int(b)) if isinstance(b, int | np.integer) else b for b in biases]
        return np.array([[_entry(b, c) for c in exact] for b in exact], dtype=object)
    b = check_real("biases", biases)
    if b.ndim == 0:
        raise ValueError("biases must have a dimension, (..., K); got one number. Use [b].")
    _check_size(b.numel(), b.shape[-1])
    b = torch.where(b < 1, b, 1.0)  # a dead neuron, without products that overflow
    one, other = b[..., :, None], b[..., None, :]
    start = torch.where(one > other, one, other)
    start = torch.where(start > -1, start, -1.0)
    length, p, q = 1 - start, start - one, start - other
    gram = length**3 / 3 + (p + q) * length**2 / 2 + p * q * length
    check_finite("the Gram matrix of these biases", gram)
    return gram


def _check_size(biases: int, k: int) -> None:
    if biases * k > _MOST_ENTRIES:
        raise ValueError(
            f"{biases:,} biases in rows of {k:,} have a Gram matrix of {biases * k:,} entries; "
            f"at most {_MOST_ENTRIES:,} are built. relu_condition_number needs no matrix."
        )


def _entry(b: Any, c: Any) -> Any:
    start = max(b, c, 0 * b - 1)  # -1 of the same kind
    length, p, q = max(1 - start, 0 * b), start - b, start - c
    return length**3 / 3 + (p + q) * length**2 / 2 + p * q * length


def relu_condition_number(k: int) -> float:
    """Condition number of the Gram matrix of ``k`` ReLUs with the evenly spaced biases ``-1 + 2 (j - 1)/k``, j = 1..k.

    It tends to ``3.88275272 k**4``, so beyond k of about 5,800 no eigenvalue routine in float64 can find it. The
    inverse matrix can: in the values at the mesh points the eigenvalue equation is a discrete beam, fourth differences
    against the mass matrix (1, 4, 1)/6, clamped at the left end and free at the right. Its solutions are two
    oscillating and two exponential modes, so an eigenvalue is a root of a 4 x 4 determinant, whatever k is. Right to
    about 12 digits.

    Args:
        k: number of neurons, at least 1 and at most 8e76, where the condition number reaches the largest float.

    Returns:
        ``lambda_max / lambda_min`` as a float.

    Raises:
        TypeError: ``k`` is not an integer.
        ValueError: ``k`` is less than 1 or more than 8e76.

    Example:
        >>> f"{relu_condition_number(16):.1f}"
        '278053.3'

    Source: sharpens Shenouda, Zhou and Nowak (2024), Theorem 3.1. Derived in :doc:`/book/wavelet/relu-features`.
    """
    k = check_count("k", k)
    if k > _MOST_NEURONS:
        raise ValueError(f"k must be at most 8e76, as the condition number of more exceeds all floats; got {shown(k)}.")
    if k == 1:
        return 1.0
    largest = root(lambda x: _beam(x / k, k), 1.0, 3.0) / k  # beta_1 = 1.875 in the limit, the next root is near 4.7
    if k > 10**8:  # theta * k has lost its digits, and so has pi - theta: its square, the error, is below 1e-15
        last = math.pi
    else:
        last = math.pi - root(lambda x: _beam(math.pi - x / k, k), 2.0, 4.2) / k  # pi in the limit, the next is 2 pi
    return _flexibility(largest) / _flexibility(last)


def _flexibility(theta: float) -> float:
    """6 lambda / h^3 of the eigenvalue whose oscillating mode turns by theta a mesh cell."""
    s = 4 * math.sin(theta / 2) ** 2
    return (6 - s) / s**2


def _beam(theta: float, k: int) -> float:
    """Determinant of the end conditions on the modes cos, sin, exp(-eta i) and exp(-eta (k - i)), i = 0, ..., k.

    rho d^4 f = f_{i-1} + 4 f_i + f_{i+1} with rho = (6 - s)/s^2 and s = 4 sin^2(theta/2) has the exponential mode with
    4 sinh^2(eta/2) = 6 s/(6 - s). Differences are taken by trigonometry: at theta near 2/k numbers would cancel.
    """
    half = math.sin(theta / 2)
    s = 4 * half**2
    eta = 2 * math.asinh(math.sqrt(1.5 * s / (6 - s)))
    gone = math.exp(-eta * k)
    # values and backward differences at the right end
    value = np.array([math.cos(theta * k), math.sin(theta * k), gone, 1.0])
    middle = theta * (k - 0.5)
    step = np.array(
        [-2 * half * math.sin(middle), 2 * half * math.cos(middle), -gone * math.expm1(eta), -math.expm1(-eta)]
    )
    # clamped: f_0 = 0 and f_0 - f_{-1} = 0
    clamped = np.array([1.0, 0.0, 1.0, gone])
    slope = np.array([2 * half**2, math.sin(theta), -math.expm1(eta), -gone * math.expm1(-eta)])
    # free: no bending moment, d^2 f_k = 0; and the last row of the mass matrix, 2 instead of 4, less a multiple of that
    sign = np.array([-1.0, -1.0, 1.0, 1.0])
    moment = np.array([-1.0, -1.0, 6 / (6 - s), 6 / (6 - s)]) * value
    shear = sign * step + s * np.where(sign < 0, value / 2, value / 2 - step / 6)
    return float(np.linalg.det(np.stack([clamped, slope / (2 * half), moment, shear / (2 * half)])))
