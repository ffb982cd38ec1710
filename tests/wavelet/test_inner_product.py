"""Inner products of two wavelets, Eq. (18): exact for exact input, right to rounding for tensors."""

import math
from fractions import Fraction as F
from itertools import combinations_with_replacement, product

import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relunb.wavelet import KNOTS, WEIGHTS, inner_product

small = st.fractions(min_value=-4, max_value=4, max_denominator=12)


def by_antiderivatives(a: F, s: F, b: F, t: F, low: F, high: F) -> F:
    """The same integral another way: 49 products of two ReLUs, each a cubic between the later knot and an end."""
    total = F(0)
    for k, c in zip(KNOTS, WEIGHTS, strict=True):
        for m, d in zip(KNOTS, WEIGHTS, strict=True):
            start, end = low, high
            alive = True
            for slope, offset in ((a, s + k), (b, t + m)):  # relu(slope x - offset)
                if slope > 0:
                    start = max(start, offset / slope)
                elif slope < 0:
                    end = min(end, offset / slope)
                else:
                    alive = alive and offset < 0
            if alive and start < end:
                cubic = [(a * b, 3), (-a * (t + m) - b * (s + k), 2), ((s + k) * (t + m), 1)]
                total += c * d * sum((q * (end**n - start**n) / n for q, n in cubic), F(0))
    return total


@settings(deadline=None)  # a busy machine is no fault
@given(a=small, s=small, b=small, t=small, low=small, width=st.fractions(min_value=0, max_value=6, max_denominator=6))
def test_exact_integrals_agree_with_antiderivatives(a, s, b, t, low, width):
    value = inner_product(a, s, b, t, low, low + width)
    assert type(value) is F
    assert value == by_antiderivatives(a, s, b, t, low, low + width)


@settings(deadline=None)  # a busy machine is no fault
@given(a=small, s=small, b=small, t=small, low=small, width=st.integers(min_value=0, max_value=6))
def test_tensors_agree_with_the_exact_integral(a, s, b, t, low, width):
    inputs = [torch.tensor(float(v), dtype=torch.float64) for v in (a, s, b, t)]
    low = float(low)
    exact = inner_product(*(F(v.item()) for v in inputs), F(low), F(low + width))
    assert inner_product(*inputs, low, low + width).item() == pytest.approx(float(exact), abs=1e-14)


def test_the_overlaps_on_the_line_and_their_signs():
    overlaps = [inner_product(1, 0, 1, d, -math.inf, math.inf) for d in range(-4, 5)]
    assert overlaps == [0, 0, F(-1, 216), F(5, 108), F(1, 4), F(5, 108), F(-1, 216), 0, 0]


@pytest.mark.parametrize(("j", "i"), [(0, 1), (0, 2), (1, 3), (0, 5)])
def test_semi_orthogonality_dyadic_scales_are_orthogonal_at_every_shift(j, i):
    for k in range(-2, 3):
        for m in range(2**i * (k - 3) // 2**j, 2**i * (k + 3) // 2**j + 1):
            assert inner_product(2**j, k, 2**i, m, -math.inf, math.inf) == 0


def test_a_ratio_that_is_not_a_power_of_two_is_not_orthogonal():
    assert any(inner_product(1, 0, F(3, 2), m, -math.inf, math.inf) != 0 for m in range(3))
    assert any(inner_product(1, 0, 3, m, -math.inf, math.inf) != 0 for m in range(7))


def test_sympy_in_sympy_out():
    value = inner_product(sp.Rational(3, 2), sp.Rational(-3, 2), 3, -3)
    assert value == 0 and isinstance(value, sp.Basic)
    root = inner_product(sp.sqrt(2), 0, 1, 0, -sp.oo, sp.oo)
    assert root.has(sp.sqrt(2)) and root == sp.expand(root)
    assert float(root) == pytest.approx(inner_product(math.sqrt(2), 0.0, 1.0, 0.0, -math.inf, math.inf), abs=1e-15)
    assert isinstance(inner_product(1.0, 0, 1, 1, 0, 4), float)


def test_broadcasting_and_dtypes():
    scale, shift = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.0, 0.5])
    table = inner_product(scale[:, None], shift, 1.5, -1.5)
    assert table.shape == (3, 2) and table.dtype == torch.float32
    exact = [[float(inner_product(F(int(a)), F(b), F(3, 2), F(-3, 2))) for b in (0, 0.5)] for a in scale.tolist()]
    torch.testing.assert_close(table, torch.tensor(exact, dtype=torch.float32), rtol=1e-6, atol=1e-8)


def test_a_zero_scale_is_a_constant():
    assert inner_product(0, F(-3, 2), 0, F(-3, 2)) == 2 * F(25, 36)
    assert inner_product(0.0, -1.5, 0.0, -1.5) == pytest.approx(50 / 36, abs=1e-15)
    with pytest.raises(ValueError, match="both scales are zero"):
        inner_product(0, -1, 0, -1, -math.inf, math.inf)
    with pytest.raises(ValueError, match="both scales are zero"):
        inner_product(0.0, -1.0, 0.0, -1.0, -math.inf, math.inf)


