"""Figures 4 and 6 and Tables 2 and 3 of the IAT paper: every pair of bases on its two tasks, beside scalar activations.

    python -m relunb.book.studies.basis_pairs          makes basis_pairs.json (an hour on two cores; Ctrl-C is safe)
    python -m relunb.book.studies.basis_pairs --device cuda

The paper's targets, sizes and rates are lost. The protocol is ours, and calibrated: scalar ReLU comes near the paper's
90 % and 1e-3. Finished parts are kept under _build/results and used again. Stop with Ctrl-C; the same command goes on.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...iat._bases import PWL, PWQ, Fourier, PWLWavelet, Rect, RectWavelet
from ...iat._basis import Basis, Mixed
from . import HERE
from ._runner import Settings, Where, provenance, run, written

SEEDS = range(5)
RATES = (1e-3, 3e-3, 1e-2)  # of Adam, each with a cosine to zero: the table has the best for each pair
WIDTH, STEPS, MESH_RATIO = 16, 4000, 4  # M = 4 d
MESH_RATIOS = (1, 2, 4, 8, 16)  # of Figure 6
MESH_PAIRS = (("fourier", "pwq"), ("pwl", "pwq"), ("rect-w", "pwq"))
BASES = {
    "rect": Rect,
    "pwl": PWL,
    "pwq": PWQ,
    "fourier": Fourier,
    "pwl-w": PWLWavelet,
    "rect-w": RectWavelet,
    "pwl-w, multiscale": lambda size: PWLWavelet(size, multiscale=True),
    "rect-w, multiscale": lambda size: RectWavelet(size, multiscale=True),
    "mixed": lambda size: Mixed(Fourier(size // 2), PWL(size - size // 2)),  # Section 6
}
SCALAR = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
TASKS = ("fit", "memorise")
CURVE = tuple(sorted({round(10 ** (k / 8)) for k in range(29)} | {0, STEPS}))  # steps whose loss is stored


class Task(NamedTuple):
    inputs: Tensor  # (points, features)
    targets: Tensor  # (points, 1)


def task(name: str, seed: int) -> Task:
    """Figure 4: a function of high frequency, the same for every seed; or points of the plane with random labels."""
    if name == "fit":
        x = torch.linspace(-1, 1, 129)[:, None]
        return Task(x, (3 * math.pi * x).sin())
    generator = torch.Generator().manual_seed(1000 + seed)
    x = torch.rand(80, 2, generator=generator) * 2 - 1
    return Task(x, torch.randint(0, 2, (80, 1), generator=generator).float())


class Layer:
    """A pair of bases by the midpoint rule as two matrices, scaled so that it answers x ~ N(0, I) as loudly as ReLU.

    Eq. (23): a positive factor changes none of the functions a network can be, but how it starts.
    """

    def __init__(self, p: Basis, q: Basis, points: int) -> None:
        s = (torch.arange(points, dtype=torch.float64) * 2 + 1) / points - 1
        p_table, q_table = p(s).T, (q(s) / q.l1_norms) * (2 / points)
        x = torch.randn(4096, p.size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        loudness = ((x @ p_table).relu() @ q_table).square().mean().sqrt()
        self.p, self.q = p_table.float(), (q_table * (math.sqrt(0.5) / loudness)).float()

    def to(self, device: str) -> "Layer":
        self.p, self.q = self.p.to(device), self.q.to(device)
        return self

    def __call__(self, x: Tensor) -> Tensor:
        return (x @ self.p).relu() @ self.q


def weights(seed: int, features: int) -> list[Tensor]:
    """Weights and biases of three linear layers, as torch.nn.Linear starts; the same for every pair."""
    generator = torch.Generator().manual_seed(seed)
    tensors = []
    for fan_in, fan_out in ((features, WIDTH), (WIDTH, WIDTH), (WIDTH, 1)):
        for shape in ((fan_in, fan_out), (1, fan_out)):
            tensors.append((torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(fan_in))
    return tensors


def forward(parameters: list[Tensor], inputs: Tensor, layer: Any) -> Tensor:
    w1, b1, w2, b2, w3, b3 = parameters
    hidden = layer(torch.baddbmm(b1, inputs, w1))
    return torch.baddbmm(b3, layer(torch.baddbmm(b2, hidden, w2)), w3)


def losses(name: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each network: the mean squared error, or the binary cross-entropy."""
    if name == "fit":
        return (outputs - targets).square().mean((1, 2))
    return torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean((1, 2))


