"""The inner products of two bases: SymPy integrates what each basis is by its definition."""

import itertools

import mpmath
import pytest
import sympy as sp
import torch

from relunb.iat import (
    PWL,
    PWQ,
    Fourier,
    Mixed,
    PiecewisePolynomial,
    PWLWavelet,
    Rect,
    RectWavelet,
    activation_matrix,
    activation_pattern,
    gram,
)
from relunb.iat import _gram as gram_module
from tests.iat.inputs import numbers

S = sp.Symbol("s", real=True)


def pieces_of(name, size):
    """Each function of a basis on its mesh, by its definition: cut points, and an expression on each cell."""
    cells = {"pwl": size - 1, "pwq": size - 2}.get(name, size)
    mesh = [sp.Rational(2 * i, cells) - 1 for i in range(cells + 1)]
    h = sp.Rational(2, cells)
    if name == "fourier":
        waves = (sp.cos, sp.sin)
        return mesh, [[waves[i % 2]((i // 2 + 1) * sp.pi * S)] * cells for i in range(size)]
    if name == "rect":
        return mesh, [[sp.Integer(i == c) for c in range(cells)] for i in range(size)]
    if name == "pwl":  # rising on the cell before its node, falling on the one behind it
        rising, falling = ([1 + sign * (S - node) / h for node in mesh] for sign in (1, -1))
        return mesh, [
            [{c: falling[i], c + 1: rising[i]}.get(i, sp.Integer(0)) for c in range(cells)] for i in range(size)
        ]
    if name == "pwq":  # the spline i has its middle at the middle of the cell i - 1, and its peak there is 1
        u = [(S + 1 + h / 2 - i * h) / h for i in range(size)]
        third = sp.Rational(1, 3)
        outer = [(lambda v: 2 * third * (sp.Rational(3, 2) + v) ** 2), (lambda v: 1 - 4 * third * v**2),
                 (lambda v: 2 * third * (sp.Rational(3, 2) - v) ** 2)]  # fmt: skip
        return mesh, [
            [outer[c - i + 2](u[i]) if 0 <= c - i + 2 <= 2 else sp.Integer(0) for c in range(cells)]
            for i in range(size)
        ]
    mesh, rects = pieces_of("rect", size)
    return mesh, [[a - b for a, b in zip(f, g, strict=True)] for f, g in zip(rects, rects[1:] + rects[:1], strict=True)]


def product(one, other):
    """The integral of two functions, each a mesh and an expression on each of its cells."""
    (mesh, f), (other_mesh, g) = one, other
    ends = sorted({*mesh, *other_mesh})
    total = sp.Integer(0)
    for a, b in itertools.pairwise(ends):
        at = (a + b) / 2
        cell, other_cell = (sum(bool(end <= at) for end in each) - 1 for each in (mesh, other_mesh))
        total += sp.integrate(sp.expand(f[cell] * g[other_cell]), (S, a, b))
    return total


KINDS = {"rect": Rect, "pwl": PWL, "pwq": PWQ, "fourier": Fourier, "rect-w": RectWavelet}


@pytest.mark.parametrize(
    ("p", "q"),
    [
        pytest.param(p, q, marks=[pytest.mark.slow] * ("fourier" in (p, q)))
        for p, q in itertools.combinations_with_replacement(KINDS, 2)
    ],
)
def test_it_is_what_sympy_integrates(p, q):
    (mesh, own), (other_mesh, others) = pieces_of(p, 4), pieces_of(q, 3)
    wanted = [[float(product((mesh, f), (other_mesh, g))) for g in others] for f in own]
    found = gram(KINDS[p](4), KINDS[q](3))
    assert (found.dtype, found.shape) == (torch.float64, (4, 3))
    torch.testing.assert_close(found, numbers(*wanted), rtol=0, atol=1e-15)
    torch.testing.assert_close(gram(KINDS[q](3), KINDS[p](4)), found.mT, rtol=0, atol=1e-15)


def test_a_high_power_times_a_wave():
    power = PiecewisePolynomial([-1, 1], [[[0] * 12 + [1]]])  # ((s + 1) / 2)^12
    with mpmath.workdps(30):
        exact = [
            float(mpmath.quad(lambda s, wave=wave: ((s + 1) / 2) ** 12 * wave(mpmath.pi * s), [-1, 0, 1]))
            for wave in (mpmath.cos, mpmath.sin)
        ]
    torch.testing.assert_close(gram(power, Fourier(2)), numbers(exact), rtol=0, atol=1e-15)


def test_it_is_the_activation_matrix_of_all_of_the_interval():
    everywhere = activation_pattern(numbers(1.0), "rect")
    for p, q in ((Mixed(Fourier(5), PWL(3)), PWLWavelet(4, multiscale=True)), (PWQ(6), Fourier(9))):
        wanted = activation_matrix(everywhere, p, q, normalized=False)
        torch.testing.assert_close(gram(q, p), wanted, rtol=0, atol=1e-14)


def test_blocks_change_nothing(monkeypatch):
    whole = gram(PWQ(9), Fourier(4))
    monkeypatch.setattr(gram_module, "_HELD", 40)
    torch.testing.assert_close(gram(PWQ(9), Fourier(4)), whole, rtol=0, atol=1e-15)


def test_one_of_the_two_may_be_a_name():
    assert torch.equal(gram("pwl", PWQ(5)), gram(PWL(5), PWQ(5)))
    assert torch.equal(gram(PWL(5), "pwq"), gram(PWL(5), PWQ(5)))
    with pytest.raises(TypeError, match="p or q must be a Basis, like Fourier"):
        gram("pwl", "pwq")
    with pytest.raises(ValueError, match="q must be one of 'rect'"):
        gram(PWL(5), "hats")
    with pytest.raises(TypeError, match="q must be a name or a Basis; got 5"):
        gram(PWL(5), 5)  # pyright: ignore[reportArgumentType]


def test_each_result_is_its_own_and_has_no_mode():
    basis = PWL(3)
    with torch.inference_mode():
        gram(basis, basis).zero_()
    assert gram(basis, basis).trace() > 1 and not gram(basis, basis).is_inference()
