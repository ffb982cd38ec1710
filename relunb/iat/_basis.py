"""What a basis of functions on [-1, 1] can do, and the two kinds there are: piecewise polynomials and harmonics."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._checks import count
from .._tables import kept_property, made_plainly


class Basis(ABC):
    """Functions p_1 .. p_size on [-1, 1], smooth between their breakpoints.

    ``basis(s)`` evaluates them: s of any shape gives (..., size), in the dtype and on the device of s. At a jump the
    value is the limit from the right, at s = 1 from the left; outside [-1, 1] it is zero.

    Source: Zhang, Bao and Zhang (2023), Section 3.1. Chapter :doc:`/book/iat/transform`.
    """

    size: int
    breakpoints: Tensor  # (cells + 1,), float64, from -1 to 1: between two of them every function is smooth
    degree: int  # of the polynomial part; 0 where there is none
    harmonics: int  # the highest k of cos(k pi s), sin(k pi s); 0 for polynomials

    def __call__(self, s: Tensor) -> Tensor:
        return self._values(_points(s), 0)

    def derivative(self, s: Tensor) -> Tensor:
        """The derivatives p_i'(s), (..., size); at a breakpoint the one from the right."""
        return self._values(_points(s), 1)

    @abstractmethod
    def _values(self, s: Tensor, order: int) -> Tensor: ...

    @property
    @abstractmethod
    def l1_norms(self) -> Tensor:
        """The integrals of \\|p_i\\| over [-1, 1], (size,), float64."""

    @property
    @abstractmethod
    def integrals(self) -> Tensor:
        """The integrals of p_i over [-1, 1], (size,), float64."""

    @kept_property
    def properties(self) -> dict[str, bool]:
        """The four columns of Table 1, computed, under "continuous", "smooth", "global" and "zero_integral".

        Continuous and smooth: no function, and no derivative, jumps inside (-1, 1). Global: some function lives on all
        of [-1, 1]. Zero integral: every function has one.
        """
        inner = self.breakpoints[1:-1]
        middles = (self.breakpoints[1:] + self.breakpoints[:-1]) / 2
        flat = []
        for k in (0, 1):  # each function by its own measure
            sides = self._values(inner, k), self.left_limit(inner, k)
            largest = torch.cat([*sides, self._values(middles, k)]).abs().amax(0)
            flat.append(bool(((sides[0] - sides[1]).abs() <= 1e-9 * largest).all()))
        off = middles + 0.1 * (self.breakpoints[1:] - middles)  # a middle can be a root
        everywhere = ((self(middles) != 0) | (self(off) != 0)).all(0)
        return {
            "continuous": flat[0],
            "smooth": flat[0] and flat[1],
            "global": bool(everywhere.any()),
            "zero_integral": bool((self.integrals.abs() < 1e-13 * self.l1_norms).all()),
        }

    def left_limit(self, s: Tensor, order: int = 0) -> Tensor:
        """The limits of the functions, or of their derivatives of that order, from the left: (..., size)."""
        return self._values(s, order)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.size})"


