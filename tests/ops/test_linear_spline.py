"""Linear splines: an affine part and shifted ReLUs, by a sorted lookup."""

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

import relunb
from relunb import LinearSpline, bw_relu
from relunb.ops import linear_spline, linear_spline_plain, spline_pieces

F = nn.functional
SAME = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "abs": torch.abs,
    "hardtanh": F.hardtanh,
    "relu6": F.relu6,
    "hardsigmoid": F.hardsigmoid,
    "hat": lambda x: (1 - x.abs()).relu(),
    "bw_relu": bw_relu,
}
FAR = [math.inf, -math.inf, math.nan, 1e300, -1e300]


def numbers(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def parts(*channels, knots=5, seed=0):
    return [3 * numbers(*channels, knots, seed=seed), numbers(*channels, knots, seed=seed + 1)] + [
        numbers(*channels, seed=seed + k) for k in (2, 3)
    ]


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_named_spline_is_the_function_of_that_name(name, dtype):
    knots = LinearSpline.named(name).knots
    x = torch.cat([torch.linspace(-9, 9, 721), knots, torch.tensor(FAR)]).to(dtype)
    error = (LinearSpline.named(name)(x) - SAME[name](x)).abs()
    same = (LinearSpline.named(name)(x) == SAME[name](x)) | x.isnan()
    assert (same | (error <= 4 * torch.finfo(dtype).eps)).all()


@pytest.mark.parametrize("name", sorted(set(SAME) - {"bw_relu", "hat"}))
def test_the_slope_at_a_knot_is_that_of_the_left_side_as_relu_has_it(name):
    x = LinearSpline.named(name).knots.requires_grad_()
    LinearSpline.named(name)(x).sum().backward()
    left = LinearSpline.named(name).pieces[:-1, 2]
    assert torch.equal(x.grad, left)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("knots", [1, 2, 40])
def test_values_and_all_gradients_are_those_of_the_sum_of_relus(channels, knots):
    given = [part.requires_grad_() for part in (numbers(50, 3, seed=9), *parts(*channels, knots=knots))]
    fast = linear_spline(given[0], spline_pieces(*given[1:]))
    plain = linear_spline_plain(*given)
    scale = plain.abs().max().item() * knots
    torch.testing.assert_close(fast, plain, rtol=0, atol=4e-16 * scale)
    weights = numbers(50, 3, seed=8)
    for a, b in zip(*(torch.autograd.grad((y * weights).sum(), given) for y in (fast, plain)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_two_derivatives_in_the_input_and_all_parameters(channels):
    given = tuple(part.requires_grad_() for part in (numbers(4, 3, seed=9), *parts(*channels)))

    def f(x, *spline):
        return linear_spline(x, spline_pieces(*spline))

    assert torch.autograd.gradcheck(f, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(f, given)


def test_repeated_knots_and_knots_out_of_order():
    spline = LinearSpline([2, 0, 2, -1], [1, Fraction(1, 2), 3, -2])
    x = torch.linspace(-3, 5, 65, dtype=torch.float64)
    wanted = 4 * (x - 2).relu() + 0.5 * x.relu() - 2 * (x + 1).relu()
    torch.testing.assert_close(spline(x), wanted, rtol=0, atol=1e-14)


def test_jumps_that_cancel_leave_no_rounding_on_the_right():
    psi = LinearSpline.named("bw_relu")
    x = torch.tensor([3.0, 1e6, 1e300, math.inf], dtype=torch.float64)
    assert not psi(x).any()
    knots = [Fraction(k, 7) for k in range(3001)]
    jumps = [Fraction((-1) ** k * k, 3) for k in range(3001)]
    end = sum(jumps)
    far = LinearSpline([*knots, 500], [*jumps, -end])(torch.tensor([1e9], dtype=torch.float64))
    wanted = sum(j * (500 - k) for j, k in zip(jumps, knots, strict=True))
    assert far.item() == pytest.approx(float(wanted), rel=1e-15)


def test_far_from_the_origin_no_digit_is_lost():
    hat = LinearSpline([999, 1000, 1001], [1, -2, 1])
    x = torch.tensor([999.25, 1000.5], dtype=torch.float32)
    assert hat(x).tolist() == [0.25, 0.5]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("learnable", [False, True])
def test_half_precision_rounds_once(dtype, learnable):
    spline = LinearSpline.named("bw_relu", learnable).to(dtype)
    x = torch.linspace(-1, 4, 501).to(dtype)
    assert spline.knots.dtype.itemsize >= 4 and spline(x).dtype == dtype
    assert torch.equal(spline(x), LinearSpline.named("bw_relu", learnable)(x.float()).to(dtype))


def test_a_network_of_lower_precision_keeps_the_constants():
    network = nn.Sequential(nn.Linear(2, 2), LinearSpline([0.1], [1.0])).half().float().double()
    assert network[1].knots.item() == 0.1


def test_a_learned_spline_learns():
    spline = LinearSpline(torch.linspace(-2, 2, 41), torch.zeros(41), learnable=True)
    assert {name for name, _ in spline.named_parameters()} == {"knots", "jumps", "slope", "value"}
    x = torch.linspace(-2, 2, 400)
    optimizer = torch.optim.Adam(spline.parameters(), 0.02)
    first = torch.sin(3 * x).square().mean()
    for _ in range(300):
        optimizer.zero_grad()
        loss = (spline(x) - torch.sin(3 * x)).square().mean()
        loss.backward()
        optimizer.step()
    assert loss < first / 20


def test_a_spline_in_each_channel():
    spline = LinearSpline([[0.0, 1.0], [-1.0, 2.0]], [[1.0, -1.0], [2.0, 0.5]], slope=[0.0, -1.0], value=0.5)
    x = numbers(5, 4, 2)
    for channel in range(2):
        alone = LinearSpline(spline.knots[channel], spline.jumps[channel], spline.slope[channel], spline.value[channel])
        torch.testing.assert_close(spline(x)[..., channel], alone(x[..., channel]), rtol=0, atol=1e-15)


def test_state_copies_and_the_device_meta():
    saved = LinearSpline([0.3, 1.7], [1.0, 2.0])
    x = numbers(9)
    with torch.device("meta"):
        empty = LinearSpline([0.0, 0.0], [0.0, 0.0])
    assert empty(x.to("meta")).is_meta
    empty.to_empty(device="cpu").load_state_dict(saved.state_dict())
    assert torch.equal(empty(x), saved(x)) and torch.equal(copy.deepcopy(saved)(x), saved(x))


def test_compiled_and_exported():
    spline, x = LinearSpline.named("bw_relu"), numbers(64)
    assert torch.equal(torch.export.export(spline, (x,)).module()(x), spline(x))


def test_empty_and_scalar_inputs():
    spline = LinearSpline.named("hat")
    assert spline(torch.empty(0, 3)).shape == (0, 3) and spline(torch.tensor(0.25)).item() == 0.75


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: LinearSpline([], []), ValueError, "knots is empty"),
        (lambda: LinearSpline([0, 1], [1]), ValueError, "one shape"),
        (lambda: LinearSpline([0, math.nan], [1, 1]), ValueError, "knots"),
        (lambda: LinearSpline([0], [1], slope=[1, 2]), ValueError, "slope must be a number"),
        (lambda: LinearSpline([[0], [1]], [[1], [1]], value=[1, 2, 3]), ValueError, r"one a channel.*\(3,\)"),
        (lambda: LinearSpline([0], ["a"]), TypeError, "jumps must be"),
        (lambda: LinearSpline([0], [1], learnable=1.5), TypeError, "learnable"),
        (lambda: LinearSpline(torch.zeros(1_000_001), torch.zeros(1_000_001)), ValueError, "1,000,000 is the limit"),
        (lambda: LinearSpline.named("swish"), ValueError, "'hardtanh'"),
        (lambda: LinearSpline.named("relu")(3), TypeError, "floating-point tensor"),
        (lambda: LinearSpline.named("relu")(torch.tensor([1])), TypeError, "int64"),
        (lambda: LinearSpline([[0], [1]], [[1], [1]])(torch.zeros(3)), ValueError, "2 channels in its last dimension"),
    ],
)
def test_a_sentence_for_each_mistake(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_it_is_at_the_front_door():
    assert relunb.LinearSpline is LinearSpline


def test_knots_may_be_any_sequence_of_numbers():
    wanted = LinearSpline([0, 1, 2], [1, -2, 1])
    for knots in (range(3), (0, 1, 2), np.arange(3), torch.arange(3)):
        made = LinearSpline(knots, (1, -2, 1))
        assert torch.equal(made.knots, wanted.knots) and torch.equal(made.pieces, wanted.pieces)
    with pytest.raises(TypeError, match="knots must be a number, a list of numbers or a tensor; got {0, 1}"):
        LinearSpline({0, 1}, [1, 1])
