"""What a basis of functions on [-1, 1] can do, and the two kinds there are: piecewise polynomials and harmonics."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._checks import check_count, check_floating, check_known, check_real
from .._tables import kept_property, made_plainly

_CLOSE = 1e-12  # breakpoints closer than this leave float64 no places between them


class Basis(ABC):
    """Functions p_1 .. p_size on [-1, 1], smooth between their breakpoints.

    ``basis(s)`` evaluates them: s of any shape gives (..., size), in the dtype and on the device of s. At a jump the
    value is the limit from the right, at s = 1 from the left; outside [-1, 1] it is zero. NaN gives NaN.

    Example:
        >>> from relunb.iat import PWL
        >>> PWL(3).derivative(torch.tensor([-0.75, 0.5])).tolist()
        [[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]

    Source: Zhang, Bao and Zhang (2023), Section 3.1. Chapter :doc:`/book/iat/transform`.
    """

    size: int
    breakpoints: Tensor  # (cells + 1,), float64, from -1 to 1: between two of them every function is smooth
    degree: int  # of the polynomial part; 0 where there is none
    harmonics: int  # the highest k of cos(k pi s), sin(k pi s); 0 for polynomials

    def __call__(self, s: Tensor) -> Tensor:
        return torch.where(check_floating("s", s).isnan()[..., None], torch.nan, self._values(s, 0))

    def derivative(self, s: Tensor) -> Tensor:
        """The derivatives p_i'(s), (..., size); at a breakpoint the one from the right."""
        return torch.where(check_floating("s", s).isnan()[..., None], torch.nan, self._values(s, 1))

    @abstractmethod
    def _values(self, s: Tensor, order: int) -> Tensor: ...

    def local_values(self, s: Tensor) -> tuple[Tensor, Tensor]:
        """Which functions may not be zero at s, and their values there: (..., some) each."""
        values = self._values(check_floating("s", s), 0)
        return torch.arange(self.size, device=s.device).expand(*s.shape, self.size), values

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
        return self._values(check_floating("s", s), checked_order(order))

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

    Example:
        >>> PiecewisePolynomial([-1, 1], [[[1, 0, -1]], [[0, 0, 1]]])(torch.tensor([0.0])).tolist()
        [[0.75, 0.25]]

    Source: Zhang, Bao and Zhang (2023), Section 5.1. Chapter :doc:`/book/iat/transform`.
    """

    harmonics = 0

    def __init__(self, breakpoints: Sequence[Any] | Tensor, coefficients: Sequence[Any] | Tensor | np.ndarray) -> None:
        made_plainly(self._make, breakpoints, coefficients)

    def _make(self, breakpoints: Sequence[Any] | Tensor, coefficients: Sequence[Any] | Tensor | np.ndarray) -> None:
        check_known(breakpoints=breakpoints, coefficients=coefficients)
        for name, given in (("breakpoints", breakpoints), ("coefficients", coefficients)):
            if isinstance(given, Tensor) and given.requires_grad:
                raise ValueError(f"{name} require a gradient, and a basis is constant. Use {name}.detach().")
        ends, powers = (
            check_real(name, given).cpu().double()
            for name, given in (("breakpoints", breakpoints), ("coefficients", coefficients))
        )
        if ends.ndim != 1 or len(ends) < 2 or ends[0] != -1 or ends[-1] != 1 or not (ends.diff() > _CLOSE).all():
            raise ValueError(f"breakpoints must increase from -1 to 1, by {_CLOSE} or more; got {ends.tolist()!s:.80}.")
        cells = len(ends) - 1
        if powers.ndim != 3 or powers.shape[1] != cells or not powers.shape[2]:
            raise ValueError(
                f"coefficients must be (size, {cells}, degree + 1) for {cells + 1} breakpoints; "
                f"got {tuple(powers.shape)}."
            )
        present = (powers != 0).any(-1)  # (size, cells)
        zero = ~present.any(1)
        if zero.any():
            raise ValueError(f"function {int(zero.nonzero()[0])} is zero everywhere: leave it out.")
        functions = (~present.T).to(torch.int8).argsort(dim=1, stable=True)[:, : int(present.sum(0).max())]
        pieces = powers.transpose(0, 1).gather(1, functions[..., None].expand(-1, -1, powers.shape[2]))
        self._keep(ends.tolist(), len(powers), functions, pieces)
        held = (self.l1_norms >= torch.finfo(torch.float64).tiny) & (self.l1_norms < math.inf)
        if not held.all():
            i = int((~held).nonzero()[0])
            raise ValueError(f"function {i} has the L1 norm {self.l1_norms[i]:g}: too large or too small for float64.")

    def _keep(self, breakpoints: Sequence[Any] | Tensor, size: int, functions: Any, pieces: Any) -> None:
        """Keep the few functions that live on each cell, (cells, some) numbers of functions, and their powers of t.

        A cell with fewer than others repeats any function with zeros. Only these are kept: a basis of local functions
        takes memory in proportion to its size, and not to its square.
        """
        ends = torch.as_tensor([float(b) for b in breakpoints], dtype=torch.float64)
        functions, pieces = torch.as_tensor(functions), torch.as_tensor(pieces, dtype=torch.float64)
        cells, some, powers = pieces.shape
        self._local = 2 * some < size
        if not self._local:  # all functions on every cell, in order
            place = functions[..., None].expand(-1, -1, powers)
            pieces = pieces.new_zeros(cells, size, powers).scatter_add(1, place, pieces)
            functions = torch.arange(size).expand(cells, size)
        self.size, self.degree, self.breakpoints = size, powers - 1, ends
        self._functions, self._pieces = functions, pieces
        # A cell of zeros on either side, for what lies outside [-1, 1].
        self._who = torch.cat([functions[:1], functions, functions[-1:]])
        widths = torch.nn.functional.pad(ends.diff(), (1, 1), value=1.0)
        values = torch.nn.functional.pad(pieces, (0, 0, 0, 0, 1, 1))
        slopes = values[..., 1:] * torch.arange(1, powers) / widths[:, None, None]
        self._tables = [values, slopes if powers > 1 else torch.zeros_like(values)]
        self._starts = torch.cat([ends[:1], ends])
        self._widths = widths

    def cell_of(self, s: Tensor, left: bool = False) -> Tensor:
        """The cell that s lies in, or its limit from the left, counted from 1; 0 and cells + 1 lie outside."""
        ends = self.breakpoints.to(s)
        place = torch.searchsorted(ends, s.detach().contiguous(), right=not left)
        # The last cell has its right end, and the first its left one also as a limit from the left.
        last = s == 1 if not left else s == -1
        return torch.where(last, len(ends) - 1 if not left else 1, place)

    def values_on(self, cell: Tensor, s: Tensor, order: int = 0) -> tuple[Tensor, Tensor]:
        """Which functions live on a cell, and their values at s: (..., some) each. All others are zero there."""
        t = ((s - self._starts.to(s)[cell]) / self._widths.to(s)[cell])[..., None]
        rows = self._tables[order].to(s)[cell]  # (..., some, powers)
        value = rows[..., -1]
        for k in range(rows.shape[-1] - 2, -1, -1):
            value = torch.addcmul(rows[..., k], value, t)
        return self._who.to(s.device)[cell], value

    def local_values(self, s: Tensor) -> tuple[Tensor, Tensor]:
        return self.values_on(self.cell_of(check_floating("s", s)), s)

    def _values(self, s: Tensor, order: int, left: bool = False) -> Tensor:
        functions, values = self.values_on(self.cell_of(s, left), s, order)
        if not self._local:
            return values
        return values.new_zeros(*s.shape, self.size).scatter_add(-1, functions, values)

    @kept_property
    def properties(self) -> dict[str, bool]:
        inner = torch.arange(1, len(self.breakpoints) - 1)  # cells whose right end lies inside, counted from 1
        places = self.breakpoints[1:-1]
        flat = []
        for order in (0, 1):
            sides = [self.values_on(inner, places, order), self.values_on(inner + 1, places, order)]
            size = [self._tables[order][inner + side].abs().sum(-1) for side in (0, 1)]
            key = torch.cat([(torch.arange(len(inner))[:, None] * self.size + who).flatten() for who, _ in sides])
            places_of, where = key.unique(return_inverse=True)
            zero = torch.zeros(len(places_of), dtype=torch.float64)
            jump = zero.index_add(0, where, torch.cat([-sides[0][1].flatten(), sides[1][1].flatten()]))
            flat.append(bool((jump.abs() <= 1e-9 * zero.index_add(0, where, torch.cat(size).flatten())).all()))
        powers = torch.arange(self.degree + 1)
        lives = sum((self._pieces @ t**powers).abs() for t in (torch.tensor(0.5).double(), torch.tensor(0.55).double()))
        cells = torch.bincount(self._functions[lives != 0], minlength=self.size)
        return {
            "continuous": flat[0],
            "smooth": flat[0] and flat[1],
            "global": bool((cells == len(self._pieces)).any()),
            "zero_integral": bool((self.integrals.abs() <= 1e-12 * self.l1_norms).all()),
        }

    @kept_property
    def integrals(self) -> Tensor:
        return self._summed(self._to_t(torch.ones(1, dtype=torch.float64))[..., 0])

    @kept_property
    def l1_norms(self) -> Tensor:
        cuts = _sign_changes(self._pieces)
        ends = torch.ones_like(self._pieces[..., :1])
        return self._summed(self._to_t(torch.cat([0 * ends, cuts, ends], -1)).diff().abs().sum(-1))

    def _to_t(self, t: Tensor) -> Tensor:
        """Integrals of the pieces from the start of their cell to the places t inside it: (cells, some, places)."""
        total = torch.zeros(*self._pieces.shape[:2], t.shape[-1], dtype=torch.float64)
        for k in range(self.degree, -1, -1):
            total = total * t + self._pieces[..., k, None] / (k + 1)
        return total * t * self.breakpoints.diff()[:, None, None]

    def _summed(self, of_pieces: Tensor) -> Tensor:
        """Numbers of pieces (cells, some) added up for each function: (size,)."""
        return of_pieces.new_zeros(self.size).index_add(0, self._functions.flatten(), of_pieces.flatten())

    def left_limit(self, s: Tensor, order: int = 0) -> Tensor:
        return self._values(check_floating("s", s), checked_order(order), left=True)


class Harmonics(Basis):
    """cos(pi s), sin(pi s), cos(2 pi s), ...: ``size`` of them, without a constant."""

    degree = 0

    def __init__(self, size: int) -> None:
        self.size = check_count("size", size)
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

    Example:
        >>> from relunb.iat import PWL, Rect
        >>> Mixed(Rect(2), PWL(2))(torch.tensor([0.5])).tolist()
        [[0.0, 1.0, 0.25, 0.75]]

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

    def local_values(self, s: Tensor) -> tuple[Tensor, Tensor]:
        parts, before = [], 0
        for basis in self.bases:
            functions, values = basis.local_values(s)
            parts.append((functions + before, values))
            before += basis.size
        return torch.cat([p for p, _ in parts], -1), torch.cat([v for _, v in parts], -1)

    @kept_property
    def properties(self) -> dict[str, bool]:
        of_parts = [basis.properties for basis in self.bases]
        found = {name: all(part[name] for part in of_parts) for name in of_parts[0]}
        return {**found, "global": any(part["global"] for part in of_parts)}

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


def checked_order(order: Any) -> int:
    """The order of a derivative."""
    return check_count("order", order, least=0, most=1)


def merged(meshes: Sequence[Tensor]) -> Tensor:
    """The breakpoints of several bases together; two that differ by rounding are one."""
    ends = torch.cat(list(meshes)).unique()
    return ends[torch.cat([torch.tensor([True]), ends.diff() > 1e-14])]


def _sign_changes(pieces: Tensor) -> Tensor:
    """Places in [0, 1] with all sign changes of polynomials (..., degree + 1) among them: (..., degree), in order."""
    degree = pieces.shape[-1] - 1
    largest = pieces.abs().amax(-1, keepdim=True)
    c = (pieces / torch.where(largest > 0, largest, 1)).numpy()
    if degree == 0:
        return pieces[..., :0]
    lead = np.where(np.abs(c[..., -1:]) < 1e-15, 1e-15, c[..., -1:])
    if degree == 1:
        roots = -c[..., :1] / lead
    elif degree == 2:
        half = -c[..., 1] / 2
        root = half + np.copysign(np.sqrt(np.maximum(half * half - c[..., 0] * lead[..., 0], 0)), half)
        roots = np.stack([root / lead[..., 0], c[..., 0] / np.where(root == 0, 1, root)], -1)
    else:
        matrix = np.zeros((*c.shape[:-1], degree, degree))
        matrix[..., np.arange(1, degree), np.arange(degree - 1)] = 1
        matrix[..., -1] = -c[..., :-1] / lead
        roots = np.linalg.eigvals(matrix).real
    return torch.from_numpy(np.sort(np.clip(roots, 0, 1), axis=-1))
