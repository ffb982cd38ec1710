"""IAT-ReLU by panels: beside the sum over nodes, at hard states, and that no root is missed."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from relunb import IAT
from relunb._scaling import power_of_two
from relunb.iat import PWL, PWQ, Fourier, Mixed, PiecewisePolynomial, Rect
from relunb.iat._bases import BASES, basis
from relunb.iat._exact import by_rows, exact_relu, matvec, rmatvec
from relunb.iat._legendre import maps, sign_changes
from relunb.iat._panel_kernels import find_domain
from relunb.iat._panels import _mesh, panels, positive, table_numbers, transformed
from relunb.iat._pattern import boundaries
from tests.forms import take
from tests.iat.inputs import normal
from tests.iat.plain_integral import integral

OWN = PiecewisePolynomial([-1, 0.25, 1], [[[1, -2, 0, 3], [0, 1, 0, 0]], [[0, 1, 0, 0], [1, 1, 1, -4]]])


@pytest.fixture(params=["compiled kernel", "plain"])
def form(request, monkeypatch):
    take(request.param, monkeypatch)


def by_nodes(x, grad, p, q):
    """Values and gradient, one sample after another and one interval after another."""
    edges, active, _ = boundaries(x, p)
    unit = power_of_two(x, -1)  # no sum of large numbers overflows
    return by_rows(matvec, x / unit, edges, active, p, q) * unit, by_rows(rmatvec, grad, edges, active, p, q)


def by_panels(x, grad, p, q):
    x = x.clone().requires_grad_()
    y = exact_relu(x, p, q)
    return y.detach(), torch.autograd.grad(y, x, grad.to(y.dtype))[0]


@pytest.mark.parametrize("pair", [*itertools.product(BASES, BASES), (OWN, "pwq"), ("fourier", OWN)], ids=str)
@pytest.mark.parametrize(("d", "n"), [(6, 5), (33, 17)])
def test_values_and_gradient_are_those_of_the_sum_over_nodes(pair, d, n, form):
    p, q = (of if isinstance(of, PiecewisePolynomial) else basis(of, k) for of, k in zip(pair, (d, n), strict=True))
    x, grad = normal(40, p.size), normal(40, q.size, seed=1)
    for ours, theirs in zip(by_panels(x, grad, p, q), by_nodes(x, grad, p, q), strict=True):
        assert (ours - theirs).abs().max() <= 2e-14 * p.size
    for ours, theirs in zip(by_panels(x.float(), grad, p, q), by_nodes(x.float().double(), grad, p, q), strict=True):
        assert ours.dtype == torch.float32
        assert (ours - theirs).abs().max() <= 4e-7 * (p.size + q.size)


@pytest.mark.parametrize("d", [64, 128, 256])
def test_wide_states(d, form):
    p, q = Fourier(d), PWQ(d)
    x, grad = normal(3, d), normal(3, d, seed=1)
    size = x.abs().sum(1, keepdim=True)
    (y, g), (wanted, pulled) = by_panels(x, grad, p, q), by_nodes(x, grad, p, q)
    assert ((y - wanted).abs() <= 1e-13 * size).all()
    assert (g - pulled).abs().max() <= 1e-11 * grad.abs().sum()


@pytest.mark.parametrize("side", [-1, 0, 1])
def test_nearly_double_roots(side, form):
    """cos(pi (s - t)) touches -1 at t + 1, raised by what is from 1e-2 to 1e-12 above or below, or nothing."""
    p = Mixed(Fourier(2), PWL(2))
    places = torch.linspace(-1, 1, 41, dtype=torch.float64)
    for height in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12):
        angle = torch.pi * places
        level = torch.full_like(angle, 1 + side * height)
        x = torch.stack([angle.cos(), angle.sin(), level, level], 1)
        for sign in (1, -1):
            y, slope = by_panels(sign * x, torch.ones(len(x), 3, dtype=torch.float64), p, Rect(3))
            wanted = integral((sign * x).numpy(), p, Rect(3))
            assert np.abs(y.numpy() - wanted.y).max() <= 4e-15
            assert (np.abs(slope.numpy() - wanted.matrix.sum(1)) <= wanted.doubt.sum(1) + 4e-15).all()


def test_tables_are_as_large_as_was_said_before_they_were_made():
    for p, q in [(Fourier(64), PWQ(64)), (PWQ(40), Fourier(7)), (PWQ(20), PWQ(30)), (Mixed(Fourier(9), PWQ(9)), OWN)]:
        on, said = panels(p, q, False, torch.device("cpu")), table_numbers(p, q)
        made = on.p.numel() + on.q.numel() + on.back.numel()
        assert 0.4 * said < made <= said
    assert table_numbers(Fourier(10**6), PWQ(9)) > 1e13  # and is known at once


def disagreements(x, p, q, points):
    """Places of a grid where the sign of a state is not that of its domain, though the state is above rounding."""
    on = panels(p, q, False, x.device)
    places = 2 * (torch.arange(points, dtype=torch.float64) + 0.318) / points - 1
    wrong = roots = 0
    ends = _mesh(p, q)
    cell = (torch.searchsorted(ends, places, right=True) - 1).clamp(0, len(ends) - 2)
    inside = 2 * (places - ends[cell]) / ends.diff()[cell] - 1
    start = 0
    values = p(places).T
    for domain in transformed(x, on)[1]:
        rows = len(domain.after) // (len(ends) - 1)
        z = x[start : start + rows] @ values
        below = torch.zeros(rows, points, dtype=torch.long)
        order = domain.panel.argsort(stable=True)
        panel, place = domain.panel[order], domain.place[order]
        change = torch.where(domain.falling[order], 1, -1)
        nth = torch.arange(len(order)) - torch.searchsorted(panel, panel)
        for j in range(int(nth.max()) + 1):  # the j-th root of each panel
            at = torch.full((len(domain.after),), -2.0, dtype=torch.float64)
            by = torch.zeros(len(at), dtype=torch.long)
            at[panel[nth == j]], by[panel[nth == j]] = place[nth == j], change[nth == j]
            below += by.view(rows, -1)[:, cell] * (inside < at.view(rows, -1)[:, cell])
        state = domain.after.view(rows, -1)[:, cell].long() + below
        clear = z.abs() > 1e-12 * x[start : start + rows].abs().sum(1, keepdim=True)
        wrong += int(((state != (z > 0).long()) & clear).sum())
        roots += len(domain.panel)
        start += rows
    return wrong, roots


@pytest.mark.parametrize(("p", "q"), [(Fourier(8), PWQ(6)), (PWQ(9), Fourier(5)), (OWN, PWQ(4))], ids=repr)
def test_no_root_is_missed(p, q, form):
    wrong, roots = disagreements(normal(2000, p.size), p, q, 1500)
    assert wrong == 0 and roots > 1000


@pytest.mark.slow
def test_no_root_is_missed_in_a_million_states():
    p, q = Fourier(8), PWQ(6)
    wrong = 0
    for seed in range(100):
        wrong += disagreements(normal(10_000, 8, seed=seed), p, q, 400)[0]
    assert wrong == 0


def straddled(n, count):
    """Legendre coefficients (count, n) of polynomials with many roots, some of them close pairs; some are zero."""
    generator = torch.Generator().manual_seed(n)
    c = torch.randn(count, n, generator=generator, dtype=torch.float64) * 0.7 ** torch.arange(n)
    for row in range(0, count, 3):
        many = int(torch.randint(1, min(n, 9), (), generator=generator))
        roots = 2.2 * torch.rand(many, generator=generator, dtype=torch.float64) - 1.1
        if many > 1:
            roots[1] = roots[0] + 10.0 ** -(1 + row % 5)
        made = np.polynomial.legendre.legfromroots(roots.numpy())
        c[row] = 0
        c[row, : many + 1] = torch.from_numpy(made / np.abs(made).max())
    c[1::7, 0] += 4 * c[1::7].abs().sum(1)  # far from zero
    c[2::11] = 0
    return c


@pytest.mark.parametrize("n", [2, 3, 7, 11, 19, 32])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("panels", [1, 7, 8, 9, 30, 9001])
def test_the_compiled_roots_are_those_of_torch(n, threads, panels, monkeypatch):
    """Also where the last panels, or the last of those with several roots, do not fill a vector."""
    take("compiled kernel", monkeypatch)
    c = straddled(n, panels)
    noise = c.abs().sum(1) * 1e-15
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        by_kernel = find_domain(c, noise, 3)
    finally:
        torch.set_num_threads(before)
    assert by_kernel is not None
    ours, unclear = by_kernel
    assert unclear.sum() <= 1 + 0.01 * len(c)
    _, runs = ours.panel.unique_consecutive(return_counts=True)
    assert len(runs) == len(ours.panel.unique())  # the roots of a panel lie in a row
    clear = (~unclear & (c.abs().sum(1) > noise)).nonzero().squeeze(1)
    theirs = sign_changes(c[clear], 8 * noise[clear], 3)
    assert torch.equal(ours.after[clear], theirs.after) and not ours.after[c.abs().sum(1) == 0].any()
    order = sorted(range(len(ours.panel)), key=lambda k: (ours.panel[k].item(), ours.place[k].item()))
    panel, place = clear[theirs.number].tolist(), theirs.place.tolist()
    wanted = sorted(range(len(place)), key=lambda k: (panel[k], place[k]))
    assert ours.panel[order].tolist() == [panel[k] for k in wanted]
    assert torch.equal(ours.falling[order], theirs.falling[wanted])
    # A root moves by the rounding of the polynomial, in powers of u, over its slope, and a close pair by more.
    on = c[ours.panel[order]]
    slope = np.polynomial.legendre.legval(
        ours.place[order].numpy(), np.polynomial.legendre.legder(on.numpy().T), tensor=False
    )
    off = (ours.place[order] - theirs.place[wanted]).abs()
    rounding = 2.0**-52 * (maps(n, c.device).powers @ on.mT).abs().sum(0)
    assert (off * torch.from_numpy(slope).abs() <= 40 * rounding).all()


def test_more_roots_than_there_is_room_for_are_left_to_torch(form):
    """Fifteen roots on each panel, where the kernel has room for two."""
    c = torch.zeros(5000, 16, dtype=torch.float64)
    c[:, 15] = 1
    noise = torch.full((5000,), 1e-15, dtype=torch.float64)
    domain = positive(c, noise, 3)
    exact = torch.from_numpy(np.polynomial.legendre.leggauss(15)[0])
    assert len(domain.panel.unique_consecutive()) == 5000  # what is left to torch keeps a panel's roots in a row
    order = (domain.panel * 4 + domain.place).argsort()
    assert torch.equal(domain.panel[order], torch.arange(5000).repeat_interleave(15))
    assert (domain.place[order].view(5000, 15) - exact).abs().max() < 1e-13
    assert torch.equal(domain.falling[order].view(5000, 15), (torch.arange(15) % 2 == 1).expand(5000, 15))
    assert domain.after.all()


def test_another_default_device_changes_nothing(form):
    x, grad = normal(5, 6), normal(5, 6, seed=1)
    wanted = by_panels(x, grad, Fourier(6), PWQ(6))
    with torch.device("meta"):
        found = by_panels(x, grad, Fourier(6), PWQ(6))
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_changes_of_sign_of_polynomials_with_known_roots():
    """Also a pair 1e-6 apart, and none where the polynomial only touches zero."""
    cases = [[-0.5, 0.3, 0.30001], [0.1, 0.1 + 1e-6, 0.7], [-1e-3, 0, 1e-3], [0.2], [-0.9, -0.8, -0.7, 0.1, 0.11, 0.6]]
    size = 8
    for wanted in cases:
        c = np.zeros(size)
        c[: len(wanted) + 1] = np.polynomial.legendre.legfromroots(wanted)
        found = sign_changes(torch.from_numpy(c)[None], torch.full((1,), 1e-17, dtype=torch.float64), 3)
        places = found.place.sort()
        np.testing.assert_allclose(places.values, wanted, rtol=0, atol=1e-7)
        falling = found.falling[places.indices]
        assert (falling[1:] != falling[:-1]).all() and bool(found.after) != bool(falling[-1])
    touching = np.zeros(size)
    touching[:3] = np.polynomial.legendre.legfromroots([0.3, 0.3])
    for shift, many in ((0, {0, 2}), (1e-9, {0}), (-1e-9, {2})):
        c = torch.from_numpy(touching)[None] + shift * torch.eye(size, dtype=torch.float64)[0]
        found = sign_changes(c, torch.full((1,), 1e-15, dtype=torch.float64), 3)
        assert len(found.place) in many and bool(found.after)


@pytest.mark.slow
def test_a_large_batch_takes_the_memory_of_blocks():
    """65,536 states of 64 numbers have 4 million panels of 11 coefficients: 360 MB, and several times that at once."""
    code = """
import resource, sys, torch
from relunb import IAT
torch.set_num_threads(1)
scale = 2**20 if sys.platform == "darwin" else 2**10
layer = IAT(64)
layer(torch.randn(1024, 64))
x = torch.randn(16384, 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
with torch.no_grad():
    layer(x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 125  # MiB, a quarter of what four times as many may take


def test_second_derivatives_stay_those_of_the_roots():
    layer, x = IAT(5, 4), normal(3, 5).requires_grad_()
    (grad,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    (plain,) = torch.autograd.grad(layer(x).sum(), x)
    torch.testing.assert_close(grad.detach(), plain, rtol=0, atol=1e-13)
    assert torch.autograd.grad(grad.square().sum(), x)[0].abs().max() > 1e-3
