"""The pictures of the chapter on intermodulation show what they say."""

import math

import numpy as np
import pytest
import torch

from relunb.book.figures import intermodulation as figures
from relunb.spectrum import intermodulation
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


@pytest.fixture
def picture():
    names = {"figures": figures, "torch": torch, "math": math, "intermodulation": intermodulation}
    return shown("spectrum/intermodulation", "fig-many-lines", **names)


def test_the_amplitude_slider_starts_with_the_lines_of_the_table(picture):
    figure = picture.figure
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


def test_without_a_second_tone_only_even_harmonics_are_left(picture):
    figure = picture.figure
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
