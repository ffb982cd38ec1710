"""Coordinate networks: formulas, initial weights by depth, and the sentences that bad input gets."""

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import nn

from relunb import bw_relu
from relunb.inr import CoordinateNetwork, Gabor, Gaussian, PositionalEncoding, Sine
from relunb.inr._network import ACTIVATIONS
from relunb.wavelet import deep_variation_norm

UNTYPED: Any = CoordinateNetwork  # for input that the types already forbid
POINTS = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1


def make(activation, **options):
    torch.manual_seed(0)
    return CoordinateNetwork(2, activation=activation, **{"hidden_features": 16, **options})


@pytest.mark.parametrize(
    ("activation", "options", "formula"),
    [
        ("bw_relu", {"scale": 2.0}, lambda z: bw_relu(z, 2.0)),
        ("siren", {"scale": 2.0}, lambda z: (2 * z).sin()),
        ("gauss", {"scale": 2.0}, lambda z: (-4 * z**2).exp()),
        ("relu", {}, torch.relu),
        ("wire", {"scale": 2.0, "sigma": 3.0}, lambda z: torch.exp(2j * z - 9 * z.abs() ** 2)),
    ],
)
def test_a_network_is_the_formula_written_out(activation, options, formula):
    network = make(activation, hidden_layers=2, **options)
    a = POINTS
    for layer in list(network.layers)[::2][:-1]:
        a = formula(layer(a))
    expected = list(network.layers)[-1](a)
    expected = expected.real if expected.is_complex() else expected
    torch.testing.assert_close(network(POINTS), expected, rtol=1e-5, atol=1e-6)


def test_a_wire_layer_has_as_many_real_numbers_as_the_others():
    real, wire = (sum(p.numel() for p in make(a, hidden_features=300).parameters()) for a in ("relu", "wire"))
    assert wire == pytest.approx(real, rel=0.02)
    assert real == 2 * 300 + 300 + 2 * (300**2 + 300) + 300 + 1 == 181_801


