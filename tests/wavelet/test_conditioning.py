"""feature_condition and conditioning, against matrices with known singular values and against real descent."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from relunb import bw_relu, plot
from relunb.wavelet import (
    conditioning,
    dyadic_system,
    feature_condition,
    relu_condition_number,
    wavelet_condition_number,
)
from tests.tolerance import DEVICES


def matrix(values, samples=7, neurons=5, dtype=torch.float64):
    """A feature matrix (samples, neurons) with the given singular values."""
    torch.manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(samples, len(values), dtype=dtype))
    right, _ = torch.linalg.qr(torch.randn(neurons, len(values), dtype=dtype))
    return (left * torch.tensor(values, dtype=left.real.dtype)) @ right.mH


def identity(features):
    return features


def network(width=16):
    """No neuron is dead, and no singular value lost."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1)).double()
    with torch.no_grad():
        net[0].weight.mul_(4)
    return net


def samples(count=12, inputs=2):
    return torch.rand(count, inputs, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1


# What it is


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.complex128, torch.complex64])
@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (5, 5)])
def test_singular_values_rate_and_step_of_a_known_matrix(dtype, shape):
    features = matrix([8.0, 4.0, 3.0, 2.0, 0.5], *shape, dtype=dtype)
    found = conditioning(identity, features)
    close = 1e-12 if features.real.dtype == torch.float64 else 1e-5
    np.testing.assert_allclose(found.singular_values, [8, 4, 3, 2, 0.5], rtol=close)
    assert found.singular_values.dtype == features.real.dtype
    assert found.rank == 5 and not found.dead.any() and found.dead.shape == (shape[1],)
    assert math.isclose(found.condition_number, 16, rel_tol=close)
    assert math.isclose(found.rate, 255 / 257, rel_tol=close)
    assert math.isclose(found.step, 2 / 64.25, rel_tol=close)
    condition = feature_condition(identity, features)
    assert condition.shape == () and condition.dtype == features.real.dtype
    assert math.isclose(condition.item(), 16, rel_tol=close)


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (1, 4), (4, 1)])
def test_it_is_what_the_papers_script_takes_for_figure_2(shape):
    features = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    reference = torch.linalg.cond(features.T)
    torch.testing.assert_close(feature_condition(identity, features), reference, rtol=1e-12, atol=0)


def test_it_is_differentiable():
    values = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: feature_condition(identity, f), values)
    wide = values.detach().T.contiguous().requires_grad_()
    assert torch.autograd.gradcheck(lambda f: feature_condition(identity, f), wide)
    (gradient,) = torch.autograd.grad(feature_condition(identity, values), values)
    eigenvalues = torch.linalg.eigvalsh(values.T @ values)
    (reference,) = torch.autograd.grad((eigenvalues[-1] / eigenvalues[0]).sqrt(), values)
    torch.testing.assert_close(gradient, reference, rtol=1e-9, atol=1e-9)


def test_the_gradient_reaches_the_hidden_weights_and_not_the_output_weights():
    net, x = network(width=6), samples()
    feature_condition(net, x).backward()
    assert net[0].weight.grad.abs().sum() > 0 and net[2].weight.grad is None
    hidden = net[0].weight.grad
    direction, small = torch.ones_like(hidden), 1e-6
    with torch.no_grad():
        net[0].weight.add_(small * direction)
        above = feature_condition(net, x)
        net[0].weight.sub_(2 * small * direction)
        below = feature_condition(net, x)
    assert math.isclose(((above - below) / (2 * small)).item(), hidden.sum().item(), rel_tol=1e-5)


def test_theorem_3_3_as_features():
    """Sampled densely, the dyadic system's features have the square root of its Gram matrix's condition number."""
    level, shift = dyadic_system(4)
    scale = 1.5 * 2.0 ** level.double()

    def features(x):
        return 2 ** (level.double() / 2) * bw_relu(scale * (x + 1) - shift)

    x = (torch.arange(9600, dtype=torch.float64)[:, None] + 0.5) / 4800 - 1
    kappa = feature_condition(features, x).item() ** 2
    assert math.isclose(kappa, wavelet_condition_number(4), rel_tol=1e-4) and kappa < 9 / 4
    knots = torch.arange(16, dtype=torch.float64) / 8 - 1
    kappa = feature_condition(lambda x: (x - knots).relu(), x).item() ** 2
    assert math.isclose(kappa, relu_condition_number(16), rel_tol=1e-3)


