"""The pictures of the chapter on the conditioning of wavelet features show what they say."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from relunb.book.figures import wavelet_features
from relunb.wavelet import (
    dyadic_system,
    gershgorin_interval,
    inner_product,
    toeplitz_symbol,
    wavelet_condition_number,
    wavelet_gram,
)
from tests.cells import cell, shown

pytestmark = pytest.mark.usefixtures("no_window")


NAMES = {
    "figures": wavelet_features,
    "torch": torch,
    "math": math,
    "plt": plt,
    "inf": math.inf,
    "system": dyadic_system(4),
    "bottom": Fraction(8, 81),
    "top": Fraction(2, 9),
    "gershgorin_interval": gershgorin_interval,
    "inner_product": inner_product,
    "toeplitz_symbol": toeplitz_symbol,
    "wavelet_condition_number": wavelet_condition_number,
    "wavelet_gram": wavelet_gram,
}


def picture(name):
    if name == "fig-gg-spacing":  # it uses what the cell of the other slider defines
        names = dict(NAMES)
        exec(cell("wavelet/wavelet-features", "fig-gg-factor"), names)
        return shown("wavelet/wavelet-features", name, **names)
    return shown("wavelet/wavelet-features", name, **NAMES)


def _points(line):
    return (np.asarray(axis, dtype=float) for axis in line.get_data())


def _heights(line):
    return np.asarray(line.get_ydata(), dtype=float)


def _steps(interactive):
    """Label, circles (center, radius) of each trace but the last, eigenvalues and title at each place of the slider."""
    for step in interactive.figure.layout.sliders[0].steps:
        moved, title = step.args
        circles = [_circles(x, y) for x, y in zip(moved["x"][:-1], moved["y"][:-1], strict=True)]
        assert set(moved["y"][-1]) == {0.0}, "eigenvalues of a symmetric matrix are real"
        yield step.label, circles, np.array(moved["x"][-1]), title["title.text"]


def _circles(x, y):
    """Center and radius of each outline; outlines end with None."""
    found = []
    for start in range(0, len(x), 62):
        outline = np.array([x[start : start + 61], y[start : start + 61]], dtype=float)
        assert x[start + 61] is None and y[start + 61] is None
        (right, left), height = (outline[0].max(), outline[0].min()), outline[1].max()
        assert abs((right - left) / 2 - height) < 2e-3 * max(height, 0.1), "circles are round"
        found.append(((left + right) / 2, (right - left) / 2))
    return found


@pytest.mark.parametrize("name", ["fig-gg-factor", "fig-gg-spacing"])
def test_every_eigenvalue_lies_in_a_disc_that_is_drawn(name):
    for label, groups, eigenvalues, title in _steps(picture(name)):
        discs = [disc for group in groups for disc in group]
        for value in eigenvalues:
            assert any(abs(value - center) <= radius + 1e-4 for center, radius in discs), label
        kappa = eigenvalues.max() / eigenvalues.min()
        shown = float(title.split(" = ")[1].split(", ")[0].replace(",", ""))
        assert shown == pytest.approx(kappa, rel=1e-2), label
        low = min(center - radius for center, radius in discs)
        assert ("hold zero" in title) == (low < 0)
        assert ("at most" in title) == (low > 0)


def test_discs_of_all_levels_meet_at_the_factor_of_the_theorem():
    """A level's center is 2^((2p - 1) j) / 6: one point for p = 1/2, so that only there kappa is the theorem's."""
    places = {label: (groups, title) for label, groups, _, title in _steps(picture("fig-gg-factor"))}
    for label, (groups, _) in places.items():
        for j, group in enumerate(groups):
            center = 2 ** ((2 * float(label) - 1) * j) / 6
            np.testing.assert_allclose([c for c, _ in group], center, atol=1e-4)
    groups, title = places["0.5"]
    largest = max(radius for group in groups for _, radius in group)
    assert largest == pytest.approx(22 / 324, abs=1e-4)
    assert title == f"κ = {wavelet_condition_number(4):.2f}, at most 2.38 by the discs"
    assert "κ = 12.85" in places["0"][1]


def test_spacing_one_is_a_block_of_the_theorem_and_three_is_orthogonal():
    places = {label: (groups, values, title) for label, groups, values, title in _steps(picture("fig-gg-spacing"))}
    (discs,), values, _ = places["1"]
    np.testing.assert_allclose([radius for _, radius in discs], np.array([11, 21, 22]) / 324, atol=1e-4)
    block = torch.linalg.eigvalsh(wavelet_gram(5)[-16:, -16:])
    np.testing.assert_allclose(values, block, atol=1e-6)
    (discs,), values, title = places["3"]
    assert discs == [(pytest.approx(1 / 6, abs=1e-4), pytest.approx(0, abs=1e-4))]
    assert title == "κ = 1.00, at most 1.00 by the discs"
    assert places["1"][2] == f"κ = {wavelet_condition_number(5):.2f}, at most 2.38 by the discs", "19/8, rounded up"
    assert [label for label, (_, _, title) in places.items() if "hold zero" in title] == ["0.5", "0.6", "0.7"]


def test_sliders_start_where_the_figures_stand():
    for interactive in (picture("fig-gg-factor"), picture("fig-gg-spacing")):
        slider = interactive.figure.layout.sliders[0]
        moved, title = slider.steps[slider.active].args
        assert interactive.figure.layout.title.text == title["title.text"]
        for trace, x, y in zip(interactive.figure.data, moved["x"], moved["y"], strict=True):
            assert list(trace.x) == list(x) and list(trace.y) == list(y)
        window = interactive.figure.layout.xaxis.range
        for _, _, eigenvalues, _ in _steps(interactive):
            assert window[0] < eigenvalues.min() and eigenvalues.max() < window[1]


def test_eigenvalues_lie_on_the_symbol_between_the_discs_ends():
    curve, gap = picture("fig-gg-symbol").axes
    angles, values = _points(curve.lines[1])
    np.testing.assert_allclose(values, toeplitz_symbol(torch.from_numpy(angles)), rtol=1e-12)
    np.testing.assert_allclose(values, torch.linalg.eigvalsh(wavelet_gram(4)[-8:, -8:]), rtol=1e-12)
    assert len(values) == 8 and np.all(np.diff(angles) < 0) and 0 < angles[-1] < angles[0] < math.pi
    assert [_heights(line)[0] for line in curve.lines[2:]] == pytest.approx([8 / 81, 19 / 81])
    line, dots = gap.lines
    n, gaps = _points(dots)
    assert list(n) == [2**j for j in range(12)]
    np.testing.assert_allclose(gaps[1:3], [9 / 4 - 16 / 11, 9 / 4 - (59 + 106**0.5) / (49 - 146**0.5)])
    assert gaps[-1] / _heights(line)[-1] == pytest.approx(1, abs=2e-3), "the dots come to the line"


def test_the_copies_add_up_to_the_symbol():
    ax = picture("fig-gg-copies").axes[0]
    *copies, total = (_heights(line) for line in ax.lines[:8])
    theta, _ = _points(ax.lines[0])
    near = np.abs(theta) <= math.pi
    assert 0 <= (total - sum(copies))[near].min() and (total - sum(copies))[near].max() < 1e-3
    assert copies[3].max() == pytest.approx(2 / 3 * 0.485977974**2, rel=1e-4), "the peak of psi^"
    np.testing.assert_allclose([_heights(line)[0] for line in ax.lines[8:]], [total.min(), total.max()], rtol=1e-9)


def test_the_pulse_shows_signal_fit_and_both_errors():
    t = torch.linspace(0, 8, 50)
    errors = {"wavelets": [1.0, 0.3, 0.1], "ReLU": [1.0, 0.99, 0.98]}
    wave, decay = wavelet_features.pulse(t, t.sin(), t.cos(), errors, [1.0, 0.4, 0.16]).axes
    np.testing.assert_array_equal([_heights(line) for line in wave.lines], [t.sin(), t.cos()])
    np.testing.assert_allclose([_heights(line) for line in decay.lines[:2]], list(errors.values()))
    np.testing.assert_allclose(_heights(decay.lines[2]), [1.0, 0.4, 0.16])
    assert decay.get_yscale() == "log"
