"""Does the conditioning of the features at the start predict how fast a coordinate network trains?

    python -m relunb.book.studies.overlap          makes overlap.json (half an hour on a core; Ctrl-C is safe)

Five activations at seven scales fit one photograph. Finished runs are kept under _build/results and used again.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...inr import CoordinateNetwork, ImageProblem, fit, replace_activation
from ...ops import LinearSpline
from ...wavelet import conditioning
from ..data import photograph
from . import HERE
from ._runner import Settings, Where, provenance, run, written

ACTIVATIONS = ("relu", "bw_relu", "hat", "siren", "gauss")
SCALES = (1, 2, 4, 8, 16, 32, 64)
SEEDS, RATES = range(3), (1e-3, 4e-3)  # of Adam, and constant
WIDTH, STEPS = 64, 200
LEVELS = (18.0, 20.0, 22.0, 24.0, 26.0)  # dB, to which steps are counted
MOMENTS = (0, 1, 2, 5, 10, 20, 50, 100, 200)
LAYERS = ("first", "last")
# What is known at the start: by layer, and of the output layer alone.
KNOWN = (*(f"{layer} {what}" for layer in LAYERS for what in ("condition", "effective rank")), "frozen", "reachable")


def problem() -> ImageProblem:
    """The photograph, 48 pixels a side."""
    return ImageProblem(photograph("camera", window=(0, 64, 384), shrink=8))


def built(activation: str, scale: int, seed: int) -> CoordinateNetwork:
    """A network with two hidden layers, and the weights of a seed.

    A scale of ReLU would change nothing but sizes. Its inputs are encoded instead, with ``log2(scale)`` octaves.
    """
    torch.manual_seed(seed)
    if activation == "relu":
        return CoordinateNetwork(2, 1, WIDTH, 2, "relu", octaves=int(math.log2(scale)))
    if activation != "hat":
        return CoordinateNetwork(2, 1, WIDTH, 2, activation, scale=float(scale))
    network = CoordinateNetwork(2, 1, WIDTH, 2, "relu")
    replace_activation(
        network, "relu", lambda: LinearSpline([k / scale for k in (-1, 0, 1)], [scale, -2 * scale, scale])
    )
    return network


def at_start(network: CoordinateNetwork, what: ImageProblem) -> dict[str, float]:
    """What is known before the first step, in float64.

    Returns:
        The condition number and the effective rank of the features of both hidden layers, the former of the singular
        values that are not zero: a dead neuron slows nothing down. And the PSNR that the output layer alone gets to,
        from zero and with all else frozen: in as many steps of gradient descent as the network trains (``frozen``), and
        by least squares (``reachable``).
    """
    wide = network.double()
    points = what.coordinates.double()
    try:
        features = {"first": _after(wide, 2)(points), "last": _after(wide, 4)(points)}
    finally:
        network.float()
    found: dict[str, float] = {}
    for layer, values in features.items():
        measured = conditioning(lambda _, values=values: values, points)
        singular = measured.singular_values
        found[f"{layer} condition"] = (singular[0] / singular[measured.rank - 1]).item()
        found[f"{layer} effective rank"] = effective_rank(singular)
    columns = torch.cat([features["last"], torch.ones_like(points[:, :1])], 1)
    errors = _output_layer_alone(columns, what.target.double().flatten())
    return found | {name: what.decibels(error) for name, error in errors.items()}


def _after(network: CoordinateNetwork, layers: int) -> Any:
    @torch.no_grad()
    def features(points: Tensor) -> Tensor:
        return network.layers[:layers](network.encoding(points))

    return features


def effective_rank(singular_values: Tensor) -> float:
    """The exponential of the entropy of singular values that add up to one: how many directions count.

    Source: Roy and Vetterli (2007).
    """
    shares = singular_values / singular_values.sum()
    return math.exp(-torch.special.xlogy(shares, shares).sum().item())


def _output_layer_alone(features: Tensor, target: Tensor) -> dict[str, float]:
    """Mean squared errors of gradient descent with the step 1 / s_1^2, and of least squares.

    A step multiplies the error along the direction i by 1 - s_i^2 / s_1^2.
    """
    directions, values, _ = torch.linalg.svd(features, full_matrices=False)
    seen = values > max(features.shape) * torch.finfo(features.dtype).eps * values[0]
    parts = (directions.T @ target) * seen
    outside = target.square().sum() - parts.square().sum()
    left = parts * (1 - (values / values[0]).square()) ** STEPS
    return {
        "frozen": ((outside + left.square().sum()) / len(target)).item(),
        "reachable": (outside / len(target)).item(),
    }


def trained(
    activation: str, scale: int, seed: int, rate: float, steps: int, device: str, checkpoint: Path | None
) -> dict[str, Any]:
    """One network, before its training and after it."""
    what, network = problem(), built(activation, scale, seed)
    found: dict[str, Any] = at_start(network, what)
    what, network = what.to(device), network.to(device)
    history = fit(network, what, steps=steps, lr=rate, decay=1.0, checkpoint=checkpoint, progress=False)
    return {
        **found,
        "curve": [history.psnr[k] for k in MOMENTS if k <= steps],
        "steps": [steps_to(level, history.psnr) for level in LEVELS],
        "parameters": sum(p.numel() for p in network.parameters()),
    }


def steps_to(level: float, psnr: Sequence[float]) -> int | None:
    """The first step at which the PSNR is there; None where it never is."""
    return next((k for k, value in enumerate(psnr) if value >= level), None)


def cases() -> dict[str, Settings]:
    """Everything that is trained, by its name."""
    return {
        f"{activation} {scale} {rate:g} {seed}": {
            "activation": activation,
            "scale": scale,
            "seed": seed,
            "rate": rate,
            "steps": STEPS,
        }
        for rate in RATES
        for seed in SEEDS
        for activation in ACTIVATIONS
        for scale in SCALES
    }


def rank_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Spearman's: the correlation of the ranks. NaN where one side is constant.

    Args:
        x, y: (..., networks). An infinite number is above all others, and equal to itself.

    Returns:
        Tensor (...).
    """
    a, b = (ranks - ranks.mean(-1, keepdim=True) for ranks in (_ranks(x), _ranks(y)))
    return (a * b).sum(-1) / (a.square().sum(-1) * b.square().sum(-1)).sqrt()