def squares(activation, *, hidden_layers=4, networks=12, **options):
    """Mean squares of the arguments and outputs of each activation, over networks and points."""
    arguments, outputs = torch.zeros(2, hidden_layers, dtype=torch.float64)
    for seed in range(networks):
        torch.manual_seed(seed)
        network = CoordinateNetwork(
            2, hidden_features=256, hidden_layers=hidden_layers, activation=activation, **options
        )
        a = POINTS
        for index, layer in enumerate(list(network.layers)[:-1]):
            a = layer(a).detach()
            (outputs if index % 2 else arguments)[index // 2] += a.abs().square().double().mean() / networks
    return arguments, outputs


@pytest.mark.parametrize("activation", ["bw_relu", "gauss", "relu", "siren", "wire"])
def test_the_first_arguments_are_those_of_the_first_weights(activation):
    """E z^2 = E |x|^2 / 3 n + 1 / 3 n: uniform weights within 1/sqrt(n), n = 2 inputs; SIREN's within 1/n."""
    arguments, _ = squares(activation, hidden_layers=1, networks=40)
    inputs = POINTS.square().sum(1).mean().double()
    weights = 1 / 12 if activation == "siren" else 1 / 6
    torch.testing.assert_close(arguments[0], inputs * weights + 1 / 6, rtol=0.05, atol=0)


@pytest.mark.parametrize("activation", ["bw_relu", "gauss", "relu"])
def test_arguments_by_depth_follow_from_the_outputs_before(activation):
    """E z^2 = E a^2 / 3 + 1 / (3 width) with PyTorch's weights."""
    arguments, outputs = squares(activation)
    expected = outputs[:-1] / 3 + 1 / (3 * 256)
    torch.testing.assert_close(arguments[1:], expected, rtol=0.12, atol=0)
    if activation == "relu":
        assert (outputs[1:] < outputs[:-1] / 3).all(), "a ReLU network falls silent with depth"


def test_complex_arguments_by_depth_follow_from_the_outputs_before():
    """A complex weight has twice the variance: E |z|^2 = 2 E |a|^2 / 3 + 2 / (3 width), width = 256 / sqrt(2)."""
    arguments, outputs = squares("wire")
    torch.testing.assert_close(arguments[1:], 2 * outputs[:-1] / 3 + 2 / (3 * 181), rtol=0.12, atol=0)


@pytest.mark.parametrize("scale", [12.0, 30.0, 50.0])
def test_sirens_arguments_have_variance_one_and_its_sines_one_half_at_every_depth(scale):
    """Theorem 1.8 of Sitzmann et al. (2020): twice the sines' mean square, which is one half, and PyTorch's biases."""
    arguments, outputs = squares("siren", hidden_layers=6, scale=scale)
    biases = scale**2 / (3 * 256)
    torch.testing.assert_close(scale**2 * arguments[1:], 2 * outputs[:-1] + biases, rtol=0.12, atol=0)
    torch.testing.assert_close(outputs, torch.full((6,), 0.5, dtype=torch.float64), rtol=0.2, atol=0)


def test_activations_alone():
    z = torch.linspace(-2, 2, 41, dtype=torch.float64)
    w = torch.complex(z, z.flip(0) / 3)
    torch.testing.assert_close(Sine(3.0)(z), torch.sin(3 * z))
    torch.testing.assert_close(Gaussian(3.0)(z), torch.exp(-9 * z**2))
    for argument in (z, w):
        torch.testing.assert_close(Gabor(3.0, 2.0)(argument), torch.exp(3j * argument - 4 * argument.abs() ** 2))
    w.requires_grad_()
    assert torch.autograd.gradcheck(Gabor(3.0, 1.0), w)
    assert torch.autograd.gradgradcheck(Gabor(3.0, 1.0), w)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_the_gradient_of_a_gabor_function_is_finite_where_its_square_is_not_a_number_of_float32(dtype):
    z = torch.linspace(0.5, 1.1, 61, dtype=dtype)  # |Gabor| from 1e-11 down to 1e-45
    activation, slopes = Gabor(10.0, 10.0), []
    for wide in (False, True):
        own = (z.to(torch.promote_types(dtype, torch.float64)) if wide else z.clone()).requires_grad_()
        activation(own).real.sum().backward()
        slopes.append(own.grad)
    torch.testing.assert_close(slopes[0].to(slopes[1].dtype), slopes[1], rtol=2e-4, atol=1e-36)


def test_the_encoding_is_written_out():
    x = torch.tensor([[0.25, -0.5]], dtype=torch.float64)
    encoding = PositionalEncoding(2, 2)
    angles = [math.pi * 0.25, 2 * math.pi * 0.25, -math.pi * 0.5, -2 * math.pi * 0.5]
    expected = [0.25, -0.5, *map(math.sin, angles), *map(math.cos, angles)]
    assert encoding.out_features == len(expected)
    torch.testing.assert_close(encoding(x), torch.tensor([expected], dtype=torch.float64))
    assert make("relu", octaves=3).layers[0].in_features == 14
    assert make("relu", octaves=3)(POINTS).shape == (1000, 1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_encoding_is_right_at_every_octave(dtype):
    """Against exact integers: a point is m / 2**k, and sin(2**i pi x) depends on m 2**i mod 2**(k + 1)."""
    x = torch.tensor([0.3, -0.7, 1e-3, -1e-30, 0.0, -1.0, 1e4, 1e30], dtype=torch.float64).to(dtype)
    x = x[x.isfinite()]
    encoded = PositionalEncoding(1, 127)(x[:, None])
    assert encoded.dtype == dtype and encoded.isfinite().all()
    for point, row in zip(x.tolist(), encoded.tolist(), strict=True):
        turns = [Fraction(point) * 2**i % 2 for i in range(127)]
        angles = [math.pi * float(t - 2 if t > 1 else t) for t in turns]
        expected = [point, *map(math.sin, angles), *map(math.cos, angles)]
        # An angle of up to 2 pi is rounded twice, each time by up to 2 eps.
        assert row == pytest.approx(expected, rel=torch.finfo(dtype).eps, abs=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("activation", [Gaussian(10.0), Gabor(10.0, 10.0)])
def test_a_window_and_its_gradient_vanish_far_out(activation, dtype):
    largest = torch.finfo(dtype).max
    z = torch.tensor([0.0, 30.0, -1e9, 1e30, largest, -largest], dtype=dtype, requires_grad=True)
    values = torch.view_as_real(activation(z)).sum(-1) if isinstance(activation, Gabor) else activation(z)
    assert values.tolist() == [1, 0, 0, 0, 0, 0]
    (gradient,) = torch.autograd.grad(values.sum(), z)
    assert gradient[1:].tolist() == [0] * 5 and gradient[0].isfinite()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_half_precision_rounds_and_keeps_a_learned_scale(activation, dtype):
    """PyTorch has no complex half; and a small scale would be zero in it."""
    learned = {} if activation == "relu" else {"learnable_scale": True}
    network = make(activation, **learned)
    exact = network(POINTS[:50]).detach()
    for layer in network.layers:
        if hasattr(layer, "scale"):
            assert layer.half().scale.dtype == torch.float32
    half = network.to(dtype)(POINTS[:50].to(dtype))
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), exact, rtol=0.1, atol=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert make(activation, **learned)(POINTS[:5]).isfinite().all()


def test_a_skip_connection_adds_a_linear_layer():
    network = make("bw_relu", skip=True, out_features=3)
    assert network.skip is not None
    torch.testing.assert_close(network(POINTS), network.layers(POINTS) + network.skip(POINTS))


@pytest.mark.parametrize("activation", ["bw_relu", "siren", "gauss", "wire"])
def test_a_learned_scale_is_one_parameter_a_layer_and_has_a_gradient(activation):
    network = make(activation, learnable_scale=True, hidden_layers=2)
    scales = [p for name, p in network.named_parameters() if name.endswith("scale")]
    assert len(scales) == 2
    network(POINTS).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs() > 0 for p in scales)


def test_the_variation_norm_reads_a_network_of_wavelets():
    network = make("bw_relu")
    plain = nn.Sequential(*network.layers)
    assert deep_variation_norm(network).item() == deep_variation_norm(plain).item() > 0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: make("sine"), ValueError, "one of 'bw_relu', 'siren', 'wire', 'gauss', 'relu'; got 'sine'"),
        (lambda: make("relu", scale=3.0), ValueError, "'relu' has no scale.* 'bw_relu', 'siren', 'wire', 'gauss'"),
        (lambda: make("relu", learnable_scale=True), ValueError, "'relu' has no scale"),
        (lambda: make("siren", sigma=3.0), ValueError, "sigma belongs to activation 'wire' alone; got .*'siren'"),
        (lambda: make("siren", scale=-3.0), ValueError, "scale must be positive and finite; got -3"),
        (lambda: make("wire", sigma=0.0), ValueError, "must be positive and finite; got 0"),
        (lambda: make("relu", hidden_layers=0), ValueError, "hidden_layers must be at least 1; got 0"),
        (lambda: make("relu", hidden_features=2.5), TypeError, "hidden_features must be an integer"),
        (lambda: make("relu", octaves=-1), ValueError, "octaves must be at least 0"),
        (lambda: make("relu", octaves=200), ValueError, "octaves must be at most 127; got 200"),
        (lambda: PositionalEncoding(2, 200), ValueError, "octaves must be at most 127; got 200"),
        (
            lambda: make("relu", hidden_features=10**9),
            ValueError,
            r"would have \d{19} weights, and at most 2,147,483,648",
        ),
        (lambda: make("relu", hidden_layers=10**9), ValueError, "hidden_layers must be at most 10,000"),
        (lambda: Sine(torch.ones(2)), TypeError, "scale must be a number; got tensor"),
        (lambda: Sine(1e300), ValueError, r"scale must be between 1\.2e-38 and 3\.4e\+38, as float32 is; got 1e\+300"),
        (lambda: Gaussian(1e-50, True), ValueError, "scale must be between .*; got 1e-50"),
        (lambda: Gabor(3.0, 1e200), ValueError, r"sigma must be between .*; got 1e\+200"),
        (lambda: make(["relu"]), ValueError, r"'relu'; got \['relu'\]"),
        (lambda: make("relu")(POINTS.double()), TypeError, r"torch\.float64 and the weights torch\.float32"),
        (lambda: UNTYPED("2"), TypeError, "in_features must be an integer"),
        (lambda: make("relu")(POINTS[:, :1]), ValueError, r"coordinates must be \(\.\.\., 2\); got \(1000, 1\)"),
        (lambda: make("relu")(POINTS.long()), TypeError, r"coordinates must be a real .* got torch\.int64"),
        (lambda: make("relu")([[0.0, 0.0]]), TypeError, "coordinates must be a real floating-point tensor; got list"),
    ],
)
def test_bad_input_gets_a_sentence_that_helps(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("points", [1, 7, 16])
def test_a_gabor_function_has_a_gradient_where_it_almost_vanishes(points):
    """That of torch.polar is infinite there, at all but whole vectors of the processor."""
    gabor = Gabor(scale=20.0, sigma=1.0)
    for z in (torch.full((points,), 9.5), torch.full((points,), 9.5 + 0j), torch.full((points,), 9.5j)):
        z.requires_grad_()
        value = gabor(z)
        (value.real + value.imag).sum().backward()
        assert z.grad is not None and z.grad.isfinite().all() and value.isfinite().all()
