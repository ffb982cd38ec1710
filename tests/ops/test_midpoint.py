"""The midpoint form on every route: FFT and product, bands and whole."""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from relunb.ops import _blocks, _midpoint_maps
from relunb.ops._midpoint import midpoint, midpoint_plain, midpoint_relu, midpoint_tables
from tests.ops.midpoint_bases import fourier, hats, midpoints, rect, shifted_rect
from tests.tolerance import DEVICES, DTYPES

ACTIVATIONS = [torch.relu, torch.tanh, torch.nn.functional.gelu, torch.sin]
# d, n, M and the output basis. Even and odd sizes, M a power of 2, prime, odd; means over equal cells (n divides M)
# and unequal ones, hats whose windows overlap, a rest of columns, bases too small or too wide for bands.
CASES = {
    "one": (1, 1, 3, rect),
    "tiny": (4, 3, 7, hats),
    "equal cells": (66, 64, 512, rect),
    "unequal cells": (65, 37, 301, rect),
    "overlap": (30, 64, 500, hats),
    "rest": (99, 100, 1009, hats),
    "cyclic": (40, 48, 384, shifted_rect),
}
CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(params=["by FFT", "by product"])
def route(request, monkeypatch):
    """Both sides of the crossover, whatever the size; and blocks of so few rows that there are several."""
    first = 1 if request.param == "by FFT" else 10**9
    monkeypatch.setattr(_midpoint_maps, "_FFT_FROM", first)
    monkeypatch.setattr(_midpoint_maps, "_FFT_FROM_ROUGH", first)
    monkeypatch.setattr(_blocks, "_PER_THREAD", 1024)
    return request.param


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def tables_of(case, dtype=torch.float64, device="cpu"):
    d, n, nodes, output = case
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    p, q = fourier(d, nodes), output(n, nodes)
    return midpoint_tables(p.to(device, wide), q.to(device, wide), fourier=True)


def sample(shape, dtype=torch.float64, device="cpu", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype).to(device)


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@CASE
def test_values_and_gradients_match_two_products(case, dtype, device):
    tables, exact = tables_of(case, dtype, device), tables_of(case, device=device)
    x = sample((5, 3, case[0]), dtype, device).requires_grad_()
    weights = sample((5, 3, case[1]), dtype, device, seed=1)
    wide = torch.finfo(tables.p.dtype)
    for activation in ACTIVATIONS:
        leaf = x.detach().double().requires_grad_()
        truth = midpoint_plain(leaf, exact, activation)
        (true_grad,) = torch.autograd.grad(truth, leaf, weights.double())
        functions = [
            lambda t, f=activation: midpoint_plain(t, tables, f),
            lambda t, f=activation: midpoint(t, tables, f),
        ]
        functions += [lambda t: midpoint_relu(t, tables)] * (activation is torch.relu)
        for function in functions:
            y = function(x)
            assert (y.shape, y.dtype, y.device) == ((5, 3, case[1]), dtype, x.device)
            (grad,) = torch.autograd.grad(y, x, weights)
            assert (grad.shape, grad.dtype) == (x.shape, dtype)
            # The state is a sum of d terms, computed in float64 or float32: 10 eps of its size sqrt(d) each way, and
            # one rounding of the result. No node of these samples is so near to 0 that it switches.
            size = case[0] ** 0.5 * tables.q.double().abs().sum(1).max().clamp(min=1).item()
            torch.testing.assert_close(y.double(), truth, rtol=torch.finfo(dtype).eps, atol=20 * wide.eps * size)
            torch.testing.assert_close(
                grad.double(), true_grad, rtol=torch.finfo(dtype).eps, atol=60 * wide.eps * true_grad.abs().max().item()
            )


