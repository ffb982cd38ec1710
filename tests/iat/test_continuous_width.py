"""State functions and integral kernels against the network with IAT layers, ordinary wide networks, and refusals."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from relunb.iat import IAT, PWL, Fourier, Mixed
from relunb.iat._continuous_width import ContinuousWidthNetwork

UNTYPED: Any = ContinuousWidthNetwork
CONTINUOUS = [("fourier", "pwq"), ("pwl", "fourier"), ("pwq", "pwl-w")]


def points(samples=6, features=3, dtype=torch.float64):
    return torch.randn(samples, features, generator=torch.Generator().manual_seed(0), dtype=dtype)


def make(widths=(4, 5), input_bases="fourier", output_bases="pwq", scale=1.0, **options):
    network = ContinuousWidthNetwork(3, list(widths), 2, input_bases, output_bases, **options).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # larger than nn.Linear's, so that no state is negative everywhere
        for p in network.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=p.dtype) * scale)
    return network


@pytest.mark.parametrize(
    ("widths", "input_bases", "output_bases"),
    [
        ((4, 5), "fourier", "pwq"),
        ((5, 4), "pwl", "rect"),
        ((4, 6), "pwq", "fourier"),
        ((6, 3), "rect", "pwl"),
        ((4, 5), "pwl-w", "rect-w"),
        ((7,), "rect-w", "pwl-w"),
        ((4, 5, 3), ["fourier", "pwl", "pwq"], ["pwl", "rect", "fourier"]),
        ((5, 4), [Mixed(Fourier(2), PWL(3)), "fourier"], "pwl"),
    ],
)
def test_eq_2_by_quadrature_is_the_network_with_iat_layers(widths, input_bases, output_bases):
    network, x = make(widths, input_bases, output_bases), points()
    y = network(x)
    assert (y.std(0) > 0.1).all(), "an output that hardly changes checks nothing"
    torch.testing.assert_close(network.by_quadrature(x), y, rtol=0, atol=1e-12)


def test_eq_2_by_a_double_sum_coded_here():
    """The midpoint rule with 600 x 600 kernel values, from W and the bases alone: an error of (2 / 600)^2."""
    network, x = make(), points()
    first, _, second, _, third = network.layers
    (p1, p2), (q1, q2) = network.input_bases, network.output_bases
    s = (torch.arange(600, dtype=torch.float64) * 2 + 1) / 600 - 1
    w2 = p2(s) @ second.weight @ (q1(s) / q1.l1_norms).mT
    z1 = x @ (p1(s) @ first.weight).mT + p1(s) @ first.bias
    z2 = z1.relu() @ w2.mT / 300 + p2(s) @ second.bias
    y = z2.relu() @ (q2(s) / q2.l1_norms @ third.weight.mT) / 300 + third.bias
    torch.testing.assert_close(network(x), y, rtol=0, atol=2e-3)
    torch.testing.assert_close(network.kernel(1)(s[:, None], s), w2)


def test_by_quadrature_learns_like_the_network():
    network, x = make(), points()
    grads = [torch.autograd.grad(f(x).sum(), list(network.parameters())) for f in (network, network.by_quadrature)]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-11)


def test_a_smooth_activation_by_quadrature():
    """Its nodes converge by themselves; the network's midpoint rule follows, with an error of its square."""
    options = {"scale": 0.5, "activation": "tanh"}
    network, x = make((3, 4), "fourier", "pwl", **options, points=60), points()
    exact = network.by_quadrature(x, points=64)
    torch.testing.assert_close(network.by_quadrature(x, points=48), exact, rtol=0, atol=1e-8)
    errors = [(make((3, 4), "fourier", "pwl", **options, points=m)(x) - exact).norm() for m in (60, 120)]
    assert (errors[0] / errors[1]).item() == pytest.approx(4, rel=0.1)


def test_the_network_of_eq_11_shares_the_parameters():
    network, x = make(), points()
    plain = network.iat_network()
    assert [type(layer) for layer in plain] == [nn.Linear, IAT, nn.Linear, IAT, nn.Linear]
    assert torch.equal(plain(x), network(x))
    assert [id(p) for p in plain.parameters()] == [id(p) for p in network.parameters()]


@pytest.mark.parametrize("bases", CONTINUOUS)
def test_wide_ordinary_networks_converge_with_the_square_of_their_width(bases):
    network, x = make((4, 5), *bases), points(100)
    y = network(x)
    scaled = torch.stack([(network.sampled(m)(x) - y).norm() * m**2 for m in (45, 100, 360, 880)])
    assert scaled.max() < 2 * scaled.min(), "the rates 1 and 3 would give 20"


@pytest.mark.parametrize("activation", ["relu", "tanh", torch.sin, nn.GELU()])
def test_an_ordinary_network_of_the_kernels_is_the_midpoint_network(activation):
    network, x = make(activation=activation), points()
    wide = network.sampled(37)
    sizes = [(layer.in_features, layer.out_features) for layer in wide if isinstance(layer, nn.Linear)]
    assert sizes == [(3, 37), (37, 37), (37, 2)]
    midpoint = make(activation=activation, points=37)
    torch.testing.assert_close(wide(x), midpoint(x), rtol=0, atol=1e-13)
    assert not {id(p) for p in wide.parameters()} & {id(p) for p in network.parameters()}
    assert all(p.requires_grad for p in wide.parameters())