def train(
    name: str, layer: Any, steps: int = STEPS, device: str = "cpu", learning_rates: Sequence[float] = RATES
) -> dict[str, Any]:
    """Train all seeds at all rates together, the whole data at each step."""
    networks = [(rate, seed) for rate in learning_rates for seed in SEEDS]
    tasks = {seed: task(name, seed) for seed in SEEDS}
    inputs = torch.stack([tasks[seed].inputs for _, seed in networks]).to(device)
    targets = torch.stack([tasks[seed].targets for _, seed in networks]).to(device)
    starts = [weights(seed, inputs.shape[-1]) for _, seed in networks]
    parameters = [torch.stack(p).to(device).requires_grad_() for p in zip(*starts, strict=True)]
    rates = torch.tensor([rate for rate, _ in networks], device=device)[:, None, None]
    first, second = [torch.zeros_like(p) for p in parameters], [torch.zeros_like(p) for p in parameters]
    curve = []
    for step in range(steps + 1):
        outputs = forward(parameters, inputs, layer)
        loss = losses(name, outputs, targets)
        if step in CURVE:
            curve.append(loss.detach().clone())
        if step == steps:
            break
        gradients = torch.autograd.grad(loss.sum(), parameters)
        rate = rates * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        with torch.no_grad():
            for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
                m.lerp_(g, 0.1)
                v.lerp_(g * g, 0.001)
                scale = (v / (1 - 0.999 ** (step + 1))).sqrt_().add_(1e-8)
                p.sub_(rate * m / (1 - 0.9 ** (step + 1)) / scale)
    if name == "fit":
        score = loss.detach()  # pyright: ignore[reportPossiblyUnboundVariable]
    else:
        right = outputs.sign() == 2 * targets - 1  # pyright: ignore[reportPossiblyUnboundVariable]
        score = right.float().mean((1, 2))
    by_rate = score.view(len(learning_rates), len(SEEDS)).cpu()
    curves = torch.stack(curve, -1).view(len(learning_rates), len(SEEDS), -1).cpu()
    return {
        "score": [_short(row) for row in by_rate],  # (rates, seeds): the error, or the accuracy
        "curve": [[_short(seed) for seed in rate] for rate in curves],
    }


def pair(
    task: str, p: str, q: str, ratio: int, steps: int, rates: list[float], device: str, checkpoint: Path
) -> dict[str, Any]:
    """Train one pair of bases on one task."""
    torch.set_flush_denormal(True)
    layer = Layer(BASES[p](WIDTH), BASES[q](WIDTH), WIDTH * ratio).to(device)
    return train(task, layer, steps, device, rates)


def scalar(task: str, activation: str, steps: int, rates: list[float], device: str, checkpoint: Path) -> dict[str, Any]:
    """Train one scalar activation on one task."""
    torch.set_flush_denormal(True)
    return train(task, SCALAR[activation], steps, device, rates)


def cases() -> tuple[dict[str, Settings], dict[str, Settings]]:
    """Everything that is trained, by its name in the result: the scalar activations, and the pairs."""
    same = {"steps": STEPS, "rates": list(RATES)}
    scalars, pairs = {}, {}
    for name in TASKS:
        for activation in SCALAR:
            scalars[f"{name}: {activation}"] = {"task": name, "activation": activation, **same}
        for p in BASES:
            for q in BASES:
                pairs[f"{name}: {p} -> {q}"] = {"task": name, "p": p, "q": q, "ratio": MESH_RATIO, **same}
        for p, q in MESH_PAIRS:
            for ratio in MESH_RATIOS:
                if ratio != MESH_RATIO:
                    settings = {"task": name, "p": p, "q": q, "ratio": ratio, **same}
                    pairs[f"{name}: {p} -> {q}, M = {ratio} d"] = settings
    return scalars, pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where, _ = Where.asked(parser)
    scalars, pairs = cases()
    done = run(scalar, scalars, where, "scalar activations") | run(pair, pairs, where, "pairs of bases")
    result = {
        "provenance": provenance(
            done,
            seeds=f"0 to {len(SEEDS) - 1}, the same weights for every pair",
            width=WIDTH,
            hidden_layers=2,
            steps=STEPS,
            rates=list(RATES),
            mesh_ratio=MESH_RATIO,
        ),
        "curve_steps": list(CURVE),
        "runs": {name: case.result for name, case in done.items()},
    }
    written(result, HERE / "basis_pairs.json")


def _short(values: Tensor) -> list[float]:
    """Three significant digits of the numbers, in double precision."""
    return [float(f"{value:.3g}") for value in values.tolist()]


if __name__ == "__main__":
    main()
