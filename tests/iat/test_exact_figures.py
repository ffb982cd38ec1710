"""The pictures of the chapter on the exact transform show what they say."""

import numpy as np
import pytest
import torch

from relunb.book.figures import exact as figures

pytestmark = pytest.mark.usefixtures("no_window")


def test_cells_shade_the_positive_part_and_print_its_area():
    ends = [(2.0, 1.0), (2.0, -1.0), (-2.0, 1.0), (-2.0, -1.0)]
    t = np.linspace(0, 1, 100_001)
    for ax, (a, b) in zip(figures.cells(ends).axes, ends, strict=True):
        area = np.maximum(a + t * (b - a), 0).mean()
        assert float(ax.get_title().split()[-1]) == pytest.approx(area, abs=1e-3)
        if max(a, b) <= 0:
            assert not ax.collections
            continue
        corners = ax.collections[0].get_paths()[0].vertices
        x, y = corners[:, 0], corners[:, 1]
        shaded = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
        assert shaded == pytest.approx(area, abs=1e-4)


def test_digits_draw_each_error_and_lift_zero_to_the_edge():
    gaps, errors = [1e-1, 1e-2, 1e-3], {"one": [1e-16, 1e-8, 2.0], "two": [0.0, 1e-16, 0.0]}
    ax = figures.digits(gaps, errors).axes[0]
    for line, (name, error) in zip(ax.lines[:2], errors.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_xdata(), gaps)
        np.testing.assert_allclose(line.get_ydata(), [e or 1e-17 for e in error])
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_curvature_draws_the_curves_that_it_was_given():
    x = torch.linspace(-1, 1, 9)
    curves = {"hats": x.exp(), "splines": x.cos()}
    ax = figures.curvature(x, curves).axes[0]
    for line, (name, curve) in zip(ax.lines[:2], curves.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_allclose(line.get_ydata(), curve)


def test_solutions_show_each_fit_above_and_its_error_below():
    x = torch.linspace(0, 1, 11)
    truth = x**2
    fits = {"one": truth + 0.1, "two": truth - x * 1e-3}
    above, below = figures.solutions(x, truth, fits).axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), truth)
    for drawn, missed, (name, fit) in zip(above.lines[1:], below.lines, fits.items(), strict=True):
        assert drawn.get_label() == name
        np.testing.assert_allclose(drawn.get_ydata(), fit)
        np.testing.assert_allclose(missed.get_ydata(), (fit - truth).abs().clamp_min(1e-9))


def test_loads_have_a_panel_for_each_network_with_the_same_load():
    x = torch.linspace(0, 1, 11)
    fits = {"one": x**2, "two": x**3, "three": x**4}
    for ax, (name, fit) in zip(figures.loads(x, x.sin(), fits).axes, fits.items(), strict=True):
        wanted, drawn = ax.lines
        np.testing.assert_allclose(wanted.get_ydata(), x.sin())
        np.testing.assert_allclose(drawn.get_ydata(), fit)
        assert ax.get_title() == name
