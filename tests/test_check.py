"""relunb.check: what it proves, what it refutes, and what it says."""

import importlib
import sys
import threading
import time
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from sympy import Abs, Heaviside, Max, Min, Piecewise, Symbol, cos, exp, log, pi, sin, sqrt
from sympy import Rational as R

from relunb.check import Disagreement, NotEqual, NotProved, _agreement, agreement, identity
from relunb.check._budget import Budget, OutOfTime
from relunb.check._identity import _domains, _near_kinks, _samples
from relunb.check._pieces import kinks
from relunb.check._rational import is_zero_fraction

x, y, b, u, w = sp.symbols("x y b u w", real=True)
a, plain = sp.symbols("a plain")  # complex as far as SymPy knows
c = Symbol("c", positive=True)
n = Symbol("n", integer=True)
z = Symbol("z", complex=True)
negative = Symbol("negative", negative=True)
rational = Symbol("rational", rational=True)
nonzero = Symbol("nonzero", real=True, nonzero=True)


def s(v):
    return Max(v, 0)


def psi(v):
    return sum(k * s(v - R(j, 2)) for j, k in enumerate((1, -8, 23, -32, 23, -8, 1))) / sp.Integer(6)


def step(v, at_zero):
    return Heaviside(v, at_zero)


t = Abs(x - R(3, 2))
FOLDED = s(R(3, 2) - t) / 6 - R(4, 3) * s(1 - t) + R(23, 6) * s(R(1, 2) - t)
HALF_ANGLES = 16 * sin(w / 4) ** 4 * (2 - cos(w / 2))

HOLDS = {
    "rationals": (sum(R(1, k * (k + 1)) for k in range(1, 10)), Fraction(9, 10), None),
    "int": (sp.Integer(2), 2, None),
    "relu": (Max(x, 0) - Max(-x, 0), x, None),
    "seven to three": (psi(x), FOLDED, None),
    "relu on a half-line": (24 * psi(u / 4), Max(u, 0), u <= 2),
    "abs from relu": (s(x) * s(y), (x + Abs(x)) * (y + Abs(y)) / 4, None),
    "two variables": (s(x) * Heaviside(y), Piecewise((0, x < 0), (x, True)) * (1 + sp.sign(y)) / 2, None),
    "symbolic knot": (s(x - b) - s(b - x), x - b, None),
    "positive scale": (s(c * x - c / 2), c * s(x - R(1, 2)), None),
    "nested": (s(Abs(x) - 1), Piecewise((-x - 1, x < -1), (0, x <= 1), (x - 1, True)), None),
    "a hidden zero": (
        s(Abs(x) - 1) + Abs((x + 1) ** 2 - x**2 - 2 * x - 1),
        Piecewise((-x - 1, x < -1), (0, x <= 1), (x - 1, True)),
        None,
    ),
    "three arguments": (Max(x, y, 1) + Min(-x, -y, -1), 0, None),
    "three arguments, one variable": (
        Max(x, 2 * x, 3),
        Piecewise((3, x < R(3, 2)), (2 * x, True)),
        None,
    ),
    "min": (Min(x, 1), 1 - s(1 - x), None),
    "irrational cuts": (s(x**2 - 2), Piecewise((x**2 - 2, (x > sqrt(2)) | (x < -sqrt(2))), (0, True)), None),
    "nested radicals": (Heaviside(x - sqrt(5 + 2 * sqrt(6))), 0, x < sqrt(2) + sqrt(3)),
    "cut at pi": (s(x - pi) + pi, Max(x, pi), None),
    "smooth pieces": (exp(x) * s(x), Piecewise((x * exp(x), x > 0), (0, True)), None),
    "step": (Heaviside(x), (1 + sp.sign(x)) / 2, None),
    "the point 0 is not in the domain": (Max(nonzero, 0) / nonzero, Heaviside(nonzero), None),
    "open end": (Heaviside(x), 1, x > 0),
    "closed end": (step(x, 1), 1, x >= 0),
    "two bounds": (s(x) * s(1 - x), x * (1 - x), (x >= 0, 1 >= x)),
    "positive": (s((c - 1) * (c + 2)), Piecewise(((c - 1) * (c + 2), c > 1), (0, True)), None),
    "negative": (
        s((negative + 1) * (negative - 2)),
        Piecewise(((negative + 1) * (negative - 2), negative < -1), (0, True)),
        None,
    ),
    "pythagoras": (sin(x) ** 2 + cos(x) ** 2, 1, None),
    "half angles": (HALF_ANGLES, 16 - 23 * cos(w / 2) + 8 * cos(w) - cos(3 * w / 2), None),
    "euler": (exp(sp.I * w) + exp(-sp.I * w), 2 * cos(w), None),
    "modulus": (Abs(x + y * exp(-sp.I * w)) ** 2, x**2 + y**2 + 2 * x * y * cos(w), None),
    "complex modulus": (Abs(z) ** 2, z * sp.conjugate(z), None),
    "complex modulus in a sum": (Abs(z) ** 2 + s(x) - s(-x), z * sp.conjugate(z) + x, None),
    "gamma": (sp.gamma(x + 1), x * sp.gamma(x), None),
    "square root": (sqrt(a**2), a, a > 0),
    "square root beyond 1": (sqrt(a**2), a, a > 1),
    "logarithm": (log(x * y), log(x) + log(y), [x > 0, y > 0]),
    "matrix": (sp.Matrix([[(x + 1) ** 2, 1]]), sp.Matrix([[x**2 + 2 * x + 1, s(x) - x + s(-x) - 2 * s(-x) + 1]]), None),
    "undefined function": (sp.Function("f")(x) * 2, 2 * sp.Function("f")(x), None),
}

