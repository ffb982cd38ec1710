"""Eq. (25), (30) and (53), and the total variation that they bound."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from relunb import BWReLU, bw_relu
from relunb.wavelet import KNOTS, VALUES, WEIGHTS, deep_variation_norm, variation_norm
from tests.tolerance import DEVICES

half = Fraction(1, 2)


def exact(v, w, scale=1, bias=None, domain=None):
    return variation_norm(v, w, scale, bias, exact=True, domain=domain)


def psi(u):
    """psi of a Fraction, by straight lines between its knots."""
    if not 0 < u < 3:
        return Fraction(0)
    cell = int(2 * u)
    return VALUES[cell] + (2 * u - cell) * (VALUES[cell + 1] - VALUES[cell])


def plain(v, w, scale, bias, low=None, high=None):
    """The total variation of g', slowly: slopes between all places where g could bend, and their differences."""
    places = {(m / scale + b) / w_k for w_k, b in zip(w, bias, strict=True) if w_k for m in KNOTS}
    places = sorted(p for p in places if (low is None or p > low) and (high is None or p < high))
    if not places:
        return Fraction(0)
    ends = [places[0] - 1 if low is None else low, *places, places[-1] + 1 if high is None else high]

    def g(x):
        return sum(v_k * psi(scale * (w_k * x - b)) for v_k, w_k, b in zip(v, w, bias, strict=True))

    slopes = [(g(right) - g(left)) / (right - left) for left, right in zip(ends, ends[1:], strict=False)]
    return sum(abs(right - left) for left, right in zip(slopes, slopes[1:], strict=False))


