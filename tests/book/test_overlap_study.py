"""The runs behind the chapter on overlap: what is known at the start, how it is compared, and the stored numbers."""

import math

import pytest
import torch
from scipy.stats import spearmanr

from relunb.book import studies
from relunb.book.studies import overlap

STORED = studies.load("overlap")
SHOWN = dict(relu=4, bw_relu=4, hat=8, siren=32, gauss=2)


def test_ranks_are_those_of_scipy_with_ties_and_infinities():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randint(6, (3, 20), generator=generator).double() for _ in range(2))
    x[x == 5] = math.inf
    for row, (one, other) in zip(overlap.rank_correlation(x, y), zip(x, y, strict=True), strict=True):
        assert row.item() == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


def test_an_interval_holds_its_correlation_and_draws_settings_whole():
    x = torch.arange(7.0)[:, None] + torch.zeros(3)
    low, high = overlap.interval(x, -(x**2))
    assert low == high == -1
    y = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    low, high = overlap.interval(x, y)
    assert -1 <= low < overlap.rank_correlation(x.flatten(), y.flatten()) < high <= 1
    # Seeds that only repeat their setting say nothing new.
    once = overlap.interval(x[:, :1], y[:, :1])
    assert overlap.interval(x, y[:, :1].expand(-1, 3)) == pytest.approx(once, abs=0.02)


def test_the_effective_rank_counts_directions():
    assert overlap.effective_rank(torch.ones(5, dtype=torch.float64)) == pytest.approx(5)
    assert overlap.effective_rank(torch.tensor([3.0, 0.0, 0.0])) == pytest.approx(1)


def test_the_output_layer_alone_is_what_gradient_descent_makes_of_it():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    features *= torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.0])  # the slow ones are still on their way
    features[:, 5] = features[:, 4]  # a direction that no feature shows
    target = torch.randn(40, generator=generator, dtype=torch.float64)
    weights, step = torch.zeros(6, dtype=torch.float64), 1 / torch.linalg.matrix_norm(features, 2) ** 2
    for _ in range(overlap.STEPS):
        weights -= step * features.T @ (features @ weights - target)
    found = overlap._output_layer_alone(features, target)
    error = (features @ weights - target).square().mean().item()
    assert found["frozen"] == pytest.approx(error, rel=2e-10)
    best = torch.linalg.lstsq(features[:, :5], target[:, None]).solution
    error = (features[:, :5] @ best - target[:, None]).square().mean().item()
    assert found["reachable"] == pytest.approx(error, rel=2e-10)


def test_steps_are_counted_to_the_first_time():
    assert overlap.steps_to(20.0, [3.0, 20.0, 19.0, 21.0]) == 1
    assert overlap.steps_to(22.0, [3.0, 20.0, 19.0, 21.0]) is None


@pytest.mark.parametrize("activation", overlap.ACTIVATIONS)
def test_the_first_steps_come_out_again(activation):
    scale, seed, rate = SHOWN[activation], overlap.SEEDS[-1], overlap.RATES[-1]
    row = STORED["runs"][activation][str(scale)]
    again = overlap.trained(activation, scale, seed, rate, steps=2, device="cpu", checkpoint=None)
    curve = row["curve"][f"{rate:g}"][seed]
    assert STORED["moments"][:3] == [0, 1, 2] and again["curve"] == pytest.approx(curve[:3], abs=1e-2)
    assert again["parameters"] == row["parameters"]
    for name in overlap.KNOWN:
        # A condition number of 1e10 hangs on the last digits of the smallest singular value.
        rel = max(1e-3, 1e-12 * row[name][seed]) if "condition" in name else 1e-3
        assert again[name] == pytest.approx(row[name][seed], rel=rel)


@pytest.mark.slow
def test_the_smallest_run_comes_out_again():
    rate = overlap.RATES[0]
    again = overlap.trained("relu", 1, 0, rate, steps=overlap.STEPS, device="cpu", checkpoint=None)
    stored = STORED["runs"]["relu"]["1"]["curve"][f"{rate:g}"][0]
    assert again["curve"] == pytest.approx(stored, abs=0.1)


def test_every_run_is_there_and_whole():
    seeds, rates = len(overlap.SEEDS), [f"{rate:g}" for rate in overlap.RATES]
    assert list(STORED["runs"]) == list(overlap.ACTIVATIONS)
    assert STORED["moments"] == list(overlap.MOMENTS) and STORED["levels"] == list(overlap.LEVELS)
    for rows in STORED["runs"].values():
        assert list(rows) == [str(scale) for scale in overlap.SCALES]
        for row in rows.values():
            known = torch.tensor([row[name] for name in overlap.KNOWN], dtype=torch.float64)
            assert known.shape == (len(overlap.KNOWN), seeds) and known.isfinite().all()
            assert (known[[0, 2]] >= 1).all() and (known[[1, 3]] <= overlap.WIDTH).all()
            assert (known[5] >= known[4] - 1e-3).all(), "least squares is the best"
            assert list(row["curve"]) == list(row["steps"]) == rates
            for rate in rates:
                curve = torch.tensor(row["curve"][rate])
                assert curve.shape == (seeds, len(overlap.MOMENTS)) and curve.isfinite().all()
                for steps, last in zip(row["steps"][rate], curve[:, -1], strict=True):
                    numbers = [math.inf if k is None else k for k in steps]
                    assert numbers == sorted(numbers)
                    reached = [level <= last for level in overlap.LEVELS]
                    assert all(k is not None for k, is_there in zip(steps, reached, strict=True) if is_there)
