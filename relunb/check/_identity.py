"""Proves that two SymPy expressions are equal, or says where they are not."""

from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.core.facts import InconsistentAssumptions

from ._exact import exact, same_names
from ._pieces import SWITCHES, Domains, Point, allowed, switch_gaps, unproved, value_at

_DIGITS = 25  # two sides agree at a point when they agree to this many digits
_POINTS = 24  # sample points in the search for a counterexample
_LONG = 100  # operations: beyond this SymPy's simplify can take minutes, too long for the sake of a message
_UNEVALUATED: Any = (sp.Integral, sp.Sum, sp.Product, sp.Limit, sp.Derivative, sp.Subs)
_REAL = [sp.Rational(n) for n in "1/3 -2/7 9/4 -7/5 0 3 -5 1 -1 2 -2 10 -12 22/7 1/97 -1/97 100 -101 17/2".split()]
_COMPLEX = [sp.I, 1 + 2 * sp.I, sp.I / 3 - sp.Rational(1, 2), -2 * sp.I]


class NotEqual(AssertionError):
    """The two sides differ; the message names a point where they do."""


class NotProved(AssertionError):
    """The two sides could be neither proved equal nor told apart."""


def identity(lhs: object, rhs: object, *, assume: object = None) -> None:
    """Prove ``lhs = rhs`` wherever both sides are defined, and print one line; raise otherwise.

    Numbers only refute. A line is printed when algebra shows that the difference is zero, or when it shows so on
    every piece of a piecewise expression in a real variable, and at every point between two pieces.

    Example: with ``x = Symbol('x', real=True)``, ``identity(Max(x, 0) - Max(-x, 0), x)`` prints
    ``holds: -Max(0, -x) + Max(0, x) = x``.

    Args:
        lhs: a SymPy expression, an int, a Fraction, or a SymPy matrix (compared entry by entry).
        rhs: the same, and of the same shape.
        assume: where the claim is made: an inequality between a symbol and a number, such as ``u <= 2``, or a list
            of these. It makes the symbol real, and positive or negative where the bound says so.

    Raises:
        NotEqual: the sides differ; the message gives the difference and a point.
        NotProved: neither a proof nor a counterexample was found.
        TypeError: a side is not an exact expression, or ``assume`` is not made of inequalities.
        ValueError: the shapes differ, a symbol must first be declared real, or ``assume`` cannot be used.

    Source: no paper; the book's own tool.
    """
    left, right = exact(lhs, "lhs"), exact(rhs, "rhs")
    shape = getattr(left, "shape", None)
    if shape != getattr(right, "shape", None):
        raise ValueError(f"lhs is {_kind(left)} and rhs is {_kind(right)}: give two sides of the same shape.")
    conditions = _conditions(assume)
    stronger, domains = _domains(left.free_symbols | right.free_symbols, conditions)
    pairs = zip(left, right, strict=True) if shape else [(left, right)]
    for index, (one, other) in enumerate(pairs):
        entry = f"entry {list(divmod(index, shape[1]))}: " if shape else ""
        _settle(one.xreplace(stronger), other.xreplace(stronger), domains, entry)
    where = ", for " + ", ".join(str(condition) for condition in conditions) if conditions else ""
    print(f"holds: {_shortened(left)} = {_shortened(right)}{where}")


def _settle(lhs: Any, rhs: Any, domains: Domains, entry: str) -> None:
    """Return if ``lhs = rhs`` is proved on ``domains``; raise otherwise."""
    difference = lhs - rhs
    if sp.expand(difference) == 0:
        return
    if difference.has(*_UNEVALUATED):
        raise NotProved(f"{entry}not proved: {difference} holds an unevaluated operation. Call .doit() on it first.")
    _require_real(difference)
    samples = _samples(domains)
    agreed = _refute(lhs, rhs, samples, entry)
    doubtful = unproved(difference, domains)
    if not doubtful:
        return
    # A piece where the proof failed may be one that the sample points have missed.
    closer = ({**sample, **point} for point in doubtful if point for sample in samples[:6])
    _refute(lhs, rhs, (p for p in closer if all(allowed(symbol, p[symbol]) for symbol in p)), entry)
    simplified = _simplified(difference)
    if simplified == 0:
        return
    raise NotProved(
        f"{entry}not proved, and not refuted. lhs - rhs simplifies to {simplified}. "
        f"The two sides agree to {_DIGITS} digits at {agreed} sample points, which proves nothing. "
        "Add assume=, such as assume=a > 0, or rewrite one side."
    )


# ---- what the reader assumes


def _conditions(assume: object) -> list[Any]:
    """Return the inequalities in ``assume``, each turned to have its symbol on the left."""
    conditions: list[Any] = []
    for given in assume if isinstance(assume, list | tuple) else [] if assume is None else [assume]:
        if isinstance(given, bool | type(sp.true) | type(sp.false)):
            raise ValueError(f"assume is {given} by the way its symbol is declared: leave it out, or declare it anew.")
        if not isinstance(given, sp.Lt | sp.Le | sp.Gt | sp.Ge):
            raise TypeError(f"assume must be an inequality such as u <= 2, or a list of these; got {given!r}.")
        condition: Any = given if isinstance(given.lhs, sp.Symbol) else given.reversed
        if not isinstance(condition.lhs, sp.Symbol) or condition.rhs.free_symbols:
            raise ValueError(f"assume must compare one symbol with one number, such as u <= 2; got {given}.")
        exact(condition.rhs, f"the bound in assume={given}")
        conditions.append(condition)
    return conditions


