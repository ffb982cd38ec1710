"""The pictures of the chapter on smoothness show what they are given."""

import math

import numpy as np
import pytest
import torch

from relunb.book.figures import smoothness as figures
from relunb.iat import Fourier, activation_pattern
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def test_the_bars_are_the_pattern_and_the_curve_is_given():
    names = {"figures": figures, "torch": torch, "Fourier": Fourier, "activation_pattern": activation_pattern}
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # as the chapter does
    try:
        left, right = shown("iat/smoothness", "fig-sm-double", names).axes
    finally:
        torch.set_default_dtype(before)
    entries = names["fine"]
    lines = [line for line in left.lines if len(line.get_xdata()) == 401]
    bars = [line for line in left.lines if line.get_linewidth() == 4]
    for c, line in zip((0.8, 1.0, 1.2), lines, strict=True):
        s = np.asarray(line.get_xdata())
        z = np.cos(math.pi * s) + c * np.cos(2 * math.pi * s)
        np.testing.assert_allclose(line.get_ydata(), z, atol=1e-12)
        own = [bar.get_xdata() for bar in bars if bar.get_color() == line.get_color()]
        inside = np.any([(s >= a) & (s <= b) for a, b in own], axis=0)
        clear = np.abs(z) > 1e-6
        np.testing.assert_array_equal(inside[clear], z[clear] > 0)
    drawn, length = right.lines[0].get_data()
    np.testing.assert_allclose(drawn, entries)
    inside = np.arccos(np.clip((np.sqrt(1 + 8 * drawn**2) - 1) / (4 * drawn), -1, 1))  # z = 0, by the quadratic in cos
    outside = np.arccos(np.clip((-np.sqrt(1 + 8 * drawn**2) - 1) / (4 * drawn), -1, 1))
    np.testing.assert_allclose(length, 2 * (inside + math.pi - outside) / math.pi, atol=1e-6)


def test_each_basis_has_its_line_and_the_dotted_ones_their_slopes():
    h = torch.logspace(-2, -8, 4)
    records = {"a": torch.stack([h, h]), "b": torch.stack([h, 0 * h + 1])}
    (ax,) = figures.rulers(records).axes
    for i, record in enumerate(records.values()):
        np.testing.assert_allclose(ax.lines[2 * i].get_xydata(), record.T)
        assert ax.lines[2 * i].get_marker() == ax.lines[2 * i + 1].get_marker()
    for line, power in zip(ax.lines[-2:], (0.5, 1), strict=True):
        x, y = (np.log(np.asarray(n)) for n in line.get_data())
        np.testing.assert_allclose(np.diff(y) / np.diff(x), power)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]


def test_a_jump_is_a_gap_and_nothing_else_is():
    t = torch.linspace(-1, 1, 1001)
    step, smooth = (t > 0).float(), t**2
    axes = figures.three(t, {"one": (smooth, step, step), "two": (smooth, smooth, smooth)}).axes
    drawn = [np.asarray(ax.lines[0].get_ydata()) for ax in axes]
    for y, given in zip(drawn, (smooth, smooth, step, smooth, step, smooth), strict=True):
        kept = ~np.isnan(y)
        np.testing.assert_allclose(y[kept], given.numpy()[kept])
        assert (~kept).sum() == (given is step)
    assert [ax.get_title() for ax in axes[:2]] == ["one", "two"]


def test_every_seed_has_a_line_in_the_panel_of_its_activation():
    losses = {name: torch.rand(3, 20) + 0.1 for name in ("a", "b", "c", "d")}
    for ax, (name, rows) in zip(figures.training(losses).axes, losses.items(), strict=True):
        assert ax.get_title() == name
        np.testing.assert_allclose([line.get_ydata() for line in ax.lines], rows)
