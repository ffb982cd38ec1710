"""linear_cells against rational arithmetic, by the compiled kernel, in one block and in many."""

from fractions import Fraction
from math import comb, nan

import pytest
import torch

from relunb.ops import _blocks, _linear_cells, _native
from relunb.ops._linear_cells import LinearCells, linear_cells, linear_cells_plain
from relunb.ops._relu_cell_means import relu_cell_means
from tests.forms import take
from tests.tolerance import DEVICES


@pytest.fixture(params=["compiled kernel", "one block", "many blocks"])
def path(request, monkeypatch):
    """The last pass cuts the samples of a CPU into several blocks, the last of them shorter."""
    if request.param == "compiled kernel":
        take("compiled kernel", monkeypatch)
        return
    monkeypatch.setattr(_native, "_KERNELS", None)
    if request.param == "many blocks":
        monkeypatch.setattr(_blocks, "_PER_THREAD", 100)


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


def sample(shape, dtype=torch.float64, device="cpu", seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype).to(device)


def rectangles(nodes, outputs):
    """The plan of the means over `outputs` equal parts of [0, 1], the nodes equally spaced: R = 1, constants."""
    places = [Fraction(i, nodes - 1) for i in range(nodes)]
    points = sorted({*places, *(Fraction(i, outputs) for i in range(outputs + 1))})
    pairs = list(zip(points, points[1:], strict=False))
    left = [min(int(p * (nodes - 1)), nodes - 2) for p, _ in pairs]
    ends = [[float((t - places[j]) * (nodes - 1)) for t in pair] for j, pair in zip(left, pairs, strict=True)]
    start, stop = torch.tensor(ends, dtype=torch.float64).T
    length = torch.tensor([float(q - p) for p, q in pairs], dtype=torch.float64)
    target = torch.tensor([[min(int(p * outputs), outputs - 1) for p, _ in pairs]])
    coefficients = torch.full((1, len(pairs), 3), float(outputs), dtype=torch.float64)
    return LinearCells(torch.tensor(left), start, stop, length, coefficients, target, outputs)


def quadratics(nodes, outputs, seed=0, signed=False):
    """The same cells, three random quadratics on each."""
    plan = rectangles(nodes, outputs)
    generator = torch.Generator().manual_seed(seed)
    coefficients = torch.rand(3, len(plan.left), 3, dtype=torch.float64, generator=generator)
    if signed:
        coefficients -= 0.5
    coefficients[2, 0] = 0.0  # an unused place: it repeats a target of its own cell
    target = torch.cat([plan.target, (plan.target + 1) % outputs, (plan.target + 2) % outputs])
    target[2, 0] = target[0, 0]
    return LinearCells(plan.left, plan.start, plan.stop, plan.length, coefficients, target, outputs)


def overlapping(nodes, outputs):
    """The same cells, each in two outputs, in no order."""
    plan = rectangles(nodes, outputs)
    order = torch.randperm(len(plan.left), generator=torch.Generator().manual_seed(0))
    coefficients = torch.stack([plan.coefficients[0], -0.3 * plan.coefficients[0]])[:, order]
    target = torch.stack([plan.target[0], (plan.target[0] + 2) % outputs])[:, order]
    ends = (of[order] for of in (plan.left, plan.start, plan.stop, plan.length))
    return LinearCells(*ends, coefficients, target, outputs)


PLANS = {"rectangles": rectangles(9, 7), "quadratics": quadratics(9, 7), "signed": quadratics(9, 7, signed=True)}
PLANS["two of each"] = overlapping(9, 7)


def product(p, q):
    """Product of two polynomials given by their coefficients from the constant up."""
    out = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            out[i + j] += a * b
    return out


def integral(p, low, high):
    return sum(c * (high ** (k + 1) - low ** (k + 1)) / (k + 1) for k, c in enumerate(p))


def bernstein(coefficients):
    """A quadratic in powers of t from its Bernstein coefficients."""
    powers = [Fraction(0)] * 3
    for i, c in enumerate(coefficients):
        for k in range(3 - i):
            powers[i + k] += Fraction(c) * comb(2, i) * comb(2 - i, k) * (-1) ** k
    return powers


