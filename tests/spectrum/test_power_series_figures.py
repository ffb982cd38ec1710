"""The pictures of the chapter on the power series show what they say."""

import math

import numpy as np
import pytest
import torch

from relunb.book.figures import power_series
from relunb.spectrum import relu_series, series_sup_error

pytestmark = pytest.mark.usefixtures("no_window")


def test_each_step_of_the_slider_shows_relu_and_its_own_partial_sum():
    figure = power_series.partial_sums().figure
    assert [trace.visible for trace in figure.data].count(False) == len(power_series.TERMS) - 1
    for terms, step in zip(power_series.TERMS, figure.layout.sliders[0].steps, strict=True):
        assert step.label == str(terms)
        first, shown = (trace for trace, on in zip(figure.data, step.args[0]["visible"], strict=True) if on)
        assert first.name == "ReLU"
        x, y = np.asarray(shown.x), np.asarray(shown.y)
        inside = np.abs(x) <= 1
        np.testing.assert_allclose(y[inside], relu_series(x[inside], terms, center=0.5), atol=1e-13)


def test_the_four_tones_stand_at_height_one_and_their_relu_at_half_plus_even_orders():
    time = torch.arange(1024, dtype=torch.float64) / 1024
    hertz = torch.tensor([10.0, 5, 20, 40], dtype=torch.float64)
    signal = torch.cos(2 * math.pi * hertz * time[:, None]).sum(1)
    figure = power_series.four_tones(time, signal, signal.relu(), relu_series(signal, 50, center=8.0))
    sticks = [[segment[1] for segment in lines.get_segments()] for lines in figure.axes[2].collections]
    np.testing.assert_allclose(sticks[0], [(f - 0.9, 1) for f in (5, 10, 20, 40)], atol=1e-12)
    assert sticks[1][0] == pytest.approx((0, 0.5744), abs=1e-4)
    assert sticks[2][0] == pytest.approx((0.9, 0.5807), abs=1e-4)


def test_the_three_polynomials_start_at_their_worst_errors():
    grid = np.linspace(0, 1, 11)
    figure = power_series.three_polynomials(grid, np.zeros(11), (2, 50), (0.1, 0.003))
    over, rate = figure.axes
    starts = [line.get_ydata()[0] for line in over.lines]
    np.testing.assert_allclose(starts, [series_sup_error(50, 0.5), 2 / (99 * np.pi), 0], rtol=1e-12)
    ends = [line.get_ydata()[-1] for line in rate.lines[:3]]
    np.testing.assert_allclose(ends, [*starts[:2], 0.003], rtol=1e-12)
