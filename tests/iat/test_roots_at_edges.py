"""States whose roots fall on an edge: what a ReLU, a one-hot or a rounded layer hands on. No random state is one."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from relunb import IAT
from relunb.iat import (
    PWL,
    PWQ,
    DecoupledIAT,
    Fourier,
    Mixed,
    PiecewisePolynomial,
    PWLWavelet,
    Rect,
    RectWavelet,
    activation_matrix,
    activation_pattern,
    linear_regions,
    max_linear_regions,
    transform,
)
from tests.iat.exact_pattern import exact_pattern
from tests.iat.inputs import numbers
from tests.iat.plain_integral import hessian, integral, over, weighed

OWN = PiecewisePolynomial(
    [-1, -0.25, 0.5, 1],
    [[[1, -2, 0, 3], [0, 1, 0, 0], [1, -1, 0, 0]], [[1, 0, 0, 0]] * 3, [[0, 0, 1, 0], [1, 0, -1, 0], [0, 0, 0, 1]]],
)
NAMES = ("rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w")
SOME = [kind(4) for kind in (Rect, PWL, PWQ, Fourier, RectWavelet, PWLWavelet)]
SOME += [Fourier(2), Fourier(5), Mixed(Fourier(3), PWL(2)), Mixed(Rect(2), Fourier(2))]
SOME += [RectWavelet(5, multiscale=True), PWLWavelet(4, multiscale=True), OWN]
SMALL = [kind(size) for kind in (Rect, PWL, PWQ, Fourier, RectWavelet, PWLWavelet) for size in (1, 2, 3)
         if size >= {Rect: 1, Fourier: 1, PWQ: 3}.get(kind, 2)]  # fmt: skip
LARGE = [kind(5) for kind in (Rect, PWL, PWQ, RectWavelet, PWLWavelet)]
each_basis = pytest.mark.parametrize("p", SOME, ids=repr)


def general(p, q):
    """The transform by the route that all bases can take: the layer may have a quicker one."""
    layer = DecoupledIAT(p.size, None, q.size, p, q, p)
    return lambda x: layer(x, x)


def states(size, seed=0):
    """Small integers, one- and two-hot, symmetric and antisymmetric, rectified, sines alone, and a rounding beside."""
    rng = np.random.default_rng(seed)
    eye, normal = np.eye(size), rng.standard_normal((40, size))
    sines = normal.copy()
    sines[:, ::2] = 0
    pairs = [a * eye[i] + b * eye[j] for i in range(size) for j in range(i) for a, b in ((1, 1), (1, -1), (-0.6, 0.3))]
    found = [rng.integers(-2, 3, (80, size)), 0.227 * eye, -1.5236 * eye, np.reshape(pairs, (-1, size)), sines]
    found += [normal + normal[:, ::-1], normal - normal[:, ::-1], np.maximum(normal, 0)]
    found = np.concatenate(found)
    beside = found[rng.permutation(len(found))[:60]]
    beside = beside[np.abs(beside).any(1)]
    place = np.arange(len(beside)), np.abs(beside).argmax(1)  # not a zero: that would be a state of its own
    for side in (-9, 9):
        moved = beside.copy()
        moved[place] = np.nextafter(moved[place], side)
        found = np.concatenate([found, moved])
    return found


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([0, 0.23], [0, 0.46 / math.pi]),
        ([0, 1.5236], [0, 3.0472 / math.pi]),
        ([0, 0, 0, 0.227], [0.454 / math.pi, 0] * 2),
        ([1, 2, -1, -0.5], integral([[1, 2, -1, -0.5]], Fourier(4), Rect(4)).y[0].tolist()),
    ],
)
def test_no_interval_is_lost_at_an_edge(x, expected):
    torch.testing.assert_close(transform(numbers(*x), "fourier", "rect"), numbers(*expected), rtol=0, atol=1e-15)


@functools.cache
def all_states(size):
    """All with numbers from -2 to 2, of five numbers a half of them, and the structured ones."""
    every = np.array(list(itertools.product(range(-2, 3), repeat=size)), dtype=np.float64)
    if size > 4:
        every = np.random.default_rng(0).permutation(every)[: len(every) // 2]
    return np.concatenate([every, states(size)])


@pytest.mark.slow
@pytest.mark.parametrize("p", [*SMALL, *SOME, *LARGE], ids=repr)
def test_values_matrix_and_measure_of_every_state_agree_with_a_plain_integral(p):
    """Values within rounding. What decides the matrix and the measure may be undecided where z is rounding, no more."""
    x, q = all_states(p.size), Rect(3)
    exact = integral(x, p, q)
    given = torch.from_numpy(x)
    pattern = activation_pattern(given, p)
    rounding = 1e-15 * np.abs(x).sum(1, keepdims=True)
    for ours in (transform(given, p, q), general(p, q)(given)):
        assert (np.abs(ours.numpy() - exact.y) <= rounding).all()
    measure = pattern.measure.numpy()
    assert (exact.least - 1e-14 <= measure).all() and (measure <= exact.most + 1e-14).all()
    assert (np.abs(activation_matrix(pattern, p, q).numpy() - exact.matrix) <= exact.doubt + 1e-14).all()
    assert (exact.most - exact.least <= 1e-12).mean() > 0.8  # or all this would say little


def whole_numbers(size, most):
    """One- and two-hot states, and ``most`` of all that have numbers from -2 to 2."""
    rng, eye = np.random.default_rng(0), np.eye(size)
    hot = [a * eye[i] + b * eye[j] for i in range(size) for j in range(i + 1) for a, b in ((1, 1), (-1, 2), (2, -3))]
    hot = rng.permutation(np.array(hot))[:most]
    if 5**size <= most:
        return np.concatenate([np.array(list(itertools.product(range(-2, 3), repeat=size)), dtype=float), hot])
    return np.concatenate([rng.integers(-2, 3, (most, size)), hot])


def disagreements(p, x):
    """States of whole numbers whose pattern is not that of exact arithmetic, to rounding; and the error of values.

    A triple root is known to the cube root of a rounding. A double one bounds nothing, or the end that it lies at.
    """
    wrong, error, layer = [], 0.0, IAT(p.size, 3, p, "pwl")
    given = torch.from_numpy(x).requires_grad_()
    pattern, ours = activation_pattern(given.detach(), p), layer(given)
    y = general(p, layer.output_basis)(given.detach()).numpy()
    slopes = [torch.autograd.grad(part.sum(), given, retain_graph=True)[0] for part in ours.unbind(1)]
    slopes = torch.stack(slopes, 1).numpy()
    assert np.abs(ours.detach().numpy() - y).max() <= 1e-14 * np.abs(x).sum(1).max()
    for n, state in enumerate(x):
        wanted, flat = exact_pattern(state, p)
        found = [ends for ends in pattern.intervals[n].tolist() if not math.isnan(ends[0])]
        close = 1e-4 if flat else 1e-12
        if np.shape(found) != np.shape(wanted) or np.abs(np.subtract(found, wanted)).max(initial=0) > close:
            wrong.append((state.tolist(), found, wanted))
        edges = np.array([-1.0, *itertools.chain(*wanted), 1.0])[None]
        matrix = weighed(edges, np.arange(edges.shape[1] - 1)[None] % 2 == 1, p, layer.output_basis)[0]
        error = max(error, np.abs(matrix @ state - y[n]).max())
        if np.abs(matrix - slopes[n]).max() > (1e-4 if flat else 2e-14):
            wrong.append((state.tolist(), slopes[n], matrix))
    return wrong, error


SPLINES = [PWL(3), PWL(4), PWQ(3), PWQ(4), PWQ(5), RectWavelet(4), PWLWavelet(4), OWN, Mixed(Rect(2), PWL(2))]


@pytest.mark.slow
@pytest.mark.parametrize("p", [*map(Fourier, (2, 3, 4, 5, 6, 9, 12)), *SPLINES], ids=repr)
def test_patterns_and_gradients_of_whole_numbers_are_those_of_exact_arithmetic(p):
    wrong, error = disagreements(p, whole_numbers(p.size, 125 if p.size < 6 else 20))
    assert not wrong and error < 2e-14


@pytest.mark.slow
@pytest.mark.parametrize("p", [Fourier(4), PWQ(4), PWLWavelet(4)], ids=repr)
def test_all_small_whole_numbers_are_those_of_exact_arithmetic(p):
    wrong, error = disagreements(p, whole_numbers(p.size, 5**p.size))
    assert not wrong and error < 2e-14


def test_a_double_root_has_no_place_and_no_gradient():
    """-cos(pi s) - cos(2 pi s), say, touches zero at 1 and -1, from above."""
    for x in ([-1.0, 0, -1, 0], [-2.0, -2, -2, -1], [1.0, -2, 1, -1]):
        pattern = activation_pattern(numbers(*x), "fourier")
        assert pattern.roots.shape == (2,)
        assert torch.func.jacrev(lambda x: activation_pattern(x, "fourier").measure)(numbers(*x)).abs().max() < 10


@each_basis
def test_values_over_the_pattern_of_a_structured_state(p):
    u, values, q = states(p.size, seed=4), Fourier(3), PWL(3)
    exact = over(u, p, values, q)
    x = states(3, seed=5)[np.arange(len(u)) % 300]
    ours = DecoupledIAT(3, p.size, 3, values, q, p)(torch.from_numpy(x), torch.from_numpy(u)).numpy()
    wrong = np.abs(ours - np.einsum("boi,bi->bo", exact.matrix, x))
    assert (wrong <= np.einsum("boi,bi->bo", exact.doubt + 3e-15, np.abs(x))).all()


@each_basis
def test_gradients_and_hessians_of_structured_states(p):
    x, layer = states(p.size, seed=3), IAT(p.size, 3, p, "pwl")
    x = np.concatenate([x[np.random.default_rng(3).permutation(len(x))[:20]], np.eye(p.size), -np.eye(p.size)])
    exact = integral(x, p, layer.output_basis)
    ours = torch.func.vmap(torch.func.jacrev(layer))(torch.from_numpy(x))
    assert (np.abs(ours.numpy() - exact.matrix) <= exact.doubt + 2e-14).all()
    ours = torch.func.vmap(torch.func.hessian(layer))(torch.from_numpy(x))
    if p in (SOME[0], SOME[4]) or p.properties["continuous"]:  # a root at a jump bounds D on one side of it
        plain = [(n, hessian(row, p, layer.output_basis)) for n, row in enumerate(x)]
        clear = [(n, matrix) for n, matrix in plain if matrix is not None]
        assert len(clear) > 0.5 * len(x)
        for n, matrix in clear:
            size = np.abs(x[n]).max() or 1.0
            np.testing.assert_allclose(ours[n] * size, matrix * size, rtol=0, atol=1e-11)


@each_basis
def test_a_pattern_contains_where_its_state_is_positive_and_not_its_roots(p):
    x = torch.from_numpy(states(p.size, seed=1))
    pattern = activation_pattern(x, p)
    s = torch.cat([p.breakpoints, torch.linspace(-1, 1, 97, dtype=torch.float64)])
    z = x @ p(s).T
    clear = z.abs() > 1e-12 * x.abs().sum(1, keepdim=True)
    assert torch.equal(pattern.contains(s)[clear], (z > 0)[clear])
    roots = pattern.roots.nan_to_num(2)
    assert not pattern.contains(roots).any()
    assert (roots.diff(dim=1)[roots[:, 1:] < 2] > 0).all()  # each once
    assert (pattern.measure >= 0).all()


def test_a_state_and_its_negative_share_the_interval():
    for p in SOME:
        x = torch.from_numpy(states(p.size, seed=2))
        some = general(p, Rect(2))(x) - general(p, Rect(2))(-x)
        whole = activation_matrix(activation_pattern(torch.ones(1), "rect"), p, Rect(2))
        torch.testing.assert_close(some, x @ whole.T, rtol=0, atol=3e-14)


@pytest.mark.parametrize("d", [2, 4, 6, 16, 64])
def test_a_state_turned_round_the_circle_has_turned_outputs_and_derivatives(d):
    """Turned, its roots lie on no edge: so a root at 1 and -1 counts once, in the Hessian too."""

    def turn(size, angle=0.12345):
        k = torch.arange(1, size // 2 + 1, dtype=torch.float64) * math.pi * angle
        return torch.block_diag(*(torch.stack([a.cos(), -a.sin(), a.sin(), a.cos()]).view(2, 2) for a in k))

    layer, there, back = IAT(d, 4, "fourier", "fourier"), turn(d), turn(4)
    sines = torch.zeros(d, dtype=torch.float64)
    sines[1::2] = torch.linspace(1, 0.3, d // 2)
    for x in (sines, torch.eye(d, dtype=torch.float64)[1], -torch.eye(d, dtype=torch.float64)[0]):
        torch.testing.assert_close(back @ layer(x), layer(there @ x), rtol=0, atol=1e-13)
        first = torch.func.jacrev(layer)
        torch.testing.assert_close(back @ first(x), first(there @ x) @ there, rtol=0, atol=1e-12)
        if d <= 6:
            second = torch.func.hessian(layer)
            ours = torch.einsum("ab,bij->aij", back, second(x))
            turned = torch.einsum("akl,ki,lj->aij", second(there @ x), there, there)
            torch.testing.assert_close(ours, turned, rtol=1e-10, atol=1e-11)
            decoupled = DecoupledIAT(d, None, 4, output_basis="fourier")
            ours = torch.func.hessian(functools.partial(decoupled, x))(x)
            assert ours.isfinite().all()


def test_a_root_on_a_knot_counts_on_its_positive_side_on_both_routes():
    """Each state has a zero on a knot, of hats and of the output's rectangles; no two zeros, no touching from above."""
    layer = IAT(5, 4, "pwl", "rect")
    for x in ([1, 0, -3, 2, 1], [-1, 0, 2, 1, 1], [0, 2, 1, -1, -2], [1, 2, 0, -1, 0.5], [2, 1, -1, 0, -1]):
        point = numbers(*x)
        ours = torch.func.hessian(general(PWL(5), Rect(4)))(point)
        torch.testing.assert_close(ours, torch.func.hessian(layer)(point), rtol=1e-12, atol=1e-13)
        beside = torch.func.hessian(general(PWL(5), Rect(4)))(point - 1e-9)
        torch.testing.assert_close(ours, beside, rtol=1e-6, atol=1e-6)


