"""Reads what a reader passes as an exact expression, and refuses the rest in plain words."""

from fractions import Fraction
from typing import Any

import sympy as sp


def exact(value: object, name: str) -> Any:
    """Turn ``value`` into an exact SymPy expression or explicit matrix.

    Args:
        value: an int, a Fraction, a SymPy expression, or a SymPy matrix with explicit entries.
        name: what to call the value in a message.

    Returns:
        The SymPy expression, or an immutable matrix.

    Raises:
        TypeError: ``value`` is none of these, or holds a float.
        ValueError: ``value`` holds an infinity or an undefined number.
    """
    try:
        expression: Any = sp.sympify(value, strict=True)
    except ValueError:  # SympifyError is one; a torch tensor raises its own
        kind = type(value).__name__
        raise TypeError(f"{name} must be a SymPy expression, an int or a Fraction; got a {kind}.") from None
    if isinstance(expression, sp.Equality):
        raise TypeError(f"{name} is an equation: pass its two sides, {expression.lhs} and {expression.rhs}.")
    if isinstance(expression, sp.MatrixBase):
        expression = sp.ImmutableMatrix(expression)
    elif not isinstance(expression, sp.Expr) or isinstance(expression, sp.MatrixExpr):
        kind = type(expression).__name__
        raise TypeError(f"{name} must be a SymPy expression or a matrix with explicit entries; got a {kind}.")
    for number in sorted(map(float, expression.atoms(sp.Float))):
        ratio = Fraction(str(number))
        better = f"Rational({ratio.numerator}, {ratio.denominator})"
        raise TypeError(f"{name} holds the float {number}, and a float is not exact: write {better}.")
    if expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
        raise ValueError(f"{name} is not finite: it is {expression}.")
    return expression


def same_names(symbols: set[sp.Symbol]) -> None:
    """Refuse two different symbols that print alike.

    Args:
        symbols: every symbol in play.

    Raises:
        ValueError: two of them share a name and differ in what they are declared to be.
    """
    seen: set[str] = set()
    for symbol in sorted(symbols, key=str):
        if symbol.name in seen:
            raise ValueError(f"two different symbols are named {symbol}: declare {symbol} once, and use it throughout.")
        seen.add(symbol.name)
