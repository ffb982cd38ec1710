"""Figure 4 of the DC paper: 100 repetitions of its three networks, and of five more that say what the constant does.

    python -m relunb.book.studies.features            makes features.json (about an hour on two cores; Ctrl-C is safe)
    python -m relunb.book.studies.features --device cuda

Finished parts are kept under _build/results and used again. Stop with Ctrl-C; the same command goes on.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...spectrum._classifiers import ToneClassifier, glorot_uniform
from ...spectrum._one_filter import filtered_dc
from ...spectrum._repetitions import Histories, train_ensemble
from ...spectrum._tone_classes import class_constant, tone_classes
from . import HERE
from ._runner import Case, Settings, Where, provenance, run, written

REPETITIONS, EPOCHS, PER_CLASS = 100, 60, 1024
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
    return train_ensemble(networks, *stacked, seeds=repetitions, epochs=epochs, **options)


def five_samples(signals: Tensor) -> Tensor:
    """Five samples that a linear network with two kernels of three taps cannot tell from the whole signal.

    It reads the sum of the signal and its last four samples, over the length. The weights' gradients are the same too,
    from a fiftieth of the data.
    """
    first = signals[..., :-4].sum(-1, keepdim=True)
    return torch.cat([first, signals[..., -4:]], -1) * (5 / signals.shape[-1])


def histories(variant: str, first: int, last: int, epochs: int, device: str, checkpoint: Path) -> dict[str, Tensor]:
    """Train repetitions first..last - 1 of a variant."""
    found = experiment(variant, range(first, last), epochs=epochs, device=device)
    return {"loss": found.loss, "accuracy": found.accuracy, **found.distances}


def cases(repetitions: int, device: str) -> dict[str, Settings]:
    """What is trained together, by name; the quick ones first."""
    found = {}
    for variant, (activation, _) in sorted(VARIANTS.items(), key=lambda item: item[1][0]):
        # On a CPU five copies of the ReLU network still fit its cache.
        size = repetitions if device == "cuda" else 5 if activation == "relu" else 50
        for first in range(0, repetitions, size):
            last = min(first + size, repetitions)
            settings = {"variant": variant, "first": first, "last": last, "epochs": EPOCHS}
            found[f"{variant} {first}-{last}"] = settings
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="fewer than 100 make a smaller result")
    where, options = Where.asked(parser)
    if options.repetitions < 1:
        parser.error("--repetitions must be at least 1.")
    todo = cases(options.repetitions, where.device)
    done = run(histories, todo, where, "features")
    of = {variant: [done[name] for name in todo if todo[name]["variant"] == variant] for variant in VARIANTS}
    result = {
        "provenance": provenance(
            done,
            seeds=f"0 to {options.repetitions - 1}, one for each repetition",
            repetitions=options.repetitions,
            epochs=EPOCHS,
            samples_per_class=PER_CLASS,
        ),
        "kept_epochs": KEPT_EPOCHS,
        "reached": REACHED,
        "variants": {variant: _gathered(parts) for variant, parts in of.items()},
    }
    written(result, HERE / "features.json")


def _gathered(parts: list[Case]) -> dict[str, Any]:
    """Mean, deviation and deciles over the repetitions, and every repetition at some epochs and at the loss reached."""
    joined = {name: torch.cat([p.result[name] for p in parts]).double() for name in parts[0].result}
    below = joined["loss"] < REACHED
    epoch = torch.where(below.any(1), below.int().argmax(1), -1)
    out: dict[str, Any] = {}
    for name, values in joined.items():
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


if __name__ == "__main__":
    main()
