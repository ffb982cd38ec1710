"""The pictures of the chapter on one filter show what they say."""

import math

import numpy as np
import pytest
import torch

from relunb.book.figures import zero_training as figures
from relunb.spectrum import filtered_dc, tone_classes
from tests.cells import cell, shown

pytestmark = pytest.mark.usefixtures("no_window")


PAGE = "spectrum/zero-training"


def gain(taps, angle):
    """By its definition, as a sum of two arrows."""
    return (taps[..., 0] * torch.exp(1j * angle) + taps[..., 1]).abs()


NAMES = {"figures": figures, "torch": torch, "math": math, "gain": gain}


def test_the_slider_shows_one_pair_of_taps_at_a_time_with_its_dc():
    figure = shown(PAGE, "fig-zero-turning", **NAMES).figure
    steps = figure.layout.sliders[0].steps
    assert len(figure.data) == 2 * len(steps)
    for number, step in enumerate(steps):
        assert [k for k, shown in enumerate(step.args[0]["visible"]) if shown] == [2 * number, 2 * number + 1]
    assert [trace.visible for trace in figure.data].index(True) == 2 * figure.layout.sliders[0].active
    level = figure.data[1]  # angle 0: taps (1, 0)
    np.testing.assert_allclose(level.y, 1)
    assert level.text == (f"{1 / math.pi:.2f}",) * 3


def test_random_filters_have_a_response_and_a_cloud_each():
    data = tone_classes(10, generator=torch.Generator().manual_seed(0))
    taps = torch.tensor([[0.5, 1.0], [-1.0, 0.5], [0.02, 1.0]])  # one falls, one rises, one is nearly flat
    names = {**NAMES, "data": data, "kernels": taps, "filtered_dc": filtered_dc}
    exec(cell(PAGE, "fig-zero-turning"), names)
    figure = shown(PAGE, "fig-zero-filters", **names)
    dc = filtered_dc(data.signals, taps.flip(-1), mode="zero")
    above, below = np.array(figure.axes).reshape(2, 3)
    for column in range(3):
        marks = [line for line in above[column].lines if line.get_marker() == "o"]
        for line, f in zip(marks, (3, 5, 10), strict=True):
            w0, w1 = taps[column].tolist()
            exact = abs(w1 + w0 * np.exp(-2j * np.pi * f / 32))
            assert abs(line.get_ydata()[0] - exact) < 1e-7
        drawn = np.concatenate([line.get_xdata() for line in below[column].lines])
        np.testing.assert_allclose(np.sort(drawn), np.sort(dc[:, column].numpy()))


def test_the_square_marks_failures_inside_the_lines():
    taps, good = torch.tensor([[1.0, 1.0], [1.0, 0.05]]), torch.tensor([True, False])
    ax = figures.square_of_taps(taps, good, 0.1).axes[0]
    crosses = next(line for line in ax.lines if line.get_marker() == "x")
    assert (crosses.get_xdata()[0], crosses.get_ydata()[0]) == pytest.approx((1.0, 0.05))
    slopes = [
        (line.get_ydata()[1] - line.get_ydata()[0]) / (line.get_xdata()[1] - line.get_xdata()[0])
        for line in ax.lines
        if line.get_marker() == "None" and len(line.get_xdata()) == 2
    ]
    assert sorted(slopes) == pytest.approx([-10, -0.1, 0.1, 10])


def test_the_bars_span_the_factor_of_amplitudes():
    ax = shown(PAGE, "fig-zero-amplitudes", gains=[0.5, 0.9, 1.6], **NAMES).axes[0]
    bars = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2]
    assert [high / low for low, high in bars] == pytest.approx([1.2] * 3 + [1.6] * 3 + [2.0] * 3 + [4.0] * 3)
