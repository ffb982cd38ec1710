"""Train many copies of one network at once, each on its own data: a batch of experiments."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from .._checks import check_count, check_dense, check_finite, check_known, check_single
from ._classifiers import checked_signals

_PLAIN = (bool, int, float, str, tuple, type(None))


class Histories(NamedTuple):
    """What happened in each epoch of each repetition; all (repetitions, epochs).

    Example:
        >>> history = Histories(torch.zeros(2, 5), torch.ones(2, 5), {})
        >>> history.accuracy[:, -1].tolist()  # after the last epoch
        [1.0, 1.0]
    """

    loss: Tensor
    accuracy: Tensor
    distances: dict[str, Tensor]


def train_ensemble(
    networks: Sequence[nn.Module],
    signals: Tensor,
    labels: Tensor,
    *,
    seeds: Sequence[int],
    epochs: int = 60,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    watch: Sequence[str] = ("first", "second"),
    after_epoch: Callable[[], object] | None = None,
) -> Histories:
    """Train ``networks`` side by side with Adam, in one batch of torch.func, and return their histories.

    Repetition r trains ``networks[r]`` on ``signals[r]`` and ``labels[r]``, in an order drawn from ``seeds[r]``: it
    gets the same numbers, but for rounding, in any company. The networks themselves are left as they are.
    Adam has Keras's form, ``w -= rate * sqrt(1 - .999^t) / (1 - .9^t) * m / (sqrt(v) + 1e-7)``.

    Args:
        networks: one for each repetition, all of the same shape.
        signals: (repetitions, samples, time), floating point.
        labels: (repetitions, samples), int64.
        seeds: one for each repetition.
        epochs: how often each sample is seen.
        batch_size: samples in a step; a smaller last batch is used as well.
        learning_rate: of Adam.
        watch: names of parameters whose Euclidean distance from the start is recorded at the end of each epoch.
        after_epoch: called at the end of each epoch, for a progress bar.

    Returns:
        ``loss`` and ``accuracy``, means over the steps of each epoch, weighted by batch size, of what the network gave
        before the step, as Keras reports them; ``distances``, by name. Each (repetitions, epochs), float32, on the CPU.

    Raises:
        TypeError: a network is not a module, ``signals`` are not floating point, ``labels`` not int64, or a seed is not
            an integer.
        ValueError: there are no networks, they are not alike, the numbers of repetitions differ, a count is not
            positive, ``signals`` or ``learning_rate`` are not finite, the rate is negative, the dtype of ``signals`` is
            not that of the networks, a label has no output, or ``watch`` names no parameter.

    Example:
        >>> from relunb.spectrum import ToneClassifier, tone_classes
        >>> data = tone_classes(8, generator=torch.Generator().manual_seed(0))
        >>> networks = [ToneClassifier(generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
        >>> histories = train_ensemble(
        ...     networks, data.signals.expand(2, -1, -1), data.labels.expand(2, -1), seeds=(0, 1), epochs=3
        ... )
        >>> histories.loss.shape
        torch.Size([2, 3])

    Derived in :doc:`/book/spectrum/features`.
    """
    checked_signals(signals)
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        given = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels must be an int64 tensor (repetitions, samples); got {given}.")
    check_known(signals=signals, labels=labels)
    check_dense("labels", labels)
    copies = len(networks)
    if copies == 0:
        raise ValueError("networks is empty: give one for each repetition.")
    if not len(signals) == len(labels) == len(seeds) == copies:
        raise ValueError(
            f"one of each for every repetition: got {copies} networks, {len(signals)} signals, {len(labels)} labels "
            f"and {len(seeds)} seeds."
        )
    if signals.shape[:2] != labels.shape or labels.numel() == 0:
        raise ValueError(f"labels must have the shape of signals without time; got {(*labels.shape,)}.")
    if signals.ndim < 3:
        raise ValueError(f"signals must be (repetitions, samples, time); got {(*signals.shape,)}.")
    check_finite("signals", signals)
    if int(labels.min()) < 0:
        raise ValueError(f"labels must be the classes 0, 1, ...; got {int(labels.min())}.")
    check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    rate_given = check_single("learning_rate", learning_rate)
    if not 0 <= rate_given < math.inf:
        raise ValueError(f"learning_rate must be finite and not negative; got {rate_given:g}.")
    seeds = [check_count("each seed", seed, least=-(2**63), most=2**63 - 1) for seed in seeds]
    _check_alike(networks, signals)
    parameters, buffers = stack_module_state(list(networks))
    unknown = [name for name in watch if name not in parameters]
    if unknown:
        raise ValueError(f"watch names {unknown[0]!r}; the parameters are {', '.join(parameters)}.")
    skeleton = networks[0]
    highest = int(labels.max())

    def loss_of(weights: dict[str, Tensor], others: dict[str, Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        logits = functional_call(skeleton, (weights, others), (x,))
        if highest >= logits.shape[-1]:
            raise ValueError(f"labels must lie in 0..{logits.shape[-1] - 1}, one output for each class; got {highest}.")
        return F.cross_entropy(logits, y), (logits.argmax(-1) == y).float().mean()

    step = vmap(grad_and_value(loss_of, has_aux=True))
    weights = {name: value.detach().to(signals.device).clone() for name, value in parameters.items()}
    buffers = {name: value.to(signals.device) for name, value in buffers.items()}
    start = {name: weights[name].clone() for name in watch}
    mean = {name: torch.zeros_like(value) for name, value in weights.items()}
    square = {name: torch.zeros_like(value) for name, value in weights.items()}
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    samples, row = labels.shape[1], torch.arange(copies, device=signals.device)[:, None]
    loss, accuracy = torch.zeros(2, copies, epochs)
    distances = {name: torch.zeros(copies, epochs) for name in watch}
    steps = 0
    for epoch in range(epochs):
        order = torch.stack([torch.randperm(samples, generator=g) for g in generators]).to(signals.device)
        totals = torch.zeros(2, copies, device=signals.device)
        for chosen in order.split(batch_size, dim=1):
            steps += 1
            slopes, (value, right) = step(weights, buffers, signals[row, chosen], labels[row, chosen])
            totals += torch.stack([value, right]) * chosen.shape[1]
            rate = rate_given * (1 - 0.999**steps) ** 0.5 / (1 - 0.9**steps)
            for name, slope in slopes.items():
                mean[name].lerp_(slope, 0.1)
                square[name].lerp_(slope.square(), 0.001)
                weights[name].sub_(rate * mean[name] / (square[name].sqrt() + 1e-7))
        loss[:, epoch], accuracy[:, epoch] = (totals / samples).cpu()
        for name, first in start.items():
            distances[name][:, epoch] = (weights[name] - first).flatten(1).norm(dim=1).cpu()
        if after_epoch is not None:
            after_epoch()
    return Histories(loss, accuracy, distances)


def _check_alike(networks: Sequence[nn.Module], signals: Tensor) -> None:
    """Refuse networks that differ in more than numbers: all are computed as the first one is."""
    for number, network in enumerate(networks):
        if not isinstance(network, nn.Module):
            raise TypeError(f"each of networks must be a torch.nn.Module; got {type(network).__name__}.")
        for (name, one), (other_name, other) in zip_longest(
            _made_of(network), _made_of(networks[0]), fillvalue=("", ())
        ):
            if (name, one) != (other_name, other):
                raise ValueError(
                    f"networks must be alike, as all are computed as the first one is; networks[{number}] differs from "
                    f"networks[0] in {f'its part {name or other_name}' if name or other_name else 'its settings'}."
                )
        for name, parameter in network.named_parameters():
            check_known(**{f"{name} of a network": parameter})
            if parameter.dtype != signals.dtype:
                raise ValueError(
                    f"signals are {signals.dtype} and {name} of a network {parameter.dtype}: "
                    f"use signals.to({parameter.dtype})."
                )


def _made_of(network: nn.Module) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Each module with its type and plain settings, and each parameter with its shape."""
    for name, module in network.named_modules():
        settings = {key: repr(value) for key, value in vars(module).items() if isinstance(value, _PLAIN)}
        yield name, (type(module), settings)
    for name, parameter in network.named_parameters():
        yield name, (*parameter.shape,)