def test_jumps_do_not_move_and_continuous_zeros_do():
    p = Mixed(Rect(2), Fourier(2))
    assert activation_pattern(numbers(-1, 1, 0, 0), p).roots.numel() == 0
    assert activation_pattern(numbers(0.5, 0.5, 1, 0), p).roots.tolist() == pytest.approx([-2 / 3, 2 / 3], abs=1e-15)
    flat = activation_pattern(numbers(1, 0, 0, -1), "pwl")
    assert (flat.roots.tolist(), flat.measure.item()) == ([pytest.approx(-1 / 3)], pytest.approx(2 / 3))
    x = numbers(1, 0, 0, -1).requires_grad_()
    assert torch.autograd.grad(activation_pattern(x, "pwl").measure, x)[0].isfinite().all()


@pytest.mark.parametrize("pair", list(itertools.product(NAMES, ["rect", "pwq", "fourier"])), ids="-".join)
def test_every_scale_gives_the_same_digits(pair):
    layer = IAT(4, 5, *pair)
    x = torch.cat([numbers([1, 2, -1, -0.5], [0, 1, 0, -1], [2, 2, -2, 2]), torch.randn(4, 4, dtype=torch.float64)])
    y, jacobian = layer(x), torch.func.vmap(torch.func.jacrev(layer))(x)
    for power in (-1000, -540, 520, 1018):
        scaled = x * 2.0**power
        torch.testing.assert_close(layer(scaled) / 2.0**power, y, rtol=0, atol=1e-13)
        torch.testing.assert_close(torch.func.vmap(torch.func.jacrev(layer))(scaled), jacobian, rtol=0, atol=1e-12)
    assert ((layer(x * 1e-310) - y * 1e-310).abs() <= 60 * 5e-324).all()
    for scale in (1e-38, 1e-30, 1e30, 4e37):
        torch.testing.assert_close(layer(x.float() * scale).double() / scale, y, rtol=0, atol=4e-6)


