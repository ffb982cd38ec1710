"""The transform: every pair of bases against 30 digits and two derivatives."""

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

import relunb
from relunb import IAT
from relunb.iat import (
    PWL,
    DecoupledIAT,
    Fourier,
    Mixed,
    PiecewisePolynomial,
    PWLWavelet,
    Rect,
    RectWavelet,
    activation_matrix,
    activation_pattern,
    transform,
)
from relunb.iat._bases import BASES, basis
from relunb.iat._exact import exact_relu
from tests.iat.inputs import normal
from tests.tolerance import DEVICES

PAIRS = list(itertools.product(BASES, BASES))


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def sample(*shape, seed=0, dtype=torch.float64, device="cpu"):
    return normal(*shape, seed=seed).to(device, dtype)


# ----------------------------------------------------------------------------------------------------------------
# The truth, in 30 digits, from the definitions alone.


def functions(name, size, s):
    """The six bases by their formulas, at one point, in mpmath."""
    cell = mpmath.mpf(2) / size
    if name == "rect":
        return [mpmath.mpf(-1 + i * cell <= s < -1 + (i + 1) * cell) for i in range(size)]
    if name == "pwl":
        h = mpmath.mpf(2) / (size - 1)
        return [max(0, 1 - abs(s + 1 - i * h) / h) for i in range(size)]
    if name == "pwq":
        h = mpmath.mpf(2) / (size - 2)
        u = [abs(s + 1 + h / 2 - i * h) / h for i in range(size)]
        third = mpmath.mpf(1) / 3
        return [1 - 4 * third * v**2 if v < 0.5 else 2 * third * max(0, 1.5 - v) ** 2 for v in u]
    if name == "fourier":
        waves = (mpmath.cos, mpmath.sin)
        return [waves[i % 2]((i // 2 + 1) * mpmath.pi * s) for i in range(size)]
    if name == "rect-w":
        values = functions("rect", size, s)
    else:
        distance = [abs(((s + 1 - i * cell) + 1) % 2 - 1) for i in range(size)]
        values = [max(0, 1 - d / cell) for d in distance]
    return [a - b for a, b in zip(values, values[1:] + values[:1], strict=True)]


def meshes(name, size):
    cells = {"pwl": size - 1, "pwq": size - 2, "fourier": 2 * size}.get(name, size)
    return [mpmath.mpf(2 * i) / cells - 1 for i in range(cells + 1)]


def split(function, ends):
    """The ends, and between them the places where the function changes its sign."""
    cuts = list(ends)
    for a, b in itertools.pairwise(ends):
        inside = mpmath.mpf(10) ** -6  # the ends may be jumps
        grid = [a + (b - a) * (inside + (1 - 2 * inside) * k / 12) for k in range(13)]
        for left, right in itertools.pairwise(grid):
            if function(left) * function(right) < 0:
                cuts.append(mpmath.findroot(function, (left, right), solver="anderson", tol=1e-28))
    return sorted(set(cuts))


def truth(x, p, q, size):
    """IAT-ReLU of x and its activation matrix in 30 digits, with output functions of unit L1 norm."""
    with mpmath.workdps(30):
        nodes = [(mpmath.mpf(u), mpmath.mpf(w)) for u, w in gauss()]

        def z(s):
            return mpmath.fdot(functions(p, len(x), s), x)

        mesh = sorted({*meshes(p, len(x)), *meshes(q, size)})
        values, matrix = mpmath.zeros(size, 1), mpmath.zeros(size, len(x))
        for a, b in itertools.pairwise(split(z, mesh)):
            for u, w in nodes:
                s, weight = (a + b) / 2 + (b - a) / 2 * u, (b - a) / 2 * w
                if z(s) > 0:
                    row = mpmath.matrix(functions(q, size, s)) * weight
                    values += row * z(s)
                    matrix += row * mpmath.matrix(functions(p, len(x), s)).T
        for i in range(size):
            norm = mpmath.mpf(0)
            for a, b in itertools.pairwise(split(lambda s, i=i: functions(q, size, s)[i], meshes(q, size))):
                norm += sum(
                    (b - a) / 2 * w * abs(functions(q, size, (a + b) / 2 + (b - a) / 2 * u)[i]) for u, w in nodes
                )
            values[i] /= norm
            matrix[i, :] /= norm
        return tuple(torch.tensor(m.tolist(), dtype=torch.float64) for m in (values, matrix))


def gauss(count=16):
    """Nodes and weights in 30 digits: NumPy's, and Newton's steps for the Legendre polynomial."""
    with mpmath.workdps(32):
        for u in map(mpmath.mpf, np.polynomial.legendre.leggauss(count)[0].tolist()):
            for _ in range(2):
                value, before = mpmath.legendre(count, u), mpmath.legendre(count - 1, u)
                slope = count * (u * value - before) / (u * u - 1)
                u -= value / slope
            yield u, 2 / ((1 - u * u) * slope**2)


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_every_pair_agrees_with_high_precision_integration(p, q):
    x = sample(4, seed=5)
    layer = IAT(4, 3, p, q)
    values, matrix = truth([mpmath.mpf(v) for v in x.tolist()], p, q, 3)
    assert (layer(x) - values.squeeze(1)).abs().max() < 2e-15 * x.abs().sum()
    jacobian = torch.func.jacrev(layer)(x)
    # A root is known to eps |x| / |z'|, and moves the matrix by as much.
    assert (jacobian - matrix).abs().max() < 2e-14


# ----------------------------------------------------------------------------------------------------------------
# Derivatives.


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_two_correct_derivatives_and_the_hessian_is_the_sum_over_roots(p, q, device):
    layer = IAT(5, 4, p, q)
    x = sample(2, 5, device=device).requires_grad_()
    assert gradcheck(layer, (x,), check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(layer, (x,))
    point = x[0].detach()
    hessian = torch.func.hessian(layer)(point)
    roots = activation_pattern(point, p).roots
    values = layer.output_basis(roots) / layer.output_basis.l1_norms.to(roots)
    inputs = layer.input_basis(roots)
    slopes = (layer.input_basis.derivative(roots) @ point).abs()
    expected = torch.einsum("rn,ri,rj,r->nij", values, inputs, inputs, 1 / slopes)
    torch.testing.assert_close(hessian, expected, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(hessian @ point, torch.zeros_like(hessian[..., 0]), rtol=0, atol=1e-12)  # Euler


def test_the_hessian_of_hats_jumps_where_a_root_passes_a_knot():
    layer = IAT(3, 2, "pwl", "rect")
    for side, expected in ((1e-7, 1 / 3), (-1e-7, 1.0)):
        hessian = torch.func.hessian(layer)(torch.tensor([1.0, side, -3.0], dtype=torch.float64))
        assert hessian.sum(0)[1, 1].item() == pytest.approx(expected, abs=1e-6)


def test_the_gradient_of_a_double_root_is_hoelder_one_half():
    """Fourier d = 4, x = (1, 0, 1 +- eps, 0): beside the touching root D changes by 2 sqrt(2 eps / (3 pi^2))."""
    layer = IAT(4, 4, "fourier", "fourier")
    scale = layer.output_basis.l1_norms[0]
    for eps in (1e-4, 1e-6, 1e-8):
        plus, minus = (torch.tensor([1.0, 0, 1 + sign * eps, 0], dtype=torch.float64) for sign in (1, -1))
        difference = scale * (torch.func.jacrev(layer)(plus) - torch.func.jacrev(layer)(minus))
        assert float(difference.abs().max()) / math.sqrt(eps) == pytest.approx(0.51979, rel=0.02)


def test_third_derivatives_train_a_network_on_second_ones():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 6), IAT(6, 6, "pwl", "pwq"), nn.Linear(6, 1)).double()
    net2 = nn.Sequential(nn.Linear(1, 6), IAT(6, 6, "fourier", "pwq"), nn.Linear(6, 1)).double()
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None].requires_grad_()
    for network in (net, net2):

        def loss(bias, network=network):
            y = torch.func.functional_call(network, {"0.bias": bias}, (x,))
            (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
            return second.square().sum()

        bias = network[0].bias.detach().clone().requires_grad_()  # pyright: ignore[reportCallIssue]
        (gradient,) = torch.autograd.grad(loss(bias), bias)
        step = 1e-6 * torch.eye(6, dtype=torch.float64)
        numeric = torch.stack([(loss(bias + e) - loss(bias - e)) / 2e-6 for e in step]).detach()
        assert gradient.abs().max() > 1e-3
        torch.testing.assert_close(gradient, numeric, rtol=1e-4, atol=1e-6)


def test_homogeneity_holds_for_positive_factors_only():
    x = sample(20, 6)
    for p, q in PAIRS:
        layer = IAT(6, 5, p, q)
        torch.testing.assert_close(layer(3.7 * x), 3.7 * layer(x), rtol=1e-13, atol=1e-14)
        assert (layer(-x) + layer(x)).abs().max() > 1e-3 or p.endswith("-w")


# ----------------------------------------------------------------------------------------------------------------
# Routes, and the midpoint rule.


@pytest.mark.parametrize(("d", "n"), [(2, 2), (3, 9), (7, 7), (16, 4), (5, 31)])
def test_the_quick_routes_agree_with_the_general_one(d, n):
    for p, q in PAIRS:
        if (p == "pwq" and d < 3) or (q == "pwq" and n < 3):
            continue
        layer = IAT(d, n, p, q)
        x = sample(50, d).requires_grad_()
        general = exact_relu(x, layer.input_basis, layer.output_basis)
        weights = sample(50, n, seed=1)
        torch.testing.assert_close(layer(x), general, rtol=0, atol=4e-15 * d)
        ours, theirs = (torch.autograd.grad(y, x, weights)[0] for y in (layer(x), general))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14 * n)


def test_rect_twice_is_the_activation_itself():
    x = sample(3, 7)
    assert torch.equal(IAT(7, 7, "rect", "rect")(x), x.relu())
    for activation in ("relu", "tanh", "sigmoid", nn.functional.gelu):
        function = getattr(torch, activation) if isinstance(activation, str) else activation
        y = IAT(7, 7, "rect", "rect", activation, "midpoint")(x)
        torch.testing.assert_close(y, function(x), rtol=0, atol=2e-16 * 7)


def test_single_scale_wavelets_of_disjoint_supports_act_on_each_number_alone():
    """MATH.md IAT.3: rectangles of one scale are Haar's finest; then q_i sees x_i only, and Rect-w twice is linear."""
    cells = torch.eye(3).repeat_interleave(2, 1) * torch.tensor([1.0, -1.0]).repeat(3)
    own = PiecewisePolynomial(torch.linspace(-1, 1, 7, dtype=torch.float64), cells[..., None].numpy())
    x = sample(10, 3)
    torch.testing.assert_close(transform(x, own, own), x / 2, rtol=0, atol=1e-15)
    torch.testing.assert_close(transform(x, own, "rect"), x.abs() / 2, rtol=0, atol=1e-15)


@pytest.mark.parametrize("p", ["fourier", "pwl", "pwq", "pwl-w"])
def test_the_midpoint_rule_converges_like_two_and_its_gradient_like_one(p):
    x = sample(200, 6)
    exact = IAT(6, 6, p, "pwl")
    value, matrix = exact(x), torch.func.vmap(torch.func.jacrev(exact))(x)
    values, gradients = [], []
    meshes = [120, 240, 480, 960, 1920]
    for points in meshes:
        layer = IAT(6, 6, p, "pwl", method="midpoint", points=points)
        values.append((layer(x) - value).square().mean().sqrt().log())
        gradients.append((torch.func.vmap(torch.func.jacrev(layer))(x) - matrix).square().mean().sqrt().log())
    steps = torch.tensor(meshes).log()
    rate = [float(-(torch.stack(e).diff() / steps.diff()).mean()) for e in (values, gradients)]
    assert rate[0] == pytest.approx(2, abs=0.1)
    assert rate[1] == pytest.approx(1, abs=0.1)


def test_discontinuous_bases_are_exact_where_their_breaks_lie_on_the_mesh():
    x = sample(100, 8)
    exact = IAT(8, 8, "rect", "rect")(x)
    assert (IAT(8, 8, "rect", "rect", method="midpoint", points=24)(x) - exact).abs().max() < 1e-15 * 8
    assert (IAT(8, 8, "rect", "rect", method="midpoint", points=20)(x) - exact).abs().max() > 1e-2


def test_the_default_mesh_lies_on_the_breaks():
    assert IAT(8, 8, "rect", "rect", method="midpoint").points == 8
    assert IAT(16, 16, "rect", "pwl", method="midpoint").points % (16 * 15) == 0
    assert (IAT(8, 6, "fourier", "rect", method="midpoint").points or 0) % 6 == 0


@pytest.mark.parametrize("activation", ["tanh", torch.relu, nn.functional.silu, nn.Softplus()])
def test_the_midpoint_form_is_two_matrix_products(activation):
    layer = IAT(5, 4, "fourier", "pwq", activation, "midpoint", points=40)
    x = sample(6, 5).requires_grad_()
    s = (torch.arange(40, dtype=torch.float64) + 0.5) / 20 - 1
    p, q = Fourier(5)(s), layer.output_basis(s) / layer.output_basis.l1_norms
    function = torch.tanh if activation == "tanh" else activation
    torch.testing.assert_close(layer(x), function(x @ p.T) @ q / 20, rtol=0, atol=1e-14)
    assert gradcheck(layer, (x,), check_forward_ad=True)


@pytest.mark.slow
def test_a_mixed_and_an_own_basis_work_on_every_route():
    own = PiecewisePolynomial([-1, 0.25, 1], [[[1, -2, 0, 3], [0, 1, 0, 0]], [[0, 1, 0, 0], [1, 1, 1, -4]]])
    for p in (own, Mixed(Fourier(4), PWL(3)), Mixed(Rect(2), Fourier(1)), PWLWavelet(5, multiscale=True)):
        for q in ("rect", own, RectWavelet(5, multiscale=True), Mixed(PWL(2), Fourier(2))):
            layer = IAT(p.size, q.size if not isinstance(q, str) else 3, p, q)
            x = sample(20, p.size)
            mesh = IAT(p.size, layer.out_features, p, q, method="midpoint", points=4_000)
            assert (layer(x) - mesh(x)).abs().max() < 5e-3
            assert gradcheck(layer, (x[:2].requires_grad_(),))
        assert gradgradcheck(layer, (x[:2].requires_grad_(),))


# ----------------------------------------------------------------------------------------------------------------
# Promises of a layer.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "q", "method"), [("rect", "pwq", "exact"), ("pwl", "pwq", "exact"), ("fourier", "pwq", "midpoint")]
)
def test_compiles_into_one_graph(p, q, method):
    layer = IAT(4, 3, p, q, method=method)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True)
    for rows in (3, 8):
        x = sample(rows, 4, dtype=torch.float32).requires_grad_()
        torch.testing.assert_close(compiled(x), layer(x))
        (ours,) = torch.autograd.grad(compiled(x).sum(), x)
        (theirs,) = torch.autograd.grad(layer(x).sum(), x)
        torch.testing.assert_close(ours, theirs)


