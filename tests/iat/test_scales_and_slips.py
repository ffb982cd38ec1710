"""Sizes of numbers and slips of users at the transform's edges: regions, midpoint layers, own bases, patterns."""

import math

import pytest
import torch
from torch import nn

from relunb import IAT
from relunb.iat import (
    Fourier,
    PiecewisePolynomial,
    Rect,
    _pattern,
    activation_matrix,
    activation_pattern,
    linear_regions,
    region_polygons,
)

START, STOP, THIRD = (torch.tensor(p, dtype=torch.float64) for p in ([-3.0, -2.0], [3.0, 4.0], [-2.0, 3.0]))


@pytest.mark.parametrize("method", ["exact", "midpoint"])
def test_regions_behind_a_layer_that_is_not_normalized(method):
    torch.manual_seed(0)
    layer = IAT(6, 5, "rect", "pwq", method=method, normalized=False)
    first, second, third = nn.Linear(2, 6).double(), nn.Linear(5, 7).double(), nn.Linear(7, 3).double()
    net = nn.Sequential(first, layer, second, nn.ReLU(), third)
    same = nn.Linear(5, 7).double()
    with torch.no_grad():
        same.weight.copy_(second.weight * layer.output_basis.l1_norms)
        same.bias.copy_(second.bias)
    folded = nn.Sequential(first, IAT(6, 5, "rect", "pwq", method=method), same, nn.ReLU(), third)
    assert linear_regions(net, START, STOP) == linear_regions(folded, START, STOP)
    assert linear_regions(net, START, STOP, THIRD) == linear_regions(folded, START, STOP, THIRD)


@pytest.mark.parametrize("power", [-1020, -600, 600, 1000])
def test_regions_do_not_depend_on_the_size_of_the_weights(power):
    def network(scale):
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU()).double()
        with torch.no_grad():
            for number in (net[0].weight, net[0].bias, net[2].bias):
                number *= scale
        return net

    scaled = network(2.0**power)
    assert linear_regions(scaled, START, STOP, THIRD) == linear_regions(network(1), START, STOP, THIRD)
    sizes = [(p[:, 0] * p.roll(-1, 0)[:, 1] - p[:, 1] * p.roll(-1, 0)[:, 0]).sum() / 2 for p in
             region_polygons(scaled, START, STOP, THIRD)]  # fmt: skip
    assert sum(sizes) == pytest.approx(1, abs=1e-12)
    line = nn.Sequential(nn.Linear(2, 4, bias=False), IAT(4)).double()
    with torch.no_grad():
        line[0].weight *= 2.0**power
    assert linear_regions(line, START, -START) == 2
    assert linear_regions(line, START, STOP) == math.inf


def test_regions_of_a_layer_whose_maps_are_sparse():
    net = nn.Sequential(nn.Linear(2, 2500), IAT(2500, 2500, "rect-w", "rect"))
    small = torch.full((2,), 1e-3)
    assert 1 <= linear_regions(net, -small, small) <= 2501


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("basis", ["rect", "fourier", "pwl"])
def test_midpoint_gives_nan_in_the_sample_alone(basis, activation):
    for bad in (math.inf, -math.inf, math.nan):
        for width in (1, 4):
            if basis == "pwl" and width == 1:
                continue
            x = torch.ones(3, width)
            x[1, 0] = bad
            y = IAT(width, 4, basis, "rect", activation, "midpoint")(x)
            assert y[1].isnan().all()
            assert y[[0, 2]].isfinite().all()


@pytest.mark.parametrize("basis", ["rect", "pwl", "pwq", "fourier", "rect-w", "pwl-w"])
def test_midpoint_of_the_largest_numbers(basis):
    x = torch.tensor([[1.0, 1, 1, 1], [-1, -1, -1, -1], [1, -1, 1, -1], [0.3, -0.9, 0.2, 1]])
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
        layer, largest = IAT(4, 4, basis, "rect", method="midpoint"), torch.finfo(dtype).max / 8
        wide = x.to(dtype)
        torch.testing.assert_close(layer(wide * largest) / largest, layer(wide), rtol=0, atol=tolerance)
        y = layer(wide * largest * 7)
        expected = layer(wide) * largest * 7
        assert ((y == expected) | ((y - expected).abs() <= 1e-5 * largest)).all()


