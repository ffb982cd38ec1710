"""Where Gershgorin's theorem puts the eigenvalues of a matrix."""

import math
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from .._checks import check_real, shown


class GershgorinDiscs(NamedTuple):
    """One disc a row: its center, the diagonal entry, and its radius, the sum of the other entries' absolute values.

    Example:
        >>> gershgorin_interval([[2.0, -1.0], [0.5, 0.0]]).discs.radii.tolist()
        [1.0, 0.5]
    """

    centers: Any
    radii: Any


class GershgorinInterval(NamedTuple):
    """The interval (low, high) that all discs of a symmetric matrix span, and the discs.

    Example:
        >>> (low, high), discs = gershgorin_interval([[2.0, -1.0], [0.5, 0.0]])
        >>> low.item(), high.item()
        (-0.5, 3.0)
    """

    interval: tuple[Any, Any]
    discs: GershgorinDiscs


def gershgorin_interval(matrix: Any) -> GershgorinInterval:
    """Gershgorin's circle theorem: each eigenvalue lies in a disc around a diagonal entry, so in this interval.

    Args:
        matrix: (n, n) or (..., n, n) real tensor or float array; or an exact one, an object array of ``Fraction`` such
            as ``wavelet_gram(..., exact=True)`` or a SymPy matrix, whose answer is exact. The interval bounds the
            eigenvalues of a symmetric matrix, and the real parts of those of any other.

    Returns:
        ``GershgorinInterval(interval=(low, high), discs=(centers, radii))`` of 0-dim and (n,) tensors, with the leading
        dimensions of ``matrix``; or of exact numbers and object arrays.

    Raises:
        TypeError: ``matrix`` is not real.
        ValueError: ``matrix`` is not square, is empty, or has non-finite entries.

    An end of the interval that several discs share has the gradient of the first of them.

    Example:
        >>> from relunb.wavelet import wavelet_gram
        >>> gershgorin_interval(wavelet_gram(4, exact=True)).interval
        (Fraction(8, 81), Fraction(19, 81))

    Source: Shenouda, Zhou and Nowak (2024), Theorem B.1 and Eq. (46). Derived in :doc:`/book/wavelet/wavelet-features`.
    """
    exact = _exact_entries(matrix)
    if exact is not None:
        centers = exact.diagonal()
        radii = np.array([sum(map(abs, row)) - abs(row[i]) for i, row in enumerate(exact)], dtype=object)
        return GershgorinInterval((min(centers - radii), max(centers + radii)), GershgorinDiscs(centers, radii))
    entries = check_real("matrix", matrix)
    _check_square(entries.shape)
    centers = entries.diagonal(dim1=-2, dim2=-1)
    others = entries - centers.diag_embed()
    radii = (others * others.detach().sign()).sum(-1)
    lows, highs = centers - radii, centers + radii
    first, last = lows.detach().argmin(-1, keepdim=True), highs.detach().argmax(-1, keepdim=True)
    interval = (lows.gather(-1, first).squeeze(-1), highs.gather(-1, last).squeeze(-1))
    return GershgorinInterval(interval, GershgorinDiscs(centers, radii))


def _exact_entries(matrix: Any) -> np.ndarray | None:
    """The object array of an exact matrix; None for what :func:`real` judges."""
    if isinstance(matrix, Tensor):
        return None
    try:
        entries = np.asarray(matrix)
    except (TypeError, ValueError, RuntimeError):
        return None
    if entries.dtype != object:
        return None
    if entries.ndim != 2 or not entries.size:
        raise ValueError(f"an exact matrix must be square, (n, n); got the shape {entries.shape}.")
    _check_square(entries.shape)
    for entry in entries.flat:
        if not (isinstance(entry, Real) or getattr(entry, "is_extended_real", False) and entry.is_number):
            raise TypeError(f"matrix must have real numbers; got {shown(entry)}.")
        if not bool(abs(entry) < math.inf):  # pyright: ignore[reportOperatorIssue]
            raise ValueError(f"matrix has a non-finite entry: {shown(entry)}.")
    return entries


def _check_square(shape: tuple[int, ...]) -> None:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"matrix must be square, (n, n); got the shape {tuple(shape)}.")
