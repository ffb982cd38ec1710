"""The transform of a linear spline: against 30 digits, two derivatives, and what is refused."""

import copy
import itertools
import pickle

import mpmath
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from relunb import IAT, BWReLU, LinearSpline
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
    linear_regions,
    transfer_patterns,
    transform,
)
from relunb.iat import _spline as spline_module
from relunb.iat._bases import BASES, basis
from relunb.iat._cells import Sparse, times
from relunb.iat._exact import matvec
from relunb.iat._spline import _whole, constant_of
from relunb.ops._linear_spline_layer import NAMED
from tests.iat.inputs import normal, numbers
from tests.iat.test_transform import functions, gauss, meshes, split

NAMES = ("hardtanh", *(pytest.param(name, marks=pytest.mark.slow) for name in ("leaky_relu", "abs", "bw_relu")))
WITH_A_CONSTANT = Mixed(Rect(1), Fourier(3))  # of width 4
INPUTS = ("rect", "pwl", "pwq", "fourier and 1")


def input_basis(name):
    return WITH_A_CONSTANT if name == "fourier and 1" else basis(name, 4)


def values_of_input(name, s):
    return [mpmath.mpf(1), *functions("fourier", 3, s)] if name == "fourier and 1" else functions(name, 4, s)


def truth(x, p, q, spline):
    """The transform of x and its gradient in 30 digits, from the definitions: pieces of the state between knots."""
    knots, jumps, slope, value = spline
    with mpmath.workdps(30):
        knots, jumps, slope, value = (
            [mpmath.mpf(v.numerator) / v.denominator for v in part] for part in (knots, jumps, [slope * 1], [value * 1])
        )
        nodes = [(mpmath.mpf(u), mpmath.mpf(w)) for u, w in gauss()]
        ends = sorted({*meshes("fourier" if p == "fourier and 1" else p, 4), *meshes(q, 3)})
        for b in knots:
            ends = split(lambda s, b=b: mpmath.fdot(values_of_input(p, s), x) - b, ends)
        outputs, gradient, norms = mpmath.zeros(3, 1), mpmath.zeros(3, 4), mpmath.zeros(3, 1)
        for a, b in itertools.pairwise(ends):
            for u, w in nodes:
                s, weight = (a + b) / 2 + (b - a) / 2 * u, (b - a) / 2 * w
                own, row = mpmath.matrix(values_of_input(p, s)), mpmath.matrix(functions(q, 3, s)) * weight
                z = mpmath.fdot(own, x)
                above = [(knot, jump) for knot, jump in zip(knots, jumps, strict=True) if z > knot]
                outputs += row * (value[0] + slope[0] * z + sum(jump * (z - knot) for knot, jump in above))
                gradient += row * own.T * (slope[0] + sum(jump for _, jump in above))
        for i in range(3):
            cuts = split(lambda s, i=i: functions(q, 3, s)[i], meshes(q, 3))
            for a, b in itertools.pairwise(cuts):
                norms[i] += sum(
                    (b - a) / 2 * w * abs(functions(q, 3, (a + b) / 2 + (b - a) / 2 * u)[i]) for u, w in nodes
                )
            outputs[i] /= norms[i]
            gradient[i, :] /= norms[i]
        return tuple(torch.tensor(m.tolist(), dtype=torch.float64) for m in (outputs, gradient))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("p", "q"), list(itertools.product(INPUTS, BASES)))
def test_every_pair_and_spline_agrees_with_high_precision_integration(p, q, name):
    x = 2 * normal(4, seed=5)
    layer = IAT(4, 3, input_basis(p), q, activation=LinearSpline.named(name))
    values, gradient = truth([mpmath.mpf(v) for v in x.tolist()], p, q, NAMED[name])
    # The ReLUs of bw_relu have weights of 16 in all: as many roundings of the state's size.
    assert (layer(x) - values.squeeze(1)).abs().max() < 2e-15 * 16 * x.abs().sum()
    assert (torch.func.jacrev(layer)(x) - gradient).abs().max() < 2e-14 * 16
    narrow = layer(x.float())
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), layer(x.float().double()), rtol=1e-6, atol=1e-6)


# ----------------------------------------------------------------------------------------------------------------
# Derivatives.

