"""The pictures of the chapter on one tone show what they say."""

import math

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from relunb.book.figures import one_tone
from relunb.spectrum import amplitude_spectrum, tone_harmonics
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def picture(name, **names):
    names |= {"figures": one_tone, "torch": torch, "math": math, "plt": plt, "tone_harmonics": tone_harmonics}
    return shown("spectrum/one-tone", name, **names)


def test_the_sums_of_lines_approach_the_rectified_tone():
    wave, lines = picture("fig-tone-lines").axes
    tone, rectified, *sums = (np.asarray(line.get_ydata()) for line in wave.lines)
    np.testing.assert_allclose(rectified, np.maximum(tone, 0))
    # Cut after harmonic 2K, the worst error is 1 / (pi (2K + 1)), at the kinks.
    np.testing.assert_allclose(
        [np.abs(s - rectified).max() for s in sums], [1 / (3 * np.pi), 1 / (9 * np.pi)], rtol=1e-9
    )
    heights = [bar.get_height() for bar in lines.patches]
    np.testing.assert_allclose(heights[:4], [1 / np.pi, 1 / 2, 2 / (3 * np.pi), 0], atol=1e-15)


def test_the_bias_slider_starts_without_a_bias_and_ends_linear():
    figure = picture("fig-tone-bias").figure
    slider = figure.layout.sliders[0]
    steps = {step.label: step.args[0]["y"][0] for step in slider.steps}
    assert slider.steps[slider.active].label == "0"
    np.testing.assert_allclose(figure.data[0].y, steps["0"])
    np.testing.assert_allclose(steps["-1"], np.zeros(9), atol=1e-15)
    np.testing.assert_allclose(steps["1.2"], [1.2, 1, *[0] * 7], atol=1e-15)
    # b = 1/2: the angle is 2 pi / 3, and the third harmonic is at its lowest, -sqrt(3) / (8 pi).
    np.testing.assert_allclose(steps["0.5"][3], -np.sqrt(3) / (8 * np.pi))


def test_the_series_ends_and_the_relu_does_not():
    ax = picture("fig-tone-decay").axes[0]
    lines = {line.get_label(): line for line in ax.lines}
    assert [lines[f"series, {n} terms"].get_xdata()[-1] for n in (8, 50)] == [14, 98]
    relu = lines["ReLU"]
    assert relu.get_xdata()[-1] == 300
    assert (np.asarray(relu.get_ydata()) > 0).all()


def test_folded_harmonics_have_their_own_colour():
    time = torch.arange(256, dtype=torch.float64) / 32
    frequencies, measured = amplitude_spectrum(torch.cos(2 * torch.pi * 5 * time).relu(), 32)
    ax = picture("fig-tone-folding", frequencies=frequencies, measured=measured, hertz=5).axes[0]
    own, folded = ax.collections
    assert [segment[0][0] for segment in own.get_segments()] == [0, 5, 10]
    assert [segment[0][0] for segment in folded.get_segments()] == [2, 4, 6, 8, 12, 14, 16]
