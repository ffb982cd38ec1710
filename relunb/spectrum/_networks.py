"""The two networks of fixed weights: one that takes differences, one that takes averages."""

import torch
from torch import Tensor, nn

from .._checks import Numbers, check_count, check_floating, check_known, check_positive, check_real

MODES = ("circular", "zero")
_MOST_LAYERS, _MOST_TAPS = 10_000, 1_000_000


class FixedFilter(nn.Module):
    """A causal convolution over the last dimension, with taps that never change.

    ``y[n] = sum_k taps[k] x[n - k]``: the first tap meets the present sample. The signal repeats, and the sample before
    the first is the last; or it starts from silence. Each tone of a signal that repeats comes out as a tone of the same
    frequency, times :meth:`frequency_response` there.

    The taps are plain numbers and no part of the state dict: the layer computes in the dtype and on the device of its
    input, to which it is linear and differentiable. NaN gives NaN.

    Args:
        taps: numbers, the first one for the present sample, the next for the one before it, and so on.
        mode: what is before the first sample: ``"circular"``, the signal's own end, or ``"zero"``, silence.

    Raises:
        TypeError: ``taps`` are not real numbers; in the forward pass, ``x`` is not a floating-point tensor.
        ValueError: ``taps`` is empty, not flat or not finite, or ``mode`` is neither of the two; in the forward pass,
            ``x`` has no samples, its dtype does not hold a tap, or it has fewer samples than a circular filter has
            taps.

    Example:
        >>> FixedFilter([1, -1])(torch.tensor([5.0, 7.0, 4.0])).tolist()  # the difference of neighbouring samples
        [1.0, 2.0, -3.0]

    Source: Kechris et al. (2024), Section III, uses two such filters. Derived in :doc:`/book/spectrum/networks`.
    """

    def __init__(self, taps: Numbers, *, mode: str = "circular") -> None:
        super().__init__()
        self.mode = checked_mode(mode)
        with torch.device("cpu"):  # where they are read back, whatever torch's default is
            values = check_real("taps", taps)
        check_known(taps=values)
        if values.ndim != 1:
            raise ValueError(f"taps must be a flat list of numbers; its shape is {tuple(values.shape)}.")
        self.taps: tuple[float, ...] = tuple(values.tolist())

    def forward(self, x: Tensor) -> Tensor:
        check_floating("x", x)
        samples = x.shape[-1] if x.ndim else 0
        if samples == 0:
            raise ValueError(
                f"the signal has no samples: its shape is {tuple(x.shape)}, and time is its last dimension."
            )
        loudest = max(self.taps, key=abs)
        if abs(loudest) > torch.finfo(x.dtype).max:
            raise ValueError(f"the tap {loudest:g} is too large for {x.dtype}, the signal's: use x.double().")
        past = len(self.taps) - 1
        padded = with_past(x, past, self.mode)
        # Shifted copies and not conv1d, which may round to TF32 on a GPU: a difference is then one rounding, anywhere.
        total = self.taps[0] * x
        for delay, tap in enumerate(self.taps[1:], start=1):
            total = total + tap * padded[..., past - delay : past - delay + samples]
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

        Example:
            >>> [round(gain, 6) for gain in FixedFilter([1, -1]).frequency_response([0.0, 0.25, 0.5]).abs().tolist()]
            [0.0, 1.414214, 2.0]
        """
        f = check_real("frequencies", frequencies)
        rate = check_positive("sample_rate", sample_rate)
        delays = torch.arange(len(self.taps), dtype=f.dtype, device=f.device)
        turns = torch.fmod(f.unsqueeze(-1), rate) / rate * delays  # fmod is exact: a frequency far above the rate, too
        turns = turns - turns.round()  # whole turns change nothing, and would cost digits
        waves = torch.polar(torch.ones_like(turns), -2 * torch.pi * turns)
        taps = torch.tensor(self.taps, dtype=f.dtype, device=f.device)
        return (taps * waves).sum(-1)

    def extra_repr(self) -> str:
        shown = ", ".join(f"{tap:.4g}" for tap in self.taps[:4])
        return f"taps=({shown}{', ...' if len(self.taps) > 4 else ''}), {len(self.taps)} in all, mode={self.mode!r}"


def checked_mode(mode: str) -> str:
    """``mode`` if it is one of the two."""
    if mode not in MODES:
        raise ValueError(f"mode must be 'circular' or 'zero', what is before the first sample; got {mode!r}.")
    return mode


def with_past(x: Tensor, steps: int, mode: str) -> Tensor:
    """``x`` (..., time) with so many samples before it: zeros, or its own last ones."""
    if checked_mode(mode) == "zero":
        return nn.functional.pad(x, (steps, 0))
    samples = x.shape[-1]
    if steps >= samples:
        raise ValueError(
            f"the filter has {steps + 1} taps and the signal {samples} samples: "
            "a circular filter needs at least as many samples as taps."
        )
    return torch.cat([x[..., samples - steps :], x], -1) if steps else x


def difference_network(depth: int) -> nn.Sequential:
    """A network that takes the difference of neighbouring samples before every ReLU but the first.

    ``y_0 = ReLU(x)`` and ``y_l[n] = ReLU(y_{l-1}[n] - y_{l-1}[n-1])`` for ``l = 1, ..., depth``, on periodic signals of
    shape (..., time). ``net[: 1 + 2 * l]`` is the network up to ``y_l``. Nothing in it is trained.

    Args:
        depth: number of differences, from 0 to 10,000.

    Returns:
        An ``nn.Sequential`` of ReLUs with a :class:`FixedFilter` between each two.

    Raises:
        TypeError: ``depth`` is not an integer.
        ValueError: ``depth`` is out of its range.

    Example:
        >>> difference_network(1)(torch.tensor([0.0, 3.0, 5.0, 1.0])).tolist()
        [0.0, 3.0, 2.0, 0.0]

    Source: Kechris et al. (2024), Sections III and V-A. Derived in :doc:`/book/spectrum/networks`. The authors' script
    has ``depth = 2`` and multiplies each difference by the sample rate; for a positive c, ``ReLU(c x) = c ReLU(x)``, so
    that is a factor ``sample_rate ** depth`` of the output.
    """
    return _network([1.0, -1.0], check_count("depth", depth, least=0, most=_MOST_LAYERS))


def moving_average_network(kernel_size: int, depth: int) -> nn.Sequential:
    """A network that takes the mean of the last few samples before every ReLU but the first.

    ``y_0 = ReLU(x)`` and ``y_l[n] = ReLU(mean of y_{l-1}[n - kernel_size + 1], ..., y_{l-1}[n])`` for
    ``l = 1, ..., depth``, on periodic signals of shape (..., time). ``net[: 1 + 2 * l]`` is the network up to ``y_l``.
    Nothing in it is trained. Every ReLU but the first is the identity, and the mean over time is kept.

    Args:
        kernel_size: samples in each mean, from 1 to 1,000,000.
        depth: number of moving averages, from 0 to 10,000.

    Returns:
        An ``nn.Sequential`` of ReLUs with a :class:`FixedFilter` between each two.

    Raises:
        TypeError: ``kernel_size`` or ``depth`` is not an integer.
        ValueError: ``kernel_size`` or ``depth`` is out of its range; in the forward pass, the signal has fewer
            than ``kernel_size`` samples.

    Example:
        >>> moving_average_network(2, depth=1)(torch.tensor([0.0, 4.0, 2.0, 0.0])).tolist()
        [0.0, 2.0, 3.0, 1.0]

    Source: Kechris et al. (2024), Sections III and V-A. Derived in :doc:`/book/spectrum/networks`. The authors' script
    has ``kernel_size = 9`` and ``depth = 5``, and cuts ``kernel_size - 1`` samples at every layer where this one lets
    the signal repeat.
    """
    size = check_count("kernel_size", kernel_size, most=_MOST_TAPS)
    return _network([1 / size] * size, check_count("depth", depth, least=0, most=_MOST_LAYERS))


def _network(taps: list[float], depth: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ReLU()]
    for _ in range(depth):
        layers += [FixedFilter(taps), nn.ReLU()]
    return nn.Sequential(*layers)
