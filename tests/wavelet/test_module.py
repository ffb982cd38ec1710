"""BWReLU, the layer."""

import pytest
import torch
from torch import nn

from relunb import BWReLU, bw_relu


def test_the_layer_is_the_function():
    x = torch.linspace(-1, 4, 101)
    assert torch.equal(BWReLU(2.0)(x), bw_relu(x, 2.0))


def test_learnable_scale_trains():
    """Gradient descent on the scale alone finds the scale that made the data."""
    x = torch.linspace(0, 3, 400)
    target = bw_relu(x, 1.5)
    layer = BWReLU(1.2, learnable=True)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        (layer(x) - target).square().mean().backward()
        optimizer.step()
    assert abs(layer.scale.item() - 1.5) < 1e-3


def test_state_dict_round_trip():
    layer = BWReLU(1.25, learnable=True)
    other = BWReLU(1.0, learnable=True)
    other.load_state_dict(layer.state_dict())
    assert other.scale.item() == 1.25
    assert not BWReLU(2.0).state_dict(), "a fixed scale is a hyperparameter, not a parameter"


def test_repr_and_dtype_moves():
    assert repr(BWReLU(3.0)) == "BWReLU(scale=3, learnable=False)"
    net = nn.Sequential(nn.Linear(2, 3), BWReLU(2.0, learnable=True)).to(torch.float64)
    assert net(torch.zeros(1, 2, dtype=torch.float64)).dtype == torch.float64
    assert net[1].scale.dtype == torch.float64


@pytest.mark.parametrize(
    ("scale", "error", "words"),
    [(0, ValueError, "positive"), (torch.tensor(1.0), TypeError, "learnable=True"), ("a", TypeError, "number")],
)
def test_a_mistake_gets_a_sentence(scale, error, words):
    with pytest.raises(error, match=words):
        BWReLU(scale)


def test_a_scale_that_training_drove_negative_says_so():
    layer = BWReLU(1.0, learnable=True)
    with torch.no_grad():
        layer.scale.fill_(-0.1)
    with pytest.raises(ValueError, match="lower learning rate"):
        layer(torch.ones(3))


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_leaves_a_learned_scale_in_float32(half):
    """float16 has no 1e-9, and a step of 1e-4 from 1.0 is lost in it."""
    layer = nn.Sequential(nn.Linear(2, 3), BWReLU(1e-9, learnable=True)).to(half)
    assert layer[0].weight.dtype == half and layer[1].scale.dtype == torch.float32
    assert layer[1].scale.item() == pytest.approx(1e-9) and layer(torch.ones(4, 2, dtype=half)).dtype == half
    assert layer.half().float()[1].scale.item() == pytest.approx(1e-9)
    assert layer.double()[1].scale.dtype == torch.float64
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(half)
        assert BWReLU(1e-9, learnable=True).scale.dtype == torch.float32
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("scale", [1e300, 1e39, 1e-50])
def test_a_learned_scale_must_fit_the_default_dtype(scale):
    with pytest.raises(ValueError, match="torch.float32, torch's default, and must be from 1.2e-38 to 3.4e"):
        BWReLU(scale, learnable=True)
    assert BWReLU(scale)(torch.zeros(2)).tolist() == [0, 0], "a fixed one is a number of Python"


def test_on_the_meta_device():
    with torch.device("meta"):
        layer = BWReLU(2.0, learnable=True)
        assert layer(torch.empty(3, 4)).shape == (3, 4)
    assert repr(layer) == "BWReLU(scale=?, learnable=True)"
    assert repr(BWReLU(2.0, learnable=True)) == "BWReLU(scale=2, learnable=True)"
