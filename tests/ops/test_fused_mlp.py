"""The step by blocks: the values and every gradient of autograd, on awkward sizes, and no large memory."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from relunb import bw_relu
from relunb.ops import FusedMLP, _fused_mlp
from relunb.ops._fused_mlp import POINTWISE
from tests.forms import take

ACTIVATIONS = {
    "bw_relu": lambda c, z: bw_relu(z, c),
    "siren": lambda c, z: torch.sin(c * z),
    "gauss": lambda c, z: torch.exp(-((c * z) ** 2)),
    "relu": lambda c, z: z.relu(),
}
# A loss of order 1 in float32, and gradients summed over a thousand rows in another order.
WITHIN = {torch.float64: 1e-13, torch.float32: 2e-5}


def network(activation, dtype, widths=(2, 33, 20, 41, 3), scales="learned", skip=True):
    torch.manual_seed(0)
    linears = [nn.Linear(a, b).to(dtype) for a, b in zip(widths, widths[1:], strict=False)]
    hidden = len(linears) - 1
    kinds = {
        "learned": [nn.Parameter(torch.tensor(1.5 + i, dtype=dtype)) for i in range(hidden)],
        "shared": [nn.Parameter(torch.tensor(2.0, dtype=dtype))] * hidden,
        "fixed": [2.0] * hidden,
    }
    chosen = [1.0] * hidden if activation == "relu" else kinds[scales]
    extra = nn.Linear(widths[0], widths[-1]).to(dtype) if skip else None
    return linears, chosen, extra


def plain(x, activation, linears, scales, skip):
    a = x
    for linear, scale in zip(linears, scales, strict=False):
        a = ACTIVATIONS[activation](scale, linear(a))
    out = linears[-1](a)
    return out if skip is None else out + skip(x)


def parameters(linears, scales, skip):
    unique = {id(s): s for s in scales if isinstance(s, nn.Parameter)}
    layers = [*linears, *([] if skip is None else [skip])]
    return [p for layer in layers for p in layer.parameters()] + list(unique.values())


def test_the_table_has_an_activation_for_each_name():
    assert POINTWISE.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("dtype", WITHIN)
@pytest.mark.parametrize("scales", ["learned", "shared", "fixed"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rows", [1, 100, 257, 5000])
def test_values_and_every_gradient_are_autograds(activation, dtype, scales, rows):
    linears, chosen, skip = network(activation, dtype, scales=scales)
    count = 5 if rows == 1 else 257
    x, target = torch.rand(count, 2, dtype=dtype) * 2 - 1, torch.rand(count, 3, dtype=dtype)
    weight = torch.rand(len(x), 1, dtype=dtype)
    blocked = FusedMLP(linears, activation, chosen, skip, rows=rows)
    values = plain(x, activation, linears, chosen, skip)
    torch.testing.assert_close(blocked.values(x), values, rtol=0, atol=WITHIN[dtype])
    trained = parameters(linears, chosen, skip)
    for w in (None, weight):
        square = (values - target) ** 2
        loss = square.mean() if w is None else (w * square).sum() / (w.sum() * 3)
        expected = torch.autograd.grad(loss, trained, retain_graph=True)
        got, unweighted = blocked.squared_error(x, target, w)
        torch.testing.assert_close(got.to(dtype), loss.detach(), rtol=WITHIN[dtype], atol=0)
        torch.testing.assert_close(unweighted.to(dtype), square.mean().detach(), rtol=WITHIN[dtype], atol=0)
        for p, gradient in zip(trained, expected, strict=True):
            torch.testing.assert_close(p.grad, gradient, rtol=WITHIN[dtype], atol=WITHIN[dtype])
    cotangent = torch.randn_like(values)
    blocked.backward(x, cotangent / len(x))
    for p, gradient in zip(trained, torch.autograd.grad((values * cotangent).sum() / len(x), trained), strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=WITHIN[dtype], atol=WITHIN[dtype])


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", [(1, 4, 1), (2, 5, 5, 1), (7, 3, 9, 4, 2)])
def test_any_depth_and_width(activation, widths):
    linears, chosen, _ = network(activation, torch.float64, widths, "fixed", skip=False)
    x, target = (torch.rand(50, n, dtype=torch.float64) for n in (widths[0], widths[-1]))
    blocked = FusedMLP(linears, activation, chosen, rows=16)
    loss = (plain(x, activation, linears, chosen, None) - target).square().mean()
    expected = torch.autograd.grad(loss, parameters(linears, chosen, None))
    blocked.squared_error(x, target)
    for p, gradient in zip(parameters(linears, chosen, None), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-12, atol=1e-14)


@pytest.fixture(params=["compiled kernel", "torch blocks"])
def form(request, monkeypatch):
    take(request.param, monkeypatch)
    return request.param


@pytest.mark.parametrize("products", ["oneDNN", "MKL"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", WITHIN)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_form_of_the_parts_at_awkward_sizes(activation, dtype, threads, products, form, monkeypatch):
    """A last block that is shorter, widths of 1 and 7 and of no multiple of a vector; 90 and 61 are oneDNN's."""
    if products == "MKL":
        monkeypatch.setattr(_fused_mlp, "_ONEDNN", None)
    linears, chosen, skip = network(activation, dtype, (2, 7, 1, 90, 61, 7, 1))
    x, target = torch.rand(643, 2, dtype=dtype) * 2 - 1, torch.rand(643, 1, dtype=dtype)
    values = plain(x, activation, linears, chosen, skip)
    loss = (values - target).square().mean()
    trained = parameters(linears, chosen, skip)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        blocked = FusedMLP(linears, activation, chosen, skip, rows=300)
        torch.testing.assert_close(blocked.values(x), values, rtol=0, atol=WITHIN[dtype])
        got, _ = blocked.squared_error(x, target)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(got.to(dtype), loss.detach(), rtol=WITHIN[dtype], atol=0)
    for p, gradient in zip(trained, torch.autograd.grad(loss, trained), strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=WITHIN[dtype], atol=WITHIN[dtype])


