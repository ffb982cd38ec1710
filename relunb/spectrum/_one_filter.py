"""The network of Section V-D: one filter, a ReLU, the mean over time; and how well thresholds can read it."""

from itertools import permutations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._checks import check_count, check_dense, check_known, check_same_place, shown
from .._scaling import power_of_two
from ._classifiers import checked_signals, glorot_uniform
from ._networks import checked_mode, with_past


def filtered_dc(signals: Tensor, taps: Tensor, *, mode: str) -> Tensor:
    """The DC after a causal filter and a ReLU: the mean over time of ``ReLU(filter(signal))``.

    ``taps[k]`` multiplies the sample k steps ago, ``y[n] = sum_k taps[k] x[n - k]``, as in :class:`FixedFilter`: the
    first tap meets the present sample. Kernels of torch and Keras have the last tap there: give ``kernel.flip(-1)``.
    Version 0.1.0 did so itself, which is why ``mode``, new since then, has no default.

    Args:
        signals: (..., time), floating point.
        taps: (K,) one filter, or (filters, K); dtype and device of ``signals``.
        mode: what is before the first sample: ``"zero"``, silence, or ``"circular"``, the signal's own end.

    Returns:
        (...) for one filter, (..., filters) for several.

    Raises:
        TypeError: an argument is not a floating-point tensor, or their dtypes differ.
        ValueError: ``signals`` has no samples, ``taps`` has no taps or more than two dimensions, ``mode`` is neither of
            the two, or a circular filter has more taps than samples.

    Example:
        >>> x = torch.tensor([0.0, 4.0, 0.0, 0.0])
        >>> filtered_dc(x, torch.tensor([[1.0, -1.0], [1.0, 1.0]]), mode="circular").tolist()
        [1.0, 2.0]

    Source: Kechris et al. (2024), Eq. (8) and Section V-D. Derived in :doc:`/book/spectrum/zero-training`.
    """
    leading, length = checked_signals(signals).shape[:-1], signals.shape[-1]
    if not isinstance(taps, Tensor) or taps.dtype != signals.dtype:
        given = taps.dtype if isinstance(taps, Tensor) else type(taps).__name__
        raise TypeError(f"taps must be a tensor of the dtype of signals, {signals.dtype}; got {given}.")
    check_dense("taps", taps)
    if taps.ndim not in (1, 2) or taps.numel() == 0:
        raise ValueError(f"taps must have shape (K,) or (filters, K), with K at least 1; got {(*taps.shape,)}.")
    check_same_place(signals=signals, taps=taps)
    # A mean of loud samples fits its dtype, and their sum may not.
    loudness, size = power_of_two(signals, -1), power_of_two(taps, -1)
    kernels = (taps / size).reshape(-1, 1, taps.shape[-1]).flip(-1)
    padded = with_past((signals / loudness).reshape(-1, 1, length), taps.shape[-1] - 1, mode)
    dc = F.conv1d(padded, kernels).relu().mean(-1)
    # In two steps of one sign: the two units may be far above and far below what the dtype holds beside the answer.
    power = _exponent(loudness).reshape(-1, 1) + _exponent(size).reshape(-1)
    ones, half = torch.ones_like(dc), power.div(2, rounding_mode="trunc")
    for part in (half, power - half):
        dc = dc * torch.ldexp(ones, part).to(dc.dtype)
    return dc.reshape((*leading, *taps.shape[:-1]))


def _exponent(unit: Tensor) -> Tensor:
    """Of a power of two."""
    return torch.frexp(unit).exponent - 1


class OneFilterNetwork(nn.Module):
    """One convolution with one filter and no bias, a ReLU, and global average pooling.

    Its parameter ``kernel`` is that of a convolution of torch or Keras, whose last tap meets the present sample;
    ``taps`` is the same from its end, as :func:`filtered_dc` and :class:`FixedFilter` take it. Version 0.1.0 called
    the kernel ``taps``, and its state dicts load.

    Args:
        kernel_size: taps of the filter.
        mode: what is before the first sample: ``"zero"`` or ``"circular"``, as for :func:`filtered_dc`.
        generator: where the Glorot-uniform taps are drawn from; the global one of torch by default. Two taps are
            drawn evenly from +-sqrt(3/2).

    Input: signals (..., time), floating point. Output: the DC of each, (...).

    Raises:
        TypeError: ``kernel_size`` is not an integer.
        ValueError: ``kernel_size`` is less than 1, or ``mode`` is neither of the two.

    Example:
        >>> network = OneFilterNetwork(2, generator=torch.Generator().manual_seed(0))
        >>> network(torch.zeros(5, 256)).shape
        torch.Size([5])

    Source: Kechris et al. (2024), Section V-D. Derived in :doc:`/book/spectrum/zero-training`.
    """

    def __init__(self, kernel_size: int = 2, *, mode: str = "zero", generator: torch.Generator | None = None) -> None:
        super().__init__()
        check_count("kernel_size", kernel_size)
        self.mode = checked_mode(mode)
        self.kernel = nn.Parameter(glorot_uniform((1, 1, kernel_size), generator).reshape(-1))

    @property
    def taps(self) -> Tensor:
        """The kernel with the tap of the present sample first."""
        return self.kernel.flip(-1)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        if f"{prefix}taps" in state_dict:
            state_dict[f"{prefix}kernel"] = state_dict.pop(f"{prefix}taps")
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, signals: Tensor) -> Tensor:
        return filtered_dc(signals, self.taps, mode=self.mode)

    def extra_repr(self) -> str:
        return f"kernel_size={len(self.kernel)}, mode={self.mode!r}"


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
        TypeError: an argument is not a real tensor.
        ValueError: the numbers of samples differ or are zero, values are not finite, or the classes are not 0, 1, ...

    Example:
        >>> threshold_accuracy(torch.tensor([0.1, 0.2, 0.9, 0.3]), torch.tensor([0, 0, 1, 0])).item()
        1.0

    Derived in :doc:`/book/spectrum/zero-training`.
    """
    for name, given in (("values", values), ("labels", labels)):
        if not isinstance(given, Tensor):
            raise TypeError(f"{name} must be a tensor; got {type(given).__name__}.")
        check_dense(name, given)
    if values.is_complex() or labels.is_complex():
        raise TypeError("values and labels must be real.")
    check_known(values=values, labels=labels)
    check_same_place(values=values, labels=labels)
    if values.ndim == 0 or labels.ndim != 1 or values.shape[-1] != len(labels) or len(labels) == 0:
        raise ValueError(
            f"values (..., samples) and labels (samples,) must agree; got {(*values.shape,)} and {(*labels.shape,)}."
        )
    if not values.isfinite().all():
        raise ValueError("values has numbers that are not finite: thresholds cannot order them.")
    present = labels.unique().tolist()
    classes = len(present)
    if classes > 6 or present != list(range(classes)):
        raise ValueError(f"labels must be the classes 0, 1, ... up to 5, each present; got {shown(present)}.")
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