def neurons(count=6, seed=0, outputs=None, dtype=torch.float64):
    """Weights and biases whose kinks do not coincide."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count,) if outputs is None else (outputs, count)
    v = torch.randn(shape, dtype=dtype, generator=generator)
    w, bias = torch.randn(2, count, dtype=dtype, generator=generator)
    return v, w, bias


# One neuron, and the factor 16


def test_one_neuron_bends_by_sixteen():
    assert variation_norm([1], [1]) == exact([1], [1]) == 16 == sum(map(abs, WEIGHTS))
    assert variation_norm([-3], [2], half) == exact([-3], [2], half, [7]) == 48
    assert type(exact([1], [1])) is type(variation_norm([1], [1])) is Fraction


def test_the_slope_of_a_sampled_network_varies_as_much():
    """Independent of all formulas: second differences of the function on a grid that contains its kinks."""
    v, w, bias = [1.5, -2.0, 0.75], [1.0, -2.0, 0.5], [-0.5, 1.0, -1.0]
    x = torch.arange(-800, 1601, dtype=torch.float64) / 80  # the kinks for scale 2 are multiples of 1/8
    u = torch.tensor(w, dtype=torch.float64) * x[:, None] - torch.tensor(bias, dtype=torch.float64)
    g = bw_relu(2 * u) @ torch.tensor(v, dtype=torch.float64)
    measured = (g.diff().diff() * 80).abs().sum().item()
    assert math.isclose(measured, exact(v, w, 2, bias).item(), rel_tol=1e-10)
    assert measured < variation_norm(v, w, 2).item() - 1, "some kinks cancel"


@pytest.mark.parametrize("give", [list, lambda n: torch.tensor([float(k) for k in n], dtype=torch.float64)])
def test_neurons_that_coincide(give):
    def total(v, bias, w=(1, 1), **options):
        return exact(give(v), give(w), 1, give(bias), **options)

    assert total([1, -1], [0, 0]) == 0
    assert float(total([1, 1], [0, 0])) == 32 == variation_norm([1, 1], [1, 1])
    assert math.isclose(total([1, 1], [0, half]), Fraction(32, 3))
    assert math.isclose(total([1, -1], [0, half]), 32), "the jumps of psi alternate"
    assert math.isclose(total([1, 1], [0, Fraction(1, 4)]), 32)
    assert math.isclose(total([1, 1], [0, 3]), 32), "two ends of equal sign"
    assert math.isclose(total([1, -1], [0, 3]), 32 - Fraction(1, 3)), "and of opposite sign"
    assert total([1, -1], [0, -3], w=(1, -1)) == 0, "psi is symmetric: psi(x) = psi(3 - x)"


def test_only_kinks_strictly_inside_the_domain_count():
    sixths = [abs(6 * weight) for weight in WEIGHTS]
    assert exact([6], [1], domain=(0, 3)) == sum(sixths[1:-1])
    assert exact([6], [1], domain=(-1, half)) == sixths[0]
    assert exact([6], [1], domain=(half, 1)) == exact([6], [1], domain=(3, math.inf)) == 0
    assert exact([6], [1], domain=(-math.inf, Fraction(3, 2))) == sum(sixths[:3])
    assert exact([6.0], [1.0], domain=(0.0, 3.0)).item() == sum(sixths[1:-1])
    assert exact([6], [1], domain=(-0.5, 0.5)).item() == sixths[0], "a domain of floats gives a tensor"
    thirds = exact([6.0], [0.3], 3.0, [-0.1], domain=(-1 / 3, 1 / 6 / 0.3 - 1 / 3))
    assert thirds.item() == 0, "the ends are kinks, up to rounding"
    parts = [exact([1], [1], bias=[-1], domain=d).item() for d in ((-5.0, 0.2), (0.2, 5.0))]
    assert math.isclose(sum(parts), 16)


# Laws


def test_homogeneous_in_v_and_w_and_scale():
    v, w, bias = neurons()
    for total in (variation_norm(v, w, 2.0, bias), exact(v, w, 2.0, bias)):
        assert math.isclose(total.item(), 32 * (v * w).abs().sum().item(), rel_tol=1e-14)
    assert math.isclose(variation_norm(-3 * v, w).item(), 3 * variation_norm(v, w).item(), rel_tol=1e-14)
    assert math.isclose(exact(v, 3 * w, 1, 3 * bias).item(), 3 * exact(v, w, 1, bias).item(), rel_tol=1e-13), "g(3x)"
    assert math.isclose(exact(v, w, 5.0, bias).item(), exact(v, 5 * w, 1.0, 5 * bias).item(), rel_tol=1e-13)


def test_the_bias_stands_inside_the_scale():
    first = exact([1], [1], 4, [half], domain=(0, 1))
    assert first == plain([1], [1], 4, [half], 0, 1) != plain([1], [4], 1, [half], 0, 1)
    assert exact([1], [1], domain=(-1, 2)) == exact([1], [1], 1, [0], domain=(-1, 2)), "no bias is a bias of zero"


def test_translation_permutation_and_splitting():
    v, w, bias = [1, -2, 3], [1, 1, 2], [0, half, -1]
    total = exact(v, w, 1, bias)
    assert total < variation_norm(v, w, 1)
    moved = [b - w_k * Fraction(5, 7) for b, w_k in zip(bias, w, strict=True)]
    assert exact(v, w, 1, moved) == total
    assert exact(v, w, 1, moved, domain=(-Fraction(5, 7), Fraction(2, 7))) == exact(v, w, 1, bias, domain=(0, 1))
    assert exact(v[::-1], w[::-1], 1, bias[::-1]) == total
    for share, more in ((Fraction(1, 3), 0), (Fraction(-1, 3), 16 * 2 * Fraction(1, 3))):
        split = [share * v[0], (1 - share) * v[0], *v[1:]]
        twice = [w[0], *w], [bias[0], *bias]
        assert exact(split, twice[0], 1, twice[1]) == total, "the same function"
        assert variation_norm(split, twice[0]) == variation_norm(v, w) + more, "of one sign only, the same sum"


def test_the_sum_is_reached_when_all_jumps_in_one_place_have_one_sign():
    assert exact([1, 2], [1, 1], bias=[0, 0]) == variation_norm([1, 2], [1, 1])
    assert exact([1, 1], [1, 1], bias=[0, 1]) == variation_norm([1, 1], [1, 1]), "jumps k and k + 2 have one sign"
    assert exact([1, -1], [1, 1], bias=[0, half]) == variation_norm([1, -1], [1, 1])
    assert exact([1, -1], [1, 1], bias=[0, 1]) < variation_norm([1, -1], [1, 1])


rationals = st.fractions(-3, 3, max_denominator=4)
systems = st.lists(st.tuples(rationals, rationals, rationals), min_size=1, max_size=5)


@settings(deadline=None)  # a busy machine is no fault
@given(systems, st.sampled_from([half, Fraction(1), Fraction(3, 2), Fraction(4)]))
def test_against_slopes_of_the_function_itself(system, scale):
    v, w, bias = (list(column) for column in zip(*system, strict=True))
    total = exact(v, w, scale, bias)
    assert total == plain(v, w, scale, bias) <= variation_norm(v, w, scale)
    inside = exact(v, w, scale, bias, domain=(-1, half))
    assert inside == plain(v, w, scale, bias, -1, half) <= total
    floats = (torch.tensor([float(n) for n in column], dtype=torch.float64) for column in (v, w, bias))
    v, w, bias = floats
    assert math.isclose(exact(v, w, float(scale), bias), total, rel_tol=1e-12, abs_tol=1e-10)
    assert math.isclose(exact(v, w, float(scale), bias, (-1, 0.5)), inside, rel_tol=1e-12, abs_tol=1e-10)


# Several inputs and outputs


def test_several_inputs_and_outputs():
    assert variation_norm([[1.0], [2.0], [2.0]], [[3.0, 4.0]], 2.0).item() == 16 * 2 * 3 * 5
    first, last = nn.Linear(3, 7), nn.Linear(7, 2)
    slow = sum(last.weight[:, k].norm().item() * first.weight[k].norm().item() for k in range(7))
    assert math.isclose(variation_norm(last.weight, first.weight, 3.0).item(), 48 * slow, rel_tol=1e-6)


def test_rotations_of_inputs_and_outputs_change_nothing():
    generator = torch.Generator().manual_seed(1)
    v, w = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((3, 5), (5, 4)))
    turn_out, turn_in = (torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator)).Q for n in (3, 4))
    torch.testing.assert_close(variation_norm(turn_out @ v, w @ turn_in), variation_norm(v, w))
    torch.testing.assert_close(exact(turn_out @ v, w[:, 0]), exact(v, w[:, 0]))


def test_along_every_direction_the_slope_varies_less_than_the_norm():
    """Eq. (24) for two inputs: on the line s -> s e the neuron has the input weight w.e, which is at most |w|."""
    w = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    norm = variation_norm([2.0], w).item()
    angles = torch.linspace(0, math.pi, 181, dtype=torch.float64)
    along = torch.stack([exact([2.0], w @ torch.stack([a.cos(), a.sin()])) for a in angles])
    assert along.max() <= norm == 160 and along.min() < 3
    assert math.isclose(exact([2.0], w @ torch.tensor([0.6, 0.8], dtype=torch.float64)).item(), norm)


def test_a_vector_of_outputs_merges_its_jumps_before_their_norm():
    v, w, bias = [[3.0, -3.0], [4.0, 4.0]], [1.0, 1.0], [0.0, 0.0]
    assert variation_norm(v, w).item() == 160
    assert math.isclose(exact(v, w, 1, bias).item(), 8 * 16), "the first output cancels"
    one, other = neurons(outputs=2, seed=2), neurons(outputs=2, seed=2)[0][:1]
    assert math.isclose(exact(other, *one[1:2]).item(), exact(other[0], one[1]).item(), rel_tol=1e-14)


# Derivatives


@pytest.mark.parametrize("outputs", [None, 2])
@pytest.mark.parametrize("options", [{}, {"exact": True}, {"exact": True, "domain": (-1, 1)}])
def test_gradients_in_weights_and_scale(outputs, options):
    v, w, bias = neurons(outputs=outputs, seed=3)
    scale = torch.tensor([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], dtype=torch.float64)
    for c in (torch.tensor(1.7, dtype=torch.float64), scale):
        inputs = [t.clone().requires_grad_() for t in (v, w, c)]
        assert torch.autograd.gradcheck(lambda v, w, c: variation_norm(v, w, c, bias, **options), inputs)
        assert torch.autograd.gradgradcheck(lambda v, w, c: variation_norm(v, w, c, bias, **options), inputs)


def test_the_gradient_where_two_neurons_share_their_kinks():
    """psi(x) + psi(x - 1/2): the slow reference is the exact sum's difference quotient in each v."""
    v = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)
    exact(v, [1.0, 1.0], 1, [0.0, 0.5]).backward()
    small = Fraction(1, 10**6)
    for k in range(2):
        above, below = ([1 + s * small * (j == k) for j in range(2)] for s in (1, -1))
        slope = (exact(above, [1, 1], 1, [0, half]) - exact(below, [1, 1], 1, [0, half])) / (2 * small)
        assert math.isclose(v.grad[k], slope, abs_tol=1e-12)