def truth(x, plan):
    """Outputs and the whole matrix of derivatives of one sample, by antiderivatives in rational arithmetic."""
    x = [Fraction(v) for v in x]
    y = [Fraction(0)] * plan.outputs
    matrix = [[Fraction(0)] * len(x) for _ in y]
    cells = zip(plan.left.tolist(), plan.start.tolist(), plan.stop.tolist(), plan.length.tolist(), strict=True)
    for cell, (j, start, stop, length) in enumerate(cells):
        start, stop, length = Fraction(start), Fraction(stop), Fraction(length)
        a, b = (x[j] * (1 - s) + x[j + 1] * s for s in (start, stop))
        if a <= 0 and b <= 0:
            continue
        root = a / (a - b) if a * b < 0 else None
        low = root if a < 0 and root is not None else Fraction(0)
        high = root if b < 0 and root is not None else Fraction(1)
        for r in range(len(plan.target)):
            o, q = int(plan.target[r, cell]), bernstein(plan.coefficients[r, cell].tolist())
            y[o] += length * integral(product(q, [a, b - a]), low, high)
            matrix[o][j] += length * integral(product(q, [1 - start, start - stop]), low, high)
            matrix[o][j + 1] += length * integral(product(q, [start, stop - start]), low, high)
    return y, matrix


