"""Shapes: the distance that is learned is the distance, from points and from a mesh."""

import math

import numpy as np
import pytest
import torch

from relunb.inr import CoordinateNetwork, ShapeProblem, fit, pixel_grid
from tests.tolerance import DEVICES

ANGLES = torch.arange(120, dtype=torch.float64) * (2 * math.pi / 120)
CIRCLE = torch.stack([ANGLES.sin(), ANGLES.cos()], 1)
AROUND = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
SQUARE = (AROUND.norm(dim=1) - 0.5).square().mean().item()  # of the distance at twenty points in space
CUBE = torch.tensor([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
FACES = [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]]
FACES += [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]]
LEARNED = {"bw_relu": 0.12, "relu": 0.03, "siren": 0.04, "gauss": 0.03}  # mean errors of 300 steps, rounded up


@pytest.mark.parametrize(("activation", "most"), LEARNED.items())
@pytest.mark.parametrize("device", DEVICES)
def test_the_distance_to_a_circle_is_learned(activation, most, device):
    """Of kinks and of a sine: everywhere in the box, and not on the circle alone."""
    circle = CIRCLE.float().to(device)
    problem = ShapeProblem(circle / 2, 7 * circle, space=600)
    torch.manual_seed(0)
    scale = {} if activation == "relu" else {"scale": 3.0}
    network = CoordinateNetwork(2, hidden_features=48, hidden_layers=2, activation=activation, **scale).to(device)
    history = fit(network, problem, steps=300, lr=5e-3, progress=False)
    grid = pixel_grid(41, 41).to(device)
    error = network(grid)[:, 0] - (grid.norm(dim=1) - 0.5)
    assert error.abs().mean() < most and network(circle / 2).abs().mean() < 0.01
    assert history.loss[-1] < 0.05 * history.loss[0] and math.isnan(history.psnr[-1])
    assert history.route == ("fused" if device == "cpu" else "autograd")


def test_the_distance_in_space_is_right_to_half_of_what_lies_between_the_points():
    problem = ShapeProblem(CIRCLE / 2, CIRCLE, space=20)
    assert (problem.distance - (AROUND.norm(dim=1) - 0.5)).abs().max() < math.pi / 240
    assert 0 < int((problem.distance < 0).sum()) < 20


def test_its_gradients_are_those_of_the_network():
    problem = ShapeProblem(CIRCLE / 2, CIRCLE, space=50, step=1e-4)
    network = CoordinateNetwork(2, hidden_features=16, activation="siren", scale=3.0).double()
    torch.manual_seed(0)
    around = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    points = torch.cat([CIRCLE / 2, around]).requires_grad_()
    (expected,) = torch.autograd.grad(network(points).sum(), points)
    torch.testing.assert_close(problem.gradients(problem.values(network)), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "loss"),
    [
        (lambda x: x.norm(dim=1) - 0.5, 0.0),
        (lambda x: 0.5 - x.norm(dim=1), 3 * 4.0 + 5 * 4 * SQUARE),  # inside out: the length of every gradient is one
        (lambda x: 2 * x.norm(dim=1) - 1.0, 3 * 1.0 + 4 * 1.0 + 5 * SQUARE),
        (lambda x: x.norm(dim=1) - 0.4, (2 + 5) * 0.01),
    ],
)
def test_each_part_of_the_loss_has_its_weight(values, loss):
    problem = ShapeProblem(CIRCLE / 2, CIRCLE, space=20, step=1e-4, weights=(2.0, 3.0, 4.0, 5.0))
    assert problem.loss(values(problem.coordinates)[:, None]).item() == pytest.approx(loss, abs=3e-3)


def test_blocks_and_autograd_give_the_same_run():
    problem = ShapeProblem(CIRCLE / 2, CIRCLE, space=40)
    losses = []
    for way in ({}, {"fused": False}, {"fused": False, "block": 77}):
        torch.manual_seed(0)
        network = CoordinateNetwork(2, hidden_features=8, activation="siren", scale=3.0).double()
        losses.append(fit(network, problem, steps=5, progress=False, **way).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-8) and losses[2] == pytest.approx(losses[1], rel=1e-8)


def test_a_mesh_is_drawn_from_evenly_with_its_normals():
    problem = ShapeProblem.from_mesh(CUBE, FACES, points=6000, space=10)
    points, normals = problem.coordinates[:6000], problem.normals
    assert torch.allclose(points.abs().amax(1), torch.tensor(0.5))
    assert torch.allclose((points * normals).sum(1), torch.tensor(0.5)), "outwards, and of length one"
    share = torch.stack([(normals[:, axis] == sign).float().mean() for axis in range(3) for sign in (1, -1)])
    assert (share - 1 / 6).abs().max() < 0.02
    right = points[normals[:, 0] == 1][:, 1:]
    assert right.mean(0).abs().max() < 0.04 and right.std(0) == pytest.approx(torch.tensor([1, 1]) / 12**0.5, rel=0.05)
    again = ShapeProblem.from_mesh(CUBE.numpy(), np.array(FACES), points=6000, space=10)
    assert torch.equal(again.coordinates, problem.coordinates)
    assert not torch.equal(ShapeProblem.from_mesh(CUBE, FACES, 6000, seed=1, space=10).coordinates, again.coordinates)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda: ShapeProblem(CIRCLE[:, :1], CIRCLE[:, :1]),
            ValueError,
            r"points must be \(points, 2\) or \(points, 3\)",
        ),
        (lambda: ShapeProblem(CIRCLE, CIRCLE[:5]), ValueError, r"normals must be \(120, 2\) .*; got \(5, 2\)"),
        (lambda: ShapeProblem(2 * CIRCLE, CIRCLE), ValueError, r"points reach 2, and a shape lies in \[-1, 1\]: shift"),
        (lambda: ShapeProblem(CIRCLE, 0 * CIRCLE), ValueError, "120 of the normals have no direction"),
        (lambda: ShapeProblem(CIRCLE * math.nan, CIRCLE), ValueError, "points has 240 non-finite values"),
        (lambda: ShapeProblem(CIRCLE, CIRCLE, step=0), ValueError, "step must be positive"),
        (lambda: ShapeProblem(CIRCLE, CIRCLE, space=0), ValueError, "space must be at least 1"),
        (lambda: ShapeProblem(CIRCLE, CIRCLE, weights=(1, 2)), ValueError, "weights must be four numbers"),
        (lambda: ShapeProblem(CIRCLE, CIRCLE, weights=3), TypeError, "weights must be four numbers, one for each part"),
        (lambda: ShapeProblem(CIRCLE, CIRCLE, weights=(1, 1, 1, -1)), ValueError, "four numbers, none negative"),
        (lambda: ShapeProblem(CIRCLE.long(), CIRCLE), TypeError, "points must be a real floating-point tensor"),
        (lambda: ShapeProblem.from_mesh(CUBE, [[0.5, 1, 2]]), TypeError, "faces must be integers, three vertices each"),
        (lambda: ShapeProblem.from_mesh(CUBE, [[0, 1, 8]]), ValueError, "faces must name the 8 vertices, 0 to 7"),
        (lambda: ShapeProblem.from_mesh(CUBE, [[0, 1]]), ValueError, r"faces \(faces, 3\); got \(8, 3\) and \(1, 2\)"),
        (lambda: ShapeProblem.from_mesh(CUBE, [[0, 0, 1]]), ValueError, "no face has an area"),
    ],
)
def test_what_is_no_shape_gets_a_sentence(call, error, says):
    with pytest.raises(error, match=says):
        call()