def _domains(symbols: set[Any], conditions: list[Any]) -> tuple[dict[Any, Any], Domains]:
    """Return the symbols with the assumptions that ``conditions`` imply, and the interval that each one lives in."""
    named = {condition.lhs for condition in conditions}
    same_names(symbols | named)
    if named - symbols:
        raise ValueError(f"assume speaks of {min(named - symbols, key=str)}, which neither side contains.")
    stronger, domains = {}, {}
    for symbol in sorted(symbols, key=str):
        interval: Any = _declared(symbol)
        for condition in conditions:
            if condition.lhs == symbol:
                interval &= _interval(condition)
        if not isinstance(interval, sp.Interval):
            raise ValueError(f"assume leaves {symbol} no interval to live in, only {interval}.")
        facts = dict(symbol.assumptions0)
        if symbol in named:
            facts |= {"real": True, **_sign_of(interval)}
        try:
            stronger[symbol] = sp.Symbol(symbol.name, **facts)
        except InconsistentAssumptions:
            raise ValueError(f"assume contradicts the way {symbol} is declared.") from None
        domains[stronger[symbol]] = interval
    return stronger, domains


def _declared(symbol: Any) -> Any:
    """Return the interval that a symbol's own declaration puts it in; ``allowed`` says whether 0 belongs to it."""
    if symbol.is_nonnegative:
        return sp.Interval(0, sp.oo)
    if symbol.is_nonpositive:
        return sp.Interval(-sp.oo, 0)
    return sp.Interval(-sp.oo, sp.oo)


def _interval(condition: Any) -> Any:
    strict = isinstance(condition, sp.Lt | sp.Gt)
    if isinstance(condition, sp.Gt | sp.Ge):
        return sp.Interval(condition.rhs, sp.oo, left_open=strict)
    return sp.Interval(-sp.oo, condition.rhs, right_open=strict)


def _sign_of(interval: Any) -> dict[str, bool]:
    if interval.start >= 0:
        return {"nonnegative" if 0 in interval else "positive": True}
    if interval.end <= 0:
        return {"nonpositive" if 0 in interval else "negative": True}
    return {}


def _require_real(difference: Any) -> None:
    """Refuse a symbol that may be complex where its order or its sign matters."""
    for node in sp.ordered(difference.atoms(*SWITCHES)):
        for symbol in sp.ordered({symbol for gap in switch_gaps(node) for symbol in gap.free_symbols}):
            complex_by_choice = isinstance(node, sp.Abs | sp.sign) and symbol.is_complex
            if not symbol.is_extended_real and not complex_by_choice:
                name = type(node).__name__
                raise ValueError(f"{symbol} stands in {name} and may be complex: write Symbol('{symbol}', real=True).")


# ---- the search for a counterexample


def _samples(domains: Domains) -> list[Point]:
    """Return exact points of the domain, the same ones on every machine."""
    choices = []
    for symbol, domain in sorted(domains.items(), key=str):
        start, end = domain.start, domain.end
        values = _REAL[:8] + _COMPLEX + _REAL[8:]
        if start.is_finite and end.is_finite:
            values = [start + (end - start) * k / 7 for k in range(8)] + values
        elif start.is_finite or end.is_finite:
            values = [start + abs(n) if start.is_finite else end - abs(n) for n in _REAL] + values
        values = [value for value in dict.fromkeys(values) if not symbol.is_extended_real or value in domain]
        choices.append((symbol, [value for value in values if allowed(symbol, value)]))
    points = {}
    for k in range(_POINTS if all(values for _, values in choices) else 0):
        # Each symbol walks its list with a stride of its own, so that no two stay in step.
        point = {symbol: values[k * (2 * j + 1) % len(values)] for j, (symbol, values) in enumerate(choices)}
        points[tuple(point.values())] = point
    return list(points.values())


def _refute(lhs: Any, rhs: Any, points: Iterable[Point], entry: str) -> int:
    """Raise at the first point where the sides differ; return at how many they agree."""
    agreed = 0
    for point in points:
        left, right = value_at(lhs, point), value_at(rhs, point)
        gap = left - right
        size = abs(sp.N(gap, 30))
        scale = 1 + abs(sp.N(left, 30)) + abs(sp.N(right, 30))
        if not all(number.is_Number and number.is_finite for number in (size, scale)):
            continue  # a side has no value here
        if gap == 0 or (size < scale * sp.Float(10) ** -_DIGITS and not gap.is_Rational):
            agreed += 1
        elif abs(abs(sp.N(gap, 60)) - size) < size / 1000:  # not what rounding leaves of an exact zero
            where = ", ".join(f"{symbol} = {value}" for symbol, value in sorted(point.items(), key=str))
            raise NotEqual(
                f"{entry}not equal: {f'at {where} ' if where else ''}lhs is {_number(left)} and rhs is "
                f"{_number(right)}. lhs - rhs simplifies to {_simplified(lhs - rhs)}."
            )
    return agreed


# ---- words


def _kind(side: Any) -> str:
    return f"a {side.rows} by {side.cols} matrix" if hasattr(side, "shape") else "a single expression"


def _simplified(difference: Any) -> Any:
    forms = [difference, sp.expand(difference)]
    if sp.count_ops(difference) <= _LONG:
        forms.append(sp.simplify(difference))
    return min(forms, key=sp.count_ops)


def _number(value: Any) -> str:
    return str(value) if value.is_Rational and len(str(value)) <= 20 else str(sp.N(value, 15))


def _shortened(expression: Any) -> str:
    text = str(expression)
    return text if len(text) <= 60 else text[:57] + "..."
