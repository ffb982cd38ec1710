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
