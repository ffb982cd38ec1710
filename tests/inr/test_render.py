"""A network at any resolution: the values at the points of a grid, whatever the block, and no more memory than that."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from relunb.inr import AudioProblem, CoordinateNetwork, Grid, ImageProblem, pixel_grid, render


@pytest.mark.parametrize("block", [1, 7, 65_536])
@pytest.mark.parametrize(("out", "dtype"), [(1, torch.float32), (3, torch.float64)])
def test_a_picture_is_the_network_at_every_pixel(block, out, dtype):
    network = CoordinateNetwork(2, out, 8, 2).to(dtype)
    wanted = network(pixel_grid(5, 9, dtype)).detach().reshape((5, 9) if out == 1 else (5, 9, out))
    torch.testing.assert_close(render(network, (5, 9), block=block), wanted, rtol=0, atol=8 * torch.finfo(dtype).eps)


def test_at_the_size_of_the_data_it_is_the_estimate():
    image = torch.rand(6, 4, 3, generator=torch.Generator().manual_seed(0))
    network = CoordinateNetwork(2, 3, 8, activation="wire")
    torch.testing.assert_close(render(network, (6, 4)), ImageProblem(image).estimate(network))
    sound = CoordinateNetwork(1, 1, 8, activation="siren")
    problem = AudioProblem(torch.linspace(-0.5, 0.5, 50), extent=20)
    torch.testing.assert_close(render(sound, 50, extent=20), problem.estimate(sound), rtol=0, atol=1e-6)


def test_a_volume_and_a_grid():
    class Sum(nn.Module):
        def forward(self, points):
            return points @ torch.tensor([[100.0], [10.0], [1.0]])

    assert render(Sum(), (2, 3, 2)).tolist() == [
        [[-111, -109], [-101, -99], [-91, -89]],
        [[89, 91], [99, 101], [109, 111]],
    ]
    assert render(Grid((4, 4)), [8, 8]).shape == (8, 8)


@pytest.mark.slow
def test_no_graph_and_a_large_picture_in_little_memory():
    """16.8 million points of a network of width 64: one layer's values at all of them would be 4.3 GB."""
    code = """
import resource, torch
from relunb.inr import CoordinateNetwork, render
torch.set_num_threads(1)
network = CoordinateNetwork(2, hidden_features=64, hidden_layers=1)
render(network, (64, 64))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert not render(network, (1024, 4096)).requires_grad
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 16 + 110  # MiB: the answer, and a block with what becomes of it


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("relu", (4, 4)), TypeError, "network must be a torch.nn.Module"),
        ((CoordinateNetwork(2), (4, 4, 3)), ValueError, "3 sides, and the network takes 2 coordinates: channels are"),
        ((CoordinateNetwork(2), 4), ValueError, "1 sides, and the network takes 2 coordinates."),
        ((CoordinateNetwork(2), torch.tensor([4, 4])), TypeError, "an integer or a tuple of them"),
        ((CoordinateNetwork(2).bfloat16(), (4, 4)), ValueError, r"render\(network.float\(\)"),
        ((CoordinateNetwork(2), (1, 4)), ValueError, "a side of shape"),
        ((CoordinateNetwork(2), "8x8"), TypeError, "shape must be"),
        ((CoordinateNetwork(2), ()), ValueError, "shape must have a side"),
        ((CoordinateNetwork(2), (2**20, 2**20)), ValueError, "points"),
        ((nn.Flatten(0), (4, 4)), ValueError, "one row a point"),
    ],
)
def test_mistakes_get_a_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        render(*arguments)


def test_a_bar_where_it_is_asked_for(capsys):
    render(CoordinateNetwork(2, hidden_features=4), (8, 8), block=16)
    assert capsys.readouterr().err == ""
    render(CoordinateNetwork(2, hidden_features=4), (8, 8), block=16, progress=True)
    assert "render: 100%" in capsys.readouterr().err
