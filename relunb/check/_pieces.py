"""The proof behind ``identity``: algebra, piece by piece where Max, Abs and their like make several pieces."""

from itertools import pairwise, permutations
from math import inf
from typing import Any

import sympy as sp
from sympy.core.logic import fuzzy_and
from sympy.core.relational import Relational

from ._rational import is_zero_fraction
from ._size import BITS, expanded, size_at

Point = dict[Any, Any]
Domains = dict[Any, Any]  # symbol -> the interval of the real line in which the claim is made

SWITCHES: Any = (sp.Max, sp.Min, sp.Abs, sp.sign, sp.Heaviside, sp.Piecewise)
_JUMPS: Any = (sp.sign, sp.Heaviside, sp.Piecewise, sp.floor, sp.ceiling, sp.frac, sp.Mod, sp.KroneckerDelta)
_BRANCHES = 32  # of a switch inside switches, in the search for kinks


class _Undecided(Exception):
    """The proof cannot find the sign of some expression."""


def unproved(difference: Any, domains: Domains) -> list[Point]:
    """Prove that an expression is zero on a domain, or say where that failed.

    Args:
        difference: the expression.
        domains: the interval of each symbol in it.

    Returns:
        An empty list if the expression is proved to be zero. Otherwise points of the pieces that resisted, each with
        a value for the symbols that were cut into pieces; the expression need not differ from zero there.
    """
    if is_zero_fraction(difference):
        return []
    difference = expanded(difference)  # afterwards no polynomial is zero without showing it
    if _is_zero(difference):
        return []
    for symbol in sorted(domains, key=str):
        try:
            return _unproved_pieces(difference, symbol, domains)
        except _Undecided:
            continue
    return [{}]


def switch_gaps(node: Any) -> list[Any]:
    """Return the expressions whose signs decide the value of a Max, an Abs or another switch."""
    args: Any = node.args
    if isinstance(node, sp.Max | sp.Min):
        return [one - other for one, other in permutations(args, 2)]
    if isinstance(node, sp.Piecewise):
        return [rel.lhs - rel.rhs for _, condition in args for rel in condition.atoms(Relational)]
    return [args[0]]


def allowed(symbol: Any, value: Any) -> bool | None:
    """Say whether a symbol's declaration (integer, nonzero, ...) admits a value; None if SymPy cannot tell."""
    known = [(getattr(value, f"is_{fact}"), truth) for fact, truth in symbol.assumptions0.items()]
    return fuzzy_and(None if has is None else has is truth for has, truth in known)


def value_at(expression: Any, point: Point, digits: int = 60) -> Any:
    """Put exact numbers for symbols; nan where the expression has no value, or none that is quickly computed.

    Where the exact value has too many digits to write down, as that of x**(10**7), only so many are computed.
    """
    try:
        bits, top = size_at(expression, point)
        if top == inf:
            return sp.nan
        if bits <= BITS:
            return _with(expression, point)
        switches = _outermost(expression, SWITCHES)
        if expression in switches:
            if isinstance(expression, _JUMPS):  # rounding could take its argument across the jump
                return sp.nan
            return expression.func(*(value_at(arg, point, digits) for arg in expression.args))
        settled = {node: sp.N(value_at(node, point, digits), digits) for node in switches}
        rest = expression.xreplace(settled)
        if rest.has(sp.nan, *_JUMPS):
            return sp.nan
        return rest.xreplace({symbol: sp.N(value, digits) for symbol, value in point.items()})
    except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        return sp.nan  # SymPy refuses to order complex or undefined numbers, each part of it in its own way


def kinks(expression: Any, symbol: Any) -> list[Any]:
    """Return real numbers where a switch in ``expression`` may flip as ``symbol`` moves alone: not all of them."""
    found = set()
    for node in expression.atoms(*SWITCHES):
        for gap in switch_gaps(node):
            for branch in _branches(gap):
                if branch.free_symbols == {symbol}:
                    try:
                        found |= set(_roots(branch, symbol))
                    except _Undecided:
                        continue
    return sorted(number for number in found if number.is_extended_real)


def _with(expression: Any, point: Point) -> Any:
    """``subs`` leaves the conditions after the first true one alone; elsewhere ``xreplace`` is the quicker."""
    return expression.subs(point) if expression.has(sp.Piecewise) else expression.xreplace(point)


def _outermost(expression: Any, kinds: Any) -> set[Any]:
    if isinstance(expression, kinds):
        return {expression}
    return set().union(*(_outermost(arg, kinds) for arg in expression.args))


def _branches(gap: Any) -> list[Any]:
    """Return what a gap may be once the switches inside it are settled."""
    branches = [gap]
    while switches := [node for node in _outermost(branches[0], SWITCHES)]:
        node = switches[0]
        if isinstance(node, sp.Max | sp.Min):
            values = node.args
        elif isinstance(node, sp.Piecewise):
            pairs: Any = node.args
            values = tuple(value for value, _ in pairs)
        elif isinstance(node, sp.Abs):
            values = (node.args[0], -node.args[0])
        else:
            values = (sp.S(0), sp.S(1), sp.S(-1))
        branches = [branch.xreplace({node: value}) for branch in branches for value in values]
        branches = list(dict.fromkeys(branches))
        if len(branches) > _BRANCHES:
            return []
        branches.sort(key=lambda branch: not branch.has(*SWITCHES))
    return branches


