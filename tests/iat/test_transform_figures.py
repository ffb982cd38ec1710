"""The pictures of the chapter on the transform show what they say."""

import numpy as np
import pytest
import torch

from relunb.book.figures import transform as figures
from relunb.iat import PWL, Fourier, Rect, RectWavelet, activation_pattern, transform
from tests.cells import cell, shown

pytestmark = pytest.mark.usefixtures("no_window")

PAGE = "iat/transform"
X = torch.tensor([0.9, -0.7, 1.1, -0.2, -0.8, 0.6], dtype=torch.float64)


def test_three_steps_are_a_state_its_positive_part_and_means_of_that():
    top, middle, bottom = shown(PAGE, "fig-tr-steps", figures=figures).axes
    *terms, state, dots, _ = (line.get_ydata() for line in top.lines)
    s = top.lines[0].get_xdata()
    np.testing.assert_allclose(np.array(terms).T, Fourier(6)(torch.as_tensor(s)) * X)
    np.testing.assert_allclose(state, np.sum(terms, 0))
    np.testing.assert_allclose(middle.lines[0].get_ydata(), np.maximum(state, 0))
    roots = activation_pattern(X, "fourier").roots
    for line in (top.lines[-2], middle.lines[-2]):
        np.testing.assert_allclose(line.get_xydata(), torch.stack([roots, torch.zeros_like(roots)], -1))
    np.testing.assert_allclose(dots, 0)
    heights = [bar.get_height() for bar in bottom.patches]
    np.testing.assert_allclose(heights, transform(X, "fourier", "rect"))
    means = np.maximum(state, 0)[:-1].reshape(6, -1).mean(1)
    np.testing.assert_allclose(heights, means, atol=0.02)
    np.testing.assert_allclose([bar.get_x() for bar in bottom.patches], np.arange(6) / 3 - 1)
    assert [text.get_text() for text in bottom.texts] == [f"$y_{i}$" for i in range(1, 7)]


def test_each_function_is_drawn_and_a_jump_is_a_vertical_line():
    families = {"waves": Fourier(3), "hats": PWL(4), "jumps": RectWavelet(5), "rectangles": Rect(3)}
    names = {"figures": figures, "torch": torch, "Fourier": Fourier}
    exec(cell(PAGE, "fig-tr-bases"), names)
    curves = {name: names["drawn"](family) for name, family in families.items()}
    for ax, (name, family) in zip(figures.bases(curves).axes, families.items(), strict=True):
        assert ax.get_title() == name and len(ax.lines) == family.size
        drawn = []
        for line in ax.lines:
            s, y = (torch.as_tensor(data) for data in line.get_data())
            values = torch.stack([family(s), family.left_limit(s)])
            fits = [bool((values[..., i] - y).abs().amin(0).max() < 1e-12) for i in range(family.size)]
            drawn.append(fits.index(True))
        assert sorted(drawn) == list(range(family.size)) and drawn[-2:] == [2, 1]
    s, y = figures.bases({"jumps": curves["jumps"]}, columns=1).axes[0].lines[-1].get_data()
    assert set(np.asarray(y)[np.isclose(s, -0.2)]) == {1.0, -1.0}


def test_the_slider_shows_nodes_and_the_error_of_their_sum():
    points = [*range(4, 25), 28, 32, 40, 48, 64, 96, 128]
    names = {"figures": figures, "torch": torch, "six": X, "Fourier": Fourier, "Rect": Rect, "transform": transform}
    figure = shown(PAGE, "fig-tr-bars", **names).figure
    truth = transform(X, "fourier", Rect(1)).item()
    steps = figure.layout.sliders[0].steps
    for m, step in zip(points, steps, strict=True):
        changes, traces = step.args
        (nodes, (place,)), (heights, (error,)) = changes["x"], changes["y"]
        assert list(traces) == [0, 3] and step.label == str(place) == str(m)
        np.testing.assert_allclose(nodes, (2 * np.arange(m) + 1) / m - 1, atol=1e-6)
        state = Fourier(6)(torch.tensor(nodes, dtype=torch.float64)) @ X
        np.testing.assert_allclose(heights, state.clamp_min(0), atol=1e-4)
        assert np.isclose(abs(np.mean(heights) - truth), error, atol=1e-5)
    start = steps[figure.layout.sliders[0].active].args[0]
    for trace, x, y in zip((0, 3), start["x"], start["y"], strict=True):
        np.testing.assert_allclose(figure.data[trace].x, x)
        np.testing.assert_allclose(figure.data[trace].y, y)
    np.testing.assert_allclose(figure.data[2].x, points)
    np.testing.assert_allclose(figure.data[2].y, [step.args[0]["y"][1][0] for step in steps])


def test_rates_are_drawn_beside_their_powers():
    points = [24, 48, 96]
    given = {"one": ([4e-2, 1e-2, 2e-3], [3e-1, 1e-1, 7e-2]), "two": ([1e-2, 3e-3, 6e-4], [2e-1, 9e-2, 5e-2])}
    for which, ax in enumerate(figures.rates(points, given).axes):
        *lines, guide = ax.lines
        assert [line.get_label() for line in lines] == list(given)
        for line, errors in zip(lines, given.values(), strict=True):
            np.testing.assert_allclose(line.get_xydata(), np.stack([points, errors[which]], -1))
        np.testing.assert_allclose(np.diff(np.log2(guide.get_ydata())), which - 2)
        assert all((guide.get_ydata() > line.get_ydata()).all() for line in lines)
