"""Proves that two SymPy expressions are equal, or says where they are not."""

import sys
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import sympy as sp
from sympy.core.facts import InconsistentAssumptions

from ._budget import Budget, OutOfTime
from ._exact import UNEVALUATED, exact, same_names
from ._pieces import SWITCHES, Domains, Point, allowed, kinks, switch_gaps, unproved, value_at
from ._proved import PIECES, ZERO, Proved
from ._rational import is_zero_fraction
from ._size import expanded
from ._words import words

# Of computing, after which ``identity`` gives up. A browser computes several times slower, and counts by the clock.
SECONDS = 120.0 if sys.platform == "emscripten" else 30.0
_MESSAGE = 1.0  # seconds for the simplified difference in a message
_DIGITS = 25  # two sides agree at a point when they agree to this many digits
_POINTS = 24  # sample points in the search for a counterexample
_FEW, _MANY = 8, 1000  # points looked at with so many digits, where the sides agree to _DIGITS
_SLOW = 3  # how often a point that takes too long is left out
_LONG = 100  # operations: beyond this SymPy's simplify can take minutes, too long for the sake of a message
_REAL = [sp.Rational(n) for n in "1/3 -2/7 9/4 -7/5 0 3 -5 1 -1 2 -2 10 -12 22/7 1/97 -1/97 100 -101 17/2".split()]
_COMPLEX = [sp.I, 1 + 2 * sp.I, sp.I / 3 - sp.Rational(1, 2), -2 * sp.I]
_IRRATIONAL = [sp.sqrt(2), -sp.sqrt(3) / 2, sp.pi, -sp.E]  # for a symbol that is declared to be so


class NotEqual(AssertionError):
    """The two sides differ; the message names a point where they do.

    Example:
        >>> from sympy import Symbol
        >>> x = Symbol("x", real=True)
        >>> try:
        ...     identity(x**2, x)
        ... except NotEqual as error:
        ...     print(error)
        not equal: at x = 1/3 lhs is 1/9 and rhs is 1/3. lhs - rhs simplifies to x**2 - x.
    """


class NotProved(AssertionError):
    """The two sides could be neither proved equal nor told apart.

    Example:
        >>> from sympy import Function, Integral, Symbol
        >>> x, f = Symbol("x", real=True), Function("f")
        >>> try:
        ...     identity(Integral(f(x), (x, 0, 1)), 1)
        ... except NotProved as error:
        ...     print(error)
        not proved: Integral(f(x), (x, 0, 1)) - 1 holds an operation that SymPy's doit leaves as it is.
    """


def identity(lhs: object, rhs: object, *, assume: object = None, name: str = "", seconds: float = SECONDS) -> Proved:
    """Prove ``lhs = rhs`` wherever both sides are defined; raise otherwise.

    A notebook typesets what is returned: the two sides as you wrote them, where they are equal, and how that was
    proved. An integral, sum, limit or derivative that you leave unevaluated, ``Integral(f, (x, 0, 1))``, is evaluated
    for the proof alone, and so are products and inverses of matrices, ``MatMul(A, B)``.

    Numbers only refute. Two sides are equal when algebra shows that the difference is zero, or when it shows so on
    every piece of a piecewise expression in a real variable, and at every point between two pieces. Points are
    tried first: a difference that a few of them show is found at once. One on a few points only (a jump that holds
    another value) is found where the pieces are polynomial in a real symbol; elsewhere it ends in ``NotProved``.
    Where SymPy's own ``simplify`` gives the proof, the word for such points is SymPy's.

    Args:
        lhs: a SymPy expression, an int, a Fraction, or a SymPy matrix (compared entry by entry).
        rhs: the same, and of the same shape.
        assume: where the claim is made: an inequality between a symbol and a number, such as ``u <= 2``, or a list
            of these. It makes the symbol real, and positive or negative where the bound says so.
        name: words to show in place of two sides that are too long to read, such as "Hessian, root inside".
        seconds: give up after so much computing (processor time where the system counts it for a thread, else time
            by the clock): 30, and 120 in a browser, which is slower. One call into compiled code, with very long
            numbers, can run over.

    Returns:
        A :class:`Proved`.

    Raises:
        NotEqual: the sides differ; the message gives the difference and a point.
        NotProved: neither a proof nor a counterexample was found; the message says what was tried.
        TypeError: a side is not an exact expression, or ``assume`` is not made of inequalities.
        ValueError: the shapes differ, a symbol must first be declared real, or ``assume`` cannot be used.

    Example:
        >>> from sympy import Max, Symbol
        >>> x = Symbol("x", real=True)
        >>> identity(Max(x, 0) - Max(-x, 0), x)
        -Max(0, -x) + Max(0, x) = x: proved, equal on every piece

    Source: no paper; the book's own tool.
    """
    budget = Budget(_amount(seconds))
    if not isinstance(name, str):
        raise TypeError(f"name must be text; got {name!r:.60}.")
    sides = [exact(lhs, "lhs"), exact(rhs, "rhs")]
    left, right = (_evaluated(side, word, budget) for side, word in zip(sides, ("lhs", "rhs"), strict=True))
    shape = getattr(left, "shape", None)
    if shape != getattr(right, "shape", None):
        raise ValueError(f"lhs is {_kind(left)} and rhs is {_kind(right)}: give two sides of the same shape.")
    conditions = _conditions(assume)
    stronger, domains = _domains(left.free_symbols | right.free_symbols, conditions)
    pairs = zip(left, right, strict=True) if shape else [(left, right)]
    ways = set()
    for index, (one, other) in enumerate(pairs):
        entry = f"entry {list(divmod(index, shape[1]))}: " if shape else ""
        ways.add(_settle(one.xreplace(stronger), other.xreplace(stronger), domains, entry, budget))
    return Proved(sides[0], sides[1], tuple(conditions), PIECES if PIECES in ways else ZERO, name)


