"""Figures 4 to 9 of the BW paper: every method on a photograph, a CT slice and super-resolution, and low-norm networks.

    python -m relunb.book.studies.imaging                  makes imaging.json and imaging.npz on two cores
    python -m relunb.book.studies.imaging --size paper     at the paper's size: days on two cores, hours on a GPU
    python -m relunb.book.studies.imaging --size paper --tasks image --methods bw_relu siren relu_pe --seeds 0 1 2

Finished runs are kept under _build/results, and a run that was cut short goes on from its last checkpoint. Stop with
Ctrl-C; the same command goes on. Runs at the paper's size join those that imaging_paper.json has.
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...inr import (
    CoordinateNetwork,
    CTProblem,
    Grid,
    ImageProblem,
    Problem,
    SuperResolutionProblem,
    fit,
    preset,
    psnr,
    ssim,
)
from ...wavelet import deep_variation_norm
from ..data import ct_slice, phantom, photograph
from . import HERE
from ._runner import Case, Settings, Where, provenance, run, written

SEEDS = range(5)
TUNING_SEED = 5  # not one of those reported
METHODS = ("bw_relu", "siren", "wire", "relu_pe", "relu", "gauss", "grid")
# Ours: the paper has neither. A grid from zero has no seeds.
OWN = {"gauss": ({"activation": "gauss", "scale": 10.0}, 2e-3), "grid": ({}, 2e-2)}
# size: width, and steps by task
SIZES = {
    "small": {"width": 100, "image": 1000, "super-resolution": 400, "ct-100": 400, "ct-30": 400, "ct-phantom": 400},
    "paper": {
        "width": 300,
        "image": 1000,
        "super-resolution": 2000,
        "ct-100": 10000,
        "ct-30": 5000,
        "ct-phantom": 5000,
    },
}
COMPARED = ("image", "ct-100", "ct-30", "super-resolution")
# The paper's scales are tuned to its pictures. At the small size each method gets the best of these multiples of its
# own, by the PSNR after half the steps from a seed of its own; of octaves one or two less. Both scans share it.
FACTORS = (1.0, 0.5, 0.25)
TUNED = {"image": "image", "ct-100": "ct-30", "ct-30": "ct-30", "super-resolution": "super-resolution"}
# Figures 7, 9 and 8: (common loss, scales) by task; the second loss is one that c = 1 does not reach in our time.
LOW_NORM = {
    "ct-30": ((0.8, (1.0, 2.0, 3.0, 5.0)), (0.1, (2.0, 3.0, 5.0))),
    "ct-phantom": ((1.2, (1.0, 2.0, 3.0, 5.0)), (0.2, (2.0, 3.0, 5.0))),
    "super-resolution": ((1.5e-3, (1.0, 2.0, 3.0, 5.0)), (1e-5, (2.0, 3.0, 5.0))),
}
PATIENCE = 3  # times the steps above
RATE = 3e-3  # of the script of Figure 7
CURVE = (
    0,
    1,
    2,
    5,
    10,
    20,
    30,
    50,
    75,
    100,
    150,
    200,
    300,
    400,
    500,
    750,
    1000,
    1500,
    2000,
    3000,
    4000,
    5000,
    7500,
    10000,
)


def problem(task: str, size: str = "small") -> Problem:
    """What is fitted."""
    large = size == "paper"
    makers: dict[str, Callable[[], Problem]] = {
        "image": lambda: ImageProblem(
            photograph("camera", shrink=2) if large else photograph("camera", window=(0, 64, 384), shrink=4)
        ),
        "ct-100": lambda: CTProblem.from_image(ct_slice(), torch.arange(100) * 1.8),
        "ct-30": lambda: CTProblem.from_image(ct_slice(), torch.arange(30) * 6.0),
        "ct-phantom": lambda: CTProblem.from_image(
            *((phantom(200), torch.arange(40) * 4.5) if large else (phantom(100), torch.arange(20) * 9.0))
        ),
        "super-resolution": lambda: SuperResolutionProblem.from_image(
            photograph("astronaut", shrink=2) if large else photograph("astronaut", window=(0, 130, 192), shrink=2), 4
        ),
    }
    return makers[task]()


def settings(task: str, method: str, size: str, factor: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keywords of the network and of fit: those of Appendix D, but for width, steps and the factor of the scale."""
    kind = "ct" if task.startswith("ct") else task
    paper = preset(kind, "bw_relu" if method in OWN else method)
    network, training = dict(paper.network), {**paper.training, "steps": SIZES[size][task]}
    if method in OWN:
        network = {**OWN[method][0], "hidden_layers": 3}
        training["lr"] = OWN[method][1]
    network["hidden_features"] = min(SIZES[size]["width"], 256 if kind == "super-resolution" else 300)
    for name in ("scale", "sigma"):
        if name in network:
            network[name] *= factor
    if "octaves" in network:
        network["octaves"] += round(math.log2(factor))
    return network, training


