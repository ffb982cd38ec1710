"""The networks of the study on a photograph's derivatives, and its stored numbers: parts of them come out again."""

import math

import pytest
import torch
from torch.func import hessian, jacrev

from relunb import IAT, LinearSpline, bw_relu
from relunb.book import studies
from relunb.book.studies import derivatives as study
from relunb.inr import psnr

PSI = LinearSpline.named("bw_relu")
STORED = studies.load("derivatives")
ROWS = [(task, name, row) for task, rows in STORED["trained"].items() for name, row in rows.items()]
IDS = [f"{task}, {name}" for task, name, _ in ROWS]


def states(*shape, seed=0):
    return 4 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5


def test_smooth_psi_is_the_transform_with_hats_in_and_rectangles_out():
    x = states(200, 9)
    layer = IAT(9, 8, "pwl", "rect", activation=PSI)
    zero = torch.zeros_like(x)
    ours = study.smooth_psi(study.Jet(x, torch.zeros(2, *x.shape).double(), zero))
    torch.testing.assert_close(ours.values, layer(x).float(), rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("activation", study.SCALES)
def test_a_jet_is_what_autograd_finds(activation):
    """In float32, so a second derivative of a few hundred loses its third digit."""
    network = study.Network(activation, study.SCALES[activation][0], 12, 0)
    points = torch.rand(9, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1

    def value(point):
        z = point
        for layer in list(network.layers)[:-1]:
            z = elementwise[activation](network.scale * layer(z))
        return network.layers[-1](z)[0]

    hats = IAT(13, 12, "pwl", "rect", activation=PSI)
    elementwise = {
        "siren": torch.sin,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "psi": bw_relu,
        "smooth psi": lambda z: hats(z.double()).float(),
    }
    with torch.no_grad():
        jet = network.jet(points, 2)
        by_hand = torch.stack([value(point) for point in points])
    torch.testing.assert_close(jet.values, by_hand, rtol=0, atol=1e-5)
    gradient = torch.stack([jacrev(value)(point) for point in points])
    torch.testing.assert_close(jet.gradient.T, gradient, rtol=1e-3, atol=1e-4)
    second = torch.stack([hessian(value)(point).trace() for point in points]).detach()
    close = 1e-3 * max(1.0, float(second.abs().max()))
    torch.testing.assert_close(jet.laplacian, second, rtol=1e-3, atol=close)
    assert (activation in study.FLAT) == (not jet.laplacian.any())


def test_what_is_known_of_the_photograph_belongs_to_one_function(monkeypatch):
    """A quintic spline through the pixels of a cubic is that cubic."""
    at = (torch.arange(study.SIDE, dtype=torch.float64) * 2 + 1) / study.SIDE - 1
    down, right = torch.meshgrid(at, at, indexing="ij")
    monkeypatch.setattr(study, "photograph", lambda *_, **__: (down**2 * right + 3 * right).float())
    for between in (False, True):
        what = study.target(between=between)
        u, v = what.points.T
        torch.testing.assert_close(what.values, u**2 * v + 3 * v, rtol=0, atol=1e-5)
        torch.testing.assert_close(what.gradient, torch.stack([2 * u * v, u**2 + 3]), rtol=0, atol=1e-4)
        torch.testing.assert_close(what.laplacian, 2 * v, rtol=0, atol=5e-3)
        assert what.boundary.sum() == 4 * (study.SIDE - 1 - between)


def again(task, activation, row, first=None):
    """The first seed's run."""
    return study.trained(task, activation, row["scale"], row["rate"], 0, study.WIDTH, study.STEPS, first)


@pytest.mark.parametrize(("task", "activation", "row"), ROWS, ids=IDS)
def test_the_first_steps_come_out_again(task, activation, row):
    """Rounding that differs from one machine to the next grows with the steps: a few, and a hundredth."""
    every = study.STEPS // 50
    _, losses = again(task, activation, row, every + 1)
    assert losses[::every] == pytest.approx(row["loss"][0][:2], rel=1e-2)


@pytest.mark.slow
def test_a_run_comes_out_again_whole():
    row = STORED["trained"]["values"]["relu"]
    network, losses = again("values", "relu", row)
    assert losses[:: study.STEPS // 50] == pytest.approx(row["loss"][0][:-1], rel=0.1)
    what = study.target()
    assert psnr(network.jet(what.points, 0).values.detach(), what.values).item() == pytest.approx(
        row["psnr"][0], abs=0.3
    )


def test_every_run_is_there_and_whole():
    assert list(STORED["trained"]) == list(study.TASKS) and list(STORED["tuning_psnr"]) == list(study.tuning_cases())
    for task, activation, row in ROWS:
        flat = study.TASKS[task] == 2 and activation in study.FLAT
        seeds = 1 if flat else len(study.SEEDS)
        assert len(row["psnr"]) == len(row["between"]) == len(row["loss"]) == seeds
        assert all(len(losses) == 51 and min(losses) >= 0 for losses in row["loss"])
        assert not flat or row["between"] == [1.0], "a Laplacian that is zero"
        best = max(
            (value, name)
            for name, value in STORED["tuning_psnr"].items()
            if name.startswith(f"{'gradient' if flat else task}, {activation}, ")
        )[1]
        assert best.endswith(f", {row['scale']:g}, {row['rate']:g}")


def test_the_pictures_are_those_of_the_first_seed():
    """In bytes, and clamped: no worse than the network's, but for the rounding of both, a twelfth of a square each."""
    pictures = studies.pictures("derivatives")
    truths = ("values", "blurred laplacian")
    assert pictures.keys() == {*truths, *IDS}
    for task in truths:
        torch.testing.assert_close(pictures[task].flatten(), study.target(task).values, rtol=0, atol=0.51 / 255)
    for (task, _, row), name in zip(ROWS, IDS, strict=True):
        truth = pictures[task if task in truths else "values"]
        expected = 10 ** (-row["psnr"][0] / 10) + 2 / 12 / 255**2
        assert psnr(pictures[name], truth).item() > -10 * math.log10(expected) - 0.1