@pytest.mark.parametrize(
    ("d", "n", "nodes"), [(64, 64, 512), (257, 40, 1030), (40, 100, 1000), (3, 300, 600), (48, 48, 96)]
)
@pytest.mark.parametrize("bases", [(hats, hats), (rect, hats), (shifted_rect, rect)], ids=["hats", "rect", "shifted"])
def test_local_bases_on_both_sides(d, n, nodes, bases):
    p, q = bases[0](d, nodes), bases[1](n, nodes)
    tables = midpoint_tables(p, q, fourier=False)
    x, weights = sample((300, d)).requires_grad_(), sample((300, n), seed=1)
    results = []
    for y in (midpoint_plain(x, tables, torch.relu), midpoint_relu(x, tables), midpoint(x, tables, torch.relu)):
        results.append((y, *torch.autograd.grad(y, x, weights)))
    for got in results[1:]:
        torch.testing.assert_close(got, results[0], rtol=1e-13, atol=1e-14)


def test_bands_are_found_and_narrow():
    """Means of 8 nodes: 128 numbers for each of 16 outputs. Hats reach further."""
    for basis, widest in ((rect, 128), (hats, 248)):
        tables = midpoint_tables(hats(256, 2048), basis(256, 2048), fourier=False)
        for local in (tables.pooling, tables.synthesis):
            assert local.bands is not None
        assert tables.pooling.bands.blocks.shape[1] <= widest
        assert tables.pooling.bands.blocks.shape[::2] == (16, 16)
    wide = midpoint_tables(hats(256, 2048), fourier(256, 2048), fourier=False)
    assert wide.pooling.bands is None
    assert _midpoint_maps.product(torch.zeros(64, 64)).bands is None
    holes = torch.eye(100)
    holes[:, 30:60] = 0
    holes[:, 96:] = 0
    sparse = _midpoint_maps.product(holes)
    assert sparse.bands is not None
    x = sample((4, 100), torch.float32)
    torch.testing.assert_close(sparse.prepare(4)(x, torch.empty(4, 100)), x @ holes, rtol=0, atol=0)


def test_the_route_is_picked_by_size():
    def route(d, nodes):
        tables = midpoint_tables(fourier(d, nodes), rect(2, nodes), fourier=True)
        return type(tables.synthesis).__name__, type(tables.analysis).__name__

    fft = ("FourierSynthesis", "FourierAnalysis")
    assert route(256, 2048) == route(64, 2048) == fft
    assert route(32, 2048) == ("Product", "Product")
    assert route(256, 2039) == ("Product", "Product"), "2039 is prime"
    assert route(700, 2039) == fft
    assert route(98, 100) == fft, "49 harmonics are below M/2"
    assert route(99, 100) == ("Product", "Product"), "50 harmonics are not"
    assert route(98, 99) == fft


def test_the_rectangle_pair_is_the_activation_itself():
    """IAT.1 (5): rect in and out with unit L1 norm is sigma elementwise."""
    tables = midpoint_tables((rect(64, 512) > 0).double(), rect(64, 512), fourier=False)
    # rect() has the height d/2 times 2/M = d/M on its cell
    x = sample((50, 64))
    for activation in ACTIVATIONS:
        torch.testing.assert_close(midpoint(x, tables, activation), activation(x), rtol=1e-13, atol=1e-14)
    torch.testing.assert_close(midpoint_relu(x, tables), x.relu(), rtol=1e-13, atol=0)


@pytest.mark.usefixtures("route")
def test_the_wave_it_makes():
    """x = e_3 is cos(2 pi s): its ReLU's mean over [-1, 1] is 1/pi, with the midpoint rule's error O(M^-2)."""
    errors = []
    for nodes in (99, 999):
        tables = midpoint_tables(
            fourier(5, nodes), torch.full((1, nodes), 1 / nodes, dtype=torch.float64), fourier=True
        )
        x = torch.zeros(5, dtype=torch.float64)
        x[2] = 1
        errors.append(abs(midpoint_relu(x, tables).item() - 1 / math.pi))
    assert errors[0] < 2 / 99**2
    assert errors[1] < 2 / 999**2
    s = midpoints(7)
    assert s[0] == -1 + 1 / 7
    assert abs(s[-1] - 1 + 1 / 7) < 1e-15