def test_no_gradient_is_nan():
    v = torch.tensor([1.0, -1.0, 0.0, 2.0], dtype=torch.float64, requires_grad=True)
    w = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    for options in ({}, {"exact": True}):
        total = variation_norm(v, w, 1.0, bias, **options)
        assert total.item() == (0 if options else 32)
        gradients = torch.autograd.grad(total, (v, w), materialize_grads=True)
        assert all(g.isfinite().all() for g in gradients)
    several = torch.autograd.grad(variation_norm(v[None], w[:, None]), (v, w))
    assert all(g.isfinite().all() for g in several)


def test_a_regulariser_makes_a_network_of_fewer_neurons():
    """Minimise (g(1.5) - 5/6)^2 / 2 + norm / 16: soft thresholding of one neuron, whose peak is 5/6."""
    v = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss = (v[0] * 5 / 6 - 5 / 6) ** 2 / 2 + variation_norm(v, [1.0, 1.0]) / 160
        loss.backward()
        optimizer.step()
    assert math.isclose(v[0].item(), 1 - 0.1 * 36 / 25, abs_tol=1e-9) and v[1].item() == 0


# Constant neurons, rounding, dtypes


def test_a_constant_or_silent_neuron_has_no_kinks_and_ties_none_together():
    """A wide neuron's kink at 1/2 is known to 3e-12 only; with no output weight it must not join two that differ."""
    assert exact([1, 5], [1, 0], 1, [0, 1]) == 16
    assert exact([5], [0]) == 0 and exact([5.0], [0.0]).item() == 0
    assert variation_norm([1.0, 5.0], [1.0, 0.0]).item() == 16
    v, w, bias = [1.0, 1.0], [1.0, 1.0], [-5e-13, 0.5 + 5e-13]
    assert exact(v, w, 1, bias).item() == 32
    assert exact([*v, 9.0], [*w, 0.0], 1, [*bias, 0.5]).item() == 32
    assert exact([*v, 0.0], [*w, 1e-3], 1, [*bias, 0.5e-3 - 1.5]).item() == 32
    joined = exact([*v, 1e-9], [*w, 1e-3], 1, [*bias, 0.5e-3 - 1.5]).item()
    assert math.isclose(joined, 32 - 1 / 3, rel_tol=1e-9), "with one it does: 1/6 and -8/6 at 1/2"


