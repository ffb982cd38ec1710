"""The paper's six bases of a given width, and the two wavelet bases in several scales.

The formulas of the paper's Figure 5 are lost in the texts there are. These are our reading: they agree with all of
Table 1 (:doc:`/book/iat/transform` computes it).
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from .._checks import count
from .._tables import kept_table
from ._basis import Basis, Harmonics, PiecewisePolynomial


class Rect(PiecewisePolynomial):
    """Rectangles: p_i is 1 on the i-th of ``size`` equal cells of [-1, 1], and 0 elsewhere.

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int) -> None:
        count("size", size)
        super().__init__(_uniform(size), np.eye(size)[..., None])


class PWL(PiecewisePolynomial):
    """Hats: p_i is 1 at the i-th of ``size`` equidistant nodes, 0 at the others, linear between; half hats at the ends.

    Raises:
        ValueError: ``size`` is below 2; a hat needs a second node.

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int) -> None:
        _at_least(size, 2, "pwl", "a hat needs a second node")
        super().__init__(_uniform(size - 1), _hats(np.eye(size)))


class PWQ(PiecewisePolynomial):
    """Quadratic B-splines with peak 1 on ``size - 2`` equal cells; the outer ones are cut by the ends of [-1, 1].

    Raises:
        ValueError: ``size`` is below 3; a quadratic B-spline lives on three cells.

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int) -> None:
        _at_least(size, 3, "pwq", "on one cell there are three quadratic B-splines")
        cells = size - 2
        rising, middle, falling = [0, 0, 1 / 2], [1 / 2, 1, -1], [1 / 2, -1, 1 / 2]
        table = np.zeros((size, cells, 3))
        for place, piece in enumerate((falling, middle, rising)):  # on cell c live the splines c, c + 1 and c + 2
            table[np.arange(cells) + place, np.arange(cells)] = piece
        super().__init__(_uniform(cells), table * (4 / 3))


class Fourier(Harmonics):
    """cos(pi s), sin(pi s), cos(2 pi s), ...: ``size`` functions, orthonormal on [-1, 1], without a constant.

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """


class RectWavelet(PiecewisePolynomial):
    """Rectangles with zero integral: +1 on the i-th of ``size`` equal cells and -1 on the next one, around the circle.

    Args:
        size: number of functions, at least 2. They span ``size - 1`` dimensions: their sum is zero.
        multiscale: the first ``size`` Haar wavelets, with peak 1, instead. The coarsest is global, against Table 1.

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int, multiscale: bool = False) -> None:
        self.multiscale = multiscale
        if multiscale:
            super().__init__(*_scales(count("size", size), [[1], [-1]]))
            return
        _at_least(size, 2, "rect-w", "the next cell would be the cell itself")
        eye = np.eye(size)
        super().__init__(_uniform(size), (eye - np.roll(eye, 1, 1))[..., None])


class PWLWavelet(PiecewisePolynomial):
    """Hats with zero integral: the i-th of ``size`` periodic hats minus the next one.

    Args:
        size: number of functions, at least 2. They span ``size - 1`` dimensions: their sum is zero.
        multiscale: a triangular wave 0, 1, 0, -1, 0 on the supports of the first ``size`` Haar wavelets instead. The
            coarsest is global, against Table 1.

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    def __init__(self, size: int, multiscale: bool = False) -> None:
        self.multiscale = multiscale
        if multiscale:
            super().__init__(*_scales(count("size", size), [[0, 1], [1, -1], [0, -1], [-1, 1]]))
            return
        _at_least(size, 2, "pwl-w", "the next hat would be the hat itself")
        eye = np.eye(size)
        wave = eye - np.roll(eye, 1, 1)  # at the nodes -1 + 2 i / size; node size is node 0
        super().__init__(_uniform(size), _hats(np.concatenate([wave, wave[:, :1]], 1)))


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
    return _named(kind, count("size", size))


@kept_table(128)
def _named(kind: str, size: int) -> Basis:
    return BASES[kind](size)


def _uniform(cells: int) -> list[Fraction]:
    return [Fraction(2 * i, cells) - 1 for i in range(cells + 1)]


def _at_least(size: int, least: int, name: str, reason: str) -> None:
    if count("size", size) < least:
        raise ValueError(f"{name!r} needs a width of at least {least}: {reason}; got {size}.")


def _hats(nodal: np.ndarray) -> np.ndarray:
    """Powers of t on each interval, from the values (size, nodes) at its ends."""
    return np.stack([nodal[:, :-1], np.diff(nodal, axis=1)], -1)


def _scales(size: int, wave: list[list[int]]) -> tuple[list[Fraction], np.ndarray]:
    """``wave`` on [-1, 1], on its two halves, on their halves, ..., until there are ``size`` functions.

    Each piece of ``wave`` holds the powers of t on it: a constant, and a slope where there is one.
    """
    finest = size.bit_length() - 1  # function i = 0, 1, ... has level floor(log2(i + 1))
    cells = len(wave) << finest
    table = np.zeros((size, cells, len(wave[0])))
    for i in range(size):
        level = (i + 1).bit_length() - 1
        parts = 1 << (finest - level)  # finest cells in one piece
        start = (i + 1 - (1 << level)) * len(wave) * parts
        for cell in range(len(wave) * parts):
            constant, *slope = wave[cell // parts]
            rise = [c / parts for c in slope]
            table[i, start + cell] = [constant + sum(rise) * (cell % parts), *rise]
    return _uniform(cells), table
