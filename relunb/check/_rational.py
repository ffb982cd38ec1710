"""Adds fractions exactly, over the factors that their denominators share."""

from collections import Counter
from math import comb
from typing import Any

import sympy as sp
from sympy.polys.rings import PolyRing

_TERMS = 200_000  # of a numerator; more would fill the memory


class _TooLong(Exception):
    """A numerator has too many terms."""


def is_zero_fraction(expression: Any) -> bool:
    """Say whether rational arithmetic alone shows that a sum of fractions is zero.

    What is not a sum, a product, a whole power or a rational number counts as a letter of its own. SymPy's ``cancel``
    takes greatest common divisors, which can last for ever with six letters; here none is needed.

    Args:
        expression: a SymPy expression.

    Returns:
        True only if the numerator is the zero polynomial and no denominator is.
    """
    letters = sorted(_letters(expression), key=sp.default_sort_key)
    if not letters:
        return expression == 0
    polynomials: Any = PolyRing(sp.symbols(f"x:{len(letters)}"), sp.QQ)
    try:
        numerator, _ = _fraction(expression, dict(zip(letters, polynomials.gens, strict=True)), polynomials)
    except (_TooLong, ZeroDivisionError):
        return False
    return not numerator


def _letters(expression: Any) -> set[Any]:
    if expression.is_Rational:
        return set()
    if _is_rational_operation(expression):
        return set().union(*map(_letters, expression.args))
    return {expression}


def _is_rational_operation(expression: Any) -> bool:
    return expression.is_Add or expression.is_Mul or (expression.is_Pow and expression.exp.is_Integer)


def _fraction(expression: Any, letters: dict[Any, Any], polynomials: Any) -> tuple[Any, Counter[Any]]:
    """Return the numerator, and how often each factor stands in the denominator."""
    if expression.is_Rational:
        return polynomials(sp.QQ(expression.p, expression.q)), Counter()
    if expression in letters:
        return letters[expression], Counter()
    if expression.is_Pow:
        top, bottom = _fraction(expression.base, letters, polynomials)
        power = abs(int(expression.exp))
        if expression.exp < 0:
            if not top:
                raise ZeroDivisionError
            factor = top.monic()
            top = _product(polynomials(1 / top.LC), bottom)
            bottom = Counter() if factor == 1 else Counter({factor: 1})
        return _power(top, power), Counter({factor: power * times for factor, times in bottom.items()})
    parts = [_fraction(arg, letters, polynomials) for arg in expression.args]
    if expression.is_Mul:
        top, bottom = polynomials(1), Counter()
        for numerator, denominator in parts:
            top, bottom = _times(top, numerator), bottom + denominator
        return top, bottom
    common: Counter[Any] = Counter()
    for _, denominator in parts:
        common |= denominator
    total = polynomials(0)
    for numerator, denominator in parts:
        total += _product(numerator, common - denominator)
    return total, common


def _product(start: Any, factors: Counter[Any]) -> Any:
    for factor, times in factors.items():
        start = _times(start, _power(factor, times))
    return start


def _times(one: Any, other: Any) -> Any:
    if len(one) * len(other) > 10 * _TERMS:
        raise _TooLong
    return one * other


def _power(base: Any, power: int) -> Any:
    if len(base) > 1 and (power > _TERMS or comb(len(base) + power - 1, power) > _TERMS):
        raise _TooLong
    return base**power
