"""The roots by panels beside those by Chebyshev coefficients and halves: as many, and at the same places."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from relunb.iat import (
    PWL,
    PWQ,
    Fourier,
    Mixed,
    PiecewisePolynomial,
    PWLWavelet,
    Rect,
    RectWavelet,
    _roots,
    activation_pattern,
)
from relunb.iat._bases import BASES, basis
from tests.forms import take
from tests.iat import chebyshev_roots
from tests.iat.inputs import normal, numbers
from tests.iat.test_roots_at_edges import OWN, SOME, states
from tests.tolerance import ROOT

EPS = 2.0**-52
TOUCHING = Mixed(Fourier(2), PWL(2))


@pytest.fixture(params=["compiled kernel", "plain"])
def form(request, monkeypatch):
    take(request.param, monkeypatch)


def of_width(d):
    yield from (basis(name, d) for name in BASES)
    yield from (Mixed(Fourier(d), PWL(d)), RectWavelet(d, multiscale=True), PWLWavelet(d, multiscale=True))


each_basis = pytest.mark.parametrize("p", [p for d in (3, 16, 64, 128) for p in of_width(d)], ids=repr)
some_bases = pytest.mark.parametrize("p", [*of_width(3), *of_width(16), *SOME], ids=repr)


def bounds(found):
    """For each state the places that bound D, and which of them move."""
    ends = pad(found.active, (1, 0)) ^ pad(found.active, (0, 1))
    return [(edges[at], moving[at]) for edges, moving, at in zip(found.edges, found.moving, ends, strict=True)]


def assert_the_same(x, p):
    """A place moves by the rounding of its state over the slope there. All edges are in order, and filled up with 1."""
    ours, theirs = _roots.roots(x, p), chebyshev_roots.roots(x, p)
    assert (ours.edges[:, 0] == -1).all() and (ours.edges[:, -1] == 1).all() and (ours.edges.diff() >= 0).all()
    assert ours.edges.shape == theirs.edges.shape
    unit = x.abs().amax(1, keepdim=True)
    x = torch.where(unit > 0, x / unit, 0)
    for state, (places, moving), (wanted, moved) in zip(x, bounds(ours), bounds(theirs), strict=True):
        assert len(places) == len(wanted), (p, state.tolist(), places.tolist(), wanted.tolist())
        assert torch.equal(moving, moved), (p, state.tolist(), places.tolist())
        slopes = torch.minimum(*((of @ state).abs() for of in (p.derivative(wanted), p.left_limit(wanted, 1))))
        rounding = 2 * EPS * (p.size + 4) * state.abs().sum() / slopes
        assert ((places - wanted).abs() <= rounding.clamp_min(ROOT)).all(), (p, state.tolist(), places.tolist())


def vanishing(x, p):
    """Middles of cells where the terms of a state cancel to rounding: (states, cells) bool; and these places."""
    s = p.breakpoints[:-1, None] + p.breakpoints.diff()[:, None] * (torch.arange(9) + 0.5) / 9
    z, size = (
        torch.einsum("bi,cni->bcn", of, values).abs().amax(2) for of, values in ((x, p(s)), (x.abs(), p(s).abs()))
    )
    return (z <= 3 * EPS * size) & (size > 0), s[:, 4]


@each_basis
def test_random_states(p, form):
    assert_the_same(normal(60 if p.size < 64 else 12, p.size, seed=p.size), p)


@some_bases
def test_structured_states(p, form):
    """Where nothing but rounding is left on a cell, Chebyshev coefficients have the sign of that, and panels none."""
    x = states(p.size, seed=1)
    x = torch.from_numpy(x[np.random.default_rng(0).permutation(len(x))[:150]])
    if p.degree or p.harmonics:
        zero, middles = vanishing(x, p)
        assert not (activation_pattern(x, p).contains(middles) & zero).any()
        x = x[~zero.any(1)]
        assert len(x) > 75
    assert_the_same(x, p)


def raised(height):
    """cos(pi (s - t)) touches -1 at t + 1: raised above zero by ``height``, and turned over."""
    angle = torch.pi * torch.linspace(-1, 1, 17, dtype=torch.float64)
    level = torch.full_like(angle, 1 + height)
    x = torch.stack([angle.cos(), angle.sin(), level, level], 1)
    return torch.cat([x, -x])


def parabolas(height):
    """(s - t)^2 + height, and turned over."""
    p, s, t = PWQ(6), torch.linspace(-1, 1, 99, dtype=torch.float64), torch.linspace(-1, 1, 17, dtype=torch.float64)
    x = torch.linalg.lstsq(p(s), (s[:, None] - t).square() + height).solution.T
    return torch.cat([x, -x])


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("height", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
def test_nearly_double_roots_above_and_below(height, side, form):
    assert_the_same(raised(side * height), TOUCHING)
    assert_the_same(parabolas(side * height), PWQ(6))


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_pairs_of_roots(distance, form):
    assert_the_same(raised(-2 * math.sin(math.pi * distance / 4) ** 2), TOUCHING)
    assert_the_same(parabolas(-(distance**2) / 4), PWQ(6))


@pytest.mark.parametrize("distance", [1e-7, 1e-8, 1e-9, 1e-12])
def test_pairs_that_rounding_joins_bound_nothing(distance, form):
    """The state between them is about what its sum is rounded by, or below it: some 1e-7 of D can hang on it."""
    touching, parabola = raised(-2 * math.sin(math.pi * distance / 4) ** 2), parabolas(-(distance**2) / 4)
    for x, p in ((touching, TOUCHING), (parabola, PWQ(6))):
        measure = activation_pattern(x, p).measure
        assert (measure[: len(x) // 2] >= 2 - 3e-7).all() and (measure[len(x) // 2 :] <= 3e-7).all()
    if distance < 1e-7:
        assert_the_same(touching, TOUCHING)


@pytest.mark.parametrize("harmonics", [1, 2, 4, 8])
def test_double_roots_anywhere_bound_nothing(harmonics, form):
    """Squares of random waves, with a pair of double roots for each harmonic or fewer, near no end of a panel."""
    s = (torch.arange(128, dtype=torch.float64) + 0.5) / 64 - 1
    wave = normal(200, 2 * harmonics, seed=harmonics) @ Fourier(2 * harmonics)(s).T + normal(200, 1)
    p, square = Mixed(Fourier(4 * harmonics), Rect(1)), wave.square()
    x = torch.cat([square @ Fourier(4 * harmonics)(s) / 64, square.mean(1, keepdim=True)], 1)
    for scale in (1, 1.37, -1, -1.37):
        found = _roots.roots(scale * x, p)
        assert found.edges.shape == (200, 2) and (found.active == (scale > 0)).all() and not found.moving.any()


@pytest.mark.parametrize("p", [Fourier(16), PWQ(16), OWN, Mixed(Fourier(3), PWL(2)), Rect(3)], ids=repr)
@pytest.mark.parametrize("scale", [1e-310, 1e-30, 1e-10, 1e10, 1e30, 1e300])
def test_states_of_any_size(p, scale, form):
    assert_the_same(normal(30, p.size) * scale, p)


@pytest.mark.parametrize("degree", [4, 12, 31, 33])
def test_polynomials_of_any_degree(degree, form):
    """The compiled kernels hold 32 coefficients."""
    p = PiecewisePolynomial([-1, -0.3, 1], normal(4, 2, degree + 1, seed=degree))
    assert_the_same(normal(60, 4), p)


@pytest.mark.parametrize("p", [Rect(3), PWL(3), PWQ(3), Fourier(3)], ids=repr)
def test_no_states_zeros_and_constants(p, form):
    for x in (torch.zeros(0, 3), torch.zeros(2, 3), torch.ones(2, 3), -torch.ones(1, 3), torch.eye(3)):
        found, wanted = _roots.roots(x.double(), p), chebyshev_roots.roots(x.double(), p)
        assert [t.shape for t in found] == [t.shape for t in wanted]
        assert_the_same(x.double(), p)


@pytest.mark.parametrize("p", [PWL(5), Fourier(6)], ids=repr)
def test_blocks_of_states_are_filled_up_to_one_width(p, form, monkeypatch):
    x = torch.cat([normal(7, p.size), numbers([0.0] * p.size, [1.0] * p.size)])
    whole = _roots.roots(x, p)
    monkeypatch.setattr(_roots, "_HELD", 2 * p.size * 40)
    parts = _roots.roots(x, p)
    assert torch.equal(parts.active, whole.active) and torch.equal(parts.moving, whole.moving)
    torch.testing.assert_close(parts.edges, whole.edges, rtol=0, atol=1e-14)