@pytest.mark.usefixtures("no_window")
@pytest.mark.parametrize("device", DEVICES)
def test_on_each_device(device):
    net, x = network(), samples()
    wanted = conditioning(net, x)
    found = conditioning(net.to(device), x.to(device))
    assert found.singular_values.device.type == found.dead.device.type == device
    torch.testing.assert_close(found.singular_values.cpu(), wanted.singular_values, rtol=1e-10, atol=1e-12)
    assert feature_condition(net, x.to(device)).device.type == device
    assert math.isclose(found.rate, wanted.rate) and plot.conditioning(found).axes


# What it predicts


@pytest.mark.parametrize("shape", [(30, 6), (6, 30)])
def test_descent_contracts_by_the_rate_and_by_no_other_step_faster(shape):
    features = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    found = conditioning(identity, features)
    target = features @ torch.randn(shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(5))

    def contraction(step):
        v = torch.zeros(shape[1], dtype=torch.float64)
        sizes = []
        while not sizes or sizes[-1] > 1e-9 * sizes[0]:  # then rounding would show
            residual = features @ v - target
            v = v - step * features.mT @ residual
            sizes.append(residual.norm().item())
        return (sizes[-1] / sizes[-11]) ** 0.1

    assert math.isclose(contraction(found.step), found.rate, rel_tol=1e-4)
    assert contraction(0.95 * found.step) > found.rate + 1e-3
    assert contraction(1.05 * found.step) > found.rate + 1e-3


def test_the_step_for_the_mean_squared_error_of_pytorch():
    net, x = network(width=4), samples(40)
    found = conditioning(net, x)
    y = net(x).detach() + conditioning_target(net, x)
    net.requires_grad_(False)[2].weight.requires_grad_()
    optimizer = torch.optim.SGD([net[2].weight], lr=found.step * len(x) / 2)
    gradients = []
    for _ in range(3000):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()
        gradients.append(net[2].weight.grad.norm().item())
        optimizer.step()
    late = max(n for n in range(100, 3000) if gradients[n] > 1e-9)
    assert math.isclose((gradients[late] / gradients[late - 50]) ** 0.02, found.rate, rel_tol=1e-3)


def conditioning_target(net, x):
    """What output weights of one would add."""
    return net[:2](x).sum(-1, keepdim=True).detach()


# Rank


def test_a_matrix_without_full_rank():
    features = matrix([4.0, 2.0, 1.0])
    found = conditioning(identity, features)
    assert found.rank == 3 and found.condition_number == math.inf
    assert math.isclose(found.rate, 15 / 17) and math.isclose(found.step, 2 / 17)
    features.requires_grad_()
    condition = feature_condition(identity, features)
    assert condition.item() == math.inf
    (gradient,) = torch.autograd.grad(condition, features)
    assert torch.count_nonzero(gradient) == 0, "and not NaN"


@pytest.mark.parametrize(("dtype", "small"), [(torch.float64, 1e-15), (torch.float32, 5e-7)])
def test_the_rank_is_counted_to_the_precision_of_the_features(dtype, small):
    """max(K, N) eps: here 7 eps, 1.6e-15 and 8.3e-7."""
    diagonal = torch.eye(7, 3, dtype=dtype)
    below, above = diagonal.clone(), diagonal.clone()
    below[2, 2], above[2, 2] = small, 4 * small
    assert conditioning(identity, below).rank == 2
    assert feature_condition(identity, below).item() == math.inf
    assert conditioning(identity, above).rank == 3
    assert math.isclose(feature_condition(identity, above).item(), 0.25 / small, rel_tol=1e-5)


def test_dead_neurons_are_named():
    x = torch.linspace(-1, 1, 20, dtype=torch.float64)[:, None]
    bias = torch.tensor([0.3, 1.0, -1.0, 5.0], dtype=torch.float64)
    found = conditioning(lambda x: (x - bias).relu(), x)
    assert found.dead.tolist() == [False, True, False, True]
    assert found.rank == 2 and found.condition_number == math.inf


