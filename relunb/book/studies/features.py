"""Figure 4 of the DC paper: 100 repetitions of its three networks, and of five more that say what the constant does.

    python -m relunb.book.studies.features            makes features.json (about an hour on two cores; Ctrl-C is safe)
    python -m relunb.book.studies.features --device cuda

Finished parts are kept under _build/results and used again. Stop with Ctrl-C; the same command goes on.
"""

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...spectrum._classifiers import ToneClassifier, glorot_uniform
from ...spectrum._one_filter import filtered_dc
from ...spectrum._repetitions import Histories, train_together
from ...spectrum._tone_classes import class_constant, tone_classes
from . import HERE, commit

REPETITIONS, EPOCHS, PER_CLASS = 100, 60, 1024
_LEAVE_CTRL_C_TO_THE_PARENT = (signal.SIGINT, signal.SIG_IGN)
# name: (activation of the convolutions, what the network is trained on)
VARIANTS = {
    "relu": ("relu", "the tones"),
    "linear": ("linear", "the tones"),
    "label": ("linear", "the tones and the paper's constant, made from the label"),
    "label, small": ("linear", "the same constant, shrunk to the spread of a ReLU's DC"),
    "rectified": ("linear", "the tones and the DC of a random filter and ReLU, computed from the sample"),
    "rectified, large": ("linear", "the same DC, stretched to mean and spread of the paper's constant"),
    "shuffled": ("linear", "the tones and the paper's constants, dealt to the samples at random"),
    "louder": ("linear", "the tones, 100 times louder"),
}
KEPT_EPOCHS = (1, 2, 3, 5, 10, 20, 40, 60)  # of which the numbers of every repetition are stored
REACHED = 0.1  # the loss at which distances are compared


def experiment(
    variant: str, repetitions: range, epochs: int = EPOCHS, device: str = "cpu", **options: Any
) -> Histories:
    """Train one variant; repetition r has its data, weights, filter and order from seed r in every variant."""
    activation, _ = VARIANTS[variant]
    networks, signals, labels = [], [], []
    for seed in repetitions:
        generator = torch.Generator().manual_seed(seed)
        data = tone_classes(PER_CLASS, generator=generator)
        networks.append(ToneClassifier(activation, generator=generator))
        taps = glorot_uniform((1, 1, 2), generator).flatten()
        dealt = torch.randperm(len(data.labels), generator=generator)
        constant = class_constant(data.labels)
        dc = filtered_dc(data.signals, taps.flip(-1), mode="zero")  # a Keras kernel: its last tap meets the present
        added = {
            "label": constant,
            "label, small": constant * (dc.std() / constant.std()),
            "rectified": dc,
            "rectified, large": (dc - dc.mean()) * (constant.std() / dc.std()) + constant.mean(),
            "shuffled": constant[dealt],
        }
        x: Tensor = 100 * data.signals if variant == "louder" else data.signals
        signals.append(x + added[variant][:, None] if variant in added else x)
        labels.append(data.labels)
    if activation == "linear":
        signals = [five_samples(x) for x in signals]
    stacked = torch.stack(signals).to(device), torch.stack(labels).to(device)
    return train_together(networks, *stacked, seeds=repetitions, epochs=epochs, **options)


def five_samples(signals: Tensor) -> Tensor:
    """Five samples that a linear network with two kernels of three taps cannot tell from the whole signal.

    It reads the sum of the signal and its last four samples, over the length. The weights' gradients are the same too,
    from a fiftieth of the data.
    """
    first = signals[..., :-4].sum(-1, keepdim=True)
    return torch.cat([first, signals[..., -4:]], -1) * (5 / signals.shape[-1])


