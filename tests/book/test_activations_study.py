"""Seven activations on five tasks: the tasks are what they say, and the stored runs come out again."""

import statistics

import pytest
import torch

from relunb.book import studies
from relunb.book.studies import activations as study
from relunb.inr._run import Run

STRAIGHT = ("relu", "hat", "bw_relu")  # sums of kinks: their second derivative is zero
X = torch.linspace(0, 1, 4001, dtype=torch.float64)[:, None].requires_grad_()


def test_the_solution_solves_the_equation_and_meets_the_ends():
    u = study.solution(X)
    (slope,) = torch.autograd.grad(u.sum(), X, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), X)
    torch.testing.assert_close(-bend, study.load(X).detach(), rtol=0, atol=1e-11)
    assert u[0].item() == 0 and u[-1].item() == pytest.approx(1, abs=1e-12)


def test_the_strong_form_is_zero_at_the_solution_and_only_there():
    what = study.Boundary()
    exact = torch.cat([what.truth, -what.load / 4], 1)  # the derivative by 2 x - 1 is taken twice
    assert what.loss(exact).item() < 1e-25 and what.error(exact).item() == 0
    off = exact.clone()
    off[-1, 0] += 0.1
    assert what.loss(off).item() == pytest.approx(100 * 0.01)
    straight = (what.load[:-2] / what.load.abs().amax()).square().mean()  # what is left without a second derivative
    assert what.loss(exact * torch.tensor([1.0, 0.0])).item() == pytest.approx(straight.item())


def test_the_energy_is_least_at_the_solution():
    what = study.Energy()
    x = what.x.clone().requires_grad_()
    inner = (study.solution(x) - x) / (x * (1 - x))
    (slope,) = torch.autograd.grad(inner.sum(), x)
    exact = torch.cat([inner, slope / 2], 1).detach()
    assert what.error(exact).item() < 1e-25
    least = what.loss(exact)
    bump, its_slope = (torch.sin(5 * x), 5 * torch.cos(5 * x) / 2)
    both = torch.cat([bump, its_slope], 1).detach()
    more, less = (what.loss(exact + step * both) - least for step in (0.1, -0.1))
    assert more > 1e-4 and less > 1e-4
    assert (more - less).abs() < 1e-2 * more, "no first-order change, but for the error of the midpoint rule"


def test_a_meter_that_is_right_has_no_loss_and_louder_tones_are_the_same_tones():
    quiet, loud = study.Tones(7), study.Tones(7, study.LOUDER)
    torch.testing.assert_close(loud.coordinates, study.LOUDER * quiet.coordinates)
    torch.testing.assert_close(loud.amplitude, study.LOUDER * quiet.amplitude)
    assert quiet.amplitude.min() >= 0.5 and quiet.amplitude.max() <= 2
    windows = len(quiet.coordinates) // len(quiet.amplitude)
    assert quiet.loss(quiet.amplitude.repeat_interleave(windows)[:, None]).item() < 1e-12  # float32
    assert quiet.coordinates.abs().max() <= quiet.amplitude.max()


@pytest.mark.parametrize("method", study.METHODS)
def test_derivatives_of_a_network_are_those_of_differences(method):
    for order in (1, 2):
        network = study.built("boundary" if order == 2 else "energy", method, 0, 2.0)
        x = torch.tensor([[-0.6113], [0.2871], [0.5419]], dtype=torch.float64)
        h = 1e-4
        left, middle, right = (network(x + step)[:, 0] for step in (-h, 0, h))
        differences = (right - left) / (2 * h) if order == 1 else (left - 2 * middle + right) / h**2
        torch.testing.assert_close(network(x)[:, 1], differences, rtol=1e-3, atol=1e-4)
        if order == 2 and method in STRAIGHT:
            assert network(x)[:, 1].abs().max() == 0


@pytest.mark.parametrize("method", STRAIGHT)
def test_the_strong_form_teaches_a_sum_of_kinks_its_ends_alone(method):
    what, network = study.Boundary(), study.built("boundary", method, 0, 2.0)
    values = network(what.coordinates)
    inside = ((4 * values[:, 1:] + what.load)[:-2] / what.load.abs().amax()).square().mean()
    assert not inside.requires_grad or not any(
        g is not None and g.abs().max() > 0
        for g in torch.autograd.grad(inside, list(network.parameters()), allow_unused=True)
    )


@pytest.mark.parametrize("task", study.TASKS)
@pytest.mark.parametrize("method", study.METHODS)
def test_the_first_steps_come_out_again(task, method):
    row = studies.load("activations")["tasks"][task][method]
    case = study.case(task, method, 1, row["scale"], row["lr"])
    run = Run(study.built(task, method, 1, case["scale"]), study.problem(task), case["steps"], case["lr"], 0.1)
    run.choose_route(None, "float32", False)
    for _ in range(3):
        run.note(*run.evaluate(last=False))
        run.step()
    run.read()
    assert run.history.psnr == pytest.approx(row["start"][1], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "method"), [("energy", "relu"), ("boundary", "hat")])
def test_the_smallest_case_comes_out_again(task, method):
    """Whole, within what rounding does to a training run in float64."""
    row = studies.load("activations")["tasks"][task][method]
    again = study.train(**study.case(task, method, 0, row["scale"], row["lr"]), device="cpu", checkpoint=None)
    assert again["score"] == pytest.approx(row["score"][0], rel=0.02)


def test_every_run_is_there_and_the_best_of_the_grid_was_taken():
    stored = studies.load("activations")
    for task in study.TASKS:
        better = max if task in study.PICTURES else min
        for method in study.METHODS:
            row, tried = stored["tasks"][task][method], stored["tuning"][task][method]
            assert len(row["score"]) == len(study.SEEDS) and None not in row["score"]
            assert row["mean"] == pytest.approx(statistics.fmean(row["score"]), rel=1e-3)
            assert len(tried) == len(study.grid(method))
            found = {name: score for name, score in tried.items() if score is not None}
            assert better(found, key=lambda name: found[name]) == f"{row['scale']:g}, {row['lr']:g}"
        assert stored["without"][task]["score"] > 0
    for method in study.METHODS:
        for task in study.PICTURES:
            picture, truth = (studies.pictures("activations")[f"{task}-{name}"] for name in (method, "truth"))
            assert study.psnr(picture, truth).item() > stored["tasks"][task][method]["score"][0] - 0.1