PAIRS = [("rect", "pwl"), ("pwl", "pwq"), ("pwl", "fourier"), ("pwq", "pwl"), ("fourier and 1", "pwq")]


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_two_correct_derivatives_in_the_state_and_in_the_spline(p, q):
    layer = IAT(4, 3, input_basis(p), q, LinearSpline([0.3, -0.4], [1.5, -2.0], 0.5, 0.1, learnable=True).double())
    names, parameters = zip(*layer.named_parameters(), strict=True)

    def applied(x, *parts):
        return torch.func.functional_call(layer, dict(zip(names, parts, strict=True)), x)

    inputs = normal(2, 4, seed=2).requires_grad_(), *(p.detach().clone().requires_grad_() for p in parameters)
    assert sorted(names) == ["function.jumps", "function.knots", "function.slope", "function.value"]
    assert gradcheck(applied, inputs)
    # A spline has no second derivative: only where its kinks are smoothed by a state that is not constant on cells.
    assert p == "rect" or gradgradcheck(applied, inputs)


def test_the_hessian_is_a_sum_over_the_roots_of_every_knot():
    """Of PWL(2) it is one cell: at the root of z - b, jump q(s) p p^T / |p'^T x|, with q = 1/2.

    Two of the seven are roots of this state. Of one that meets all seven the sum is zero, as psi has two moments.
    """
    x, psi = numbers(0.7, 1.9), LinearSpline.named("bw_relu")
    total = torch.zeros(2, 2, dtype=torch.float64)
    for knot, jump in ((1.0, 23 / 6), (1.5, -16 / 3)):
        t = (knot - x[0]) / (x[1] - x[0])
        at = torch.stack([1 - t, t])
        total += jump * 0.5 * torch.outer(at, at) / ((x[1] - x[0]) / 2)
    layer = IAT(2, 1, "pwl", "rect", activation=psi)
    torch.testing.assert_close(torch.func.hessian(layer)(x)[0], total, rtol=0, atol=1e-13)
    assert total.abs().max() > 0.5 and torch.func.hessian(layer)(numbers(-0.1, 3.2)).abs().max() < 1e-13
    midpoint = IAT(2, 1, "pwl", "rect", activation=psi, method="midpoint")
    assert not torch.func.hessian(midpoint)(x).any()


@pytest.mark.parametrize("name", NAMED)
def test_the_midpoint_rule_comes_near(name):
    x, spline = (2 * normal(3, 4, seed=4)).requires_grad_(), LinearSpline.named(name)
    for p, q in (("pwl", "rect"), (WITH_A_CONSTANT, "pwq")):
        y, near = (IAT(4, 3, p, q, spline, **how)(x) for how in ({}, {"method": "midpoint", "points": 6000}))
        torch.testing.assert_close(near, y, rtol=0, atol=1e-5)
        slopes = [torch.autograd.grad(of.sum(), x)[0] for of in (y, near)]
        torch.testing.assert_close(*slopes, rtol=0, atol=2e-2)


# ----------------------------------------------------------------------------------------------------------------
# What it is equal to.


def test_rect_twice_is_the_spline_itself():
    x, psi = 3 * normal(7, 16), LinearSpline.named("bw_relu")
    assert torch.equal(IAT(16, None, "rect", "rect", psi)(x), psi(x))
    assert torch.equal(transform(x.float(), "rect", "rect", psi), psi(x.float()))


