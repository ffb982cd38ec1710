"""Figures 4 to 9 of the BW paper: every method on a photograph, a CT slice and super-resolution, and low-norm networks.

    python -m relunb.book.studies.imaging                  makes imaging.json and imaging.npz on two cores
    python -m relunb.book.studies.imaging --device cuda    at the paper's size, on a GPU

Finished runs are kept under _build/results, and a run that was cut short goes on from its last checkpoint. Stop with
Ctrl-C; the same command goes on.
"""

import argparse
import datetime
import json
import math
import multiprocessing
import os
import platform
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
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
from . import HERE, commit
from .features import _LEAVE_CTRL_C_TO_THE_PARENT, _lists_on_one_line, _processor

SEEDS = range(5)
TUNING_SEED = 5  # not one of those reported
METHODS = ("bw_relu", "siren", "wire", "relu_pe", "relu", "gauss", "grid")
# Ours: the paper has neither. A grid from zero has no seeds.
OWN = {"gauss": ({"activation": "gauss", "scale": 10.0}, 2e-3), "grid": ({}, 2e-2)}
# size: width, and steps by task
SIZES = {
    "small": {"width": 100, "image": 1000, "super-resolution": 400, "ct-100": 400, "ct-30": 400, "ct-phantom": 400},
    "paper": {"width": 300, "image": 1000, "super-resolution": 2000, "ct-100": 5000, "ct-30": 5000, "ct-phantom": 5000},
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
CURVE = (0, 1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000)


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


def build(task: str, method: str, seed: int, size: str, factor: float, shape: tuple[int, int]) -> nn.Module:
    """A network with the weights of a seed; the grid has no more parameters than the BW-ReLU network."""
    torch.manual_seed(seed)
    if method != "grid":
        return CoordinateNetwork(2, **settings(task, method, size, factor)[0])
    network, _ = settings(task, "bw_relu", size, factor)
    return Grid.within(sum(p.numel() for p in CoordinateNetwork(2, **network).parameters()), shape)


def compare(
    size: str, device: str, file: Path | None, task: str, method: str, seed: int, factor: float
) -> dict[str, Any]:
    """One run of Figures 4 to 6."""
    what = problem(task, size).to(device)
    network = build(task, method, seed, size, factor, _shape(what)).to(device)
    _, training = settings(task, method, size, factor)
    if seed == TUNING_SEED:
        training["steps"] //= 2
    return _finished(network, what, fit(network, what, **training, checkpoint=file, progress=False))


def low_norm(
    size: str, device: str, file: Path | None, task: str, scale: float, seed: int, stop_loss: float
) -> dict[str, Any]:
    """One run of Figures 7 to 9: train until the loss is the one that all scales reach."""
    what = problem(task, size).to(device)
    network, training = settings(task, "bw_relu", size, 1.0)
    torch.manual_seed(seed)
    trained = CoordinateNetwork(2, **{**network, "scale": scale}).to(device)
    training = {**training, "lr": RATE, "steps": PATIENCE * training["steps"], "stop_loss": stop_loss}
    history = fit(trained, what, **training, checkpoint=file, progress=False)
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


Runs = dict[str, tuple[Any, ...]]


def first_runs(size: str) -> Runs:
    """Name, function and arguments of the runs that need no others: Figures 7 to 9, and those that choose scales."""
    todo: Runs = {}
    for task, method, factor in tuning_cases(size):
        todo[f"tune-{task}-{method}-{factor:g}"] = compare, task, method, TUNING_SEED, factor
    for task, level, stop_loss, scale in low_norm_cases():
        for seed in SEEDS:
            todo[f"norm-{task}-{level}-{scale:g}-{seed}"] = low_norm, task, scale, seed, stop_loss
    return todo


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


def chosen_factors(size: str, done: dict[str, Any]) -> dict[str, dict[str, float]]:
    """By task and method, the factor of the paper's scale."""
    factors: dict[str, dict[str, float]] = {}
    for task in COMPARED:
        factors[task] = {}
        for method in METHODS:
            tried = {f: done.get(f"tune-{TUNED[task]}-{method}-{f:g}") for f in FACTORS}
            found = {f: run["psnr"] for f, run in tried.items() if run is not None}
            factors[task][method] = max(found, key=lambda f: found[f]) if found else 1.0
    return factors


def compared_runs(factors: dict[str, dict[str, float]]) -> Runs:
    """Name, function and arguments of the runs of Figures 4 to 6."""
    todo: Runs = {}
    for task in ("super-resolution", "image", "ct-30", "ct-100"):
        for seed in SEEDS:
            for method in METHODS:
                if method != "grid" or seed == 0:
                    todo[f"{task}-{method}-{seed}"] = compare, task, method, seed, factors[task][method]
    return todo


def part(call: Any, arguments: tuple[Any, ...], size: str, device: str, kept: Path) -> None:
    """Make one run and keep what it gave in a file."""
    if device == "cpu":
        torch.set_num_threads(1)
    checkpoint = kept.with_suffix(".fit")
    result = call(size, device, checkpoint, *arguments)
    torch.save(result, kept.with_suffix(".part"))
    kept.with_suffix(".part").replace(kept)  # whole or not at all
    checkpoint.unlink(missing_ok=True)


def make(todo: Runs, size: str, device: str, jobs: int, folder: Path, what: str) -> dict[str, Any]:
    """Make the runs that are not there yet, and return all."""
    from tqdm import tqdm

    files = {name: folder / f"{name}.pt" for name in todo}
    missing = [name for name, file in files.items() if not file.exists()]
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=signal.signal, initargs=_LEAVE_CTRL_C_TO_THE_PARENT)
    try:
        futures = []
        for name in missing:
            call, *arguments = todo[name]
            futures.append(pool.submit(part, call, tuple(arguments), size, device, files[name]))
        for future in tqdm(as_completed(futures), total=len(files), initial=len(files) - len(missing), desc=what):
            future.result()
    except KeyboardInterrupt:
        for process in list(pool._processes.values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise SystemExit("\nStopped. Finished runs and checkpoints are kept; the same command goes on.") from None
    pool.shutdown()
    return {name: torch.load(file) for name, file in files.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=tuple(SIZES), help="default: small on a CPU, the paper's on a GPU")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time; on a CPU with one thread each")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device: leave --device out.")
    if options.jobs < 1:
        parser.error("--jobs must be at least 1.")
    size = options.size or ("paper" if options.device == "cuda" else "small")
    code = commit()
    folder = Path("_build/results") / f"imaging-{code}-{options.device}-{size}"
    folder.mkdir(parents=True, exist_ok=True)
    # The C library would give every large array back to the system and fetch it again: a third of the time.
    os.environ.update({"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"})
    how = size, options.device, options.jobs, folder
    done = make(first_runs(size), *how, "first runs")
    factors = chosen_factors(size, done)
    done |= make(compared_runs(factors), *how, "comparison")
    provenance = {
        "command": " ".join(["python -m relunb.book.studies.imaging", *sys.argv[1:]]),
        "commit": code,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": torch.cuda.get_device_name() if options.device == "cuda" else _processor(),
        "processes": options.jobs,
        "seconds": round(sum(run["seconds"] for run in done.values())),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seeds": f"{SEEDS[0]} to {SEEDS[-1]}",
        "size": size,
        "width": SIZES[size]["width"],
        "steps": {task: SIZES[size][task] for task in SIZES[size] if task != "width"},
    }
    result = {"provenance": provenance, "factors": factors, **gathered(done, size)}
    (HERE / "imaging.json").write_text(_lists_on_one_line(json.dumps(result, indent=1)) + "\n", encoding="utf8")
    np.savez_compressed(HERE / "imaging.npz", **pictures(done, size))  # pyright: ignore[reportArgumentType]
    print(f"wrote {HERE / 'imaging.json'} and imaging.npz")


