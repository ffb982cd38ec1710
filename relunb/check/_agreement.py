"""Does a torch function compute the expression that was derived for it?"""

from collections.abc import Callable, Iterator, Mapping, Set
from math import isfinite
from typing import Any, NamedTuple

import mpmath
import sympy as sp
import torch
from sympy.core.function import AppliedUndef

from ._exact import exact, same_names
from ._words import words

_DIGITS = 50  # working digits: the step below must show beside any point
_STEP = "1e-30"  # how far to each side of a point, relative to max(1, |point|), a derivative is taken
_KINK = "1e-15"  # one-sided derivatives further apart than this, relative, make a kink

# With whole powers of these, a function has one derivative at each point.
_SMOOTH: Any = (sp.Add, sp.Mul, sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.atan, sp.erf)

# Allowed error, in units of eps * max(1, |expected|).
_ALLOWED = {
    torch.float64: 16,  # computed in its own precision: some ten roundings of eps/2, a few times a slope of about 3
    torch.float32: 16,  # the same
    torch.bfloat16: 4,  # computed in float32; the input rounded once, eps/2 * |x f'(x)|, and the result once, eps/2
    torch.float16: 4,  # the same
}


class Disagreement(AssertionError):
    """A torch function and the expression differ; the message says in what, and where.

    Example:
        >>> import torch
        >>> from sympy import Symbol
        >>> x = Symbol("x", real=True)
        >>> try:
        ...     agreement(x, torch.relu, at={x: [-1, 2]})
        ... except Disagreement as error:
        ...     print(error)
        the value in float64 on cpu at x = -1.0: expected -1.0, got 0.0; allowed error 3.6e-15.
    """


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
    A point takes about a tenth of a millisecond for each value and each derivative.

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

    Example:
        >>> import torch
        >>> from sympy import Max, Symbol
        >>> x = Symbol("x", real=True)
        >>> agreement(Max(x, 0), torch.relu, at={x: [-1, 0, 2]})
        agrees: values and d/dx at 3 points, 1 kink left to its convention, in float64, float32, bfloat16, float16

    Source: no paper; the book's own tool.
    """
    formula = exact(expression, "expression")
    if isinstance(formula, sp.MatrixBase):
        raise TypeError("expression is a matrix: compare one entry at a time.")
    _refuse_unknown(formula)
    if not callable(function):
        raise TypeError(f"function must be callable with one tensor a symbol; got a {type(function).__name__}.")
    columns = _columns(formula, at)
    symbols = list(columns)
    chosen = symbols if wrt is None else list(wrt) if isinstance(wrt, list | tuple) else [wrt]
    for symbol in chosen:
        if not isinstance(symbol, sp.Symbol):
            raise TypeError(
                f"wrt must be a symbol, or a list of symbols; got the {type(symbol).__name__} {symbol!r:.60}."
            )
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
            with torch.inference_mode(False), torch.enable_grad():
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
    columns = {symbol: _numbers(f"at[{symbol}]", numbers) for symbol, numbers in at.items()}
    lengths = {symbol: len(numbers) for symbol, numbers in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        counts = ", ".join(f"{symbol} has {length}" for symbol, length in lengths.items())
        raise ValueError(f"at must give every symbol the same number of points, at least one: {counts}.")
    return columns


def _numbers(name: str, given: Any) -> list[float]:
    """Return the numbers of one symbol as floats."""
    try:
        listed = given.tolist() if hasattr(given, "tolist") else given
        if isinstance(listed, str | bytes | Mapping | Set) or any(isinstance(number, str | bytes) for number in listed):
            raise TypeError
        numbers = [float(number) for number in listed]
    except OverflowError:
        raise ValueError(f"{name} has a number that is too large for float64.") from None
    except (TypeError, ValueError, RuntimeError):  # a tensor without values raises the last
        raise ValueError(f"{name} must be a flat sequence of real numbers.") from None
    if not all(map(isfinite, numbers)):
        raise ValueError(f"{name} has a number that is not finite.")
    return numbers


def _rounded(columns: dict[Any, list[float]], dtype: torch.dtype) -> list[torch.Tensor]:
    tensors = []
    for symbol, numbers in columns.items():
        tensors.append(torch.tensor(numbers, dtype=torch.float64, device="cpu").to(dtype))
        for number, kept in zip(numbers, tensors[-1].tolist(), strict=True):
            if not isfinite(kept):
                raise ValueError(f"{symbol} = {number} is too large for {_limit(dtype)}: choose smaller points.")
    return tensors


# ---- what the expression says


def _refuse_unknown(formula: Any) -> None:
    """Refuse what mpmath has no numbers for."""
    for node in sp.ordered(formula.atoms(AppliedUndef, sp.Sum, sp.Product, sp.Limit)):
        if isinstance(node, AppliedUndef):
            raise ValueError(f"expression holds {words(node)}, and {node.func} has no definition.")
        if isinstance(node, sp.Limit) or node.has(sp.oo, -sp.oo):
            raise ValueError(f"expression holds the unevaluated {words(node)}: call .doit() on it first.")


def _values(formula: Any, symbols: list[Any], points: list[dict[Any, float]], dtype: torch.dtype) -> _Expected:
    evaluate = _evaluator(formula, symbols)
    values = _once(lambda point: _evaluate(evaluate, point, 0, None, "the expression", dtype), points)
    return _Expected("the value", values, values)


def _derivatives(
    formula: Any, symbols: list[Any], symbol: Any, points: list[dict[Any, float]], dtype: torch.dtype
) -> _Expected:
    """Return the interval between the two one-sided derivatives at each point."""
    real = {s: sp.Symbol(s.name, real=True) for s in symbols if not s.is_extended_real}  # else d|x|/dx stays undone
    name = f"d/d{symbol}"
    steps = {node: sp.Dummy(real=True) for node in formula.atoms(sp.floor, sp.ceiling)}  # flat between their jumps
    slope = sp.diff(formula.xreplace(steps).xreplace(real), real.get(symbol, symbol))
    slope = slope.xreplace({flat: node.xreplace(real) for node, flat in steps.items()})
    evaluate = _evaluator(slope, [real.get(s, s) for s in symbols])
    smooth = all(map(_is_smooth, sp.preorder_traversal(formula)))

    def sides(point: dict[Any, float]) -> tuple[Any, Any]:
        if smooth:
            value = _evaluate(evaluate, point, 0, None, name, dtype)
            return value, value
        step = mpmath.mpf(_STEP) * max(1, abs(point[symbol]))
        left, right = (_evaluate(evaluate, point, shift, symbol, name, dtype) for shift in (-step, step))
        if abs(right - left) <= mpmath.mpf(_KINK) * max(1, abs(left)):
            right = left
        return min(left, right), max(left, right)

    both = _once(sides, points)
    return _Expected(name, [low for low, _ in both], [high for _, high in both])


def _is_smooth(node: Any) -> bool:
    whole = node.is_Pow and node.args[1].is_Integer
    return not node.args or whole or isinstance(node, _SMOOTH)


def _once(compute: Callable[[dict[Any, float]], Any], points: list[dict[Any, float]]) -> list[Any]:
    """Compute equal points once: 20,000 points are few in bfloat16."""
    known: dict[Any, Any] = {}
    for point in points:
        key = tuple(point.values())
        if key not in known:
            known[key] = compute(point)
    return [known[tuple(point.values())] for point in points]


def _evaluator(formula: Any, symbols: list[Any]) -> Callable[..., Any]:
    # A jump has no derivative; off the jump its DiracDelta is zero, and mpmath has no such function.
    try:
        return sp.lambdify(symbols, formula, modules=[{"DiracDelta": lambda *_: mpmath.mpf(0)}, "mpmath"], cse=True)
    except Exception:  # SymPy's printer raises errors of many types on what it cannot write
        raise ValueError(f"mpmath has no numbers for {words(formula)}.") from None


def _evaluate(
    evaluate: Callable[..., Any], point: dict[Any, float], shift: Any, shifted: Any, what: str, dtype: torch.dtype
) -> Any:
    """Return the value at a point, with one symbol shifted from it."""
    try:
        value = evaluate(
            *(mpmath.mpf(x) + shift if symbol is shifted else mpmath.mpf(x) for symbol, x in point.items())
        )
        value = mpmath.mpmathify(value)
    except NameError as error:
        raise ValueError(f"mpmath has no function {error.name}, which {what} needs.") from None
    except (ArithmeticError, ValueError, TypeError, NotImplementedError, RecursionError, AttributeError):
        value = mpmath.nan  # a pole, an order between complex numbers, a series that does not converge
    if not isinstance(value, mpmath.mpf):
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
    output = function(*(tensor.clone() for tensor in inputs))  # it may work in place
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
        if abs(got - float(low)) < unit / 2:  # most points, without the cost of many digits
            continue
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