def test_rectangles_of_any_height_keep_the_knots():
    tall = PiecewisePolynomial([-1, 0, 1], [[[3], [0]], [[0], [3]]])  # 3 x is the state
    x, psi = normal(7, 2), LinearSpline.named("bw_relu")
    torch.testing.assert_close(IAT(2, None, tall, "rect", psi)(x), psi(3 * x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("p", INPUTS)
def test_one_kink_of_slope_one_is_relu(p):
    x = normal(2, 3, 4)
    ours = IAT(4, 5, input_basis(p), "pwq", LinearSpline.named("relu"))
    torch.testing.assert_close(ours(x), IAT(4, 5, input_basis(p), "pwq")(x), rtol=0, atol=1e-14)
    assert ours(x).shape == (2, 3, 5) and ours(x[0, 0]).shape == (5,) and ours(x[:0]).shape == (0, 3, 5)


def test_a_straight_line_and_a_constant_go_through():
    """Where the two kinks cancel, l(z) = 2 - 3 z: the whole integral of q p^T x, twice the integral of q less."""
    x, line = normal(5, 4), LinearSpline([0.5, 0.5], [1.0, -1.0], slope=-3, value=2)
    whole = activation_matrix(activation_pattern(numbers(1.0, 1.0), "rect"), PWQ(4), Fourier(3), normalized=False)
    y = IAT(4, 3, "pwq", "fourier", line, normalized=False)(x)
    torch.testing.assert_close(y, -3 * x @ whole.mT, rtol=0, atol=1e-13)  # no constant: cosines have no integral
    torch.testing.assert_close(IAT(4, 3, "pwl", "rect", line)(0 * x), torch.full((5, 3), 2.0).double())


def test_far_states_are_silent_or_saturated_to_rounding():
    far = 1e3 + normal(4)
    for p in INPUTS:
        q = Rect(3)
        assert IAT(4, 3, basis("pwl", 4), q, LinearSpline.named("bw_relu"))(-far.abs()).abs().max() == 0
        shifted = far * constant_of(input_basis(p))
        assert IAT(4, 3, input_basis(p), q, LinearSpline.named("bw_relu"))(shifted).abs().max() < 1e-11
        hard = IAT(4, 3, input_basis(p), q, LinearSpline.named("hardtanh"))(shifted)
        torch.testing.assert_close(hard, torch.ones(3).double(), rtol=0, atol=1e-11)


def test_a_sample_that_is_not_finite_gives_nan_and_harms_no_other():
    for p in INPUTS:
        layer = IAT(4, 3, input_basis(p), "pwq", LinearSpline.named("hardtanh"))
        x = normal(3, 4)
        wanted = layer(x)
        x[0, 1], x[2, 3] = torch.nan, torch.inf
        y = layer(x)
        assert y[0].isnan().all() and y[2].isnan().all()
        torch.testing.assert_close(y[1], wanted[1], rtol=0, atol=0)


def test_large_states_do_not_overflow():
    for p in INPUTS:
        leaky = LinearSpline.named("leaky_relu")
        x = normal(20, 4)
        y = IAT(4, 3, input_basis(p), "pwq", leaky)(x)
        large = IAT(4, 3, input_basis(p), "pwq", leaky)(x * 1e307)
        torch.testing.assert_close(large / 1e307, y, rtol=1e-12, atol=1e-14)


# ----------------------------------------------------------------------------------------------------------------
# A layer with a spline in it.


@pytest.mark.parametrize("p", INPUTS)
def test_a_copy_and_a_pickle_have_a_spline_of_their_own(p):
    layer = IAT(4, 3, input_basis(p), "pwq", LinearSpline.named("hardtanh", learnable=True))
    x = normal(5, 4)
    y = layer(x)
    for copied in (copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))):
        other = copied(layer)
        torch.testing.assert_close(other(x), y, rtol=0, atol=0)
        with torch.no_grad():
            other.function.jumps.mul_(2)
        assert not torch.equal(other(x), y) and torch.equal(layer(x), y)
        layer.load_state_dict(other.state_dict())
        assert torch.equal(layer(x), other(x))
        y = layer(x)
    assert "activation=LinearSpline, method='exact'" in repr(layer)


def test_a_learned_spline_finds_its_knots():
    x = normal(64, 6)
    goal = IAT(6, 4, "pwl", "pwl", LinearSpline([-0.5, 0.8], [1.0, -1.0]))(x)
    layer = IAT(6, 4, "pwl", "pwl", LinearSpline([-0.2, 0.4], [0.7, -0.6], learnable=True)).double()
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        error = (layer(x) - goal).square().mean()
        error.backward()
        return error

    optimizer.step(loss)
    torch.testing.assert_close(layer.function.knots.detach(), numbers(-0.5, 0.8), rtol=0, atol=1e-3)


# ----------------------------------------------------------------------------------------------------------------
# Many knots.


def many_knots(count=50):
    return LinearSpline(torch.linspace(-2, 2, count).double(), normal(count) / 9, learnable=True).double()


