"""Tones with a common period: exact values, phases, double zeros, degenerate polynomials, gradients."""

import math

import pytest
import torch

from relunb.spectrum import commensurate_dc, multitone_dc, tone_harmonics
from tests.tolerance import DEVICES

PI = math.pi


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("harmonics", "phases", "value"),
    [
        ([1, 2], [0, 0], 3 * math.sqrt(3) / (4 * PI)),
        ([1, 2], [0, PI / 4], 0.404925839982),
        ([1, 2], [0, PI / 2], 0.397887357730),
        ([1, 3], [0, 0], 0.388004286649),
        ([1, 3], [0, PI], 4 / (3 * PI)),
    ],
)
def test_two_unit_tones_depend_on_their_phases(harmonics, phases, value, device):
    a = torch.ones(2, dtype=torch.float64, device=device)
    dc = commensurate_dc(a, harmonics, torch.tensor(phases, dtype=torch.float64, device=device))
    assert dc.item() == pytest.approx(value, abs=1e-12) and dc.device.type == device


def test_the_papers_four_tone_signal():
    assert commensurate_dc([1, 1, 1, 1], [2, 1, 4, 8]).item() == pytest.approx(0.574441695339480816, abs=1e-14)
    assert commensurate_dc([1, 1, 1, 1], [10, 5, 20, 40]).item() == pytest.approx(0.574441695339480816, abs=1e-14)
    phases = 2 * PI * torch.rand(4000, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    over_phases = commensurate_dc(torch.ones(4, dtype=torch.float64), [2, 1, 4, 8], phases)
    assert 0.53 < over_phases.min() < 0.545 and 0.615 < over_phases.max() < 0.63
    standard_error = over_phases.std() / 4000**0.5
    assert abs(over_phases.mean() - multitone_dc([1, 1, 1, 1])) < 4 * standard_error < 2e-3


def test_any_signal_against_a_million_samples():
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(20, 4, dtype=torch.float64, generator=generator)
    phases = 2 * PI * torch.rand(20, 4, dtype=torch.float64, generator=generator)
    harmonics = [0, 1, 4, 9]
    t = torch.arange(1_000_000, dtype=torch.float64) / 1_000_000 * 2 * PI
    mean = torch.stack(
        [
            sum(a[r, i] * torch.cos(k * t + phases[r, i]) for i, k in enumerate(harmonics)).relu().mean()
            for r in range(20)
        ]
    )
    torch.testing.assert_close(commensurate_dc(a, harmonics, phases), mean, rtol=0, atol=1e-9)


def test_one_tone_with_a_constant_is_the_biased_tone():
    for bias in (0.3, -0.3, 1.0, 2.0, -2.0):
        expected = tone_harmonics(0.9, bias, 0).item()
        assert commensurate_dc([0.9, bias], [5, 0]).item() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-8, 1e-5])
def test_zeros_that_touch_or_lie_close_together(gap):
    """cos 2t + (1 - gap) is positive but for a sliver around pi/2 that no grid sees: its integral is known."""
    level = 1 - gap
    expected = tone_harmonics(1.0, level, 0).item()
    assert commensurate_dc([1.0, level], [2, 0], [0.3, 0.0]).item() == pytest.approx(expected, abs=2e-15)


def test_a_top_harmonic_that_is_silent_or_cancels_lowers_the_degree():
    one = 1 / PI
    assert commensurate_dc([1.0, 0.0], [1, 7]).item() == pytest.approx(one, rel=1e-15)
    assert commensurate_dc([1.0, 0.5, 0.5], [1, 3, 3], [0, 0, PI]).item() == pytest.approx(one, rel=1e-14)
    assert commensurate_dc([1.0, 1e-15], [1, 40]).item() == pytest.approx(one, rel=1e-14)
    assert commensurate_dc([1.0, 1.0], [3, 3], [0, PI]).item() == pytest.approx(0, abs=1e-15)
    assert commensurate_dc([2.0], [0]).item() == 2 and commensurate_dc([-2.0], [0]).item() == 0
    mixed = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    dc = commensurate_dc(mixed, [1, 2])
    assert dc.tolist() == pytest.approx([one, one, 3 * math.sqrt(3) / (4 * PI), 0], abs=1e-15)


def test_bad_input_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="each harmonic must be at least 0; got -1"):
        commensurate_dc([1, 1], [1, -1])
    with pytest.raises(TypeError, match="each harmonic must be an integer"):
        commensurate_dc([1, 1], [1, 2.5])
    with pytest.raises(ValueError, match="one integer a tone: 2; got 1"):
        commensurate_dc([1, 1], [1])
    with pytest.raises(ValueError, match="amplitudes of shape .2,. and phases of shape .3,. do not broadcast"):
        commensurate_dc([1, 1], [1, 2], [0, 0, 0])
    with pytest.raises(ValueError, match="phases has 1 non-finite value"):
        commensurate_dc([1, 1], [1, 2], [0, math.nan])
    with pytest.raises(ValueError, match="amplitudes is empty"):
        commensurate_dc([], [])


