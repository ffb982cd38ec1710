"""The compiled kernels: the plain form's numbers at every length and for every input, and when they stay out."""

import math
import os
import subprocess
import sys

import mpmath
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from relunb import bw_relu
from relunb.ops import _native, bw_relu_plain, relu_cell_means, relu_cell_means_plain
from relunb.ops._fused_mlp import POINTWISE
from tests.forms import take

FLOATS = (torch.float32, torch.float64)
CHUNK = 65_536
LENGTHS = (2, 3, 15, 16, 17, 511, 512, 513, 1025, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5)


@pytest.fixture(autouse=True)
def with_kernels(monkeypatch):
    take("compiled kernel", monkeypatch)


def numbers(length, dtype, seed=0):
    """Points of both signs, of every size, on the knots of psi, and the special ones."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(length, dtype=torch.float64, generator=generator) * 2 + 1
    held = torch.finfo(dtype)
    small = held.tiny * held.eps
    special = [math.nan, math.inf, -math.inf, 0.0, -0.0, small, -small, 7 * small, held.tiny, -held.tiny]
    special += [held.max, -held.max, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 1e-30, 1e30]
    places = torch.randperm(length, generator=generator)[: length // 2]
    x = x.to(dtype)
    x[places] = torch.tensor(special, dtype=dtype).repeat(length)[: len(places)]
    return x


def value_and_gradients(function, weights, *inputs):
    leaves = [t.clone().requires_grad_() for t in inputs]
    y = function(*leaves)
    return y.detach(), *torch.autograd.grad(y, leaves, weights)


def same_but_for_rounding(got, wanted, rounding):
    """NaN and infinities at the same places, and the rest to a few roundings of a number of order 1 or larger."""
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
    eps = torch.finfo(wanted.dtype).eps
    torch.testing.assert_close(got, wanted, rtol=rounding * eps, atol=rounding * eps, equal_nan=True)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("length", LENGTHS)
def test_psi_is_the_plain_form_at_every_length_and_number(length, dtype):
    x, weights = numbers(length, dtype), numbers(length, dtype, seed=1).clamp(-9, 9).nan_to_num(2.0)
    for scale in (1.0, 3.7):
        got = value_and_gradients(lambda t, scale=scale: bw_relu(t, scale), weights, x)
        wanted = value_and_gradients(lambda t, scale=scale: bw_relu_plain(t, scale), weights, x)
        same_but_for_rounding(got[0], wanted[0], 8)
        # The same slope of the same line: a knot to the wrong side would be off by 1/6 and more.
        same_but_for_rounding(got[1], wanted[1], 40)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("length", LENGTHS)
def test_the_gradient_of_the_scale_is_that_of_float64_sums(length, dtype):
    x = numbers(length, dtype).nan_to_num(0.25, posinf=0.7, neginf=-0.7).clamp(-9, 9)
    u = (
        2.6 * x.double()
    )  # not beside a knot, where float32 may lie on the other side; zero is on one in every precision
    x = torch.where(((u - u.round()).abs() < 1e-5) & (x != 0), 0.25, x)
    weights = numbers(length, dtype, seed=1).clamp(-9, 9).nan_to_num(2.0)
    scale = torch.tensor(1.3, dtype=dtype)
    got = value_and_gradients(bw_relu, weights, x, scale)
    used = scale.item()
    _, exact_x = value_and_gradients(lambda t: bw_relu_plain(t, used), weights.double(), x.double())
    terms = exact_x / used * x
    exact = math.fsum(terms.tolist())
    eps = torch.finfo(dtype).eps
    size = terms.norm().item() + abs(exact)  # roundings of the terms, and of partial sums, add like a random walk
    assert abs(got[2].item() - exact) <= 8 * eps * size
    same_but_for_rounding(got[1], exact_x.to(dtype), 40)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(
    "shape", [*((n,) for n in LENGTHS), (1, 2), (513, 2), (400, 513), (3, 1, 700), (70_000, 3)], ids=str
)
def test_cell_means_are_the_plain_form_at_every_shape_and_number(shape, dtype):
    held = torch.finfo(dtype)
    x = numbers(math.prod(shape), dtype).reshape(shape)
    # Autograd on the plain form multiplies the weight by the state first, which may overflow.
    finite = x.nan_to_num(-0.3, posinf=2.0, neginf=-2.0).clamp(-held.max / 64, held.max / 64)
    y = relu_cell_means(finite)
    weights = numbers(y.numel(), dtype, seed=1).clamp(-9, 9).nan_to_num(2.0).reshape(y.shape)
    got = value_and_gradients(relu_cell_means, weights, finite)
    wanted = value_and_gradients(relu_cell_means_plain, weights, finite)
    torch.testing.assert_close(got[0], wanted[0], rtol=8 * held.eps, atol=4 * held.tiny * held.eps)
    # Where both ends are denormal, halves of the smallest numbers are no numbers: slopes are of order 1 and not exact.
    coarse = (finite.abs() < 1e3 * held.tiny * held.eps) & (finite != 0)
    sees = torch.nn.functional.max_pool1d(coarse.double().reshape(-1, 1, shape[-1]), 3, 1, 1).reshape(shape) > 0
    same_but_for_rounding(got[1][~sees], wanted[1][~sees], 40)
    assert (got[1] - wanted[1])[sees].abs().le(18).all()
    # A NaN reaches the cells and the nodes beside it, and no others.
    marked = torch.where(x.isnan(), x, finite)
    got = value_and_gradients(relu_cell_means, weights, marked)
    wanted = value_and_gradients(relu_cell_means_plain, weights, marked)
    assert all(torch.equal(a.isnan(), b.isnan()) for a, b in zip(got, wanted, strict=True))


def value_and_slope(name, u):
    """What a step's kernel makes of u."""
    slope, value = u.clone(), torch.full_like(u, 7.0)
    kernel = _native.kernel_for(f"step_{name}", slope, value)
    kernel(slope.data_ptr(), value.data_ptr(), u.numel(), torch.get_num_threads())
    return value, slope


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", POINTWISE)
def test_activations_of_a_step_are_the_torch_form_at_every_length_and_number(name, length, dtype):
    u = numbers(length, dtype)
    if name == "bw_relu":  # of 12 psi, whose knots are at whole numbers
        u = 2 * u - 3
    value, slope = value_and_slope(name, u)
    wanted, wanted_slope = torch.empty_like(u), u.clone()
    POINTWISE[name].split(wanted_slope, wanted, torch.empty_like(u), torch.empty_like(u))
    assert torch.equal(value.isnan(), wanted.isnan())
    known = ~wanted_slope.isnan()
    same_but_for_rounding(value, wanted, 8)
    same_but_for_rounding(slope[known], wanted_slope[known], 8)
    assert slope[wanted.isnan()].isnan().all() or name in ("bw_relu", "relu")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("largest", (1.0, 50.0, 8000.0, 1e7))
