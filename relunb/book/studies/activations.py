"""Seven ways to put a kink, a wave or a bump into one network, on five tasks under one protocol.

    python -m relunb.book.studies.activations          makes activations.json and activations.npz (half an hour)

One architecture, one optimizer and so many steps for all; the scale and the rate of each activation are the best of one
small grid, by the score itself after a third of the steps, from a seed that is not reported. Finished runs are kept
under _build/results. Stop with Ctrl-C; the same command goes on.
"""

import argparse
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...inr import (
    CoordinateNetwork,
    CTProblem,
    ImageProblem,
    Problem,
    SuperResolutionProblem,
    fit,
    psnr,
    replace_activation,
)
from ...spectrum import tone_classes
from ..data import ct_slice, photograph
from . import HERE
from ._runner import Case, Settings, Where, provenance, run, written

SEEDS = range(3)
TUNING_SEED = 3  # not one of those reported
WIDTH, LAYERS, STEPS = 64, 2, 180
PATIENCE = {"boundary": 4}  # times the steps: its loss has fourth derivatives in it, and is slow
RATES = (2e-3, 8e-3)
SCALES = (2.0, 8.0, 32.0)
OCTAVES = (2, 4, 6)  # of ReLU with encoding, which has them in place of a scale
METHODS = ("relu", "relu_pe", "hat", "bw_relu", "siren", "gauss", "tanh")
TASKS = ("image", "ct", "super-resolution", "boundary", "energy", "tones")
PICTURES = ("image", "ct", "super-resolution")
WAVES = (2, 4, 8)  # half waves of the solution of the boundary value problem
LOUDER = 4.0  # times the tones of the training
TAPS = 8  # samples that the meter of tones reads at a time


class Bent(nn.Module):
    """A network of one coordinate with its derivatives by it: values and the derivative of an order, 1 or 2."""

    def __init__(self, network: nn.Module, order: int) -> None:
        super().__init__()
        self.network, self.order = network, order

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = slope = self.network(x)
            for _ in range(self.order):
                # Where nothing bends there is no graph, and the derivative is 0.
                (slope,) = torch.autograd.grad(slope.sum(), x, create_graph=True, materialize_grads=True)
        return torch.cat([value, slope], 1)


def solution(x: Tensor) -> Tensor:
    """Of the chapter on boundary values: ``-u'' = load``, u(0) = 0, u(1) = 1."""
    return x + torch.stack([torch.sin(k * math.pi * x) / k**2 for k in WAVES]).sum(0)


def load(x: Tensor) -> Tensor:
    return math.pi**2 * torch.stack([torch.sin(k * math.pi * x) for k in WAVES]).sum(0)


class Boundary(Problem):
    """The equation at 80 places and the values at both ends, as the chapter on boundary values weighs them."""

    load: Tensor
    truth: Tensor

    def __init__(self) -> None:
        x = torch.cat([(torch.arange(80, dtype=torch.float64) + 0.5) / 80, torch.tensor([0.0, 1.0])])[:, None]
        super().__init__(2 * x - 1, out_features=2)
        self._keep(load=load(x), truth=solution(x))

    def loss(self, values: Tensor) -> Tensor:
        u, bend = values.split(1, 1)
        missed = (4 * bend + self.load)[:-2] / self.load.abs().amax()
        return missed.square().mean() + 100 * (u - self.truth)[-2:].square().sum()

    def error(self, values: Tensor) -> Tensor:
        return (values[:, :1] - self.truth).square().mean()