# lhs, rhs, assume, and what the message must say.
DIFFERS = {
    "two symbols": (x, y, None, "at x = -2/7, y = "),
    "numbers": (R(1, 3), R(1, 2), None, "not equal: lhs is 1/3 and rhs is 1/2. lhs - rhs simplifies to -1/6."),
    "relu everywhere": (24 * psi(u / 4), Max(u, 0), None, "at u = 9/4 lhs is 1/4 and rhs is 9/4."),
    "relu a little too far": (24 * psi(u / 4), Max(u, 0), u <= R(2001, 1000), "at u = 2001/1000 "),
    "relu up to 3": (24 * psi(u / 4), Max(u, 0), u <= 3, "at u = 8/3 "),
    "far away": (s(x - 1000), 0, None, "at x = 1001 lhs is 1 and rhs is 0."),
    "far away and narrow": (s(x - 1000) * s(1001 - x), 0, None, "at x = 2001/2 lhs is 1/4"),
    "far away, two variables": (s(x - 1000) * s(y - 2000), 0, None, "at x = 1001, y = 2001 lhs is 1"),
    "far away, a chance zero": (s(x - 1000) * (x - 1001), 0, None, "at x = 3001/3 "),
    "one point": (Heaviside(x - 1000), step(x - 1000, 1), None, "at x = 1000 lhs is 1/2 and rhs is 1."),
    "one point, two variables": (
        Heaviside(x - 1000) * s(y - 2000),
        step(x - 1000, 1) * s(y - 2000),
        None,
        "at x = 1000, y = 2001 lhs is 1/2 and rhs is 1.",
    ),
    "far on the left": (s(-x - 1000), 0, None, "at x = -1001 lhs is 1 and rhs is 0."),
    "far and curved": (s(1 - (x - 1000) ** 2), 0, None, "at x = 1000 lhs is 1 and rhs is 0."),
    "two domains": (s(x - 3) + y, y, [y <= 2, x <= 5], "at x = "),
    "negative too": (Abs(u), u, u <= 2, "at u = -1"),
    "domain to the right": (sin(x), 0, x > 1000, "at x = 3001/3 "),
    "bounded domain": (sin(x), 0, [x > 1000, x < 1001], "at x = 7001/7 "),
    "closed end": (Heaviside(x), 1, x >= 0, "at x = 0 "),
    "closed end far away": (Heaviside(x - 1000), 0, x <= 1000, "at x = 1000 "),
    "integers only": (sin(pi * n) + n, 0, None, "at n = 3 "),
    "a factor": (HALF_ANGLES, 16 - 23 * cos(w / 2) + 8 * cos(w), None, "simplifies to 16*(2 - cos(w/2))*sin(w/4)**4"),
    "a small number": (x, x + R(1, 10**40), None, "simplifies to -1/1000000000000000"),
    "a small number in two symbols' sum": (x + b + R(1, 10**80), x + b, None, "simplifies to 1/1000000"),
    "a small part": (sin(x) * (1 + R(1, 10**40)), sin(x), None, "simplifies to sin(x)/100000"),
    "a small irrational part": (exp(x) * (1 + pi / R(10) ** 80), exp(x), None, "simplifies to pi*exp(x)/100000"),
    "a small number beside a hidden zero": (sin(x) ** 2 + cos(x) ** 2 + exp(-150), 1, None, "simplifies to exp(-150)"),
    "a smaller number beside a hidden zero": (
        sin(x) ** 2 + cos(x) ** 2 + exp(-500),
        1,
        None,
        "simplifies to exp(-500)",
    ),
    "a small number alone": (exp(-(10**6)), 0, None, "simplifies to exp(-1000000)"),
    "square root": (sqrt(a**2), a, None, "at a = -2/7 lhs is 2/7 and rhs is -2/7."),
    "complex": (sp.conjugate(a), a, None, "at a = I "),
    "logarithm": (log(x * y), log(x) + log(y), None, "simplifies to -log(x) - log(y) + log(x*y)"),
    "matrix": (sp.Matrix([[x, 1], [2, x]]), sp.Matrix([[x, 1], [3, x]]), None, "entry [1, 0]: not equal: at x = 1/3 "),
}

SIX = sp.symbols("a1:7")
STEEP = x * (x - 1) * (x - 2) * (x - 3) * (x - 4) * (x - 5)


def nested(function, levels, inner=x):
    return nested(function, levels - 1, function(inner)) if levels else inner


# Once without end, or ended by an error of SymPy's or Python's. The difference, and what the message must say.
HARD = {
    "a sine of degree six": (sin(STEEP) ** 2, "not equal: at x = 1/3 lhs is 0.863"),
    "zero at five points": (Piecewise((1, sp.Ne(STEEP, 0)), (0, True)), "not equal: at x = 1/3 lhs is 1 and"),
    "one at six points": (Piecewise((0, sp.Ne(STEEP, 0)), (1, True)), "not equal: at x = "),
    "one at a far point": (Piecewise((1, sp.Eq(x, 1000)), (0, True)), "not equal: at x = 1000 lhs is 1 and rhs is 0."),
    "a power of zero": (0 ** Abs(x - 1000), "not equal: at x = 1000 lhs is 1 and rhs is 0."),
    "a huge power": (x ** (10**7), "not equal: at x = "),
    "two huge powers": (x ** (10**7) - x ** (10**7 + 2), "not equal: at x = "),
    "a huge power of a sum": ((x + 1) ** (10**7) - x ** (10**7), "not equal: at x = 1/3 lhs is 2.323"),
    "a huge power and a jump": (Max(x, 0) ** (10**7) * x * (x**2 - 1), "not equal: at x = "),
    "long numbers": (x**10000 - 1, "lhs is -1.00000000000000 and"),
    "a long integer": (
        sp.factorial(2000),
        "not equal: lhs is 3.31628e+5735 and rhs is 0. lhs - rhs simplifies to 3.31",
    ),
    "a long integer in a sum": (sp.factorial(2000) * (x - sin(x)), "not equal: at x = 1/3 "),
    "exponentials": (nested(exp, 5) + 1, "not equal: at x = 1/3 lhs is 8.22"),
    "a step of a maximum": (Heaviside(Max(x, 1 / x)) - 1, "not equal: at x = -2/7 lhs is -1 and"),
    "a maximum of a step": (Max(Heaviside(x) / x, 0) * x - Heaviside(x), "not"),
    "zoo in a condition": (Piecewise((1, 1 / x > 0), (0, True)) - Heaviside(x), "not"),
    "fractions": (sum(1 / sp.prod([p - q for q in SIX if q != p]) for p in SIX) - 1, "not equal: at a1 = "),
}

