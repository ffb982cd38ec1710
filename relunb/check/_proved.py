"""A proved identity, as a notebook typesets it and as print writes it."""

import re
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from ._words import written

ZERO, PIECES = "simplified to zero", "equal on every piece"
_WIDE = 64  # letters of both sides: beyond this the page of a phone has no room for one line
_LINE = 110  # letters of a printed line


@dataclass(frozen=True, repr=False)
class Proved:
    """Two sides that :func:`identity` has proved equal, as the author wrote them. A notebook typesets it.

    Attributes:
        lhs, rhs: the two sides, not simplified.
        conditions: where the identity holds: inequalities between a symbol and a number.
        how: "simplified to zero", or "equal on every piece" of a piecewise expression.
        name: the author's words in place of the two sides; empty where there are none.

    Example:
        >>> from sympy import Symbol
        >>> from relunb.check import identity
        >>> x = Symbol("x", real=True)
        >>> proved = identity((x + 1) ** 2, x**2 + 2 * x + 1)
        >>> proved.how, proved.lhs
        ('simplified to zero', (x + 1)**2)
    """

    lhs: Any
    rhs: Any
    conditions: tuple[Any, ...] = field(default=())
    how: str = ZERO
    name: str = ""

    def __repr__(self) -> str:
        claim = self.name or f"{written(self.lhs)} = {written(self.rhs)}"
        if self.conditions:
            claim += ", for " + ", ".join(map(written, self.conditions))
        line = f"{claim}: proved, {self.how}"
        return line if self.name or len(line) <= _LINE else _broken(line)

    def _repr_latex_(self) -> str | None:
        try:
            return self._typeset()
        except (ValueError, RecursionError):  # numbers of thousands of digits; the printed line shortens them
            return None

    def _typeset(self) -> str:
        proved = rf"{{\color{{gray}}\small\text{{proved, {self.how}}}}}"
        where = rf"\text{{for }}{', '.join(map(typeset, self.conditions))}\text{{:}}" if self.conditions else ""
        end = rf"{where}\quad {proved}" if where else proved
        if self.name:
            return rf"$\displaystyle \text{{{_as_text(self.name)}:}}\quad {end}$"
        if len(f"{written(self.lhs)}{written(self.rhs)}") <= _WIDE:
            return rf"$\displaystyle {typeset(self.lhs)} = {typeset(self.rhs)}\qquad {end}$"
        first, *more = _rows(self.rhs)
        rows = [rf"&\phantom{{=}}\;{row}" for row in _rows(self.lhs)] + [rf"&= {first}"]
        rows += [rf"&\phantom{{=}}\;{row}" for row in more]
        rows += [rf"&\qquad {row}" for row in (where, proved) if row]
        return "$$\\begin{aligned}\n" + " \\\\[4pt]\n".join(rows) + "\n\\end{aligned}$$"


def _as_text(name: str) -> str:
    """A name inside of TeX's text; formulas between dollars stay formulas."""
    return re.sub(r"(?<!\\)([%#&])", r"\\\1", name)


def typeset(expression: Any) -> str:
    """As on paper: sin x, and a short factor before a long one in place of a tall fraction."""
    fold = isinstance(expression, sp.Basic) and not expression.has(AppliedUndef)  # f(x) keeps its brackets
    return sp.latex(expression, fold_func_brackets=fold, long_frac_ratio=2).replace(r"\int\limits", r"\int")


def _rows(side: Any) -> list[str]:
    """A side in TeX; a long sum in several rows."""
    terms = side.as_ordered_terms() if isinstance(side, sp.Add) else [side]
    rows, letters = [""], 0
    for term in terms:
        tex, size = typeset(term), len(written(term))
        if letters and letters + size > _WIDE:
            rows.append("")
            letters = 0
        signed = tex if tex.startswith("-") or not any(rows) else f"+ {tex}"
        rows[-1] += signed if not rows[-1] else f" {signed}"
        letters += size
    return rows


def _broken(line: str) -> str:
    """A long line, broken before an equals sign, between terms, or after a colon."""
    lines, rest = [], line
    while len(rest) > _LINE:
        cut = max([rest.rfind(mark, 20, _LINE) for mark in (" = ", " + ", " - ")] + [rest.rfind(": ", 20, _LINE) + 1])
        cut = cut if cut > 0 else rest.rfind(" ", 20, _LINE)
        if cut <= 0:
            break
        lines.append(rest[:cut])
        rest = "    " + rest[cut + 1 :]
    return "\n".join([*lines, rest])