def built(method: str, seed: int, network: Settings, shape: tuple[int, int]) -> nn.Module:
    """A network with the weights of a seed; the grid has no more parameters than the BW-ReLU network."""
    torch.manual_seed(seed)
    if method == "grid":
        return Grid.within(network["most_parameters"], shape)
    return CoordinateNetwork(2, **network)


def compared_case(task: str, method: str, seed: int, size: str, factor: float) -> Settings:
    """One run of Figures 4 to 6."""
    network, training = settings(task, method, size, factor)
    if method == "grid":
        wavelets = CoordinateNetwork(2, **settings(task, "bw_relu", size, factor)[0])
        network = {"most_parameters": sum(p.numel() for p in wavelets.parameters())}
    if seed == TUNING_SEED:
        training["steps"] //= 2
    return {"task": task, "method": method, "seed": seed, "size": size, "network": network, "training": training}


def compare(
    task: str, method: str, seed: int, size: str, network: Settings, training: Settings, device: str, checkpoint: Path
) -> dict[str, Any]:
    what = problem(task, size).to(device)
    trained = built(method, seed, network, _shape(what)).to(device)
    return _finished(trained, what, fit(trained, what, **training, checkpoint=checkpoint, progress=False))


def low_norm_case(task: str, scale: float, seed: int, size: str, stop_loss: float) -> Settings:
    """One run of Figures 7 to 9: train until the loss is the one that all scales reach."""
    network, training = settings(task, "bw_relu", size, 1.0)
    training = {**training, "lr": RATE, "steps": PATIENCE * training["steps"], "stop_loss": stop_loss}
    return {"task": task, "seed": seed, "size": size, "network": {**network, "scale": scale}, "training": training}


def low_norm(
    task: str, seed: int, size: str, network: Settings, training: Settings, device: str, checkpoint: Path
) -> dict[str, Any]:
    what = problem(task, size).to(device)
    trained = built("bw_relu", seed, network, _shape(what)).to(device)
    history = fit(trained, what, **training, checkpoint=checkpoint, progress=False)
    return {
        **_finished(trained, what, history),
        "norm": deep_variation_norm(trained).item(),
        "steps": len(history.loss) - 1,
        "stopped": history.stopped,
    }


def _shape(what: Problem) -> tuple[int, int]:
    height, width = what.shaped(what.coordinates[:, :1]).shape[:2]
    return height, width


def _finished(network: nn.Module, what: Problem, history: Any) -> dict[str, Any]:
    estimate, truth = what.estimate(network).cpu(), reference(what).cpu()
    last = len(history.loss) - 1
    moments = [*(k for k in CURVE if k < last), last]
    return {
        "psnr": psnr(estimate, truth).item(),
        "ssim": ssim(estimate, truth),
        "loss": history.loss[-1],
        "best_psnr": max(history.psnr),
        "moments": moments,
        "curve": [history.psnr[k] for k in moments],
        "seconds": history.seconds,
        "route": history.route,
        "parameters": sum(p.numel() for p in network.parameters()),
        "picture": estimate,
    }


def reference(what: Problem) -> Tensor:
    """The true picture."""
    truth = what.target if isinstance(what, ImageProblem) else what.get_buffer("reference")
    assert truth is not None
    return what.shaped(truth)


def classical(task: str, size: str = "small") -> tuple[str, Tensor] | None:
    """What was there before networks: filtered back-projection, bicubic interpolation, and nothing for an image."""
    what = problem(task, size)
    if isinstance(what, CTProblem):
        return "filtered back-projection", what.filtered_back_projection()
    if isinstance(what, SuperResolutionProblem):
        return "bicubic", what.bicubic()
    return None


