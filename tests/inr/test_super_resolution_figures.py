"""The pictures of the chapter on super-resolution show what they say."""

import numpy as np
import pytest
import torch
from torch import nn

from relunb.book.figures import super_resolution as figures

pytestmark = pytest.mark.usefixtures("no_window")


def test_both_waves_of_every_step_have_the_means_that_are_drawn():
    figure = figures.waves().figure
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
    np.testing.assert_allclose(figure.data[5].y, figures.transfer(np.asarray(figure.data[5].x)))


def test_the_kernel_is_that_of_pytorch():
    impulse = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    impulse[..., 4] = 1  # a line: the other direction adds up to one
    finer = nn.functional.interpolate(impulse, scale_factor=4, mode="bicubic", align_corners=False)[0, 0, 18]
    distance = (np.arange(36) + 0.5) / 4 - 0.5 - 4
    np.testing.assert_allclose(figures.keys_kernel(distance, -0.75), finer, atol=1e-12)
    above, below = figures.kernels().axes
    for line, a in zip(above.lines, (-0.5, -0.75), strict=True):
        np.testing.assert_allclose(line.get_ydata(), figures.keys_kernel(line.get_xdata(), a))
    exact, bent = (line.get_ydata() for line in below.lines)
    np.testing.assert_allclose(exact, 0, atol=1e-12)
    s = np.modf(below.lines[1].get_xdata())[0]
    np.testing.assert_allclose(bent, s * (1 - s) * (2 * s - 1) * -0.5, atol=1e-12)


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


def test_the_sweep_is_drawn_over_its_scales():
    (ax,) = figures.equal_losses([1.5, 3.0, 8.0], [20.0, 21.0, 15.0], {"a": 19.0, "b": 21.5}).axes
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1.5, 20], [3, 21], [8, 15]])
    assert {line.get_label(): line.get_ydata()[0] for line in ax.lines[1:]} == {"a": 19.0, "b": 21.5}
    assert [float(text.get_text()) for text in ax.get_xticklabels()] == [1.5, 3, 8]
