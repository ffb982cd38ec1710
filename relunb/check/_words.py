"""Expressions in messages: short, and never the cause of an error themselves."""

from typing import Any

import mpmath
from sympy.printing.str import StrPrinter

_LONGEST = 300  # letters of an expression in a message
_DIGITS = 40  # an integer with more digits is rounded, where Python refuses to print one: it stops at 4300


class _Printer(StrPrinter):
    """SymPy's own, with long integers rounded."""

    def _print_Integer(self, expr: Any) -> str:
        return _whole(expr.p)

    def _print_Rational(self, expr: Any) -> str:
        return f"{_whole(expr.p)}/{_whole(expr.q)}"


def words(expression: Any, longest: int = _LONGEST) -> str:
    """Write an expression, or its first letters.

    Args:
        expression: a SymPy object.
        longest: letters of the result, at most.
    """
    text = written(expression)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def written(expression: Any) -> str:
    """Write the whole of an expression in one line."""
    try:
        return str(expression).replace("[\n", "[").replace(",\n", ", ")
    except ValueError:
        return _Printer().doprint(expression)
    except RecursionError:
        return f"an expression nested {depth(expression)} deep"


def depth(expression: Any) -> int:
    """Return how deep an expression is nested; a symbol is 1 deep."""
    level, deep = [expression], 0
    while level:
        level = list(dict.fromkeys(arg for node in level for arg in getattr(node, "args", ())))
        deep += 1
    return deep


def _whole(number: int) -> str:
    return str(number) if abs(number) < 10**_DIGITS else str(mpmath.nstr(mpmath.mpf(number), 6))