def largest_relative_error(got, exact):
    pairs = [(Fraction(g), e) for g, e in zip(got, exact, strict=True)]
    assert all(g == 0 for g, e in pairs if e == 0)
    return float(max(abs(g - e) / abs(e) for g, e in pairs if e != 0))


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("constant", [False, True], ids=["quadratics", "constants"])
def test_relative_error_of_a_few_roundings_on_whole_intervals(constant, device):
    """Nonnegative coefficients: every output and every derivative keeps its digits, at scales from 1e-12 to 100."""
    plan = quadratics(301, 1)  # one output: all 300 cells are whole, and so are their sums
    coefficients = plan.coefficients[:1, :, :1].expand(1, 300, 3) if constant else plan.coefficients[:1]
    plan = LinearCells(plan.left, plan.start, plan.stop, plan.length, coefficients, torch.arange(300)[None], 300)
    assert plan.constant == constant and not plan.means
    generator = torch.Generator().manual_seed(3)
    exponent = torch.empty(8, 301, dtype=torch.float64).uniform_(-12, 2, generator=generator)
    x = 10**exponent * sample((8, 301), seed=4).sign()
    x[0, 1::2] = -x[0, ::2][:150]  # roots in the middle
    x[1, :40] = 0.0
    x = x.to(device)
    y = linear_cells(x, plan)
    tall = x.clone().requires_grad_()
    ((linear_cells(tall, plan)[:, ::2]).sum()).backward()  # every node is an end of one such cell
    for row, outputs, slopes in zip(x.tolist(), y.tolist(), tall.grad.tolist(), strict=True):
        exact, matrix = truth(row, plan)
        assert largest_relative_error(outputs, exact) <= 1.5e-15
        exact_slopes = [sum(matrix[o][i] for o in range(0, 300, 2)) for i in range(301)]
        assert largest_relative_error(slopes, exact_slopes) <= 1.5e-15


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_values_and_the_matrix_of_derivatives_on_unaligned_meshes(plan, device):
    x = sample((5, 9), device=device)
    y = linear_cells(x, plan)
    matrix = torch.func.vmap(torch.func.jacrev(lambda t: linear_cells(t, plan)))(x)
    for got, slopes, row in zip(y.tolist(), matrix.tolist(), x.tolist(), strict=True):
        exact, exact_slopes = truth(row, plan)
        for numbers, true in zip([got, *slopes], [exact, *exact_slopes], strict=True):
            assert max(abs(Fraction(g) - e) for g, e in zip(numbers, true, strict=True)) <= 2e-15


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_small_and_large_states_in_float32(size, device):
    """The map is homogeneous: the matrix of derivatives is that at size 1, the Hessian 1/size times it."""
    x = sample((9,), torch.float32, device)
    for plan in PLANS.values():
        for form in (linear_cells, linear_cells_plain):
            scaled, unit = size * x, form(x, plan)
            torch.testing.assert_close(form(scaled, plan) / size, unit, rtol=1e-5, atol=1e-6)
            for derivative, power in ((torch.func.jacrev, 0), (torch.func.hessian, 1)):
                expected = derivative(lambda t, f=form, p=plan: f(t, p).sum())(x)
                got = derivative(lambda t, f=form, p=plan: f(t, p).sum())(scaled)
                torch.testing.assert_close(got * size**power, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("path")
def test_zero_nodes_have_the_derivative_from_the_left_and_no_nan(device):
    """A zero node beside a positive one has the slope of the positive part; cells of zeros have neither derivative."""
    for plan in PLANS.values():
        x = torch.tensor([0.0, 0, 0, -1, 0, 2, 0, 0, 3], dtype=torch.float64, device=device)
        y, slopes = truth(x.tolist(), plan)
        for form in (linear_cells, linear_cells_plain):
            matrix = torch.func.jacrev(lambda t, f=form, p=plan: f(t, p))(x)
            expected = torch.tensor([[float(v) for v in line] for line in slopes], dtype=torch.float64, device=device)
            torch.testing.assert_close(matrix, expected, rtol=0, atol=2e-15)
            hessian = torch.func.hessian(lambda t, f=form, p=plan: f(t, p).sum())(x)
            assert hessian.isfinite().all()
            assert torch.count_nonzero(hessian[:3]) == 0


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_nan_stays_nan_in_the_outputs_and_nodes_that_see_it(plan, device):
    for place in range(9):
        x = sample((3, 9), torch.float32, device)
        x[1, place] = nan
        x.requires_grad_()
        y = linear_cells(x, plan)
        (grad,) = torch.autograd.grad(y.sum(), x)
        touches = (plan.left == place) | (plan.left == place - 1)
        seen = torch.zeros(3, plan.outputs, dtype=torch.bool, device=device)
        seen[1, plan.target[:, touches].flatten()] = True
        assert torch.equal(y.isnan(), seen)
        nodes = torch.zeros(3, 9, dtype=torch.bool, device=device)
        nodes[1, max(place - 1, 0) : place + 2] = True
        assert torch.equal(grad.isnan(), nodes)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_euler_and_the_two_halves_of_the_whole(plan, device):
    """A(x) x is the value, and A(x) + A(-x) the matrix of a state that is positive everywhere."""
    x = sample((9,), device=device)
    at = torch.func.jacrev(lambda t: linear_cells(t, plan))
    matrix, opposite, whole = at(x), at(-x), at(torch.ones_like(x))
    torch.testing.assert_close(matrix @ x, linear_cells(x, plan))
    torch.testing.assert_close(matrix + opposite, whole)


def test_a_plan_of_means_takes_relu_cell_means(monkeypatch):
    plan = rectangles(8, 7)
    assert plan.means
    assert plan.constant
    x = sample((5, 8))
    torch.testing.assert_close(linear_cells(x, plan), relu_cell_means(x), rtol=0, atol=0)
    torch.testing.assert_close(linear_cells_plain(x, plan), relu_cell_means(x))
    longer = sample((5, 9))  # a node more than the plan covers is no cell of it
    torch.testing.assert_close(linear_cells(longer, plan), relu_cell_means(longer)[:, :7])
    for other in (rectangles(9, 7), quadratics(8, 7)):
        assert not other.means
    for field, value in [
        ("target", plan.target.flip(1)),
        ("length", plan.length * 2),
        ("start", plan.start + 0.25),
        ("left", plan.left.flip(0)),
    ]:
        fields = {name: getattr(plan, name) for name in ("left", "start", "stop", "length", "coefficients", "target")}
        assert not LinearCells(**{**fields, field: value}, outputs=7).means


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("left", torch.zeros(3, dtype=torch.int64), r"one shape \(C,\); got \[\(3,\), \(2,\)"),
        ("left", torch.zeros(2), "int64; got torch.float32"),
        ("left", torch.tensor([0, -1]), "negative"),
        ("start", torch.tensor([0.0, 1.0]), "0 <= start < stop <= 1"),
        ("stop", torch.tensor([1.0, 1.5]), "0 <= start < stop <= 1"),
        ("start", torch.tensor([nan, 0.0]), "0 <= start < stop <= 1"),
        ("length", torch.tensor([1.0, 0.0]), "positive"),
        ("coefficients", torch.ones(1, 2, 2), r"\(1, 2, 3\); got \(1, 2, 2\)"),
        ("target", torch.zeros(2, dtype=torch.int64), r"\(R, 2\); got \(2,\)"),
        ("target", torch.tensor([[0, 2]]), "between 0 and 1"),
    ],
)
def test_a_plan_that_does_not_fit_gets_a_sentence(field, value, words):
    fields = {
        "left": torch.tensor([0, 1]),
        "start": torch.zeros(2),
        "stop": torch.ones(2),
        "length": torch.ones(2),
        "coefficients": torch.ones(1, 2, 3),
        "target": torch.tensor([[0, 1]]),
    }
    LinearCells(**fields, outputs=2)
    with pytest.raises(ValueError, match=words):
        LinearCells(**{**fields, field: value}, outputs=2)


