"""Lines at combinations of frequencies: published digits, a torus, the parity rule, high orders, gradients."""

import math

import mpmath
import pytest
import torch

from relunb.spectrum import _intermodulation as module
from relunb.spectrum import commensurate_dc, intermodulation, multitone_dc, tone_harmonics
from tests.tolerance import DEVICES


def on_a_torus(a: list[float], bias: float, points: int = 1024) -> torch.Tensor:
    """The definition: the lines of ReLU over independent phases, by a Fourier transform in each."""
    t = torch.arange(points, dtype=torch.float64) / points * 2 * math.pi
    x = bias + sum(v * torch.cos(t).reshape([-1 if i == j else 1 for j in range(len(a))]) for i, v in enumerate(a))
    return torch.fft.fftn(torch.as_tensor(x).relu(), norm="forward").real


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("orders", "value"),
    [
        ((1, 1), 0.15401225078531763),
        ((2, 0), 0.17435371646489801),
        ((0, 2), 0.02034146567953483),
        ((2, 2), -0.01859757074935),
        ((3, 1), -0.03893903642888657),
        ((1, 3), -0.00174389493018),
        ((1, 0), 0.5),
        ((0, 1), 0.25),
        ((0, 0), 0.338536700090028602),
    ],
)
def test_the_lines_of_one_and_one_half(orders, value, device):
    line = intermodulation(torch.tensor([1.0, 0.5], dtype=torch.float64, device=device), orders)
    assert line.item() == pytest.approx(value, abs=2e-12) and line.device.type == device


def test_odd_orders_from_three_on_are_exactly_zero_and_order_one_is_exactly_half():
    generator = torch.Generator().manual_seed(0)
    a = torch.rand(10, 3, dtype=torch.float64, generator=generator)
    for orders in ((3, 0, 0), (1, 1, 1), (2, 1, 0), (0, 5, 0), (2, -2, 1)):
        assert torch.count_nonzero(intermodulation(a, orders)) == 0
    assert (intermodulation(a, (0, 1, 0)) == a[:, 1] / 2).all()


def test_sum_and_difference_tones_are_equal_and_a_flipped_tone_flips_odd_orders():
    a = torch.tensor([1.0, 0.5, 0.2], dtype=torch.float64)
    assert (
        intermodulation(a, (1, 1, 0)) == intermodulation(a, (1, -1, 0)) == intermodulation(a, torch.tensor([-1, 1, 0]))
    )
    flipped = a * torch.tensor([1, -1, 1])
    assert intermodulation(flipped, (1, 1, 0)) == -intermodulation(a, (1, 1, 0))
    assert intermodulation(flipped, (0, 2, 0)) == intermodulation(a, (0, 2, 0))