def _evaluated(side: Any, word: str, budget: Budget) -> Any:
    """What a side stands for, with its integrals, sums, derivatives and products of matrices done."""
    matrices = isinstance(side, sp.MatrixExpr)
    if not side.has(*UNEVALUATED) and not matrices:
        return side
    try:
        done = budget.run(side.doit, budget.left() / 2)
        done = done.as_explicit() if isinstance(done, sp.MatrixExpr) else done
    except OutOfTime:
        raise NotProved(f"not proved: {word} is {words(side)}, and SymPy did not evaluate it in time.") from None
    except Exception as error:
        if matrices:
            raise ValueError(f"{word} has no value: {words(side)}. SymPy says: {words(error)}") from None
        return side  # what SymPy cannot do stays as it is, and may cancel
    return side if done is sp.nan else exact(done, word)


def _settle(lhs: Any, rhs: Any, domains: Domains, entry: str, budget: Budget) -> str:
    """Return how ``lhs = rhs`` was proved on ``domains``; raise if it was not."""
    difference = lhs - rhs
    if difference == 0:
        return ZERO
    tried: list[str] = []

    def attempt(name: str, work: Callable[[], Any], share: float = 1.0) -> Any:
        """Return what a step found; None if it failed or took more than its share of the time that is left."""
        try:
            found = budget.run(work, share * budget.left())
            tried.append(name)
            return found
        except OutOfTime:
            tried.append(f"{name} (stopped)")
        except RecursionError:
            tried.append(f"{name} (nested too deep)")
        except Exception:  # SymPy raises errors of many types on what it cannot do; the next step may do it
            tried.append(f"{name} (SymPy failed)")
        return None

    fractions = any(power.base.is_Add and power.exp.is_negative for power in difference.atoms(sp.Pow))
    if not fractions and attempt("expanding", lambda: expanded(difference) == 0, 1 / 4):
        return ZERO
    if difference.has(*UNEVALUATED):
        text = words(difference)
        raise NotProved(f"{entry}not proved: {text} holds an operation that SymPy's doit leaves as it is.")
    _require_real(difference)
    compare = _Comparison(lhs, rhs)

    def look(name: str, points: Callable[[], list[Point]]) -> None:
        """Raise if the sides differ at one of these points; one that takes too long is left out."""
        for _ in range(_SLOW):
            if attempt(name, lambda: compare.at(points()), 1 / 4):
                break
        if compare.found:
            raise NotEqual(f"{entry}not equal: {compare.found}. lhs - rhs {_described(difference, budget)}.")

    look("sample points", lambda: _samples(domains))
    doubtful = attempt("a proof piece by piece", lambda: unproved(difference, domains), 1 / 2)
    if doubtful == []:
        plain = not difference.has(*SWITCHES) or attempt("algebra", lambda: is_zero_fraction(difference), 1 / 4)
        return ZERO if plain else PIECES
    # A piece where the proof failed may be one that the sample points have missed.
    look("points of the pieces", lambda: _inside(doubtful or [], domains))
    look("points at kinks and between them", lambda: _near_kinks(difference, domains))
    simplified = attempt("simplifying", lambda: _simplified(difference))
    if simplified == 0:
        return ZERO
    forms = [difference, *([simplified] if simplified is not None and simplified.is_number else [])]
    if attempt("many digits", lambda: any(map(compare.tiny, forms))):
        raise NotEqual(f"{entry}not equal: {compare.found}. lhs - rhs {_described(difference, budget)}.")
    form = f"is {words(difference)}" if simplified is None else f"simplifies to {words(simplified)}"
    raise NotProved(
        f"{entry}not proved, and not refuted. lhs - rhs {form}. "
        f"{_agreed(compare.agreed)} "
        f"Tried: {', '.join(dict.fromkeys(tried))}. Add assume=, such as assume=a > 0, or rewrite one side."
    )