@pytest.mark.parametrize("p", ["pwl", "pwq"])
def test_all_knots_and_samples_are_one_call(p):
    layer = IAT(4, 3, p, "pwq", many_knots())
    relu, shapes = layer._plan.means.relu, []  # pyright: ignore[reportAttributeAccessIssue]
    layer._plan.means.relu = lambda x: shapes.append(x.shape) or relu(x)  # pyright: ignore[reportAttributeAccessIssue]
    layer(normal(2, 10, 4))
    assert shapes == [(20, 50, 4)]


@pytest.mark.parametrize("p", ["pwl", "pwq"])
def test_blocks_change_nothing(p, monkeypatch):
    layer, x = IAT(4, 3, p, "pwq", many_knots(5)), normal(4, 4).requires_grad_()

    def found():
        y = layer(x)
        slopes = torch.autograd.grad(y.square().sum(), (x, *layer.parameters()), create_graph=True)
        return y, *slopes, *torch.autograd.grad(sum(s.square().sum() for s in slopes), (x, *layer.parameters()))

    whole, hessian = found(), torch.func.hessian(layer)(x[0])
    for held in (1, 7 * 2, 7 * 10):  # one sample and knot; one sample, two knots; two samples, all knots
        monkeypatch.setattr(spline_module, "_HELD", held)
        for a, b in zip(found(), whole, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
        torch.testing.assert_close(torch.func.hessian(layer)(x[0]), hessian, rtol=0, atol=1e-12)


@pytest.mark.parametrize("p", ["pwl", "pwq"])
def test_a_graph_keeps_no_shifted_state_beyond_a_block(p, monkeypatch):
    layer, x = IAT(4, 3, p, "pwq", many_knots()), normal(40, 4).requires_grad_()

    def kept():
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            layer(x)
        return max(sizes)

    assert kept() >= 40 * 50 * 3
    monkeypatch.setattr(spline_module, "_HELD", 7 * 50)
    assert kept() <= 40 * 4


def test_a_wide_local_basis_takes_memory_in_proportion_to_its_width(monkeypatch):
    wide = _whole(PWL(3000), PWQ(3000))
    assert isinstance(wide, Sparse) and len(wide.weights) < 6 * 3000
    monkeypatch.setattr("relunb.iat._cells._DENSE", 99)
    for p, q, kind in ((PWL(80), PWQ(70), Sparse), (PWQ(5), Fourier(3), torch.Tensor)):
        rows, whole = normal(2, p.size), _whole(p, q)
        by_nodes = matvec(rows, numbers(-1, 1).expand(2, 2), torch.tensor([[True]] * 2), p, q)
        assert isinstance(whole, kind)
        torch.testing.assert_close(times(rows, whole), by_nodes, rtol=0, atol=1e-14)


# ----------------------------------------------------------------------------------------------------------------
# Constants, and what is refused.


@pytest.mark.parametrize(
    "p",
    [
        *(Rect(n) for n in (1, 5)),
        *(PWL(n) for n in (2, 7)),
        *(PWQ(n) for n in (3, 8)),
        WITH_A_CONSTANT,
        Mixed(Fourier(3), PWL(3), PWQ(4)),
        Mixed(*[PWQ(4)] * 2),
        Mixed(Fourier(2), PiecewisePolynomial([-1, 0.25, 1], [[[2], [0]], [[0], [-3]]])),
        PiecewisePolynomial([-1, 1], [[[1, 0, -1]], [[0, 0, 1]]]),
        PiecewisePolynomial([-1, 1], [[[1, 0, -2]], [[0, 0, 1]]]),
        Mixed(  # neither alone
            PiecewisePolynomial([-1, 1], [[[0, 1]]]), PiecewisePolynomial([-1, 1], [[[1, -1]]]), Fourier(2)
        ),
    ],
    ids=repr,
)
def test_a_constant_is_found(p):
    s = torch.linspace(-1, 1, 301, dtype=torch.float64)
    torch.testing.assert_close(p(s) @ constant_of(p), torch.ones(301).double(), rtol=0, atol=2e-15 * 8)


WITHOUT = [
    Fourier(4),
    RectWavelet(4),
    PWLWavelet(4),
    RectWavelet(4, multiscale=True),
    Mixed(Fourier(2), PWLWavelet(2)),
    PiecewisePolynomial([-1, 1], [[[0, 1, 0]], [[0, 0, 1]]]),
    PiecewisePolynomial([-1, 0, 1], [[[1], [0]]]),
]


@pytest.mark.parametrize("p", WITHOUT, ids=repr)
def test_a_basis_without_a_constant_is_refused_by_name_with_a_remedy_that_works(p):
    hard = LinearSpline.named("hardtanh")
    with pytest.raises(ValueError, match="no sum of the functions of input_basis=") as caught:
        IAT(p.size, 3, p, "pwq", hard)
    remedy = f"input_basis=Mixed(Rect(1), {p}) with in_features={p.size + 1}, or use method='midpoint'"
    assert remedy in str(caught.value)
    x = normal(3, p.size + 1)
    exact = IAT(p.size + 1, 3, Mixed(Rect(1), p), "pwq", hard)(x)
    near = IAT(p.size + 1, 3, Mixed(Rect(1), p), "pwq", hard, "midpoint", 4000)(x)
    torch.testing.assert_close(exact, near, rtol=0, atol=1e-5)
    assert IAT(p.size, 3, p, "pwq", hard, "midpoint")(x[:, 1:]).shape == (3, 3)


@pytest.mark.parametrize("p", WITHOUT, ids=repr)
def test_knots_at_zero_need_no_constant(p):
    """|x| = 2 relu(x) - x takes nothing off the state."""
    x = normal(5, p.size).requires_grad_()
    layer, relu = IAT(p.size, 3, p, "pwq", LinearSpline.named("abs")), IAT(p.size, 3, p, "pwq")
    straight = IAT(p.size, 3, p, "pwq", LinearSpline([0.0], [0.0], slope=1.0))
    torch.testing.assert_close(layer(x), 2 * relu(x) - straight(x), rtol=0, atol=1e-14)
    assert gradcheck(layer.double(), x[:2])


def test_knots_that_leave_zero_are_noticed():
    learned = LinearSpline([0.0], [1.0], learnable=True)
    with pytest.raises(ValueError, match="no sum of the functions"):
        IAT(4, 3, "fourier", "pwq", learned)
    layer = IAT(4, 3, "fourier", "pwq", LinearSpline.named("abs"))
    spline = next(module for module in layer.modules() if isinstance(module, LinearSpline))
    spline.knots.fill_(0.5)
    with pytest.raises(ValueError, match="no sum of the functions"):
        layer(normal(2, 4))


def test_names_are_refused_as_bases_are():
    for name in ("fourier", "rect-w", "pwl-w"):
        with pytest.raises(ValueError, match="Add one that is, input_basis=Mixed"):
            transform(normal(4), name, "pwl", LinearSpline.named("bw_relu"))


def test_a_basis_too_large_to_look_through_is_refused(monkeypatch):
    monkeypatch.setattr(spline_module, "_MOST", 5)
    with pytest.raises(ValueError, match="is too large to look for a constant"):
        IAT(2, None, PiecewisePolynomial([-1, 1], [[[1, 0, -3]], [[0, 0, 1]]]), "rect", LinearSpline.named("abs"))


def test_other_activations_are_refused():
    with pytest.raises(ValueError, match="one spline, as a state function has no channels; got one for each of 4"):
        IAT(4, None, "pwl", "pwl", LinearSpline([[0.0]] * 4, [[1.0]] * 4))
    for activation in (BWReLU(), nn.LeakyReLU(), nn.Hardtanh()):
        with pytest.raises(ValueError, match=r"for ReLU; with activation=.*exact too, as relunb\.LinearSpline"):
            IAT(4, None, "pwl", "pwl", activation)

    class Doubled(LinearSpline):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(ValueError, match="with activation=Doubled use method='midpoint'"):
        IAT(4, None, "pwl", "pwl", Doubled([0], [1]))
    with pytest.raises(ValueError, match="points belongs to method='midpoint'"):
        IAT(4, None, "pwl", "pwl", LinearSpline([0], [1]), points=4)


def test_what_is_of_relu_alone_refuses_a_spline():
    network = nn.Sequential(nn.Linear(2, 4), IAT(4, None, "pwl", "pwl", LinearSpline.named("abs")), nn.Linear(4, 1))
    with pytest.raises(ValueError, match="is an exact layer with activation=LinearSpline: only ReLU"):
        transfer_patterns(network, network)
    with pytest.raises(TypeError, match="regions are linear for 'relu' only"):
        linear_regions(network, normal(2), normal(2, seed=1))