def test_too_few_nodes_get_a_sentence():
    with pytest.raises(ValueError, match=r"at least 9 nodes.*\(2, 8\)"):
        linear_cells(torch.ones(2, 8), PLANS["rectangles"])


def test_the_ends_of_an_interval_are_its_nodes_bit_by_bit():
    x = sample((9, 50))
    constants = _linear_cells._constants(PLANS["rectangles"], x)
    a, b = _linear_cells._ends(x, constants)
    first, last = PLANS["rectangles"].start == 0, PLANS["rectangles"].stop == 1
    left = PLANS["rectangles"].left
    assert torch.equal(a[first], x[left[first]])
    assert torch.equal(b[last], x[left[last] + 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("rows", [0, 1, 15, 16, 17, 1000])
@pytest.mark.parametrize("plan", [rectangles(40, 31), overlapping(40, 31)], ids=["rectangles", "two of each"])
def test_the_kernel_is_the_plain_form_for_every_number_of_samples(plan, rows, dtype, monkeypatch):
    """Also in rows that lie apart, with nodes that the plan does not reach, zeros, and gradients of every layout."""
    take("compiled kernel", monkeypatch)
    monkeypatch.setattr(_linear_cells, "_forward_blocks", None)  # who takes them fails
    monkeypatch.setattr(_linear_cells, "_backward_blocks", None)
    x = sample((42, rows), dtype).T
    x[::3, ::4] = 0.0
    x[1::7] = -x[1::7].abs()
    eps = 64 * torch.finfo(dtype).eps
    for grad in (sample((rows, 31), dtype, seed=1), sample((31, rows), dtype, seed=1).T, torch.ones(()).to(dtype)):
        found = []
        for form in (linear_cells, linear_cells_plain):
            leaf = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
            y = form(leaf, plan)
            found.append((y.detach(), *torch.autograd.grad(y, leaf, grad.expand_as(y))))
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=eps, atol=eps)


def test_plans_too_wide_for_the_kernel_or_of_quadratics_take_blocks(monkeypatch):
    take("compiled kernel", monkeypatch)
    x = sample((3, 12))
    for plan, most in ((rectangles(12, 7), 30), (quadratics(12, 7), 4096), (rectangles(12, 7), 31)):
        monkeypatch.setattr(_linear_cells, "_MOST_SIDE_BY_SIDE", most)
        out = torch.full((3, 7), nan, dtype=torch.float64)
        assert _linear_cells._filled(out, x, None, plan) == (plan.constant and most == 31)
        torch.testing.assert_close(linear_cells(x, plan), linear_cells_plain(x, plan))
