"""The paper's six bases of a given width, and the two wavelet bases in several scales.

The formulas of the paper's Figure 5 are lost in the texts there are. These are our reading: they agree with all of
Table 1 (:doc:`/book/iat/transform` computes it).
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from .._checks import check_count, check_flag
from .._tables import kept_table, made_plainly
from ._basis import Basis, Harmonics, PiecewisePolynomial


class Rect(PiecewisePolynomial):
    """Rectangles: p_i is 1 on the i-th of ``size`` equal cells of [-1, 1], and 0 elsewhere.

    Example:
        >>> import torch
        >>> Rect(2)(torch.tensor([-0.5, 0.5])).tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int) -> None:
        check_count("size", size)
        made_plainly(self._keep, _uniform(size), size, np.arange(size)[:, None], np.ones((size, 1, 1)))


class PWL(PiecewisePolynomial):
    """Hats: p_i is 1 at the i-th of ``size`` equidistant nodes, 0 at the others, linear between; half hats at the ends.

    Raises:
        ValueError: ``size`` is below 2; a hat needs a second node.

    Example:
        >>> import torch
        >>> PWL(3)(torch.tensor([-0.75, 0.5])).tolist()
        [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5]]

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int) -> None:
        _at_least(size, 2, "pwl", "a hat needs a second node")
        cells = size - 1  # on cell c live the hats c and c + 1
        made_plainly(self._keep, _uniform(cells), size, *_the_same_on_each(cells, size, {0: [1, -1], 1: [0, 1]}))


class PWQ(PiecewisePolynomial):
    """Quadratic B-splines with peak 1 on ``size - 2`` equal cells; the outer ones are cut by the ends of [-1, 1].

    Raises:
        ValueError: ``size`` is below 3; a quadratic B-spline lives on three cells.

    Example:
        >>> import torch
        >>> [round(value, 6) for value in PWQ(3)(torch.tensor(0.0)).tolist()]
        [0.166667, 1.0, 0.166667]

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int) -> None:
        _at_least(size, 3, "pwq", "on one cell there are three quadratic B-splines")
        cells = size - 2
        rising, middle, falling = [0, 0, 2 / 3], [2 / 3, 4 / 3, -4 / 3], [2 / 3, -4 / 3, 2 / 3]
        pieces = {0: falling, 1: middle, 2: rising}  # on cell c live the splines c, c + 1 and c + 2
        made_plainly(self._keep, _uniform(cells), size, *_the_same_on_each(cells, size, pieces))


class Fourier(Harmonics):
    """cos(pi s), sin(pi s), cos(2 pi s), ...: ``size`` functions, orthonormal on [-1, 1], without a constant.

    Example:
        >>> import torch
        >>> [round(value, 6) + 0.0 for value in Fourier(4)(torch.tensor(0.25)).tolist()]
        [0.707107, 0.707107, 0.0, 1.0]

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """


class RectWavelet(PiecewisePolynomial):
    """Rectangles with zero integral: +1 on the i-th of ``size`` equal cells and -1 on the next one, around the circle.

    Args:
        size: number of functions, at least 2. They span ``size - 1`` dimensions: their sum is zero.
        multiscale: the first ``size`` Haar wavelets, with peak 1, instead. The coarsest is global, against Table 1.

    Example:
        >>> import torch
        >>> RectWavelet(2)(torch.tensor([-0.5, 0.5])).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int, multiscale: bool = False) -> None:
        self.multiscale = check_flag("multiscale", multiscale)
        if self.multiscale:
            made_plainly(self._keep, *_scales(check_count("size", size), [[1], [-1]]))
            return
        _at_least(size, 2, "rect-w", "the next cell would be the cell itself")
        made_plainly(self._keep, _uniform(size), size, *_the_same_on_each(size, size, {0: [1], -1: [-1]}))


class PWLWavelet(PiecewisePolynomial):
    """Hats with zero integral: the i-th of ``size`` periodic hats minus the next one.

    Args:
        size: number of functions, at least 2. They span ``size - 1`` dimensions: their sum is zero.
        multiscale: a triangular wave 0, 1, 0, -1, 0 on the supports of the first ``size`` Haar wavelets instead. The
            coarsest is global, against Table 1.

    Example:
        >>> import torch
        >>> PWLWavelet(2)(torch.tensor([-1.0, 0.0])).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int, multiscale: bool = False) -> None:
        self.multiscale = check_flag("multiscale", multiscale)
        if self.multiscale:
            made_plainly(self._keep, *_scales(check_count("size", size), [[0, 1], [1, -1], [0, -1], [-1, 1]]))
            return
        _at_least(size, 2, "pwl-w", "the next hat would be the hat itself")
        # From node c to the next, where function c is 1 and -1, the one before -1 and 0, and the one after 0 and 1.
        pieces: dict[int, list[float]] = {0: [1, -2], -1: [-1, 1], 1: [0, 1]}
        if size == 2:
            pieces = {0: [1, -2], -1: [-1, 2]}
        made_plainly(self._keep, _uniform(size), size, *_the_same_on_each(size, size, pieces))


