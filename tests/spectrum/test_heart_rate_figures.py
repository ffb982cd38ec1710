"""The pictures of the heart-rate chapter show what they say."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp
import torch

from relunb.book.figures import heart_rate
from relunb.spectrum import amplitude_spectrum
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def picture(name, **names):
    names |= {"figures": heart_rate, "torch": torch, "np": np, "sp": sp, "amplitude_spectrum": amplitude_spectrum}
    return shown("spectrum/heart-rate", name, **names)


def test_the_beats_lie_on_the_pulse_and_the_heart_line_at_its_frequency():
    time = torch.arange(372 * 32, dtype=torch.float64) / 32
    pulse = 3 * torch.cos(2 * torch.pi * 1.5 * (time - 364))
    beats = 364 + torch.arange(1, 12, dtype=torch.float64) * 2 / 3
    above, below = picture("fig-heart-pulse", pulse=pulse, rate=32.0, beats=beats).axes
    dots = above.lines[1].get_ydata()
    np.testing.assert_allclose(dots, 3, atol=0.1)
    f, amplitude = below.lines[0].get_data()
    assert f[np.argmax(amplitude)] == 1.5 and max(amplitude) == pytest.approx(3)
    assert below.lines[1].get_xdata()[0] == pytest.approx(1.5), "the first dotted line is at the heart's frequency"


def test_the_gain_is_one_at_rest_and_a_tone_arrives_below_the_new_half_rate():
    w = sp.Symbol("w", positive=True)
    above, below = picture("fig-heart-pooling", w=w, gain=sp.cos(w) * sp.cos(w / 2)).axes
    stays, aliases = above.lines[0], above.lines[1]
    assert stays.get_ydata()[0] == pytest.approx(1) and max(stays.get_xdata()) <= 4 <= min(aliases.get_xdata())
    assert stays.get_ydata()[-1] == pytest.approx(math.cos(math.pi / 4) * math.cos(math.pi / 8), abs=0.01)
    arrives = below.lines[1]
    f = np.asarray(arrives.get_xdata())
    np.testing.assert_allclose(np.interp([6, 8, 10, 12], f, arrives.get_ydata()), [2, 0, 2, 4], atol=0.02)


def test_each_living_unit_is_drawn_over_its_own_dc_and_silent_ones_are_counted_out():
    time = torch.arange(256) / 32
    values = torch.stack([torch.zeros(256), 2 + torch.cos(2 * torch.pi * 2 * time), torch.zeros(256)])
    values[2, 0] = 5  # an impulse: the ceiling
    window = torch.cos(2 * torch.pi * 2 * time)
    names = {"windows": lambda *_: (window[None], torch.tensor(120.0)), "unit": 1.0, "sample_rates": {"layer": 32.0}}
    network = SimpleNamespace(activations=lambda _: {"layer": values})
    (ax,) = picture("fig-heart-activations", network=network, **names).axes
    assert ax.get_title() == "block 1: 2 of 3 units alive"
    tone, impulse = ax.lines[0].get_ydata(), ax.lines[1].get_ydata()
    assert tone[0] == pytest.approx(1) and tone[16] == pytest.approx(0.5) and np.delete(tone, [0, 16]).max() < 1e-5
    np.testing.assert_allclose(impulse[1:-1], 2, rtol=1e-5)