def test_relu_of_the_wide_network_is_torchs_own():
    assert [type(layer) for layer in make().sampled(5)][1::2] == [nn.ReLU] * 2


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_rectangles_give_back_the_ordinary_network(activation):
    """Piecewise constant kernels: as many neurons as rectangles, and the same weights, for 8 to the last bit."""
    network, x = make((8, 8), "rect", "rect", activation=activation), points()
    function = nn.ReLU() if activation == "relu" else nn.Tanh()
    ordinary = nn.Sequential(*(function if isinstance(layer, IAT) else layer for layer in network.layers))
    torch.testing.assert_close(network(x), ordinary(x), rtol=0, atol=1e-14)
    torch.testing.assert_close(network.by_quadrature(x), ordinary(x), rtol=0, atol=1e-13)
    wide = network.sampled(8)
    for own, other in zip(wide.parameters(), ordinary.parameters(), strict=True):
        assert torch.equal(own, other)
    torch.testing.assert_close(network.sampled(24)(x), ordinary(x), rtol=0, atol=1e-13)
    s = torch.tensor([-0.9, -0.6], dtype=torch.float64)  # in the first cell and in the second
    weight: Any = network.layers[2].weight
    torch.testing.assert_close(network.kernel(1)(s[:, None], s), 4 * weight[:2, :2])


def test_kernels_and_biases_are_functions_of_finite_rank():
    network = make((4, 5))
    s, t = torch.linspace(-1, 1, 40, dtype=torch.float64), torch.linspace(-1, 1, 30, dtype=torch.float64)
    w2 = network.kernel(1)(s[:, None], t)
    assert w2.shape == (40, 30) and torch.linalg.matrix_rank(w2) == 4
    torch.testing.assert_close(network.kernel(-2)(s[7], t[5]), w2[7, 5])
    assert network.kernel(0)(s).shape == (40, 3) and network.kernel(-1)(s).shape == (40, 2)
    first: Any = network.layers[0]
    torch.testing.assert_close(network.kernel(0)(s) @ torch.ones(3).double(), Fourier(4)(s) @ first.weight.sum(1))
    torch.testing.assert_close(network.bias(1)(s), Fourier(5)(s) @ network.layers[2].bias)
    assert network.bias(0)(s[0]).shape == ()


def test_weights_begin_as_those_of_linear_layers():
    torch.manual_seed(5)
    network = ContinuousWidthNetwork(3, [4, 5], 2)
    torch.manual_seed(5)
    ordinary = [nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 2)]
    for layer, other in zip(list(network.layers)[::2], ordinary, strict=True):
        assert torch.equal(layer.weight, other.weight) and torch.equal(layer.bias, other.bias)  # pyright: ignore


def test_shapes_precision_and_state():
    network = make()
    x = points()
    single, y = copy.deepcopy(network).float(), network(x)
    torch.testing.assert_close(single(x.float()).double(), y, rtol=1e-4, atol=1e-5)
    assert single.by_quadrature(x.float()).dtype == torch.float32
    assert {p.dtype for p in single.sampled(4).parameters()} == {torch.float32}
    for run in (network, network.by_quadrature):
        assert run(x.reshape(2, 3, 3)).shape == (2, 3, 2) and run(x[0]).shape == (2,)
    other = ContinuousWidthNetwork(3, [4, 5], 2).double()
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x), y)
    state = torch.get_rng_state()
    network.sampled(9)
    assert torch.equal(torch.get_rng_state(), state), "writing a network out draws no random numbers"


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: UNTYPED(3, 4, 2), TypeError, "widths must be a list, one integer for each hidden layer; got 4"),
        (lambda: make(()), ValueError, "widths is empty"),
        (lambda: make((4, 0)), ValueError, r"widths\[1\] must be at least 1; got 0"),
        (lambda: make((4, 2.5)), TypeError, r"widths\[1\] must be an integer"),
        (lambda: UNTYPED(0, [4], 2), ValueError, "in_features must be at least 1"),
        (lambda: make((4, 5), ["pwl"]), ValueError, "input_bases has 1 entries for 2 hidden layers"),
        (lambda: make((4, 5), "pwl", ["pwl", "furier"]), ValueError, r"output_bases\[1\] must be one of .*'furier'"),
        (lambda: make((4, 5), PWL(4)), ValueError, "input_bases has 4 functions, and 5 are needed"),
        (lambda: make((4, 5), 3), TypeError, "input_bases must be a name or a Basis; got 3"),
        (lambda: make((4, 2)), ValueError, "'pwq' needs a width of at least 3"),
        (lambda: make(activation="rleu"), ValueError, "activation must be one of 'relu'"),
        (lambda: make().kernel(3), ValueError, "layer must be between -3 and 2: there are 3; got 3"),
        (lambda: make().bias(2), ValueError, "layer must be between -2 and 1: there are 2; got 2"),
        (lambda: make()(points(4, 2)), ValueError, r"x must be \(\.\.\., 3\); got \(4, 2\)"),
        (lambda: make().by_quadrature(points() / 0), ValueError, "x has 18 non-finite values"),
        (lambda: make().by_quadrature(points(), 0), ValueError, "points must be at least 1"),
        (lambda: make().sampled(0), ValueError, "points must be at least 1"),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()
