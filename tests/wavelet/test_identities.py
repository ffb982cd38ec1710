"""What the chapter proves about psi, proved again from the package's own numbers."""

from functools import cache

import pytest
import sympy as sp

from relunb.check import NotEqual, identity
from relunb.wavelet import KNOTS, WEIGHTS

x, u = sp.symbols("x u", real=True)
a = sp.Symbol("a", positive=True)


def relu(z):
    return sp.Max(z, 0)


def psi(z):
    return sum(
        (
            sp.Rational(w.numerator, w.denominator) * relu(z - sp.Rational(k.numerator, k.denominator))
            for k, w in zip(KNOTS, WEIGHTS, strict=True)
        ),
        sp.Integer(0),
    )


def test_three_relus_are_the_seven():
    t = sp.Abs(x - sp.Rational(3, 2))
    folded = (
        relu(sp.Rational(3, 2) - t) / 6
        - sp.Rational(4, 3) * relu(1 - t)
        + sp.Rational(23, 6) * relu(sp.Rational(1, 2) - t)
    )
    identity(folded, psi(x))


def test_psi_is_the_chui_wang_wavelet():
    def hat(z):
        return relu(z) - 2 * relu(z - 1) + relu(z - 2)

    identity(sum(c * hat(2 * x - k) for k, c in enumerate((1, -6, 10, -6, 1))) / sp.Integer(12), psi(x))


def test_one_relu_is_one_bw_relu_up_to_two():
    """Proposition 3.2, with its exact domain: sigma(u) = 24 psi(u/4) for u <= 2, and not beyond."""
    identity(24 * psi(u / 4), relu(u), assume=u <= 2)
    with pytest.raises(NotEqual):
        identity(24 * psi(u / 4), relu(u), assume=u <= sp.Rational(33, 16))
    value = (24 * psi(u / 4)).subs(u, sp.Rational(33, 16))
    assert value == sp.Rational(25, 16)


def test_the_general_scale_reaches_one_over_two_a():
    for scale in (sp.Rational(1, 9), sp.Rational(1, 4), sp.Integer(3)):
        identity(6 / scale * psi(scale * u), relu(u), assume=u <= 1 / (2 * scale))
        with pytest.raises(NotEqual):
            identity(6 / scale * psi(scale * u), relu(u), assume=u <= 1 / (2 * scale) + sp.Rational(1, 100))


@cache
def pieces():
    """psi without a maximum in it, each piece once."""
    return sp.piecewise_fold(psi(x).rewrite(sp.Piecewise))


def test_two_moments_vanish_and_the_third_does_not():
    moments = [sp.integrate(x**n * pieces(), (x, 0, 3)) for n in range(4)]
    assert moments == [0, 0, sp.Rational(-1, 24), sp.Rational(-3, 16)]


def test_the_square_integrates_to_a_quarter():
    assert sp.integrate(sp.expand(pieces() ** 2), (x, 0, 3)) == sp.Rational(1, 4)
