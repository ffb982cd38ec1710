"""Which scale suits a problem, judged by points that training did not see."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .._checks import check_count, check_positive, shown
from ._fit import fit
from ._network import CoordinateNetwork
from ._problem import Problem
from ._random import random_state, set_random_state


@dataclass(frozen=True)
class ScaleChoice:
    """What :func:`relunb.inr.choose_scale` found.

    Attributes:
        scale: the one with the best PSNR.
        psnr: of the points kept out of training, for each scale in decibels; minus infinity where the loss overflowed.

    Example:
        >>> ScaleChoice(3.0, {1.0: 20.0, 3.0: 24.0}).scale
        3.0
    """

    scale: float
    psnr: dict[float, float]


def choose_scale(
    problem: Problem,
    scales: Sequence[float],
    network: Callable[[float], nn.Module] | None = None,
    *,
    holdout: float = 0.1,
    steps: int = 200,
    seed: int = 0,
    **training: Any,
) -> ScaleChoice:
    """The scale c whose network, trained for a while, is best at points that it was not trained on.

    At the points themselves the largest scale tends to win: it follows every pixel, and what lies between is noise.

    Args:
        problem: one whose loss is a sum over points, as :class:`relunb.inr.ImageProblem`.
        scales: the candidates.
        network: makes the network of a scale, on the problem's device and in its precision. Default:
            ``CoordinateNetwork(..., scale=c)``, as wide and deep as that is by default.
        holdout: the share of the points that is kept out of training.
        steps: of each network. The schedule of the learning rate belongs to them.
        seed: of torch's generator before each network is made: all begin alike. Afterwards it is as before.
        training: other keywords of :func:`relunb.inr.fit`.

    Returns:
        :class:`ScaleChoice`.

    Raises:
        TypeError: a parameter is of another type, or ``network`` makes no module.
        ValueError: there are no scales, one is not positive or stands there twice, ``training`` has a checkpoint, or
            the problem's loss is no sum over points.
        FloatingPointError: the loss of every scale overflowed.

    Example:
        >>> from relunb.inr import ImageProblem
        >>> stripes = ImageProblem(torch.linspace(0, 20, 32).sin().expand(32, 32) / 2 + 0.5)
        >>> make = lambda c: CoordinateNetwork(2, hidden_features=32, scale=c)
        >>> found = choose_scale(stripes, [0.1, 3.0], make, steps=60, lr=1e-2, progress=False)
        >>> found.scale, sorted(found.psnr)
        (3.0, [0.1, 3.0])

    Source: the scale c of Shenouda, Zhou and Nowak (2024), Eq. (29). What it does to a picture is seen in
    :doc:`/book/inr/image-fitting`.
    """
    if not isinstance(problem, Problem):
        raise TypeError(f"problem must be a relunb.inr.Problem; got {type(problem).__name__}.")
    if isinstance(scales, str) or not hasattr(scales, "__iter__"):
        raise TypeError(f"scales must be a list of numbers; got {shown(scales)}.")
    candidates = [check_positive("a scale", scale) for scale in scales]
    if not candidates or len({*candidates}) < len(candidates):
        raise ValueError(f"scales must be a list of different numbers; got {shown(scales)}.")
    if network is not None and (isinstance(network, nn.Module) or not callable(network)):
        raise TypeError(f"network must make one for each scale, like lambda c: ...; got {shown(network)}.")
    if "checkpoint" in training:
        raise ValueError("a search has no checkpoint: it trains a network for each scale.")
    seed = check_count("seed", seed, least=0)
    device = problem.coordinates.device
    before, found = random_state(device), {}
    try:
        for scale in candidates:
            torch.manual_seed(seed)
            made = _default(problem, scale) if network is None else network(scale)
            if not isinstance(made, nn.Module):
                raise TypeError(f"network must make a torch.nn.Module; it made {shown(made)}.")
            try:
                found[scale] = fit(made, problem, steps=steps, holdout=holdout, **training).holdout[-1]
            except FloatingPointError:
                found[scale] = -math.inf
    finally:
        set_random_state(device, before)
    best = max(candidates, key=lambda scale: found[scale])
    if found[best] == -math.inf:
        raise FloatingPointError("the loss of every scale overflowed: use smaller scales, or a lower lr.")
    return ScaleChoice(best, found)


def _default(problem: Problem, scale: float) -> CoordinateNetwork:
    points = problem.coordinates
    return CoordinateNetwork(points.shape[1], problem.out_features, scale=scale).to(points.device, points.dtype)
