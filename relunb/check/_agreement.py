"""Does a torch function compute the expression that was derived for it?"""

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import Any, NamedTuple

import mpmath
import sympy as sp
import torch

from ._exact import exact, same_names

_DIGITS = 50  # working digits: the step below must show beside any point
_STEP = "1e-30"  # how far to each side of a point, relative to max(1, |point|), a derivative is taken
_KINK = "1e-15"  # one-sided derivatives further apart than this, relative, make a kink

# Allowed error, in units of eps * max(1, |expected|).
_ALLOWED = {
    torch.float64: 16,  # computed in its own precision: some ten roundings of eps/2, a few times a slope of about 3
    torch.float32: 16,  # the same
    torch.bfloat16: 4,  # computed in float32; the input rounded once, eps/2 * |x f'(x)|, and the result once, eps/2
    torch.float16: 4,  # the same
}


class Disagreement(AssertionError):
    """A torch function and the expression differ; the message says in what, and where."""


class _Expected(NamedTuple):
    """What the expression allows at each point: an interval, which is one number except at a kink."""

    name: str
    low: list[Any]
    high: list[Any]


def agreement(
    expression: object,
    function: Callable[..., Any],
    *,
    at: Mapping[Any, Any],
    wrt: Any = None,
) -> None:
    """Compare a derived expression with a torch function, and print one line; raise at the first mismatch.

    Compares values and first derivatives, in float64, float32, bfloat16 and float16, on the CPU and on a CUDA device
    if there is one. Each point is rounded to the dtype first and the expression evaluated there to many digits, so
    only the function's own error counts. At a kink any derivative between the two one-sided ones passes.
    Put points on a kink or well away from it: a function may round its way across one that is closer.

    Example: ``agreement(Max(x, 0), torch.relu, at={x: [-1, 0, 2]})`` prints
    ``agrees: values and d/dx at 3 points, 1 kink left to its convention, in float64, float32, bfloat16, float16``.

    Args:
        expression: a SymPy expression, real at every point.
        function: called with one 1-D tensor a symbol, in the order of ``at``; returns a tensor of the same shape,
            dtype and device.
        at: for each symbol of the expression its numbers, one a point: a sequence, a 1-D array or a 1-D tensor.
        wrt: a symbol, or a list of those to differentiate with respect to; all of them unless given.

    Raises:
        Disagreement: the function returned something else than the expression says.
        TypeError: ``expression`` is not an exact SymPy expression.
        ValueError: ``at`` or ``wrt`` do not fit the expression, or a point cannot be used.

    Source: no paper; the book's own tool.
    """
    formula = exact(expression, "expression")
    if isinstance(formula, sp.MatrixBase):
        raise TypeError("expression is a matrix: compare one entry at a time.")
    columns = _columns(formula, at)
    symbols = list(columns)
    chosen = symbols if wrt is None else list(wrt) if isinstance(wrt, list | tuple) else [wrt]
    for symbol in chosen:
        if symbol not in columns:
            raise ValueError(f"wrt names {symbol}, which at does not give: choose among {_listed(symbols)}.")
    count = len(columns[symbols[0]])
    kinks: set[int] = set()
    for dtype, rounded in [(dtype, _rounded(columns, dtype)) for dtype in _ALLOWED]:  # refuse before any call
        points = [dict(zip(symbols, row, strict=True)) for row in zip(*(x.tolist() for x in rounded), strict=True)]
        with mpmath.workdps(_DIGITS):
            expected = [_values(formula, symbols, points, dtype)]
            expected += [_derivatives(formula, symbols, symbol, points, dtype) for symbol in chosen]
            for derivative in expected[1:]:
                kinks |= {k for k in range(count) if derivative.high[k] > derivative.low[k]}
        for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
            inputs = [x.to(device, copy=True) for x in rounded]
            for symbol, tensor in zip(symbols, inputs, strict=True):
                tensor.requires_grad_(symbol in chosen)
            for returned, allowed in zip(_outputs(function, inputs, symbols, chosen), expected, strict=True):
                _compare(allowed, returned, points)
    what = ["values"] + [f"d/d{symbol}" for symbol in chosen]
    left = f", {_counted(len(kinks), 'kink')} left to {'its' if len(kinks) == 1 else 'their'} convention" * bool(kinks)
    print(f"agrees: {_listed(what)} at {_counted(count, 'point')}{left}, in {', '.join(map(_name, _ALLOWED))}")


# ---- the points


