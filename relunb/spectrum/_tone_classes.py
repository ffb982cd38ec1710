"""The data of Section V-C: tones of three frequencies, and the constant that the paper adds to each class."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .._checks import check_count, check_dense, check_known, check_positive, check_single, shown

_MOST_NUMBERS = 2**27  # of all signals: a gibibyte on the way
_MOST_CYCLES = 1e12  # of a tone: more leave its phase no four digits


class ToneClasses(NamedTuple):
    """Labelled tones, class after class.

    Example:
        >>> signals, labels, frequencies = tone_classes(4, jitter=0.0)
        >>> frequencies[labels == 2].tolist()
        [10.0, 10.0, 10.0, 10.0]
    """

    signals: Tensor
    labels: Tensor
    frequencies: Tensor


def tone_classes(
    per_class: int = 1024,
    *,
    frequencies: Sequence[float] = (3.0, 5.0, 10.0),
    jitter: float = 0.1,
    n_samples: int = 256,
    sample_rate: float = 32.0,
    generator: torch.Generator | None = None,
) -> ToneClasses:
    """Zero-phase cosines of amplitude 1, in classes that differ in frequency alone.

    A sample of class k is ``cos(2 pi f t)`` at the times ``t = 0, 1/sample_rate, ...``, where f is drawn from a normal
    distribution with mean ``frequencies[k]`` and standard deviation ``jitter``.

    Args:
        per_class: number of samples in each class.
        frequencies: mean frequency of each class in Hz, between 0 and half the sample rate.
        jitter: standard deviation of the frequency in Hz; 0 gives equal samples in a class.
        n_samples: length of a sample.
        sample_rate: samples per second, in Hz.
        generator: where the frequencies are drawn from; the global one of torch by default.

    Returns:
        ``signals`` float32 (classes * per_class, n_samples), ``labels`` int64 and ``frequencies`` float64 in Hz, both
        (classes * per_class,). Samples of a class stand together, in the order of ``frequencies``.

    Raises:
        TypeError: a count is not an integer, or ``generator`` is not one of torch.
        ValueError: a count or a rate is not positive, ``jitter`` is negative or huge, a frequency is out of its
            range, or the signals would have more than 134,217,728 numbers.

    Example:
        >>> data = tone_classes(4, jitter=0.0)
        >>> data.signals.shape, data.labels.tolist()
        (torch.Size([12, 256]), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])

    Source: Kechris et al. (2024), Eq. (9) and (10). Derived in :doc:`/book/spectrum/features`.
    """
    check_count("per_class", per_class)
    check_count("n_samples", n_samples)
    sample_rate, jitter = check_positive("sample_rate", sample_rate), check_single("jitter", jitter)
    if not 0 <= jitter < math.inf:
        raise ValueError(f"jitter must be finite and not negative, in Hz; got {jitter}.")
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator; got {shown(generator)}.")
    frequencies = _flat("frequencies", frequencies)
    numbers = len(frequencies) * per_class * n_samples
    if numbers > _MOST_NUMBERS:
        raise ValueError(
            f"{len(frequencies)} classes of {per_class:,} samples of length {n_samples:,} are {numbers:,} numbers, and "
            f"{_MOST_NUMBERS:,} is the limit."
        )
    if jitter * n_samples / sample_rate > _MOST_CYCLES:
        raise ValueError(f"jitter is {jitter:g} Hz: the phase of such a tone has no digit left after so many samples.")
    if len(frequencies) == 0:
        raise ValueError("frequencies is empty: name at least one class, in Hz.")
    for frequency in frequencies:
        if not 0 < frequency < sample_rate / 2:
            raise ValueError(
                f"each frequency must lie between 0 and half the sample rate, {sample_rate / 2:g} Hz; got {frequency}."
            )
    mean = torch.tensor([float(f) for f in frequencies], dtype=torch.float64).repeat_interleave(per_class)
    drawn = mean + jitter * torch.randn(len(mean), dtype=torch.float64, generator=generator)
    time = torch.arange(n_samples, dtype=torch.float64) / sample_rate
    signals = torch.cos(2 * math.pi * drawn[:, None] * time)
    labels = torch.arange(len(frequencies)).repeat_interleave(per_class)
    return ToneClasses(signals.float(), labels, drawn)


def _flat(name: str, values: Sequence[float]) -> list[float]:
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__") or getattr(values, "ndim", 1) != 1:
        raise TypeError(f"{name} must be a flat list of numbers, one a class; got {shown(values)}.")
    return [check_single(f"each of {name}", value) for value in values]


def class_constant(labels: Tensor, levels: Sequence[float] = (1.0, 5.0, 19.0)) -> Tensor:
    """The constant that the paper adds to every sample of a class: ``sqrt(2)/4 * levels[label]``.

    It depends on the label and on nothing else of the sample, so it gives the label away: use it to reproduce the
    paper's third network, not to train a classifier.

    Args:
        labels: class numbers 0, 1, ..., any shape, an integer dtype.
        levels: one level for each class.

    Returns:
        float32 tensor of the shape of ``labels``.

    Raises:
        TypeError: ``labels`` is not a tensor of integers.
        ValueError: a label has no level, or a level is not finite in float32.

    Example:
        >>> [round(value, 4) for value in class_constant(torch.tensor([0, 1, 2])).tolist()]
        [0.3536, 1.7678, 6.7175]

    Source: Kechris et al. (2024), Eq. (11), with the levels of the authors' public code. Derived in
    :doc:`/book/spectrum/features`.
    """
    if (
        not isinstance(labels, Tensor)
        or labels.is_floating_point()
        or labels.is_complex()
        or labels.dtype == torch.bool
    ):
        raise TypeError("labels must be a tensor of whole numbers, the classes 0, 1, 2, ...")
    levels = _flat("levels", levels)
    for level in levels:
        if not abs(level) <= torch.finfo(torch.float32).max:
            raise ValueError(f"each of levels must be finite in float32; got {level:g}.")
    check_known(labels=labels)
    check_dense("labels", labels)
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < len(levels):
        raise ValueError(
            f"labels must lie in 0..{len(levels) - 1}, one level for each class; got {labels.unique().tolist()[:8]}."
        )
    table = torch.tensor([math.sqrt(2) / 4 * float(level) for level in levels], dtype=torch.float64)
    return table.to(labels.device)[labels.long()].float()
