"""Judges what a reader types as the answer to an exercise.

A question is plain data: a row of a chapter's ``.answers.yml``, and after that of the page's JSON. The browser hands it
to :func:`judge` with the typed text, and so do the tests with the stored solution and the stored wrong answers.

===============  ==================================================================================
``symbols``      by name, SymPy's words for what the symbol is: ``positive``, ``integer positive``
``solution``     the book's answer in SymPy's words: an expression, or a list or ``Matrix`` of them
``assume``       inequalities as texts, as :func:`relunb.check.identity` takes them; may be left out
``tolerance``    where it is given, the answer is a number, and as far from the book's at most
===============  ==================================================================================

SymPy is all that this needs.
"""

import ast
import keyword
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import sympy as sp

from ..check import NotEqual, NotProved, identity
from ..check._exact import exact
from ..check._proved import typeset
from ..check._words import words

# Of computing, for all entries of an answer together at most this long each. A browser computes several times slower.
SECONDS = 40.0 if sys.platform == "emscripten" else 10.0
_LONGEST = 2000  # letters of an answer
_SIGNS = str.maketrans(
    {
        **{"^": "**", "\N{SUPERSCRIPT TWO}": "**2", "\N{SUPERSCRIPT THREE}": "**3"},
        **{"\N{MINUS SIGN}": "-", "\N{MIDDLE DOT}": "*", "\N{MULTIPLICATION SIGN}": "*"},
    }
)
_MEANT = {"e": "E, or exp(x) for its powers", "i": "I", "j": "I", "inf": "oo"}
_NAMES: dict[str, Any] = {
    **{name: getattr(sp, name) for name in sp.__all__},
    **{"sp": sp, "sympy": sp, "abs": sp.Abs, "max": sp.Max, "min": sp.Min, "\N{GREEK SMALL LETTER PI}": sp.pi},
}
_PARTS: Any = (
    *(ast.Expression, ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop, ast.Constant),
    *(ast.Name, ast.Load, ast.Call, ast.keyword, ast.Attribute, ast.List, ast.Tuple, ast.Subscript),
)
# 2a and 2(a + 1), but not 1e5 and h3; (a + 1)(b + 1); a b
_NO_TIMES = re.compile(r"(?<![\w.])\d+\.?\d*(?![eE][+-]?\d)(?=\s*[A-Za-z_(])|\)(?=\s*[\w(])|\w(?=\s+\w)")
_EQUALS = re.compile(r"(?<![<>!=])==?(?!=)")
_FOUND = re.compile(
    r"not equal: (?:at (?P<point>.*) )?lhs is (?P<mine>.*) and rhs is (?P<theirs>.*?)\. lhs - rhs ", re.S
)


class _Unreadable(ValueError):
    """What was typed is no answer; the message tells the reader why."""


def judge(question: Mapping[str, Any], typed: str) -> dict[str, str]:
    """Compare a typed answer with the book's.

    Args:
        question: its ``symbols``, ``solution`` and, where it has them, ``assume`` and ``tolerance``, as above.
        typed: one expression in SymPy's words. ``^`` is a power, ``1/3`` and ``0.5`` are exact fractions.

    Returns:
        Three texts. ``verdict`` is "proved"; "close" for a number within the tolerance; "differs"; "unproved", where
        neither a proof nor a counterexample was found; or "unreadable". ``message`` says so in a sentence or two,
        with a point where the two differ. ``latex`` is the typed answer, empty where it could not be read.

    Raises:
        TypeError: ``question`` is no mapping, or ``typed`` no text.
        ValueError: the question itself cannot be used.

    Example:
        >>> question = {"symbols": {"a": "positive"}, "solution": "a/pi"}
        >>> judge(question, "2a/(2*pi)")["message"]
        'Write the times sign: 2*a.'
        >>> judge(question, "2*a/(2*pi)")["verdict"]
        'proved'

    Source: no paper; the book's own tool.
    """
    if not isinstance(question, Mapping):
        raise TypeError(f"question must be a mapping, with its solution; got {question!r:.60}.")
    if not isinstance(typed, str):
        raise TypeError(f"typed must be a text; got {typed!r:.60}.")
    if not isinstance(question.get("solution"), str):
        raise ValueError(f"the question cannot be used: its solution is {question.get('solution')!r:.60}, and no text.")
    tolerance = question.get("tolerance")
    if tolerance is not None and not isinstance(tolerance, int | float):
        raise ValueError(f"the question cannot be used: its tolerance is {tolerance!r:.60}, and no number.")
    symbols = {name: _symbol(name, facts) for name, facts in question.get("symbols", {}).items()}
    try:
        theirs = _read(question["solution"], symbols)
        assume = [_read(text, symbols) for text in question.get("assume", [])]
    except _Unreadable as error:
        raise ValueError(f"the question cannot be used: {error}") from None
    try:
        mine = _read(typed, symbols)
        parts = _pairs(mine, theirs)
        latex = _typeset(mine)
    except _Unreadable as error:
        return {"verdict": "unreadable", "message": str(error), "latex": ""}
    for place, one, other in parts:
        if tolerance is not None:
            verdict, message = _near(one, other, tolerance)
        else:
            verdict, message = _same(one, other, assume)
        if verdict not in ("proved", "close"):
            if verdict == "differs" and tolerance is None and re.search(r"\d\.\d|\.\d", typed):
                message += " A decimal number is taken as it stands: an exact answer has fractions, pi or sqrt."
            return {"verdict": verdict, "message": f"{place}{message}", "latex": latex}
    return {"verdict": verdict, "message": message, "latex": latex}