@pytest.mark.parametrize("pair", list(itertools.product(NAMES, ["rect", "pwq"])), ids="-".join)
def test_infinity_and_nan_give_nan_in_their_sample_alone(pair):
    layer = IAT(4, 4, *pair)
    for bad in (math.inf, -math.inf, math.nan):
        x = torch.ones(3, 4, dtype=torch.float64)
        x[1, 2] = bad
        y = layer(x)
        assert y[1].isnan().all()
        assert y[[0, 2]].isfinite().all()


def test_what_crashed_the_interpreter_has_values():
    assert transform(torch.full((1, 8), 1.7e305, dtype=torch.float64)).isfinite().all()
    x = numbers([1.7, -1.7, 1.7, 1, -1, 1.7, 1.7, -1.7])
    torch.testing.assert_close(transform(x * 1e-316), transform(x) * 1e-316, rtol=0, atol=1e-322)


def test_functions_of_any_size_have_norms_roots_and_properties():
    tiny = PiecewisePolynomial([-1, 1], [[[-1e-20, 2e-20]]])
    assert activation_pattern(torch.ones(1), tiny).measure.item() == 1
    jump = PiecewisePolynomial([-1, 0, 1], [[[1e-10, 5e-11], [0, 0]], [[0, 0], [1e-10, -2.5e-10]]])
    assert not jump.properties["continuous"]
    cubic = np.array([[[1.0, -3, 0, 1]]])
    one = PiecewisePolynomial([-1, 1], cubic).l1_norms
    for scale in (1e-250, 1e250):
        torch.testing.assert_close(PiecewisePolynomial([-1, 1], cubic * scale).l1_norms / scale, one)