@pytest.mark.parametrize("exponent", [-1070, -1022, -500, -3, 5, 500, 1021])
def test_a_power_of_two_scales_every_digit_and_the_gradient_stays(exponent):
    """Squares and quotients of such numbers are none; LAPACK was killed by them."""
    a = torch.tensor([[1.0, 0.75, 0.25], [0.5, -1.0, 1.0]], dtype=torch.float64)
    scaled = (a * 2.0**exponent).requires_grad_()
    plain = a.clone().requires_grad_()
    big, small = (commensurate_dc(v, [1, 2, 3], [0.3, 1, 2]) for v in (scaled, plain))
    assert torch.equal(big, small * 2.0**exponent)
    if exponent > -960:  # below, a gradient passes through numbers that have lost digits
        assert torch.equal(*(torch.autograd.grad(v.sum(), x)[0] for v, x in ((big, scaled), (small, plain))))


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e-160, 1e160, 1e300, 1e307])
def test_no_scale_kills_or_loses_digits(scale):
    expected = commensurate_dc([1.0, 0.7, 0.3], [1, 2, 3], [0.3, 1, 2]).item()
    dc = commensurate_dc([scale, 0.7 * scale, 0.3 * scale], [1, 2, 3], [0.3, 1, 2]).item()
    assert dc == pytest.approx(expected * scale, rel=1e-12, abs=0)
    assert commensurate_dc([1e308], [1]).item() == pytest.approx(1e308 / PI, rel=1e-15)


def test_a_common_divisor_is_taken_out_and_high_harmonics_end():
    for harmonic in (1, 7, 2000, 10**9, 10**18):
        assert commensurate_dc([1.0], [harmonic]).item() == pytest.approx(1 / PI, rel=1e-15)
        assert commensurate_dc([1.0, 1.0], [harmonic, 2 * harmonic]).item() == pytest.approx(
            3 * math.sqrt(3) / (4 * PI), rel=1e-14
        )
    # Related frequencies differ from independent ones by lines that fall on zero, of orders 20,001 and more here.
    assert commensurate_dc([1, 1], [1, 20_001]).item() == pytest.approx(multitone_dc([1, 1]).item(), abs=2e-9)


@pytest.mark.parametrize("m", [1, 2, 4])
def test_a_zero_of_high_order_is_no_crossing(m):
    """cos(t/2)^(2m) touches zero with 2m - 1 derivatives; its mean is the central binomial coefficient."""
    a = [math.comb(2 * m, m) / 4**m] + [2 * math.comb(2 * m, m - i) / 4**m for i in range(1, m + 1)]
    assert commensurate_dc(a, range(m + 1)).item() == pytest.approx(a[0], abs=2e-14)
    assert commensurate_dc([-v for v in a], range(m + 1)).item() == pytest.approx(0, abs=2e-14)


@pytest.mark.parametrize("level", [1.0, -1.0])
@pytest.mark.parametrize("harmonic", [1, 2, 5])
def test_a_constant_as_large_as_the_tone(level, harmonic):
    """|b| = |a|, one rounding either side of it too: the signal touches zero, once a period."""
    for b in (level, math.nextafter(level, 0), math.nextafter(level, 2 * level)):
        for phase in (0.0, PI / 2, PI, 1.0):
            dc = commensurate_dc([1.0, b], [harmonic, 0], [phase, 0]).item()
            assert dc == pytest.approx(tone_harmonics(1.0, b, 0).item(), abs=1e-15)


def test_structured_signals_whose_zeros_lie_on_the_grid_against_samples():
    """Small integers and zeros, phases that are multiples of 45 degrees: zeros fall on grid points."""
    t = (torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000 * 2 * PI
    rows = torch.tensor([[x, y, z] for x in (-1, 0, 1) for y in (-2, 0, 1) for z in (-1, 0, 2)], dtype=torch.float64)
    for harmonics in ([1, 2, 4], [0, 1, 3], [1, 1, 2]):
        for phases in ([0, 0, 0], [PI / 2, 0, PI / 4], [PI, PI / 2, 0]):
            waves = torch.stack([torch.cos(k * t + p) for k, p in zip(harmonics, phases, strict=True)])
            mean = (rows @ waves).relu().mean(-1)
            torch.testing.assert_close(commensurate_dc(rows, harmonics, phases), mean, rtol=0, atol=2e-8)


def test_a_huge_phase_is_an_angle_too():
    expected = math.hypot(1 + math.cos(1e20), math.sin(1e20)) / PI
    assert commensurate_dc([1.0, 1.0], [1, 1], [1e20, 0]).item() == pytest.approx(expected, rel=1e-15)


def test_rows_are_worked_on_in_blocks():
    a = torch.rand(3000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    dc = commensurate_dc(a, [1, 100])
    alone = torch.stack([commensurate_dc(row, [1, 100]) for row in a[::500]])
    torch.testing.assert_close(dc[::500], alone, rtol=0, atol=1e-15)


def test_what_cannot_end_is_refused_at_once():
    with pytest.raises(ValueError, match="2,000,001 times the common divisor of all, and 1,000,000 is the limit"):
        commensurate_dc([1.0, 1.0], [1, 2_000_001])
    with pytest.raises(ValueError, match="the product is 200,000,000,000, and 1,000,000,000 is the limit"):
        commensurate_dc(torch.ones(100_000, 2), [1, 10**6])
    with pytest.raises(TypeError, match="harmonics must be a flat list of integers, one a tone; got 1"):
        commensurate_dc([1.0], 1)