UNPROVED = {
    "agrees at every integer": (s(n), Piecewise((0, n < 1), (n, True)), "sample points, which proves nothing"),
    "a sign out of reach": (Max(cos(x), -2), cos(x), "simplifies to -cos(x) + Max(-2, cos(x))."),
    "roots out of reach": (s(x**2 - pi), Piecewise((x**2 - pi, x**2 > pi), (0, True)), "simplifies to "),
    "undefined at some points": (Max(sqrt(x), -1), sqrt(x), "sample points, which proves nothing"),
    "a cut that may be rational": (
        Heaviside(rational - pi - sp.E),
        step(rational - pi - sp.E, 1),
        "sample points, which proves nothing",
    ),
    "a cut that moves": (Heaviside(x - b), (1 + sp.sign(x - b)) / 2, "simplifies to "),
    "no number for f": (sp.Function("f")(x), sp.Function("f")(x + 1), "At no sample point are both sides numbers"),
    "integral": (sp.Integral(sp.Function("f")(x), (x, 0, 1)), R(1, 2), "doit leaves as it is"),
    "a difference at no sample point": (sp.DiracDelta(x), 0, "Add assume=, such as assume=a > 0, or rewrite one side."),
}

REFUSED = {
    "float": ((0.1, x), TypeError, "lhs holds the float 0.1, and a float is not exact: write Rational(1, 10)."),
    "float third": (
        (1 / 3, x),
        TypeError,
        "the float 0.3333333333333333, and a float is not exact: write Rational(1, 3).",
    ),
    "float one": ((1.0 * x, x), TypeError, "holds the float 1.0, and a float is not exact: write 1."),
    "float inside": ((x, 0.25 * x), TypeError, "rhs holds the float 0.25, and a float is not exact"),
    "string": (("x", x), TypeError, "lhs must be a SymPy expression, an int or a Fraction; got a str."),
    "boolean": (
        (x, True),
        TypeError,
        "rhs must be a SymPy expression or a matrix with explicit entries; got a BooleanTrue.",
    ),
    "list": (([x], x), TypeError, "got a list"),
    "tensor": ((torch.ones(2), x), TypeError, "lhs must be a SymPy expression, an int or a Fraction; got a Tensor."),
    "equation": ((sp.Eq(x, y), x), TypeError, "lhs is an equation: pass its two sides, x and y."),
    "inequality": ((x < y, x), TypeError, "lhs must be a SymPy expression"),
    "symbolic matrix": ((sp.MatrixSymbol("A", 2, 2), x), TypeError, "explicit entries; got a MatrixSymbol"),
    "infinite": ((x, sp.oo), ValueError, "rhs is not finite"),
    "undefined": ((x * sp.zoo, x), ValueError, "lhs is not finite"),
    "nan": ((float("nan"), x), ValueError, "lhs is not finite: it is nan."),
    "a large float": ((sp.Float("1e400"), x), TypeError, "write Rational('1.00000E+400')"),
    "a small float": ((x, x * sp.Float("1e-400")), TypeError, "write Rational('1.00000E-400')"),
    "complex float": ((1j, sp.I), TypeError, "lhs holds the float 1.0"),
    "function": ((sin, x), TypeError, "lhs is the function sin, not its value: write sin(x)."),
    "lambda": ((sp.Lambda(x, x), x), TypeError, "lhs is a Lambda, a function and not its value"),
    "python function": ((len, x), TypeError, "got a builtin_function_or_method"),
    "tuple": (((x, x), (x, x)), TypeError, "got a Tuple"),
    "none": ((None, x), TypeError, "got a NoneType"),
    "long equation": ((sp.Eq(sp.factorial(2000) * x, y), x), TypeError, "two sides, 3.31628e+5735*x and y."),
    "order": ((sin(x), x + sp.O(x**3)), TypeError, "rhs holds O(x**3), which stands for many values"),
    "bounds": ((sp.AccumBounds(-1, 1), x), TypeError, "which stands for many values"),
    "indexed": ((sp.IndexedBase("v")[0], x), TypeError, "lhs holds v[0]: put a symbol for each entry."),
    "matrix entry": ((sp.MatrixSymbol("A", 2, 2)[0, 0], x), TypeError, "put a symbol for each entry"),
    "no commuting": ((sp.Symbol("A", commutative=False), x), TypeError, "lhs holds A, which does not commute"),
    "too deep": ((nested(sp.Function("f"), 300), 0), ValueError, "lhs is nested 301 deep, and SymPy reads 200"),
    "shapes": ((sp.eye(2), sp.eye(3)), ValueError, "lhs is a 2 by 2 matrix and rhs is a 3 by 3 matrix"),
    "matrix and scalar": ((sp.eye(2), x), ValueError, "rhs is a single expression"),
    "max of a complex symbol": ((s(plain), plain), ValueError, "may be complex: write Symbol('plain', real=True)"),
    "abs of an undeclared symbol": ((Abs(plain), plain), ValueError, "stands in Abs and may be complex"),
    "max of a declared complex symbol": ((s(z), z), ValueError, "z stands in Max and may be complex"),
    "namesakes": ((x, Symbol("x")), ValueError, "two different symbols are named x"),
}

