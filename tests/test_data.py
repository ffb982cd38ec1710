"""Real inputs for chapters."""

import pytest
import torch

from relunb.data import PHOTOGRAPHS, photograph, pixel_grid


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_photograph_ships_and_is_gray_in_the_unit_interval(name):
    picture = photograph(name)
    assert picture.dim() == 2 and picture.dtype == torch.float32
    assert 0 <= picture.min() < 0.2 and 0.7 < picture.max() <= 1


def test_a_window_is_that_part():
    whole = photograph("chelsea")
    assert torch.equal(photograph("chelsea", window=(70, 120, 96)), whole[70:166, 120:216])


def test_the_grid_names_each_pixel_row_by_row():
    grid = pixel_grid(3, 5)
    assert grid.shape == (15, 2)
    assert grid[0].tolist() == [-1, -1] and grid[1].tolist() == [-1, -0.5] and grid[-1].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: photograph("cat"), "'astronaut', 'camera', 'chelsea'.*got 'cat'"),
        (lambda: photograph("chelsea", window=(290, 0, 96)), "leaves the picture, which has 300 x 451"),
        (lambda: photograph("chelsea", window=(0, 0, 0)), "leaves the picture"),
        (lambda: pixel_grid(0, 3), "got 0 x 3"),
    ],
)
def test_a_mistake_gets_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()
