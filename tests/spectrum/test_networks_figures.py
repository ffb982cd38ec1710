"""The pictures of the chapter on the two networks show what they say."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from relunb.book.figures import networks
from relunb.spectrum import amplitude_spectrum, difference_network
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def picture(name, **names):
    names |= {"figures": networks, "torch": torch, "plt": plt}
    return shown("spectrum/networks", name, **{"amplitude_spectrum": amplitude_spectrum, **names})


def test_a_stick_stands_at_every_line_and_nowhere_else():
    t = torch.arange(256, dtype=torch.float64) / 256
    signal = 0.5 + torch.cos(2 * torch.pi * 10 * t) + 2 * torch.cos(2 * torch.pi * 90 * t)
    spectrum = amplitude_spectrum(signal, 256)
    for upto, wanted in ((150, [(0, 0.5), (10, 1), (90, 2)]), (25, [(0, 0.5), (10, 1)])):
        _, ax = plt.subplots()
        networks.lines(ax, spectrum, color="black", upto=upto)
        sticks = [segment[1] for segment in ax.collections[0].get_segments()]
        np.testing.assert_allclose(sticks, wanted, atol=1e-12)
        assert ax.get_xlim()[1] >= upto


def test_the_slider_has_nine_layers_and_ends_on_equal_lines():
    figure = picture("fig-networks-layers", difference_network=difference_network).figure
    slider = figure.layout.sliders[0]
    assert [step.label for step in slider.steps] == [str(layer) for layer in range(9)]
    for layer, step in enumerate(slider.steps):
        visible = [k for k, on in enumerate(step.args[0]["visible"]) if on]
        assert visible == [0, 1 + 2 * layer, 2 + 2 * layer], "the tone, this layer's signal and its lines"
    assert [trace.visible for trace in figure.data].count(False) == 16
    impulses, lines = figure.data[17], figure.data[18]
    assert np.count_nonzero(impulses.y) == 2, "one a period, two periods"
    assert np.count_nonzero(figure.data[15].y) == 4, "and not before"
    np.testing.assert_allclose(lines.y, [0.5, *[1] * 15, 0.5], atol=1e-9)


def test_the_gain_times_an_orange_point_is_the_green_one():
    f = torch.arange(0, 41, dtype=torch.float64)
    gain, before = torch.full_like(f, 0.25), torch.rand(41, dtype=torch.float64) + 1
    spectra = {"rectified": (f, before), "averaged": (f, gain * before)}
    names = {"amplitude_spectrum": lambda name, _: spectra[name], "net_avg": lambda _: "averaged", "x_four": None}
    ax = picture("fig-networks-gain", rectified="rectified", rate=1024, H=gain**0.2, **names).axes[0]
    curve, orange, green = (np.asarray(line.get_ydata()) for line in ax.lines)
    np.testing.assert_allclose(green, orange * curve[::5])
    np.testing.assert_array_equal(ax.lines[1].get_xdata(), np.arange(0, 41, 5))


def test_pooling_marks_the_new_half_rate():
    f = torch.arange(0, 33, dtype=torch.float64)
    spectra = {"two": (f, torch.ones(33)), "pooled": (f[:9], torch.ones(9))}
    filters = [None, SimpleNamespace(frequency_response=lambda f, _: torch.ones_like(f))]
    names = {
        "amplitude_spectrum": lambda name, _: spectra[name],
        "moving_average_network": lambda *_: filters,
        "P": 4,
        "rate": 64,
    }
    figure = picture("fig-networks-pooling", two_tones="two", pooled="pooled", **names)
    for ax in figure.axes:
        dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
        assert [list(line.get_xdata()) for line in dotted] == [[8, 8]]
    assert len(figure.axes[0].collections[0].get_segments()) == 33
    assert len(figure.axes[1].collections[0].get_segments()) == 9