class Energy(Problem):
    """The same by its energy, the mean of ``u'^2 / 2 - load u`` at 160 places; u = x + x (1 - x) N meets both ends."""

    x: Tensor
    load: Tensor
    truth: Tensor

    def __init__(self) -> None:
        x = ((torch.arange(160, dtype=torch.float64) + 0.5) / 160)[:, None]
        super().__init__(2 * x - 1, out_features=2)
        self._keep(x=x, load=load(x), truth=solution(x))

    def loss(self, values: Tensor) -> Tensor:
        inner, slope = values.split(1, 1)
        u, of_u = held(self.x, inner), 1 + (1 - 2 * self.x) * inner + self.x * (1 - self.x) * 2 * slope
        return (of_u.square() / 2 - self.load * u).mean()

    def error(self, values: Tensor) -> Tensor:
        return (held(self.x, values[:, :1]) - self.truth).square().mean()


def held(x: Tensor, inner: Tensor) -> Tensor:
    """A function that meets both boundary values, whatever the network is."""
    return x + x * (1 - x) * inner


class Tones(Problem):
    """The amplitude of a tone, as the mean over time of what the network makes of 8 samples in a row.

    48 tones of the three classes of the DC paper, with amplitudes uniform in [1/2, 2] and phases by where they begin.
    """

    amplitude: Tensor

    def __init__(self, seed: int, louder: float = 1.0) -> None:
        draw = torch.Generator().manual_seed(seed)
        signals = tone_classes(16, n_samples=128, generator=draw).signals
        start = torch.randint(0, 64, (len(signals),), generator=draw)
        amplitude = louder * (0.5 + 1.5 * torch.rand(len(signals), generator=draw))
        cut = torch.stack([s[int(k) : int(k) + 64] for s, k in zip(signals, start, strict=True)])
        windows = (amplitude[:, None] * cut).unfold(1, TAPS, 2)
        super().__init__(windows.flatten(0, 1))
        self._keep(amplitude=amplitude)

    def loss(self, values: Tensor) -> Tensor:
        return (values.reshape(len(self.amplitude), -1).mean(1) - self.amplitude).square().mean()

    def error(self, values: Tensor) -> Tensor:
        return self.loss(values)


def problem(task: str) -> Problem:
    """What is fitted."""
    makers: dict[str, Callable[[], Problem]] = {
        "image": lambda: ImageProblem(photograph("camera", window=(0, 64, 384), shrink=6)),
        "ct": lambda: CTProblem.from_image(_slice(), torch.arange(20) * 9.0),
        "super-resolution": lambda: SuperResolutionProblem.from_image(
            photograph("astronaut", window=(0, 130, 192), shrink=4), 2
        ),
        "boundary": Boundary,
        "energy": Energy,
        "tones": lambda: Tones(100),
    }
    return makers[task]()


def _slice() -> Tensor:
    """The middle of the slice, 48 x 48: means of four pixels."""
    return ct_slice()[16:112, 16:112].reshape(48, 2, 48, 2).mean((1, 3))


def built(task: str, method: str, seed: int, scale: float) -> nn.Module:
    """The network of a task with the weights of a seed; ``scale`` is the number of octaves for "relu_pe"."""
    torch.manual_seed(seed)
    own: dict[str, Any] = {"activation": method}
    if method in ("hat", "tanh"):
        own = {"activation": "relu"}
    elif method == "relu_pe":
        own = {"activation": "relu", "octaves": int(scale)}
    elif method != "relu":
        own["scale"] = scale
    inputs = {"tones": TAPS, "boundary": 1, "energy": 1}.get(task, 2)
    network = CoordinateNetwork(inputs, hidden_features=WIDTH, hidden_layers=LAYERS, **own)
    if method in ("hat", "tanh"):
        replace_activation(network, nn.ReLU, lambda: (ScaledTanh if method == "tanh" else ScaledHat)(scale))
    if task in ("boundary", "energy"):
        return Bent(network.double(), 2 if task == "boundary" else 1)
    return network


class ScaledTanh(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.scale * z)