BASES: dict[str, Callable[[int], Basis]] = {
    "rect": Rect,
    "pwl": PWL,
    "pwq": PWQ,
    "fourier": Fourier,
    "rect-w": RectWavelet,
    "pwl-w": PWLWavelet,
}


def basis(kind: str | Basis, size: int, name: str = "basis") -> Basis:
    """A basis by its name, or a basis of that size as it is.

    Raises:
        TypeError: ``kind`` is neither a name nor a basis.
        ValueError: an unknown name, a basis of another size, or a size that the basis does not have.
    """
    if isinstance(kind, Basis):
        if kind.size != size:
            raise ValueError(f"{name} has {kind.size} functions, and {size} are needed.")
        return kind
    if not isinstance(kind, str):
        raise TypeError(f"{name} must be a name or a Basis; got {kind!r:.60}.")
    if kind not in BASES:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, BASES))}; got {kind!r}.")
    return _named(kind, check_count("size", size))


def pair_of_bases(**given: str | Basis) -> list[Basis]:
    """Two bases, of which one may be a name: it has as many functions as the other."""
    sizes = [each.size for each in given.values() if isinstance(each, Basis)]
    if not sizes:
        (one, p), (other, q) = given.items()
        raise TypeError(
            f"{one} or {other} must be a Basis, like Fourier(8), as a name has no width; got {p!r:.60} and {q!r:.60}."
        )
    return [basis(each, size, name) for (name, each), size in zip(given.items(), (sizes[0], sizes[-1]), strict=True)]


@kept_table(128)
def _named(kind: str, size: int) -> Basis:
    return BASES[kind](size)


def _uniform(cells: int) -> list[Fraction]:
    return [Fraction(2 * i, cells) - 1 for i in range(cells + 1)]


def _at_least(size: int, least: int, name: str, reason: str) -> None:
    if check_count("size", size) < least:
        raise ValueError(f"{name!r} needs a width of at least {least}: {reason}; got {size}.")


def _the_same_on_each(cells: int, size: int, pieces: dict[int, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Functions and pieces where on cell c live the functions c + offset, around the circle, with the same powers."""
    functions = (np.arange(cells)[:, None] + np.array(list(pieces))) % size
    return functions, np.tile(np.array(list(pieces.values()), dtype=np.float64), (cells, 1, 1))


def _scales(size: int, wave: list[list[int]]) -> tuple[list[Fraction], int, np.ndarray, np.ndarray]:
    """``wave`` on [-1, 1], on its two halves, on their halves, ..., until there are ``size`` functions.

    Each piece of ``wave`` holds the powers of t on it: a constant, and a slope where there is one.
    """
    finest = size.bit_length() - 1  # function i = 0, 1, ... has level floor(log2(i + 1))
    cells = len(wave) << finest
    cell = np.arange(cells)
    functions, pieces = np.zeros((cells, finest + 1), dtype=np.int64), np.zeros((cells, finest + 1, len(wave[0])))
    for level in range(finest + 1):
        parts = 1 << (finest - level)  # finest cells in one piece
        number = (1 << level) - 1 + cell // (len(wave) * parts)
        there = number < size  # the finest level may be incomplete
        table = np.array(wave, dtype=np.float64)[cell // parts % len(wave)]
        table[:, 1:] /= parts
        table[:, 0] += table[:, 1:].sum(1) * (cell % parts)
        functions[there, level], pieces[there, level] = number[there], table[there]
    return _uniform(cells), size, functions, pieces
