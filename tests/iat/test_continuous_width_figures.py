"""The pictures of the chapter on continuous width show the kernels, errors and recordings they are given."""

from typing import Any

import numpy as np
import pytest
import torch

from relunb.book.figures import continuous_width as figures
from relunb.iat import ContinuousWidthNetwork
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")
PAGE = "iat/continuous-width"


def network(kind, widths=(5, 6)):
    torch.manual_seed(0)
    return ContinuousWidthNetwork(1, list(widths), 1, kind, kind).double()


def midpoints(points):
    return (2 * torch.arange(points, dtype=torch.float64) + 1) / points - 1


@torch.no_grad()
def test_both_columns_show_weight_function_bias_and_kernel():
    names = {"figures": figures}
    axes = np.reshape(shown(PAGE, "fig-cw-kernels", names).axes, (3, 2))
    constant, continuous = names["steps"], names["waves"]
    assert [ax.get_title() for ax in axes[0]] == ["piecewise constant", "continuous"]
    for drawn, net in zip(axes.T, (constant, continuous), strict=True):
        functions = (lambda s, net=net: net.kernel(0)(s)[..., 0], net.bias(0))
        for ax, function in zip(drawn[:2], functions, strict=True):
            x, y = ax.lines[1].get_data()
            np.testing.assert_allclose(y, function(torch.as_tensor(x)))
            if net is constant:
                assert len(x) == 12 and (y[::2] == y[1::2]).all(), "each step is flat"
                continue
            (steps,) = ax.patches
            np.testing.assert_allclose(steps.get_data().values, function(midpoints(16)))
            np.testing.assert_allclose(steps.get_data().edges, np.linspace(-1, 1, 17))
        (image,) = drawn[2].images
        values = image.get_array()
        places = midpoints(len(values))
        np.testing.assert_allclose(values, net.kernel(1)(places[:, None], places))
        assert image.get_extent() == [-1, 1, 1, -1], "s runs down, s' to the right"
        low, high = image.get_clim()
        assert low == -high and np.isclose(high, np.abs(values).max())
    weight: Any = constant.layers[2].weight
    np.testing.assert_allclose(axes[2, 0].images[0].get_array(), 3 * weight)


@torch.no_grad()
def test_the_slider_shows_the_same_functions_in_m_steps():
    net, sizes = network("fourier"), [4, 6, 8, 12, 16, 24, 32, 48]
    names = {"figures": figures, "torch": torch, "waves": net, "midpoints": midpoints}
    figure = shown(PAGE, "fig-cw-slider", names).figure
    slider = figure.layout.sliders[0]
    assert [step.label for step in slider.steps] == [str(size) for size in sizes]
    dotted = figure.data[0]
    np.testing.assert_allclose(dotted.y, net.bias(0)(torch.tensor(dotted.x, dtype=torch.float64)), atol=1e-3)
    for size, step in zip(sizes, slider.steps, strict=True):
        changes, traces = step.args
        assert list(traces) == [1, 2]
        places = midpoints(size)
        edges, nodes = changes["x"]
        np.testing.assert_allclose(edges[::2], np.linspace(-1, 1, size + 1)[:-1], atol=1e-3)
        np.testing.assert_allclose(edges[1::2], np.linspace(-1, 1, size + 1)[1:], atol=1e-3)
        np.testing.assert_allclose(changes["y"][0], net.bias(0)(places).repeat_interleave(2), atol=1e-3)
        np.testing.assert_allclose(nodes, places, atol=1e-3)
        np.testing.assert_allclose(changes["y"][1], places, atol=1e-3)
        np.testing.assert_allclose(changes["z"][1], net.kernel(1)(places[:, None], places), atol=1e-3)
    start = slider.steps[slider.active].args[0]
    for trace, x, y in zip((1, 2), start["x"], start["y"], strict=True):
        np.testing.assert_allclose(figure.data[trace].x, x)
        np.testing.assert_allclose(figure.data[trace].y, y)
    np.testing.assert_allclose(figure.data[2].z, start["z"][1])
    assert figure.data[2].zmin == -figure.data[2].zmax


def test_dashed_lines_have_the_powers_they_name():
    mesh = [10, 20, 40, 80]
    errors = {"fast": [3 / m**2 for m in mesh], "slow": [2 / m for m in mesh]}
    (ax,) = figures.rates(mesh, errors, {"fast": 2, "slow": 1}).axes
    for line, error in zip(ax.lines, errors.values(), strict=False):
        np.testing.assert_allclose(line.get_data(), (mesh, error))
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    for line, order, text in zip(dashed, (1, 2), ax.texts, strict=True):
        x, y = (np.log(values) for values in line.get_data())
        np.testing.assert_allclose(np.diff(y) / np.diff(x), -order)
        assert text.get_text() == f"$M^{{-{order}}}$"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10", "20", "40", "80"]