class ScaledHat(nn.Module):
    """``max(0, 1 - |scale z|)`` as a sum of kinks, which is what it is, and quicker here than a look-up."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, z: Tensor) -> Tensor:
        u = self.scale * z
        return torch.relu(u + 1) - 2 * torch.relu(u) + torch.relu(u - 1)


def case(task: str, method: str, seed: int, scale: float, lr: float) -> Settings:
    """One run."""
    steps = PATIENCE.get(task, 1) * STEPS // (3 if seed == TUNING_SEED else 1)
    return {"task": task, "method": method, "seed": seed, "scale": scale, "lr": lr, "steps": steps}


def train(
    task: str, method: str, seed: int, scale: float, lr: float, steps: int, device: str, checkpoint: Any
) -> dict[str, Any]:
    what, network = problem(task).to(device), built(task, method, seed, scale).to(device)
    history = fit(network, what, steps=steps, lr=lr, checkpoint=checkpoint, progress=False)
    return {
        **scores(task, what, network),
        "start": [history.psnr[step] for step in range(3)],
        "loss": history.loss[-1],
        "seconds": history.seconds,
        "parameters": sum(p.numel() for p in network.parameters()),
    }


@torch.no_grad()
def scores(task: str, what: Problem, network: nn.Module) -> dict[str, Any]:
    """PSNR in decibels and the picture; or an error relative to the truth, and what shows it."""
    if isinstance(what, Tones):
        quiet, loud = (
            relative_error(network, Tones(200, louder).to(what.amplitude.device)) for louder in (1.0, LOUDER)
        )
        return {"score": quiet, "louder": loud}
    if isinstance(what, Boundary | Energy):
        x = torch.linspace(0, 1, 201, dtype=torch.float64, device=what.coordinates.device)[:, None]
        inner, truth = network(2 * x - 1)[:, :1], solution(x)
        found = held(x, inner) if isinstance(what, Energy) else inner
        error = (found - truth).square().mean().sqrt() / truth.square().mean().sqrt()
        return {"score": error.item(), "picture": found[:, 0].cpu()}
    estimate, truth = what.estimate(network).cpu(), reference(what)
    return {"score": psnr(estimate, truth).item(), "picture": estimate}


def relative_error(network: nn.Module, tones: Tones) -> float:
    """Of the amplitudes, root mean squares."""
    return (tones.error(tones.values(network)).sqrt() / tones.amplitude.square().mean().sqrt()).item()


def reference(what: Any) -> Tensor:
    """The true picture."""
    return what.target.reshape(64, 64).cpu() if isinstance(what, ImageProblem) else what.reference.cpu()


def without_network(task: str) -> tuple[str, float, Tensor | None]:
    """What is reached without a network: a name, the score, and a picture where there is one."""
    what: Any = problem(task)
    if task == "ct":
        picture = what.filtered_back_projection()
        return "filtered back-projection", psnr(picture, reference(what)).item(), picture
    if task == "super-resolution":
        picture = what.bicubic()
        return "bicubic", psnr(picture, reference(what)).item(), picture
    if task == "image":
        truth = reference(what)
        return "its mean gray", psnr(truth.mean().expand_as(truth), truth).item(), None
    if task == "tones":
        unseen = Tones(200).amplitude
        wrong = (what.amplitude.mean() - unseen).square().mean().sqrt()
        return "the mean amplitude", (wrong / unseen.square().mean().sqrt()).item(), None
    x = torch.linspace(0, 1, 201, dtype=torch.float64)
    wrong = (x - solution(x)).square().mean().sqrt()
    return "the two boundary values", (wrong / solution(x).square().mean().sqrt()).item(), None


def grid(method: str) -> list[tuple[float, float]]:
    """Scales and rates to choose from; a scale changes nothing of a ReLU but its size."""
    scales = {"relu": (1.0,), "relu_pe": OCTAVES}.get(method, SCALES)
    return [(float(scale), lr) for scale in scales for lr in RATES]


def tuning_runs() -> dict[str, Settings]:
    return {
        f"tune-{task}-{method}-{scale:g}-{lr:g}": case(task, method, TUNING_SEED, scale, lr)
        for task in TASKS
        for method in METHODS
        for scale, lr in grid(method)
    }


def chosen(done: dict[str, Case]) -> dict[str, dict[str, tuple[float, float]]]:
    """By task and method, scale and rate of the best run of the tuning."""
    best: dict[str, dict[str, tuple[float, float]]] = {}
    for task in TASKS:
        sign = 1 if task in PICTURES else -1
        best[task] = {
            method: max(
                grid(method), key=lambda at: sign * done[f"tune-{task}-{method}-{at[0]:g}-{at[1]:g}"].result["score"]
            )
            for method in METHODS
        }
    return best


def compared_runs(best: dict[str, dict[str, tuple[float, float]]]) -> dict[str, Settings]:
    return {
        f"{task}-{method}-{seed}": case(task, method, seed, *best[task][method])
        for task in TASKS
        for method in METHODS
        for seed in SEEDS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where, _ = Where.asked(parser)
    done = run(train, tuning_runs(), where, "tuning")
    best = chosen(done)
    done |= run(train, compared_runs(best), where, "comparison")
    about = {
        "seeds": f"{SEEDS[0]} to {SEEDS[-1]}, and {TUNING_SEED} for the tuning",
        "width": WIDTH,
        "layers": LAYERS,
        "steps": STEPS,
        "times_the_steps": PATIENCE,
    }
    np.savez_compressed(HERE / "activations.npz", **pictures(done))  # pyright: ignore[reportArgumentType]
    written({"provenance": provenance(done, **about), **gathered(done, best)}, HERE / "activations.json")


def gathered(done: dict[str, Case], best: dict[str, dict[str, tuple[float, float]]]) -> dict[str, Any]:
    """Every number, four significant digits, by task and method."""
    tuning: dict[str, Any] = {}
    for task in TASKS:
        tuning[task] = {}
        for method in METHODS:
            runs = {at: done[f"tune-{task}-{method}-{at[0]:g}-{at[1]:g}"].result["score"] for at in grid(method)}
            tuning[task][method] = {f"{scale:g}, {lr:g}": short(score) for (scale, lr), score in runs.items()}
    without = {task: without_network(task) for task in TASKS}
    return {
        "tasks": {task: {method: _row(done, task, method, best) for method in METHODS} for task in TASKS},
        "without": {task: {"name": name, "score": short(score)} for task, (name, score, _) in without.items()},
        "tuning": tuning,
    }


def _row(
    done: dict[str, Case], task: str, method: str, best: dict[str, dict[str, tuple[float, float]]]
) -> dict[str, Any]:
    runs = [done[f"{task}-{method}-{seed}"].result for seed in SEEDS]
    scale, lr = best[task][method]
    row: dict[str, Any] = {"scale": scale, "lr": lr}
    for key in ("score", "louder", "loss"):
        if key in runs[0]:
            row[key] = [short(found[key]) for found in runs]
    row["mean"] = short(statistics.fmean(found["score"] for found in runs))
    row["start"] = [[short(value) for value in found["start"]] for found in runs]
    row["seconds"], row["parameters"] = [round(found["seconds"], 1) for found in runs], runs[0]["parameters"]
    if task in ("boundary", "energy"):
        row["curve"] = [short(value) for value in runs[0]["picture"][::2].tolist()]
    return row


def short(value: float) -> float | None:
    return float(f"{value:.4g}") if math.isfinite(value) else None


def pictures(done: dict[str, Case]) -> dict[str, np.ndarray]:
    """The truth, the answer without a network and the pictures of the first seed, in bytes."""
    found: dict[str, Tensor] = {}
    for task in PICTURES:
        found[f"{task}-truth"] = reference(problem(task))
        found |= {f"{task}-{method}": done[f"{task}-{method}-0"].result["picture"] for method in METHODS}
        _, _, before = without_network(task)
        if before is not None:
            found[f"{task}-before"] = before
    return {name: (255 * p.clamp(0, 1)).round().byte().numpy() for name, p in found.items()}


if __name__ == "__main__":
    main()
