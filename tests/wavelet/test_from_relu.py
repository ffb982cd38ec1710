"""Proposition 3.2 as a conversion: the same function on the domain, to rounding, and help outside what it can do."""

import itertools

import pytest
import torch
from torch import nn

from relunb import BWReLU
from relunb.inr import CoordinateNetwork
from relunb.wavelet import from_relu

EPS = {torch.float64: 2.0**-52, torch.float32: 2.0**-23}


def random_network(widths, *, dtype=torch.float64, size=1.0, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pairs = itertools.pairwise(widths)
        layers = [part for a, b in pairs for part in (nn.Linear(a, b, dtype=dtype), nn.ReLU())]
    network = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(size)
    return network


def places(box, count=2000, seed=1):
    """Corners of a box, its edges' middles, and places inside."""
    low, high = torch.tensor(box, dtype=torch.float64).unbind(-1)
    ends = torch.cartesian_prod(*(torch.stack([a, (a + b) / 2, b]) for a, b in zip(low, high, strict=True)))
    inside = torch.rand(count, len(low), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return torch.cat([ends.reshape(-1, len(low)), low + (high - low) * inside])


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize(
    ("widths", "box", "size"),
    [
        ((1, 40, 1), [(-1, 1)], 1.0),
        ((1, 40, 1), [(-1, 1)], 30.0),
        ((1, 40, 1), [(5, 5.25)], 1.0),
        ((1, 40, 1), [(-1e-3, 1e3)], 0.1),
        ((2, 16, 3), [(-1, 1), (0, 9)], 2.0),
        ((2, 16, 16, 3), [(-1, 1), (-1, 1)], 2.0),
        ((1, 12, 12, 12, 1), [(-1, 1)], 2.0),
        ((3, 2), [(-1, 1)] * 3, 1.0),
    ],
)
def test_the_function_and_its_gradient_are_the_same_on_the_domain(widths, box, size, dtype):
    for seed in range(5):
        relus = random_network(widths, dtype=dtype, size=size, seed=seed)
        wavelets = from_relu(relus, box)
        x = places(box).to(dtype).requires_grad_()
        ours, theirs = wavelets(x), relus(x)
        # Interval arithmetic's bound of what the layers add up, times some roundings of each.
        bound = x.detach().abs().amax(0)
        for layer in relus[::2]:
            bound = layer.weight.detach().abs() @ bound + layer.bias.detach().abs()
        assert (ours - theirs).abs().max() <= 16 * EPS[dtype] * bound.max()
        slopes = [torch.autograd.grad(y.square().sum() + y.sum(), x)[0] for y in (ours, theirs)]
        if dtype == torch.float64:  # in float32 some place lies as near to a kink as rounding
            torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-9 * slopes[1].abs().max().item())


def test_the_paper_s_network_is_the_paper_s_network():
    """w = +-1, b in [-1, 1], on [-1, 1]: 24 v psi((w x - b) / 4), Eq. (15), with a bias at the closed end."""
    relus = random_network((1, 5, 1))
    with torch.no_grad():
        relus[0].weight.copy_(torch.tensor([1.0, -1, 1, -1, 1])[:, None])
        relus[0].bias.copy_(torch.tensor([0.5, -0.25, 1.0, 0.125, -1.0]))
    wavelets = from_relu(relus, (-1, 1))
    assert isinstance(wavelets[1], BWReLU) and wavelets[1].scale == 0.25
    assert torch.equal(wavelets[0].weight, relus[0].weight) and torch.equal(wavelets[0].bias, relus[0].bias)
    assert torch.equal(wavelets[2].weight, 24 * relus[2].weight) and torch.equal(wavelets[2].bias, relus[2].bias)
    end = torch.ones(1, 1, dtype=torch.float64, requires_grad=True)
    ours, theirs = (torch.autograd.grad(network(end), end)[0] for network in (wavelets, relus))
    torch.testing.assert_close(wavelets(end), relus(end), rtol=0, atol=1e-14)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)
    beyond = torch.tensor([[1.5]], dtype=torch.float64)
    assert (wavelets(beyond) - relus(beyond)).abs() > 0.1


@pytest.mark.parametrize(("most", "scale"), [(0.5, 1.0), (0.51, 0.5), (2.0, 0.25), (2.01, 0.125), (-1.0, 1.0)])
def test_the_scale_is_the_largest_power_of_two(most, scale):
    relus = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    with torch.no_grad():
        relus[0].weight.fill_(0.25)
        relus[0].bias.fill_(most - 0.25)
    wavelets = from_relu(relus, (-1, 1))
    assert wavelets[1].scale == scale
    x = places([(-1, 1)])
    torch.testing.assert_close(wavelets(x), relus(x), rtol=0, atol=1e-14)


