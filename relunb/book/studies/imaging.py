"""Figures 4 to 9 of the BW paper: every method on a photograph, a CT slice and super-resolution, and low-norm networks.

    python -m relunb.book.studies.imaging                  makes imaging.json and imaging.npz on two cores
    python -m relunb.book.studies.imaging --size paper     at the paper's size: days on two cores, hours on a GPU
    python -m relunb.book.studies.imaging --size paper --tasks image --methods bw_relu siren relu_pe --seeds 0 1 2
    python -m relunb.book.studies.imaging --size paper --tasks ct-30 --scales 1 2 3 5 --seeds 0

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
from ._runner import Case, Settings, Where, provenance, run, whole, written

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
SCALES = (1.0, 2.0, 3.0, 5.0)
TASKS = (*COMPARED, "ct-phantom")
# Figure 7 has these angles. At the paper's size the norm is followed while the loss falls, over the same steps.
FOLLOWED = ("ct-100",)
FALLING = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4)
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


def followed_case(task: str, scale: float, seed: int) -> Settings:
    """One run with as many steps as Figures 4 to 6 have, at the rate of Figure 7."""
    network, training = settings(task, "bw_relu", "paper", 1.0)
    network, training = {**network, "scale": scale}, {**training, "lr": RATE}
    return {"task": task, "seed": seed, "network": network, "training": training, "losses": [*FALLING]}


def follow(
    task: str, seed: int, network: Settings, training: Settings, losses: list[float], device: str, checkpoint: Path
) -> dict[str, Any]:
    """Norm and PSNR at the start, whenever the loss first falls to the next of ``losses``, and at the end."""
    what = problem(task, "paper").to(device)
    kept = checkpoint.with_name(f"{checkpoint.name}.json")  # what a run that was cut short has already passed
    rows: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else []
    start = deep_variation_norm(built("bw_relu", seed, network, _shape(what))).item()
    while True:
        trained = built("bw_relu", seed, network, _shape(what)).to(device)
        goal = losses[len(rows)] if len(rows) < len(losses) else None
        history = fit(trained, what, **training, stop_loss=goal, checkpoint=checkpoint, progress=False)
        norm = deep_variation_norm(trained).item()
        rows.append({"step": len(history.loss) - 1, "loss": history.loss[-1], "psnr": history.psnr[-1], "norm": norm})
        if not history.stopped:
            break
        with whole(kept) as part:
            part.write_text(json.dumps(rows))
    ended = {key: [_short(row[key]) for row in rows] for key in ("loss", "psnr", "norm")}
    return {"start": start, "step": [row["step"] for row in rows], **ended, "seconds": history.seconds}


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


def low_norm_runs(
    size: str,
    tasks: Sequence[str] = tuple(LOW_NORM),
    scales: Sequence[float] = SCALES,
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Settings]:
    """The runs of Figures 7 to 9."""
    return {
        f"norm-{task}-{level}-{scale:g}-{seed}": low_norm_case(task, scale, seed, size, stop_loss)
        for seed in seeds
        for task, level, stop_loss, scale in low_norm_cases()
        if task in tasks and scale in scales
    }


def followed_runs(tasks: Sequence[str], scales: Sequence[float], seeds: Sequence[int]) -> dict[str, Settings]:
    """The runs whose norm is followed."""
    return {
        f"followed-{task}-{scale:g}-{seed}": followed_case(task, scale, seed)
        for seed in seeds
        for task in FOLLOWED
        if task in tasks
        for scale in scales
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
    at_size = parser.add_argument_group("runs at the paper's size", "all, or those that are named")
    at_size.add_argument("--tasks", nargs="+", choices=TASKS, help="default: all")
    at_size.add_argument("--methods", nargs="+", choices=METHODS, help="of Figures 4 to 6; with --scales default: none")
    at_size.add_argument("--scales", nargs="+", type=float, choices=SCALES, help="of 7 to 9; with --methods: none")
    at_size.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, help="default: all")
    where, options = Where.asked(parser)
    size = options.size or ("paper" if where.device == "cuda" else "small")
    seeds = sorted(set(options.seeds or SEEDS))
    if size == "paper":
        tasks, named = options.tasks or TASKS, options.methods or options.scales
        factors = chosen_factors(size, {})
        compared = [task for task in tasks if task in COMPARED]
        scales = options.scales or (() if named else SCALES)
        todo = {
            "comparison": (
                compare,
                compared_runs(factors, size, compared, options.methods or (() if named else METHODS), seeds),
            ),
            "low norm": (low_norm, low_norm_runs(size, tasks, scales, seeds)),
            "norm and loss": (follow, followed_runs(tasks, scales, seeds)),
        }
        if not any(runs for _, runs in todo.values()):
            parser.error("no run has these tasks, methods, scales and seeds together.")
        file = HERE / "imaging_paper"
        _stored(file)  # what cannot be read is said before the runs
        done = {}
        for title, (function, runs) in todo.items():
            done |= run(function, runs, where, title) if runs else {}
        _join(file, done, tasks, seeds)
        return
    if options.tasks or options.methods or options.scales or options.seeds:
        parser.error("--tasks, --methods, --scales and --seeds go with --size paper.")
    done = run(compare, tuning_runs(size), where, "tuning") | run(low_norm, low_norm_runs(size), where, "low norm")
    factors = chosen_factors(size, done)
    done |= run(compare, compared_runs(factors, size), where, "comparison")
    found = {"factors": factors, **gathered(done, size)}
    about = {"seeds": f"{seeds[0]} to {seeds[-1]}", **_about(size)}
    _save(pictures(done, size, TASKS), HERE / "imaging.npz")
    written({"provenance": provenance(done, **about), **found}, HERE / "imaging.json")


def _about(size: str) -> dict[str, Any]:
    steps = {task: SIZES[size][task] for task in SIZES[size] if task != "width"}
    return {"size": size, "width": SIZES[size]["width"], "steps": steps}


def _stored(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Numbers and pictures of the runs at the paper's size, as far as there are any."""
    stored: dict[str, Any] = {"compared": {}, "low_norm": {}, "followed": {}}
    if not file.with_suffix(".json").exists():
        return stored, {}
    with np.load(file.with_suffix(".npz")) as pixels:
        return stored | json.loads(file.with_suffix(".json").read_text(encoding="utf8")), dict(pixels)


