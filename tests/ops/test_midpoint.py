"""The promises of DESIGN section 3, kept by the midpoint form on every route: FFT and product, bands and whole."""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.autograd import forward_ad, gradcheck, gradgradcheck

from relunb.ops import _midpoint, _midpoint_maps
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
    monkeypatch.setattr(_midpoint, "_BLOCK_MAX", 2048)
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


def generic(rows, tables, device="cpu"):
    """float64 rows whose state stays 1e-4 away from zero at every node, where the second derivative exists."""
    x = sample((2000, tables.p.shape[0]), device=device)
    x = x[(x @ tables.p).abs().amin(1) > 1e-4]
    assert len(x) >= rows
    return x[:rows]


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


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("case", [CASES["tiny"], (5, 48, 96, hats)], ids=["tiny", "hats"])
def test_two_correct_derivatives(case, device):
    tables = tables_of(case, device=device)
    x = generic(3, tables, device).requires_grad_()
    for function in (lambda t: midpoint_relu(t, tables), lambda t: midpoint(t, tables, torch.tanh)):
        assert gradcheck(function, (x,), check_forward_ad=True, check_batched_grad=True)
        assert gradgradcheck(function, (x,))


@pytest.mark.usefixtures("route")
def test_the_second_gradient_of_a_gradient_penalty(device):
    """d/dg of |J^T g|^2 is 2 J J^T g: J is constant near x, and the gradient is linear in g."""
    tables = tables_of(CASES["equal cells"], device=device)
    x = generic(2, tables, device).requires_grad_()
    weights = sample((2, 64), device=device, seed=1).requires_grad_()
    (grad,) = torch.autograd.grad(midpoint_relu(x, tables), x, weights, create_graph=True)
    toward_x, toward_weights = torch.autograd.grad(grad.square().sum(), (x, weights))
    assert torch.count_nonzero(toward_x) == 0
    for row in range(2):
        jacobian = torch.autograd.functional.jacobian(lambda t: midpoint_plain(t, tables, torch.relu), x[row].detach())
        torch.testing.assert_close(toward_weights[row], 2 * jacobian @ jacobian.T @ weights[row].detach())


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("activation", [torch.relu, torch.tanh], ids=["relu", "tanh"])
def test_vmap_grad_jvp_and_hessian_of_torch_func(activation, device):
    tables = tables_of((6, 33, 99, hats), device=device)
    x, tangent = generic(4, tables, device), sample((4, 6), device=device, seed=2)

    def plain(t):
        return midpoint_plain(t, tables, activation)

    def fast(t):
        return midpoint_relu(t, tables) if activation is torch.relu else midpoint(t, tables, activation)

    torch.testing.assert_close(torch.func.vmap(fast)(x), plain(x))
    torch.testing.assert_close(torch.func.vmap(fast, in_dims=2)(x.T[None]), plain(x)[:, None])

    def total(t):
        return fast(t).square().sum()

    slopes = torch.func.vmap(torch.func.grad(total))(x)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(plain(leaf).square().sum(), leaf)
    torch.testing.assert_close(slopes, expected)
    jacobian = torch.autograd.functional.jacobian(plain, x[0])
    torch.testing.assert_close(torch.func.jacrev(fast)(x[0]), jacobian)
    torch.testing.assert_close(torch.func.jacfwd(fast)(x[0]), jacobian)
    value, moved = torch.func.jvp(fast, (x[0],), (tangent[0],))
    torch.testing.assert_close(value, plain(x[0]))
    torch.testing.assert_close(moved, jacobian @ tangent[0])
    hessian = torch.autograd.functional.hessian(lambda t: plain(t).square().sum(), x[0])
    torch.testing.assert_close(torch.func.hessian(total)(x[0]), hessian)
    (second,) = torch.func.vmap(torch.func.hessian(total))(x[:1])
    torch.testing.assert_close(second, hessian)
    if activation is torch.relu:  # with a square outside, all curvature is J^T J
        torch.testing.assert_close(hessian, 2 * jacobian.T @ jacobian)
    with forward_ad.dual_level():
        dual = fast(forward_ad.make_dual(x[0], tangent[0]))
        torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, jacobian @ tangent[0])