@pytest.mark.parametrize("a", [[1.0, 0.5], [1.0, 1.0], [-0.7, 1.0]])
@pytest.mark.parametrize("bias", [0.0, 0.3, -0.4, 1.2])
def test_two_tones_and_a_bias_against_a_torus(a, bias):
    torus = on_a_torus(a, bias)
    for k in ((0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (3, 0), (2, 2), (5, 2), (0, 7), (4, 6)):
        expected = torus[k].item() * (2 if any(k) else 1)
        # The torus is sampled: what it leaves out is of the size of 1 / points^2.
        assert intermodulation(a, k, bias).item() == pytest.approx(expected, abs=1e-6), k


def test_three_tones_against_a_torus():
    a = [1.0, 0.6, 0.45]
    torus = on_a_torus(a, 0.1, points=192)
    for k in ((1, 1, 0), (0, 1, 1), (1, 1, 1), (2, 1, 1), (0, 0, 2), (3, 2, 0)):
        assert intermodulation(a, k, 0.1).item() == pytest.approx(2 * torus[k].item(), abs=2e-6), k


@pytest.mark.parametrize("order", [1, 2, 5, 6, 12, 20, 33])
def test_one_tone_is_its_closed_form_and_so_is_a_tone_beside_a_silent_one(order):
    for bias in (0.0, 0.3):
        closed = tone_harmonics(1.0, bias, order)[-1].item()
        assert intermodulation([1.0], [order], bias).item() == closed
        assert intermodulation([1.0, 0.0], [order, 0], bias).item() == pytest.approx(closed, abs=1e-11)
    assert intermodulation([1.0, 0.0], [0, order]).item() == 0


@pytest.mark.parametrize("bias", [0.0, 0.2])
@pytest.mark.parametrize("orders", [(1, 1, 2), (2, 0, 2), (0, 0, 2)])
def test_a_silent_tone_of_order_two_has_a_second_derivative(orders, bias):
    """A line of order 2 begins with the square of its tone: twice its coefficient, found from two small tones."""
    a = torch.tensor([1.0, 0.7, 0.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(intermodulation(a, orders, bias), a, create_graph=True)
    (second,) = torch.autograd.grad(slope[2], a)
    near, far = (intermodulation([1.0, 0.7, e], orders, bias).item() / e**2 for e in (0.01, 0.02))
    assert second[2].item() == pytest.approx(2 * (4 * near - far) / 3, rel=1e-5)


def test_power_of_all_lines_is_the_mean_square():
    """Parseval for two tones: ReLU keeps half of the power. Orders up to 6 leave out what falls like |k|^-3."""
    a = torch.tensor([1.0, 0.7], dtype=torch.float64)
    power = multitone_dc(a) ** 2
    for first in range(7):
        for second in range(-6 if first else 1, 7):
            if (first + second) % 2 == 0 or abs(first) + abs(second) == 1:
                power = power + intermodulation(a, (first, second)) ** 2 / 2
    assert power.item() == pytest.approx((1 + 0.49) / 4, abs=5e-4)
    assert power.item() < (1 + 0.49) / 4


def test_small_tones_of_high_order_beside_tones_that_cancel():
    """Here the parts of the rotated integral would cancel by 1e16; the sum is used, and the line is about a^k."""
    line = intermodulation([1.0, 1.0, 0.1], (0, 0, 10)).item()
    assert abs(line) < 1e-4
    nearly = intermodulation([1.0, 0.9, 0.1], (0, 0, 10)).item()
    assert abs(line - nearly) < 1e-4 and math.isfinite(line)


@pytest.mark.parametrize("orders", [(1, 1), (2, 0), (1, 0), (2, 1), (0, 3), (0, 0)])
def test_two_derivatives(orders):
    a = torch.tensor([[0.8, 0.3], [0.5, -0.9], [0.6, 0.0]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.1, -0.2, 0.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: intermodulation(a, orders, b), (a, b))
    assert torch.autograd.gradgradcheck(lambda a, b: intermodulation(a[:2], orders, b[:2]), (a, b))


def test_a_bias_that_outweighs_the_tones_leaves_the_input_or_nothing():
    a = [1.0, 0.5]
    assert intermodulation(a, (0, 1), 2.0).item() == 0.5 and intermodulation(a, (0, 1), -2.0).item() == 0
    assert intermodulation(a, (1, 1), 2.0).item() == 0 and intermodulation(a, (1, 2), -2.0).item() == 0


def test_bad_input_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="one integer a tone: 2; got 3"):
        intermodulation([1, 1], (1, 1, 1))
    with pytest.raises(TypeError, match="each order must be an integer; got 1.5"):
        intermodulation([1, 1], (1, 1.5))
    with pytest.raises(ValueError, match="non-finite"):
        intermodulation([1, math.nan], (1, 1))
    with pytest.raises(ValueError, match="single number"):
        intermodulation(1.0, (1,))


def weber_schafheitlin(b: float, m: int, n: int) -> float:
    """The line (m, n) of tones 1 and b < 1 for an even m + n: a hypergeometric function, to 40 digits."""
    with mpmath.workdps(40):
        b, g = mpmath.mpf(b), mpmath.gamma
        above = b**n * g(mpmath.mpf(m + n - 1) / 2)
        below = 4 * g(n + 1) * g(mpmath.mpf(m - n + 3) / 2)
        integral = above / below * mpmath.hyp2f1(mpmath.mpf(n + m - 1) / 2, mpmath.mpf(n - m - 1) / 2, n + 1, b**2)
        return float((-1) ** ((m + n) // 2 + 1) * 2 / mpmath.pi * integral)


@pytest.mark.parametrize("orders", [(1, 1), (2, 0), (7, 1), (1, 7), (8, 2), (30, 10), (100, 4), (500, 500), (2000, 2)])
def test_lines_of_two_tones_of_any_order_are_hypergeometric(orders):
    bound = 1e-10 if max(orders) <= 6 else 1e-16
    for b in (0.5, 0.9):
        assert abs(intermodulation([1.0, b], orders).item() - weber_schafheitlin(b, *orders)) < bound
        assert abs(intermodulation([b, -1.0], orders[::-1]).item()) == pytest.approx(
            abs(weber_schafheitlin(b, *orders)), abs=bound
        )


def test_the_two_routes_of_two_tones_agree():
    for orders in ((7, 1), (0, 8), (12, 0), (7, 2)):
        for a in ([1.0, 0.5], [-0.7, 1.0]):
            for bias in (0.0, 0.6, -0.6, 1.9):
                rows, b = torch.tensor([a], dtype=torch.float64), torch.tensor([bias], dtype=torch.float64)
                integral = module._line_of_many(rows, b, list(orders))
                assert abs(intermodulation(a, orders, bias) - integral.item()) < 2e-12, (orders, a, bias)


def test_related_frequencies_differ_by_the_lines_that_fall_on_zero():
    """k w_1 + m w_2 = 0 for w_2 = 30 w_1: lines (30 m, m)."""
    moved = sum(intermodulation([1.0, 0.7], [30 * m, m]).item() for m in range(2, 100, 2))
    difference = commensurate_dc([1.0, 0.7], [1, 30]).item() - multitone_dc([1.0, 0.7]).item()
    assert moved == pytest.approx(difference, abs=2e-7)  # what is left out falls like the order to the -5/2


@pytest.mark.parametrize("exponent", [-1070, -500, 5, 500, 1021])
def test_a_power_of_two_scales_every_digit(exponent):
    a = torch.tensor([[1.0, 0.75], [1.0, 1.0], [0.5, 0.0]], dtype=torch.float64)
    for orders in ((1, 1), (2, 0), (9, 1), (1, 0)):
        for bias in (0.0, 0.25):
            scaled = intermodulation(a * 2.0**exponent, orders, bias * 2.0**exponent)
            assert torch.equal(scaled, intermodulation(a, orders, bias) * 2.0**exponent)
    assert intermodulation([1e-200], [2]).item() == pytest.approx(2e-200 / (3 * math.pi), rel=1e-14)


def test_orders_that_would_never_end_are_refused_and_others_end():
    assert abs(intermodulation([1.0, 0.5], [10**4] * 2).item()) < 1e-15
    assert intermodulation([1.0], [10**6]).item() == pytest.approx(-2 / math.pi / 1e12, rel=1e-9)
    assert abs(intermodulation([1.0, 0.1], [2, 300]).item()) < 1e-15
    assert abs(intermodulation([1.0, 0.1, 0.05], [2, 300, 0]).item()) < 1e-10
    with pytest.raises(ValueError, match="orders add up to 2,000,000 in size, and 1,000,000 is the limit for 2 tones"):
        intermodulation([1.0, 0.5], [10**6] * 2)
    with pytest.raises(ValueError, match="10,000 is the limit for 3 tones"):
        intermodulation([1.0, 0.5, 0.2], [10**4, 1, 1])
    with pytest.raises(TypeError, match="orders must be a flat list of integers, one a tone; got 3"):
        intermodulation([1.0, 0.5], 3)


def test_a_line_of_high_order_has_a_gradient():
    a = torch.tensor([1.0, 0.6], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: intermodulation(a, (8, 2)), a, atol=1e-7)


@pytest.mark.parametrize(
    ("rows", "orders", "gradient", "words"),
    [
        (1_000, [7, 1], True, "1,000 rows at orders that add up to 8 are too many with a gradient: 128 is the limit"),
        (100_000, [7, 1], False, "16,384 is the limit. Split the rows"),
        (1_000, [100, 100, 100], False, "333 is the limit. Split the rows"),
    ],
)
def test_rows_that_take_minutes_or_all_memory_are_refused(rows, orders, gradient, words):
    amplitudes = torch.ones(rows, len(orders), dtype=torch.float64, requires_grad=gradient)
    with pytest.raises(ValueError, match=words):
        intermodulation(amplitudes, orders)
