"""The DC of many tones: closed forms, high-precision integrals, bounds, limits, gradients, and every route to it."""

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relunb.spectrum import _phase_mean as phase_mean
from relunb.spectrum import commensurate_dc, multitone_dc, tone_harmonics
from relunb.spectrum._factors import BesselFactor
from tests.tolerance import DEVICES

RELATIVE = 1e-10  # ten times better than what the function has to hold


def two_tones(a: float, b: float) -> mpmath.mpf:
    """Bennett's closed form, a walk of two steps over pi."""
    a, b = mpmath.mpf(a), mpmath.mpf(b)
    return 2 / mpmath.pi**2 * (a + b) * mpmath.ellipe(min(4 * a * b / (a + b) ** 2, 1))


def three_tones(a: float, b: float, c: float) -> float:
    """The mean of the closed form of two over the phase of the third: an integral with a kink at a known place."""
    with mpmath.workdps(30):
        a, b, c = (mpmath.mpf(v) for v in (a, b, c))

        def length(phase):
            return mpmath.sqrt(a * a + b * b + 2 * a * b * mpmath.cos(phase))

        cosine = (c * c - a * a - b * b) / (2 * a * b)
        kinks = [mpmath.acos(max(-1, min(1, cosine))), mpmath.pi]
        close = [kink + sign * mpmath.mpf(10) ** -n for kink in kinks for n in range(1, 8) for sign in (-1, 1)]
        ends = sorted({mpmath.mpf(0), *kinks, *(point for point in close if 0 < point < mpmath.pi)})
        value = mpmath.quad(lambda phase: two_tones(length(phase), c), ends)
        return float(value / mpmath.pi)


def gamma_walk() -> float:
    """Three unit steps: 3 2^(1/3) Gamma(1/3)^6 / (16 pi^4) + 27 2^(2/3) Gamma(2/3)^6 / (4 pi^4), over pi."""
    third = mpmath.mpf(1) / 3
    first = 3 * 2**third * mpmath.gamma(third) ** 6 / (16 * mpmath.pi**4)
    second = 27 * 2 ** (2 * third) * mpmath.gamma(2 * third) ** 6 / (4 * mpmath.pi**4)
    return float((first + second) / mpmath.pi)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("amplitudes", "value"),
    [
        ([1.0], 1 / math.pi),
        ([1, 0.5], 0.338536700090028601906),
        ([1, 1], 4 / math.pi**2),
        ([1, 1, 1], 0.501209867470454473),
        ([1, 1, 1, 1], 0.572668922493),
        ([1, 0, 0.5, 0], 0.338536700090028601906),
        ([-1, 0.5], 0.338536700090028601906),
        ([0.0, 0.0], 0.0),
    ],
)
def test_known_values(amplitudes, value, device):
    dc = multitone_dc(torch.tensor(amplitudes, dtype=torch.float64, device=device))
    assert dc.dtype == torch.float64 and dc.device.type == device
    assert dc.item() == pytest.approx(value, rel=2e-12, abs=0)
    if device == "cpu":
        assert multitone_dc(amplitudes).item() == dc.item()  # a list of numbers is float64


def test_three_unit_tones_are_the_gamma_functions_of_a_three_step_walk():
    assert multitone_dc([1, 1, 1]).item() == pytest.approx(gamma_walk(), rel=1e-13)


@pytest.mark.parametrize("ratio", [0.0, 1e-12, 1e-6, 1e-3, 0.3, 0.9, 1 - 1e-4, 1 - 1e-9, 1.0])
def test_two_tones_of_any_ratio_are_an_elliptic_integral(ratio):
    with mpmath.workdps(30):
        truth = float(two_tones(1.0, ratio))
    assert multitone_dc([1.0, ratio]).item() == pytest.approx(truth, rel=1e-12)
    assert multitone_dc([7e5 * ratio, 7e5]).item() == pytest.approx(7e5 * truth, rel=1e-12)


