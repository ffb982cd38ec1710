"""bw_relu on every path: plain, blocks, the compiled kernel, and that of a GPU."""

import math
import shutil
import subprocess
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relunb import bw_relu
from relunb.wavelet import KNOTS, VALUES, WEIGHTS
from tests.forms import take
from tests.tolerance import DEVICES, DTYPES, SLOPE, VALUE
from tests.wavelet.lines import psi_by_lines

SHAPES = [(1,), (1023,), (6, 42, 123), (512, 300)]


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def sample(shape, dtype, device="cpu", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, dtype=torch.float64, generator=generator) * 2 + 1.5).to(dtype).to(device)


def generic(shape, device="cpu", seed=0, scale=1.0):
    """float64 points at least 1e-2 (in scale * x) away from every knot, where psi has every derivative."""
    points = sample(shape, torch.float64, device, seed)
    off = (points * 2) - (points * 2).round()
    return (points + torch.where(off.abs() < 0.02, 0.02, 0.0)) / scale


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_match_the_lines_between_the_knots(shape, dtype, device):
    for scale in (1.0, 3.7):
        x = sample(shape, dtype, device).requires_grad_()
        y = bw_relu(x, scale)
        assert (y.shape, y.dtype, y.device) == (x.shape, dtype, x.device)
        (grad,) = torch.autograd.grad(y.sum(), x)
        # The scale is rounded to the precision that psi is computed in, and scale * x is too: the slope is 8/3.
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        rounded = torch.tensor(scale, dtype=wide, device=device).double()
        exact_x = x.detach().double()
        psi, slope = psi_by_lines(rounded * exact_x)
        moved = (scale * exact_x).abs() * torch.finfo(wide).eps * 3
        assert ((y.double() - psi).abs() <= VALUE[dtype] + moved).all()
        near_knot = ((2 * scale * exact_x).round() - 2 * scale * exact_x).abs() <= 1e-5
        assert ((grad.double() - slope * scale).abs() <= SLOPE[dtype] * scale)[~near_knot].all()
        assert near_knot.double().mean() < 0.2


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_knots_have_their_exact_values(dtype, device):
    knots = torch.tensor([float(k) for k in KNOTS], dtype=dtype, device=device)
    values = torch.tensor([float(v) for v in VALUES], dtype=torch.float64, device=device)
    assert ((bw_relu(knots).double() - values).abs() <= VALUE[dtype]).all()


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_exactly_zero_off_the_support_with_a_zero_gradient(dtype, device):
    largest = torch.finfo(dtype).max
    for scale in (0.1, 1.0, 3.0, 7.3, 30.0):
        end = 3 / scale
        x = torch.cat([end * torch.linspace(1.01, 1e3, 500), -torch.logspace(-6, 3, 500), torch.tensor([0.0])])
        x = torch.cat([x, torch.tensor([largest, -largest, math.inf, -math.inf])]).to(dtype).to(device)
        x = x.requires_grad_()
        y = bw_relu(x, scale)
        (grad,) = torch.autograd.grad(y.sum(), x)
        assert torch.count_nonzero(y) == 0
        assert torch.count_nonzero(grad) == 0


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_zero_from_the_very_first_number_past_the_end(dtype, device):
    three = torch.tensor(3.0, dtype=dtype, device=device)
    zero = torch.tensor(0.0, dtype=dtype, device=device)
    inf = torch.tensor(math.inf, dtype=dtype, device=device)
    outside = torch.stack([three, torch.nextafter(three, inf), zero, torch.nextafter(zero, -inf)])
    inside = torch.stack([torch.nextafter(three, zero), torch.tensor(0.01, dtype=dtype, device=device)])
    assert torch.count_nonzero(bw_relu(outside)) == 0
    assert torch.count_nonzero(bw_relu(inside)) == 2


