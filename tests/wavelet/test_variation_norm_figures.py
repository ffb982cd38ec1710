"""The pictures of the chapter on the variation norm show what they say."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
import torch

from relunb.book.figures import variation_norm as figures
from relunb.wavelet import KNOTS, VALUES, WEIGHTS, variation_norm
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def test_jumps_stand_at_the_kinks_and_add_up_to_sixteen():
    above, below = figures.jumps(KNOTS, VALUES, WEIGHTS).axes
    np.testing.assert_allclose(above.lines[1].get_xdata(), [float(k) for k in KNOTS])
    np.testing.assert_allclose(above.lines[1].get_ydata(), [float(v) for v in VALUES])
    slopes = np.diff(above.lines[0].get_ydata()) / np.diff(above.lines[0].get_xdata())
    sticks = sorted(tuple(top) for sign in below.collections for _, top in sign.get_segments())
    np.testing.assert_allclose(sticks, [(float(k), float(w)) for k, w in zip(KNOTS, WEIGHTS, strict=True)])
    np.testing.assert_allclose([height for _, height in sticks], np.diff(slopes)[: len(sticks)], atol=1e-12)
    assert np.isclose(sum(abs(height) for _, height in sticks), 16)
    assert [text.get_text() for text in below.texts] == [str(w) for w in WEIGHTS]


def test_the_slider_shows_the_sum_and_its_total_variation():
    def total_variation(neurons):
        vs, ws, bs = zip(*neurons, strict=True)
        return variation_norm(vs, ws, bias=list(map(Fraction, bs)), exact=True)

    names = {"figures": figures, "sp": sp, "KNOTS": KNOTS, "total_variation": total_variation}
    figure = shown("wavelet/variation-norm", "fig-vn-shift", **names).figure
    slider = figure.layout.sliders[0]
    first = np.asarray(figure.data[0].y)
    lower = {}
    for step in slider.steps:
        changes, traces = step.args
        assert list(traces) == [1, 2, 4]
        (x, _, (place,)), (second, total, (variation,)) = changes["x"], changes["y"]
        np.testing.assert_allclose(total, first + second, atol=2e-6)
        slopes = np.diff(total) / np.diff(x)
        assert np.isclose(np.abs(np.diff(slopes)).sum(), variation, atol=2e-3)
        assert float(step.label) == place
        if variation < 31.999:
            lower[place] = variation
    assert lower.keys() == {0.5, 1.5, 2.5}
    np.testing.assert_allclose(list(lower.values()), [32 / 3, 26, 94 / 3])
    start = slider.steps[slider.active].args[0]
    for trace, x, y in zip((1, 2, 4), start["x"], start["y"], strict=True):
        np.testing.assert_allclose(figure.data[trace].x, x)
        np.testing.assert_allclose(figure.data[trace].y, y)
    np.testing.assert_allclose(figure.data[3].x, [float(step.label) for step in slider.steps])


def test_lines_are_medians_of_their_dots():
    scales = [0.5, 1.0, 2.0]
    errors = torch.tensor([[1.0, 2, 9], [3, 1, 2], [4, 8, 6]])
    norms = {"sum": 10 * errors, "inside": 5 * errors}
    above, below = figures.norms_and_errors(scales, errors, norms, 3.0).axes
    dots, line = above.lines[:3], above.lines[3]
    for seed, column in enumerate(dots):
        np.testing.assert_allclose(column.get_ydata(), errors[:, seed])
    np.testing.assert_allclose(line.get_ydata(), [2, 2, 6])
    lines = {line.get_label(): line.get_ydata() for line in below.lines if not line.get_label().startswith("_")}
    np.testing.assert_allclose(lines["sum"], [20, 20, 60])
    np.testing.assert_allclose(lines["inside"], [10, 10, 30])
    np.testing.assert_allclose(lines["least possible"], [3, 3])
    assert [float(text.get_text()) for text in below.get_xticklabels()] == scales