ASSUME_REFUSED = {
    "string": ("a > 0", TypeError, "assume must be an inequality such as u <= 2"),
    "equation": ([a > 0, sp.Eq(a, 1)], TypeError, "got Eq(a, 1)"),
    "already known": (c > 0, ValueError, "assume is True by the way its symbol is declared"),
    "impossible": (c < 0, ValueError, "assume is False by the way its symbol is declared"),
    "not one symbol": (2 * a > 0, ValueError, "assume must compare one symbol with one number"),
    "two symbols": (a > x, ValueError, "assume must compare one symbol with one number"),
    "float": (a > 0.5, TypeError, "write Rational(1, 2)"),
    "infinity": (a < sp.oo, ValueError, "the bound in assume=a < oo is not finite"),
    "another symbol": (y > 0, ValueError, "assume speaks of y, which neither side contains"),
    "nothing left": ([a > 1, a < 0], ValueError, "assume leaves a no interval to live in, only EmptySet"),
    "one number left": ([a >= 1, a <= 1], ValueError, "no interval to live in, only {1}"),
    "namesake": (Symbol("a", real=True) > 0, ValueError, "two different symbols are named a"),
    "contradiction": (Symbol("i", infinite=True) > 0, ValueError, "assume contradicts the way i is declared"),
}


SLOW = {"a smaller number beside a hidden zero": pytest.mark.slow}


def cases(table):
    rows = [pytest.param(case, id=name, marks=SLOW.get(name, ())) for name, case in table.items()]
    return pytest.mark.parametrize("case", rows)


@cases(HOLDS)
def test_identity_that_holds(case, capsys):
    lhs, rhs, assume = case
    proved = identity(lhs, rhs, assume=assume)
    assert proved.how in ("simplified to zero", "equal on every piece")
    assert (", for " in repr(proved)) == (assume is not None) == (r"\text{for }" in proved._repr_latex_())
    assert max(map(len, repr(proved).splitlines())) <= 115 and "..." not in repr(proved)
    assert capsys.readouterr().out == ""


@cases(DIFFERS)
def test_identity_that_does_not_hold(case, capsys):
    lhs, rhs, assume, words = case
    with pytest.raises(NotEqual) as caught:
        identity(lhs, rhs, assume=assume)
    assert words in str(caught.value)
    assert capsys.readouterr().out == ""


@cases(DIFFERS)
def test_proof_alone_accepts_nothing_false(case, monkeypatch):
    """Without the sample points, which find most counterexamples before the proof starts."""
    monkeypatch.setattr("relunb.check._identity._POINTS", 0)
    lhs, rhs, assume, _ = case
    with pytest.raises(NotProved):
        identity(lhs, rhs, assume=assume)


@cases(UNPROVED)
def test_numbers_prove_nothing(case, capsys):
    lhs, rhs, words = case
    with pytest.raises(NotProved) as caught:
        identity(lhs, rhs)
    assert words in str(caught.value)
    assert capsys.readouterr().out == ""


@cases(HARD)
def test_hard_difference_is_refused_in_words(case):
    difference, words = case
    with pytest.raises((NotEqual, NotProved)) as caught:
        identity(difference, 0, seconds=10)
    assert str(caught.value).startswith(words) or words in str(caught.value)
    assert len(str(caught.value)) < 900


K = Symbol("k", integer=True, positive=True)
AS_WRITTEN = {
    "integral": (sp.Integral(Max(x, 0), (x, -1, 2)), 2, r"\int_{-1}^{2}"),
    "sum": (sp.Sum(1 / K**2, (K, 1, sp.oo)), pi**2 / 6, r"\sum_{k=1}^{\infty} \frac{1}{k^{2}} = \frac{\pi^{2}}{6}"),
    "derivative": (sp.Derivative(x**3, x), 3 * x**2, r"\frac{d}{d x} x^{3} = 3 x^{2}"),
    "limit": (sp.Limit(sin(x) / x, x, 0), 1, r"\lim_{x \to 0^+}"),
    "product": (sp.MatMul(sp.Matrix([[1, x]]), sp.Matrix([x, 1])), sp.Matrix([[2 * x]]), r"\begin{matrix}1 & x"),
    "inverse": (sp.Inverse(sp.Matrix([[2, 0], [0, 4]])), sp.diag(sp.Rational(1, 2), sp.Rational(1, 4)), "^{-1}"),
    "both sides": (sp.Derivative(sin(x), x), sp.Integral(-sin(x), x), r"\frac{d}{d x} \sin {x} = \int"),
}


@cases(AS_WRITTEN)
def test_what_is_not_evaluated_is_proved_and_shown_as_written(case):
    lhs, rhs, tex = case
    proved = identity(lhs, rhs)
    assert tex in proved._repr_latex_() and str(proved).startswith(str(lhs).replace("[\n", "[").replace(",\n", ", "))
    with pytest.raises(NotEqual):
        identity(lhs, rhs + (sp.ones(*rhs.shape) if hasattr(rhs, "shape") else 1))


def test_what_sympy_cannot_evaluate_is_not_proved():
    f = sp.Function("f")
    with pytest.raises(NotProved, match="holds an operation that SymPy's doit leaves as it is"):
        identity(sp.Integral(f(x), (x, 0, 1)), x)
    assert identity(2 * sp.Derivative(f(x), x) - sp.Derivative(f(x), x), sp.Derivative(f(x), x))
    with pytest.raises(ValueError, match="lhs is not finite"):
        identity(sp.Integral(1 / x, (x, 1, sp.oo)), 1)
    with pytest.raises(TypeError, match="must be a SymPy expression or a matrix with explicit entries"):
        identity(sp.MatrixSymbol("A", 2, 2) * sp.eye(2), sp.eye(2))


def test_long_numbers_are_proved_and_printed():
    assert (
        str(identity(sp.factorial(2000), sp.factorial(2000)))
        == "3.31628e+5735 = 3.31628e+5735: proved, simplified to zero"
    )
    proved = identity(x ** (10**7) * x, x ** (10**7 + 1))
    assert str(proved) and identity(sp.factorial(2000), sp.factorial(2000))._repr_latex_() is None


