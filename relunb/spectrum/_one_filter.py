"""The network of Section V-D: one filter, a ReLU, the mean over time; and how well thresholds can read it."""

from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._checks import count
from ._classifiers import checked_signals, glorot_uniform


def filtered_dc(signals: Tensor, taps: Tensor) -> Tensor:
    """The DC after a causal filter and a ReLU: the mean over time of ``ReLU(filter(signal))``.

    Before its first sample a signal is taken to be zero. As in torch and Keras, the last tap meets the present sample,
    the tap before it the sample before, and so on.

    Args:
        signals: (..., time), floating point.
        taps: (K,) one filter, or (filters, K); dtype and device of ``signals``.

    Returns:
        (...) for one filter, (..., filters) for several.

    Raises:
        TypeError: an argument is not a floating-point tensor, or their dtypes differ.
        ValueError: ``signals`` has no samples, or ``taps`` has no taps or more than two dimensions.

    Source: Kechris et al. (2024), Eq. (8) and Section V-D. Derived in :doc:`/book/spectrum/zero-training`.
    """
    leading, length = checked_signals(signals).shape[:-1], signals.shape[-1]
    if not isinstance(taps, Tensor) or taps.dtype != signals.dtype:
        given = taps.dtype if isinstance(taps, Tensor) else type(taps).__name__
        raise TypeError(f"taps must be a tensor of the dtype of signals, {signals.dtype}; got {given}.")
    if taps.ndim not in (1, 2) or taps.shape[-1] == 0:
        raise ValueError(f"taps must have shape (K,) or (filters, K), with K at least 1; got {(*taps.shape,)}.")
    kernels = taps.reshape(-1, 1, taps.shape[-1])
    padded = F.pad(signals.reshape(-1, 1, length), (taps.shape[-1] - 1, 0))
    dc = F.conv1d(padded, kernels).relu().mean(-1)
    return dc.reshape((*leading, *taps.shape[:-1]))


class OneFilterNetwork(nn.Module):
    """One convolution with one filter and no bias, a ReLU, and global average pooling.

    Args:
        kernel_size: taps of the filter.
        generator: where the Glorot-uniform taps are drawn from; the global one of torch by default. Two taps are
            drawn evenly from +-sqrt(3/2).

    Input: signals (..., time), floating point. Output: the DC of each, (...).

    Raises:
        TypeError: ``kernel_size`` is not an integer.
        ValueError: ``kernel_size`` is less than 1.

    Source: Kechris et al. (2024), Section V-D. Derived in :doc:`/book/spectrum/zero-training`.
    """

    def __init__(self, kernel_size: int = 2, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        count("kernel_size", kernel_size)
        self.taps = nn.Parameter(glorot_uniform((1, 1, kernel_size), generator).reshape(-1))

    def forward(self, signals: Tensor) -> Tensor:
        return filtered_dc(signals, self.taps)

    def extra_repr(self) -> str:
        return f"kernel_size={len(self.taps)}"


def threshold_accuracy(values: Tensor, labels: Tensor) -> Tensor:
    """The largest share of samples that thresholds on one number can put into their classes.

    With C classes there are C - 1 thresholds, and each class gets one interval; every order of the classes is tried,
    so C may be at most 6. The thresholds are chosen with the labels in hand: this is a readout that was trained, in
    the best way, on these very samples.

    Args:
        values: (..., samples), one number for each sample.
        labels: (samples,), the classes 0, 1, ..., int64.

    Returns:
        (...) float64, between 1/C and 1.

    Raises:
        ValueError: the numbers of samples differ or are zero, values are not finite, or the classes are not 0, 1, ...

    Derived in :doc:`/book/spectrum/zero-training`.
    """
    if values.ndim == 0 or labels.ndim != 1 or values.shape[-1] != len(labels) or len(labels) == 0:
        raise ValueError(
            f"values (..., samples) and labels (samples,) must agree; got {(*values.shape,)} and {(*labels.shape,)}."
        )
    if not values.isfinite().all():
        raise ValueError("values has numbers that are not finite: thresholds cannot order them.")
    classes = int(labels.max()) + 1
    if labels.unique().tolist() != list(range(classes)) or classes > 6:
        raise ValueError(f"labels must be the classes 0, 1, ... up to 5, each present; got {labels.unique().tolist()}.")
    ordered, order = values.sort(-1)
    # counts[c][..., b]: how many of the lowest b samples belong to class c.
    counts = [F.pad((labels[order] == c).double().cumsum(-1), (1, 0)) for c in range(classes)]
    # No threshold fits between two equal values.
    shut = F.pad(ordered[..., 1:] == ordered[..., :-1], (1, 1))
    best = torch.zeros(values.shape[:-1], dtype=torch.float64, device=values.device)
    for sequence in permutations(range(classes)):
        reached = torch.zeros_like(counts[0])
        for below, above in zip(sequence, sequence[1:], strict=False):
            gained = (reached + counts[below] - counts[above]).masked_fill(shut, -torch.inf)
            reached = gained.cummax(-1).values
        best = torch.maximum(best, reached[..., -1] + counts[sequence[-1]][..., -1])
    return best / len(labels)