def test_kinks_closer_than_their_rounding_are_one():
    """0.1 + 0.2 is not 0.3 in floating point: 5.6e-17 apart, and 4 eps of a size of 1 is 8.9e-16."""
    third = exact([1.0, -1.0], [1.0, 1.0], 1, [0.1 + 0.2, 0.3])
    assert third.item() == 0
    assert exact([1.0, -1.0], [1.0, 1.0], 1, [0.3 + 1e-14, 0.3]).item() == 32
    assert exact([1.0, -1.0], [3.0, 0.3], 1 / 3, [3.0, 0.3]).item() > 0, "one place, but kinks of unequal width"
    for k in range(1, 40):
        w, c, b = 0.1 * k, 0.7, 0.3 * k
        assert exact([1.0, -1.0], [w, 2 * w], torch.tensor([c, c / 2]), [b, 2 * b]).item() < 1e-5, "the same neuron"


def test_precision_decides_what_coincides():
    b = torch.tensor([0.3, 0.3 + 1e-7])
    assert b[0] != b[1] and exact(torch.tensor([1.0, -1.0]), torch.ones(2), 1, b).item() == 0
    double = b.double()
    assert exact(torch.tensor([1.0, -1.0]).double(), torch.ones(2).double(), 1, double).item() == 32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes(dtype):
    v, w, bias = neurons(dtype=dtype)
    reference = 16 * (v * w).abs().double().sum()
    for total in (variation_norm(v, w), exact(v, w, 1, bias), exact(v, w, 1, bias, (-math.inf, math.inf))):
        assert total.dtype == dtype and total.shape == ()
        torch.testing.assert_close(total.double(), reference, rtol=8 * torch.finfo(dtype).eps, atol=0)
    assert exact(v, w.tolist(), torch.tensor(2.0, dtype=torch.float64)).dtype == torch.float64
    assert variation_norm(v, w.tolist(), 2).dtype == dtype
    assert variation_norm(np.ones(3), np.ones(3)).item() == 48
    assert variation_norm([half, half], [1, 1], 0.5).item() == 8, "a float makes it a tensor"
    assert variation_norm([sp.Rational(1, 3)], [sp.Integer(3)]) == 16
    assert variation_norm(list(np.array([2**62])), [4]) == 16 * 2**64, "NumPy's integers would overflow"


