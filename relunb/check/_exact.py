"""Reads what a reader passes as an exact expression, and refuses the rest in plain words."""

from fractions import Fraction
from math import isfinite
from typing import Any

import sympy as sp
from sympy.core.function import FunctionClass
from sympy.logic.boolalg import Boolean

from ._words import depth, words

UNEVALUATED: Any = (sp.Integral, sp.Sum, sp.Product, sp.Limit, sp.Derivative, sp.Subs)
_DEEPEST = 200  # SymPy calls itself for each level, up to five times, and Python allows 1000


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
    if isinstance(value, FunctionClass):
        raise TypeError(f"{name} is the function {value}, not its value: write {value}(x).")
    try:
        expression: Any = sp.sympify(value, strict=True)
    except (ValueError, TypeError, AttributeError):  # SympifyError is a ValueError; a torch tensor raises its own
        kind = type(value).__name__
        raise TypeError(f"{name} must be a SymPy expression, an int or a Fraction; got a {kind}.") from None
    if isinstance(expression, sp.Equality):
        sides = f"{words(expression.lhs)} and {words(expression.rhs)}"
        raise TypeError(f"{name} is an equation: pass its two sides, {sides}.")
    if isinstance(expression, sp.Lambda):
        raise TypeError(f"{name} is a Lambda, a function and not its value: call it with its argument.")
    if isinstance(expression, sp.MatrixBase):
        expression = sp.ImmutableMatrix(expression)
    elif not isinstance(expression, sp.Expr) or (isinstance(expression, sp.MatrixExpr) and not _explicit(expression)):
        kind = type(expression).__name__
        raise TypeError(f"{name} must be a SymPy expression or a matrix with explicit entries; got a {kind}.")
    deep = depth(expression)
    if deep > _DEEPEST:
        raise ValueError(
            f"{name} is nested {deep} deep, and SymPy reads {_DEEPEST} levels safely: put a symbol for an inner part."
        )
    for number in sorted(expression.atoms(sp.Float)):
        raise TypeError(f"{name} holds the float {_float(number)}, and a float is not exact: write {_better(number)}.")
    for node in sp.preorder_traversal(expression):
        _refuse_part(node, name)
    if _is_infinite(expression):
        raise ValueError(f"{name} is not finite: it is {words(expression)}.")
    return expression


def _explicit(expression: Any) -> bool:
    """Whether an unevaluated product, sum, power or inverse is one of matrices with explicit entries."""
    return not expression.atoms(sp.MatrixSymbol) and all(sp.sympify(n).is_Integer for n in expression.shape)


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


def _float(number: Any) -> str:
    short = float(number)
    return str(short) if isfinite(short) and (short or not number) else str(sp.Float(number, 6))


def _better(number: Any) -> str:
    """Return the fraction that a reader may have meant by a float."""
    short = float(number)
    if not isfinite(short) or (not short and number):
        return f"Rational('{sp.Float(number, 6)}')"
    simple = Fraction(short).limit_denominator(1000)
    ratio = simple if float(simple) == short else Fraction(str(short))  # 1/3 in Python, or the digits as typed
    if max(abs(ratio.numerator), ratio.denominator) > 10**40:
        return f"Rational('{short}')"
    if ratio.denominator == 1:
        return str(ratio)
    return f"Rational({ratio.numerator}, {ratio.denominator})"


def _refuse_part(node: Any, name: str) -> None:
    """Refuse what is no number, whatever numbers stand for the symbols."""
    if isinstance(node, sp.Order | sp.AccumBounds):
        raise TypeError(f"{name} holds {words(node)}, which stands for many values.")
    if isinstance(node, sp.Indexed | sp.MatrixSymbol):
        raise TypeError(f"{name} holds {words(node)}: put a symbol for each entry.")
    if isinstance(node, sp.Symbol) and not node.is_commutative:
        raise TypeError(f"{name} holds {node}, which does not commute: identities here are between numbers.")


def _is_infinite(expression: Any) -> bool:
    """Say whether an infinity or an undefined number is a value: a limit of a sum or a set's end may be infinite."""
    if expression in (sp.nan, sp.zoo):
        return True
    if expression in (sp.oo, -sp.oo):
        return True
    if isinstance(expression, UNEVALUATED):
        return _is_infinite(expression.args[0])
    if isinstance(expression, Boolean):
        return expression.has(sp.nan, sp.zoo)
    return any(map(_is_infinite, expression.args))
