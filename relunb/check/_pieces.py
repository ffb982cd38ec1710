"""The proof behind ``identity``: algebra, on each piece of a piecewise expression where there are several."""

from itertools import pairwise, permutations
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

Point = dict[Any, Any]
Domains = dict[Any, Any]  # symbol -> the interval of the real line in which the claim is made

SWITCHES: Any = (sp.Max, sp.Min, sp.Abs, sp.sign, sp.Heaviside, sp.Piecewise)
_R = sp.Rational


class _Undecided(Exception):
    """The proof cannot find the sign of some expression."""


def _is_zero(difference: Any) -> bool:
    """Try one rewriting after another; the cheap ones come first."""
    if difference.has(*SWITCHES):  # simplify may unfold these into thousands of cases: leave them to the pieces
        rewritings = [sp.expand, lambda e: sp.expand(e.rewrite((sp.Max, sp.Min), sp.Abs))]
    else:
        rewritings = [sp.expand, sp.expand_trig, lambda e: sp.expand(e.rewrite(sp.exp)), sp.trigsimp, sp.simplify]
    return any(sp.expand(rewrite(difference)) == 0 for rewrite in rewritings)


def unproved(difference: Any, domains: Domains) -> list[Point]:
    """Return where the difference could not be shown to be zero: an empty list is a proof."""
    if _is_zero(difference):
        return []
    for symbol in sorted(domains, key=str):
        try:
            return _unproved_pieces(difference, symbol, domains)
        except _Undecided:
            continue
    return [{}]


def _unproved_pieces(difference: Any, symbol: Any, domains: Domains) -> list[Point]:
    """Cut the domain of ``symbol`` where a switch may flip, and prove each point and each open piece by itself.

    A switch inside another one is resolved first; what is left goes round again on the smaller piece.
    """
    nodes = [node for node in difference.atoms(*SWITCHES) if any(gap.has(symbol) for gap in gaps(node))]
    nodes = [node for node in nodes if not any(gap.has(*SWITCHES) for gap in gaps(node))]
    if not nodes:
        raise _Undecided
    gaps = {gap for node in nodes for gap in gaps(node)}
    domain = domains[symbol]
    try:
        cuts = sorted({root for gap in gaps for root in _roots(gap, symbol) if root in domain.interior})
        ends = [end for end in (domain.start, domain.end) if end in domain]
    except TypeError:  # SymPy could not order two numbers
        raise _Undecided from None
    found = []
    for cut in cuts + ends:
        if allowed(symbol, cut, domain):
            others = {other: interval for other, interval in domains.items() if other != symbol}
            found += [{symbol: cut, **point} for point in unproved(at(difference, {symbol: cut}), others)]
    for start, end in pairwise([domain.start, *cuts, domain.end]):
        inside = _inside(start, end)
        signs = {gap: _sign(gap, symbol, inside[0]) for gap in gaps}
        resolved = difference.xreplace({node: _resolve(node, signs) for node in nodes})
        points = unproved(resolved, {**domains, symbol: sp.Interval.open(start, end)})
        found += [{symbol: value, **point} for point in points for value in inside]
    return found


def gaps(node: Any) -> list[Any]:
    """Return the expressions whose signs decide the value of a switch."""
    if isinstance(node, sp.Max | sp.Min):
        return [one - other for one, other in permutations(node.args, 2)]
    if isinstance(node, sp.Piecewise):
        return [rel.lhs - rel.rhs for _, condition in node.args for rel in condition.atoms(Relational)]
    return [node.args[0]]


def _resolve(node: Any, signs: dict[Any, int]) -> Any:
    """Return what a switch is equal to where its gaps have these signs."""
    if isinstance(node, sp.Max | sp.Min):
        side = 1 if isinstance(node, sp.Max) else -1
        return next(a for a in node.args if all(side * signs[a - b] >= 0 for b in node.args if b != a))
    if isinstance(node, sp.Piecewise):
        for value, condition in node.args:
            truth = {rel: rel.func(signs[rel.lhs - rel.rhs], 0) for rel in condition.atoms(Relational)}
            decided = condition.xreplace(truth)
            if decided not in (sp.true, sp.false):
                raise _Undecided
            if decided == sp.true:
                return value
        return sp.nan
    sign = signs[node.args[0]]
    if isinstance(node, sp.Heaviside):
        return {1: sp.S(1), 0: node.args[1], -1: sp.S(0)}[sign]
    return sign * node.args[0] if isinstance(node, sp.Abs) else sp.S(sign)


def _roots(gap: Any, symbol: Any) -> list[Any]:
    """Return every real root of a polynomial in ``symbol``; factors free of ``symbol`` do not matter."""
    factor = sp.factor(gap).as_independent(symbol, as_Add=False)[1]
    if not factor.has(symbol):
        return []
    try:
        polynomial = sp.Poly(factor, symbol)
        if factor.free_symbols != {symbol}:
            raise _Undecided
        if polynomial.degree() == 1:  # real_roots refuses sqrt(2) and pi as coefficients
            return [-polynomial.nth(0) / polynomial.nth(1)]
        return polynomial.real_roots()
    except (sp.PolynomialError, NotImplementedError):
        raise _Undecided from None


def _sign(gap: Any, symbol: Any, value: Any) -> int:
    number = sp.factor(gap).subs(symbol, value)
    for sign, known in ((1, number.is_positive), (-1, number.is_negative), (0, number.is_zero)):
        if known:
            return sign
    raise _Undecided


def _inside(start: Any, end: Any) -> list[Any]:
    """Return exact points of an open piece; several, since a difference may vanish at one by chance."""
    if start.is_finite and end.is_finite:
        return [start + (end - start) * part for part in (_R(1, 2), _R(1, 3), _R(6, 7))]
    if start.is_finite:
        return [start + step for step in (1, _R(1, 3), _R(22, 7))]
    return [(end if end.is_finite else 0) - step for step in (1, _R(1, 3), _R(22, 7))]


def allowed(symbol: Any, value: Any, domain: Any) -> bool:
    """Say whether ``symbol`` may take this value: its domain and its declaration (integer, odd, ...) agree."""
    if symbol.is_extended_real and domain.contains(value) != True:  # noqa: E712 - SymPy may answer neither
        return False
    return all(getattr(value, f"is_{fact}") is truth for fact, truth in symbol.assumptions0.items())


def at(expression: Any, point: Point) -> Any:
    try:
        return expression.subs(point)
    except (TypeError, ValueError):  # SymPy cannot order a complex or an undefined number: no value here
        return sp.nan