# Devices, batches and compiled functions


@pytest.mark.parametrize("device", DEVICES)
def test_on_every_device(device):
    v, w, bias = neurons()
    scale = torch.tensor(2.0)
    for options in ({}, {"exact": True}, {"exact": True, "domain": (-1, 1)}):
        there = variation_norm(v.to(device), w.to(device), scale.to(device), bias.to(device), **options)
        assert there.device.type == device
        torch.testing.assert_close(there.cpu(), variation_norm(v, w, scale, bias, **options))
    assert variation_norm(v.to(device), w.tolist(), 2.0, bias.tolist(), exact=True).device.type == device
    net = deep()
    torch.testing.assert_close(deep_variation_norm(net.to(device)).cpu(), deep_variation_norm(net.cpu()))


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"exact": True, "domain": (-1, 1)}])
def test_a_batch_of_networks_under_vmap(options):
    rows = [neurons(seed=seed) for seed in range(4)]
    batch = [torch.stack(column) for column in zip(*rows, strict=True)]

    def total(v, w, bias):
        return variation_norm(v, w, 2.0, bias, **options)

    torch.testing.assert_close(torch.func.vmap(total)(*batch), torch.stack([total(*row) for row in rows]))
    gradient = torch.func.grad(total, argnums=(0, 1))
    slow = zip(*(gradient(*row) for row in rows), strict=True)
    for fast, one in zip(torch.func.vmap(gradient)(*batch), slow, strict=True):
        torch.testing.assert_close(fast, torch.stack(one))


@pytest.mark.parametrize("options", [{}, {"exact": True, "domain": (-1, 1)}])
def test_compiled_without_a_break(options):
    v, w, bias = neurons()

    def total(v, w, bias):
        return variation_norm(v, w, 2.0, bias, **options)

    compiled = torch.compile(total, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(v, w, bias), total(v, w, bias))


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (([1.0, 2], [1.0]), {}, ValueError, r"the same K; got \(2,\) and \(1,\)"),
        (([1, 2], [1]), {}, ValueError, "one entry a neuron; got 2, 1 and 1"),
        ((1.0, 2.0), {}, ValueError, r"v must be \(K,\)"),
        (([[1.0, 1]], [[1.0, 1]]), {}, ValueError, r"got \(1, 2\) and \(1, 2\)"),
        (([], []), {}, ValueError, "empty"),
        (([1.0], [[1.0, 2.0]]), {"exact": True}, ValueError, "needs one input; got 2"),
        (([1.0], [1.0], 1, [0.0, 1.0]), {"exact": True}, ValueError, r"one entry a neuron, \(1,\); got \(2,\)"),
        (([1.0], [1.0]), {"domain": (0, 1)}, ValueError, "domain= needs exact=True"),
        (([1.0], [1.0]), {"exact": True, "domain": (1, 1)}, ValueError, r"low < high; got \(1, 1\)"),
        (([1.0], [1.0]), {"exact": True, "domain": (math.nan, 1)}, ValueError, "low < high"),
        (([1.0], [1.0]), {"exact": True, "domain": 1}, ValueError, r"must be \(low, high\); got 1"),
        (([1.0], [1.0]), {"exact": True, "domain": "ab"}, TypeError, "must be numbers"),
        (([1], [1], 0), {}, ValueError, "scale must be positive"),
        (([1.0], [1.0], -1.0), {}, ValueError, "scale must be positive"),
        (([1.0], [1.0], torch.tensor([1.0, 2.0])), {}, ValueError, r"one a neuron, \(1,\); got \(2,\)"),
        (([1.0], [1.0], "c"), {}, TypeError, "scale must be a number"),
        (([math.inf], [1.0]), {}, ValueError, "v has 1 non-finite value"),
        (([1.0], [math.nan]), {"exact": True}, ValueError, "w has 1 non-finite value"),
        ((torch.ones(1).half(), [1.0]), {}, TypeError, "float16. Use v.float()"),
        ((["1"], [1.0]), {}, TypeError, "v must be a number"),
        (([1.0, 1.0], [1.0, 1.0], 1, [0.0, 1e15]), {"exact": True}, ValueError, "neuron 1 has .* merges its seven"),
    ],
)
def test_a_mistake_gets_a_sentence(arguments, options, error, words):
    with pytest.raises(error, match=words):
        variation_norm(*arguments, **options)