@settings(deadline=None)  # a busy machine is no fault
@given(x=st.floats(-1e6, 1e6, width=32), scale=st.floats(1 / 64, 64, width=32))
def test_bounds_and_symmetry_for_any_input(x, scale):
    point = torch.tensor([x], dtype=torch.float64)
    y = bw_relu(point, scale)
    assert -0.5 <= y <= 5 / 6 + 1e-15
    mirrored = bw_relu(3 / scale - point, scale)
    assert abs(y - mirrored) <= 1e-14 * max(1.0, abs(scale * x))


@pytest.mark.usefixtures("path")
def test_the_slope_at_a_knot_is_that_of_the_outer_side_and_zero_at_the_centre(device):
    knots = torch.tensor([float(k) for k in KNOTS], dtype=torch.float64, device=device, requires_grad=True)
    (grad,) = torch.autograd.grad(bw_relu(knots).sum(), knots)
    expected = torch.tensor([0, 1 / 6, -7 / 6, 0, 7 / 6, -1 / 6, 0], dtype=torch.float64, device=device)
    torch.testing.assert_close(grad, expected, rtol=0, atol=1e-14)
    (again,) = torch.autograd.grad(bw_relu(knots).sum(), knots, create_graph=True)
    torch.testing.assert_close(again, expected, rtol=0, atol=1e-14)
    _, moved = torch.func.jvp(bw_relu, (knots.detach(),), (torch.ones_like(knots),))
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-14)


def psi_and_slope(u):
    """psi of a Fraction, and its slope on the side away from the centre."""
    value = sum((w * max(u - k, 0) for k, w in zip(KNOTS, WEIGHTS, strict=True)), Fraction(0))
    side = Fraction(1 if u > Fraction(3, 2) else -1 if u < Fraction(3, 2) else 0)
    reached = [w for k, w in zip(KNOTS, WEIGHTS, strict=True) if (u >= k if side > 0 else u > k)]
    return value, sum(reached, Fraction(0)) * abs(side)