def test_a_neuron_that_is_never_on_is_bounded_by_zero():
    relus = random_network((1, 1, 1, 1))
    with torch.no_grad():
        for layer, weight, bias in zip(relus[::2], (1.0, 1.0, 1.0), (-5.0, 2.0, 0.0), strict=True):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
    wavelets = from_relu(relus, (-1, 1))
    assert (wavelets[1].scale, wavelets[3].scale) == (1.0, 0.25)
    torch.testing.assert_close(wavelets(places([(-1, 1)])), relus(places([(-1, 1)])), rtol=0, atol=1e-14)


def test_it_is_a_network_of_its_own():
    named = nn.Sequential()
    for name, layer in (
        ("first", nn.Linear(2, 4, bias=False)),
        ("on", nn.ReLU(inplace=True)),
        ("last", nn.Linear(4, 1)),
    ):
        named.add_module(name, layer)
    before = [p.clone() for p in named.parameters()]
    made = from_relu(named.eval(), (-1, 1))
    assert [name for name, _ in made.named_children()] == ["first", "on", "last"] and not made.training
    assert made.first.bias is None and all(p.requires_grad and p.is_leaf for p in made.parameters())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
    assert all(torch.equal(p, q) for p, q in zip(named.parameters(), before, strict=True))


def test_one_layer_in_two_places_becomes_two():
    shared = nn.Linear(3, 3)
    relus = nn.Sequential(shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(3, 1)).double()
    x = places([(-1, 1)] * 3)
    torch.testing.assert_close(from_relu(relus, (-1, 1))(x), relus(x), rtol=0, atol=1e-13)


def test_a_relu_may_come_first_and_linear_layers_together():
    relus = nn.Sequential(nn.ReLU(), nn.Linear(2, 3), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    x = places([(-1, 7)] * 2)
    torch.testing.assert_close(from_relu(relus, (-1, 7))(x), relus(x), rtol=0, atol=1e-13)


def test_the_layers_of_a_coordinate_network():
    relus = CoordinateNetwork(2, hidden_features=16, activation="relu", skip=True).double()
    x = places([(-1, 1)] * 2)
    before = relus(x)
    relus.layers = from_relu(relus.layers, (-1, 1))
    torch.testing.assert_close(relus(x), before, rtol=0, atol=1e-13)


def with_weight(value):
    network = random_network((1, 2, 1))
    with torch.no_grad():
        network[0].weight.fill_(value)
    return network


GOOD = random_network((2, 3, 1))


@pytest.mark.parametrize(
    ("network", "domain", "error", "message"),
    [
        (nn.Linear(1, 1), (-1, 1), TypeError, "must be an nn.Sequential of nn.Linear and nn.ReLU; got Linear"),
        (CoordinateNetwork(1, hidden_features=4, activation="relu"), (-1, 1), TypeError, r"Its \.layers may be one"),
        (nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)), (-1, 1), TypeError, "layer 1 of network is Tanh"),
        (nn.Sequential(nn.Linear(1, 2), nn.ReLU()), (-1, 1), ValueError, "must end with nn.Linear"),
        (nn.Sequential(), (-1, 1), ValueError, "must end with nn.Linear"),
        (
            nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Linear(1, 1)),
            (-1, 1),
            ValueError,
            "layer 1 of network is a second nn.ReLU",
        ),
        (nn.Sequential(nn.Linear(1, 2), nn.Linear(3, 1)), (-1, 1), ValueError, "layer 1 of network takes 3 numbers"),
        (with_weight(torch.nan), (-1, 1), ValueError, "the weight of layer 0 has 2 non-finite values"),
        (with_weight(1e306), (-1, 1), ValueError, "layer 1 of network gets numbers up to"),
        (
            nn.Sequential(nn.Linear(1, 1, device="meta")),
            (-1, 1),
            ValueError,
            "the weight of layer 0 has a shape and no",
        ),
        (GOOD, (-1, float("inf")), ValueError, "domain must be bounded, as a sum of wavelets is zero far away"),
        (GOOD, (1, -1), ValueError, "low < high"),
        (GOOD, (1, 1), ValueError, "low < high"),
        (GOOD, [(-1, 1)] * 3, ValueError, "or such a pair for each of 2 coordinates"),
        (GOOD, 3.0, ValueError, r"domain must be \(low, high\)"),
        (GOOD, "wide", TypeError, "domain must be a number, a list of numbers or a tensor"),
    ],
)
def test_what_it_cannot_do_is_refused_with_a_reason(network, domain, error, message):
    with pytest.raises(error, match=message):
        from_relu(network, domain)
