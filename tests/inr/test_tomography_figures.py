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