def test_how_it_was_proved_is_what_was_done():
    """A kink in the sides is no proof by pieces: here the Max cancels as a letter would."""
    assert identity((s(x) + 1) ** 2, s(x) ** 2 + 2 * s(x) + 1).how == "simplified to zero"
    assert identity(1 / (s(x) + 1) - 1 / (s(x) + 2), 1 / ((s(x) + 1) * (s(x) + 2))).how == "simplified to zero"
    assert identity(s(x) - s(-x), x).how == "equal on every piece"
    assert identity(sp.Matrix([x - x, s(x) - s(-x)]), sp.Matrix([0, x])).how == "equal on every piece"


def test_a_matrix_without_an_inverse_is_said_to_have_none():
    with pytest.raises(ValueError, match=r"lhs has no value: Matrix.*not invertible"):
        identity(sp.Inverse(sp.ones(2, 2)), sp.eye(2))
    assert identity(sp.MatAdd(sp.Identity(2), sp.eye(2)), 2 * sp.eye(2))
    with pytest.raises(TypeError, match="a matrix with explicit entries; got a Identity"):
        identity(sp.Identity(Symbol("n")), sp.eye(2))


def test_signs_of_tex_in_a_name_are_shown():
    assert (
        r"\text{50 \% of \#1 \& more, $x_1$:}" in identity(x + x, 2 * x, name="50 % of #1 & more, $x_1$")._repr_latex_()
    )


def test_a_name_stands_for_sides_too_long_to_read():
    proved = identity((x + y) ** 30, sp.expand((x + y) ** 30), name="the thirtieth power")
    assert str(proved) == "the thirtieth power: proved, simplified to zero"
    assert r"\text{the thirtieth power:}" in proved._repr_latex_()
    with pytest.raises(TypeError, match="name must be text; got 3"):
        identity(x, x, name=3)


def test_long_sides_are_broken_and_not_cut():
    proved = identity((x + y) ** 30, sp.expand((x + y) ** 30))
    assert "".join(str(proved).split()) == "".join(f"{proved.lhs} = {proved.rhs}: proved, {proved.how}".split())
    tex = proved._repr_latex_()
    assert tex.count(r"\\") > 4 and all(sp.latex(term) in tex for term in sp.Add.make_args(proved.rhs))


def test_what_a_long_identity_assumes_stands_in_a_row_of_its_own():
    """Beside how it was proved it is too wide for a phone."""
    u = sp.Symbol("u", real=True)
    rows = identity(sp.expand((u + y) ** 12), (u + y) ** 12, assume=u > 0)._repr_latex_().split(r"\\")
    assert r"\text{for }u > 0\text{:}" in rows[-2] and "proved" not in rows[-2] and "proved" in rows[-1]


def test_partial_fractions_are_proved_without_simplify(monkeypatch):
    """Rational arithmetic over shared factors: SymPy's simplify takes minutes for six symbols."""
    monkeypatch.setattr(sp, "simplify", None)
    assert identity(sum(1 / sp.prod([p - q for q in SIX if q != p]) for p in SIX), 0)
    assert identity(sum(p**5 / sp.prod([p - q for q in SIX if q != p]) for p in SIX), 1)
    assert identity(1 / (x - 1) - 1 / (x + 1), 2 / (x**2 - 1))


@pytest.mark.parametrize(
    ("expression", "zero"),
    [
        (1 / (1 + 1 / (1 + 1 / plain)) - (plain + 1) / (2 * plain + 1), True),
        (sin(x) / (1 + sin(x)) + 1 / (1 + sin(x)) - 1, True),
        (1 / ((plain + 1) ** 2 - plain**2 - 2 * plain - 1), False),  # no number at all
        (sp.Mul(0, 1 / ((plain + 1) ** 2 - plain**2 - 2 * plain - 1), evaluate=False), False),
        (1 / (plain - 1) - 1 / (plain + 1), False),
        ((plain + w) ** 5000 * (x + y) ** 5000 - 1, False),  # too many terms
        (sp.Integer(3), False),
    ],
)
def test_fractions_add_up_to_zero(expression, zero):
    assert is_zero_fraction(expression) is zero


def test_what_was_tried_is_said():
    with pytest.raises(
        NotProved, match="Tried: expanding, sample points, a proof piece by piece, points of the pieces"
    ):
        identity(Heaviside(x - b), (1 + sp.sign(x - b)) / 2)


def test_time_is_kept_and_a_counterexample_is_not_hidden(monkeypatch):
    """Ten times the time that is given, at most: a machine may be busy."""

    def endless(*_):
        while True:
            pass

    monkeypatch.setattr("relunb.check._identity.unproved", endless)
    monkeypatch.setattr(sp, "simplify", endless)
    begin = time.process_time()
    with pytest.raises(NotProved, match=r"lhs - rhs is .*piece by piece \(stopped\).*simplifying \(stopped\)"):
        identity(sin(x) * (1 + R(1, 10**40)), sin(x), seconds=0.5)
    with pytest.raises(NotEqual, match="at x = 1/3 lhs is 0.327194696796152 and rhs is 0. lhs - rhs is sin"):
        identity(sin(x), 0, seconds=0.5)
    with pytest.raises(NotEqual, match="at x = 200[01]"):
        identity(Abs(x - 1000) * s(x - 2000), 0, seconds=0.5)  # no fixed point lies there
    assert time.process_time() - begin < 15


def test_time_is_kept_in_a_thread(monkeypatch):
    def endless(*_):
        while True:
            pass

    monkeypatch.setattr("relunb.check._identity.unproved", endless)
    said = []

    def ask():
        try:
            identity(s(x - b), x * Heaviside(x - b) - b * Heaviside(x - b), seconds=0.3)
        except NotProved as error:
            said.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(said) == 3 and all("(stopped)" in words for words in said)


def test_no_interrupt_comes_late():
    """Work that ends about when its time does is done or stopped; nothing is raised afterwards."""
    done = stopped = 0
    for k in range(200):
        try:
            Budget(10).run(lambda k=k: sum(range(3000 * (k % 20))), 0.001)
            done += 1
        except OutOfTime:
            stopped += 1
        sum(range(1000))
    assert done + stopped == 200


