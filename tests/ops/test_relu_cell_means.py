"""relu_cell_means on every path: plain, blocks, the compiled kernel, and that of a GPU."""

import importlib.util
import math
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from relunb.ops._relu_cell_means import relu_cell_means, relu_cell_means_plain
from tests.tolerance import DEVICES, DTYPES

SHAPES = [(2,), (1024,), (6, 42, 123), (700, 256)]
CASES = Path(__file__).with_name("relu_cell_means_interpreter_cases.py")


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def sample(shape, dtype=torch.float64, device="cpu", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype).to(device)


def truth(a, b):
    """The mean and its two slopes of one cell, in rational arithmetic."""
    a, b = Fraction(a), Fraction(b)
    if a <= 0 and b <= 0:
        return Fraction(0), Fraction(0), Fraction(0)
    if a >= 0 and b >= 0:
        return (a + b) / 2, Fraction(1, 2), Fraction(1, 2)
    top, bottom = max(a, b), min(a, b)
    root = top / (top - bottom)  # the share of the cell where the state is positive
    mean, near, far = root * top / 2, root - root**2 / 2, root**2 / 2
    return (mean, near, far) if a > 0 else (mean, far, near)


def reference(x):
    """Means (..., d-1) of float64 nodal values by cases: an independent formula, for low precisions."""
    a, b = x[..., :-1], x[..., 1:]
    top, bottom = torch.maximum(a, b), torch.minimum(a, b)
    mixed = top.clamp_min(0) ** 2 / (2 * (top - bottom)).clamp_min(1e-300)
    return torch.where(bottom >= 0, (a + b) / 2, mixed)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_values_and_slopes_to_the_last_digits_at_every_scale(dtype, device):
    generator = torch.Generator().manual_seed(0)
    limits = (-12, 2) if dtype == torch.float64 else (-30, 30)
    exponent = torch.empty(2500, 1, dtype=torch.float64).uniform_(*limits, generator=generator)
    gap = torch.empty(2500, 2, dtype=torch.float64).uniform_(-3, 0, generator=generator)
    signs = torch.randint(0, 2, (2500, 2), generator=generator) * 2 - 1
    cells = (signs * 10 ** (exponent + gap)).to(dtype)
    cells[:20, 1] = -cells[:20, 0]
    cells[20:30, 1] = cells[20:30, 0]
    cells[30:35, 0] = 0.0
    cells[35:40, 1] = 0.0
    cells = cells.to(device).requires_grad_()
    y = relu_cell_means(cells)
    (slopes,) = torch.autograd.grad(y.sum(), cells)
    got = torch.cat([y, slopes], 1).tolist()
    allowed = Fraction(1e-15) if dtype == torch.float64 else Fraction(6e-7)  # 4.5 eps(float64), 5 eps(float32)
    for (a, b), numbers in zip(cells.tolist(), got, strict=True):
        for number, exact in zip(numbers, truth(a, b), strict=True):
            assert abs(Fraction(number) - exact) <= allowed * exact, (a, b, number, float(exact))


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_of_every_dtype_and_shape(shape, dtype, device):
    x = sample(shape, dtype, device).requires_grad_()
    y = relu_cell_means(x)
    weights = sample(y.shape, dtype, device, seed=1)
    (grad,) = torch.autograd.grad(y, x, weights)
    assert (y.shape, y.dtype, y.device) == ((*shape[:-1], shape[-1] - 1), dtype, x.device)
    assert (grad.shape, grad.dtype) == (x.shape, dtype)
    exact_x = x.detach().double().requires_grad_()
    exact = reference(exact_x)
    (exact_grad,) = torch.autograd.grad(exact, exact_x, weights.double())
    eps, tiny = torch.finfo(dtype).eps, torch.finfo(dtype).tiny
    torch.testing.assert_close(y.double(), exact, rtol=5 * eps, atol=eps * tiny)
    # A node's two cells may cancel: 5 roundings of numbers below 3 in the precision of the computation.
    wide = torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps
    torch.testing.assert_close(grad.double(), exact_grad, rtol=eps, atol=15 * wide)


