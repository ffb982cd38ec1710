"""The cut binomial series: coefficients, domain, exact errors, and the lines of a tone."""

import math
from fractions import Fraction

import pytest
import torch

from relunb.spectrum import (
    abs_series_coefficients,
    amplitude_spectrum,
    relu_series,
    series_sup_error,
    series_tone_harmonics,
    tone_harmonics,
)
from tests.tolerance import DEVICES


def binomial_half(n: int) -> Fraction:
    value = Fraction(1)
    for k in range(n):
        value *= (Fraction(1, 2) - k) / (k + 1)
    return value


def four_tones(t: torch.Tensor | None = None) -> torch.Tensor:
    if t is None:
        t = torch.arange(8192, dtype=torch.float64) / 1024
    return sum((torch.cos(2 * math.pi * f * t) for f in (10, 5, 20, 40)), torch.zeros_like(t))


def test_coefficients_are_the_binomials_of_one_half():
    exact = [float(binomial_half(n)) for n in range(60)]
    assert abs_series_coefficients(60).tolist() == pytest.approx(exact, rel=1e-14)
    assert abs_series_coefficients(1).tolist() == [1.0]
    assert abs(abs_series_coefficients(200_000).abs().sum().item() - 2) < 0.003  # and so it converges on |m| <= 1


@pytest.mark.parametrize("n_terms", [1, 2, 8, 50, 500])
def test_sup_error_is_the_error_at_zero_and_nowhere_else(n_terms):
    center = 8.0
    bound = series_sup_error(n_terms, center)
    exact = math.sqrt(center) * math.comb(2 * n_terms - 2, n_terms - 1) / 4 ** (n_terms - 1)
    assert bound == pytest.approx(exact, rel=1e-13)
    x = torch.linspace(-4, 4, 100_001, dtype=torch.float64)
    error = 2 * (relu_series(x, n_terms, center) - x.relu())
    assert abs(error.max().item() - bound) < 1e-12 and error.argmax() == 50_000
    assert error.abs().max() == error.max()
    if n_terms > 1:
        low, high = math.sqrt(center / math.pi / (n_terms - 0.5)), math.sqrt(center / math.pi / (n_terms - 0.75))
        assert low < bound < high


def test_sup_error_of_the_papers_signal_and_for_tensors():
    assert series_sup_error(50, 8) == pytest.approx(0.0803932 * math.sqrt(8), abs=1e-6)
    centers = torch.tensor([1.0, 4.0], dtype=torch.float64)
    assert series_sup_error(8, centers).tolist() == pytest.approx([0.20947265625, 0.4189453125], rel=1e-14)


def test_fifty_terms_of_the_papers_signal_miss_relu_by_1710_parts_in_100000():
    """1.710 % relative RMS against ReLU on the samples of the authors' script, which include the end point; 1.711 % in
    continuous time. The script compares with its input and prints 0.694 %."""
    script = torch.linspace(0, 8, 8192, dtype=torch.float64)
    period = torch.arange(200_000, dtype=torch.float64) / 1e6
    for times, expected in ((script, 0.017099), (period, 0.017112)):
        y = four_tones(times)
        error = relu_series(y, 50) - y.relu()
        assert math.sqrt(error.square().mean() / y.relu().square().mean()) == pytest.approx(expected, abs=1e-6)
        assert error.abs().max() < series_sup_error(50, 8) / 2


def test_scaling_the_signal_scales_the_answer_and_changes_nothing_else():
    y = four_tones()
    torch.testing.assert_close(relu_series(1e-4 * y, 50), 1e-4 * relu_series(y, 50), rtol=0, atol=1e-18)


def test_the_default_center_is_the_smallest_that_converges_for_each_signal():
    y = torch.stack([four_tones(), 3 * four_tones()])
    together = relu_series(y, 20)
    torch.testing.assert_close(together[0], relu_series(y[0], 20, center=8.0), rtol=0, atol=1e-14)
    torch.testing.assert_close(together[1], relu_series(y[1], 20, center=72.0), rtol=0, atol=1e-13)
    given = relu_series(y, 20, center=torch.tensor([8.0, 72.0], dtype=torch.float64))
    torch.testing.assert_close(given, together, rtol=0, atol=1e-13)


def test_a_center_too_small_is_refused_and_one_rounding_too_small_is_not():
    y = four_tones()
    with pytest.raises(ValueError, match="center is too small.*x\\^2 reaches 4 times that. Use at least 8"):
        relu_series(y, 50, center=2.0)  # the mean power, where 50 terms would reach 1e38
    relu_series(y, 5, center=math.nextafter(8.0, 0))
    for center in (0.0, -1.0):
        with pytest.raises(ValueError, match="center must be positive"):
            relu_series(y, 5, center=center)
        with pytest.raises(ValueError, match="center must be positive"):
            series_sup_error(5, center)
    with pytest.raises(ValueError, match="n_terms must be at least 1; got 0"):
        relu_series(y, 0)
    with pytest.raises(ValueError, match="n_terms must be at least 1; got -3"):
        abs_series_coefficients(-3)
    with pytest.raises(ValueError, match="x is empty"):
        relu_series(torch.zeros(2, 0), 3)
    with pytest.raises(ValueError, match=r"x has 2 non-finite values; the first is at \(0,\)"):
        relu_series(torch.tensor([math.inf, 1.0, math.nan]), 3)


def test_silence_gives_silence():
    assert relu_series(torch.zeros(2, 5), 4).tolist() == torch.zeros(2, 5).tolist()
    y = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(relu_series(y, 4).sum(), y)
    assert grad.tolist() == [0.5, 0.5, 0.5]