def test_stopped_work_leaves_the_settings_alone():
    def work():
        with mpmath.workdps(400), sp.evaluate(False):
            while True:
                pass

    with pytest.raises(OutOfTime):
        Budget(0.1).run(work, 1)
    assert mpmath.mp.dps == 15 and sp.Add(1, 1) == 2
    with pytest.raises(OutOfTime):
        budget = Budget(1e-9)
        budget.run(lambda: time.sleep(0.01), 1)
        budget.run(int, 1)


class _Finalized:
    """A finalizer that an interrupt meets for sure, and another one that fails on its own."""

    def __init__(self, fails=False):
        self.fails = fails

    def __del__(self):
        if self.fails:
            raise RuntimeError("ours")
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass


def test_an_interrupt_that_a_finalizer_swallows_is_sent_again_in_silence(monkeypatch):
    told = []
    monkeypatch.setattr("sys.unraisablehook", lambda ignored: told.append(ignored.exc_type))
    before = sys.unraisablehook

    def work():
        _Finalized(fails=True)
        _Finalized()
        while True:
            pass

    with pytest.raises(OutOfTime):
        Budget(10).run(work, 0.05)
    assert told == [RuntimeError] and sys.unraisablehook is before


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "3", None, True])
def test_identity_refuses_seconds(seconds):
    with pytest.raises(ValueError, match="seconds must be a positive number"):
        identity(x, x, seconds=seconds)


SAMPLED = {
    "positive": (c, lambda v: v > 0),
    "integer": (n, lambda v: v.is_integer),
    "even": (Symbol("e", even=True, positive=True), lambda v: v.is_even and v > 0),
    "prime": (Symbol("q", prime=True), lambda v: v.is_prime),
    "real": (x, lambda v: v.is_real),
    "complex": (plain, lambda v: v.is_complex),
    "irrational": (Symbol("r", irrational=True), lambda v: v.is_irrational),
    "imaginary": (Symbol("i", imaginary=True), lambda v: v.is_imaginary),
    "negative": (negative, lambda v: v < 0),
    "nonzero": (nonzero, lambda v: v != 0),
}


@cases(SAMPLED)
def test_points_respect_what_a_symbol_is(case):
    symbol, right = case
    stronger, domains = _domains({symbol}, [])
    points = _samples(domains) + _near_kinks(stronger[symbol] ** 2, domains)
    assert points and all(right(value) for point in points for value in point.values())


def test_points_of_a_narrow_domain_of_integers():
    stronger, domains = _domains({n}, [n >= 1000, n < 1010])
    values = {point[stronger[n]] for point in _samples(domains)}
    assert len(values) >= 4 and all(1000 <= value < 1010 and value.is_integer for value in values)


def test_kinks_at_fractions():
    assert kinks(s(x - R(2, 3)) + Abs(3 * x + 1), x) == [-R(1, 3), R(2, 3)]
    assert kinks(s(Abs(x) - 1) + Heaviside(y), x) == [-1, 0, 1]
    assert kinks(sin(x), x) == kinks(s(x - b), x) == []


@cases(REFUSED)
def test_identity_refuses(case):
    sides, error, words = case
    with pytest.raises(error) as caught:
        identity(*sides)
    assert words in str(caught.value)


@cases(ASSUME_REFUSED)
def test_identity_refuses_assumption(case):
    assume, error, words = case
    with pytest.raises(error) as caught:
        identity(a + c + x + Symbol("i", infinite=True), 0, assume=assume)
    assert words in str(caught.value)


def test_the_printed_line_says_for_what_and_how():
    assert (
        str(identity(Abs(u), u, assume=[u > 0, u <= 2])) == "Abs(u) = u, for u > 0, u <= 2: proved, simplified to zero"
    )
    assert str(identity((x + 1) ** 2, x**2 + 2 * x + 1)) == "(x + 1)**2 = x**2 + 2*x + 1: proved, simplified to zero"


def test_both_refusals_are_assertion_errors():
    assert issubclass(NotEqual, AssertionError) and issubclass(NotProved, AssertionError)
    assert issubclass(Disagreement, AssertionError)


def test_missing_sympy_is_one_sentence(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("relunb.check")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"pip install 'relunb\[chapters\]'"):
        importlib.import_module("relunb.check")


# ---- agreement

POINTS = torch.linspace(-1, 4, 41)  # multiples of 1/8: the seven knots are among them, in every dtype
GENERIC = (POINTS + 0.01).tolist()


def naive_psi(v):
    knots = enumerate((1, -8, 23, -32, 23, -8, 1))
    return sum(k * torch.relu(v - j / 2) for j, k in knots) / 6


def folded_psi(v, scale=1.0):
    fine = torch.promote_types(v.dtype, torch.float32)
    d = (v.to(fine) * (scale.to(fine) if isinstance(scale, torch.Tensor) else scale) - 1.5).abs()
    return (torch.relu(1.5 - d) / 6 - torch.relu(1 - d) * 4 / 3 + torch.relu(0.5 - d) * 23 / 6).to(v.dtype)


def only(dtype, wrong, right):
    """A function that is wrong in one dtype."""
    return lambda *v: wrong(*v) if v[0].dtype == dtype else right(*v)