def test_sine_and_cosine_are_rounded_twice(largest, dtype):
    """Within 2 ulp; beside a zero within the two digits' worth that three parts of pi / 2 leave of the argument."""
    generator = torch.Generator().manual_seed(0)
    u = ((torch.rand(4000, dtype=torch.float64, generator=generator) * 2 - 1) * largest).to(dtype)
    eps = torch.finfo(dtype).eps
    with mpmath.workdps(40):
        for got, exact in zip(value_and_slope("siren", u), (mpmath.sin, mpmath.cos), strict=True):
            for x, y in zip(u.tolist(), got.tolist(), strict=True):
                truth = exact(mpmath.mpf(x))
                assert abs(y - truth) <= 2 * eps * 2 ** math.floor(math.log2(abs(truth))) + eps**2 * abs(x), x


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_the_exponential_is_rounded_twice_and_zero_below_the_normal_numbers(dtype):
    held = torch.finfo(dtype)
    last = math.sqrt(-math.log(held.tiny))
    u = torch.linspace(-1.01 * last, 1.01 * last, 8001, dtype=torch.float64).to(dtype)
    value, slope = value_and_slope("gauss", u)
    with mpmath.workdps(40):
        for square, y in zip((u * u).tolist(), value.tolist(), strict=True):
            truth = mpmath.exp(-mpmath.mpf(square))
            if y == 0:
                assert truth < held.tiny * (1 + 1e-4), square
            else:
                assert abs(y - truth) <= 2 * held.eps * 2 ** math.floor(mpmath.log(truth, 2)), square
    assert (value == 0).sum() in range(50, 120)
    torch.testing.assert_close(slope, -2 * u * value, rtol=held.eps, atol=0)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("rows", "width"), [(1, 1), (63, 7), (64, 300), (65, 1), (129, 33), (1000, 16)])
