"""The pictures of the chapter on the added constant show what they say."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from relunb.book import studies
from relunb.book.figures import features as figures
from relunb.book.studies.features import VARIANTS
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


@pytest.fixture(scope="module")
def runs():
    return studies.load("features")["variants"]


def test_every_stored_network_has_a_name_for_readers():
    assert set(figures.NETWORKS) == set(VARIANTS)


def test_the_papers_figure_draws_the_means_of_three_networks(runs):
    panels = figures.training(runs, ["relu", "linear", "label"]).axes
    assert [panel.get_title() for panel in panels] == ["loss", "distance, first layer", "distance, second layer"]
    for panel, quantity in zip(panels, ("loss", "first", "second"), strict=True):
        for line, name in zip(panel.lines, ("relu", "linear", "label"), strict=True):
            np.testing.assert_allclose(line.get_ydata(), runs[name][quantity]["mean"])


def test_the_controls_stand_at_their_medians(runs):
    ax = figures.near_and_able(runs).axes[0]
    points = {line.get_label(): line for line in ax.lines if line.get_marker() in ("o", "s")}
    for name, (label, *_) in figures.NETWORKS.items():
        assert points[label].get_xdata()[0] == runs[name]["second"]["median"][-1]
        assert points[label].get_ydata()[0] == runs[name]["loss"]["median"][-1]


def test_every_mean_is_drawn_by_class():
    data = SimpleNamespace(signals=torch.zeros(15, 4))
    added = {"a": torch.arange(15.0), "b": torch.ones(15)}
    figure = shown("spectrum/features", "fig-features-leak", figures=figures, plt=plt, data=data, added=added)
    first, second = ([list(line.get_xdata()) for line in ax.lines] for ax in figure.axes)
    assert first == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14]] and second == [[1] * 5] * 3