@pytest.mark.parametrize(
    "amplitudes",
    [(1, 0.3, 0.07), (1, 1, 1e-3), (1, 0.9995, 1e-3), (1, 1, 1e-5), (1, 0.7, 0.3), (1, 0.5, 0.5000001), (3, 2, 1)],
)
def test_three_tones_that_nearly_cancel(amplitudes):
    """The rows on which sums over the real axis lose all their speed."""
    assert multitone_dc(amplitudes).item() == pytest.approx(three_tones(*amplitudes), rel=RELATIVE)


def test_all_routes_agree_where_they_meet():
    """Rotated integrals against sums of 16,384 points, for 5 to 12 tones of many ratios."""
    generator = torch.Generator().manual_seed(0)
    compared = 0
    for tones in (5, 6, 8, 9, 12):
        factors = [BesselFactor(0)] * tones
        uniform = torch.rand(12, tones, dtype=torch.float64, generator=generator)
        pairs = uniform.clone()
        pairs[:, 1] = pairs[:, 0] * (1 + 1e-5)
        pairs[:, 2:] *= 0.03
        for rows in (uniform, 10 ** (-3 * uniform), pairs):
            scale = torch.maximum(rows.amax(-1, keepdim=True), rows.sum(-1, keepdim=True) / 3)
            weights = rows / scale
            split, possible = phase_mean._tones_to_split(weights)
            both = possible & (phase_mean._points_on_real_axis(weights, factors) <= 16_384)
            if both.any():
                rotated = phase_mean._rotated(weights[both], split[both], factors)
                summed = phase_mean._sampled(weights[both], factors, 16_384)
                torch.testing.assert_close(rotated, summed, rtol=1e-11, atol=0)
                compared += int(both.sum())
    assert compared > 60


def test_sixty_four_tones_of_a_pathological_ratio():
    """Two equal tones and 62 of a ten-thousandth of them: no fast route, and still the digits.

    The small tones are a Gaussian walk of mean square 62e-8, which moves the length of the long one in second order:
    compared with the mean over the two tones' phase of the mean length of a walk with one small Gaussian step.
    """
    small = 1e-4
    dc = multitone_dc([1.0, 1.0] + [small] * 62).item()
    variance = 62 * small**2

    def walk(length):  # Rice: the mean of |length + Gaussian in the plane|
        z = length**2 / (2 * variance)
        laguerre = (1 + z) * special.i0e(z / 2) + z * special.i1e(z / 2)
        return math.sqrt(math.pi * variance / 2) * laguerre

    import numpy as np
    from scipy import integrate, special

    variance /= 2  # of each coordinate
    value, _ = integrate.quad(
        lambda t: walk(2 * math.cos(t / 2)),
        0,
        math.pi,
        points=[math.pi - 1e-2, math.pi - 1e-3],
        epsabs=1e-13,
        limit=400,
    )
    assert np.isclose(dc, value / math.pi**2, rtol=1e-9, atol=0)


@pytest.mark.parametrize("large", [[1, 1, 1, 1, 1, 1, 2], [3, 2, 2, 1, 1, 1, 2]])
def test_of_two_equal_tones_the_one_that_is_split_is_multiplied_out(large):
    """Seven that can cancel and two equal small ones: which of the two is the eighth to split is a matter of order."""
    row = torch.tensor([*large, 1e-4, 1e-4], dtype=torch.float64)
    weights = (row / phase_mean.scale_of(row)).unsqueeze(0)
    factors = [BesselFactor(0)] * 9
    assert phase_mean.routes(weights, factors)[1].all()
    truth = phase_mean._sampled(weights, factors, 1 << 15).item() * phase_mean.scale_of(row).item() / math.pi
    for k in range(9):
        assert multitone_dc(row.roll(k)).item() == pytest.approx(truth, rel=1e-12)