def test_many_rows_are_as_few_rows():
    """Products of matrices of another size round otherwise, and a double root is known to the root of that: no more."""
    p, x = Fourier(5), states(5)
    exact = integral(x, p, Rect(1))
    many = activation_pattern(torch.from_numpy(x).repeat(40, 1), p).measure.view(40, -1).numpy()  # more than a block
    assert (exact.least - 1e-14 <= many).all() and (many <= exact.most + 1e-14).all()
    few = activation_pattern(torch.from_numpy(x[:5]), p).measure.numpy()
    assert (np.abs(many[:, :5] - few) <= (exact.most - exact.least)[:5] + 1e-14).all()


def test_contains_takes_one_number():
    pattern = activation_pattern(numbers([0, 1], [0, -1]), "fourier")
    assert pattern.contains(torch.tensor(0.5)).tolist() == [True, False]
    assert pattern.contains(torch.tensor(0.0)).tolist() == [False, False]
    assert pattern[0].contains(torch.tensor([-0.5, 0.5, 1.0, 2.0])).tolist() == [False, True, False, False]
    with pytest.raises(TypeError, match="s must be a real tensor; got float"):
        pattern.contains(0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="do not broadcast"):
        pattern.contains(torch.zeros(3, 1))


def test_counts_that_cannot_end_are_refused_and_large_ones_are_quick():
    assert max_linear_regions(10**9, 3) == 8
    assert max_linear_regions(3, 10**9) == 2 * sum(math.comb(10**9 - 1, i) for i in range(3))
    with pytest.raises(ValueError, match=r"has about 3e\+08 digits, too many to be summed"):
        max_linear_regions(5 * 10**8, 10**9)


def test_the_last_layer_of_a_network_may_be_wide():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 20_000), nn.ReLU(), nn.Linear(20_000, 1))
    first = net[0]
    ends = torch.stack([first(torch.full((2,), t)) for t in (-1.0, 1.0)]).double()
    crossed = int(((ends[0] > 0) != (ends[1] > 0)).sum())
    assert linear_regions(net, torch.full((2,), -1.0), torch.full((2,), 1.0)) == pytest.approx(crossed + 1, abs=3)
    with pytest.raises(ValueError, match=r"regions with a map to 20000 states each take \d+ GiB"):
        linear_regions(nn.Sequential(*net, nn.ReLU()), torch.full((2,), -1.0), torch.full((2,), 1.0))