@pytest.mark.usefixtures("route")
def test_permuted_strided_expanded_and_empty_tensors(device):
    tables = tables_of(CASES["unequal cells"], torch.float32, device)
    x = sample((65, 6, 4), torch.float32, device)
    views = [x.permute(1, 2, 0), x.permute(2, 1, 0)[:, ::2], x[:, :1, 0].T.expand(5, 65), x[:, 2, 1]]
    odd_start = sample((1 + 3 * 65,), torch.float32, device)[1:].view(3, 65)
    for view in [*views, odd_start]:
        leaf, plain = view.detach().requires_grad_(), view.detach().clone().requires_grad_()
        expected = midpoint_plain(plain, tables, torch.relu)
        for y in (midpoint_relu(leaf, tables), midpoint(leaf, tables, torch.relu)):
            torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-5)
            # a permuted and an expanded gradient
            for weights in (sample(y.shape[::-1], torch.float32, device, seed=3).permute(*range(y.dim())[::-1]), None):
                weights = torch.ones((), device=device).expand(y.shape) if weights is None else weights
                (grad,) = torch.autograd.grad(y, leaf, weights, retain_graph=True)
                (plain_grad,) = torch.autograd.grad(expected, plain, weights, retain_graph=True)
                torch.testing.assert_close(grad, plain_grad, rtol=1e-5, atol=1e-5)
    for function in (midpoint_relu, lambda t, s: midpoint(t, s, torch.tanh)):
        empty = torch.empty(2, 0, 65, device=device, requires_grad=True)
        y = function(empty, tables)
        assert y.shape == (2, 0, 37)
        y.sum().backward()
        assert empty.grad.shape == (2, 0, 65)


def test_the_result_may_be_changed_in_place():
    tables = tables_of(CASES["tiny"])
    for function in (midpoint_relu, lambda t, s: midpoint(t, s, torch.tanh)):
        x = sample((10, 4)).requires_grad_()
        y = function(x, tables)
        y += 1
        y.sum().backward()
        assert x.grad is not None


@pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
def test_compile_sees_one_graph(dynamic, device):
    tables = tables_of(CASES["equal cells"], torch.float32, device)
    for function in (lambda t: midpoint_relu(t, tables), lambda t: midpoint(t, tables, torch.tanh)):
        torch.compiler.reset()
        compiled = torch.compile(function, fullgraph=True, dynamic=dynamic, backend="aot_eager")
        for rows in (7, 40):
            x = sample((rows, 66), torch.float32, device).requires_grad_()
            results = []
            for f in (compiled, function):
                y = f(x)
                results.append((y, *torch.autograd.grad(y.square().sum(), x)))
            torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("route")
def test_autocast_changes_no_digit(device):
    """The products run in float32 whatever autocast says, and the dtype is that of the layer before."""
    tables = tables_of(CASES["equal cells"], torch.float32, device)
    for dtype in (torch.float32, torch.bfloat16):
        x = sample((4, 66), dtype, device).requires_grad_()
        for function in (lambda t: midpoint_relu(t, tables), lambda t: midpoint(t, tables, torch.tanh)):
            expected = function(x)
            (expected_grad,) = torch.autograd.grad(expected.sum(), x)
            with torch.autocast(device, dtype=torch.bfloat16):
                y = function(x)
                (grad,) = torch.autograd.grad(y.sum(), x)
            assert y.dtype == dtype
            torch.testing.assert_close((y, grad), (expected, expected_grad), rtol=0, atol=0)
        expected = midpoint_plain(x, tables, torch.relu)
        with torch.autocast(device, dtype=torch.bfloat16):
            torch.testing.assert_close(midpoint_plain(x, tables, torch.relu), expected, rtol=0, atol=0)


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
