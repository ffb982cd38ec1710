"""Volumes and videos: where their voxels lie, three views of them, and what is no volume."""

import numpy as np
import pytest
import torch

from relunb.inr import CoordinateNetwork, VolumeProblem, fit, render
from tests.tolerance import DEVICES


def ball(depth=6, height=7, width=9):
    """A smooth ball off the middle, so that no two sides are alike."""
    z, y, x = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in (depth, height, width)), indexing="ij")
    return torch.exp(-2 * ((x - 0.2) ** 2 + (y + 0.3) ** 2 + z**2))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_network_is_fitted_to_the_voxels_in_their_order(channels, device):
    volume = ball().reshape(6, 7, 9, *[1] * len(channels)).expand(6, 7, 9, *channels).contiguous().to(device)
    problem = VolumeProblem(volume)
    torch.manual_seed(0)
    network = CoordinateNetwork(3, *channels, hidden_features=24, activation="siren", scale=5.0).to(device)
    history = fit(network, problem, steps=150, lr=3e-3, progress=False)
    assert history.psnr[-1] > 30
    estimate = problem.estimate(network)
    assert estimate.shape == volume.shape and (estimate - volume).square().mean() < 1e-3
    torch.testing.assert_close(render(network, (6, 7, 9)), estimate, rtol=1e-4, atol=1e-5)


def test_the_corners_lie_at_the_corners():
    coordinates = VolumeProblem(ball()).coordinates.reshape(6, 7, 9, 3)
    assert coordinates[0, 0, 0].tolist() == [-1, -1, -1] and coordinates[-1, -1, -1].tolist() == [1, 1, 1]
    assert coordinates[-1, 0, 0].tolist() == [1, -1, -1] and coordinates[0, 0, -1].tolist() == [-1, -1, 1]


@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_the_planes_through_a_voxel(channels):
    volume = torch.stack([ball()] * channels, -1) if channels > 1 else ball()
    problem, network = VolumeProblem(volume), CoordinateNetwork(3, channels, 8)
    for at in (None, (1, 2, 8)):
        d, h, w = at or (3, 3, 4)
        for view, plane in zip(problem.views(at=at), (volume[d], volume[:, h], volume[:, :, w]), strict=True):
            assert torch.equal(view, plane)
        whole = problem.estimate(network)
        for view, plane in zip(problem.views(network, at), (whole[d], whole[:, h], whole[:, :, w]), strict=True):
            torch.testing.assert_close(view, plane)


def test_an_array_of_float64_and_points_held_out():
    problem = VolumeProblem(ball().double().numpy())
    network = CoordinateNetwork(3, hidden_features=8).double()
    history = fit(network, problem, steps=3, batch=50, holdout=0.2, progress=False)
    assert problem.coordinates.dtype == torch.float64 and len(history.holdout) == 4


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: VolumeProblem(ball()[0]), ValueError, r"got \(7, 9\). One picture is an ImageProblem"),
        (lambda: VolumeProblem(ball()[:1]), ValueError, "at least two voxels a side"),
        (lambda: VolumeProblem(torch.rand(3, 8, 8, 8)), ValueError, r"come last: use volume.permute\(1, 2, 3, 0\)"),
        (lambda: VolumeProblem(torch.rand(9, 3, 8, 8)), ValueError, r"come last: use volume.permute\(0, 2, 3, 1\)"),
        (lambda: VolumeProblem(torch.ones(3, 3, 3)), ValueError, "volume is 1 everywhere: there is nothing to fit"),
        (lambda: VolumeProblem(200 * ball()), ValueError, "For bytes, 0 to 255, use data_range=255, or divide volume"),
        (lambda: VolumeProblem(np.zeros((3, 3, 3), "uint8")), TypeError, r'volume.astype\("float32"\) / 255'),
        (lambda: VolumeProblem(ball()).views(at=(1, 2)), ValueError, "at must be the three indices of a voxel"),
        (lambda: VolumeProblem(ball()).views(at=3), ValueError, "at must be the three indices of a voxel"),
        (lambda: VolumeProblem(ball()).views(at=(6, 0, 0)), ValueError, "an index of at must be at most 5; got 6"),
        (lambda: VolumeProblem(ball()).views(ball()), TypeError, "network must be a torch.nn.Module"),
    ],
)
def test_what_is_no_volume_gets_a_sentence(call, error, says):
    with pytest.raises(error, match=says):
        call()
