"""The pictures of the chapter on the power series show what they say."""

import math

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from relunb.book.figures import power_series
from relunb.spectrum import abs_series_coefficients, amplitude_spectrum, relu_series, series_sup_error
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def picture(name, **names):
    return shown("spectrum/power-series", name, figures=power_series, np=np, **names)


def test_each_step_of_the_slider_shows_relu_and_its_own_partial_sum():
    figure = picture("fig-series-slider").figure
    assert [trace.visible for trace in figure.data].count(False) == 9
    for step in figure.layout.sliders[0].steps:
        terms = int(step.label)
        first, shown = (trace for trace, on in zip(figure.data, step.args[0]["visible"], strict=True) if on)
        assert first.name == "ReLU"
        x, y = np.asarray(shown.x), np.asarray(shown.y)
        inside = np.abs(x) <= 1
        np.testing.assert_allclose(y[inside], relu_series(x[inside], terms, center=0.5), atol=1e-13)


def test_the_four_tones_stand_at_height_one_and_their_relu_at_half_plus_even_orders():
    time = torch.arange(1024, dtype=torch.float64) / 1024
    hertz = torch.tensor([10.0, 5, 20, 40], dtype=torch.float64)
    signal = torch.cos(2 * math.pi * hertz * time[:, None]).sum(1)
    names = {"time": time, "tones": signal, "exact": signal.relu(), "series": relu_series(signal, 50, center=8.0)}
    figure = picture("fig-series-tones", rate=1024, amplitude_spectrum=amplitude_spectrum, **names)
    sticks = [[segment[1] for segment in lines.get_segments()] for lines in figure.axes[2].collections]
    np.testing.assert_allclose(sticks[0], [(f - 0.9, 1) for f in (5, 10, 20, 40)], atol=1e-12)
    assert sticks[1][0] == pytest.approx((0, 0.5744), abs=1e-4)
    assert sticks[2][0] == pytest.approx((0.9, 0.5807), abs=1e-4)


def test_the_three_polynomials_start_at_their_worst_errors():
    names = {"grid": np.linspace(0, 1, 11), "error": np.zeros(11), "best": lambda terms: (None, None, 0.15 / terms)}
    names |= {"chebyshev": chebyshev, "coefficients": abs_series_coefficients(200).numpy()}
    figure = picture("fig-series-best", series_sup_error=series_sup_error, **names)
    over, rate = figure.axes
    starts = [line.get_ydata()[0] for line in over.lines]
    np.testing.assert_allclose(starts, [series_sup_error(50, 0.5), 2 / (99 * np.pi), 0], rtol=1e-12)
    ends = [line.get_ydata()[-1] for line in rate.lines[:3]]
    np.testing.assert_allclose(ends, [*starts[:2], 0.003], rtol=1e-12)
