"""A photograph from its derivatives: which activations can be trained on a gradient, which on a Laplacian.

    python -m relunb.book.studies.derivatives        makes derivatives.json and .npz (forty minutes on a core)

The picture is a quintic spline through the pixels, so its gradient and its Laplacian at the pixels belong to one
function. A network sees them, and not the picture: with the gradient it knows the picture up to a constant, with the
Laplacian and the values on the boundary it knows it whole (Poisson's problem). Values, gradient and Laplacian run
through the layers together, forwards; training differentiates that once more.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from ...inr import psnr
from ...ops import LinearSpline
from ..data import photograph
from . import HERE
from ._runner import Case, Settings, Where, provenance, run, written

WINDOW, SHRINK = (40, 100, 320), 8
SIDE = WINDOW[2] // SHRINK
WIDTH, STEPS, TUNING_STEPS = 64, 400, 150
SEEDS = range(2)
TUNING_SEED = 9  # not one of those reported
# Scale and rate are chosen after fewer steps. ReLU has no scale: it would change nothing but sizes. Kinks want higher
# rates: at 2e-3 none of the three did better on the values.
SCALES: dict[str, tuple[float, ...]] = {
    "siren": (8.0, 16.0, 32.0),
    "tanh": (4.0, 8.0, 16.0),
    "relu": (1.0,),
    "psi": (1.0, 2.0, 4.0, 8.0),
    "smooth psi": (1.0, 2.0, 4.0),
}
RATES = {"siren": (2e-3, 6e-3), "tanh": (2e-3, 6e-3)} | dict.fromkeys(("relu", "psi", "smooth psi"), (6e-3, 2e-2))
TASKS = {"values": 0, "gradient": 1, "laplacian": 2, "blurred laplacian": 2}  # and the order of the derivative
BLUR = 1.5  # pixels, of the photograph in the last task
FLAT = ("relu", "psi")  # whose second derivative is zero: one run shows it
_PSI = LinearSpline.named("bw_relu")


class Target(NamedTuple):
    """What there is to know of a picture at some places."""

    points: Tensor  # (places, 2) in [-1, 1]^2
    values: Tensor  # (places,)
    gradient: Tensor  # (2, places)
    laplacian: Tensor  # (places,)
    boundary: Tensor  # (places,), bool


class Jet(NamedTuple):
    """Values, and the derivatives with respect to the point as far as they are asked for."""

    values: Tensor  # (places, neurons)
    gradient: Tensor | None  # (2, places, neurons)
    laplacian: Tensor | None  # (places, neurons)


def target(task: str = "values", between: bool = False) -> Target:
    """The photograph at its pixels, or between them, where four meet."""
    picture = photograph("camera", window=WINDOW, shrink=SHRINK).double().numpy()
    if task == "blurred laplacian":
        picture = gaussian_filter(picture, BLUR, mode="mirror")
    at = (np.arange(SIDE) * 2 + 1) / SIDE - 1
    spline = RectBivariateSpline(at, at, picture, kx=5, ky=5)
    at = (at[1:] + at[:-1]) / 2 if between else at
    down, right, down_twice, right_twice = (
        torch.from_numpy(spline(at, at, *order)).flatten().float() for order in ((1, 0), (0, 1), (2, 0), (0, 2))
    )
    rows, columns = np.meshgrid(at, at, indexing="ij")
    edge = np.ones(rows.shape, dtype=bool)
    edge[1:-1, 1:-1] = False
    return Target(
        torch.from_numpy(np.stack([rows.ravel(), columns.ravel()], -1)).float(),
        torch.from_numpy(spline(at, at)).flatten().float(),
        torch.stack([down, right]),
        down_twice + right_twice,
        torch.from_numpy(edge.ravel()),
    )


class Network(nn.Module):
    """Two hidden layers of ``activation(scale * (W x + b))``. All start as nn.Linear does, but for SIREN's sine."""

    def __init__(self, activation: str, scale: float, width: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.act, self.scale = ACTIVATIONS[activation], scale
        out = width + (activation == "smooth psi")  # whose layer has a neuron less than states
        self.layers = nn.ModuleList([nn.Linear(2, out), nn.Linear(width, out), nn.Linear(width, 1)])
        if activation == "siren":
            for index, layer in enumerate(self.layers):
                assert isinstance(layer, nn.Linear)
                bound = math.sqrt(6 / width) / scale if index else 1 / 2
                nn.init.uniform_(layer.weight, -bound, bound)

    def jet(self, points: Tensor, order: int) -> Jet:
        """Values of the network, its gradient from order 1 and its Laplacian from order 2 on."""
        along = torch.eye(2)[:, None].expand(2, len(points), 2) if order else None
        jet = Jet(points, along, torch.zeros_like(points) if order == 2 else None)
        for layer in list(self.layers)[:-1]:
            jet = self.act(linear(jet, layer, self.scale))
        values, gradient, laplacian = linear(jet, self.layers[-1])
        last = (None if part is None else part.squeeze(-1) for part in (gradient, laplacian))
        return Jet(values.squeeze(-1), *last)


def linear(jet: Jet, layer: nn.Module, scale: float = 1.0) -> Jet:
    """A linear layer of a jet, times the scale."""
    assert isinstance(layer, nn.Linear)
    weight, bias = layer.weight * scale, layer.bias * scale
    gradient, laplacian = (None if part is None else part @ weight.T for part in jet[1:])
    return Jet(nn.functional.linear(jet.values, weight, bias), gradient, laplacian)


def chained(jet: Jet, value: Tensor, first: Tensor, second: Tensor | None) -> Jet:
    """An element-wise function of a jet, from its derivatives; ``second`` None is zero."""
    if jet.gradient is None:
        return Jet(value, None, None)
    laplacian = jet.laplacian
    if laplacian is not None:
        laplacian = first * laplacian
        if second is not None:
            laplacian = laplacian + second * jet.gradient.square().sum(0)
    return Jet(value, first * jet.gradient, laplacian)


def sine(jet: Jet) -> Jet:
    value = jet.values.sin()
    return chained(jet, value, jet.values.cos(), -value)


def tanh(jet: Jet) -> Jet:
    value = jet.values.tanh()
    first = 1 - value.square()
    return chained(jet, value, first, -2 * value * first)


def relu(jet: Jet) -> Jet:
    return chained(jet, jet.values.relu(), (jet.values > 0).to(jet.values), None)


def psi(jet: Jet) -> Jet:
    _, value, slope, _ = pieces(jet.values)
    return chained(jet, value, slope, None)


def smooth_psi(jet: Jet) -> Jet:
    """The mean of psi over the segment between neighbours: IAT of psi, hats in and rectangles out, a number less.

    With the primitive Psi and h = v - u it is M = (Psi(v) - Psi(u)) / h, so that M_v = (psi(v) - M) / h and
    M_vv = (psi'(v) - 2 M_v) / h, and likewise for u. Where no knot lies between u and v, M is psi at the middle: there
    is no difference to divide. In float64, as small ones lose digits.
    """
    z = jet.values.double()
    piece, value, slope, primitive = pieces(z)
    cut = (piece[:, 1:] != piece[:, :-1]).to(z)
    whole = 1 - cut
    over_h = cut / (z.diff() * cut + whole)
    (f, g), (df, dg) = _neighbours(value), _neighbours(slope)
    mean = primitive.diff() * over_h + (f + g) * (whole / 2)
    if jet.gradient is None:
        return Jet(mean.float(), None, None)
    by_u = (mean - f) * over_h + df * (whole / 2)
    by_v = (g - mean) * over_h + dg * (whole / 2)
    along_u, along_v = _neighbours(jet.gradient)
    narrow_u, narrow_v = by_u.float(), by_v.float()
    gradient = narrow_u * along_u + narrow_v * along_v
    if jet.laplacian is None:
        return Jet(mean.float(), gradient, None)
    uu, uv, vv = ((twice * over_h).float() for twice in (2 * by_u - df * cut, by_v - by_u, dg * cut - 2 * by_v))
    bend_u, bend_v = _neighbours(jet.laplacian)
    bent = narrow_u * bend_u + narrow_v * bend_v
    for part, one, other in ((uu, along_u, along_u), (2 * uv, along_u, along_v), (vv, along_v, along_v)):
        bent = bent + part * (one * other).sum(0)
    return Jet(mean.float(), gradient, bent)


def _neighbours(part: Tensor) -> tuple[Tensor, Tensor]:
    return part[..., :-1], part[..., 1:]


def pieces(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The piece of psi on which z lies, and there psi, its slope and its primitive. A knot belongs to its left side."""
    piece = (2 * z.detach()).ceil().clamp(0, len(_TABLE) - 1).long()
    start, height, slope, area = nn.functional.embedding(piece, _TABLE.to(z)).unbind(-1)
    step = z - start
    rise = slope * step
    return piece, height + rise, slope, area + step * (height + rise / 2)


def _table() -> Tensor:
    """By piece: where it starts, and psi, its slope and its primitive there."""
    starts = torch.cat([_PSI.knots[:1], _PSI.knots])
    slopes = torch.cat([torch.zeros(1).double(), _PSI.jumps.cumsum(0)])
    slopes[-1] = 0
    step = starts.diff()
    heights = torch.cat([torch.zeros(1).double(), (slopes[:-1] * step).cumsum(0)])
    areas = torch.cat([torch.zeros(1).double(), (step * (heights[1:] + heights[:-1]) / 2).cumsum(0)])
    heights[-1] = areas[-1] = 0
    return torch.stack([starts, heights, slopes, areas], -1)


_TABLE = _table()
ACTIVATIONS: dict[str, Callable[[Jet], Jet]] = {
    "siren": sine,
    "tanh": tanh,
    "relu": relu,
    "psi": psi,
    "smooth psi": smooth_psi,
}


def loss_of(network: Network, what: Target, task: str) -> Tensor:
    """The squared error of what is known over its own mean square; the boundary counts as much as the inside."""
    values, gradient, laplacian = network.jet(what.points, TASKS[task])
    if task == "values":
        return (values - what.values).square().mean() / what.values.var()
    if task == "gradient":
        assert gradient is not None
        return (gradient - what.gradient).square().sum() / what.gradient.square().sum()
    assert laplacian is not None
    known = what.values[what.boundary]
    ends = (values[what.boundary] - known).square().mean() / known.var()
    return missed(laplacian, what) + ends


def missed(laplacian: Tensor, what: Target) -> Tensor:
    """How far a Laplacian is off inside, as a part of its mean square."""
    inside = ~what.boundary
    return (laplacian - what.laplacian)[inside].square().sum() / what.laplacian[inside].square().sum()


def trained(
    task: str, activation: str, scale: float, rate: float, seed: int, width: int, steps: int, first: int | None = None
) -> tuple[Network, list[float]]:
    """A network, and its loss before every step; ``first``: only so many of the steps."""
    what = target(task)
    network = Network(activation, scale, width, seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses = []
    for _ in range(first or steps):
        optimizer.zero_grad()
        loss = loss_of(network, what, task)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return network, losses


def case(
    task: str,
    activation: str,
    scale: float,
    rate: float,
    seed: int,
    width: int,
    steps: int,
    device: str,
    checkpoint: Path,
) -> dict[str, Any]:
    """Train one network on one kind of data."""
    torch.set_flush_denormal(True)
    network, losses = trained(task, activation, scale, rate, seed, width, steps)
    what, beside, order = target(task), target(task, between=True), TASKS[task]
    with torch.no_grad():
        values = network.jet(what.points, 0).values
        last = loss_of(network, what, task).item()
        off = network.jet(beside.points, order)[order]
    if task == "gradient":
        values = values + (what.values - values).mean()  # a gradient does not know the constant
    wanted = (beside.values, beside.gradient, beside.laplacian)[order]
    size = wanted.var(correction=0) if task == "values" else wanted.square().mean()
    assert off is not None
    picture = values.view(SIDE, SIDE)
    return {
        "loss": [*losses[:: max(1, steps // 50)], last],
        "between": ((off - wanted).square().mean() / size).item(),
        "psnr": psnr(picture, what.values.view(SIDE, SIDE)).item(),
        "picture": picture,
    }


def settings(task: str, activation: str, scale: float, rate: float, seed: int) -> Settings:
    steps = TUNING_STEPS if seed == TUNING_SEED else STEPS
    return {
        "task": task,
        "activation": activation,
        "scale": scale,
        "rate": rate,
        "seed": seed,
        "width": WIDTH,
        "steps": steps,
    }


def tuning_cases() -> dict[str, Settings]:
    """Every scale with every rate, by name."""
    return {
        f"{task}, {activation}, {scale:g}, {rate:g}": settings(task, activation, scale, rate, TUNING_SEED)
        for task in TASKS
        for activation, scales in SCALES.items()
        if TASKS[task] < 2 or activation not in FLAT
        for scale in scales
        for rate in RATES[activation]
    }


def chosen(tuned: dict[str, Case]) -> dict[str, dict[str, tuple[float, float]]]:
    """By task and activation, the scale and the rate with the best PSNR; a flat one's on a gradient for a Laplacian."""
    best: dict[str, dict[str, tuple[float, float]]] = {task: {} for task in TASKS}
    for task in TASKS:
        for activation, scales in SCALES.items():
            seen = "gradient" if TASKS[task] == 2 and activation in FLAT else task
            pairs = [(scale, rate) for scale in scales for rate in RATES[activation]]
            best[task][activation] = max(pairs, key=lambda p: _tuned(tuned, seen, activation, p))
    return best


def _tuned(tuned: dict[str, Case], task: str, activation: str, pair: tuple[float, float]) -> float:
    return tuned[f"{task}, {activation}, {pair[0]:g}, {pair[1]:g}"].result["psnr"]


def final_cases(best: dict[str, dict[str, tuple[float, float]]]) -> dict[str, Settings]:
    return {
        f"{task}, {activation}, {seed}": settings(task, activation, *best[task][activation], seed)
        for task in TASKS
        for activation in SCALES
        for seed in SEEDS
        if seed == 0 or TASKS[task] < 2 or activation not in FLAT
    }


def main() -> None:
    where, _ = Where.asked(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    )
    tuned = run(case, tuning_cases(), where, "tuning")
    best = chosen(tuned)
    done = run(case, final_cases(best), where, "derivatives")
    rows: dict[str, Any] = {task: {} for task in TASKS}
    shown = {name: target(name).values.view(SIDE, SIDE) for name in ("values", "blurred laplacian")}
    for task in TASKS:
        for activation in SCALES:
            found = [done[n].result for seed in SEEDS if (n := f"{task}, {activation}, {seed}") in done]
            scale, rate = best[task][activation]
            rows[task][activation] = {
                "scale": scale,
                "rate": rate,
                "psnr": _short(*(result["psnr"] for result in found)),
                "between": _short(*(result["between"] for result in found)),
                "loss": [_short(*result["loss"]) for result in found],
            }
            shown[f"{task}, {activation}"] = found[0]["picture"]
    tuning = {name: _short(one.result["psnr"])[0] for name, one in tuned.items()}
    about: dict[str, Any] = {"seeds": list(SEEDS), "side": SIDE, "width": WIDTH, "steps": STEPS}
    about |= {"tuning_seed": TUNING_SEED, "tuning_steps": TUNING_STEPS}
    pictures: dict[str, Any] = {n: (255 * p.clamp(0, 1)).round().byte().numpy() for n, p in shown.items()}
    np.savez_compressed(HERE / "derivatives.npz", **pictures)
    result = {"provenance": provenance(tuned | done, **about), "tuning_psnr": tuning, "trained": rows}
    written(result, HERE / "derivatives.json")


def _short(*values: float) -> list[float]:
    """Four significant digits."""
    return [float(f"{value:.4g}") for value in values]


if __name__ == "__main__":
    main()