def _symbol(name: str, facts: str) -> Any:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"the question cannot be used: nobody can type the symbol {name!r} in Python.")
    for fact in facts.split():
        if not hasattr(sp.Symbol, f"is_{fact}"):
            raise ValueError(f"the question cannot be used: `{fact}` is no assumption that SymPy knows.")
    return sp.Symbol(name, **dict.fromkeys(facts.split(), True))


# ---- from a text to SymPy


def _read(typed: str, symbols: dict[str, Any]) -> Any:
    """Evaluate one expression: names of ``symbols`` and of SymPy, no statement, no text in quotes."""
    text = " ".join(typed.translate(_SIGNS).split())
    there = (
        f"the names here are {', '.join([*symbols, 'and those of SymPy'])}" if symbols else "SymPy's names are known"
    )
    _refuse_slips(text, symbols, there)
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        rest = text[error.offset - 1 :][:40] if error.offset else ""
        if "never closed" in error.msg:
            raise _Unreadable(f"This bracket is never closed: `{rest}`.") from None
        raise _Unreadable(
            f"This cannot be read from `{rest}` on." if rest else "Something is missing at the end."
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise _Unreadable("This cannot be read: it is nested too deep, or holds a sign that is none.") from None
    _refuse_parts(tree, symbols, there)
    tree = ast.fix_missing_locations(_Exact().visit(tree))
    scope = {**_NAMES, **symbols, "_Rational": sp.Rational, "__builtins__": {}}
    try:
        return eval(compile(tree, "<answer>", "eval"), scope)
    except Exception as error:  # SymPy raises errors of many types
        raise _Unreadable(f"SymPy cannot compute this: {words(error, 200)}") from None


def _refuse_slips(text: str, symbols: dict[str, Any], there: str) -> None:
    """What a hand writes on paper and Python reads otherwise, or not at all."""
    if not text:
        raise _Unreadable("There is nothing yet: type an expression.")
    if len(text) > _LONGEST:
        raise _Unreadable(f"This is longer than {_LONGEST} letters: the answer is short.")
    if "'" in text or '"' in text:
        raise _Unreadable("Leave out the quotes: type the expression itself.")
    if "|" in text:
        raise _Unreadable("Write Abs(x) for the absolute value of x.")
    if any(not _inside_brackets(text, found.start()) for found in _EQUALS.finditer(text)):
        raise _Unreadable("This is an equation: type only what stands on its right side.")
    for name in re.findall(r"[^\W\d]\w*", text):
        if keyword.iskeyword(name) and name not in ("True", "False"):
            raise _Unreadable(f"`{name}` is a word of Python's own: {there}.")
    if missing := _NO_TIMES.search(text):
        end = missing.end()
        left, right = (re.findall(r"[\w.]*\)?$", text[:end])[0], re.findall(r"^\w+|^\(", text[end:].lstrip())[0])
        if left not in symbols and not isinstance(_NAMES.get(left, sp.S.One), sp.Basic):
            raise _Unreadable(f"Put brackets around what a function is of: {left}({right}).")
        raise _Unreadable(f"Write the times sign: {left}*{right}.")


def _inside_brackets(text: str, place: int) -> bool:
    """Whether an equals sign may be that of an option, as in ``Sum(..., evaluate=False)``."""
    return sum(text[:place].count(sign) for sign in "([") > sum(text[:place].count(sign) for sign in ")]")


def _refuse_parts(tree: ast.AST, symbols: dict[str, Any], there: str) -> None:
    """Refuse what is more than an expression, and names that nothing has."""
    nodes = list(ast.walk(tree))
    used = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    used |= {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        odd = isinstance(node, ast.Constant) and not isinstance(node.value, int | float)
        if odd or not isinstance(node, _PARTS):
            raise _Unreadable("Type one expression: sums, products, powers and SymPy's functions.")
        if isinstance(node, ast.Attribute):
            of_sympy = isinstance(node.value, ast.Name) and _NAMES.get(node.value.id) is sp
            if node.attr.startswith("_") or (of_sympy and node.attr not in sp.__all__):
                raise _Unreadable(f"`{node.attr}` is no name of SymPy's for an expression.")
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Name | ast.Attribute):
            raise _Unreadable("Write the times sign between two brackets: (a + 1)*(a + 2).")
        if not isinstance(node, ast.Name):
            continue
        if node.id not in symbols and node.id not in _NAMES:
            near = get_close_matches(node.id, [*symbols, *_NAMES], n=1) if len(node.id) > 2 else []
            near = [_MEANT[node.id]] if node.id in _MEANT else near
            meant = f" Did you mean {near[0]}?" if near else ""
            raise _Unreadable(f"`{node.id}` means nothing here: {there}.{meant}")
        value = symbols.get(node.id, _NAMES.get(node.id))
        if isinstance(value, sp.Symbol) and any(isinstance(call, ast.Call) and call.func is node for call in nodes):
            raise _Unreadable(f"`{node.id}` is a symbol and no function: write {node.id}*(...) for a product.")
        if not isinstance(value, sp.Basic) and id(node) not in used:
            raise _Unreadable(
                f"`{node.id}` is a function of SymPy's: write {node.id}(...), or use other names; {there}."
            )


class _Exact(ast.NodeTransformer):
    """Makes each number a fraction: in Python 1/3 is rounded."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            return node
        return ast.Call(ast.Name("_Rational", ast.Load()), [ast.Constant(repr(node.value))], [])


# ---- from SymPy to a verdict


def _typeset(answer: Any) -> str:
    try:
        return typeset(answer) if isinstance(answer, sp.Basic | sp.MatrixBase) else sp.latex(answer)
    except ValueError:  # Python does not print an integer of thousands of digits
        return ""


def _pairs(mine: Any, theirs: Any) -> list[tuple[str, Any, Any]]:
    """The entries of the two answers side by side, each with words for its place."""
    one, other = _form(mine), _form(theirs)
    if one != other:
        raise _Unreadable(f"The answer is {other}; you typed {one}.")
    if isinstance(theirs, sp.MatrixBase):
        grid = [(row, column) for row in range(1, theirs.rows + 1) for column in range(1, theirs.cols + 1)]
        places = [f"Row {row}, column {column}: " for row, column in grid]
        mine, theirs = mine.flat(), theirs.flat()
    elif isinstance(theirs, list | tuple | sp.Tuple):
        places = [f"Entry {number}: " for number in range(1, len(theirs) + 1)]
    else:
        places, mine, theirs = [""], [mine], [theirs]
    return [(place, _entry(m), _entry(t)) for place, m, t in zip(places, mine, theirs, strict=True)]


def _form(value: Any) -> str:
    if isinstance(value, list | tuple | sp.Tuple):
        return f"a list of {len(value)}, as in [1, 2]"
    if isinstance(value, sp.MatrixBase):
        return f"a {value.rows} by {value.cols} matrix"
    return "one expression"


def _entry(value: Any) -> Any:
    if isinstance(value, sp.Basic) and (value.is_Boolean or value.is_Relational):
        raise _Unreadable("This is a condition: type the value, an expression.")
    try:
        return exact(value, "the answer")
    except (TypeError, ValueError) as error:
        text = str(error)
        raise _Unreadable(text[0].upper() + text[1:]) from None


def _same(mine: Any, theirs: Any, assume: list[Any]) -> tuple[str, str]:
    held = mine.free_symbols | theirs.free_symbols
    conditions = [condition for condition in assume if condition.free_symbols <= held]
    try:
        identity(mine, theirs, assume=conditions, seconds=SECONDS)
    except NotEqual as error:
        return "differs", _where(mine, theirs, str(error))
    except NotProved:
        return "unproved", (
            "SymPy can neither prove this equal to the book's answer nor find a point where the two differ. "
            "Write it in a simpler form."
        )
    except (TypeError, ValueError) as error:
        return "unreadable", f"The answer cannot be compared: {error}"
    return "proved", "Proved: this equals the book's answer."


def _where(mine: Any, theirs: Any, message: str) -> str:
    """Turn the message of ``identity`` into a sentence for a reader; of a number it does not give away the book's."""
    found = _FOUND.match(message)
    if found and found["point"]:
        return f"Not equal: at {found['point']} yours is {found['mine']} and the book's is {found['theirs']}."
    return f"Not equal: yours is {_off(mine - theirs, sp.N(mine, 6))}"


def _off(gap: Any, value: Any) -> str:
    if not gap.is_extended_real:
        return f"{value}, and the book's is another number."
    return f"{value}, which is too {'large' if gap > 0 else 'small'}."


def _near(mine: Any, theirs: Any, tolerance: float) -> tuple[str, str]:
    if mine.free_symbols:
        left = ", ".join(sorted(map(str, mine.free_symbols)))
        return "unreadable", f"The answer is a number, and yours still holds {left}."
    value = sp.N(mine, 15)
    if not (value.is_Float or value.is_Integer):
        return "unreadable", f"The answer is a real number; yours is {words(value, 60)}."
    gap = float(value - sp.N(theirs, 15))
    if abs(gap) <= tolerance:
        return "close", f"Right: within {tolerance:g} of the book's {float(theirs):.6g}."
    return "differs", f"Not close enough: yours is {_off(sp.Float(gap), sp.N(value, 6))}"
