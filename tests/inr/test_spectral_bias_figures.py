"""The pictures of the chapter on spectral bias show what they say."""

import math

import numpy as np
import pytest
import torch

from relunb.book.figures import spectral_bias as figures
from relunb.inr import Gaussian
from relunb.wavelet import wavelet_fourier
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def test_the_slider_moves_the_bands_with_the_scale():
    figure = shown("inr/spectral-bias", "fig-sb-rates", figures=figures).figure
    slider = figure.layout.sliders[0]
    periods = np.asarray(figure.data[0].x)
    np.testing.assert_allclose(np.diff(np.log(figure.data[0].y)) / np.diff(np.log(periods)), -4)
    for step, scale in zip(slider.steps, [2 ** (n / 2) for n in range(13)], strict=True):
        changes, traces = step.args
        assert list(traces) == [1, 2, 3]
        assert math.isclose(float(step.label), scale, rel_tol=5e-3)
        (x, _, line), (wavelet, gaussian, _) = changes["x"], changes["y"]
        size = wavelet_fourier(torch.tensor(x).double() * math.pi / scale).abs()
        seen = np.asarray(wavelet) > 1e-8
        np.testing.assert_allclose(np.asarray(wavelet)[seen], (size.numpy() / 0.485977974)[seen] ** 2, rtol=1e-3)
        assert line == [scale / math.pi] * 2
        grid = torch.arange(-8, 8, 1 / 64, dtype=torch.float64)
        first = torch.exp(-1j * math.pi * x[0] * grid) @ Gaussian(scale)(grid).cfloat().to(torch.complex128) / 64
        np.testing.assert_allclose(gaussian[0], first.abs().square() * scale**2 / math.pi, rtol=1e-3)
    best = 5.13979256 * 8 / math.pi
    assert math.isclose(periods[np.argmax(figure.data[1].y)], best, rel_tol=0.02)
    start = slider.steps[slider.active].args[0]
    for trace in (1, 2, 3):
        np.testing.assert_allclose(figure.data[trace].x, start["x"][trace - 1])
        np.testing.assert_allclose(figure.data[trace].y, start["y"][trace - 1])


def test_each_network_has_a_panel_and_each_band_a_line():
    shares = {name: torch.rand(7, 3) for name in ("one", "two", "three")}
    figure = figures.what_is_left(shares, ["low", "middle", "high"])
    for ax, (name, share) in zip(figure.axes, shares.items(), strict=False):
        assert ax.get_title() == name
        for line, column in zip(ax.lines[:3], share.T, strict=True):
            np.testing.assert_allclose(line.get_ydata(), column)
            np.testing.assert_allclose(line.get_xdata(), range(1, 8))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["low", "middle", "high"]
    assert not figure.axes[3].axison