@pytest.mark.usefixtures("path")
def test_zero_cells_have_no_slope_no_curvature_and_no_nan(device):
    x = torch.tensor([0.0, 0.0, -0.0, -1.0, 0.0, 2.0, 0.0], dtype=torch.float64, device=device, requires_grad=True)
    y = relu_cell_means(x)
    assert y.tolist() == [0, 0, 0, 0, 1, 1]
    (grad,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert grad.tolist() == [0, 0, 0, 0, 0.5, 1, 0.5]  # at (0, 2) both slopes are 1/2 from either side
    (second,) = torch.autograd.grad(grad[:3].sum(), x)
    assert torch.count_nonzero(second) == 0
    for form in (relu_cell_means, relu_cell_means_plain):
        hessian = torch.func.hessian(lambda t, form=form: form(t).sum())(x.detach())
        assert hessian.isfinite().all()
        assert torch.count_nonzero(hessian[:3, :3]) == 0


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_the_hessian_is_the_outer_product_at_the_root_at_every_scale(size, device):
    """H = [[b^2, -a b], [-a b, a^2]] / |a - b|^3 in float32, whose cube of 1e30 is infinite."""
    a, b = 3.0, -1.0
    expected = torch.tensor([[b * b, -a * b], [-a * b, a * a]], device=device) / abs(a - b) ** 3 / size
    x = torch.tensor([a * size, b * size], device=device)
    for form in (relu_cell_means, relu_cell_means_plain):
        for point, swapped in ((x, expected), (x.flip(0), expected.flip(0, 1))):
            got = torch.func.hessian(lambda t, form=form: form(t).sum())(point)
            torch.testing.assert_close(got, swapped, rtol=1e-5, atol=0)


@pytest.mark.usefixtures("path")
def test_the_largest_numbers_do_not_overflow_and_infinity_is_never_a_wrong_number(device):
    largest = torch.finfo(torch.float32).max
    x = torch.tensor([largest, largest, -largest, -math.inf, 1.0, math.inf], device=device)
    y = relu_cell_means(x)
    torch.testing.assert_close(y[:2], torch.tensor([largest, largest / 4], device=device), rtol=1e-6, atol=0)
    assert ((y[2:4] == 0) | y[2:4].isnan()).all()
    assert not y[4].isfinite()


@pytest.mark.usefixtures("path")
def test_nan_stays_nan_in_the_cells_and_gradients_that_see_it(device):
    x = sample((3, 5), torch.float32, device)
    for place in ((0, 4), (1, 0), (1, 2), (2, 4)):
        marked = x.clone()
        marked[place] = math.nan
        marked.requires_grad_()
        y = relu_cell_means(marked)
        (grad,) = torch.autograd.grad(y.sum(), marked)
        row, column = place
        sees = torch.zeros(3, 5, dtype=torch.bool, device=device)
        sees[row, max(column - 1, 0) : column + 2] = True
        assert torch.equal(grad.isnan(), sees)
        sees = torch.zeros(3, 4, dtype=torch.bool, device=device)
        sees[row, max(column - 1, 0) : column + 1] = True
        assert torch.equal(y.isnan(), sees)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("shape", [(3, 1), (1,)])
def test_one_node_has_no_cell(shape, device):
    x = torch.ones(shape, device=device, requires_grad=True)
    y = relu_cell_means(x)
    assert y.shape == (*shape[:-1], 0)
    y.sum().backward()
    assert x.grad is not None and torch.count_nonzero(x.grad) == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile's default backend needs a C++ compiler")
def test_inductor_fuses_it_and_agrees(device):
    torch.compiler.reset()
    x = sample((128, 300), torch.float32, device)
    torch.testing.assert_close(torch.compile(relu_cell_means, fullgraph=True)(x), relu_cell_means(x))


def test_memory_is_the_output_and_the_gradient_and_ten_mebibytes():
    """The promise at 65,536 x 256 float32, whose output and gradient are 64 MiB each: at most 138 MiB."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of one step is read from Linux's /proc")
    code = """
import ctypes
import torch
from relunb.ops._relu_cell_means import relu_cell_means
x = torch.randn(65536, 256).requires_grad_()
grad = torch.ones(65536, 255)
relu_cell_means(x[:300]).backward(grad[:300])  # the first call with a gradient given imports 34 MiB of torch
x.grad = None
ctypes.CDLL(None).malloc_trim(0)
def read(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1024
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
before = read("VmRSS")
relu_cell_means(x).backward(grad)
print(read("VmHWM") - before)
"""
    used = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert 120 < used <= 138


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed on this machine")
@pytest.mark.slow
def test_the_kernel_in_triton_s_interpreter():
    """A process of its own: Triton decides at import whether to interpret, and torch.compile may import it first."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CASES)]
    run = subprocess.run(command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "13 passed" in run.stdout, run.stdout