SCALES = [1e-300, 1e-50, 2.0**-140, 2.0**-126, 2.0**-100, 0.1, 1.0, 3.7, 2.0**100, 3e38, 1e60, 1.7e308]


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", ["number", "tensor", "channels"])
def test_any_scale_that_a_float_holds(scale, dtype, kind, device):
    """Nothing overflows or underflows on the way: zeros, the knots, the extremes, against exact fractions."""
    held = torch.finfo(dtype)
    places = [k / scale for k in (0.25, 0.5, 0.9, 1.5, 2.2, 3.0, 4.0)]
    places += [0.0, -0.0, 1.0, held.tiny, held.max, math.inf]
    x = torch.tensor([s * p for p in places for s in (1, -1)], dtype=torch.float64).to(dtype).to(device)
    wide = torch.float64 if dtype == torch.float64 or not 2.0**-126 <= scale < 3.4e38 else torch.float32
    used = Fraction(torch.tensor(scale, dtype=wide).item())
    given = scale
    if kind != "number":
        given = torch.tensor(scale, dtype=wide, device=device, requires_grad=True)
    x.requires_grad_()
    y = bw_relu(x, given if kind != "channels" else given.expand(len(x)))
    weights = torch.full_like(y, 2.0**-8)  # so that a slope of 8/3 at the largest scale does not overflow
    gradients = torch.autograd.grad(y, [x] if kind == "number" else [x, given], weights)
    assert y.isfinite().all()
    total = size = Fraction(0)
    for point, value, slope in zip(x.tolist(), y.tolist(), gradients[0].tolist(), strict=True):
        if math.isinf(point):
            assert value == slope == 0
            continue
        u = used * Fraction(point)
        exact, steep = psi_and_slope(u)
        rounding = float(abs(u)) * torch.finfo(wide).eps * 3 if abs(u) < 8 else 0
        assert abs(value - exact) <= VALUE[dtype] + rounding
        near = min(abs(u - k) for k in KNOTS) <= 8 * torch.finfo(wide).eps and u != 0
        wanted = min(abs(steep * used) / 256, Fraction(held.max) * 2)
        if not near and wanted < held.max:
            assert abs(abs(slope) - wanted) <= SLOPE[dtype] * wanted + Fraction(held.tiny)
            assert slope == 0 or (slope > 0) == (steep > 0)
        assert not math.isnan(slope)
        total, size = total + steep * Fraction(point) / 256, size + abs(steep * Fraction(point)) / 256 + near
    if kind != "number":
        assert gradients[1].isnan(), "0 times the infinite x, as documented"


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("scale", [1e-300, 1e-50, 0.1, 1.0, 3.7, 3e38, 1e60, 1.7e308])
def test_the_gradient_of_any_scale(scale, device):
    x = torch.tensor([k / scale for k in (-1.0, 0.0, 0.25, 0.8, 1.3, 1.9, 2.2, 2.8, 5.0)], dtype=torch.float64)
    x = x[x.isfinite()].to(device)
    given = torch.tensor(scale, dtype=torch.float64, device=device, requires_grad=True)
    (gradient,) = torch.autograd.grad(bw_relu(x, given).sum(), given)
    exact = sum(psi_and_slope(Fraction(scale) * Fraction(p))[1] * Fraction(p) for p in x.tolist())
    assert math.isclose(gradient.item(), exact, rel_tol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("form", ["torch blocks", "compiled kernel"])
def test_the_same_inputs_lie_on_a_knot_in_every_form(form, dtype, device, monkeypatch):
    """scale * x is rounded first, whatever the size: 0.1 * 15 is the centre, with or without an FMA."""
    scales = [k / n for k, n in product((1.0, 3.0, 7.0), (3.0, 7.0, 10.0, 49.0))]
    for scale in scales:
        x = torch.tensor([k / 2 / scale for k in range(7)] + [15.0, 5.0, 30.0], dtype=dtype, device=device)
        found = []
        for way in ("plain", form):
            take(way, monkeypatch)
            leaf = x.clone().requires_grad_()
            y = bw_relu(leaf, scale)
            (first,) = torch.autograd.grad(y.sum(), leaf, retain_graph=True)
            (again,) = torch.autograd.grad(y.sum(), leaf, create_graph=True)
            moved = torch.func.jvp(lambda v, scale=scale: bw_relu(v, scale), (x,), (torch.ones_like(x),))[1]
            found += [first, again.detach(), moved]
        for other in found[1:]:
            torch.testing.assert_close(other, found[0], rtol=4 * torch.finfo(dtype).eps, atol=0)


@pytest.mark.usefixtures("path")
def test_a_scale_for_each_channel(device):
    x = generic((40, 3), device)
    scales = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64, device=device, requires_grad=True)
    y = bw_relu(x, scales)
    columns = [bw_relu(x[:, i], float(s)) for i, s in enumerate(scales.detach())]
    torch.testing.assert_close(y, torch.stack(columns, 1), rtol=0, atol=1e-14)
    (grad,) = torch.autograd.grad(y.sum(), scales)
    assert grad.shape == scales.shape
    assert bw_relu(torch.ones(5, device=device), torch.ones(1, 1, device=device)).shape == (1, 5)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_gradient_of_the_scale(dtype, device):
    # A slope that flips at a knot moves the sum by O(1) in half precision: so generic points, rounded to the dtype.
    x = generic((200, 201), device, scale=2.5).to(dtype)
    weights = sample(x.shape, dtype, device, seed=1)
    got = torch.tensor(2.5, dtype=dtype, device=device, requires_grad=True)
    (bw_relu(x, got) * weights).sum().backward()
    _, slope = psi_by_lines(2.5 * x.double())
    terms = weights.double() * x.double() * slope
    assert got.grad.dtype == dtype
    # Rounding errors of 40,200 terms add like a random walk; the final rounding is relative to the sum.
    allowed = SLOPE[dtype] * (terms.sum().abs() + terms.norm())
    assert (got.grad.double() - terms.sum()).abs() <= allowed


@pytest.mark.usefixtures("path")
def test_the_memory_order_of_the_input_is_kept_as_torch_relu_keeps_it(device):
    x = sample((6, 42, 123), torch.float32, device)
    for view in (x.permute(2, 0, 1), x.transpose(0, 1)):
        assert bw_relu(view).stride() == view.stride()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile's default backend needs a C++ compiler")