@pytest.mark.skipif(_fused_mlp._ONEDNN is None, reason="this PyTorch has no oneDNN")
@pytest.mark.parametrize(("dtype", "wanted"), [(torch.float32, 12), (torch.float64, 0)])
def test_large_float32_products_are_onednns(dtype, wanted, monkeypatch):
    linears, chosen, _ = network("siren", dtype, (2, 90, 61, 90, 1), "fixed", skip=False)
    calls, product = [], _fused_mlp._ONEDNN
    monkeypatch.setattr(_fused_mlp, "_ONEDNN", lambda *given: calls.append(given) or product(*given))
    x = torch.rand(600, 2, dtype=dtype)
    FusedMLP(linears, "siren", chosen, rows=300).squared_error(x, x[:, :1])
    assert len(calls) == wanted, "two forward, two back and two weights' gradients, twice"


def test_a_first_call_in_inference_mode_leaves_it_usable(form):
    linears, chosen, _ = network("bw_relu", torch.float32, (2, 90, 61, 1), "fixed", skip=False)
    x, target = torch.rand(600, 2), torch.rand(600, 1)
    with torch.inference_mode():
        blocked = FusedMLP(linears, "bw_relu", chosen)
        first = blocked.values(x)
    expected = (first - target).square().mean()
    assert blocked.squared_error(x, target)[0].item() == pytest.approx(expected.item(), rel=1e-6)


def test_at_a_knot_and_at_the_centre_the_slope_is_that_of_bw_relu(form):
    linears, _, _ = network("bw_relu", torch.float64, (1, 1, 1), "fixed", skip=False)
    with torch.no_grad():
        for linear, (weight, bias) in zip(linears, ((1.0, 0.0), (1.0, 0.0)), strict=True):
            linear.weight.fill_(weight)
            linear.bias.fill_(bias)
    blocked = FusedMLP(linears, "bw_relu", [1.0])
    for knot in [k / 2 for k in range(-1, 8)]:
        x = torch.tensor([[knot]], dtype=torch.float64)
        blocked.backward(x, torch.ones_like(x))
        u = torch.tensor(knot, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(bw_relu(u), u)
        assert linears[0].bias.grad is not None
        assert linears[0].bias.grad.item() == pytest.approx(slope.item(), abs=1e-15)


def test_a_shared_parameter_gets_the_sum_of_its_gradients():
    linears, chosen, _ = network("bw_relu", torch.float64, (2, 6, 6, 6, 1), "fixed", skip=False)
    linears[2].weight = linears[1].weight
    linears[2].bias = linears[0].bias
    x, target = torch.rand(30, 2, dtype=torch.float64), torch.rand(30, 1, dtype=torch.float64)
    loss = (plain(x, "bw_relu", linears, chosen, None) - target).square().mean()
    trained = list(dict.fromkeys(parameters(linears, chosen, None)))
    expected = torch.autograd.grad(loss, trained)
    FusedMLP(linears, "bw_relu", chosen, rows=7).squared_error(x, target)
    for p, gradient in zip(trained, expected, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=1e-12, atol=1e-14)


def test_gradients_replace_those_before_and_follow_changed_weights():
    linears, chosen, _ = network("bw_relu", torch.float64, (2, 6, 1), "fixed", skip=False)
    x, target = torch.rand(30, 2, dtype=torch.float64), torch.rand(30, 1, dtype=torch.float64)
    blocked = FusedMLP(linears, "bw_relu", chosen)
    first, _ = blocked.squared_error(x, target)
    gradient = linears[0].weight.grad
    assert gradient is not None
    before = gradient.clone()
    blocked.squared_error(x, target)
    assert torch.equal(gradient, before), "not summed"
    with torch.no_grad():
        linears[1].weight.mul_(2)
    assert blocked.squared_error(x, target)[0] != first


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the system's own record of the most memory is Linux's")
def test_a_step_of_the_papers_size_takes_less_than_64_mib():
    """Beyond data and parameters, measured in a process of its own; autograd takes more than 500."""
    script = """
import torch
from torch import nn
from relunb.ops import FusedMLP

def high_water():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) / 1024

torch.manual_seed(0)
linears = [nn.Linear(a, b) for a, b in ((2, 300), (300, 300), (300, 300), (300, 1))]
x, target = torch.rand(65_536, 2), torch.rand(65_536, 1)
FusedMLP(linears, "bw_relu", [9.0] * 3, rows=8).squared_error(x[:8], target[:8])  # the libraries' own memory
before = high_water()
FusedMLP(linears, "bw_relu", [9.0] * 3).squared_error(x, target)
print(high_water() - before)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 10 < float(run.stdout) < 64
