"""The pictures of the chapter on super-resolution show what they say."""

import numpy as np
import pytest
import sympy as sp

from relunb.book.figures import super_resolution as figures
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def test_both_waves_of_every_step_have_the_means_that_are_drawn():
    w = sp.Symbol("omega", real=True)
    names = {"sp": sp, "w": w, "transfer": lambda omega: sp.cos(omega) * sp.cos(omega / 2)}
    figure = shown("inr/super-resolution", "fig-sr-waves", figures=figures, **names).figure
    slider = figure.layout.sliders[0]
    assert len(slider.steps) == 17
    for k, step in enumerate(slider.steps):
        omega = k * np.pi / 16
        change, traces = step.args
        assert list(traces) == [0, 1, 2, 3, 4]
        (place, pixel, _, middle, (at,)), (wave, seen, slow, means, (factor,)) = change["x"], change["y"]
        np.testing.assert_allclose(seen, wave[::4][:32], atol=1e-4)  # four drawn points a pixel
        assert list(place[::4][:32]) == list(pixel)
        for drawn in (wave, slow):
            blocks = np.asarray(drawn[::4][:32]).reshape(8, 4)
            np.testing.assert_allclose(blocks.mean(1), means, atol=2e-4)
        np.testing.assert_allclose(middle, np.arange(32).reshape(8, 4).mean(1))
        np.testing.assert_allclose([at, factor], [omega, np.mean(np.cos(omega * (np.arange(4) - 1.5)))], atol=1e-4)
        spectrum = np.abs(np.fft.rfft(slow[:-1]))
        assert spectrum.argmax() <= 4, "the slow wave turns at most a quarter of pi a pixel"
    start = slider.steps[slider.active].args[0]
    for trace, x, y in zip(figure.data, start["x"], start["y"], strict=False):
        np.testing.assert_allclose(trace.x, x)
        np.testing.assert_allclose(trace.y, y)
    turns = np.asarray(figure.data[5].x)[:, None] * (np.arange(4) - 1.5)
    np.testing.assert_allclose(figure.data[5].y, np.cos(turns).mean(1), atol=1e-14)


def test_losses_and_quality_have_one_look_a_network():
    losses = {f"network {k}": [1.0, 0.1 / k] for k in range(1, 7)}
    quality = {name: [10.0, 20.0 + k] for k, name in enumerate(losses)}
    above, below = figures.training(losses, quality, {"bicubic": 15.0}).axes
    for upper, lower, name in zip(above.lines, below.lines[:6], losses, strict=True):
        np.testing.assert_allclose(upper.get_ydata(), losses[name])
        np.testing.assert_allclose(lower.get_ydata(), quality[name])
        assert upper.get_label() == name
    looks = [[(line.get_color(), line.get_linestyle()) for line in ax.lines[:6]] for ax in (above, below)]
    assert looks[0] == looks[1]
    assert len(set(looks[0])) == 6
    np.testing.assert_allclose(below.lines[6].get_ydata(), 15)
    assert below.lines[6].get_label() == "bicubic"