def test_a_slope_weighs_a_gradient_and_its_rows_are_summed(rows, width, dtype):
    gradient, slope = (torch.randn(rows, width, dtype=dtype) for _ in range(2))
    kernel = _native.kernel_for("step_weigh", gradient, slope)
    found = []
    for threads in (1, 2):
        got, flipped = gradient.clone(), torch.full((width, rows), 7.0, dtype=dtype)
        sums = torch.full((-(-rows // _native.rows_summed()), width), 7.0, dtype=dtype)
        pointers = [t.data_ptr() for t in (got, slope, sums, flipped)]
        kernel(*pointers, rows, width, threads)
        wanted = gradient * slope
        assert torch.equal(got, wanted)
        assert torch.equal(flipped, wanted.t())
        total = wanted.double().sum(0)
        size = 64 * torch.finfo(dtype).eps * wanted.abs().max().item()
        torch.testing.assert_close(sums.double().sum(0), total, rtol=0, atol=size * len(sums))
        found.append(sums)
        alone = gradient.clone()
        kernel(alone.data_ptr(), slope.data_ptr(), sums.data_ptr(), None, rows, width, threads)
        assert torch.equal(alone, wanted)
    assert torch.equal(*found)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("rows", (1, 300))
def test_a_gradient_that_is_one_number_or_lies_crosswise(rows, dtype):
    x = numbers(rows * 700, dtype).nan_to_num(0.3).clamp(-9, 9).reshape(rows, 700)
    scale = torch.tensor(1.3, dtype=dtype)
    for function, inputs in ((bw_relu, (x, scale)), (relu_cell_means, (x,))):
        y = function(*inputs)
        one = torch.tensor(0.7, dtype=dtype)
        crosswise = numbers(y.numel(), dtype, seed=3).nan_to_num(1.0).clamp(-2, 2).reshape(y.shape[::-1]).T
        for weights in (one.expand(y.shape), one.expand(rows, 1).clone().expand(y.shape), crosswise):
            got = value_and_gradients(function, weights, *inputs)
            wanted = value_and_gradients(function, weights.contiguous(), *inputs)
            assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_the_gradient_of_a_sum_takes_no_memory_of_its_own(monkeypatch):
    seen = []
    kernel_for = _native.kernel_for

    def watched(name, *tensors):
        seen.append([t.untyped_storage().nbytes() for t in tensors])
        return kernel_for(name, *tensors)

    for module in ("_bw_relu", "_relu_cell_means"):
        monkeypatch.setattr(f"relunb.ops.{module}.kernel_for", watched)
    for function in (bw_relu, relu_cell_means):
        x = torch.ones(3, 1000, requires_grad=True)
        function(x).sum().backward()
        assert seen[-1] == [12_000, 4]


def test_the_threads_change_nothing_and_every_run_gives_the_same_number():
    x = numbers(9 * CHUNK + 7, torch.float32).nan_to_num(0.3).clamp(-9, 9)
    weights = numbers(len(x), torch.float32, seed=2).nan_to_num(0.3).clamp(-9, 9)
    scale = torch.tensor(1.3)
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3, 2, 2):
            torch.set_num_threads(count)
            cells = x[:-7].reshape(-1, 128)
            found.append((*value_and_gradients(bw_relu, weights, x, scale), relu_cell_means(cells)))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(other, found[0], strict=True))


class OfAUser(torch.Tensor):
    pass


def test_it_stays_out_where_memory_is_not_the_number():
    x = torch.linspace(0, 3, 9)
    assert _native.kernel_for("psi", x) is not None
    assert _native.kernel_for("psi", torch.nn.Parameter(x)) is not None
    assert _native.kernel_for("psi", torch._neg_view(x)) is None
    assert _native.kernel_for("psi_gradient", x, torch._neg_view(x)) is None
    assert _native.kernel_for("psi_gradient", x, torch._efficientzerotensor((9,))) is None
    assert _native.kernel_for("psi_gradient", x, x.double()) is None
    assert _native.kernel_for("psi", x.as_subclass(OfAUser)) is None
    assert _native.kernel_for("psi", x.half()) is None
    torch.testing.assert_close(bw_relu(torch._neg_view(-x)), bw_relu(x))
    torch.testing.assert_close(relu_cell_means(torch._neg_view(-x)), relu_cell_means(x))
    assert torch.equal(bw_relu(torch.tensor([1j, 2j]).conj().imag), torch.zeros(2))


def test_what_watches_torch_sees_every_operation():
    x, other = torch.linspace(0, 3, 9), torch.linspace(-1, 5, 9)
    for function in (bw_relu, relu_cell_means):
        total = summed(function)
        for f in (total, torch.func.grad(total)):
            torch.testing.assert_close(make_fx(f)(x)(other), f(other))
    with FlopCounterMode(display=False):
        assert _native.kernel_for("psi", x) is None
    torch.func.vmap(lambda t: kept_out(t) * t)(x[None])


def summed(function):
    return lambda t: function(t).sum()


def kept_out(t):
    assert _native.kernel_for("psi", t) is None
    return 1


def test_a_pullback_without_a_graph_and_a_graph_without_a_pullback():
    """torch.func.vjp under no_grad runs the backward pass on wrapped tensors, which have no memory to point to."""
    x = numbers(50, torch.float64).nan_to_num(0.3).clamp(-9, 9)
    for function, plain in ((bw_relu, bw_relu_plain), (relu_cell_means, relu_cell_means_plain)):
        y, pull = torch.func.vjp(function, x)
        with torch.no_grad():
            (got,) = pull(torch.ones_like(y))
        leaf = x.clone().requires_grad_()
        (wanted,) = torch.autograd.grad(plain(leaf).sum(), leaf)
        torch.testing.assert_close(got, wanted)
        with torch.inference_mode():
            first = function(x)
        torch.testing.assert_close(first, plain(x))


def test_a_library_of_other_sources_is_not_used(monkeypatch):
    file = _native._KERNELS._name
    assert _native.load(file) is not None
    monkeypatch.setattr(_native, "_sources", lambda: b"0" * 64)
    assert _native.load(file) is None


def test_without_torchs_threads_it_is_not_used(monkeypatch):
    monkeypatch.setattr(_native, "_entry_of_torchs_threads", lambda: None)
    assert _native.load(_native._KERNELS._name) is None


def test_it_can_be_left_out():
    code = (
        "from relunb.ops._native import NATIVE; import relunb, torch; print(NATIVE, relunb.bw_relu(torch.ones(9))[0])"
    )
    run = [sys.executable, "-c", code]
    out = subprocess.run(run, env={**os.environ, "RELUNB_NATIVE": "0"}, check=True, capture_output=True, text=True)
    assert out.stdout.startswith("False tensor(-0.5000)"), out.stdout