def test_inductor_fuses_it_and_agrees(device):
    torch.compiler.reset()
    x = sample((128, 300), torch.float32, device)
    torch.testing.assert_close(torch.compile(bw_relu, fullgraph=True)(x), bw_relu(x), rtol=0, atol=1e-6)


def test_autocast_keeps_the_dtype_of_the_layer_before(device):
    with torch.autocast(device, dtype=torch.bfloat16):
        hidden = torch.nn.functional.linear(torch.ones(4, 3, device=device), torch.ones(5, 3, device=device))
        y = bw_relu(hidden, torch.tensor(0.5, device=device))
    assert hidden.dtype == y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), torch.full_like(y, 5 / 6).float())  # psi(3 x 1/2)


@pytest.mark.parametrize(
    ("x", "scale", "error", "words"),
    [
        ([1.0], 1.0, TypeError, r"torch\.Tensor; got list.*torch\.as_tensor"),
        (torch.ones(2, dtype=torch.int64), 1.0, TypeError, r"got torch\.int64.*x\.float\(\)"),
        (torch.ones(2, dtype=torch.complex64), 1.0, TypeError, r"got torch\.complex64"),
        (torch.ones(2), 0.0, ValueError, r"scale must be positive and finite; got 0\.0"),
        (torch.ones(2), -1, ValueError, r"got -1\.0"),
        (torch.ones(2), math.nan, ValueError, r"got nan"),
        (torch.ones(2), math.inf, ValueError, r"got inf"),
        (torch.ones(2), "1", TypeError, r"scale must be a number or a tensor; got str"),
        (torch.ones(2), torch.tensor(3), TypeError, r"scale\.float\(\)"),
        (torch.ones(2), torch.tensor(-0.5), ValueError, r"got -0\.5\. If it is learned"),
        (torch.ones(2), torch.tensor([1.0, math.nan]), ValueError, r"got nan"),
        (torch.ones(2), torch.tensor([math.inf, 1.0]), ValueError, r"got inf"),
        (torch.ones(2), 10**400, ValueError, r"scale is 1000.*too large for float64"),
        (torch.ones(2), torch.zeros((), dtype=torch.float16), ValueError, r"float16 has no numbers below 6e-08"),
        (torch.ones(2), torch.ones(3), ValueError, r"broadcast with x.*got \(3,\) and \(2,\)"),
        (torch.ones(4, 2), torch.ones(4), ValueError, r"broadcast with x.*got \(4,\) and \(4, 2\)"),
        (torch.eye(2).to_sparse(), 1.0, TypeError, r"x must be a dense tensor"),
        (torch.ones(2), torch.eye(2).to_sparse(), TypeError, r"scale must be a dense tensor"),
    ],
)
def test_a_mistake_gets_a_sentence(x, scale, error, words):
    with pytest.raises(error, match=words):
        bw_relu(x, scale)


def test_an_unchecked_bad_scale_is_nan_and_never_a_wrong_number():
    x = torch.linspace(0, 3, 7)
    batched = torch.func.vmap(bw_relu, in_dims=(None, 0))(x, torch.tensor([1.0, -1.0, 0.0, math.inf, math.nan]))
    assert batched[0].isfinite().all()
    assert batched[1:].isnan().all()


def test_memory_is_the_output_and_the_gradient_and_ten_mebibytes():
    """The promise at 65,536 x 300 float32, whose output and gradient are 75 MiB each: at most 160 MiB."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of one step is read from Linux's /proc")
    code = """
import torch
from relunb import bw_relu
x = torch.rand(65536, 300).mul_(3).requires_grad_()
bw_relu(x[:200]).sum().backward()
x.grad = None
def read(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name)) / 1024
open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
before = read("VmRSS")
y = bw_relu(x)
y.sum().backward()
print(read("VmHWM") - before)
"""
    used = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert 140 < used <= 160
