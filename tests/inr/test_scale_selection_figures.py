"""The pictures of the chapter on scale selection show what they say."""

import numpy as np
import pytest
import sympy as sp

from relunb.book.figures import scale_selection as figures
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def test_the_price_is_drawn_with_its_bound_and_its_two_minima():
    s = sp.Symbol("s", positive=True)
    (ax,) = shown("inr/scale-selection", "fig-ln-price", sp=sp, s=s, price=(2 * sp.pi / s) ** 2).axes
    price, bound, minima = ax.lines
    periods = np.asarray(price.get_xdata())
    np.testing.assert_allclose(price.get_ydata(), periods**2)
    np.testing.assert_allclose(bound.get_xdata(), periods)
    np.testing.assert_allclose(bound.get_ydata(), np.maximum(1, np.pi / 4 * periods**2))
    np.testing.assert_allclose(minima.get_xydata(), [[1, 1], [1 / 3, 1]])
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_each_scale_is_a_line_that_begins_untrained_and_falls_to_the_right():
    paths = {0.5: [(90.0, 480.0, 5.0), (1.0, 1700.0, 22.0)], 5.0: [(80.0, 4900.0, 5.0), (1.0, 5300.0, 15.0)]}
    (ax,) = figures.along_training(paths).axes
    lines, rings = ax.lines[::2], ax.lines[1::2]
    for (scale, path), line, ring in zip(paths.items(), lines, rings, strict=True):
        assert line.get_label() == f"$c={scale:g}$"
        np.testing.assert_allclose(line.get_xydata(), [row[:2] for row in path])
        np.testing.assert_allclose(ring.get_xydata(), [path[0][:2]])
    assert ax.xaxis_inverted()


def test_each_run_is_a_mark_in_the_panel_of_its_task():
    cases = {
        "one": {1.0: [(2800.0, 26.7), (2900.0, 26.8)], 2.0: [(4200.0, 26.0)]},
        "two": {5.0: [(8000.0, 17.0)]},
        "three": {3.0: []},
    }
    figure = figures.norm_against_psnr(cases)
    *panels, empty = figure.axes
    assert not empty.axison
    for ax, (name, case) in zip(panels, cases.items(), strict=True):
        assert ax.get_title() == name
        for line, (scale, runs) in zip(ax.lines, case.items(), strict=True):
            assert line.get_label() == f"$c={scale:g}$"
            np.testing.assert_allclose(line.get_xydata(), np.reshape(runs, (-1, 2)))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["$c=1$", "$c=2$", "$c=3$", "$c=5$"]
    assert len({line.get_color() for ax in panels for line in ax.lines}) == 4