ONE, MANY = "values and d/dx at 1 point", "values and d/dx at 41 points"
ALL = "in float64, float32, bfloat16, float16"
AT = {x: [1, 2]}
AGREES = {
    "smooth": (sin(x), torch.sin, {x: GENERIC}, MANY),
    "no assumption": (Abs(a) + a, lambda v: v.abs() + v, {a: [1]}, "values and d/da at 1 point"),
    "kinks": (psi(x), folded_psi, {x: POINTS}, "values and d/dx at 41 points, 7 kinks left to their convention"),
    "one kink": (s(x), torch.relu, {x: [0]}, "values and d/dx at 1 point, 1 kink left to its convention"),
    "no kink": (psi(x), folded_psi, {x: GENERIC}, MANY),
    "a kink after rounding": (
        s(x - 1),
        lambda v: torch.relu(v - 1),
        {x: [1 + 2.0**-20, 2]},
        "values and d/dx at 2 points, 1 kink left to its convention",
    ),
    "two symbols": (
        psi(c * x),
        folded_psi,
        {x: [v / 9 for v in GENERIC], c: [9.1] * 41},
        "values, d/dx and d/dc at 41 points",
    ),
    "order of at": (x - 2 * y, lambda p, q: q - 2 * p, {y: [1, 2], x: [3, 5]}, "values, d/dy and d/dx at 2 points"),
    "no derivative to take": (sp.sign(x), torch.sign, {x: [-1, 2]}, "values and d/dx at 2 points"),
    "pieces": (
        Piecewise((0, x < 0), (x**2, True)),
        lambda v: torch.where(v < 0, 0 * v, v * v),
        {x: np.linspace(-1, 1, 5)},
        "values and d/dx at 5 points",
    ),
    "floor": (sp.floor(2 * x) * x, lambda v: torch.floor(2 * v) * v, {x: [0.75, -1.25]}, "values and d/dx at 2 points"),
    "a root's kink": (sqrt(a**2), lambda v: v.abs(), {a: [-1, 2]}, "values and d/da at 2 points"),
    "in place": (s(x), lambda v: v.relu_(), {x: [-1, 2]}, "values and d/dx at 2 points"),
    "reversed array": (sin(x), torch.sin, {x: np.arange(3.0)[::-1]}, "values and d/dx at 3 points"),
    "big-endian array": (sin(x), torch.sin, {x: np.arange(3.0).astype(">f8")}, "values and d/dx at 3 points"),
    "real value of a complex form": (exp(sp.I * x) + exp(-sp.I * x), lambda v: 2 * v.cos(), {x: [R(1, 3)]}, ONE),
    "the result rounded once": (1000 * x / 3, lambda v: (v.double() * 1000 / 3).to(v.dtype), {x: GENERIC}, MANY),
}

DISAGREES = {
    "value": (
        sin(x),
        lambda v: v.sin() + 1e-6,
        AT,
        "the value in float64 on cpu at x = 1.0: expected 0.84147098480789651, got",
    ),
    "value in float32": (
        sin(x),
        only(torch.float32, lambda v: v.sin() * 1.0001, torch.sin),
        AT,
        "the value in float32 on",
    ),
    "naive psi in float16": (psi(x), only(torch.float16, naive_psi, folded_psi), {x: GENERIC}, "in float16 on cpu"),
    "naive psi in bfloat16": (psi(x), only(torch.bfloat16, naive_psi, folded_psi), {x: GENERIC}, "in bfloat16 on"),
    "nan": (sin(x), lambda v: v.sin() * float("nan"), AT, "got nan; allowed error 3.6e-15."),
    "derivative": (sin(x), lambda v: v.sin().detach() + 0 * v, AT, "d/dx in float64 on cpu at x = 1.0: expected 0.54"),
    "second derivative of two": (
        x * y,
        lambda p, q: p * q.detach() + 0 * q,
        {x: [1], y: [2]},
        "d/dy in float64 on cpu at x = 1.0, y = 2.0: expected 1.0, got 0.0",
    ),
    "outside the kink": (
        s(x),
        lambda v: torch.where(v == 0, 1.5 * v, torch.relu(v)),
        {x: [0]},
        "expected 0.0 to 1.0, got 1.5",
    ),
    "below the kink": (s(x), lambda v: torch.where(v == 0, -v, torch.relu(v)), {x: [0]}, "0.0 to 1.0, got -1.0"),
    "a kink where there is none": (x, lambda v: v.relu() - (-v).relu(), {x: [0]}, "expected 1.0, got 0.0"),
    "no graph": (sin(x), lambda v: v.detach().sin(), AT, "d/dx in float64 on cpu: autograd finds no path"),
    "no path to one": (x * y, lambda p, q: p * q.detach(), {x: [1], y: [2]}, "back to y"),
    "dtype": (sin(x), lambda v: v.sin().double(), AT, "returned a tensor of dtype torch.float64, not torch.float32"),
    "length": (sin(x), lambda v: v.sin()[:1], AT, "returned a tensor of shape (1,), not (2,)"),
    "scalar": (sin(x), lambda v: v.sin().sum(), AT, "returned a tensor of shape (), not (2,)"),
    "device": (sin(x), lambda v: v.sin().to("meta"), AT, "returned a tensor of device meta, not cpu"),
    "not a tensor": (sin(x), lambda v: 1.0, AT, "the function returned a float, not a tensor."),
}