def tuning_runs(size: str) -> dict[str, Settings]:
    """The runs that choose scales."""
    return {
        f"tune-{task}-{method}-{factor:g}": compared_case(task, method, TUNING_SEED, size, factor)
        for task, method, factor in tuning_cases(size)
    }


def low_norm_runs(size: str) -> dict[str, Settings]:
    """The runs of Figures 7 to 9."""
    return {
        f"norm-{task}-{level}-{scale:g}-{seed}": low_norm_case(task, scale, seed, size, stop_loss)
        for task, level, stop_loss, scale in low_norm_cases()
        for seed in SEEDS
    }


def tuning_cases(size: str) -> list[tuple[str, str, float]]:
    """Task, method and factor of the runs that choose scales."""
    tasks = ("super-resolution", "image", "ct-30") if size == "small" else ()
    methods = [method for method in METHODS if method not in ("relu", "grid")]
    return [(task, method, factor) for task in tasks for method in methods for factor in FACTORS]


def low_norm_cases() -> list[tuple[str, int, float, float]]:
    """Task, number of the loss, the loss, and the scale."""
    return [
        (task, level, stop_loss, scale)
        for task, losses in LOW_NORM.items()
        for level, (stop_loss, scales) in enumerate(losses)
        for scale in scales
    ]


def chosen_factors(size: str, done: dict[str, Case]) -> dict[str, dict[str, float]]:
    """By task and method, the factor of the paper's scale."""
    factors: dict[str, dict[str, float]] = {}
    for task in COMPARED:
        factors[task] = {}
        for method in METHODS:
            tried = {f: done.get(f"tune-{TUNED[task]}-{method}-{f:g}") for f in FACTORS}
            found = {f: case.result["psnr"] for f, case in tried.items() if case is not None}
            factors[task][method] = max(found, key=lambda f: found[f]) if found else 1.0
    return factors


def compared_runs(
    factors: dict[str, dict[str, float]],
    size: str,
    tasks: Sequence[str] = ("super-resolution", "image", "ct-30", "ct-100"),
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Settings]:
    """The runs of Figures 4 to 6."""
    return {
        f"{task}-{method}-{seed}": compared_case(task, method, seed, size, factors[task][method])
        for task in tasks
        for seed in seeds
        for method in methods
        if method != "grid" or seed == 0
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=tuple(SIZES), help="default: small on a CPU, the paper's on a GPU")
    parser.add_argument("--tasks", nargs="+", choices=COMPARED, help="of Figures 4 to 6, at the paper's size")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS, help="with --tasks")
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS, help="with --tasks")
    where, options = Where.asked(parser)
    size = options.size or ("paper" if where.device == "cuda" else "small")
    if options.tasks:
        if size != "paper":
            parser.error("--tasks goes with --size paper.")
        factors = chosen_factors(size, {})
        runs = compared_runs(factors, size, options.tasks, options.methods, options.seeds)
        done = run(compare, runs, where, "comparison")
        _join(HERE / "imaging_paper", done, options.tasks, options.seeds)
    else:
        done = run(compare, tuning_runs(size), where, "tuning") | run(low_norm, low_norm_runs(size), where, "low norm")
        factors = chosen_factors(size, done)
        done |= run(compare, compared_runs(factors, size), where, "comparison")
        found = {"factors": factors, **gathered(done, size)}
        about = {"seeds": f"{SEEDS[0]} to {SEEDS[-1]}", **_about(size)}
        shown = pictures(done, size, (*COMPARED, "ct-phantom"))
        np.savez_compressed(HERE / "imaging.npz", **shown)  # pyright: ignore[reportArgumentType]
        written({"provenance": provenance(done, **about), **found}, HERE / "imaging.json")


def _about(size: str) -> dict[str, Any]:
    steps = {task: SIZES[size][task] for task in SIZES[size] if task != "width"}
    return {"size": size, "width": SIZES[size]["width"], "steps": steps}