def _columns(formula: Any, at: Mapping[Any, Any]) -> dict[Any, list[float]]:
    """Return the numbers of each symbol as floats, after checking that they fit the expression."""
    if not at or not all(isinstance(symbol, sp.Symbol) for symbol in at):
        raise ValueError("at must give numbers for at least one symbol, as in at={x: [0, 1, 2]}.")
    same_names(formula.free_symbols | set(at))
    if formula.free_symbols != set(at):
        wanted = _listed(sorted(formula.free_symbols, key=str))
        raise ValueError(f"at must give numbers for exactly the expression's symbols, {wanted}; got {_listed(at)}.")
    columns: dict[Any, list[float]] = {}
    for symbol, numbers in at.items():
        try:
            columns[symbol] = [float(n) for n in (numbers.tolist() if hasattr(numbers, "tolist") else numbers)]
        except (TypeError, ValueError):
            raise ValueError(f"at[{symbol}] must be a flat sequence of real numbers.") from None
        if not all(isfinite(number) for number in columns[symbol]):
            raise ValueError(f"at[{symbol}] has a number that is not finite.")
    lengths = {symbol: len(numbers) for symbol, numbers in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        counts = ", ".join(f"{symbol} has {length}" for symbol, length in lengths.items())
        raise ValueError(f"at must give every symbol the same number of points, at least one: {counts}.")
    return columns


def _rounded(columns: dict[Any, list[float]], dtype: torch.dtype) -> list[torch.Tensor]:
    tensors = []
    for symbol, numbers in columns.items():
        tensors.append(torch.tensor(numbers, dtype=torch.float64).to(dtype))
        for number, kept in zip(numbers, tensors[-1].tolist(), strict=True):
            if not isfinite(kept):
                raise ValueError(f"{symbol} = {number} is too large for {_limit(dtype)}: choose smaller points.")
    return tensors


# ---- what the expression says


def _values(formula: Any, symbols: list[Any], points: list[dict[Any, float]], dtype: torch.dtype) -> _Expected:
    evaluate = _evaluator(formula, symbols)
    values = [_evaluate(evaluate, point, {}, "the expression", dtype) for point in points]
    return _Expected("the value", values, values)


def _derivatives(
    formula: Any, symbols: list[Any], symbol: Any, points: list[dict[Any, float]], dtype: torch.dtype
) -> _Expected:
    """Return the interval between the two one-sided derivatives at each point."""
    real = {s: sp.Symbol(s.name, real=True) for s in symbols if not s.is_extended_real}  # else d|x|/dx stays undone
    name = f"d/d{symbol}"
    slope = sp.diff(formula.xreplace(real), real.get(symbol, symbol))
    evaluate = _evaluator(slope, [real.get(s, s) for s in symbols])
    low, high = [], []
    for point in points:
        step = mpmath.mpf(_STEP) * max(1, abs(point[symbol]))
        sides = [_evaluate(evaluate, point, {symbol: shift}, name, dtype) for shift in (-step, step)]
        if abs(sides[1] - sides[0]) <= mpmath.mpf(_KINK) * max(1, abs(sides[0])):
            sides = sides[:1]
        low.append(min(sides))
        high.append(max(sides))
    return _Expected(name, low, high)


def _evaluator(formula: Any, symbols: list[Any]) -> Callable[..., Any]:
    # A jump has no derivative; off the jump its DiracDelta is zero, and mpmath has no such function.
    return sp.lambdify(symbols, formula, modules=[{"DiracDelta": lambda *_: mpmath.mpf(0)}, "mpmath"])


def _evaluate(
    evaluate: Callable[..., Any], point: dict[Any, float], shift: dict[Any, Any], what: str, dtype: torch.dtype
) -> Any:
    try:
        value = mpmath.mpmathify(evaluate(*(mpmath.mpf(x) + shift.get(symbol, 0) for symbol, x in point.items())))
    except (ZeroDivisionError, ValueError, TypeError):  # a pole, or an order between complex numbers
        value = mpmath.nan
    if abs(value.imag) <= mpmath.mpf(10) ** -(_DIGITS // 2) * max(1, abs(value.real)):
        value = value.real
    if not (isinstance(value, mpmath.mpf) and mpmath.isfinite(value)):
        raise ValueError(f"{what} has no real, finite value at {_where(point)}: leave this point out.")
    if abs(value) > torch.finfo(dtype).max:
        raise ValueError(f"{what} at {_where(point)} is too large for {_limit(dtype)}: choose smaller points.")
    return value


# ---- what the function says


def _outputs(
    function: Callable[..., Any], inputs: list[torch.Tensor], symbols: list[Any], chosen: list[Any]
) -> Iterator[torch.Tensor]:
    """Yield the function's values, then its derivative with respect to each chosen symbol."""
    output = function(*inputs)
    first = inputs[0]
    place = f"in {_name(first.dtype)} on {first.device.type}"
    if not isinstance(output, torch.Tensor):
        raise Disagreement(f"{place}: the function returned a {type(output).__name__}, not a tensor.")
    for quality in ("shape", "dtype", "device"):
        given, wanted = getattr(output, quality), getattr(first, quality)
        if given != wanted:
            given, wanted = (tuple(given), tuple(wanted)) if quality == "shape" else (given, wanted)
            raise Disagreement(f"{place}: the function returned a tensor of {quality} {given}, not {wanted}.")
    yield output.detach()
    tracked = [tensor for tensor in inputs if tensor.requires_grad]
    gradients = torch.autograd.grad(output.sum(), tracked, allow_unused=True) if output.requires_grad else ()
    by_symbol = dict(zip((s for s in symbols if s in chosen), gradients, strict=False))
    for symbol in chosen:
        if by_symbol.get(symbol) is None:
            raise Disagreement(f"d/d{symbol} {place}: autograd finds no path from the result back to {symbol}.")
        yield by_symbol[symbol]


def _compare(expected: _Expected, returned: torch.Tensor, points: list[dict[Any, float]]) -> None:
    dtype = returned.dtype
    unit = _ALLOWED[dtype] * torch.finfo(dtype).eps
    for k, (low, high, got) in enumerate(zip(expected.low, expected.high, returned.tolist(), strict=True)):
        allowed = float(unit * max(1, abs(low), abs(high)))
        if not low - allowed <= got <= high + allowed:  # written so that nan fails
            wanted = mpmath.nstr(low, 17) if low == high else f"{mpmath.nstr(low, 17)} to {mpmath.nstr(high, 17)}"
            raise Disagreement(
                f"{expected.name} in {_name(dtype)} on {returned.device.type} at {_where(points[k])}: "
                f"expected {wanted}, got {got!r}; allowed error {allowed:.2g}."
            )


# ---- words


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _limit(dtype: torch.dtype) -> str:
    return f"{_name(dtype)} (largest {torch.finfo(dtype).max:.6g})"


def _where(point: dict[Any, float]) -> str:
    return ", ".join(f"{symbol} = {number!r}" for symbol, number in point.items())


def _listed(items: Any) -> str:
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:]) or "none"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