AGREEMENT_REFUSED = {
    "float": (0.5 * x, AT, TypeError, "write Rational(1, 2)"),
    "matrix": (sp.Matrix([x]), AT, TypeError, "compare one entry at a time"),
    "missing symbol": (sin(x) * y, AT, ValueError, "exactly the expression's symbols, x and y; got x."),
    "spare symbol": (sin(x), {x: [1], y: [1]}, ValueError, "exactly the expression's symbols, x; got x and y."),
    "namesake": (sin(x), {Symbol("x"): [1]}, ValueError, "two different symbols are named x"),
    "no symbols": (sp.S(1), {}, ValueError, "at must give numbers for at least one symbol"),
    "lengths": (x * y, {x: [1, 2], y: [1]}, ValueError, "x has 2, y has 1."),
    "no points": (sin(x), {x: []}, ValueError, "at least one: x has 0."),
    "string": (sin(x), {x: "12"}, ValueError, "at[x] must be a flat sequence of real numbers."),
    "list of strings": (sin(x), {x: ["1", "2"]}, ValueError, "at[x] must be a flat sequence of real numbers."),
    "set": (sin(x), {x: {1, 2}}, ValueError, "at[x] must be a flat sequence of real numbers."),
    "mapping": (sin(x), {x: {1: 2}}, ValueError, "at[x] must be a flat sequence of real numbers."),
    "complex points": (sin(x), {x: [1j]}, ValueError, "at[x] must be a flat sequence of real numbers."),
    "tensor without values": (sin(x), {x: torch.ones(2, device="meta")}, ValueError, "at[x] must be a flat sequence"),
    "point beyond float64": (sin(x), {x: [10**400]}, ValueError, "at[x] has a number that is too large for float64"),
    "infinite sum": (sp.Sum(x**n, (n, 1, sp.oo)), {x: [0.5]}, ValueError, "expression holds the unevaluated Sum"),
    "undefined function": (sp.Function("f")(x), {x: [1]}, ValueError, "holds f(x), and f has no definition."),
    "no number of mpmath's": (sp.totient(sp.ceiling(x)), {x: [1]}, ValueError, "mpmath has no "),
    "lambda": (sp.Lambda(x, x), {x: [1]}, TypeError, "expression is a Lambda"),
    "two dimensions": (sin(x), {x: torch.ones(2, 2)}, ValueError, "at[x] must be a flat sequence"),
    "nan": (sin(x), {x: [1, np.nan]}, ValueError, "at[x] has a number that is not finite"),
    "point overflow": (sin(x), {x: [65536]}, ValueError, "x = 65536.0 is too large for float16 (largest 65504)"),
    "value overflow": (x**2, {x: [256]}, ValueError, "at x = 256.0 is too large for float16 (largest 65504)"),
    "pole": (1 / x, {x: [1, 0]}, ValueError, "the expression has no real, finite value at x = 0.0"),
    "complex": (log(x), {x: [-1]}, ValueError, "the expression has no real, finite value at x = -1.0"),
    "one-sided": (sqrt(x), {x: [0]}, ValueError, "d/dx has no real, finite value at x = 0.0"),
}


@cases(AGREES)
def test_agreement(case, capsys):
    expression, function, at, words = case
    agreement(expression, function, at=at)
    assert capsys.readouterr().out == f"agrees: {words}, {ALL}\n"  # the same on every machine: no device, no time


@pytest.mark.parametrize(
    ("wrt", "words"),
    [(None, "values, d/dx and d/dy"), ([y], "values and d/dy"), (x, "values and d/dx"), ([], "values")],
)
def test_agreement_with_respect_to(wrt, words, capsys):
    agreement(x * y, torch.mul, at={x: [1, 2], y: [2, 3]}, wrt=wrt)
    assert capsys.readouterr().out == f"agrees: {words} at 2 points, {ALL}\n"
    with pytest.raises(ValueError, match="wrt names b, which at does not give: choose among x and y."):
        agreement(x * y, torch.mul, at={x: [1, 2], y: [2, 3]}, wrt=[b])


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")])
def test_agreement_in_any_mode(mode, capsys):
    with mode():
        agreement(sin(x), torch.sin, at={x: [1, 2]})
    assert capsys.readouterr().out.startswith("agrees: ")


def test_equal_points_are_evaluated_once(monkeypatch):
    """Rounded to bfloat16, a thousand points of [1, 2] are 129: the cost of many points is that of float64 alone."""
    asked = []
    evaluate = _agreement._evaluate
    monkeypatch.setattr(_agreement, "_evaluate", lambda *all: asked.append(all[-1]) or evaluate(*all))
    agreement(sin(x), torch.sin, at={x: torch.linspace(1, 2, 1000, dtype=torch.float64)})
    assert asked.count(torch.float64) == 2000 and asked.count(torch.bfloat16) == 2 * 129


def test_agreement_asks_for_a_function_and_symbols():
    with pytest.raises(TypeError, match="function must be callable"):
        agreement(x, 3, at={x: [1]})
    with pytest.raises(TypeError, match="wrt must be a symbol, or a list of symbols; got the str 'x'"):
        agreement(x, torch.clone, at={x: [1]}, wrt="x")


@cases(DISAGREES)
def test_disagreement(case, capsys):
    expression, function, at, words = case
    with pytest.raises(Disagreement) as caught:
        agreement(expression, function, at=at)
    assert words in str(caught.value)
    assert capsys.readouterr().out == ""


@cases(AGREEMENT_REFUSED)
def test_agreement_refuses(case):
    expression, at, error, words = case
    with pytest.raises(error) as caught:
        agreement(expression, lambda v: v * v, at=at)
    assert words in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: the function is wrong there alone")
def test_disagreement_on_cuda():
    with pytest.raises(Disagreement, match="the value in float64 on cuda at x = 1.0"):
        agreement(sin(x), lambda v: v.sin() + 1e-6 * v.is_cuda, at={x: [1, 2]})


def test_input_rounding_is_not_counted():
    # bfloat16 rounds 1.003 to 1, where 1000 (x - 1) is 0; at 1.003 it is 3, give or take the allowed 0.09.
    agreement(1000 * (x - 1), lambda v: 1000 * (v.double() - 1).to(v.dtype), at={x: [1.003]})


@pytest.mark.parametrize("scale", [R(1, 100), R(1000)])
@pytest.mark.parametrize(
    ("dtype", "passes", "fails"),
    [
        (torch.float64, 2e-15, 1e-14),
        (torch.float32, 1e-6, 4e-6),
        (torch.bfloat16, 1.6e-2, 6e-2),
        (torch.float16, 2e-3, 8e-3),
    ],
)
def test_allowed_error_is_absolute_below_one_and_relative_above(dtype, passes, fails, scale):
    def off_by(error):
        size = error * max(1.0, factor)
        return lambda v: (v.double() * factor + size * (v.dtype == dtype)).to(v.dtype)

    factor = float(scale)
    agreement(scale * x, off_by(passes), at={x: [1]})
    with pytest.raises(Disagreement, match=f"the value in {str(dtype).removeprefix('torch.')} "):
        agreement(scale * x, off_by(fails), at={x: [1]})
