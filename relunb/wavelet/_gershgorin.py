"""Where Gershgorin's theorem puts the eigenvalues of a matrix."""

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from .._checks import real


class GershgorinDiscs(NamedTuple):
    """One disc a row: its center, the diagonal entry, and its radius, the sum of the other entries' absolute values."""

    centers: Any
    radii: Any


class GershgorinInterval(NamedTuple):
    """The interval (low, high) that all discs of a symmetric matrix span, and the discs."""

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
        ValueError: ``matrix`` is not square, or has non-finite entries.

    Source: Shenouda, Zhou and Nowak (2024), Theorem B.1 and Eq. (46). Derived in :doc:`/book/wavelet/gershgorin`.
    """
    exact = None if isinstance(matrix, Tensor) else np.asarray(matrix)
    if exact is not None and exact.dtype == object:
        _check_square(exact.shape)
        centers = exact.diagonal()
        radii = np.array([sum(map(abs, row)) - abs(row[i]) for i, row in enumerate(exact)], dtype=object)
        return GershgorinInterval((min(centers - radii), max(centers + radii)), GershgorinDiscs(centers, radii))
    entries = real("matrix", matrix)
    _check_square(entries.shape)
    centers = entries.diagonal(dim1=-2, dim2=-1)
    radii = (entries - centers.diag_embed()).abs().sum(-1)
    return GershgorinInterval(((centers - radii).amin(-1), (centers + radii).amax(-1)), GershgorinDiscs(centers, radii))


def _check_square(shape: tuple[int, ...]) -> None:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"matrix must be square, (n, n); got the shape {tuple(shape)}.")
