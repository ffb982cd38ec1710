"""The pictures of the chapter on the choice of a basis show what they say."""

import matplotlib
import numpy as np
import pytest
import torch

from relunb.book.figures import which_basis as figures

pytestmark = pytest.mark.usefixtures("no_window")
NAMES = ["rect", "pwl", "rect-w"]


def two_tables():
    generator = torch.Generator().manual_seed(0)
    errors, right = torch.rand(2, 3, 3, generator=generator).double()
    return {"fit": 10 ** -(2 + 2 * errors), "memorise": 80 + 20 * right}


def test_each_pair_is_a_dot_in_the_row_of_its_input():
    paper, ours = two_tables(), {task: table.T for task, table in two_tables().items()}
    scalars = {"fit": {"relu": 1e-3, "tanh": 1e-5}, "memorise": {"relu": 90.0}}
    for ax, task in zip(figures.by_input(NAMES, paper, ours, scalars).axes, ("fit", "memorise"), strict=True):
        places = {text.get_text(): place for text, place in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
        rows, lines = ax.lines[:6], ax.lines[6:]
        for number, row in enumerate(rows):
            table, name = (paper, ours)[number // 3][task], NAMES[number % 3]
            np.testing.assert_allclose(row.get_xdata(), table[number % 3])
            assert np.abs(row.get_ydata() - places[name]).max() < 0.3
        assert [line.get_xdata()[0] for line in lines] == list(scalars[task].values())
        assert [line.get_label() for line in lines] == [f"{name}, ours" for name in scalars[task]]


@pytest.mark.parametrize("task", ["fit", "memorise"])
def test_a_table_shows_its_numbers_and_the_better_one_stronger(task):
    paper = two_tables()[task]
    ours = paper.flip(0)
    for ax, table in zip(figures.tables(NAMES, paper, ours, task).axes, (paper, ours), strict=True):
        (image,) = ax.images
        np.testing.assert_allclose(image.get_array(), table)
        assert image.get_clim() == (paper.min(), paper.max())
        best, worst = (table.min(), table.max()) if task == "fit" else (table.max(), table.min())
        lightness = image.to_rgba(np.array([best, worst]))[:, :3].sum(1)
        assert lightness[0] < lightness[1]
        for text in ax.texts:
            column, row = text.get_position()
            shown = float(text.get_text()) * (1e-4 if task == "fit" else 1)
            assert shown == pytest.approx(table[row, column].item(), rel=0.051)
            paper_like = image.to_rgba(np.array([table[row, column].item()]))[0, :3] @ [0.3, 0.59, 0.11]
            assert abs(matplotlib.colors.to_rgb(text.get_color())[0] - paper_like) > 0.4, "legible"
        assert [label.get_text() for label in ax.get_yticklabels()] == NAMES


def test_the_mesh_is_drawn_with_its_errors():
    mean, error = torch.tensor([2.5, 3.0, 3.5]).double(), torch.tensor([0.1, 0.2, 0.1]).double()
    lines = {"pwl": [10**-edge for edge in (mean, mean - error, mean + error)], "rect-w": [10**-mean] * 3}
    right = dict.fromkeys(lines, [30 * mean, 30 * mean - error, 30 * mean + error])
    above, below = figures.by_mesh([1, 2, 4], {"fit": lines, "memorise": right}, [1e-3, 1e-4, 1e-5]).axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), 10**-mean)
    np.testing.assert_allclose(above.lines[2].get_ydata(), [1e-3, 1e-4, 1e-5])
    np.testing.assert_allclose(below.lines[1].get_ydata(), 30 * mean)
    band = above.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(10**-3.6) and band.max() == pytest.approx(10**-2.4)