def test_a_large_bias_is_no_matter_in_fractions_nor_below_the_limit():
    assert exact([1, 1], [1, 1], 1, [0, 10**15]) == 32
    assert exact([1.0, 1.0], [1.0, 1.0], 1, [0.0, 1e13]).item() == 32


# Deep networks


def deep(scales=(3.0, 2.0, 5.0), inputs=2, width=5, outputs=3, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(inputs, width)]
    for n, scale in enumerate(scales):
        layers += [BWReLU(scale), nn.Linear(width, outputs if n == len(scales) - 1 else width)]
    return nn.Sequential(*layers).double()


def written_out(matrices, scales):
    """Eq. (53) by loops over numbers, with a scale for each layer."""

    def norm(numbers):
        return math.sqrt(sum(n * n for n in numbers))

    first, second, *rest = [matrix.tolist() for matrix in matrices]
    total = 0.0
    for k, row in enumerate(first):
        total += 16 * scales[0] * norm(row) * norm([other[k] for other in second])
    for scale, matrix in zip(scales[1:], rest, strict=True):
        for k in range(len(matrix[0])):
            total += 16 * scale * norm([row[k] for row in matrix])
    return total


@pytest.mark.parametrize("scales", [(3.0,), (3.0, 2.0), (3.0, 2.0, 5.0), (3.0, 2.0, 5.0, 0.5)])
def test_eq_53_written_out(scales):
    net = deep(scales)
    slow = written_out([layer.weight for layer in net[::2]], scales)
    assert math.isclose(deep_variation_norm(net).item(), slow, rel_tol=1e-13)


def test_one_hidden_layer_is_the_shallow_norm():
    net = deep((2.5,))
    torch.testing.assert_close(deep_variation_norm(net), variation_norm(net[2].weight, net[0].weight, 2.5))


def test_numbers_by_hand():
    net = deep((2.0, 3.0, 4.0), inputs=1, width=1, outputs=1)
    for layer, weight in zip(net[::2], (5.0, -2.0, 7.0, -1.0), strict=True):
        nn.init.constant_(layer.weight, weight)
    assert deep_variation_norm(net).item() == 16 * (2 * 5 * 2 + 3 * 7 + 4 * 1)