def test_derivative_of_the_series():
    x = torch.tensor([-0.9, -0.2, 0.0, 0.4, 1.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: relu_series(x, 6, center=1.0), x)
    assert torch.autograd.gradcheck(lambda x: relu_series(x, 6), x)  # the center moves with the largest sample


@pytest.mark.parametrize("device", DEVICES)
def test_float32_stays_float32_on_its_device(device):
    x = torch.linspace(-2, 2, 101, device=device)
    series = relu_series(x, 12)
    assert series.dtype == torch.float32 and series.device.type == device
    torch.testing.assert_close(series.double(), relu_series(x.double(), 12), rtol=0, atol=1e-6)


@pytest.mark.parametrize("n_terms", [1, 2, 3, 8, 50])
def test_lines_of_the_cut_series_are_those_of_the_sampled_polynomial(n_terms):
    t = torch.arange(1024, dtype=torch.float64) / 1024 * 2 * math.pi
    for amplitude in (1.0, -2.0):
        lines = series_tone_harmonics(amplitude, n_terms, n_harmonics=120)
        _, measured = amplitude_spectrum(relu_series(amplitude * torch.cos(t), n_terms), 1024)
        torch.testing.assert_close(lines.abs(), measured[:121], rtol=0, atol=3e-15)
        assert torch.count_nonzero(lines[max(2, 2 * n_terms - 1) :]) == 0  # a polynomial has no line above its degree


def test_dc_of_the_cut_series_starts_at_sqrt_two_over_four_and_closes_in_on_one_over_pi():
    dc = [series_tone_harmonics(1.0, n, 0).item() for n in (1, 2, 3, 4, 8, 50)]
    assert dc == pytest.approx([2**0.5 / 4, 2**0.5 / 4, 0.3314563, 0.3314563, 0.3240115, 0.3191228], abs=5e-8)
    excess = [series_tone_harmonics(1.0, n, 0).item() - 1 / math.pi for n in (400, 800)]
    assert excess[0] == pytest.approx(1 / (8 * math.pi * 400), rel=0.01)
    assert excess[0] / excess[1] == pytest.approx(2, rel=0.01)  # an error of order 1/N
    many = series_tone_harmonics(1.0, 4000, 4)
    torch.testing.assert_close(many, tone_harmonics(1.0, n_harmonics=4), rtol=0, atol=2e-5)
    assert torch.autograd.gradcheck(
        lambda a: series_tone_harmonics(a, 6, 4), torch.tensor([1.0, -0.5], dtype=torch.float64, requires_grad=True)
    )


@pytest.mark.parametrize("exponent", [-1000, -500, 6, 500, 1022])
def test_a_power_of_two_scales_every_digit(exponent):
    """No square of the signal is formed: 1e-23 in float32 gave half of the signal, 2e19 gave NaN."""
    x = torch.tensor([[1.0, -0.5, 0.25, -1.0], [0.0, 0.0, 1.5, 0.75]], dtype=torch.float64)
    assert torch.equal(relu_series(x * 2.0**exponent, 20), relu_series(x, 20) * 2.0**exponent)
    lines = series_tone_harmonics(torch.tensor([1.5, -1.0]).double() * 2.0**exponent, 9)
    assert torch.equal(lines, series_tone_harmonics([1.5, -1.0], 9) * 2.0**exponent)
    assert relu_series(torch.tensor([1e-23]), 20).item() == pytest.approx(
        relu_series([1.0], 20).item() * 1e-23, rel=1e-5
    )
    assert relu_series(torch.tensor([2e19]), 20).item() == pytest.approx(relu_series([1.0], 20).item() * 2e19, rel=1e-5)


def test_the_slope_where_two_samples_are_the_largest_is_shared():
    x = torch.tensor([1.0, -1.0, 0.5], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(relu_series(x, 3).sum(), x)
    fixed = torch.autograd.grad(relu_series(x, 3, center=0.5).sum(), x)[0]
    moved = grad - fixed
    assert moved[2] == 0 and moved[0].item() == pytest.approx(-moved[1].item()) != 0


def test_a_million_terms_of_the_bound_and_of_the_lines_need_no_time():
    assert series_sup_error(3 * 10**8, 1.0) == pytest.approx(1 / math.sqrt(math.pi * (3 * 10**8 - 0.75)), rel=1e-15)
    for n in (1000, 1001, 1002, 5000):  # on both sides of where the product ends
        exact = float(Fraction(math.comb(2 * n - 2, n - 1), 4 ** (n - 1)))
        assert series_sup_error(n, 1.0) == pytest.approx(exact, rel=1e-13)
    many = series_tone_harmonics(1.0, 1_000_000, 8)
    torch.testing.assert_close(many, tone_harmonics(1.0, n_harmonics=8), rtol=0, atol=1e-7)
    with pytest.raises(ValueError, match="n_terms must be at most 10,000,000"):
        abs_series_coefficients(10**9)
    with pytest.raises(ValueError, match="n_terms must be at most 1,000,000"):
        relu_series([1.0], 10**7)
    with pytest.raises(ValueError, match="10,000,000 terms of 10,001 lines take too long"):
        series_tone_harmonics(1.0, 10**7, 10**4)
    with pytest.raises(ValueError, match="center of shape .3, 1. and x of shape .2, 4. do not broadcast"):
        relu_series(torch.ones(2, 4), 3, center=torch.ones(3))