def test_a_network_that_is_all_dead():
    found = conditioning(lambda x: 0 * x, samples())
    assert found.dead.all() and found.rank == 0 and found.condition_number == math.inf
    assert math.isnan(found.rate) and math.isnan(found.step)
    assert torch.count_nonzero(found.singular_values) == 0 and len(found.singular_values) == 2
    x = samples().requires_grad_()
    assert feature_condition(lambda x: 0 * x, x).item() == math.inf
    (gradient,) = torch.autograd.grad(feature_condition(lambda x: 0 * x, x), x)
    assert torch.count_nonzero(gradient) == 0


def test_one_neuron_is_perfectly_conditioned():
    found = conditioning(identity, torch.ones(5, 1))
    assert (found.condition_number, found.rate, found.rank) == (1, 0, 1)
    assert math.isclose(found.step, 1 / 5, rel_tol=1e-6)


# Which features


class Squeezed(nn.Module):
    """The usual way to write a scalar network, and one whose last layer is called by keyword."""

    def __init__(self, net, how):
        super().__init__()
        self.net, self.how = net, how

    def forward(self, x):
        hidden = self.net[:2](x)
        if self.how == "keyword":
            return self.net[2](input=hidden)
        if self.how == "a second head after it":
            output = self.net[2](hidden)
            self.net[2](0 * hidden)
            return output
        return self.net[2](hidden).squeeze(-1)


@pytest.mark.parametrize("how", ["squeezed", "keyword", "a second head after it"])
def test_the_features_are_what_enters_the_layer_that_gives_the_output(how):
    net, x = network(), samples()
    wanted = feature_condition(lambda x: net[:2](x), x)
    assert wanted.isfinite() and torch.equal(feature_condition(net, x), wanted)
    assert torch.equal(feature_condition(Squeezed(net, how), x), wanted)
    assert torch.equal(feature_condition(nn.Sequential(net, nn.Identity(), nn.Flatten()), x), wanted)
    assert math.isclose(conditioning(Squeezed(net, how), x).condition_number, wanted.item(), rel_tol=1e-12)


def test_a_picture_of_coordinates_is_a_list_of_them():
    net, x = network(), samples(12)
    grid = conditioning(net, x.reshape(3, 4, 2))
    flat = conditioning(net, x)
    assert torch.equal(grid.singular_values, flat.singular_values) and len(grid.singular_values) == 12
    by_map = conditioning(lambda x: net[:2](x), x.reshape(3, 4, 2))
    assert torch.equal(by_map.singular_values, flat.singular_values)
    one = conditioning(net, x[0])
    assert one.rank == 1 and one.condition_number == 1


def test_a_last_layer_alone_and_one_used_twice():
    layer = nn.Linear(3, 3, bias=False).double()
    x = samples(9, inputs=3)
    assert math.isclose(feature_condition(layer, x).item(), torch.linalg.cond(x).item(), rel_tol=1e-12)
    twice = nn.Sequential(layer, nn.Tanh(), layer)
    assert torch.equal(feature_condition(twice, x), feature_condition(lambda x: layer(x).tanh(), x))


def test_under_inference_mode_and_compiled():
    net, x = network(), samples()
    wanted = feature_condition(net, x).item()
    with torch.inference_mode():
        assert math.isclose(feature_condition(net, samples()).item(), wanted, rel_tol=1e-12)
        assert math.isclose(conditioning(net, samples()).condition_number, wanted, rel_tol=1e-12)
    compiled = torch.compile(net, backend="eager")
    compiled.eval()(x)  # a graph that was traced before there were hooks does not call them
    assert feature_condition(compiled, x).item() == wanted


@pytest.mark.parametrize(
    "last",
    [nn.ReLU(), nn.ReLU(inplace=True), nn.Linear(1, 1), nn.Dropout(0.5), nn.Identity()],
    ids=["ReLU", "ReLU in place", "Linear", "Dropout", "Identity"],
)
@pytest.mark.parametrize("inference", [False, True])
def test_only_a_network_that_ends_in_a_linear_layer(last, inference):
    net = nn.Sequential(network(), last.double())
    with torch.inference_mode(inference):
        x = samples()
        if isinstance(last, nn.Linear):
            assert conditioning(net, x).dead.shape == (1,)
        elif isinstance(last, nn.Identity | nn.Dropout):  # at evaluation a dropout is nothing
            assert conditioning(net, x).dead.shape == (16,)
        else:
            with pytest.raises(ValueError, match=r"does not come straight from an nn.Linear.*lambda x: network\(x\)"):
                conditioning(net, x)