def test_two_networks_that_compute_the_same_can_differ():
    """The second hidden neuron twice, each with half of the output weight."""
    one = deep((1.0, 1.0), inputs=1, width=1, outputs=1)
    two = nn.Sequential(nn.Linear(1, 1), BWReLU(), nn.Linear(1, 2), BWReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        for layer in (*one[::2], *two[::2]):
            nn.init.ones_(layer.weight), nn.init.zeros_(layer.bias)
        two[4].weight.fill_(0.5)
    x = torch.linspace(-1, 4, 101, dtype=torch.float64)[:, None]
    assert torch.equal(one(x), two(x)) and one(x).abs().max() > 0.05
    assert deep_variation_norm(one).item() == 32
    assert math.isclose(deep_variation_norm(two).item(), 16 * (1 + math.sqrt(2)))


def test_a_shared_activation_is_counted_wherever_it_stands():
    activation = BWReLU(3.0)
    shared, own = deep((3.0, 3.0)), deep((3.0, 3.0))
    shared[1] = shared[3] = activation
    assert deep_variation_norm(shared).item() == deep_variation_norm(own).item()
    nested = nn.Sequential(nn.Sequential(*own[:3], nn.Dropout(0.5)), nn.Flatten(), nn.Sequential(*own[3:]))
    assert deep_variation_norm(nn.Sequential(nn.Identity(), nested)).item() == deep_variation_norm(own).item()
    own[1].scale = 4.0
    assert deep_variation_norm(nested).item() > deep_variation_norm(shared).item()


def test_gradients_reach_all_weights_and_learnable_scales():
    activations = [BWReLU(2.0, learnable=True).double() for _ in range(2)]
    net = nn.Sequential(nn.Linear(2, 3), activations[0], nn.Linear(3, 3), activations[1], nn.Linear(3, 2)).double()
    names = [name for name, _ in net.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for parameter in net.parameters()]

    class Norm(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self):
            return deep_variation_norm(self.net)

    def total(*values):
        named = {f"net.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(Norm(), named, ())

    assert torch.autograd.gradcheck(total, values)
    deep_variation_norm(net).backward()
    for name, parameter in net.named_parameters():
        if "bias" in name:
            assert parameter.grad is None
        else:
            assert parameter.grad is not None and parameter.grad.abs().max() > 0
    first = 16 * sum(net[0].weight[k].norm() * net[2].weight[:, k].norm() for k in range(3))
    assert math.isclose(activations[0].scale.grad.item(), first.item(), rel_tol=1e-12)


def test_layers_that_are_pruned_parametrised_or_compiled():
    net = deep()
    wanted = deep_variation_norm(net).item()
    nn.utils.parametrizations.weight_norm(net[2])
    assert math.isclose(deep_variation_norm(net).item(), wanted, rel_tol=1e-13)
    assert deep_variation_norm(torch.compile(net)).item() == deep_variation_norm(net).item()


class Coordinates(nn.Module):
    """The usual way to write such a network, with one activation for all layers."""

    def __init__(self):
        super().__init__()
        self.first, self.act = nn.Linear(2, 4), BWReLU(3.0)
        self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 1)


@pytest.mark.parametrize(
    ("network", "error", "words"),
    [
        (torch.ones(2), TypeError, "Module; got Tensor"),
        (
            nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)),
            TypeError,
            "layer '1' is a ReLU: the sum is known for",
        ),
        (
            nn.Sequential(nn.Linear(2, 4), BWReLU(), nn.LayerNorm(4), nn.Linear(4, 1)),
            TypeError,
            "layer '2' is a LayerNorm",
        ),
        (nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 4), BWReLU()), ValueError, "layer '1' is a Linear where a BWReLU"),
        (Coordinates(), ValueError, "layer 'last' is a Linear where a BWReLU"),
        (nn.Sequential(BWReLU(), nn.Linear(4, 1)), ValueError, "layer '0' is a BWReLU where a Linear"),
        (nn.Sequential(nn.Linear(2, 4), BWReLU()), ValueError, "begin and end with nn.Linear.*found Linear, BWReLU"),
        (nn.Linear(2, 1), ValueError, "found Linear"),
        (nn.Identity(), ValueError, "found no layers"),
        (nn.Sequential(nn.Linear(2, 4), BWReLU(), nn.Linear(3, 1)), ValueError, "layer '2' takes 3 inputs.*has 4"),
        (deep().bfloat16(), TypeError, "bfloat16. Use network.float"),
    ],
)
def test_other_networks_are_refused_by_name(network, error, words):
    with pytest.raises(error, match=words):
        deep_variation_norm(network)


def test_weights_that_stand_outside_layers_are_not_overlooked():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.skip = deep(), nn.Parameter(torch.ones(2))

    with pytest.raises(TypeError, match="the network is a Skip"):
        deep_variation_norm(Skip())


def test_every_pair_of_neurons_agrees_with_the_slow_reference():
    """All shifts, signs and widths of two neurons whose kinks share a grid."""
    grid = product((1, -1), (1, -1, 2, -2), range(-4, 8))
    for sign, w, n in grid:
        v, ws, bias = [1, sign], [1, w], [0, Fraction(n, 2)]
        assert exact(v, ws, 1, bias) == plain(v, ws, Fraction(1), bias)
        as_floats = exact([1.0, float(sign)], [1.0, float(w)], 1.0, [0.0, n / 2]).item()
        assert math.isclose(as_floats, plain(v, ws, Fraction(1), bias), rel_tol=1e-13, abs_tol=1e-13)


