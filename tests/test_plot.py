"""The chapters' pictures show what they say."""

import numpy as np
import pytest
import torch

from relunb import plot
from relunb.book.figures import wavelet_activation
from relunb.wavelet import KNOTS, VALUES, WEIGHTS
from tests.cells import shown

pytestmark = pytest.mark.usefixtures("no_window")


def seven(name):
    """A picture of the chapter on seven ReLUs, with the wavelet as the package has it."""
    values = dict(zip(KNOTS, VALUES, strict=True))
    names = {"knots": KNOTS, "weights": WEIGHTS, "psi": values.get, "half": 0.5}
    return shown("wavelet/wavelet-activation", name, figures=wavelet_activation, **names)


def test_the_wavelet_picture_draws_psi_and_seven_half_lines():
    ax = seven("fig-seven-relus").axes[0]
    half_lines = [line for line in ax.lines if line.get_color() == plot.ORANGE and len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in half_lines] == [float(k) for k in KNOTS]
    psi = next(line for line in ax.lines if line.get_label() == r"$\psi$")
    np.testing.assert_allclose(np.asarray(psi.get_ydata(), dtype=float)[1:-1], [float(v) for v in VALUES])


def test_the_network_picture_has_fourteen_relus():
    texts = [text.get_text() for text in wavelet_activation.fourteen_relus(KNOTS, WEIGHTS).axes[0].texts]
    assert sum(r"\sigma(u_" in text for text in texts) == 14


def test_the_slider_ends_on_psi_and_starts_on_a_visible_sum():
    figure = seven("fig-one-by-one").figure
    assert [trace.visible for trace in figure.data].count(False) == 7
    x, y = np.asarray(figure.data[-1].x), np.asarray(figure.data[-1].y)
    np.testing.assert_allclose(y, np.interp(x, [float(k) for k in KNOTS], [float(v) for v in VALUES]), atol=1e-12)


def test_an_interactive_figure_asks_nobody_in_the_book_and_has_alt_text(monkeypatch):
    monkeypatch.setenv("RELUNB_BOOK", "1")
    picture = seven("fig-one-by-one")
    bundle = picture._repr_mimebundle_()
    assert "slider for n from 0 to 7" in bundle["text/html"]
    assert "cdn" not in bundle["text/html"] and "<script src" not in bundle["text/html"]
    monkeypatch.delenv("RELUNB_BOOK")
    assert "application/vnd.plotly.v1+json" in picture._repr_mimebundle_()


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_pictures_gray_or_in_color_stand_under_their_names(columns):
    images = {"gray": torch.rand(4, 5), "color\n2": torch.rand(4, 5, 3), "bright": torch.rand(4, 5) * 3 - 1}
    images |= {str(n): torch.rand(4, 4) for n in range(4)}
    axes = plot.pictures(images, columns).axes
    assert len(axes) == {2: 8, 3: 9, 4: 8}[columns]
    for ax, (name, image) in zip(axes, images.items(), strict=False):
        assert ax.get_title() == name and ax.images[0].get_clim() == (0, 1)
        np.testing.assert_allclose(np.asarray(ax.images[0].get_array()), image.clamp(0, 1))
    assert not any(ax.images for ax in axes[len(images) :])


def test_pictures_are_shown_with_their_true_gray_values():
    image = torch.tensor([[0.0, 0.25], [0.5, 1.5]])
    ax = plot.pictures({"one": image, "two": image, "three": image}).axes[0]
    assert ax.get_title() == "one"
    np.testing.assert_allclose(ax.images[0].get_array(), [[0, 0.25], [0.5, 1]])
    assert ax.images[0].get_clim() == (0, 1)


def test_the_spectrum_of_the_three_lenses_is_that_of_a_rectified_tone():
    figure = shown("intro", "fig-three-lenses")
    segments = figure.axes[0].collections[1].get_segments()
    heights = [segment[1][1] for segment in segments]
    np.testing.assert_allclose(heights[:4], [1 / np.pi, 1 / 2, 2 / (3 * np.pi), 0], atol=1e-4)


def test_curves_and_learning_curves_have_legends():
    ax = plot.learning_curves({"ReLU": [10.0, 11.0], "sine": [12.0, 15.0]}).axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ReLU", "sine"]
    assert ax.get_ylabel() == "PSNR (dB)"


X = [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda ax: plot.pictures({}), ValueError, "images is empty: there is nothing to draw"),
        (lambda ax: plot.pictures([torch.rand(3, 3)]), TypeError, "images must be a mapping from names"),
        (
            lambda ax: plot.pictures({"a": torch.rand(3, 4, 5)}),
            ValueError,
            r"\(3, 4, 5\). Use image.permute\(1, 2, 0\)",
        ),
        (lambda ax: plot.pictures({"a": torch.rand(4)}), ValueError, r"'a' must be \(height, width\).*\(4,\)"),
        (lambda ax: plot.pictures({"a": torch.ones(2, 2, dtype=torch.uint8)}), TypeError, "float\\(\\) / 255"),
        (lambda ax: plot.pictures({"a": "b"}), TypeError, "the picture 'a' must be"),
        (lambda ax: plot.pictures({"a": torch.rand(2, 2)}, columns=0), ValueError, "columns must be at least 1"),
        (lambda ax: plot.pictures({"a": torch.rand(2, 2)}, columns=10**9), ValueError, "columns must be at most 100"),
        (lambda ax: plot.learning_curves({}), ValueError, "histories is empty"),
        (lambda ax: plot.learning_curves({"a": []}), ValueError, "the history 'a' is empty"),
        (lambda ax: plot.learning_curves({"a": 3.0}), ValueError, "must have one dimension"),
        (lambda ax: plot.curves(ax, X, {}), ValueError, "lines is empty"),
        (lambda ax: plot.curves(ax, X, {"a": [1.0]}), ValueError, "line 'a' has 1 values, and x has 3"),
        (lambda ax: plot.curves(ax, X, {"a": [1.0, float("nan"), 2.0]}), ValueError, "line 'a' has 1 non-finite"),
        (lambda ax: plot.Interactive(3, "alt"), TypeError, "a figure of plotly"),
    ],
)
def test_a_mistake_gets_a_sentence(call, error, words):
    from matplotlib import pyplot as plt

    with pytest.raises(error, match=words):
        call(plt.subplots()[1])


def test_arrays_lists_and_tensors_with_gradients_are_drawn():
    from matplotlib import pyplot as plt

    ax = plt.subplots()[1]
    lines = {"tensor": torch.ones(3, requires_grad=True), "reversed": np.array(X)[::-1], "range": range(3)}
    plot.curves(ax, np.array(X, dtype=">f8"), lines)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1, 1, 1], [2, 1, 0], [0, 1, 2]]
    ax = plot.learning_curves({"long": [1.0, 2.0, 3.0], "short": [4.0]}).axes[0]
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 2, 3], [1]]
    image = np.linspace(0, 1, 6, dtype=">f4").reshape(2, 3)[:, ::-1]
    shown = plot.pictures({"array": image, "half": torch.ones(2, 2).half()}).axes[0].images[0]
    np.testing.assert_array_equal(shown.get_array(), image)
