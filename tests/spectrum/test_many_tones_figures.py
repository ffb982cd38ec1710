"""The pictures of the chapter on many tones show what they say."""

import math

import numpy as np
import pytest
import torch

from relunb.book.figures import many_tones

pytestmark = pytest.mark.usefixtures("no_window")


def test_every_walk_starts_at_zero_and_ends_at_its_sum():
    amplitudes = torch.tensor([1.0, 0.5], dtype=torch.float64)
    angles = torch.tensor([[0.0, math.pi / 2], [math.pi, math.pi]], dtype=torch.float64)
    plane, histogram = many_tones.walks(amplitudes, angles, shown=2).axes
    first, second, ends, mean = (
        np.stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())], -1)
        for line in [*plane.lines[:3], histogram.lines[0]]
    )
    np.testing.assert_allclose(first, [[0, 0], [1, 0], [1, 0.5]], atol=1e-12)
    np.testing.assert_allclose(second, [[0, 0], [-1, 0], [-1.5, 0]], atol=1e-12)
    np.testing.assert_allclose(ends, [[1, 0.5], [-1.5, 0]], atol=1e-12)
    np.testing.assert_allclose(mean[:, 0], (math.sqrt(1.25) + 1.5) / 2)


def test_equal_tones_start_at_the_upper_bound_and_are_not_monotone():
    ax = many_tones.ratios({2: torch.ones(3, 2, dtype=torch.float64)}, most=5).axes[0]
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in ax.lines}
    equal = lines["equal"]
    np.testing.assert_allclose(equal[0], math.sqrt(2) / math.pi)
    np.testing.assert_allclose(lines["random"], 4 / math.pi**2)
    assert equal[1] < equal[2] > equal[3]
    assert (equal > lines[r"$1/\sqrt{2\pi}$"][0]).all()


def test_the_amplitude_slider_starts_with_the_lines_of_the_table():
    figure = many_tones.lines_over_ratio().figure
    new, own, none = figure.data
    slider = figure.layout.sliders[0]
    assert slider.steps[slider.active].label == "0.5"
    heights = dict(zip(new.text, new.y, strict=True))
    expected = {"DC": 0.3385, "k = (1, 1)": 0.154, "k = (1, -1)": 0.154, "k = (2, 0)": 0.1744, "k = (3, 1)": 0.03894}
    assert {name: heights[name] for name in expected} == expected
    assert list(own.y) == [0.5, 0.25]
    assert list(slider.steps[slider.active].args[0]["y"][0]) == list(new.y)
    assert len(new.text) == len(set(new.text)) == 1 + 4 + 8 + 12
    assert len(none.text) == len(set(none.text)) == 6 + 10


def test_without_a_second_tone_only_even_harmonics_are_left():
    figure = many_tones.lines_over_ratio().figure
    step = figure.layout.sliders[0].steps[0]
    assert step.label == "0"
    heights = dict(zip(figure.data[0].text, step.args[0]["y"][0], strict=True))
    assert {name for name, height in heights.items() if height > 0} == {
        "DC",
        "k = (2, 0)",
        "k = (4, 0)",
        "k = (6, 0)",
    }
    np.testing.assert_allclose(heights["k = (2, 0)"], 2 / (3 * math.pi), rtol=1e-3)


def test_windows_outside_the_bounds_have_their_own_colour():
    minutes = torch.arange(3.0)
    ax = many_tones.band(minutes, torch.tensor([0.38, 0.41, 0.46]), torch.tensor([0.4, 0.41, 0.42])).axes[0]
    points = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in ax.lines}
    assert points["inside"] == [1]
    assert points["outside"] == [0, 2]
    assert points["independent phases"] == [0, 1, 2]
