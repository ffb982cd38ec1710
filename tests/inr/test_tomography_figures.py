"""The pictures of the chapter on tomography show what they say."""

import numpy as np
import pytest
import torch

from relunb.book.figures import tomography as figures

pytestmark = pytest.mark.usefixtures("no_window")


def test_a_scan_shows_the_slice_and_one_column_an_angle():
    image, sinogram = torch.rand(6, 6), 10 * torch.rand(9, 4)
    left, right = figures.scan(image, sinogram, torch.arange(4) * 45.0).axes
    np.testing.assert_allclose(left.images[0].get_array(), image)
    assert left.images[0].get_clim() == (0, 1)
    np.testing.assert_allclose(right.images[0].get_array(), sinogram)
    assert right.images[0].get_extent() == [-22.5, 157.5, 4.5, -4.5]


def test_the_blob_and_its_blur_are_those_given():
    x = np.linspace(0, 4, 9)
    (ax,) = figures.blur(x, np.exp(-(x**2)), np.exp(-x)).axes
    truth, unfiltered = ax.lines
    np.testing.assert_allclose(truth.get_ydata(), np.exp(-(x**2)))
    np.testing.assert_allclose(unfiltered.get_xydata(), np.stack([x, np.exp(-x)], -1))


def test_errors_stand_over_the_widths_beside_the_prediction():
    widths, errors = [2.0, 4.0], {"one": [0.1, 0.02], "two": [0.2, 0.03]}
    (ax,) = figures.gaussian_error(widths, errors, [0.15, 0.04]).axes
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    for name, row in errors.items():
        np.testing.assert_allclose(drawn[name], row)
    np.testing.assert_allclose(drawn[r"$1/(12\,\sigma^2)$"], [0.15, 0.04])
    assert [float(text.get_text()) for text in ax.get_xticklabels()] == widths


def test_a_dot_marks_where_a_fit_would_stop():
    histories = {"grid": [1.0, 3.0, 2.0], "network": [1.0, 2.0, 2.5]}
    (ax,) = figures.noisy_fits(histories, 1.5, {"grid": 1}).axes
    grid, dot, network, classical = ax.lines
    np.testing.assert_allclose(grid.get_ydata(), histories["grid"])
    np.testing.assert_allclose(dot.get_xydata(), [[1, 3]])
    np.testing.assert_allclose(network.get_xydata(), [[0, 1], [1, 2], [2, 2.5]])
    np.testing.assert_allclose(classical.get_ydata(), [1.5, 1.5])


def test_each_method_has_its_seeds_and_their_mean_on_one_line():
    rows = {"BW-ReLU": [1.0, 3.0], "filtered back-projection": [5.0]}
    left, right = figures.compared({"a": rows, "b": rows}).axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["filtered back-projection", "BW-ReLU"]
    for ax in (left, right):
        _, classical, seeds, mean = ax.lines
        np.testing.assert_allclose(classical.get_xydata(), [[5, 0]])
        np.testing.assert_allclose(seeds.get_xydata(), [[1, 1], [3, 1]])
        np.testing.assert_allclose(mean.get_xydata(), [[2, 1]])
    assert left.get_title() == "a"
    assert right.get_title() == "b"
