"""The pictures of the chapter on image fitting show what they say."""

import numpy as np
import pytest

from relunb.book.figures import image_fitting as figures

pytestmark = pytest.mark.usefixtures("no_window")


def test_the_ruler_marks_each_value_and_names_it():
    limits, scores = {"bytes": 58.9, "certain": 102.3}, {"one": 107.9, "two": 105.9}
    ax = figures.ruler(limits, scores).axes[0]
    marked = [line.get_ydata()[0] for line in ax.lines[:-1]]
    np.testing.assert_allclose(marked, [*limits.values(), *scores.values()])
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["bytes, 58.9", "certain, 102.3", "one, 107.9", "two, 105.9"]
    for line, text in zip(ax.lines, ax.texts, strict=False):
        assert np.isclose(line.get_ydata()[-1], text.get_position()[1])


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [10.0, 0.0, 0.5], [0.0, 5.0, 10.0], [3.0]])
def test_labels_keep_their_order_and_their_distance(values):
    places = np.array(figures.spread(values, 4.0))
    assert (np.argsort(places) == np.argsort(values)).all()
    assert (np.diff(np.sort(places)) > 4 - 1e-6).all()
    assert np.isclose(places.mean(), np.mean(values))


def test_labels_that_do_not_touch_stay_where_they_are():
    assert figures.spread([50.0, 0.0, 20.0], 5.0) == [50, 0, 20]


def test_stored_curves_are_means_with_a_band_over_the_seeds():
    row = {"moments": [0, 1, 10], "curve": [[1.0, 2, 3], [1, 4, 9]]}
    ax = figures.stored_curves({"a": row}).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 3], [10, 6]])
    corners = ax.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(corners[:, 1].min(), 2)
    np.testing.assert_allclose(corners[:, 1].max(), 9)