def test_a_slice_of_the_output_is_not_the_output():
    class FirstOnly(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 3)

        def forward(self, x):
            return self.layer(x)[..., 0]

    with pytest.raises(ValueError, match="FirstOnly does not come straight"):
        feature_condition(FirstOnly(), torch.rand(5, 2))


# It leaves the network as it was


def test_it_changes_nothing():
    net = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 1)).double()
    net[3].eval()  # on purpose: not all modules in the same mode
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first = conditioning(net, samples())
    assert torch.equal(first.singular_values, conditioning(net, samples()).singular_values), "no dropout"
    assert [module.training for module in net] == [True, True, True, False, True] and net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._forward_hooks for module in net.modules())
    assert not first.singular_values.requires_grad
    assert torch.is_grad_enabled()


def test_it_cleans_up_after_a_network_that_fails():
    net = network().train()
    with pytest.raises(RuntimeError):
        conditioning(net, torch.rand(4, 3, dtype=torch.float64))
    assert net.training and not any(module._forward_hooks for module in net.modules())


def test_a_users_own_hook_is_seen_and_kept():
    net, x = network(), samples()
    seen = []
    handle = net[2].register_forward_hook(lambda *_: seen.append(1))
    conditioning(net, x)
    assert seen == [1] and list(net[2]._forward_hooks) == [handle.id]


# What it refuses


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_coarse_features_are_refused_by_name(dtype):
    for function in (conditioning, feature_condition):
        with pytest.raises(TypeError, match=f"got {dtype}.*without autocast"):
            function(identity, torch.ones(4, 3).to(dtype))


@pytest.mark.parametrize(
    ("network", "x", "error", "words"),
    [
        (identity, torch.ones(0, 3), ValueError, r"nothing to measure.*\(0, 3\)"),
        (identity, torch.ones(3, 0), ValueError, r"nothing to measure.*\(3, 0\)"),
        (identity, torch.ones(3), ValueError, r"one row a sample.*\(3,\)"),
        (
            identity,
            torch.tensor([[1.0, math.nan], [0, 1]]),
            ValueError,
            r"1 non-finite value; the first is at \(0, 1\)",
        ),
        (identity, torch.tensor([[1.0, 2], [math.inf, 1]]), ValueError, r"first is at \(1, 0\)"),
        (identity, [[1.0]], TypeError, "return a torch.Tensor; got list"),
        ("net", torch.ones(3, 2), TypeError, "Module or a function; got str"),
        (nn.Linear(2, 3), torch.ones(0, 2), ValueError, "nothing to measure"),
        (nn.LSTM(2, 3), torch.ones(4, 2), ValueError, "LSTM does not come straight"),
    ],
)
def test_a_mistake_gets_a_sentence(network, x, error, words):
    for function in (conditioning, feature_condition):
        with pytest.raises(error, match=words):
            function(network, x)


# The picture


@pytest.mark.usefixtures("no_window")
def test_the_picture_shows_singular_values_and_real_descent():
    features = matrix([8.0, 4.0, 1.0])
    found = conditioning(identity, features)
    above, below = plot.conditioning({"mine": found, "full": conditioning(identity, features[:3, :3])}).axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), [1, 0.5, 0.125], rtol=1e-12)
    assert list(above.lines[0].get_xdata()) == [1, 2, 3]
    assert above.lines[1].get_marker() == "x" and list(above.lines[1].get_xdata()) == [3]
    labels = [text.get_text() for text in above.get_legend().get_texts()]
    assert labels[0] == "mine, κ infinite, rank 3 of 5" and labels[1].startswith("full, κ = ")
    assert len(above.lines) == 3, "no cross where the rank is full"

    torch.manual_seed(0)  # random targets in the range of the features leave what the picture says
    u, s, _ = torch.linalg.svd(features, full_matrices=False)
    target = u[:, :3] @ torch.randn(3, 20_000, dtype=torch.float64)
    v = torch.zeros(5, 20_000, dtype=torch.float64)
    shown = dict(zip(*(line.tolist() for line in below.lines[0].get_data()), strict=True))
    for step in range(1, 31):
        v = v - found.step * features.mT @ (features @ v - target)
        left = ((features @ v - target).square().mean() / target.square().mean()).sqrt().item()
        assert math.isclose(left, shown.get(step, left), rel_tol=0.02)
    assert {1, 2, 10, 30} & set(shown) and below.get_ylim()[0] == 0