def _is_zero(difference: Any) -> bool:
    """Try one rewriting after another; the cheap ones come first."""
    if difference == 0 or is_zero_fraction(difference):
        return True
    rewritings = [
        lambda e: e.rewrite((sp.Max, sp.Min), sp.Abs),
        lambda e: e.rewrite(sp.Abs, sp.conjugate).rewrite(sp.exp),
    ]
    if not difference.has(*SWITCHES):  # simplify may unfold a few switches into thousands of cases
        rewritings += [sp.trigsimp, sp.simplify]
    return any(expanded(rewrite(difference)) == 0 for rewrite in rewritings)


def _unproved_pieces(difference: Any, symbol: Any, domains: Domains) -> list[Point]:
    """Cut the domain of ``symbol`` where a switch may flip, and prove each cut and each open piece by itself.

    A switch inside another one is resolved first; what is left goes round again, on the smaller piece.
    """
    nodes = {node: switch_gaps(node) for node in difference.atoms(*SWITCHES)}
    nodes = {node: gaps for node, gaps in nodes.items() if any(gap.has(symbol) for gap in gaps)}
    nodes = {node: gaps for node, gaps in nodes.items() if not any(gap.has(*SWITCHES) for gap in gaps)}
    if not nodes:
        raise _Undecided
    gaps = {gap for gaps in nodes.values() for gap in gaps}
    domain = domains[symbol]
    cuts = sorted({root for gap in gaps for root in _roots(gap, symbol) if root in domain.interior})
    ends = [end for end in (domain.start, domain.end) if end in domain]
    found = []
    others = {other: interval for other, interval in domains.items() if other != symbol}
    for cut in cuts + ends:
        if allowed(symbol, cut) is not False:
            found += [{symbol: cut, **point} for point in unproved(value_at(difference, {symbol: cut}), others)]
    for start, end in pairwise([domain.start, *cuts, domain.end]):
        inside = _inside(start, end)
        signs = {gap: _sign(gap, symbol, inside[0]) for gap in gaps}
        resolved = difference.xreplace({node: _resolve(node, signs) for node in nodes})
        points = unproved(resolved, {**domains, symbol: sp.Interval.open(start, end)})
        found += [{symbol: value, **point} for point in points for value in inside]
    return found


def _roots(gap: Any, symbol: Any) -> list[Any]:
    """Return every real root of a polynomial in ``symbol``; a factor without ``symbol`` adds none."""
    factored: Any = sp.factor(gap)
    factor = factored.as_independent(symbol, as_Add=False)[1]
    if not factor.has(symbol):
        return []
    if factor.free_symbols != {symbol}:
        raise _Undecided
    try:
        polynomial = sp.Poly(factor, symbol)
        if polynomial.degree() == 1:  # real_roots refuses sqrt(2) and pi as coefficients
            return [-polynomial.nth(0) / polynomial.nth(1)]
        return polynomial.real_roots()
    except (sp.PolynomialError, NotImplementedError):
        raise _Undecided from None


def _sign(gap: Any, symbol: Any, value: Any) -> int:
    """Return the sign that ``gap`` has at one point of a piece, and so on the whole piece: its roots are cuts."""
    number: Any = sp.factor(gap).subs(symbol, value)
    if number.is_positive or number.is_negative:
        return 1 if number.is_positive else -1
    raise _Undecided


def _inside(start: Any, end: Any) -> list[Any]:
    """Return exact points of an open piece; several, since a difference may vanish at one by chance."""
    if start.is_finite and end.is_finite:
        return [start + (end - start) * part for part in (sp.Rational(1, 2), sp.Rational(1, 3), sp.Rational(6, 7))]
    steps = sp.S(1), sp.Rational(1, 3), sp.Rational(22, 7)
    if start.is_finite:
        return [start + step for step in steps]
    return [(end if end.is_finite else 0) - step for step in steps]


def _resolve(node: Any, signs: dict[Any, int]) -> Any:
    """Return what a switch equals where its gaps have these signs."""
    if isinstance(node, sp.Max | sp.Min):
        side = 1 if isinstance(node, sp.Max) else -1
        args: tuple[Any, ...] = node.args
        return next(a for a in args if all(side * signs[a - b] > 0 for b in args if b != a))
    if isinstance(node, sp.Piecewise):
        pairs: Any = node.args
        for value, condition in pairs:
            truth = {rel: rel.func(signs[rel.lhs - rel.rhs], 0) for rel in condition.atoms(Relational)}
            decided = condition.xreplace(truth)
            if decided not in (sp.true, sp.false):
                raise _Undecided
            if decided == sp.true:
                return value
        return sp.nan
    sign = sp.S(signs[node.args[0]])
    if isinstance(node, sp.Heaviside):
        return (1 + sign) / 2
    return sign * node.args[0] if isinstance(node, sp.Abs) else sign
