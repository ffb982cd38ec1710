"""The two networks of fixed weights: one that takes differences, one that takes averages."""

import torch
from torch import Tensor, nn

from .._checks import Numbers, count, known, positive, real


class FixedFilter(nn.Module):
    """A circular convolution over the last dimension, with taps that never change.

    ``y[n] = sum_k taps[k] x[n - k]``, where the signal repeats: the sample before the first is the last. Each tone of
    the input comes out as a tone of the same frequency, times :meth:`frequency_response` there.

    The taps are plain numbers and no part of the state dict: the layer computes in the dtype and on the device of its
    input, to which it is linear and differentiable. NaN gives NaN.

    Args:
        taps: numbers, the first one for the present sample, the next for the one before it, and so on.

    Raises:
        TypeError: ``taps`` are not real numbers; in the forward pass, ``x`` is not a floating-point tensor.
        ValueError: ``taps`` is empty, not flat or not finite; in the forward pass, ``x`` has no samples, or fewer than
            there are taps.

    Example: ``FixedFilter([1, -1])`` takes the difference of neighbouring samples.

    Source: Kechris et al. (2024), Section III, uses two such filters. Derived in :doc:`/book/spectrum/networks`.
    """

    def __init__(self, taps: Numbers) -> None:
        super().__init__()
        with torch.device("cpu"):  # where they are read back, whatever torch's default is
            values = real("taps", taps)
        known(taps=values)
        if values.ndim != 1:
            raise ValueError(f"taps must be a flat list of numbers; its shape is {tuple(values.shape)}.")
        self.taps: tuple[float, ...] = tuple(values.tolist())

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):
            raise TypeError(f"the signal must be a torch.Tensor; got {type(x).__name__}. Use torch.as_tensor(x).")
        if not x.is_floating_point():
            raise TypeError(f"the signal must be floating point; got {x.dtype}. Use x.float().")
        samples = x.shape[-1] if x.ndim else 0
        if samples == 0:
            raise ValueError(
                f"the signal has no samples: its shape is {tuple(x.shape)}, and time is its last dimension."
            )
        if len(self.taps) > samples:
            raise ValueError(
                f"the filter has {len(self.taps)} taps and the signal {samples} samples: "
                "a circular filter needs at least as many samples as taps."
            )
        # Shifted copies and not conv1d, which may round to TF32 on a GPU: a difference is then one rounding, anywhere.
        total = self.taps[0] * x
        for delay, tap in enumerate(self.taps[1:], start=1):
            total = total + tap * torch.roll(x, delay, -1)
        return total

    def frequency_response(self, frequencies: Numbers, sample_rate: float = 1.0) -> Tensor:
        """What the filter multiplies a tone by: ``H(f) = sum_k taps[k] exp(-2 pi i f k / sample_rate)``.

        Args:
            frequencies: any shape; in Hz, or in cycles a sample if ``sample_rate`` is left at 1.
            sample_rate: samples a second, positive.

        Returns:
            Complex tensor of the same shape. Its size is the gain, its angle the phase. Numbers give complex128.

        Raises:
            TypeError: ``frequencies`` or ``sample_rate`` is not real.
            ValueError: ``frequencies`` is empty or not finite, or ``sample_rate`` is not positive and finite.
        """
        f = real("frequencies", frequencies)
        rate = positive("sample_rate", sample_rate)
        delays = torch.arange(len(self.taps), dtype=f.dtype, device=f.device)
        turns = f.unsqueeze(-1) / rate * delays
        turns = turns - turns.round()  # whole turns change nothing, and would cost digits
        waves = torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)
        taps = torch.tensor(self.taps, dtype=f.dtype, device=f.device)
        return (taps * waves).sum(-1)

    def extra_repr(self) -> str:
        shown = ", ".join(f"{tap:.4g}" for tap in self.taps[:4])
        return f"taps=({shown}{', ...' if len(self.taps) > 4 else ''}), {len(self.taps)} in all"


def differentiator(depth: int) -> nn.Sequential:
    """A network that takes the difference of neighbouring samples before every ReLU but the first.

    ``y_0 = ReLU(x)`` and ``y_l[n] = ReLU(y_{l-1}[n] - y_{l-1}[n-1])`` for ``l = 1, ..., depth``, on periodic signals of
    shape (..., time). ``net[: 1 + 2 * l]`` is the network up to ``y_l``. Nothing in it is trained.

    Args:
        depth: number of differences, at least 0.

    Returns:
        An ``nn.Sequential`` of ReLUs with a :class:`FixedFilter` between each two.

    Raises:
        TypeError: ``depth`` is not an integer.
        ValueError: ``depth`` is negative.

    Source: Kechris et al. (2024), Sections III and V-A. Derived in :doc:`/book/spectrum/networks`. The authors' script
    has ``depth = 2`` and multiplies each difference by the sample rate; for a positive c, ``ReLU(c x) = c ReLU(x)``, so
    that is a factor ``sample_rate ** depth`` of the output.
    """
    return _network([1.0, -1.0], count("depth", depth, least=0))


def averager(kernel_size: int, depth: int) -> nn.Sequential:
    """A network that takes the mean of the last few samples before every ReLU but the first.

    ``y_0 = ReLU(x)`` and ``y_l[n] = ReLU(mean of y_{l-1}[n - kernel_size + 1], ..., y_{l-1}[n])`` for
    ``l = 1, ..., depth``, on periodic signals of shape (..., time). ``net[: 1 + 2 * l]`` is the network up to ``y_l``.
    Nothing in it is trained. Every ReLU but the first is the identity, and the mean over time is kept.

    Args:
        kernel_size: samples in each mean, at least 1.
        depth: number of moving averages, at least 0.

    Returns:
        An ``nn.Sequential`` of ReLUs with a :class:`FixedFilter` between each two.

    Raises:
        TypeError: ``kernel_size`` or ``depth`` is not an integer.
        ValueError: ``kernel_size`` is less than 1, or ``depth`` is negative; in the forward pass, the signal has fewer
            than ``kernel_size`` samples.

    Source: Kechris et al. (2024), Sections III and V-A. Derived in :doc:`/book/spectrum/networks`. The authors' script
    has ``kernel_size = 9`` and ``depth = 5``, and cuts ``kernel_size - 1`` samples at every layer where this one lets
    the signal repeat.
    """
    size = count("kernel_size", kernel_size)
    return _network([1 / size] * size, count("depth", depth, least=0))


def _network(taps: list[float], depth: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU()]
    for _ in range(depth):
        layers += [FixedFilter(taps), nn.ReLU()]
    return nn.Sequential(*layers)
