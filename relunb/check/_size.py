"""How much work an expression makes, told before it starts: a long call into compiled code cannot be stopped."""

from math import comb, inf, log2
from typing import Any

import sympy as sp

_TERMS = 5_000  # of a sum that is worth expanding
BITS = 100_000  # of a number that is worth computing exactly
_SPECIAL = "sympy.functions.special."
_GROWING = ("sympy.functions.combinatorial", *(_SPECIAL + n for n in ("gamma", "zeta", "beta", "polynomials")))


def expanded(expression: Any) -> Any:
    """Return ``expand(expression)``, or the expression as it is where that has too many terms."""
    return sp.expand(expression) if _terms(expression) <= _TERMS else expression


def size_at(expression: Any, point: dict[Any, Any]) -> tuple[float, float]:
    """Bound the size of the value at a point.

    Args:
        expression: the expression.
        point: an exact number for each of its symbols.

    Returns:
        The bits of the exact value, and the logarithm of its modulus to base 2; infinity for what is too much.
    """
    value = point.get(expression, expression)
    if value.is_Rational:
        p, q = abs(value.p), value.q
        return p.bit_length() + q.bit_length(), log2(p) - log2(q) if p else 0.0
    args: Any = value.args
    if not args:
        return 2, 2
    if value is not expression:  # an irrational point
        point = {}
    inside = [size_at(arg, point) for arg in args]
    bits, top = sum(b for b, _ in inside), max(t for _, t in inside)
    if value.is_Add:
        return bits, top + log2(len(args))
    if value.is_Mul:
        return bits, sum(t for _, t in inside)
    if value.is_Pow and not isinstance(value, sp.exp):
        if point.get(args[0], args[0]) in (0, 1, -1):
            return bits, 1
        power = _power(inside[1][1])
        rational = all(point.get(symbol, symbol).is_Rational for symbol in args[1].free_symbols)
        return (inside[0][0] * power if rational else bits), max(inside[0]) * power
    if top > BITS:  # its digits after the binary point need all those before it
        return inf, inf
    if isinstance(value, sp.exp):
        return bits, 1.45 * _power(top)
    if type(value).__module__.startswith(_GROWING):
        grown = max(1, top) * _power(top)
        return bits + grown, max(1, top) + grown
    return bits, max(1, top)


def _power(top: float) -> float:
    """Return a bound on a number with so many bits before its binary point."""
    return 2.0**top if top < 1000 else inf


def _terms(expression: Any) -> float:
    """Return how many terms ``expand`` makes, at most."""
    args: Any = expression.args
    if not args:
        return 1
    inside = [_terms(arg) for arg in args]
    if expression.is_Add:
        return sum(inside)
    if expression.is_Mul:
        product = 1.0
        for count in inside:
            product *= count
        return product
    if expression.is_Pow and args[1].is_Integer and inside[0] > 1:
        count, power = inside[0], abs(int(args[1]))
        if count > _TERMS or power > _TERMS:
            return inf
        return float(min(comb(int(count) + power - 1, power), 10**9))
    return max(1, *(count if count > _TERMS else 1 for count in inside))
