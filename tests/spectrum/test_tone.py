"""One tone with a bias: the closed form against high-precision integrals, its symmetries and its derivatives."""

import math

import mpmath
import pytest
import torch

from relunb.spectrum import tone_harmonics
from tests.tolerance import DEVICES

PAIRS = [
    (1.0, 0.0),
    (1.0, 0.3),
    (1.0, -0.3),
    (2.5, 1.7),
    (1.0, -0.999999),
    (0.2, 1.0),
    (0.2, -1.0),
    (1.0, 1.0),
    (0, 0.5),
]


def exact(a: float, b: float, n: int) -> float:
    """The closed form to 60 digits."""
    with mpmath.workdps(60):
        a, b = mpmath.mpf(a), mpmath.mpf(b)
        if abs(b) >= a:
            return float(((b, a)[n] if n < 2 else 0) if b > 0 else 0)
        t = mpmath.acos(-b / a)
        share = [t if k == 0 else mpmath.sin(k * t) / k for k in (n - 1, n, n + 1)]
        return float((a * (share[0] + share[2]) + 2 * b * share[1]) / mpmath.pi / (1 if n else 2))


def line(a: float, b: float, n: int) -> float:
    """The definition: twice the mean of ReLU(a cos t + b) cos nt over a period, once for n = 0."""
    with mpmath.workdps(25):
        a, b = mpmath.mpf(a), mpmath.mpf(b)
        kinks = [0, mpmath.acos(-b / a), mpmath.pi] if abs(b) < abs(a) else [0, mpmath.pi]
        value = mpmath.quad(lambda t: max(a * mpmath.cos(t) + b, 0) * mpmath.cos(n * t), kinks)
        return float(value / mpmath.pi * (2 if n else 1))


@pytest.mark.parametrize(("a", "b"), [*PAIRS, (-1.0, 0.3)])
def test_lines_are_the_fourier_integrals(a, b):
    lines = tone_harmonics(a, b, n_harmonics=7)
    assert lines.dtype == torch.float64 and lines.shape == (8,)
    for n, value in enumerate(lines.tolist()):
        assert abs(value - line(a, b, n)) < 3e-16 * (abs(a) + abs(b)) * 4, (n, value)


def test_without_a_bias_dc_is_a_over_pi_and_odd_harmonics_are_exactly_zero():
    lines = tone_harmonics(torch.tensor([2.0, -2.0], dtype=torch.float64), n_harmonics=9)
    k = torch.arange(1, 5, dtype=torch.float64)
    even = 2 * 2.0 * (-1.0) ** (k + 1) / (math.pi * (4 * k**2 - 1))
    torch.testing.assert_close(lines[:, 2::2], even.expand(2, -1), rtol=1e-14, atol=0)
    torch.testing.assert_close(lines[:, 0], torch.full((2,), 2 / math.pi, dtype=torch.float64))
    assert lines[:, 1].tolist() == pytest.approx([1.0, -1.0], rel=1e-15)
    assert torch.count_nonzero(lines[:, 3::2]) == 0


def test_a_bias_that_outweighs_the_tone_makes_relu_linear_or_nothing():
    assert tone_harmonics(0.5, 0.75, 3).tolist() == pytest.approx([0.75, 0.5, 0, 0], rel=1e-15, abs=0)
    assert tone_harmonics(0.5, -0.75, 3).tolist() == [0, 0, 0, 0]
    assert tone_harmonics(0.0, 0.0, 2).tolist() == [0, 0, 0]


def test_power_of_the_lines_is_the_mean_square_of_the_signal():
    """Parseval. The lines fall like k^-2, so the tail of the power beyond n falls like n^-3."""
    t = torch.arange(100_000, dtype=torch.float64) / 100_000 * 2 * math.pi
    for b in (0.0, 0.4, -0.4):
        power = (torch.cos(t) + b).relu().square().mean()
        lines = tone_harmonics(1.0, b, n_harmonics=400)
        assert abs(lines[0] ** 2 + lines[1:].square().sum() / 2 - power) < 1e-8


def test_derivatives_even_where_the_tone_or_the_bias_is_zero():
    a = torch.tensor([1.0, -1.0, 0.3, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.3, -0.2, 1.0, 0.4, 0.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: tone_harmonics(a, b, 5), (a, b))
    assert torch.autograd.gradgradcheck(lambda a, b: tone_harmonics(a, b, 5), (a, b))


def test_derivatives_where_relu_just_begins_to_switch_are_finite():
    a = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64, requires_grad=True)
    grads = torch.autograd.grad(tone_harmonics(a, b, 4)[:, 0].sum(), (a, b))
    assert grads[0].tolist() == pytest.approx([0, 0, 0], abs=1e-16)
    assert grads[1].tolist() == pytest.approx([1, 0, 0], rel=1e-15, abs=0)


@pytest.mark.parametrize("device", DEVICES)
def test_batches_broadcast_and_keep_dtype_and_device(device):
    a = torch.rand(3, 1, dtype=torch.float32, device=device)
    b = torch.rand(4, dtype=torch.float32, device=device) - 0.5
    lines = tone_harmonics(a, b, 2)
    assert lines.shape == (3, 4, 3) and lines.dtype == torch.float32 and lines.device.type == device
    double = tone_harmonics(a.double(), b.double(), 2)
    torch.testing.assert_close(lines.double(), double, rtol=0, atol=1e-6)