def test_the_root_finder_stays_outside_a_compiled_graph():
    layer = IAT(4, 3, "fourier", "pwq")
    x = sample(3, 4, dtype=torch.float32)
    torch.testing.assert_close(torch.compile(layer)(x), layer(x))
    torch._dynamo.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported, match="function `disable`"):
        torch.compile(layer, fullgraph=True)(x)


def test_a_layer_has_no_state_and_says_what_it_is():
    net = nn.Sequential(nn.Linear(3, 6), IAT(6, 5, "fourier", "pwq"), nn.Linear(5, 6), IAT(6, method="midpoint"))
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert "input_basis=Fourier(6), output_basis=PWQ(5), activation=relu, method='exact'" in repr(net)
    assert relunb.IAT is IAT


def test_zero_flat_states_and_double_roots_have_values_and_gradients():
    for p, q in PAIRS:
        layer = IAT(4, 4, p, q)
        for x in ([0.0, 0, 0, 0], [1.0, 0, 0, 1], [1.0, 0, 1, 0], [0.0, 0, -1, 0], [1e-300, 0, 0, -1e-300]):
            point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
            y = layer(point)
            (gradient,) = torch.autograd.grad(y.sum(), point)
            assert y.isfinite().all()
            assert gradient.isfinite().all(), (p, q, x)
            if not any(x):
                assert not y.any()
                assert not gradient.any()