def _save(shown: dict[str, np.ndarray], file: Path) -> None:
    with whole(file) as part, open(part, "wb") as stream:
        np.savez_compressed(stream, **shown)  # pyright: ignore[reportArgumentType]


def _join(file: Path, done: dict[str, Case], tasks: Sequence[str], seeds: Sequence[int]) -> None:
    """Add runs at the paper's size to those that are stored; each says of itself where it comes from."""
    size = "paper"
    stored, shown = _stored(file)
    compared, norms, followed = stored["compared"], stored["low_norm"], stored["followed"]
    for task in tasks:
        rows = compared_rows(done, task, size, seeds)
        if rows.keys() & set(METHODS):
            for method in rows.keys() & set(METHODS):
                network, training = settings(task, method, size, 1.0)
                rows[method] |= _told(done, f"{task}-{method}", seeds) | {"network": network, "training": training}
            compared[task] = joined(compared.get(task, {}), rows)
        if any(name.startswith(f"norm-{task}-") for name in done):
            norms[task] = _levels(done, task, norms.get(task, []), seeds)
        rows = _followed_rows(done, task, seeds)
        if rows:
            followed[task] = joined(followed.get(task, {}), rows)
    _save(shown | pictures(done, size, tasks), file.with_suffix(".npz"))
    found = {"compared": compared, "low_norm": norms, "followed": followed}
    written({**_about(size), **found}, file.with_suffix(".json"))


