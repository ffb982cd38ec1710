"""The integral activation transform: as a function, and as a module to put where a ReLU stood."""

import math
from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from .._checks import check_count, check_flag, check_floating
from .._scaling import power_of_two
from .._tables import made_plainly
from ..ops import LinearSpline, MidpointTables, midpoint, midpoint_relu, midpoint_tables
from ._bases import basis as basis_of
from ._basis import Basis, Harmonics, PiecewisePolynomial
from ._cells import (
    constant_cells,
    constant_state,
    cut_cells,
    finite_or_nan,
    linear_relu,
    nodal_table,
)
from ._exact import exact_relu
from ._panels import table_numbers
from ._spline import SplineTransform, check_exact, is_spline

Activation = Callable[[Tensor], Tensor]
ACTIVATIONS: dict[str, Activation] = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
_MOST = 1 << 29  # numbers of a table, 2 or 4 GiB
_NODES_A_FUNCTION = 8  # of the midpoint rule, where ``points`` is not given


class IAT(nn.Module):
    """The integral activation transform, y_i = integral of q_i(s) sigma(p(s)^T x) over [-1, 1]: a layer of neurons.

    It stands where an element-wise activation stood: the input's numbers are coefficients of a state function on
    [-1, 1], the activation acts on that function, and each output is a weighted mean of the result. It has no
    parameters of its own. With "rect" twice it is the element-wise activation.

    Args:
        in_features: width d of the input.
        out_features: width of the output; ``in_features`` where it is None.
        input_basis: p: "rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w", or a :class:`relunb.iat.Basis`.
        output_basis: q, likewise; its functions are scaled to unit L1 norm, unless ``normalized`` is false.
        activation: "relu", "tanh", "sigmoid", a :class:`relunb.LinearSpline`, or any element-wise function of a tensor.
            The parameters of a module are parameters of the layer, under ``function``.
        method: "exact", for ReLU and for a linear spline: split at roots and breakpoints, with a first and a second
            derivative. For a spline the functions of the input basis must have a sum, with any weights, that is
            constant: "rect", "pwl" and "pwq" have one, the others want one more function, as in
            ``Mixed(Rect(1), Fourier(8))``. Or "midpoint", Eq. (12): ``points`` nodes, error O(points^-2) in values and
            O(1/points) in the gradient of ReLU and of a spline, of which the second derivative is zero.
        points: nodes of the midpoint rule. None: 8 for each function, or a multiple of the bases' cells near that.
        normalized: scale each q_i to unit L1 norm, so that y_i is a weighted mean. If false, y_i is the integral with
            q_i as it is: :func:`relunb.iat.activation_matrix` with ``normalized=False``, times x.

    Input (..., in_features), output (..., out_features), same dtype and device. bfloat16 and float16 are computed in
    float32. NaN and infinity give NaN. The exact form of other bases than rectangles and hats finds roots, in float64
    at any precision. It does so outside a compiled graph: ``torch.compile(fullgraph=True)``, ``torch.export`` and
    ``torch.jit.trace`` refuse it; all others are one graph. The exact form of a spline is in float64 too, but for
    rectangles, and right to a rounding of the state's size times the jumps'.

    Raises:
        TypeError: an argument of another type.
        ValueError: an unknown basis, method or activation, a width that the basis does not have, ``points`` with
            ``method="exact"``, or ``method="exact"`` with an activation that is neither ReLU nor a linear spline, with
            a spline a channel, or with a spline on a basis without a constant.

    Example:
        >>> IAT(2, input_basis="pwl", output_basis="rect")(torch.tensor([[1.0, -1.0]])).tolist()
        [[0.5, 0.0]]
        >>> hard = LinearSpline.named("hardtanh")
        >>> IAT(2, input_basis="pwl", output_basis="rect", activation=hard)(torch.tensor([4.0, 0.0])).tolist()
        [1.0, 0.75]

    Source: Zhang, Bao and Zhang (2023), Eq. (4), (12) and (17). Derived in :doc:`/book/iat/transform` and
    :doc:`/book/iat/exact`; for splines knot by knot, as in :doc:`/book/together/sums-of-relus`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int | None = None,
        input_basis: str | Basis = "fourier",
        output_basis: str | Basis = "pwq",
        activation: str | Activation = "relu",
        method: str = "exact",
        points: int | None = None,
        *,
        normalized: bool = True,
    ) -> None:
        super().__init__()
        self.in_features = check_count("in_features", in_features)
        self.out_features = self.in_features if out_features is None else check_count("out_features", out_features)
        self.input_basis = basis_of(input_basis, self.in_features, "input_basis")
        self.output_basis = basis_of(output_basis, self.out_features, "output_basis")
        self._plan = _Plan(self.input_basis, self.output_basis, activation, method, points, normalized)
        self.activation, self.method, self.points = self._plan.name, method, self._plan.points
        self.normalized = normalized
        if isinstance(self._plan.activation, nn.Module):  # its parameters are the layer's
            self.function = self._plan.activation

    def __setattr__(self, name: str, value: Any) -> None:
        """Another ``function`` wants other tables."""
        if name == "function" and name in self._modules and value is not self._plan.activation:
            p, q, points = self.input_basis, self.output_basis, self.points
            self._plan = _Plan(p, q, value, self.method, points, self.normalized)
            self.activation = self._plan.name
        super().__setattr__(name, value)

    def forward(self, x: Tensor) -> Tensor:
        return self._plan(x)

    def extra_repr(self) -> str:
        points = "" if self.points is None else f", points={self.points}"
        normalized = "" if self.normalized else ", normalized=False"
        return (
            f"{self.in_features}, {self.out_features}, input_basis={self.input_basis}, "
            f"output_basis={self.output_basis}, activation={self.activation}, method={self.method!r}"
            f"{points}{normalized}"
        )


def transform(
    x: Tensor,
    input_basis: str | Basis = "fourier",
    output_basis: str | Basis = "pwq",
    activation: str | Activation = "relu",
    method: str = "exact",
    points: int | None = None,
    *,
    normalized: bool = True,
) -> Tensor:
    """The integral activation transform of x: :class:`relunb.IAT` as a function.

    A basis given by its name has the width of x. In a loop use the module, which prepares its tables once.

    Args:
        x: (..., d), floating point.
        input_basis, output_basis, activation, method, points, normalized: see :class:`relunb.IAT`.

    Returns:
        (..., size of the output basis), same dtype and device as x.

    Raises:
        TypeError: x is not a floating-point tensor; and see :class:`relunb.IAT`.
        ValueError: see :class:`relunb.IAT`.

    Example:
        >>> transform(torch.tensor([1.0, -1.0]), "pwl", "rect").tolist()  # the mean over each half of (-s)_+
        [0.5, 0.0]

    Source: Zhang, Bao and Zhang (2023), Eq. (4). Derived in :doc:`/book/iat/transform`.
    """
    width = _width(x)
    p = basis_of(input_basis, width, "input_basis")
    q = output_basis if isinstance(output_basis, Basis) else basis_of(output_basis, width, "output_basis")
    return _Plan(p, q, activation, method, points, normalized)(x)


class _Plan:
    """A pair of bases with their route, for output functions scaled to unit L1 norm or as they are."""

    def __init__(
        self, p: Basis, q: Basis, activation: str | Activation, method: str, points: int | None, normalized: bool
    ) -> None:
        self.size = p.size
        self.norms = l1_norms_unless(normalized, q)
        self.name, self.activation = _activation(activation)
        if method not in ("exact", "midpoint"):
            raise ValueError(f"method must be 'exact' or 'midpoint'; got {method!r}.")
        if method == "exact" and self.name != "relu" and not is_spline(self.activation):
            raise ValueError(
                f"method='exact' is for ReLU; with activation={self.name} use method='midpoint'. Leaky ReLU, |x|, hard "
                'tanh, psi and their like are exact too, as relunb.LinearSpline.named("leaky_relu") for example.'
            )
        if method == "exact" and points is not None:
            raise ValueError("points belongs to method='midpoint': the exact form has no nodes.")
        self.points = None if method == "exact" else _points(p, q, points)
        if self.points is not None:
            self.means = _Midpoint(p, q, None if self.name == "relu" else self.activation, self.points)
        elif isinstance(self.activation, LinearSpline):
            check_exact(self.activation, p)
            if _is_constant(p):
                self.means = _Constant(p, q, self.activation)
            else:
                self.means = SplineTransform(p, q, self.activation, _exact_relu(p, q))
        else:
            self.means = _exact_relu(p, q)

    def __call__(self, x: Tensor) -> Tensor:
        if _width(x) != self.size:
            raise ValueError(f"x must be (..., {self.size}), a number for each input function; got {tuple(x.shape)}.")
        y = self.means(x)
        return y if self.norms is None else y * self.norms.to(y)


# The routes: each takes x to the transform for q of unit L1 norms.


def _exact_relu(p: Basis, q: Basis) -> "_Constant | _Linear | _General":
    """The fastest exact one for ReLU."""
    if _is_constant(p):
        return _Constant(p, q)
    if _is_linear(p) and isinstance(q, PiecewisePolynomial) and q.degree <= 2:
        return _Linear(p, q)
    return _General(p, q)


class _Constant:
    """Exact, for a state that is constant on each cell. ``spline`` None: ReLU."""

    def __init__(self, p: PiecewisePolynomial, q: Basis, spline: LinearSpline | None = None) -> None:
        self.activation = torch.relu if spline is None else spline
        self.cells = made_plainly(constant_cells, p, q, in_units=spline is None)

    def __call__(self, x: Tensor) -> Tensor:
        return constant_state(x, self.cells, self.activation)


class _Linear:
    """Exact, for a state that is linear between nodes, and an output of degree 2 at most."""

    def __init__(self, p: PiecewisePolynomial, q: PiecewisePolynomial) -> None:
        self.table, self.cells = made_plainly(nodal_table, p), made_plainly(cut_cells, p, q)

    def __call__(self, x: Tensor) -> Tensor:
        return linear_relu(x, self.table, self.cells)


class _General:
    """Exact, for any pair of bases."""

    def __init__(self, p: Basis, q: Basis) -> None:
        _affordable("method='exact'", p, q, table_numbers(p, q))
        self.p, self.q = p, q

    def __call__(self, x: Tensor) -> Tensor:
        return exact_relu(x, self.p, self.q)


class _Midpoint:
    """The midpoint rule, with tables for each device and precision. ``activation`` None: ReLU."""

    def __init__(self, p: Basis, q: Basis, activation: Activation | None, points: int) -> None:
        self.p, self.q, self.activation, self.points = p, q, activation, points
        self._tables: dict[Any, MidpointTables] = {}
        _affordable("method='midpoint'", p, q, points * (p.size + q.size))
        double = torch.get_default_dtype() == torch.float64
        self.tables(torch.device("cpu"), torch.float64 if double else torch.float32)

    def __call__(self, x: Tensor) -> Tensor:
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        device = torch.device("cpu") if x.is_meta else x.device
        tables = self.tables(device, dtype)
        if self.activation is not None:
            return finite_or_nan(midpoint(x, tables, self.activation), x)
        # In a unit in which no sum of large numbers overflows; those of half precision do not in float32.
        unit = self._unit if x.dtype in (torch.float32, torch.float64) else 1.0
        return finite_or_nan(midpoint_relu(x / unit, tables) * unit, x)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tables": {}}  # made again where they are needed

    def tables(self, device: torch.device, dtype: torch.dtype) -> MidpointTables:
        """Made once, and kept."""
        if (device, dtype) not in self._tables:
            self._tables[device, dtype] = made_plainly(self._made, device, dtype)
        return self._tables[device, dtype]

    def _made(self, device: torch.device, dtype: torch.dtype) -> MidpointTables:
        s = (torch.arange(self.points, dtype=torch.float64) * 2 + 1) / self.points - 1
        p, q = self.p(s).T, (self.q(s) / self.q.l1_norms).T * (2 / self.points)
        fourier = isinstance(self.p, Harmonics)
        self._unit = power_of_two(p.abs().sum(0).max()).item() * 2
        return midpoint_tables(p.to(device, dtype), q.to(device, dtype), fourier=fourier)


def l1_norms_unless(normalized: bool, q: Basis) -> Tensor | None:
    """The norms that make a transform for q of unit norms one for q as it is; None where it is wanted as it is."""
    return None if check_flag("normalized", normalized) else q.l1_norms


def _width(x: Tensor) -> int:
    check_floating("x", x)
    if not x.ndim:
        raise ValueError("x must be (..., in_features); got a single number.")
    return x.shape[-1]


def _activation(given: str | Activation) -> tuple[str, Activation]:
    if isinstance(given, str):
        if given not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(map(repr, ACTIVATIONS))}, or a function; got {given!r}."
            )
        return given, ACTIVATIONS[given]
    if isinstance(given, type):
        name = given.__name__
        raise TypeError(f"activation must be a name or a function; got the class {name}: write {name}().")
    if not callable(given):
        raise TypeError(f"activation must be a name or a function; got {given!r:.60}.")
    if given in (torch.relu, nn.functional.relu) or _is_relu(given):
        return "relu", torch.relu
    name = getattr(given, "__name__", type(given).__name__)
    return f"{name} of yours" if name in ACTIVATIONS else name, given


def _is_relu(given: Any) -> bool:
    return isinstance(given, nn.ReLU) and type(given).forward is nn.ReLU.forward


def _points(p: Basis, q: Basis, points: int | None) -> int:
    if points is not None:
        return check_count("points", points)
    cells = math.lcm(*(len(basis.breakpoints) - 1 for basis in (p, q)))
    if all(basis.degree == 0 and not basis.harmonics for basis in (p, q)):
        return cells  # one node in each piece is exact
    wanted = _NODES_A_FUNCTION * max(p.size, q.size)
    return -(-wanted // cells) * cells if cells <= 2 * wanted else wanted


def _affordable(method: str, p: Basis, q: Basis, numbers: int) -> None:
    """Refuse a table that no memory holds, before it is made."""
    if numbers > _MOST:
        raise ValueError(
            f"{method} of {p} and {q} takes a table of {numbers:,} numbers, and {_MOST:,} are the most. Take smaller "
            "widths, or the exact form of a 'rect', 'pwl' or 'pwl-w' input with a local output."
        )


def _is_constant(p: Basis) -> TypeGuard[PiecewisePolynomial]:
    return isinstance(p, PiecewisePolynomial) and p.degree == 0


def _is_linear(p: Basis) -> TypeGuard[PiecewisePolynomial]:
    return isinstance(p, PiecewisePolynomial) and p.degree == 1 and p.properties["continuous"]
