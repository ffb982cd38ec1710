"""The dyadic wavelet system, its Gram matrix, and how well conditioned it is: kappa stays below 9/4 for any size."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .._checks import Numbers, check_count, check_flag, check_real, shown
from ._inner_product import inner_product
from ._secular import root

Shifts = Literal["paper", "interior", "all"]

_SHIFTS = ("paper", "interior", "all")
# <psi, psi(. - d)> on [-1, 1] for d = 0, 1, 2 where x is stretched by 3/2; three shifts apart the supports are disjoint
_OVERLAPS = (Fraction(1, 6), Fraction(5, 162), Fraction(-1, 324))
_MOST_NEURONS, _MOST_ROWS = 2**24, 2**14  # 2**24 levels and shifts are 256 MiB, a matrix of 2**14 rows is 2 GiB


class DyadicSystem(NamedTuple):
    """Level j and shift k of each neuron ``2**(j/2) psi(2**j * 3/2 * (x + 1) - k)``, level by level; int64 tensors.

    Example:
        >>> dyadic_system(2).level.tolist()
        [0, 1, 1]
    """

    level: Tensor
    shift: Tensor


def dyadic_system(levels: int, shifts: Shifts = "paper") -> DyadicSystem:
    """The neurons of Theorem 3.3, ``2**(j/2) psi(2**j * 3/2 * (x + 1) - k)`` for j = 0, ..., levels - 1.

    In the form ``psi(scale * x - bias)`` a neuron has ``scale = 1.5 * 2**level`` and ``bias = shift - scale``.

    Args:
        levels: how many scales, J, at least 1.
        shifts: which k a level has. ``"paper"``: 0 to 2**j - 1, as the theorem says; their supports fill [-1, 1] at
            level 0 and the left third of it at fine levels. ``"interior"``: 0 to 3 * 2**j - 3, all whose support lies
            in [-1, 1]. ``"all"``: -2 to 3 * 2**j - 1, all whose support meets it.

    Returns:
        ``DyadicSystem(level, shift)``, two int64 tensors with one entry a neuron.

    Raises:
        TypeError: ``levels`` is not an integer.
        ValueError: ``levels`` is less than 1, there are more than 16,777,216 neurons, or ``shifts`` is not one of the
            three names.

    Example:
        >>> level, shift = dyadic_system(3)
        >>> level.tolist(), shift.tolist()
        ([0, 1, 1, 2, 2, 2, 2], [0, 0, 1, 0, 1, 2, 3])

    Source: Shenouda, Zhou and Nowak (2024), Theorem 3.3 and Eq. (35). Derived in :doc:`/book/wavelet/wavelet-features`.
    """
    blocks = _blocks(levels, shifts, _MOST_NEURONS, "are listed")
    level = torch.cat([torch.full((len(block),), j) for j, block in enumerate(blocks)])
    shift = torch.cat([torch.arange(block.start, block.stop) for block in blocks])
    return DyadicSystem(level, shift)


def wavelet_gram(
    levels: int,
    shifts: Shifts = "paper",
    normalized: bool = True,
    *,
    exact: bool = False,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str | None = None,
) -> Any:
    """Gram matrix of :func:`relunb.wavelet.dyadic_system` on [-1, 1], from its structure and without quadrature.

    Scales are orthogonal, and a level is a symmetric Toeplitz block with 1/6, 5/162 and -1/324 on its diagonals. Only
    neurons that stick out of [-1, 1] differ: at each end of the interval, two a level, they overlap across scales.

    Args:
        levels: number of scales J, at least 1.
        shifts: ``"paper"``, ``"interior"`` or ``"all"``.
        normalized: keep the factor ``2**(j/2)`` of the neurons, which gives each inner one the squared norm 1/6.
            Without it the squared norm is ``2**-j / 6``.
        exact: return fractions. With ``shifts="all"`` and two levels or more this needs ``normalized=False``: the
            factor puts square roots of two between the scales.
        dtype, device: of the tensor.

    Returns:
        (K, K) tensor; K is ``2**J - 1``, ``3 (2**J - 1) - 2 J`` or ``3 (2**J - 1) + 2 J`` for the three kinds of
        shifts. Or a (K, K) NumPy array of ``Fraction``.

    Raises:
        TypeError: ``levels`` is not an integer, or ``dtype`` is not floating point.
        ValueError: ``levels`` is less than 1, ``shifts`` is not one of the names, K exceeds 16,384, or the exact
            entries are not rational.

    Example:
        >>> wavelet_gram(2, exact=True).tolist()[1]
        [Fraction(0, 1), Fraction(1, 6), Fraction(5, 162)]

    Source: Shenouda, Zhou and Nowak (2024), Eq. (18), (36)-(45). Derived in :doc:`/book/wavelet/wavelet-features`; the
    boundary in :doc:`/book/wavelet/coverage`.
    """
    normalized, exact = check_flag("normalized", normalized), check_flag("exact", exact)
    sizes = [len(block) for block in _blocks(levels, shifts, _MOST_ROWS, "fit into a matrix")]
    if exact and normalized and shifts == "all" and levels > 1:
        raise ValueError(
            "the entries between two levels carry the square root of 2: give normalized=False with exact=True."
        )
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point torch.dtype; got {dtype!r}.")
    total = sum(sizes)
    gram = np.full((total, total), Fraction(0), dtype=object) if exact else np.zeros((total, total))
    start = 0
    for j, size in enumerate(sizes):
        norm = Fraction(1) if normalized else Fraction(1, 2**j)
        for d, overlap in enumerate(_OVERLAPS):
            rows = start + np.arange(max(size - d, 0))
            gram[rows, rows + d] = gram[rows + d, rows] = overlap * norm
        start += size
    if shifts == "all":
        _set_boundary(gram, sizes, normalized)
    return gram if exact else torch.from_numpy(gram).to(device=device, dtype=dtype)


def toeplitz_symbol(theta: Numbers) -> Tensor:
    """The symbol of a level's Toeplitz block, ``(28 + 10 cos(theta) - 2 cos(theta)**2) / 162``.

    It falls from 2/9 at 0 to 8/81 at pi, and the eigenvalues of every block lie strictly between. By Poisson's formula
    it is also ``2/3 * sum_n |psi^(theta + 2 pi n)|**2``.

    Args:
        theta: angle in radians, any shape, float64 or float32; numbers and lists become float64.

    Returns:
        Tensor of the same shape, dtype and device. Differentiable.

    Raises:
        TypeError: ``theta`` is not real.
        ValueError: ``theta`` is empty or not finite.

    Example:
        >>> f"{toeplitz_symbol(0.0):.6f}", f"{toeplitz_symbol(3.141592653589793):.6f}"
        ('0.222222', '0.098765')

    Source: sharpens Shenouda, Zhou and Nowak (2024), Eq. (46). Derived in :doc:`/book/wavelet/wavelet-features`.
    """
    cosine = check_real("theta", theta).cos()
    return (28 + 10 * cosine - 2 * cosine.square()) / 162


def wavelet_condition_number(levels: int, shifts: Shifts = "paper") -> float:
    """Condition number of the Gram matrix of the dyadic system, for any number of levels, without a matrix.

    The finest block decides. Its eigenvectors are a cosine and a hyperbolic mode with ``cos(theta) + cosh(eta) = 5``,
    even or odd about the middle, that vanish at the two places past each end: one equation for theta, whatever the
    size. The result rises to 9/4 like ``9/4 - (75/64) pi**2 / n**2`` for a block of n neurons.

    Args:
        levels: number of scales J, at least 1. Twenty levels are a million neurons.
        shifts: ``"paper"``, ``"interior"`` or ``"all"``. With all shifts the Gram matrix of two levels or more is
            singular.

    Returns:
        ``lambda_max / lambda_min`` of ``wavelet_gram(levels, shifts)`` as a float; ``inf`` if it is singular.

    Raises:
        TypeError: ``levels`` is not an integer.
        ValueError: ``levels`` is less than 1, or ``shifts`` is not one of the three names.

    Example:
        >>> f"{wavelet_condition_number(4):.6f}"
        '2.118242'

    Source: sharpens Shenouda, Zhou and Nowak (2024), Theorem 3.3. Derived in :doc:`/book/wavelet/wavelet-features`; the
    shifts in :doc:`/book/wavelet/coverage`.
    """
    _check(levels, shifts)
    if shifts == "all":
        if levels > 1:
            return math.inf
        spectrum = torch.linalg.eigvalsh(wavelet_gram(1, "all"))
        return float(spectrum[-1] / spectrum[0])
    j = min(levels, 40) - 1  # a longer block changes no digit of a float
    size = 2**j if shifts == "paper" else 3 * 2**j - 2
    if size == 1:
        return 1.0
    middle = (size + 1) / 2
    # the largest eigenvalue: cos(theta y) + B cosh(eta y), zero at y = middle and y = middle + 1
    theta = root(lambda t: _ends(t, middle, flipped=False), math.pi / (2 * middle), math.pi / (2 * middle - 1))
    # the smallest: (-1)^y cos(delta y) with theta = pi - delta, and a hyperbolic mode of the same parity
    delta = root(lambda t: _ends(t, middle, flipped=True), math.pi / (2 * middle + 1), math.pi / (2 * middle))
    top, bottom = math.cos(theta), -math.cos(delta)
    return (28 + 10 * top - 2 * top**2) / (28 + 10 * bottom - 2 * bottom**2)


def _ends(angle: float, middle: float, *, flipped: bool) -> float:
    """What is left of a mode at the second place past the end of the block, after it was made zero at the first."""
    sign = -1.0 if flipped else 1.0
    eta = math.acosh(5 - sign * math.cos(angle))
    gone = sign * math.exp(-2 * eta * middle)  # odd if flipped: the number of neurons is even
    growth = math.exp(eta) * (1 + gone * math.exp(-2 * eta)) / (1 + gone)  # cosh(eta (m + 1)) / cosh(eta m), or of sinh
    return growth * math.cos(angle * middle) - sign * math.cos(angle * (middle + 1))


def _check(levels: int, shifts: str) -> None:
    check_count("levels", levels)
    if shifts not in _SHIFTS:
        raise ValueError(f"shifts must be one of {', '.join(map(repr, _SHIFTS))}; got {shifts!r}.")


def _blocks(levels: int, shifts: str, most: int, verb: str) -> list[range]:
    """The shifts of each level, at most so many in all."""
    _check(levels, shifts)
    most_levels = {"paper": most + 1, "interior": most // 3 + 1, "all": most // 3 + 1}[shifts].bit_length() - 1
    if levels > most_levels:
        raise ValueError(
            f"levels must be at most {most_levels}: no more than {most:,} neurons {verb}; got {shown(levels)}. "
            "wavelet_condition_number takes any number."
        )
    ends = {
        "paper": lambda j: range(2**j),
        "interior": lambda j: range(3 * 2**j - 2),
        "all": lambda j: range(-2, 3 * 2**j),
    }
    return [ends[shifts](j) for j in range(levels)]


def _set_boundary(gram: np.ndarray, sizes: Sequence[int], normalized: bool) -> None:
    """Set the inner products of wavelets that stick out: at each end the shifts -2 and -1 of every two levels.

    Only what two of them share inside counts. It depends on the distance of the levels, so there are four numbers for
    each distance; the right end is the left end's mirror image.
    """
    starts = [sum(sizes[:j]) for j in range(len(sizes))]
    for distance in range(len(sizes)):
        pairs = [
            (a, b, Fraction(2, 3) * inner_product(1, a, 2**distance, b, 0, math.inf))
            for a in (-2, -1)
            for b in (-2, -1)
        ]
        for coarse in range(len(sizes) - distance):
            fine = coarse + distance
            for a, b, share in pairs:
                value = share * Fraction(1, 2**coarse)
                if normalized:  # times 2^(coarse/2) 2^(fine/2)
                    value = value * 2**coarse if distance == 0 else float(value) * 2 ** ((coarse + fine) / 2)
                for row, column in (
                    (starts[coarse] + 2 + a, starts[fine] + 2 + b),
                    (starts[coarse] + sizes[coarse] - 3 - a, starts[fine] + sizes[fine] - 3 - b),
                ):
                    gram[row, column] = gram[column, row] = value
