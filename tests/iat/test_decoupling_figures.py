"""The pictures of the chapter on decoupling show what they are given."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from relunb.book.figures import decoupling as figures
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def test_a_jump_is_a_gap_and_the_rest_is_drawn():
    t = torch.linspace(-1, 1, 401)
    step = t + (t > 0.1)
    functions = {name: (t.abs(), step if name == "one" else t) for name in ("one", "two", "three", "four")}
    figure = figures.halves(t, functions)
    for ax, (name, (coupled, decoupled)) in zip(figure.axes, functions.items(), strict=True):
        thin, thick = (line.get_ydata() for line in ax.lines)
        assert ax.get_title() == name
        np.testing.assert_allclose(thin, coupled)
        gaps = np.isnan(thick)
        assert gaps.sum() == (name == "one")
        np.testing.assert_allclose(thick[~gaps], decoupled[~torch.from_numpy(gaps)])
    assert bool(t[np.isnan(figure.axes[0].lines[1].get_ydata())] > 0.1)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["coupled", "decoupled"]


def test_a_picture_stands_the_right_way_up_with_its_points():
    values = torch.arange(6.0).reshape(2, 3)  # row 0: the smallest t_2
    figure = figures.planes({"one": values, "two": 2 * values}, [(0.5, -0.25)])
    for ax, expected in zip(figure.axes, (values, 2 * values), strict=True):
        (picture,) = ax.images
        assert picture.origin == "lower" and tuple(picture.get_extent()) == (-1, 1, -1, 1)
        np.testing.assert_allclose(picture.get_array(), expected)
        assert [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in ax.lines] == [(0.5, -0.25)]


def test_each_fit_has_a_panel_with_the_same_samples():
    place = torch.linspace(-1, 1, 9)[:, None]
    kinds = ("coupled, width 10", "pattern held", "pattern free")
    powers = {name: [lambda x, n=n, k=k: k * x**n for k in range(8)] for n, name in enumerate(kinds)}
    names = {"plt": plt, "place": place, "pulse": place, "trained": powers}
    by_error = torch.tensor([7.0, 6, 5, 4, 3, 2, 1, 0])  # the fourth best is number 4
    figure = shown("iat/decoupling", "fig-de-fits", errors=lambda nets: by_error, **names)
    for n, (ax, name) in enumerate(zip(figure.axes, kinds, strict=True)):
        truth, drawn = ax.lines
        np.testing.assert_allclose(truth.get_ydata(), place[:, 0])
        np.testing.assert_allclose(drawn.get_ydata(), 4 * place[:, 0] ** n)
        assert ax.get_title() == name


def test_lines_are_medians_of_their_dots_at_their_widths():
    errors = {"one": torch.tensor([[0.1, 0.2, 0.9], [0.3, 0.1, 0.2]]), "two": torch.full((2, 3), 0.5)}
    (ax,) = figures.transfers([3, 12], errors).axes
    medians = {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}
    np.testing.assert_allclose(medians["one"].get_ydata(), [0.2, 0.2])
    np.testing.assert_allclose(medians["two"].get_ydata(), [0.5, 0.5])
    for number, (name, error) in enumerate(errors.items()):
        dots = ax.lines[4 * number : 4 * number + 3]
        np.testing.assert_allclose(np.stack([line.get_ydata() for line in dots], 1), error)
        assert all(np.allclose(line.get_xdata(), medians[name].get_xdata()) for line in dots)
    assert [text.get_text() for text in ax.get_xticklabels()] == ["3", "12"]
    np.testing.assert_allclose([round(float(x)) for x in medians["one"].get_xdata()], [0, 1])