@pytest.mark.usefixtures("route")
def test_the_derivative_of_relu_at_zero_is_zero(device):
    tables = tables_of(CASES["tiny"], device=device)
    x = torch.zeros(2, 4, dtype=torch.float64, device=device, requires_grad=True)
    for create_graph in (False, True):
        (grad,) = torch.autograd.grad(midpoint_relu(x, tables).sum(), x, create_graph=create_graph)
        assert torch.count_nonzero(grad) == 0
    tangent = torch.ones_like(x)
    _, moved = torch.func.jvp(lambda t: midpoint_relu(t, tables), (x.detach(),), (tangent,))
    assert torch.count_nonzero(moved) == 0


@pytest.mark.usefixtures("route")
def test_nan_reaches_the_outputs_of_its_row_alone(device):
    for dtype in (torch.float64, torch.float32):
        tables = tables_of(CASES["equal cells"], dtype, device)
        x = sample((3, 66), dtype, device)
        x[1, 5] = math.nan
        for y in (midpoint_relu(x, tables), midpoint(x, tables, torch.tanh)):
            assert y[1].isnan().all()
            assert y[[0, 2]].isfinite().all()


def test_autocast_changes_no_digit_of_the_plain_form(device):
    tables = tables_of(CASES["equal cells"], torch.float32, device)
    for dtype in (torch.float32, torch.bfloat16):
        x = sample((4, 66), dtype, device)
        expected = midpoint_plain(x, tables, torch.relu)
        with torch.autocast(device, dtype=torch.bfloat16):
            assert torch.equal(midpoint_plain(x, tables, torch.relu), expected)


def test_a_mistake_gets_a_sentence():
    p, q = fourier(4, 10), rect(5, 10)
    for args, error, words in [
        ((p.half(), q.half()), TypeError, r"both be float32 or both float64; got torch\.float16"),
        ((p, q.float()), TypeError, r"got torch\.float64 and torch\.float32"),
        ((p, q[:, :9]), ValueError, r"got \(4, 10\) and \(5, 9\)"),
        ((p[:0], q), ValueError, r"not empty"),
        ((p[0], q), ValueError, r"shape \(d, M\)"),
        ((p.clone().requires_grad_(), q), ValueError, r"must not require a gradient"),
        ((p.flip(0), q), ValueError, r"not the Fourier basis of 4 functions at 10 midpoints"),
    ]:
        with pytest.raises(error, match=words):
            midpoint_tables(*args, fourier=True)
    tables = midpoint_tables(p, q, fourier=True)
    for function in (midpoint_relu, lambda t, s: midpoint(t, s, torch.tanh)):
        with pytest.raises(TypeError, match=r"tables of torch\.float32; they are torch\.float64"):
            function(torch.ones(3, 4), tables)
        with pytest.raises(TypeError, match=r"torch\.int64 needs floating point"):
            function(torch.ones(3, 4, dtype=torch.int64), tables)
        with pytest.raises(ValueError, match=r"must have 4 columns.*got \(3, 5\)"):
            function(torch.ones(3, 5, dtype=torch.float64), tables)


@pytest.mark.slow
def test_the_state_is_never_in_memory():
    """16,384 x 2048 float32 of state would be 128 MiB, and two of them in the backward pass."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of one step is read from Linux's /proc")
    code = """
import ctypes
import torch
from relunb.ops._midpoint import midpoint_relu, midpoint_tables
from tests.ops.midpoint_bases import fourier, rect
torch.set_num_threads(2)
tables = midpoint_tables(fourier(256, 2048).float(), rect(256, 2048).float(), fourier=True)
x = torch.randn(16_384, 256).requires_grad_()
midpoint_relu(x[:300], tables).sum().backward()
x.grad = None
ctypes.CDLL(None).malloc_trim(0)  # what the first call has left would not be counted
def read(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1024
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
before = read("VmRSS")
midpoint_relu(x, tables).sum().backward()
print(read("VmHWM") - before)
"""
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[2]
    used = float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=root).stdout)
    assert 16 <= used < 62  # the gradient is 16 MiB, and the output until its sum is taken; blocks and FFT up to 22


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed on this machine")
@pytest.mark.slow
def test_the_kernel_in_triton_s_interpreter():
    """A process of its own: Triton decides at import whether to interpret, and torch.compile may import it first."""
    cases = Path(__file__).with_name("midpoint_interpreter_cases.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(cases)]
    run = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "16 passed" in run.stdout, run.stdout
