"""The pictures of the chapter on activation patterns show what they say."""

import numpy as np
import pytest
import torch

from relunb.book.figures import activation_pattern as figures
from relunb.iat import PWL, Fourier, Rect, activation_matrix, activation_pattern
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")

X = torch.tensor([0.9, -0.4, 0.7, 0.5, -0.6, 0.8], dtype=torch.float64)
Y = torch.tensor([-0.3, 0.8, 0.6, -0.7, 0.9, 0.4], dtype=torch.float64)


@pytest.mark.parametrize("basis", [Fourier(6), PWL(6)])
def test_bars_and_dots_are_the_pattern_and_the_image_its_matrix(basis):
    pattern = activation_pattern(X, basis)
    expected = activation_matrix(pattern, basis, basis, normalized=False)
    s = torch.linspace(-1, 1, 401, dtype=torch.float64)
    drawn = figures.state(s, basis(s) @ X, pattern.roots, pattern.intervals, expected)
    left, right, *_ = drawn.axes
    curve, _, *bars, dots = left.lines
    np.testing.assert_allclose(curve.get_ydata(), basis(torch.as_tensor(curve.get_xdata())) @ X)
    np.testing.assert_allclose([bar.get_xdata() for bar in bars], pattern.intervals)
    np.testing.assert_allclose(dots.get_xdata(), pattern.roots)
    assert not np.any(dots.get_ydata())
    np.testing.assert_allclose(right.images[0].get_array(), expected)
    assert [text.get_text() for text in right.get_xticklabels()] == list("123456")


def test_the_chapters_state_is_the_one_of_its_six_numbers():
    left, right, *_ = shown("iat/activation-pattern", "fig-ap-state", figures=figures).axes
    np.testing.assert_allclose(left.lines[-1].get_xdata(), activation_pattern(X, "fourier").roots)
    expected = activation_matrix(activation_pattern(X, "fourier"), Fourier(6), Fourier(6), normalized=False)
    np.testing.assert_allclose(right.images[0].get_array(), expected)


@pytest.fixture
def turning():
    names = {"figures": figures, "torch": torch, "first": X, "activation_pattern": activation_pattern}
    return shown("iat/activation-pattern", "fig-ap-turn", Fourier=Fourier, **names).figure


def test_the_slider_turns_the_input(turning):
    figure, slider = turning, turning.layout.sliders[0]
    assert [step.label for step in slider.steps] == [str(n) for n in range(0, 361, 10)]
    place = torch.linspace(-1, 1, 121, dtype=torch.float64)
    np.testing.assert_allclose(figure.data[1].x, place, atol=1e-4)
    for step in slider.steps:
        angle = np.deg2rad(float(step.label))
        x = X * np.cos(angle) + Y * np.sin(angle)
        changes, traces = step.args
        assert list(traces) == [0, 1, 2, 4, 5]
        filled, curve, zeros, level, heights = changes["y"]
        np.testing.assert_allclose(curve, Fourier(6)(place) @ x, atol=1e-4)
        np.testing.assert_allclose(filled, np.maximum(curve, 0))
        expected = activation_pattern(x, "fourier").roots
        for roots, marks in ((changes["x"][2], zeros), (changes["x"][4], heights)):
            np.testing.assert_allclose(roots, expected, atol=1e-5)
            assert len(roots) == len(marks)
        assert not np.any(zeros)
        assert {*level, *heights} == {int(step.label)}
    start = slider.steps[slider.active].args[0]
    for trace, x, y in zip((0, 1, 2, 4, 5), start["x"], start["y"], strict=True):
        np.testing.assert_allclose(figure.data[trace].x, x)
        np.testing.assert_allclose(figure.data[trace].y, y)


def test_the_map_below_the_slider_is_where_the_state_is_positive(turning):
    heat = turning.data[3]
    angle = np.deg2rad(np.asarray(heat.y, dtype=float))[:, None]
    x = torch.as_tensor(np.cos(angle) * X.numpy() + np.sin(angle) * Y.numpy())
    z = x @ Fourier(6)(torch.as_tensor(np.asarray(heat.x), dtype=torch.float64)).T
    clear = z.abs().numpy() > 1e-2
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(np.asarray(heat.z)[clear], (z > 0).numpy()[clear])


def test_columns_are_the_patterns_in_time():
    times = torch.arange(20) / 10
    x = torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    patterns = {"rect": activation_pattern(x, Rect(4)), "hats": activation_pattern(x, PWL(4))}
    middles = (torch.arange(320, dtype=torch.float64) + 0.5) / 160 - 1
    inside = {name: pattern.contains(middles) for name, pattern in patterns.items()}
    above, *below = figures.along(times, x[:, 0], inside).axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), x[:, 0])
    for ax, (name, pattern) in zip(below, patterns.items(), strict=True):
        shown = np.asarray(ax.images[0].get_array(), dtype=bool)
        assert ax.get_title() == name
        np.testing.assert_allclose(2 * shown.mean(0), pattern.measure, atol=0.02)
        left, right, low, high = ax.images[0].get_extent()
        np.testing.assert_allclose([left, right, low, high], [0, 1.9, -1, 1])
        assert ax.images[0].origin == "lower"
    rows = np.asarray(below[0].images[0].get_array(), dtype=bool).reshape(4, 80, 20)
    np.testing.assert_array_equal(rows, np.broadcast_to((x > 0).T[:, None], rows.shape))