def _join(file: Path, done: dict[str, Case], tasks: Sequence[str], seeds: Sequence[int]) -> None:
    """Add runs at the paper's size to those that are stored; each says of itself where it comes from."""
    size, compared, shown = "paper", {}, {}
    if file.with_suffix(".json").exists():
        compared = json.loads(file.with_suffix(".json").read_text(encoding="utf8"))["compared"]
        with np.load(file.with_suffix(".npz")) as stored:
            shown = dict(stored)
    for task in tasks:
        rows = compared_rows(done, task, size, seeds)
        for method in rows.keys() & set(METHODS):
            cases = {seed: done[name] for seed in seeds if (name := f"{task}-{method}-{seed}") in done}
            made = [case.provenance for case in cases.values()]
            told = {key: [each[key] for each in made] for key in ("commit", "date", "device", "torch", "python")}
            network, training = settings(task, method, size, 1.0)
            rows[method] |= {"seeds": [*cases], **told, "network": network, "training": training}
        compared[task] = joined(compared.get(task, {}), rows)
    shown |= pictures(done, size, tasks)
    np.savez_compressed(file.with_suffix(".npz"), **shown)  # pyright: ignore[reportArgumentType]
    written({**_about(size), "compared": compared}, file.with_suffix(".json"))


def joined(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Rows by method with the seeds of both: where both have one the new run, and where settings differ no old one."""
    rows = before | found
    for method in before.keys() & found.keys():
        old, new = before[method], found[method]
        if any(old.get(key) != new.get(key) for key in ("network", "training", "moments")) or "seeds" not in new:
            continue
        take = {seed: (row, k) for row in (old, new) for k, seed in enumerate(row["seeds"])}
        each = [key for key in new if isinstance(new[key], list) and key != "moments"]
        rows[method] = new | {key: [row[key][k] for _, (row, k) in sorted(take.items())] for key in each}
    return rows


def compared_rows(done: dict[str, Case], task: str, size: str, seeds: Sequence[int] = SEEDS) -> dict[str, Any]:
    """Every number of every run of a task, by method, and those of the classical answer."""
    rows = {}
    for method in METHODS:
        found = [done[name] for seed in seeds if (name := f"{task}-{method}-{seed}") in done]
        if found:
            rows[method] = _row(found)
    before = classical(task, size)
    if before is not None:
        name, picture = before
        truth = reference(problem(task, size))
        rows[name] = {"psnr": [_short(psnr(picture, truth).item())], "ssim": [_short(ssim(picture, truth))]}
    return rows


def gathered(done: dict[str, Case], size: str) -> dict[str, Any]:
    """Every number of every run, five significant digits, by task and method or scale."""
    norms: dict[str, Any] = {task: [{"loss": loss, "scales": {}} for loss, _ in LOW_NORM[task]] for task in LOW_NORM}
    for task, level, _, scale in low_norm_cases():
        found = [done[f"norm-{task}-{level}-{scale:g}-{seed}"] for seed in SEEDS]
        norms[task][level]["scales"][f"{scale:g}"] = _row(found)
    tuning: dict[str, Any] = {}
    for task, method, factor in tuning_cases(size):
        found = done[f"tune-{task}-{method}-{factor:g}"]
        tuning.setdefault(task, {}).setdefault(method, {})[f"{factor:g}"] = _short(found.result["psnr"])
    compared = {task: compared_rows(done, task, size) for task in COMPARED}
    return {"tuning_psnr": tuning, "compared": compared, "low_norm": norms}


def _row(cases: list[Case]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    found = [case.result for case in cases]
    for key in ("psnr", "ssim", "loss", "best_psnr", "norm"):
        if key in found[0]:
            row[key] = [_short(run[key]) for run in found]
    for key in ("steps", "stopped"):
        if key in found[0]:
            row[key] = [run[key] for run in found]
    row["seconds"] = [round(run["seconds"], 1) for run in found]
    row["route"], row["parameters"] = found[0]["route"], found[0]["parameters"]
    if all(run["moments"] == found[0]["moments"] for run in found):
        row["moments"], row["curve"] = found[0]["moments"], [[_short(v) for v in run["curve"]] for run in found]
    return row


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def pictures(done: dict[str, Case], size: str, tasks: Sequence[str]) -> dict[str, np.ndarray]:
    """The truth, the classical answer and the pictures of the first seed, in bytes."""
    found: dict[str, Tensor] = {
        name.removesuffix("-0"): case.result["picture"]
        for name, case in done.items()
        if name.endswith("-0") and not name.startswith("tune-")
    }
    for task in tasks:
        found[f"{task}-truth"] = reference(problem(task, size))
        before = classical(task, size)
        if before is not None:
            found[f"{task}-{before[0]}"] = before[1]
    return {name: (255 * p.clamp(0, 1)).round().byte().numpy() for name, p in found.items()}


if __name__ == "__main__":
    main()