def test_bad_input_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="n_harmonics must be at least 0; got -1"):
        tone_harmonics(1.0, n_harmonics=-1)
    with pytest.raises(TypeError, match="n_harmonics must be an integer"):
        tone_harmonics(1.0, n_harmonics=2.0)
    with pytest.raises(ValueError, match=r"amplitude has 1 non-finite value; the first is at \(1,\)"):
        tone_harmonics(torch.tensor([1.0, math.nan]))
    with pytest.raises(ValueError, match="bias has 1 non-finite value"):
        tone_harmonics(1.0, math.inf)
    with pytest.raises(ValueError, match="amplitude is empty"):
        tone_harmonics(torch.zeros(0))
    with pytest.raises(TypeError, match="must be real"):
        tone_harmonics(torch.zeros(1, dtype=torch.complex64))
    with pytest.raises(TypeError, match="amplitude must be a number"):
        tone_harmonics("loud")
    with pytest.raises(TypeError, match="float64 or float32"):
        tone_harmonics(torch.ones(1, dtype=torch.float16))


@pytest.mark.parametrize("b", [0.0, 0.3, -0.3, 0.999, -0.999, 1 - 1e-10, -1 + 1e-10, 1.0, -1.0, 1e-8, -1e-20])
def test_lines_of_any_order_keep_their_digits_near_both_ends(b):
    """A line is a difference of numbers n times as large, or 1/t0^2 times: neither is formed."""
    lines = tone_harmonics(1.0, b, 1000)
    for n in (0, 1, 2, 3, 4, 7, 10, 31, 100, 999, 1000):
        # One rounding of the angle n t0 moves the line n by about eps / n.
        assert lines[n].item() == pytest.approx(exact(1.0, b, n), rel=2e-14 * max(n, 1), abs=2e-16 / max(n, 1)), n


@pytest.mark.parametrize("exponent", [-1070, -1022, -540, -3, 5, 540, 1022])
def test_a_power_of_two_scales_every_digit(exponent):
    a = torch.tensor([1.0, -1.5, 0.5, 0.0, 1.0], dtype=torch.float64)
    b = torch.tensor([0.25, -0.5, 0.5, 1.0, -1.0], dtype=torch.float64)
    for samples in (None, 16):
        plain = tone_harmonics(a, b, 8, samples_per_period=samples)
        scaled = tone_harmonics(a * 2.0**exponent, b * 2.0**exponent, 8, samples_per_period=samples)
        assert torch.equal(scaled, plain * 2.0**exponent)
    float32 = tone_harmonics(torch.tensor(1e-25), n_harmonics=1)
    assert float32.tolist() == pytest.approx([1e-25 / math.pi, 5e-26], rel=1e-6)
    assert tone_harmonics(torch.tensor(1e20), torch.tensor(5e19), 0).item() == pytest.approx(6.0899783e19, rel=1e-6)


@pytest.mark.parametrize("samples", [1, 2, 3, 4, 5, 8, 9, 12, 16, 101])
def test_lines_of_samples_are_what_a_fourier_transform_reads(samples):
    """Small integers, ties and samples on the kink among them."""
    phase = torch.arange(samples, dtype=torch.float64) * (2 * math.pi / samples)
    a, b = (v.flatten() for v in torch.meshgrid(*[torch.tensor([-2, -1, -0.3, 0, 0.5, 1]).double()] * 2, indexing="ij"))
    x = (a[:, None] * torch.cos(phase) + b[:, None]).relu()
    k = torch.arange(samples // 2 + 1)
    measured = torch.fft.rfft(x).real * torch.where((k == 0) | (2 * k == samples), 1, 2) / samples
    lines = tone_harmonics(a, b, samples // 2, samples_per_period=samples)
    torch.testing.assert_close(lines, measured, rtol=0, atol=2e-15)


def test_lines_of_samples_are_sums_of_aliases_and_the_dc_has_its_bounds():
    lines = tone_harmonics(1.0, 0.3, 200_000)
    sampled = tone_harmonics(1.0, 0.3, 5, samples_per_period=64)
    for k in range(6):
        aliases = lines[k::64].sum() + (lines[64 - k :: 64].sum() if k else 0)
        assert sampled[k].item() == pytest.approx(aliases.item(), abs=1e-9)
    for samples in (16, 32, 4098, 2**32):  # between cot(pi/P)/P and 1/(P sin(pi/P)), which is reached
        dc = tone_harmonics(1.0, 0.0, 0, samples_per_period=samples).item()
        ends = 1 / math.tan(math.pi / samples) / samples, 1 / math.sin(math.pi / samples) / samples
        assert dc == pytest.approx(ends[samples % 4 // 2], rel=1e-15)
    a = torch.tensor([1.0, -0.7], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.31, -0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: tone_harmonics(a, b, 5, samples_per_period=11), (a, b))


def test_what_does_not_fit_is_refused_at_once_and_by_the_right_name():
    with pytest.raises(ValueError, match="bias has 1e.300, which torch.float32 cannot hold"):
        tone_harmonics(torch.tensor(1.0), 1e300, 1)
    with pytest.raises(ValueError, match="amplitude of shape .3,. and bias of shape .2,. do not broadcast"):
        tone_harmonics([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="n_harmonics=1000000000000 asks for 1,000,000,000,001 numbers"):
        tone_harmonics(1.0, n_harmonics=10**12)
    with pytest.raises(
        ValueError, match="n_harmonics must be at most 2, the highest line of 4 samples a period; got 8"
    ):
        tone_harmonics(1.0, samples_per_period=4)
    with pytest.raises(ValueError, match="samples_per_period must be at most 4,294,967,296"):
        tone_harmonics(1.0, samples_per_period=10**10)