def gathered(done: dict[str, Any], size: str) -> dict[str, Any]:
    """Every number of every run, five significant digits, by task and method or scale."""
    compared: dict[str, Any] = {}
    for task in COMPARED:
        rows = {
            method: _row([done[f"{task}-{method}-{s}"] for s in SEEDS if f"{task}-{method}-{s}" in done])
            for method in METHODS
        }
        before = classical(task, size)
        if before is not None:
            name, picture = before
            truth = reference(problem(task, size))
            rows[name] = {"psnr": [_short(psnr(picture, truth).item())], "ssim": [_short(ssim(picture, truth))]}
        compared[task] = rows
    norms: dict[str, Any] = {task: [{"loss": loss, "scales": {}} for loss, _ in LOW_NORM[task]] for task in LOW_NORM}
    for task, level, _, scale in low_norm_cases():
        found = [done[f"norm-{task}-{level}-{scale:g}-{seed}"] for seed in SEEDS]
        norms[task][level]["scales"][f"{scale:g}"] = _row(found)
    tuning: dict[str, Any] = {}
    for task, method, factor in tuning_cases(size):
        found = done[f"tune-{task}-{method}-{factor:g}"]
        tuning.setdefault(task, {}).setdefault(method, {})[f"{factor:g}"] = _short(found["psnr"])
    return {"tuning_psnr": tuning, "compared": compared, "low_norm": norms}


def _row(found: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
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


def pictures(done: dict[str, Any], size: str) -> dict[str, np.ndarray]:
    """The truth, the classical answer and the pictures of the first seed, in bytes."""
    found: dict[str, Tensor] = {
        name.removesuffix("-0"): run["picture"]
        for name, run in done.items()
        if name.endswith("-0") and not name.startswith("tune-")
    }
    for task in (*COMPARED, "ct-phantom"):
        found[f"{task}-truth"] = reference(problem(task, size))
        before = classical(task, size)
        if before is not None:
            found[f"{task}-{before[0]}"] = before[1]
    return {name: (255 * p.clamp(0, 1)).round().byte().numpy() for name, p in found.items()}


if __name__ == "__main__":
    main()
