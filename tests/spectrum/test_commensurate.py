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


def test_two_derivatives():
    generator = torch.Generator().manual_seed(2)
    a = torch.rand(3, 3, dtype=torch.float64, generator=generator).requires_grad_()
    phases = torch.rand(3, 3, dtype=torch.float64, generator=generator).mul_(6).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, p: commensurate_dc(a, [1, 3, 4], p), (a, phases))
    assert torch.autograd.gradgradcheck(lambda a, p: commensurate_dc(a, [1, 3, 4], p), (a, phases))


def test_bad_input_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="each harmonic must be at least 0; got -1"):
        commensurate_dc([1, 1], [1, -1])
    with pytest.raises(TypeError, match="each harmonic must be an integer"):
        commensurate_dc([1, 1], [1, 2.5])
    with pytest.raises(ValueError, match="one integer a tone: 2; got 1"):
        commensurate_dc([1, 1], [1])
    with pytest.raises(ValueError, match="do not broadcast"):
        commensurate_dc([1, 1], [1, 2], [0, 0, 0])
    with pytest.raises(ValueError, match="phases has 1 non-finite value"):
        commensurate_dc([1, 1], [1, 2], [0, math.nan])
    with pytest.raises(ValueError, match="amplitudes is empty"):
        commensurate_dc([], [])