def test_large_and_small_states_keep_their_digits():
    for p, q in PAIRS:
        layer = IAT(5, 4, p, q)
        x = sample(20, 5)
        for scale in (1e-150, 1e-12, 1e12, 1e150):
            torch.testing.assert_close(layer(x * scale) / scale, layer(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"input_basis": "furier"},
            ValueError,
            "input_basis must be one of 'rect', 'pwl', 'pwq', 'fourier', 'rect-w', 'pwl-w'; got 'furier'",
        ),
        ({"output_basis": Rect(3)}, ValueError, "output_basis has 3 functions, and 4 are needed"),
        ({"activation": "tanh"}, ValueError, "method='exact' is for ReLU; with activation=tanh use method='midpoint'"),
        ({"activation": torch.tanh}, ValueError, "method='exact' is for ReLU"),
        ({"activation": "relo", "method": "midpoint"}, ValueError, "activation must be one of 'relu'"),
        ({"activation": 3}, TypeError, "activation must be a name or a function"),
        ({"method": "simpson"}, ValueError, "method must be 'exact' or 'midpoint'; got 'simpson'"),
        ({"points": 8}, ValueError, "points belongs to method='midpoint'"),
        ({"points": 0, "method": "midpoint"}, ValueError, "points must be at least 1; got 0"),
        ({"in_features": 0}, ValueError, "in_features must be at least 1"),
        ({"in_features": 1, "input_basis": "pwl"}, ValueError, "'pwl' needs a width of at least 2"),
        ({"in_features": 2, "input_basis": "pwq"}, ValueError, "'pwq' needs a width of at least 3"),
        ({"in_features": 1, "input_basis": "rect-w"}, ValueError, "'rect-w' needs a width of at least 2"),
        ({"out_features": 1.5}, TypeError, "out_features must be an integer"),
    ],
)
def test_bad_arguments_are_refused_with_a_reason(arguments, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        IAT(**{"in_features": 4, **arguments})


def test_bad_input_is_refused_with_a_reason():
    layer = IAT(4)
    with pytest.raises(ValueError, match=r"x must be \(..., 4\), a number for each input function; got \(3, 5\)"):
        layer(torch.ones(3, 5))
    with pytest.raises(TypeError, match="floating-point tensor; got torch.int64"):
        layer(torch.ones(3, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="single number"):
        transform(torch.tensor(1.0))
    with pytest.raises(TypeError, match="got list"):
        transform([1.0, 2.0])  # pyright: ignore[reportArgumentType]


def test_the_smallest_widths():
    x = sample(5, 1)
    torch.testing.assert_close(IAT(1, 1, "rect", "rect")(x), x.relu())
    assert IAT(1, 3, "fourier", "pwq")(x).shape == (5, 3)
    pair = sample(5, 2)
    torch.testing.assert_close(IAT(2, 1, "pwl", "rect")(pair).squeeze(-1), _mean_of_a_line(pair), rtol=0, atol=1e-11)


def _mean_of_a_line(pair):
    s = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    return torch.stack([((1 - s) * a + s * b).relu().mean() for a, b in pair])


@pytest.mark.parametrize(
    "p, q",
    [("fourier", "pwq"), ("rect", "pwl"), ("rect", "rect"), ("pwl", "rect-w"), ("pwl", "rect"), ("pwl-w", "fourier")],
)
def test_functions_that_are_not_scaled_to_unit_norm(p, q):
    """The integral with q as it is: A(D) x without its scale, and the exact norms times the means."""
    x = torch.linspace(-1, 1, 30, dtype=torch.float64).sin().reshape(5, 6)
    pattern = activation_pattern(x, p)
    matrix = activation_matrix(pattern, basis(p, 6), basis(q, 6), normalized=False)
    wanted = (matrix @ x[..., None]).squeeze(-1)
    layer = IAT(6, None, p, q, normalized=False)
    assert "normalized=False" in repr(layer)
    fine = {"method": "midpoint", "points": 6000, "normalized": False}
    for y, close in (
        (layer(x), 1e-14),
        (transform(x, p, q, normalized=False), 1e-14),
        (transform(x, p, q) * basis(q, 6).l1_norms, 1e-14),
        (DecoupledIAT(6, None, None, p, q, normalized=False)(x, x), 1e-14),
        (transform(x, p, q, **fine), 1e-6),  # the midpoint rule's own error at 6000 points
    ):
        torch.testing.assert_close(y, wanted, rtol=0, atol=close)
    with pytest.raises(TypeError, match="normalized must be True or False"):
        IAT(6, normalized=1)  # pyright: ignore[reportArgumentType]


def test_the_class_of_an_activation_is_no_activation():
    with pytest.raises(TypeError, match=r"got the class ReLU: write ReLU\(\)"):
        IAT(4, activation=nn.ReLU)
