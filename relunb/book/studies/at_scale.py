"""What points cost: memory and time of a step from 4,096 points to 16.8 million, and minibatches of a photograph.

    python -m relunb.book.studies.at_scale          makes at_scale.json (a quarter of an hour; Ctrl-C is safe)

Each step is taken in a process of its own, which measures its memory as Linux counts it.
Finished cases are kept under _build/results.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from ...inr import CoordinateNetwork, ImageProblem, fit
from ..data import photograph
from . import HERE
from ._runner import Case, Settings, Where, provenance, run, written

SIDES = (64, 128, 256, 512, 1024, 2048, 4096)
WIDTH, LAYERS = 256, 3
BLOCK = 1 << 16
ROUTES = ("fused", "autograd in blocks", "autograd")
LARGEST = {"fused": 4096, "autograd in blocks": 2048, "autograd": 1024}  # more takes minutes, or no memory holds it
BATCHES = (None, 1 << 16, 1 << 14, 1 << 12)  # points a step; None: all
_MEASURE = """
import json, sys
from relunb.book.studies.at_scale import measured
print(json.dumps(measured(**json.loads(sys.argv[1]))))
"""
VISITS = 100 << 18  # how many points all steps of a run see: 100 steps of the whole photograph


def enlarged(side: int) -> ImageProblem:
    """The photograph, enlarged or made smaller to this many pixels a side."""
    picture = photograph("camera")[None, None]
    mode: dict[str, Any] = {"mode": "bicubic", "align_corners": False, "antialias": side < picture.shape[-1]}
    return ImageProblem(torch.nn.functional.interpolate(picture, (side, side), **mode)[0, 0].clamp(0, 1))


def network(seed: int, width: int, layers: int) -> CoordinateNetwork:
    torch.manual_seed(seed)
    return CoordinateNetwork(2, hidden_features=width, hidden_layers=layers, scale=6.0)


def measured(side: int, route: str, width: int, layers: int, steps: int, threads: int) -> dict[str, Any]:
    """Seconds a step, with the loss after it, and the memory in MiB that training took beyond what was there."""
    torch.set_num_threads(threads)
    what, trained = enlarged(side), network(0, width, layers)
    options = {"fused": {}, "autograd in blocks": {"fused": False, "block": min(BLOCK, side**2)}}
    options["autograd"] = {"fused": False, "block": side**2}
    fit(network(1, width, layers), enlarged(16), steps=2, progress=False)  # what is loaded at a first step
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    history = fit(trained, what, steps=steps, progress=False, **options[route])
    return {
        "seconds": history.seconds / steps,
        "mebibytes": _memory("VmHWM") - before,
        "loss": history.loss,
        "block": history.block,
    }


def _memory(entry: str) -> float:
    """Memory of this process in MiB, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(entry))) / 1024


def a_step(
    side: int, route: str, width: int, layers: int, steps: int, threads: int, device: str, checkpoint: Path | None
) -> dict[str, Any]:
    """One measurement, in a process of its own."""
    case = {"side": side, "route": route, "width": width, "layers": layers, "steps": steps, "threads": threads}
    command = [sys.executable, "-c", _MEASURE, json.dumps(case)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def a_run(
    batch: int | None, seed: int, width: int, layers: int, steps: int, lr: float, device: str, checkpoint: Path | None
) -> dict[str, Any]:
    """The photograph, 512 pixels a side, by batches."""
    trained, what = network(seed, width, layers), ImageProblem(photograph("camera"))
    torch.manual_seed(seed)
    history = fit(trained, what, steps=steps, lr=lr, batch=batch, checkpoint=checkpoint, progress=False)
    seen = [(step, value) for step, value in enumerate(history.psnr) if value == value]
    every = max(1, len(seen) // 20)
    return {
        "psnr": history.psnr[-1],
        "seconds": history.seconds,
        "curve": [[step / steps, value] for step, value in [*seen[::every], seen[-1]]],
        "route": history.route,
    }


def step_cases() -> dict[str, Settings]:
    cases = [(side, route) for route in ROUTES for side in SIDES if side <= LARGEST[route]]
    shape = {"steps": 1, "width": WIDTH, "layers": LAYERS, "threads": 1}
    return {f"step-{route}-{side}": {"side": side, "route": route, **shape} for side, route in cases}


def batch_cases() -> dict[str, Settings]:
    points = 512 * 512
    return {
        f"batch-{batch or points}-{seed}": {
            "batch": batch,
            "seed": seed,
            "width": 128,
            "layers": 2,
            "steps": VISITS // (batch or points),
            "lr": 2e-3,
        }
        for batch in BATCHES
        for seed in range(3)
    }


def gathered(done: dict[str, Case]) -> dict[str, Any]:
    """By route and by size of the batch, in the order of their cases."""
    steps: dict[str, list[dict[str, Any]]] = {route: [] for route in ROUTES}
    for name, case in step_cases().items():
        found = done[name].result
        row = {"points": case["side"] ** 2, "seconds": _short(found["seconds"]), "MiB": _short(found["mebibytes"])}
        steps[case["route"]].append(row | {"block": found["block"], "loss": [_short(x) for x in found["loss"][:2]]})
    batches: dict[str, list[dict[str, Any]]] = {}
    for name, case in batch_cases().items():
        found = done[name].result
        row = {key: _short(found[key]) for key in ("psnr", "seconds")} | {"steps": case["steps"]}
        curve = [[_short(a), _short(b)] for a, b in found["curve"]]
        batches.setdefault(str(case["batch"] or 512 * 512), []).append(row | {"curve": curve})
    return {"steps": steps, "batches": batches}


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where, _ = Where.asked(parser)
    alone = where._replace(jobs=1)  # a measurement has the machine for itself
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    done = run(a_step, step_cases(), alone, "steps") | run(a_run, batch_cases(), where, "batches")
    about = {"seeds": "0 to 2", "threads": 1, "width": WIDTH, "layers": LAYERS}
    written({"provenance": provenance(done, **about), **gathered(done)}, HERE / "at_scale.json")


if __name__ == "__main__":
    main()
