"""Condition numbers of the shifts of one activation: exact for compact splines, theta functions for Gaussians."""

import math

import mpmath
import numpy as np
import pytest
import torch

from relunb import LinearSpline
from relunb.wavelet import shift_condition_number

PSI = {2: 14 / 13, 1.5: 25 / 23, 1: 9 / 4, 0.75: 15, 0.5: math.inf, 0.25: math.inf, 3: 1, 7: 1}


@pytest.mark.parametrize("spacing", PSI)
def test_psi_at_the_spacings_where_the_answer_is_a_fraction(spacing):
    assert shift_condition_number("bw_relu", spacing) == pytest.approx(PSI[spacing], rel=1e-13)


def test_hats_of_spacing_one_have_three_and_of_one_half_have_no_bound():
    assert shift_condition_number("hat", 1) == pytest.approx(3, rel=1e-14)
    assert shift_condition_number("hat", 0.5) == math.inf


@pytest.mark.parametrize("spacing", [1.25, 0.9, 0.6, 0.37])
@pytest.mark.parametrize("name", ["bw_relu", "hat"])
def test_the_range_of_the_symbol_sampled_finely_agrees(name, spacing):
    """The autocorrelation here by the sum of cubes over pairs of knots, not by Simpson's rule."""
    spline = LinearSpline.named(name)
    knots, jumps = spline.knots.numpy(), spline.jumps.numpy()
    lags = spacing * np.arange(40)[:, None, None]
    r = (jumps[:, None] * jumps * np.abs(lags + knots[:, None] - knots) ** 3).sum((1, 2)) / 12
    theta = np.linspace(0, np.pi, 200_001)
    symbol = r[0] + 2 * sum(r[m] * np.cos(m * theta) for m in range(1, 40))
    assert shift_condition_number(name, spacing) == pytest.approx(symbol.max() / symbol.min(), rel=1e-6)


@pytest.mark.parametrize("spacing", [3, 2.6, 2.5, 2, 1, 0.75, 0.5, 0.2])
def test_gaussians_by_theta_functions(spacing):
    with mpmath.workdps(150):
        q = mpmath.exp(-(mpmath.mpf(spacing) ** 2) / 2)
        wanted = mpmath.jtheta(3, 0, q) / mpmath.jtheta(4, 0, q)
    assert shift_condition_number("gauss", spacing) == pytest.approx(float(wanted), rel=1e-13)


@pytest.mark.slow
def test_it_is_the_limit_of_finite_gram_matrices():
    spline, spacing, n = LinearSpline.named("bw_relu"), 0.9, 300
    x = torch.linspace(-1, spacing * n + 4, 400_000, dtype=torch.float64)
    features = torch.stack([spline(x - spacing * m) for m in range(n)])
    number = torch.linalg.cond(features @ features.T).item()
    assert number < shift_condition_number(spline, spacing) * (1 + 1e-6)
    assert number == pytest.approx(shift_condition_number(spline, spacing), rel=1e-3)


def test_a_factor_changes_nothing_and_a_scale_is_a_spacing():
    wide = LinearSpline([-2, 0, 2], [3, -6, 3])
    assert shift_condition_number(wide, 1.4) == pytest.approx(shift_condition_number("hat", 0.7), rel=1e-13)


def test_a_learned_spline_is_taken_as_it_is_now():
    assert shift_condition_number(LinearSpline.named("hat", learnable=True), 1) == pytest.approx(3, rel=1e-6)
    learned = LinearSpline.named("bw_relu", learnable=True)  # its jumps are float32 and do not quite cancel
    assert shift_condition_number(learned, 1) == pytest.approx(2.25, rel=1e-5)
    bent = LinearSpline([0, 1, 2], [1, -2, 1.001])
    with pytest.raises(ValueError, match="no compact support"):
        shift_condition_number(bent, 1)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (("relu", 1), ValueError, "no compact support"),
        (("abs", 1), ValueError, "no compact support"),
        ((LinearSpline([0, 1], [1, -1]), 1), ValueError, "no compact support"),
        ((torch.tanh, 1), TypeError, "LinearSpline"),
        (("hat", 0), ValueError, "spacing"),
        (("hat", 1e-3), ValueError, "2,000 shifts overlap"),
        (("swish", 1), ValueError, "'hardtanh'"),
        ((LinearSpline([[0], [1]], [[1], [1]]), 1), ValueError, "one by one"),
    ],
)
def test_a_sentence_for_each_mistake(given, error, words):
    with pytest.raises(error, match=words):
        shift_condition_number(*given)