# Scales


SCALED = [(1e-310, 1, 1), (1, 1e-310, 1), (1e-300, 1, 1e300), (1e300, 1e-300, 1), (1, 1e300, 1e-300), (1e-100,) * 3]


@pytest.mark.parametrize(("in_v", "in_w", "in_scale"), SCALED)
@pytest.mark.parametrize("outputs", [None, 2])
def test_any_scale_of_the_inputs(in_v, in_w, in_scale, outputs):
    """g scales with v, and x and the bias with w and the scale: only rounding to the last digit may differ."""
    v, w, bias = neurons(outputs=outputs, seed=5)
    v = torch.cat([v, -v[..., :2]], -1)  # two neurons that cancel, if exact
    w, bias = torch.cat([w, w[:2]]), torch.cat([bias, bias[:2]])
    factor = Fraction(in_v) * Fraction(in_w) * Fraction(in_scale)
    near = 1e-12 if min(in_v, in_w) > 1e-308 else 1e-1  # 1e-310 has 13 bits
    for options in ({}, {"exact": True}):
        wanted = variation_norm(v, w, 2.0, bias, **options).item()
        leaves = [(in_v * v).requires_grad_(), (in_w * w).requires_grad_()]
        found = variation_norm(*leaves, 2 * in_scale, bias / in_scale, **options)
        assert math.isclose(found.item(), wanted * float(factor), rel_tol=near)
        assert all(g.isfinite().all() for g in torch.autograd.grad(found, leaves))
    inside = variation_norm(in_v * v, in_w * w, 2 * in_scale, bias / in_scale, True, domain=(-0.5, 0.5))
    domain = (-0.5 * in_w * in_scale, 0.5 * in_w * in_scale)
    assert math.isclose(inside, float(factor) * variation_norm(v, w, 2.0, bias, True, domain=domain), rel_tol=near)


def test_neurons_of_very_different_scales():
    assert variation_norm([1.0], [1e-310], exact=True).item() == 16 * 1e-310
    assert variation_norm([1e-200, 1e200], [1e200, 1e-200]).item() == pytest.approx(32, rel=1e-14)
    assert exact([1e-200, 1e200], [1e200, 1e-200], 1, [0.3, 0.7]).item() == pytest.approx(32, rel=1e-14)
    assert variation_norm([[1.0, 1e-200], [0.0, 1e-200]], [[1.0], [1e200]]).item() == pytest.approx(16 + 16 * 2**0.5)
    assert variation_norm(torch.tensor([1e-30]), torch.tensor([1e-30]), 1e30).item() == pytest.approx(16e-30)
    assert variation_norm([1], [1], Fraction(1, 10**400), exact=True) == Fraction(16, 10**400)
    assert variation_norm([1e300], [1e300]).item() == math.inf, "no float holds 16e600"


def test_parallel_duplicate_and_silent_neurons_and_kinks_on_the_ends():
    """The families of small integers, against the slow reference: duplicates, multiples, zeros, kinks on -1, 0, 1."""
    grid = [(v, w, Fraction(b, 2)) for v in (1, -1, 0) for w in (1, -2, 0) for b in (0, -2)]
    for one, other in product(grid, grid):
        v, w, bias = (list(column) for column in zip(one, other, strict=True))
        for domain in (None, (-1, 1), (0, 3)):
            wanted = plain(v, w, Fraction(1), bias, *(domain or ()))
            assert exact(v, w, 1, bias, domain) == wanted
            floats = [[float(n) for n in column] for column in (v, w, bias)]
            assert math.isclose(exact(floats[0], floats[1], 1.0, floats[2], domain), wanted, abs_tol=1e-13)


def test_names_of_layers_in_messages():
    net = nn.Sequential(nn.Linear(2, 4), BWReLU(), nn.LazyLinear(1))
    with pytest.raises(ValueError, match="layer '2' has no weights yet: call the network once"):
        deep_variation_norm(net)