@pytest.mark.parametrize("exact", [True, False])
def test_bad_input_is_refused(exact):
    one = 1 if exact else 1.0
    with pytest.raises(ValueError, match="low must not exceed high"):
        inner_product(one, 0, 1, 0, 2, 1)
    with pytest.raises(TypeError, match="shift_a must be"):
        inner_product(one, "2", 1, 0)
    with pytest.raises(TypeError, match="scale_b must be a real number; got x"):
        inner_product(one, 0, sp.Symbol("x"), 0)
    with pytest.raises(ValueError, match="scale_a has 1 non-finite value"):
        inner_product(math.nan, 0, 1, 0)
    with pytest.raises(ValueError, match="end of the interval is NaN"):
        inner_product(one, 0, 1, 0, math.nan, 1)
    with pytest.raises(TypeError, match="either all exact or none"):
        inner_product(torch.tensor(1.0), 0, sp.Rational(1, 2), 0)


# Scales and ties


def close_to_exact(a, s, b, t, low, high):
    """Within 1e-13 of the size of the integral: the shorter of the interval and the narrower support."""
    exact = inner_product(*(F(v) for v in (a, s, b, t)), *(v if math.isinf(v) else F(v) for v in (low, high)))
    widest = max(abs(a), abs(b))
    size = min(high - low, 3 / widest if widest else math.inf)
    return abs(inner_product(a, s, b, t, low, high) - float(exact)) <= 1e-13 * size


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-math.inf, math.inf), (-1e200, 1e200), (-1e-200, 3e-200)])
def test_any_scale_and_shift_that_a_float_holds(low, high):
    scales = [1.0, -0.3, 1e-8, 1e150, 1e-300]
    for a, b in product(scales, scales):
        for s, t in [(0.0, -1.5), (-1.5, -1.5), (1e16, 1e16), (1e300, 0.0), (-1e-300, 0.5)]:
            assert close_to_exact(a, s, b, t, low, high), (a, s, b, t)
    if math.isfinite(low):
        assert close_to_exact(0.0, -1.5, 1e-300, -0.7, low, high)


SMALL = F(1, 10**9)


def difference_quotient(inputs, ends):
    for k in range(4):
        above, below = ([v + sign * SMALL * (j == k) for j, v in enumerate(inputs)] for sign in (1, -1))
        yield float((inner_product(*above, *ends) - inner_product(*below, *ends)) / (2 * SMALL))


@pytest.mark.parametrize("ends", [(F(-1), F(1)), (F(0), F(3)), (-math.inf, math.inf)], ids=str)
def test_gradients_where_knots_coincide_or_meet_an_end(ends):
    """All of these have knots on one another or on -1, 0, 1 or 3; a slope on a knot would be the wrong one."""
    scales, shifts = (F(1), F(-2)), (F(0), F(1, 2), F(-1))
    for inputs in product(scales, shifts, scales, shifts):
        leaves = [torch.tensor(float(v), dtype=torch.float64, requires_grad=True) for v in inputs]
        value = inner_product(*leaves, *(float(end) for end in ends))
        gradients = torch.autograd.grad(value, leaves)
        for got, expected in zip(gradients, difference_quotient(inputs, ends), strict=True):
            assert got.item() == pytest.approx(expected, abs=1e-7), inputs


def second_difference(inputs, j, k):
    def moved(up, across):
        inputs_ = list(inputs)
        inputs_[j] += up * SMALL
        inputs_[k] += across * SMALL
        return inner_product(*inputs_, -math.inf, math.inf)

    return float((moved(1, 1) - moved(1, -1) - moved(-1, 1) + moved(-1, -1)) / (4 * SMALL**2))


@pytest.mark.parametrize(("a", "b"), [(F(1), F(1)), (F(1), F(-2)), (F(1, 2), F(-1, 4))])
def test_second_derivatives_where_knots_coincide(a, b):
    """On the line the integral has two continuous derivatives, so those of exact differences are the truth at a tie."""
    for s, t in product((F(0), F(1, 2)), (F(0), F(1, 2), F(-1))):
        leaves = [torch.tensor(float(v), dtype=torch.float64, requires_grad=True) for v in (a, s, b, t)]
        value = inner_product(*leaves, -math.inf, math.inf)
        gradient = torch.autograd.grad(value, leaves, create_graph=True)
        for j, k in combinations_with_replacement(range(4), 2):
            second = torch.autograd.grad(gradient[j], leaves[k], retain_graph=True)[0].item()
            assert second == pytest.approx(second_difference((a, s, b, t), j, k), rel=1e-7, abs=1e-7), (s, t, j, k)


def test_a_mistake_gets_a_sentence():
    for call, error, words in [
        (lambda: inner_product(torch.ones(2), torch.ones(3), 1.0, 0.0), ValueError, r"must broadcast.*scale_a \(2,\)"),
        (lambda: inner_product(1.0, 0.0, 1.0, 0.0, "a", 1), TypeError, "low must be a number"),
        (lambda: inner_product(1.0, 0.0, 1.0, 0.0, 0, [1]), TypeError, "high must be a number"),
        (lambda: inner_product([1.0], 0, sp.Rational(1, 2), 0), TypeError, "scale_a must be a real number"),
        (lambda: inner_product(sp.Integer(1), "2", 1, 0), TypeError, "shift_a must be a real number; got '2'"),
        (lambda: inner_product(1.0, 10**400, 1, 0), ValueError, "shift_a is 1000.*too large for float64"),
    ]:
        with pytest.raises(error, match=words):
            call()


def test_numbers_need_no_device():
    with torch.device("meta"):
        assert inner_product(1.0, 0.0, 1.0, 1.0, 0.0, 4.0) == pytest.approx(5 / 108)