@pytest.mark.usefixtures("no_window")
def test_the_picture_of_one_network_and_of_a_dead_one():
    bias = torch.tensor([0.0, 2.0], dtype=torch.float64)
    found = conditioning(lambda x: (x[:, :1] - bias).relu(), samples())
    (label,) = plot.conditioning(found).axes[0].get_legend().get_texts()
    assert label.get_text() == "κ infinite, rank 1 of 2, 1 of 2 dead"
    dead = conditioning(lambda x: 0 * x, samples())
    above, below = plot.conditioning(dead).axes
    assert above.get_legend().get_texts()[0].get_text() == "κ infinite, rank 0 of 2, 2 of 2 dead"
    assert not below.lines
    for kappa, text in ((9.994, "κ = 9.99"), (1234.4, "κ = 1,234"), (2.5e7, "κ = 2.5e+07")):
        one = conditioning(identity, torch.tensor([[kappa, 0], [0, 1]], dtype=torch.float64))
        assert plot.conditioning(one).axes[0].get_legend().get_texts()[0].get_text() == text


# Scales


@pytest.mark.usefixtures("no_window")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.complex128])
@pytest.mark.parametrize("far", [0.9, 0.5, -0.5, -0.9])
def test_features_of_any_size(dtype, far):
    """Condition number and rate do not depend on the size; the step goes with its inverse square."""
    scale = 2.0 ** round(math.log2(torch.finfo(dtype).max) * far)
    features = matrix([8.0, 4.0, 1.0], 7, 3, dtype=dtype)
    one, other = conditioning(identity, features), conditioning(identity, scale * features)
    assert other[1:3] == one[1:3] and other.rate == one.rate
    torch.testing.assert_close(other.singular_values / scale, one.singular_values, rtol=1e-15, atol=0)
    exponent = math.log2(one.step) - 2 * math.log2(scale)
    assert other.step == (0 if exponent < -1080 else math.inf if exponent > 1024 else one.step / scale / scale)
    leaf = (scale * features).requires_grad_()
    condition = feature_condition(identity, leaf)
    near = 1e-5 if dtype == torch.float32 else 1e-13  # with a gradient LAPACK takes another way
    assert math.isclose(condition.item(), feature_condition(identity, features).item(), rel_tol=near)
    (gradient,) = torch.autograd.grad(condition, leaf)
    assert gradient.abs().isfinite().all()
    shown = [plot.conditioning(found).axes[1].lines[0].get_ydata() for found in (one, other)]
    np.testing.assert_array_equal(*shown)


def test_features_without_numbers_and_beyond_all_floats():
    with pytest.raises(ValueError, match="meta device"):
        conditioning(nn.Linear(2, 3, device="meta"), torch.empty(4, 2, device="meta"))
    with pytest.raises(TypeError, match="dense tensor"):
        feature_condition(identity, torch.eye(3).to_sparse())
    full = torch.full((4, 4), 1.7e308, dtype=torch.float64).tril()
    assert feature_condition(identity, full).item() == pytest.approx(feature_condition(identity, full / 1e308).item())
    with pytest.raises(ValueError, match="singular values, of features near the largest float, has 1 non-finite"):
        conditioning(identity, full)


@pytest.mark.usefixtures("no_window")
@pytest.mark.parametrize(
    ("result", "error", "words"),
    [({}, ValueError, "nothing to draw"), (3, TypeError, "mapping from names"), ({"a": 3}, TypeError, "'a' is a int")],
)
def test_a_picture_of_nothing_gets_a_sentence(result, error, words):
    with pytest.raises(error, match=words):
        plot.conditioning(result)