def _levels(done: dict[str, Case], task: str, before: list[dict[str, Any]], seeds: Sequence[int]) -> list[Any]:
    """Figures 7 to 9 of a task, by loss: what is stored and what is new."""
    stored, levels = {level["loss"]: level["scales"] for level in before}, []
    for level, ((loss, _), rows) in enumerate(zip(LOW_NORM[task], low_norm_rows(done, task, seeds), strict=True)):
        for scale, row in rows.items():
            case = low_norm_case(task, float(scale), seeds[0], "paper", loss)
            row |= _told(done, f"norm-{task}-{level}-{scale}", seeds)
            row |= {"network": case["network"], "training": case["training"]}
        levels.append({"loss": loss, "scales": joined(stored.get(loss, {}), rows)})
    return levels


def _followed_rows(done: dict[str, Case], task: str, seeds: Sequence[int]) -> dict[str, Any]:
    """By scale, what each seed's run passed on its way."""
    rows = {}
    for scale in SCALES:
        name = f"followed-{task}-{scale:g}"
        found = [done[f"{name}-{seed}"].result for seed in seeds if f"{name}-{seed}" in done]
        if found:
            case = followed_case(task, scale, seeds[0])
            rows[f"{scale:g}"] = {key: [result[key] for result in found] for key in found[0]}
            rows[f"{scale:g}"] |= _told(done, name, seeds) | {key: case[key] for key in ("network", "training")}
    return rows


def _told(done: dict[str, Case], name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """The seeds of a row, and where each run comes from."""
    cases = {seed: done[f"{name}-{seed}"] for seed in seeds if f"{name}-{seed}" in done}
    keys = ("commit", "date", "device", "torch", "python")
    return {"seeds": [*cases], **{key: [case.provenance[key] for case in cases.values()] for key in keys}}


def joined(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Rows by method with the seeds of both: where both have one the new run, and where settings differ no old one."""
    rows = before | found
    for method in before.keys() & found.keys():
        old, new = before[method], found[method]
        if "seeds" not in new:
            continue
        if any(old.get(key) != new.get(key) for key in ("network", "training", "moments")):
            gone = ", ".join(str(seed) for seed in old["seeds"])
            print(f"{method}: the settings are new, and the stored runs (seeds {gone}) are left out.")
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


def low_norm_rows(done: dict[str, Case], task: str, seeds: Sequence[int] = SEEDS) -> list[dict[str, Any]]:
    """Every number of every run of Figures 7 to 9, by loss and scale."""
    rows: list[dict[str, Any]] = [{} for _ in LOW_NORM[task]]
    for named, level, _, scale in low_norm_cases():
        found = [done[name] for seed in seeds if (name := f"norm-{task}-{level}-{scale:g}-{seed}") in done]
        if named == task and found:
            rows[level][f"{scale:g}"] = _row(found)
    return rows


def gathered(done: dict[str, Case], size: str) -> dict[str, Any]:
    """Every number of every run, five significant digits, by task and method or scale."""
    norms: dict[str, Any] = {
        task: [
            {"loss": loss, "scales": rows}
            for (loss, _), rows in zip(LOW_NORM[task], low_norm_rows(done, task), strict=True)
        ]
        for task in LOW_NORM
    }
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
    if "norm" not in row and all(run["moments"] == found[0]["moments"] for run in found):
        row["moments"], row["curve"] = found[0]["moments"], [[_short(v) for v in run["curve"]] for run in found]
    return row


def _short(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def pictures(done: dict[str, Case], size: str, tasks: Sequence[str]) -> dict[str, np.ndarray]:
    """The truth, the classical answer and the pictures of the first seed, in bytes."""
    found: dict[str, Tensor] = {
        name.removesuffix("-0"): case.result["picture"]
        for name, case in done.items()
        if name.endswith("-0") and "picture" in case.result and not name.startswith("tune-")
    }
    for task in tasks:
        found[f"{task}-truth"] = reference(problem(task, size))
        before = classical(task, size)
        if before is not None:
            found[f"{task}-{before[0]}"] = before[1]
    return {name: (255 * p.clamp(0, 1)).round().byte().numpy() for name, p in found.items()}


if __name__ == "__main__":
    main()
