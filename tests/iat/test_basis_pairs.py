"""The runs behind the IAT paper's tables: the data, the layer, and the stored numbers come out again."""

import math

import pytest
import torch

from relunb import IAT
from relunb.book import studies
from relunb.book.studies import basis_pairs as pairs

STORED = studies.load("basis_pairs")
RUNS = STORED["runs"]


def test_the_wave_is_one_for_all_seeds_and_the_labels_are_each_seeds_own():
    for seed in pairs.SEEDS:
        first, again = pairs.task("memorise", seed), pairs.task("memorise", seed)
        assert torch.equal(first.inputs, again.inputs) and torch.equal(first.targets, again.targets)
        assert first.inputs.shape == (80, 2) and first.inputs.abs().max() <= 1
        assert set(first.targets.unique().tolist()) == {0, 1}
        assert torch.equal(pairs.task("fit", seed).targets, pairs.task("fit", 0).targets)
    assert not torch.equal(pairs.task("memorise", 0).targets, pairs.task("memorise", 1).targets)
    x, y = pairs.task("fit", 0)
    torch.testing.assert_close(y, (3 * math.pi * x).sin())


def test_drawing_a_task_or_weights_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    pairs.task("memorise", 0)
    pairs.weights(0, 2)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("p", pairs.BASES)
@pytest.mark.parametrize("q", ["rect", "fourier", "pwl-w", "rect-w, multiscale", "mixed"])
def test_a_layer_is_the_midpoint_transform_times_a_constant_and_as_loud_as_relu(p, q):
    input_basis, output_basis = pairs.BASES[p](16), pairs.BASES[q](16)
    x = torch.randn(4096, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64).float()
    scaled = pairs.Layer(input_basis, output_basis, 64)(x)
    plain = IAT(16, None, input_basis, output_basis, method="midpoint", points=64)(x)
    factor = scaled.norm() / plain.norm()
    torch.testing.assert_close(scaled, factor * plain, rtol=1e-4, atol=1e-5)
    assert scaled.square().mean().item() == pytest.approx(0.5, rel=1e-5)


def test_networks_of_a_batch_are_ordinary_networks():
    x, _ = pairs.task("fit", 0)
    stacked = [torch.stack(p) for p in zip(pairs.weights(0, 1), pairs.weights(1, 1), strict=True)]
    together = pairs.forward(stacked, x.expand(2, -1, -1), torch.tanh)
    for seed, alone in enumerate(together):
        w1, b1, w2, b2, w3, b3 = pairs.weights(seed, 1)
        expected = ((x @ w1 + b1).tanh() @ w2 + b2).tanh() @ w3 + b3
        torch.testing.assert_close(alone, expected)


@pytest.mark.parametrize("name", pairs.TASKS)
@pytest.mark.parametrize("what", ["relu", "fourier -> pwq, M = 8 d"])
def test_the_first_steps_come_out_again(name, what):
    # The cosine knows the number of steps: 100 in place of 4000 differ in the rate of step 3 by 0.2 %.
    layer = torch.relu if what == "relu" else pairs.Layer(pairs.BASES["fourier"](16), pairs.BASES["pwq"](16), 128)
    again = torch.tensor(pairs.train(name, layer, steps=100)["curve"])
    stored = torch.tensor(RUNS[f"{name}: {what}"]["curve"])
    torch.testing.assert_close(again[..., :5], stored[..., :5], rtol=2e-2, atol=0)


def test_every_run_is_there_and_whole():
    assert RUNS.keys() == {key for group in pairs.cases() for key in group} and len(RUNS) == 2 * (3 + 9 * 9 + 3 * 4)
    assert STORED["curve_steps"] == list(pairs.CURVE)
    shape = (len(pairs.RATES), len(pairs.SEEDS))
    for key, row in RUNS.items():
        score, curve = torch.tensor(row["score"]), torch.tensor(row["curve"])
        assert score.shape == shape and curve.shape == (*shape, len(pairs.CURVE))
        assert score.isfinite().all() and curve.isfinite().all() and (curve >= 0).all()
        if key.startswith("fit"):
            assert torch.equal(score, curve[..., -1]), "the error is the last loss"
        else:
            labels = score * 80
            assert (labels - labels.round()).abs().max() < 0.05 and (0.5 <= score).all() and (score <= 1).all()


def test_rectangles_twice_start_where_relu_starts():
    """The same functions up to a constant near one, so the first losses are near one another."""
    for name in pairs.TASKS:
        twin, relu = (torch.tensor(RUNS[f"{name}: {what}"]["curve"])[..., 0] for what in ("rect -> rect", "relu"))
        torch.testing.assert_close(twin, relu, rtol=5e-3, atol=0)