class PiecewisePolynomial(Basis):
    """Your own basis of piecewise polynomials.

    Args:
        breakpoints: numbers that increase from -1 to 1, (cells + 1,).
        coefficients: (size, cells, degree + 1): on cell c, with t in [0, 1] the place inside it, p_i is
            ``coefficients[i, c, 0] + coefficients[i, c, 1] t + ...``.

    Raises:
        ValueError: breakpoints that do not increase from -1 to 1, coefficients of another shape or not finite, or a
            function that is zero everywhere.

    Two parabolas on one cell: ``PiecewisePolynomial([-1, 1], [[[1, 0, -1]], [[0, 0, 1]]])``.

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    harmonics = 0

    def __init__(self, breakpoints: Sequence[Any] | Tensor, coefficients: Sequence[Any] | Tensor | np.ndarray) -> None:
        made_plainly(self._make, breakpoints, coefficients)

    def _make(self, breakpoints: Sequence[Any] | Tensor, coefficients: Sequence[Any] | Tensor | np.ndarray) -> None:
        ends = torch.as_tensor([float(b) for b in breakpoints], dtype=torch.float64)
        if len(ends) < 2 or ends[0] != -1 or ends[-1] != 1 or not (ends.diff() > 0).all():
            raise ValueError(f"breakpoints must increase from -1 to 1; got {ends.tolist()!s:.80}.")
        powers = torch.as_tensor(np.asarray(coefficients, dtype=np.float64))
        if powers.ndim != 3 or powers.shape[1] != len(ends) - 1 or not powers.shape[2]:
            raise ValueError(
                f"coefficients must be (size, {len(ends) - 1}, degree + 1) for {len(ends)} breakpoints; "
                f"got {tuple(powers.shape)}."
            )
        if not powers.isfinite().all():
            raise ValueError("coefficients must be finite.")
        zero = (powers == 0).all(-1).all(-1)
        if zero.any():
            raise ValueError(f"function {int(zero.nonzero()[0])} is zero everywhere: leave it out.")
        self.size, self.degree = powers.shape[0], powers.shape[2] - 1
        self.breakpoints = ends
        self.powers = powers
        # By cell, with a cell of zeros on either side for what lies outside [-1, 1]: (cells + 2, degree + 1, size).
        self._tables = [torch.nn.functional.pad(powers.permute(1, 2, 0), (0, 0, 0, 0, 1, 1))]
        widths = torch.nn.functional.pad(ends.diff(), (1, 1), value=1.0)
        slopes = self._tables[0][:, 1:] * torch.arange(1, self.degree + 1)[:, None] / widths[:, None, None]
        self._tables.append(slopes if self.degree else torch.zeros_like(self._tables[0]))
        self._starts = torch.cat([ends[:1], ends])
        self._widths = widths

    def _values(self, s: Tensor, order: int, left: bool = False) -> Tensor:
        ends, table = self.breakpoints.to(s), self._tables[order].to(s)
        # The last cell has its right end, and the first its left one also as a limit from the left.
        place = torch.searchsorted(ends, s.detach().contiguous(), right=not left)
        last = s == 1 if not left else s == -1
        cell = torch.where(last, len(ends) - 1 if not left else 1, place)
        t = ((s - self._starts.to(s)[cell]) / self._widths.to(s)[cell])[..., None]
        rows = table[cell]  # (..., degree + 1, size)
        value = rows[..., -1, :]
        for k in range(table.shape[1] - 2, -1, -1):
            value = torch.addcmul(rows[..., k, :], value, t)
        return value

    @kept_property
    def integrals(self) -> Tensor:
        return self._to_t(torch.ones(()))[..., 0].sum(1)

    @kept_property
    def l1_norms(self) -> Tensor:
        from ._roots import cell_roots

        whole = self._to_t(torch.ones(()))[..., 0]
        norms = whole.abs().sum(1)
        roots: dict[tuple[int, int], list[float]] = {}
        for i, cell, t in zip(*(found.tolist() for found in cell_roots(self)), strict=True):
            roots.setdefault((i, cell), []).append(t)
        for (i, cell), places in roots.items():  # where p_i changes its sign inside a cell, the parts count
            parts = self._to_t(torch.tensor([0.0, *sorted(places), 1.0], dtype=torch.float64), i, cell).diff()
            norms[i] += parts.abs().sum() - whole[i, cell].abs()
        return norms

    def _to_t(self, t: Tensor, function: Any = slice(None), cell: Any = slice(None)) -> Tensor:
        """Integrals from the start of a cell to the place t inside it: (..., places)."""
        k = torch.arange(1, self.degree + 2, dtype=torch.float64)
        widths = self.breakpoints.diff()[cell]
        return (self.powers[function, cell] / k) @ t.reshape(1, -1).double() ** k[:, None] * widths[..., None]

    def left_limit(self, s: Tensor, order: int = 0) -> Tensor:
        return self._values(s, order, left=True)


class Harmonics(Basis):
    """cos(pi s), sin(pi s), cos(2 pi s), ...: ``size`` of them, without a constant."""

    degree = 0

    def __init__(self, size: int) -> None:
        self.size = count("size", size)
        self.harmonics = (self.size + 1) // 2
        self.breakpoints = made_plainly(torch.tensor, [-1.0, 1.0], dtype=torch.float64)

    def _values(self, s: Tensor, order: int) -> Tensor:
        k = math.pi * torch.arange(1, self.harmonics + 1, dtype=s.dtype, device=s.device)
        angle = k * s[..., None]
        cosine, sine = angle.cos(), angle.sin()
        if order:
            cosine, sine = -k * sine, k * cosine
        value = torch.stack([cosine, sine], -1).flatten(-2)[..., : self.size]
        return torch.where(((s >= -1) & (s <= 1))[..., None], value, 0)

    @kept_property
    def l1_norms(self) -> Tensor:
        return torch.full((self.size,), 4 / math.pi, dtype=torch.float64)

    @kept_property
    def integrals(self) -> Tensor:
        return torch.zeros(self.size, dtype=torch.float64)


class Mixed(Basis):
    """The functions of several bases, one after another: local and global ones together, for example.

    Args:
        bases: two or more of them.

    Source: Zhang, Bao and Zhang (2023), Section 6, "mixing basis functions"; what the paper left open.
    """

    def __init__(self, *bases: Basis) -> None:
        for basis in bases:
            if not isinstance(basis, Basis):
                raise TypeError(f"Mixed takes bases, like Mixed(Fourier(8), PWL(8)); got {basis!r:.60}.")
        if len(bases) < 2:
            raise ValueError("Mixed takes two or more bases.")
        self.bases = bases
        self.size = sum(basis.size for basis in bases)
        self.degree = max(basis.degree for basis in bases)
        self.harmonics = max(basis.harmonics for basis in bases)
        self.breakpoints = made_plainly(merged, [basis.breakpoints for basis in bases])

    def _values(self, s: Tensor, order: int) -> Tensor:
        return torch.cat([basis._values(s, order) for basis in self.bases], -1)

    def left_limit(self, s: Tensor, order: int = 0) -> Tensor:
        return torch.cat([basis.left_limit(s, order) for basis in self.bases], -1)

    @kept_property
    def l1_norms(self) -> Tensor:
        return torch.cat([basis.l1_norms for basis in self.bases])

    @kept_property
    def integrals(self) -> Tensor:
        return torch.cat([basis.integrals for basis in self.bases])

    def __repr__(self) -> str:
        return f"Mixed({', '.join(map(repr, self.bases))})"


def merged(meshes: Sequence[Tensor]) -> Tensor:
    """The breakpoints of several bases together; two that differ by rounding are one."""
    ends = torch.cat(list(meshes)).unique()
    return ends[torch.cat([torch.tensor([True]), ends.diff() > 1e-14])]


def _points(s: Tensor) -> Tensor:
    if not isinstance(s, Tensor) or not s.is_floating_point():
        raise TypeError(f"s must be a floating-point tensor; got {s!r:.60}.")
    return s
