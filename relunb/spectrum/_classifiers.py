"""The classifiers of Section V-C: two convolutions, the mean over time, two dense layers."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._checks import check_beside, check_count, check_floating

ACTIVATIONS = ("relu", "linear")
_MOST_WEIGHTS = 2**27


class ToneClassifier(nn.Module):
    """Two causal convolutions without bias, global average pooling, and a classifier of two dense layers.

    The activation is that of the convolutions; the hidden dense layer has a ReLU in every case. Initial weights are
    Glorot-uniform, as Keras draws them, and initial biases are zero.

    With ``activation="linear"`` both convolutions and the pooling are one linear map of ``2 * kernel_size - 1`` sums of
    the signal, and :meth:`features` computes it so.

    Args:
        activation: ``"relu"`` or ``"linear"``, after each convolution.
        n_filters: filters of each convolution.
        kernel_size: taps of each filter.
        n_hidden: neurons of the hidden dense layer.
        n_classes: outputs.
        generator: where the initial weights are drawn from; the global one of torch by default.

    Input: signals (..., time), floating point. Output: logits (..., n_classes).

    Raises:
        TypeError: a size is not an integer.
        ValueError: ``activation`` is neither of the two, a size is not positive, or the sizes make more than
            134,217,728 weights.

    Example:
        >>> classifier = ToneClassifier("relu", generator=torch.Generator().manual_seed(0))
        >>> classifier(torch.zeros(5, 256)).shape
        torch.Size([5, 3])

    Source: Kechris et al. (2024), Section V-C, with the sizes of the authors' public code. Derived in
    :doc:`/book/spectrum/features`.
    """

    def __init__(
        self,
        activation: str = "relu",
        *,
        n_filters: int = 32,
        kernel_size: int = 3,
        n_hidden: int = 32,
        n_classes: int = 3,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {', '.join(map(repr, ACTIVATIONS))}; got {activation!r}.")
        sizes = {"n_filters": n_filters, "kernel_size": kernel_size, "n_hidden": n_hidden, "n_classes": n_classes}
        for name, size in sizes.items():
            check_count(name, size)
        weights = n_filters * (1 + n_filters) * kernel_size + n_hidden * (n_filters + n_classes)
        if weights > _MOST_WEIGHTS:
            raise ValueError(f"these sizes make {weights:,} weights, and {_MOST_WEIGHTS:,} is the limit.")
        self.activation = activation
        self.first = nn.Parameter(glorot_uniform((n_filters, 1, kernel_size), generator))
        self.second = nn.Parameter(glorot_uniform((n_filters, n_filters, kernel_size), generator))
        self.hidden = nn.Parameter(glorot_uniform((n_hidden, n_filters), generator))
        self.hidden_bias = nn.Parameter(torch.zeros(n_hidden))
        self.output = nn.Parameter(glorot_uniform((n_classes, n_hidden), generator))
        self.output_bias = nn.Parameter(torch.zeros(n_classes))

    def activations(self, signals: Tensor) -> tuple[Tensor, Tensor]:
        """The output of each convolution after its activation, (..., n_filters, time)."""
        leading = self._checked(signals).shape[:-1]
        layers = []
        x = signals.reshape(-1, 1, signals.shape[-1])
        for kernel in (self.first, self.second):
            # Causal: zeros before the first sample. Keras and torch both correlate, so the last tap meets the present.
            x = F.conv1d(F.pad(x, (kernel.shape[-1] - 1, 0)), kernel)
            x = x.relu() if self.activation == "relu" else x
            layers.append(x.reshape(*leading, *x.shape[1:]))
        return layers[0], layers[1]

    def features(self, signals: Tensor) -> Tensor:
        """What the dense layers see: the mean over time of each filter's output, (..., n_filters)."""
        if self.activation == "relu":
            return self.activations(signals)[1].mean(-1)
        # Tap k of a kernel of K meets the sample K - 1 - k steps ago, so its mean over time is a mean of the signal
        # that leaves out the last K - 1 - k samples. Two convolutions in a row leave out up to 2K - 2 of them.
        size = self.first.shape[-1]
        sums = 2 * size - 1
        means = truncated_means(self._checked(signals), min(sums, signals.shape[-1]))
        means = F.pad(means, (0, sums - means.shape[-1]))  # a signal without all of its samples has the sum zero
        both = torch.einsum("oij,ik->ojk", self.second, self.first[:, 0])
        combined = sum(F.pad(both[:, j], (j, size - 1 - j)) for j in range(size))  # index j + k, from 0 to 2K - 2
        return means @ torch.as_tensor(combined).flip(-1).mT

    def _checked(self, signals: Tensor) -> Tensor:
        """The signals, if their dtype is that of the weights; under autocast torch sees to that."""
        dtype, signals = self.first.dtype, checked_signals(signals)
        check_beside(self, signals=signals)
        autocast = not signals.is_meta and torch.is_autocast_enabled(signals.device.type)
        if signals.dtype != dtype and not autocast:
            raise TypeError(f"signals are {signals.dtype} and the network {dtype}: use signals.to({dtype}).")
        return signals

    def forward(self, signals: Tensor) -> Tensor:
        hidden = F.linear(self.features(signals), self.hidden, self.hidden_bias).relu()
        return F.linear(hidden, self.output, self.output_bias)

    def extra_repr(self) -> str:
        filters, _, size = self.second.shape
        return f"activation={self.activation!r}, n_filters={filters}, kernel_size={size}, n_hidden={len(self.hidden)}"


def truncated_means(signals: Tensor, n_sums: int) -> Tensor:
    """The sums of a signal without its last 0, 1, ..., n_sums - 1 samples, over the full length: (..., n_sums).

    All that a linear convolutional network with causal padding and average pooling can see of a signal.

    Args:
        signals: (..., time), floating point.
        n_sums: how many sums, from 1 to the number of samples.

    Raises:
        TypeError: ``signals`` is not a floating-point tensor.
        ValueError: ``n_sums`` is out of its range.

    Example:
        >>> truncated_means(torch.tensor([1.0, 2.0, 5.0, 4.0]), 3).tolist()
        [3.0, 2.0, 0.75]

    Derived in :doc:`/book/spectrum/features`.
    """
    length = checked_signals(signals).shape[-1]
    if not 1 <= check_count("n_sums", n_sums, least=None) <= length:
        raise ValueError(f"n_sums must be between 1 and the number of samples, {length}; got {n_sums}.")
    total = signals.sum(-1, keepdim=True)
    last = signals[..., length - n_sums + 1 :].flip(-1).cumsum(-1)
    return torch.cat([total, total - last], -1) / length


def glorot_uniform(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """Weights of shape (out, in, ...) drawn evenly from +-sqrt(6 / (fan in + fan out)), float32."""
    taps = math.prod(shape[2:])
    bound = math.sqrt(6 / (taps * (shape[0] + shape[1])))
    return (2 * torch.rand(shape, generator=generator) - 1) * bound


def checked_signals(signals: Tensor) -> Tensor:
    """Return ``signals`` if they are a floating-point tensor with at least one sample; raise otherwise."""
    check_floating("signals", signals)
    if signals.ndim == 0 or signals.shape[-1] == 0:
        raise ValueError("signals has no samples: its last dimension is time.")
    return signals