def test_a_thousand_equal_rows_give_a_thousand_equal_answers_through_any_portion():
    row = torch.tensor([1.0, 0.3, 0.29, 1e-4, 0.0], dtype=torch.float64)
    answers = multitone_dc(row.expand(1000, -1))
    assert (answers == answers[0]).all()
    assert multitone_dc(row.reshape(1, 1, 5)).shape == (1, 1)
    mixed = torch.stack([row, torch.ones_like(row), torch.zeros_like(row)])
    one_by_one = torch.stack([multitone_dc(r) for r in mixed])
    torch.testing.assert_close(multitone_dc(mixed), one_by_one, rtol=1e-15, atol=0)


AMPLITUDE = st.one_of(st.just(0.0), st.floats(-3, 3), st.floats(-5, 0).map(lambda e: 10.0**e))


@settings(max_examples=80, deadline=None)
@given(st.lists(AMPLITUDE, min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_bounds_scale_order_and_euler_for_any_amplitudes(amplitudes, random):
    """0.398942 sigma <= DC <= 0.450158 sigma, homogeneity, symmetry, and Euler's identity for the gradient."""
    a = torch.tensor(amplitudes, dtype=torch.float64, requires_grad=True)
    dc = multitone_dc(a)
    sigma = math.sqrt(sum(v * v for v in amplitudes) / 2)
    if sigma < 1e-150:  # squares of smaller amplitudes are no numbers
        return
    assert (
        sigma / math.sqrt(2 * math.pi) * (1 - RELATIVE) <= dc.item() <= math.sqrt(2) / math.pi * sigma * (1 + RELATIVE)
    )
    assert dc.item() >= max(map(abs, amplitudes)) / math.pi * (1 - RELATIVE)
    shuffled = random.sample(amplitudes, len(amplitudes))
    assert multitone_dc([-3 * v for v in shuffled]).item() == pytest.approx(3 * dc.item(), rel=RELATIVE)
    (grad,) = torch.autograd.grad(dc, a)
    assert (grad * a).sum().item() == pytest.approx(dc.item(), rel=1e-7)


@pytest.mark.parametrize("bias", [0.3, -0.3, 0.95, -1.2, 1.4999])
def test_a_bias_moves_the_dc_as_the_mean_over_one_phase_says(bias):
    """The mean over the second phase of the closed form for one tone with bias."""
    t = (torch.arange(400_000, dtype=torch.float64) + 0.5) * math.pi / 400_000
    mean = tone_harmonics(1.0, bias + 0.5 * torch.cos(t), 0).mean().item()
    assert multitone_dc([1.0, 0.5], bias).item() == pytest.approx(mean, abs=2e-11)


def test_a_bias_that_outweighs_the_tones_is_the_answer_and_symmetric_otherwise():
    assert multitone_dc([1, 0.5], 1.5).item() == 1.5 and multitone_dc([1, 0.5], -1.5).item() == 0
    assert multitone_dc([0.0], 0.7).item() == 0.7
    b = torch.linspace(-1.4, 1.4, 15, dtype=torch.float64)
    difference = multitone_dc([1.0, 0.5], b) - multitone_dc([1.0, 0.5], -b)
    torch.testing.assert_close(difference, b, rtol=0, atol=1e-14)  # ReLU(x) - ReLU(-x) = x


def test_phases_of_commensurate_tones_average_to_it():
    """A lattice of phases integrates a smooth function exactly, and a kinked one to about 1e-5."""
    phase = torch.arange(4001, dtype=torch.float64) / 4001 * 2 * math.pi
    phases = torch.stack([torch.zeros_like(phase), phase], -1)
    mean = commensurate_dc(torch.tensor([1.0, 0.8], dtype=torch.float64), [2, 3], phases).mean()
    assert mean.item() == pytest.approx(multitone_dc([1.0, 0.8]).item(), rel=1e-8)


def test_two_derivatives_in_a_silent_tone():
    silent = torch.tensor([1.0, 0.4, 0.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(multitone_dc, (silent,))
    assert torch.autograd.gradgradcheck(multitone_dc, (silent,))


def test_the_gradient_with_respect_to_the_bias_is_how_often_relu_is_on():
    b = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(multitone_dc(torch.tensor([1.0, 0.5], dtype=torch.float64), b).sum(), b)
    t = (torch.arange(2000, dtype=torch.float64) + 0.5) * math.pi / 2000
    x = torch.cos(t) + 0.5 * torch.cos(t).unsqueeze(-1)
    on = torch.stack([(x + bias > 0).double().mean() for bias in b.detach()])
    assert grad[0] == 0 and grad[-1] == 1 and grad[2].item() == pytest.approx(0.5, abs=1e-12)
    torch.testing.assert_close(grad, on, rtol=0, atol=2e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_float32_is_computed_in_float64_and_rounded_once(device):
    a = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)).to(device)
    dc = multitone_dc(a)
    assert dc.dtype == torch.float32 and dc.device.type == device
    torch.testing.assert_close(dc, multitone_dc(a.double()).float(), rtol=0, atol=0)


def test_bad_input_is_refused_with_a_reason():
    with pytest.raises(ValueError, match=r"last dimension of tones; got a single number. One tone is \[a\]"):
        multitone_dc(1.0)
    with pytest.raises(ValueError, match="amplitudes is empty"):
        multitone_dc(torch.zeros(3, 0))
    with pytest.raises(ValueError, match=r"amplitudes has 1 non-finite value; the first is at \(0, 1\)"):
        multitone_dc(torch.tensor([[1.0, math.inf]]))
    with pytest.raises(ValueError, match="bias has 1 non-finite value"):
        multitone_dc([1.0], math.nan)
    with pytest.raises(ValueError, match=r"bias of shape \(3,\) does not fit amplitudes of shape \(2, 4\)"):
        multitone_dc(torch.ones(2, 4), torch.ones(3))
    with pytest.raises(TypeError, match="must be real"):
        multitone_dc(torch.ones(2, dtype=torch.complex64))


@pytest.mark.parametrize("exponent", [-1070, -1022, -500, -3, 5, 500, 1021])
def test_a_power_of_two_scales_every_digit(exponent):
    a = torch.tensor([[1.0, 0.75, 0.25], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.25, 0.25]], dtype=torch.float64)
    b = torch.tensor([0.0, 0.25, -1.0, -0.5], dtype=torch.float64)
    for bias in (b, 0 * b):
        assert torch.equal(multitone_dc(a * 2.0**exponent, bias * 2.0**exponent), multitone_dc(a, bias) * 2.0**exponent)
    assert multitone_dc([1e308] * 3).item() == pytest.approx(0.501209867470454473 * 1e308, rel=1e-12)


def test_the_slope_where_tones_and_bias_add_up_to_zero_is_ours_and_not_the_one_torch_gives_a_clamp():
    """cos t + 0.5 cos u = -+0.5 is where ReLU is on this often; torch 2.14 changed the slope of clamp at its bound."""
    with mpmath.workdps(20):

        def on(bias):  # the mean over the second phase of how often the first tone is above its level
            return mpmath.quad(lambda u: mpmath.acos(-(bias + mpmath.cos(u) / 2)), [0, mpmath.pi]) / mpmath.pi**2

        for bias in (0.5, -0.5):
            b = torch.tensor(bias, dtype=torch.float64, requires_grad=True)
            (grad,) = torch.autograd.grad(multitone_dc([1, 0.5], b), b)
            assert grad.item() == pytest.approx(float(on(bias)), abs=1e-6)


def test_a_million_tones_are_refused():
    """They took 16 GiB."""
    with pytest.raises(ValueError, match="1,000,000 tones, and 100,000 is the limit"):
        multitone_dc(torch.ones(1_000_000))