def part(variant: str, first: int, last: int, device: str, kept: Path) -> float:
    """Train repetitions first..last - 1 of a variant and keep their histories in a file; return the seconds."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    histories = experiment(variant, range(first, last), device=device)
    seconds = time.perf_counter() - start
    rows = {"loss": histories.loss, "accuracy": histories.accuracy, **histories.distances}
    torch.save({"seconds": seconds, **rows}, kept.with_suffix(".part"))
    kept.with_suffix(".part").replace(kept)  # whole or not at all
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time on the CPU, one thread each")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="fewer than 100 make a smaller result")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no CUDA device: leave --device out.")
    if options.jobs < 1 or options.repetitions < 1:
        parser.error("--jobs and --repetitions must be at least 1.")
    from tqdm import tqdm

    code = commit()
    folder = Path("_build/results") / f"features-{code}-{options.device}"
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[Path, tuple[str, int, int]] = {}
    for variant, (activation, _) in sorted(VARIANTS.items(), key=lambda item: item[1][0]):  # the quick ones first
        # On a CPU five copies of the ReLU network still fit its cache.
        size = options.repetitions if options.device == "cuda" else 5 if activation == "relu" else 50
        for first in range(0, options.repetitions, size):
            last = min(first + size, options.repetitions)
            parts[folder / f"{variant}-{first}-{last}.pt"] = (variant, first, last)
    todo = {file: what for file, what in parts.items() if not file.exists()}
    # The C library would give every large array back to the system and fetch it again: a third of the time.
    os.environ.update({"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "8589934592"})
    jobs = 1 if options.device == "cuda" else options.jobs
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=signal.signal, initargs=_LEAVE_CTRL_C_TO_THE_PARENT)
    try:
        futures = [pool.submit(part, *what, options.device, file) for file, what in todo.items()]
        for future in tqdm(as_completed(futures), total=len(parts), initial=len(parts) - len(todo), desc="parts"):
            future.result()
    except KeyboardInterrupt:
        for process in list(pool._processes.values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise SystemExit("\nStopped. Finished parts are kept; the same command goes on.") from None
    pool.shutdown()
    rows = {
        variant: _gathered([torch.load(f) for f, what in parts.items() if what[0] == variant]) for variant in VARIANTS
    }
    result = {
        "provenance": {
            "command": " ".join(["python -m relunb.book.studies.features", *sys.argv[1:]]),
            "commit": code,
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "device": torch.cuda.get_device_name() if options.device == "cuda" else _processor(),
            "processes": jobs,
            "seconds": round(sum(row.pop("seconds") for row in rows.values())),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "seeds": f"0 to {options.repetitions - 1}, one for each repetition",
            "repetitions": options.repetitions,
            "epochs": EPOCHS,
            "samples_per_class": PER_CLASS,
        },
        "kept_epochs": KEPT_EPOCHS,
        "reached": REACHED,
        "variants": rows,
    }
    text = json.dumps(result, indent=1)
    (HERE / "features.json").write_text(_lists_on_one_line(text) + "\n", encoding="utf8")
    print(f"wrote {HERE / 'features.json'}")


def _gathered(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean, deviation and deciles over the repetitions, and every repetition at some epochs and at the loss reached."""
    histories = {name: torch.cat([p[name] for p in parts]).double() for name in parts[0] if name != "seconds"}
    below = histories["loss"] < REACHED
    epoch = torch.where(below.any(1), below.int().argmax(1), -1)
    out: dict[str, Any] = {"seconds": sum(p["seconds"] for p in parts)}
    for name, values in histories.items():
        out[name] = {
            "mean": _short(values.mean(0)),
            "std": _short(values.std(0, correction=0)),
            "decile_1": _short(values.quantile(0.1, 0)),
            "median": _short(values.median(0).values),
            "decile_9": _short(values.quantile(0.9, 0)),
            "repetitions": [_short(row) for row in values[:, [e - 1 for e in KEPT_EPOCHS]]],
            "when_reached": [
                None if e < 0 else _short(row[e : e + 1])[0] for row, e in zip(values, epoch.tolist(), strict=True)
            ],
        }
    out["epoch_reached"] = [None if e < 0 else e + 1 for e in epoch.tolist()]
    return out


def _short(values: Tensor) -> list[float]:
    """Four significant digits: what rounding and other machines leave alone."""
    return [float(f"{value:.4g}") for value in values.tolist()]


def _lists_on_one_line(text: str) -> str:
    import re

    return re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)


def _processor() -> str:
    try:
        lines: list[str] = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
