"""The pictures of the chapter on the conditioning of ReLU features show what they say."""

import math

import mpmath
import numpy as np
import pytest
import torch

from relunb.book.figures import relu_features as figures
from relunb.wavelet import relu_condition_number, relu_gram
from tests.cells import cell, shown

pytestmark = pytest.mark.usefixtures("no_window")


def beam_root(n):
    return mpmath.findroot(lambda t: mpmath.cos(t) + mpmath.sech(t), (n - 0.5) * mpmath.pi)


def picture(name, **names):
    names |= {"figures": figures, "torch": torch, "mpmath": mpmath, "beam_root": beam_root, "biases": evenly_spaced}
    names |= {"relu_condition_number": relu_condition_number, "relu_gram": relu_gram}
    return shown("wavelet/relu-features", name, **names)


def evenly_spaced(k):
    return torch.tensor([-1 + 2 * j / k for j in range(k)], dtype=torch.float64)


def test_three_neighbours_leave_a_hat_as_high_as_their_distance():
    left, right = shown("wavelet/relu-features", "fig-ill-neighbours", figures=figures).axes
    x = np.asarray(left.lines[0].get_xdata())
    assert len(left.lines) == 16 + 3
    for line, bias in zip(left.lines[16:], evenly_spaced(16)[5:8].tolist(), strict=True):
        np.testing.assert_allclose(np.asarray(line.get_ydata()), np.maximum(x - bias, 0), atol=1e-15)
    (hat,) = right.lines
    np.testing.assert_allclose(np.asarray(hat.get_ydata()), np.maximum(1 / 8 - abs(x + 1 / 4), 0), atol=1e-15)
    assert left.get_ylim() == right.get_ylim()


def test_the_line_is_the_condition_number_between_its_bounds():
    exact = {8: 17971.36253162683, 64: 67039034.4760447}
    above, below = picture("fig-ill-growth", exact=exact, limit=48 / beam_root(1) ** 4).axes
    curve, dots, cube = above.lines
    widths, kappa = np.asarray(curve.get_xdata()), np.asarray(curve.get_ydata())
    assert dict(zip(*map(np.asarray, dots.get_data()), strict=True)) == exact
    for k in (2, int(widths[50]), 2**20):
        assert kappa[list(widths).index(k)] == relu_condition_number(k)
    slope = np.diff(np.log(np.asarray(cube.get_ydata()))) / np.diff(np.log(widths))
    np.testing.assert_allclose(slope, 3)
    ratio, exact_ratio, upper, lower, limit = (np.asarray(line.get_ydata()) for line in below.lines)
    np.testing.assert_allclose(ratio, kappa / widths.astype(float) ** 4)
    np.testing.assert_allclose(exact_ratio, [4.38754, 3.99584], rtol=1e-5)
    assert (lower < ratio).all() and (ratio < upper).all(), "the chapter's theorem on both sides"
    np.testing.assert_allclose(limit, float(48 / beam_root(1) ** 4), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 24, 40])
def test_a_mode_of_the_beam_solves_its_equation_with_its_ends(n):
    names = {"mpmath": mpmath, "beam_root": beam_root}
    source = cell("wavelet/relu-features", "fig-ill-modes")
    exec(source[: source.index("values, vectors")], names)
    with mpmath.workdps(120):
        exact = beam_root(n)
        assert abs(exact - (n - 0.5) * math.pi) < 0.31, "the n-th root, none left out"
        ratio = (mpmath.cosh(exact) + mpmath.cos(exact)) / (mpmath.sinh(exact) + mpmath.sin(exact))

        def shape(y):
            t = exact * y
            return (mpmath.cosh(t) - mpmath.cos(t) - ratio * (mpmath.sinh(t) - mpmath.sin(t))) / 2

        assert all(abs(mpmath.diff(shape, y, k)) < 1e-20 for y, k in ((0, 0), (0, 1), (1, 2), (1, 3)))
        x = np.linspace(-1, 1, 33)
        expected = [float(shape((mpmath.mpf(point) + 1) / 2)) for point in x.tolist()]
    np.testing.assert_allclose(names["beam_mode"](n, x.tolist()), expected, atol=1e-15)


def test_the_slider_shows_every_eigenvector_and_its_network():
    _, eigenvectors = torch.linalg.eigh(relu_gram(evenly_spaced(24)))
    figure = picture("fig-ill-modes").figure
    steps = figure.layout.sliders[0].steps
    mesh = torch.cat([evenly_spaced(24), torch.ones(1, dtype=torch.float64)])
    features = torch.relu(mesh[:, None] - evenly_spaced(24))
    for n, step in enumerate(steps):
        changes, titles, traces = step.args
        weights, network, beam = (np.asarray(values) for values in changes["y"])
        assert list(traces) == [0, 1, 2] and step.label == str(n + 1)
        v = eigenvectors[:, 23 - n]
        v = v * torch.sign(v @ torch.tensor(weights))
        drawn = (features @ v).numpy()
        np.testing.assert_allclose(weights, v / v.abs().max(), atol=6e-5)  # drawn with four digits
        np.testing.assert_allclose(network, drawn / abs(drawn).max(), atol=6e-5)
        if n < 3:
            np.testing.assert_allclose(np.interp(mesh, np.linspace(-1, 1, 401), beam), network, atol=0.08)
        assert f"mode {n + 1}:" in titles["annotations[0].text"]
    kappa = relu_condition_number(24)
    last = steps[-1].args[1]["annotations[0].text"]
    assert f"{kappa / 1e6:.1f} million steps" in last and "1 step " in steps[0].args[1]["annotations[0].text"]
    zigzag = np.sign(np.asarray(steps[-1].args[0]["y"][0]))
    assert (zigzag[1:] == -zigzag[:-1]).all()
    start = figure.layout.sliders[0].active
    for trace, values in zip(figure.data, steps[start].args[0]["y"], strict=True):
        assert list(trace.y) == values
    assert figure.layout.annotations[0].text == steps[start].args[1]["annotations[0].text"]


def test_a_prediction_is_dashed_in_the_color_of_what_it_continues():
    x = torch.linspace(-1, 1, 5)
    histories = {
        "ReLU": ([1, 10], [8.0, 9.0]),
        "ReLU, predicted": ([10, 100], [9.0, 10.0]),
        "wavelets": ([1], [12.0]),
    }
    above, below = figures.descent(x, x**2, {"a": x, "b": -x}, histories, 29.0).axes
    np.testing.assert_array_equal(np.asarray(above.lines[0].get_ydata()), x**2)
    np.testing.assert_array_equal(np.asarray(above.lines[2].get_ydata()), -x)
    styles = [line.get_linestyle() for line in below.lines]
    assert styles == ["-", "--", "-", ":"]
    assert below.lines[0].get_color() == below.lines[1].get_color() != below.lines[2].get_color()
    np.testing.assert_array_equal(np.asarray(below.lines[1].get_ydata()), [9.0, 10.0])
    np.testing.assert_array_equal(np.asarray(below.lines[3].get_ydata()), 29.0)
