"""The pictures of the chapter on the coverage of the domain show what they say."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from relunb import plot
from relunb.book.figures import coverage
from relunb.wavelet import dyadic_system
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def bars(ax, color=None):
    """(level, left, right) of every bar of a panel."""
    found = []
    for collection in ax.collections:
        if hasattr(collection, "get_segments") and (color is None or _same(collection.get_color(), color)):
            found += [(round(a[1]), a[0], b[0]) for a, b in collection.get_segments()]
    return found


def _same(colors, name):
    from matplotlib.colors import to_rgba

    return np.allclose(colors, to_rgba(name))


@pytest.fixture
def where_they_live():
    return shown("wavelet/coverage", "fig-cov-where", figures=coverage)


def test_a_bar_is_the_support_of_a_neuron(where_they_live):
    for ax, shifts in zip(where_they_live.axes, ("paper", "interior", "all"), strict=True):
        level, shift = dyadic_system(5, shifts)
        wanted = sorted((j, k / 2**j, (k + 3) / 2**j) for j, k in zip(level.tolist(), shift.tolist(), strict=True))
        drawn = sorted((j, 1.5 * (left - 0.012 + 1), 1.5 * (right + 0.012 + 1)) for j, left, right in bars(ax))
        np.testing.assert_allclose(drawn, wanted, atol=1e-12)
        assert ax.get_title(loc="left").endswith(f": {len(level)}")


def test_orange_neurons_are_those_that_stick_out_two_at_each_end_of_a_level(where_they_live):
    *inside, everything = where_they_live.axes
    assert all(not bars(ax, plot.ORANGE) for ax in inside)
    orange = bars(everything, plot.ORANGE)
    assert len(orange) == 20
    assert sum(left < -1 for _, left, _ in orange) == 10 and sum(right > 1 for _, _, right in orange) == 10


def test_neighbours_of_one_row_do_not_touch(where_they_live):
    for ax in where_they_live.axes:
        rows = {}
        for collection in ax.collections:
            if hasattr(collection, "get_segments"):
                for a, b in collection.get_segments():
                    rows.setdefault(round(a[1], 6), []).append((a[0], b[0]))
        for row in rows.values():
            row.sort()
            assert all(first[1] + 0.02 < second[0] for first, second in zip(row, row[1:], strict=False))


def test_figure_2_draws_medians_and_puts_the_infinite_on_its_line():
    kappa = torch.tensor([[3.0, 1.0, 2.0], [torch.inf, 5.0, torch.inf]])
    loss = torch.tensor([[0.3, 0.1, 0.2], [0.03, 0.02, 0.01]])
    above, below = coverage.figure_2(20, {"one": kappa}, {"one": loss}).axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), [2, 1e7])
    np.testing.assert_allclose(below.lines[0].get_ydata(), [0.2, 0.02])
    assert list(above.lines[0].get_xdata()) == [0, 20]
    labels = dict(zip(above.get_yticks(), (text.get_text() for text in above.get_yticklabels()), strict=True))
    assert labels[1e7] == "infinite"
    corners = above.collections[0].get_paths()[0].vertices
    assert {1.0, 3.0, 5.0, 1e7} <= set(corners[:, 1].round(6))


def test_exchanged_pairs_share_a_color_and_not_a_line():
    loss = torch.tensor([[0.3, 0.1, 0.2], [0.03, 0.02, 0.01]]).repeat(13, 1)
    panels = {"top": dict.fromkeys("abcd", loss), "bottom": dict.fromkeys("abcd", loss / 2)}
    figure = shown("wavelet/coverage", "fig-cov-exchange", plt=plt, panels=panels)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["top", "bottom"]
    lines = figure.axes[0].lines
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-", "--"]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    np.testing.assert_allclose(lines[0].get_ydata(), 13 * [0.2, 0.02])
    np.testing.assert_allclose(figure.axes[1].lines[3].get_ydata(), 13 * [0.1, 0.01])