def _agreed(points: int) -> str:
    if points == 0:
        return "At no sample point are both sides numbers, as where a function has no formula."
    return f"The two sides agree to {_DIGITS} digits at {points} sample points, which proves nothing."


def _amount(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e9:
        raise ValueError(f"seconds must be a positive number; got {seconds!r:.60}.")
    return float(seconds)


# ---- what the reader assumes


def _conditions(assume: object) -> list[Any]:
    """Return the inequalities in ``assume``, each turned to have its symbol on the left."""
    conditions: list[Any] = []
    for given in assume if isinstance(assume, list | tuple) else [] if assume is None else [assume]:
        if isinstance(given, bool | type(sp.true) | type(sp.false)):
            raise ValueError(f"assume is {given} by the way its symbol is declared: leave it out, or declare it anew.")
        if not isinstance(given, sp.Lt | sp.Le | sp.Gt | sp.Ge):
            raise TypeError(f"assume must be an inequality such as u <= 2, or a list of these; got {words(given, 60)}.")
        condition: Any = given if isinstance(given.lhs, sp.Symbol) else given.reversed
        if not isinstance(condition.lhs, sp.Symbol) or condition.rhs.free_symbols:
            raise ValueError(f"assume must compare one symbol with one number, such as u <= 2; got {words(given, 60)}.")
        exact(condition.rhs, f"the bound in assume={words(given, 60)}")
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
    return _walk({symbol: _numbers(symbol, domain) for symbol, domain in domains.items()}, _POINTS)


def _numbers(symbol: Any, domain: Any) -> list[Any]:
    """Return exact numbers that a symbol may be."""
    start, end = domain.start, domain.end
    values = _REAL[:8] + _COMPLEX + _REAL[8:]
    if start.is_finite and end.is_finite:
        values = [start + (end - start) * k / 7 for k in range(8)] + values
        values += [sp.floor(value) for value in values[:8]]
    elif start.is_finite or end.is_finite:
        values = [start + abs(n) if start.is_finite else end - abs(n) for n in _REAL] + values
        values += [sp.floor(value) for value in values[: len(_REAL)]]
    values = [value for value in dict.fromkeys(values) if _may_be(symbol, value, domain)]
    return values or [value for value in _IRRATIONAL + _COMPLEX if _may_be(symbol, value, domain)]


def _may_be(symbol: Any, value: Any, domain: Any) -> bool:
    return bool((not symbol.is_extended_real or value in domain) and allowed(symbol, value))


def _walk(numbers: dict[Any, list[Any]], count: int) -> list[Point]:
    """Return points with coordinates from these lists; each is walked with a stride of its own, none in step."""
    choices = sorted(numbers.items(), key=str)
    points = {}
    for k in range(count if all(values for _, values in choices) else 0):
        point = {symbol: values[k * (2 * j + 1) % len(values)] for j, (symbol, values) in enumerate(choices)}
        points[tuple(point.values())] = point
    return list(points.values())


def _near_kinks(difference: Any, domains: Domains) -> list[Point]:
    """Return points at the kinks, between them and beyond, and others drawn at random: the same on every machine."""
    random = Random(0)
    numbers = {}
    for symbol, domain in sorted(domains.items(), key=str):
        drawn = [sp.Rational(random.randint(-999, 999), random.randint(1, 99)) for _ in range(_POINTS)]
        found = kinks(difference, symbol) if symbol.is_extended_real else []
        near = [value for kink in found for value in (kink, kink + 1, kink - 1)]
        near += [(one + other) / 2 for one, other in zip(found, found[1:], strict=False)]
        values = [value for value in dict.fromkeys(near) if _may_be(symbol, value, domain)]
        values += [value for value in drawn if _may_be(symbol, value, domain)] or _numbers(symbol, domain)
        random.shuffle(values)
        numbers[symbol] = values
    return _walk(numbers, 2 * _POINTS)


def _inside(doubtful: list[Point], domains: Domains) -> list[Point]:
    """Return points of the pieces that a proof has left open."""
    points = [{**sample, **point} for point in doubtful if point for sample in _samples(domains)[:6]]
    return [point for point in points if all(allowed(symbol, point[symbol]) for symbol in point)]


class _Comparison:
    """Compares two sides at points."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        self.agreed = 0  # at how many points the sides agree
        self.found = ""  # where they differ, in words
        self._lhs, self._rhs = lhs, rhs
        self._seen: dict[Any, None] = {}

    def at(self, points: Iterable[Point]) -> bool:
        """Stop at the first point where the sides differ; leave out those seen before."""
        for point in points:
            key = tuple(sorted(point.items(), key=str))
            if not self.found and key not in self._seen:
                self._seen[key] = None
                self._compare(point)
        return True

    def tiny(self, difference: Any) -> bool:
        """Find a point where the difference is small beside the sides, and is a number with digits to trust."""
        for key in list(self._seen)[:_FEW]:
            value = value_at(difference, point := dict(key))
            if value.is_number and not value.has(sp.Float, sp.nan, sp.zoo, sp.oo):
                try:
                    digits: Any = value.evalf(_DIGITS, maxn=_MANY, strict=True)  # refuses what may be rounding
                except (ArithmeticError, NotImplementedError):
                    continue
                if not digits.has(sp.Function) and abs(digits) > 0:
                    self._say(point, value_at(self._lhs, point), value_at(self._rhs, point))
                    return True
        return False

    def _say(self, point: Point, left: Any, right: Any) -> None:
        where = ", ".join(f"{symbol} = {words(value, 60)}" for symbol, value in sorted(point.items(), key=str))
        sides = f"lhs is {_number(left)} and rhs is {_number(right)}"
        self.found = f"at {where} {sides}" if where else sides

    def _compare(self, point: Point) -> None:
        left, right = value_at(self._lhs, point), value_at(self._rhs, point)
        gap = left - right
        size = abs(sp.N(gap, 30))
        scale = 1 + abs(sp.N(left, 30)) + abs(sp.N(right, 30))
        if not all(number.is_Number and number.is_finite for number in (size, scale)):
            return  # a side has no value here
        if gap == 0 or (size < scale * sp.Float(10) ** -_DIGITS and not gap.is_Rational):
            self.agreed += 1
            return
        if gap.has(sp.Float):  # the exact value is too long
            again = value_at(self._lhs, point, 120) - value_at(self._rhs, point, 120)
        else:
            again = sp.N(gap, 60)
        if abs(abs(again) - size) < size / 1000:  # not what rounding leaves of an exact zero
            self._say(point, left, right)


# ---- words


def _kind(side: Any) -> str:
    return f"a {side.rows} by {side.cols} matrix" if hasattr(side, "shape") else "a single expression"


def _described(difference: Any, budget: Budget) -> str:
    """Say what the difference is; the verdict stands, whatever SymPy makes of it."""
    try:
        return f"simplifies to {words(budget.run(lambda: _simplified(difference), _MESSAGE))}"
    except Exception:
        return f"is {words(difference)}"


def _simplified(difference: Any) -> Any:
    forms = [difference, expanded(difference)]
    if sp.count_ops(difference) <= _LONG:
        forms.append(sp.simplify(difference))
    return min(forms, key=sp.count_ops)


def _number(value: Any) -> str:
    if value.is_Rational and len(words(value)) <= 20:
        return words(value)
    digits: Any = sp.N(value, 15)
    return str(digits.xreplace({zero: sp.S(0) for zero in digits.atoms(sp.Float) if zero._prec == 1}))  # only rounding