def _ranks(x: Tensor) -> Tensor:
    """From 1 on; equal numbers share the mean of their ranks."""
    x = x.contiguous()
    ordered = x.sort(-1).values
    below, up_to = (torch.searchsorted(ordered, x, right=right) for right in (False, True))
    return (below + up_to + 1).double() / 2


def interval(x: Tensor, y: Tensor, draws: int = 1000) -> tuple[float, float]:
    """Where 95 % of the rank correlations lie when the settings are drawn anew.

    Args:
        x, y: (settings, seeds). A setting is drawn with all of its seeds, for they are much alike.
        draws: how often.
    """
    drawn = torch.randint(len(x), (draws, len(x)), generator=torch.Generator().manual_seed(0))
    found = rank_correlation(x[drawn].flatten(1), y[drawn].flatten(1))
    low, high = found[~found.isnan()].quantile(found.new_tensor([0.025, 0.975])).tolist()
    return low, high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where, _ = Where.asked(parser)
    done = run(trained, cases(), where, "overlap")
    rows: dict[str, Any] = {}
    for activation in ACTIVATIONS:
        for scale in SCALES:
            of = {rate: [done[f"{activation} {scale} {rate:g} {seed}"].result for seed in SEEDS] for rate in RATES}
            start = of[RATES[0]]  # the same at every rate
            rows.setdefault(activation, {})[f"{scale}"] = {
                **{name: _short([row[name] for row in start]) for name in KNOWN},
                "curve": {f"{rate:g}": [_short(row["curve"]) for row in found] for rate, found in of.items()},
                "steps": {f"{rate:g}": [row["steps"] for row in found] for rate, found in of.items()},
                "parameters": start[0]["parameters"],
            }
    about = {
        "seeds": f"{SEEDS[0]} to {SEEDS[-1]}",
        "width": WIDTH,
        "hidden_layers": 2,
        "pixels": "48 x 48",
        "steps": STEPS,
        "rates": list(RATES),
    }
    result = {"provenance": provenance(done, **about), "moments": MOMENTS, "levels": LEVELS, "runs": rows}
    written(result, HERE / "overlap.json")


def _short(values: Sequence[float]) -> list[float]:
    """Five significant digits."""
    return [float(f"{value:.5g}") for value in values]


if __name__ == "__main__":
    main()
