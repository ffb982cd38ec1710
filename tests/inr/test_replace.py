"""Another activation in a network: every place, nothing else, and an error where there is none."""

import copy

import pytest
import torch
from torch import nn

from relunb import IAT, BWReLU, LinearSpline, bw_relu
from relunb.inr import CoordinateNetwork, Sine, replace_activation


def test_every_activation_of_the_kind_and_no_other():
    shared = nn.ReLU()
    network = nn.Sequential(
        nn.Linear(2, 4),
        shared,
        nn.Sequential(nn.Linear(4, 4), shared, nn.ModuleDict({"deep": nn.ReLU()})),
        nn.ReLU6(),
        shared,
    )
    weights = list(network.parameters())
    assert replace_activation(network, nn.ReLU, lambda: BWReLU(2.0)) is network
    new = [network[1], network[2][1], network[2][2]["deep"], network[4]]
    assert [type(part) for part in new] == [BWReLU] * 4 and len({*map(id, new)}) == 4
    assert type(network[3]) is nn.ReLU6
    assert [p is q for p, q in zip(network.parameters(), weights, strict=True)] == [True] * 4


def test_a_subclass_is_another_kind():
    network = nn.Sequential(nn.ReLU6(), nn.Hardtanh())  # PyTorch's ReLU6 is a Hardtanh
    replace_activation(network, nn.Hardtanh, nn.ReLU)
    assert [type(part) for part in network] == [nn.ReLU6, nn.ReLU]


def test_the_function_is_the_new_one():
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    x = torch.linspace(-1, 1, 10).reshape(5, 2)
    wanted = network[2](bw_relu(network[0](x), 3.0))
    assert torch.equal(replace_activation(network, nn.ReLU, lambda: BWReLU(3.0))(x), wanted)
    back = replace_activation(network, "bw_relu", lambda: LinearSpline.named("leaky_relu"))
    torch.testing.assert_close(back(x), network[2](nn.functional.leaky_relu(network[0](x))))


def test_an_activation_alone_is_exchanged_itself():
    alone = nn.ReLU()
    assert isinstance(replace_activation(alone, "relu", nn.Tanh), nn.Tanh) and isinstance(alone, nn.ReLU)


def test_new_parameters_have_the_network_s_precision_and_mode():
    network = nn.Sequential(nn.Linear(2, 8), nn.ReLU()).double().eval()
    replace_activation(network, nn.ReLU, lambda: LinearSpline.named("hat", learnable=True))
    assert network[1].knots.dtype == torch.float64 and not network[1].training


@pytest.mark.parametrize("name", ["bw_relu", "siren", "gauss", "relu"])
def test_a_coordinate_network_says_which_it_has(name):
    network = CoordinateNetwork(2, hidden_features=8, activation=name)
    kind = type(network.layers[1])
    other = copy.deepcopy(network)
    replace_activation(nn.Sequential(network), name, lambda: LinearSpline.named("hat"))
    assert network.activation == "LinearSpline" and "activation='LinearSpline'" in repr(network)
    assert not network.is_as_made() and network(torch.zeros(3, 2)).shape == (3, 1)
    replace_activation(other, kind, lambda: Sine(30.0))
    assert other.activation == "siren" and other.is_as_made() and other.blocked() is not None
    assert sum(type(layer) is Sine for layer in other.layers) == 3


def test_the_function_of_an_integral_transform():
    x = torch.linspace(-1, 3, 8, dtype=torch.float64).reshape(2, 4)
    for how in ({}, {"method": "midpoint", "points": 40}):
        layer = IAT(4, None, "pwl", "pwq", LinearSpline.named("abs"), **how)
        hat = LinearSpline.named("hat")
        replace_activation(nn.Sequential(layer), LinearSpline, lambda hat=hat: hat)
        assert layer.function is hat
        torch.testing.assert_close(layer(x), IAT(4, None, "pwl", "pwq", hat, **how)(x), rtol=0, atol=0)
    exact = IAT(4, None, "pwl", "pwq", hat)
    with pytest.raises(ValueError, match="method='exact' is for ReLU; with activation=Tanh"):
        exact.function = nn.Tanh()
    assert exact.function is hat and exact(x).shape == (2, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((nn.ReLU, nn.Tanh), ValueError, "no ReLU is a part of this Sequential, which has Identity, Linear, Tanh"),
        (("relu", nn.Tanh), ValueError, "no ReLU is a part"),
        (("tanh", nn.ReLU), ValueError, "old must be one of 'bw_relu', 'siren', 'wire', 'gauss', 'relu', or a class"),
        ((nn.Tanh(), nn.ReLU), TypeError, "old must be a class of modules, like nn.ReLU, or a name"),
        ((int, nn.ReLU), TypeError, "old must be a class of modules"),
        ((nn.Tanh, nn.ReLU()), TypeError, "new must make an activation for each place"),
        ((nn.Tanh, torch.relu_), TypeError, "missing|required"),
        ((nn.Tanh, lambda: torch.relu), TypeError, "new must make a torch.nn.Module; it made"),
    ],
)
def test_bad_arguments_change_nothing(arguments, error, message):
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Identity())
    with pytest.raises(error, match=message):
        replace_activation(network, *arguments)
    made = iter([nn.ReLU(), None])
    two = nn.Sequential(nn.Tanh(), nn.Tanh())
    with pytest.raises(TypeError, match="it made None"):
        replace_activation(two, nn.Tanh, lambda: next(made))
    assert [type(part) for part in (network[1], *two)] == [nn.Tanh] * 3
    with pytest.raises(TypeError, match="module must be a torch.nn.Module; got 3"):
        replace_activation(3, nn.ReLU, nn.Tanh)  # pyright: ignore[reportArgumentType]