def test_an_activation_with_parameters_trains_and_moves_with_the_layer():
    layer = IAT(4, activation=nn.PReLU(), method="midpoint")
    assert list(layer.state_dict()) == ["function.weight"]
    layer.double()(torch.randn(2, 4, dtype=torch.float64)).sum().backward()
    assert next(layer.parameters()).grad is not None


def test_activations_that_are_not_element_wise_or_no_relu():
    class Zero(nn.ReLU):
        def forward(self, x):
            return x * 0

    assert not IAT(4, activation=Zero(), method="midpoint")(torch.ones(1, 4)).any()
    for slip in (lambda z: z.sum(-1), lambda z: z > 0, lambda z: z.double()):
        with pytest.raises(ValueError, match="activation must be element-wise and keep the dtype"):
            IAT(4, activation=slip, method="midpoint")(torch.ones(2, 4))
    with pytest.raises(TypeError, match="activation must give a tensor; got NoneType"):
        IAT(4, activation=lambda z: None, method="midpoint")(torch.ones(2, 4))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("breakpoints", "coefficients", "sentence"),
    [
        (3, [[[1]]], "breakpoints must increase"),
        ([], [[[1]]], "breakpoints is empty"),
        ([-1, 1], "ab", "coefficients must be a number, a list of numbers or a tensor"),
        ([-1, 1], [[[1j]]], "coefficients must be real"),
        ([-1, 1], [[[1], [2, 3]]], "coefficients must be a number, a list of numbers or a tensor"),
        (["a", 1], [[[1]]], "breakpoints must be a number, a list of numbers or a tensor"),
        ([-1, 1], [[[10**400]]], "coefficients has a number that is too large"),
        ([-1, 1], torch.ones(1, 1, 1, requires_grad=True), "coefficients require a gradient"),
        ([-1, 1], torch.ones(1, 1, 1, device="meta"), "coefficients has a shape and no values"),
        ([-1, 1], torch.ones(1, 1, 1).bfloat16(), r"coefficients must be float64 or float32; .*coefficients.float\(\)"),
        ([-1, 1 - 1e-15, 1], [[[1], [2]]], "breakpoints must increase from -1 to 1, by 1e-12"),
        ([-1, 1], [[[1e308, 1e308]]], "function 0 has the L1 norm inf"),
        ([-1, 1], [[[1.0]], [[1e-310]]], "function 1 has the L1 norm 2e-310"),
    ],
)
def test_an_own_basis_that_cannot_be(breakpoints, coefficients, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        PiecewisePolynomial(breakpoints, coefficients)


def test_a_pattern_is_indexed_by_its_samples():
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    pattern = activation_pattern(x, "fourier")
    for index in (0, (1, 1), (slice(None), 0), (..., 1), None, torch.tensor([2, 0]), torch.ones(3, 2).bool()):
        torch.testing.assert_close(pattern[index].measure, pattern.measure[index])
    for slip in (7, (0, 0, 0), "a"):
        with pytest.raises(IndexError, match=r"the pattern has the samples \(3, 2\)"):
            pattern[slip]
    with pytest.raises(IndexError, match=r"samples \(\)"):
        pattern[0, 0][0]


def test_patterns_that_agree_differ_nowhere():
    pattern = activation_pattern(torch.randn(3, 2, 4, dtype=torch.float64), "fourier")
    nothing = pattern.symmetric_difference(pattern)
    assert (nothing.roots.numel(), nothing.intervals.numel()) == (0, 0)
    with pytest.raises(ValueError, match=r"samples \(3, 2\) and \(3,\) do not broadcast"):
        pattern.symmetric_difference(pattern[:, 0])


def test_the_activation_matrix_takes_blocks_of_samples(monkeypatch):
    pattern = activation_pattern(torch.randn(7, 4, dtype=torch.float64), "fourier")
    whole = activation_matrix(pattern, Fourier(4), Rect(3))
    monkeypatch.setattr(_pattern, "_HELD", 1)
    torch.testing.assert_close(activation_matrix(pattern, Fourier(4), Rect(3)), whole, rtol=0, atol=1e-15)
    with pytest.raises(TypeError, match="normalized must be True or False"):
        activation_matrix(pattern, Fourier(4), Rect(3), normalized=1)  # pyright: ignore[reportArgumentType]
