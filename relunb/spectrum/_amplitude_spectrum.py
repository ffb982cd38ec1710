"""A spectrum whose heights are amplitudes."""

import torch
from torch import Tensor

from .._checks import Numbers, check_flag, check_positive, check_real
from .._scaling import power_of_two


def amplitude_spectrum(signal: Numbers, sample_rate: float, *, complex: bool = False) -> tuple[Tensor, Tensor]:
    """One-sided amplitude spectrum of a periodic signal, calibrated.

    A tone ``a cos(2 pi f t + phase)`` with a whole number of periods in the signal reads a at f; a constant c reads
    ``|c|`` at 0, and not twice itself. So does the highest frequency of an even number of samples, where a tone and its
    mirror image fall on one bin.

    Args:
        signal: shape (..., time), float64 or float32; lists are taken as float64.
        sample_rate: samples a second, positive.
        complex: give ``a e^(i phase)`` instead of a: the angle is the phase of the cosine, in radians.

    Returns:
        ``(frequencies, amplitudes)`` of shapes (time // 2 + 1,) in Hz and (..., time // 2 + 1). Frequency k is
        ``k sample_rate / time``. With ``complex=True`` amplitudes are complex, and a constant keeps its sign.

    Raises:
        TypeError: ``signal`` or ``sample_rate`` is not real.
        ValueError: ``signal`` is a single number, empty or not finite, or ``sample_rate`` is not positive and finite.

    Example:
        >>> frequencies, amplitudes = amplitude_spectrum([3.0, 1.0, -1.0, 1.0], sample_rate=8)
        >>> frequencies.tolist(), amplitudes.tolist()
        ([0.0, 2.0, 4.0], [1.0, 2.0, 0.0])

    Used in :doc:`/book/spectrum/power-series` and every chapter after it.
    """
    signal = check_real("signal", signal)
    if signal.ndim == 0:
        raise ValueError("signal must have a last dimension of time; got a single number.")
    rate, complex = check_positive("sample_rate", sample_rate), check_flag("complex", complex)
    length = signal.shape[-1]
    frequencies = torch.arange(length // 2 + 1, dtype=torch.float64, device=signal.device) * (rate / length)
    share = torch.full_like(frequencies, 2 / length)
    share[0] = 1 / length
    if length % 2 == 0:
        share[-1] = 1 / length
    unit = power_of_two(signal, -1)
    spectrum = torch.fft.rfft(signal / unit) * share.to(signal.dtype)
    if not complex:
        silent = spectrum.detach() == 0  # the slope of a size at zero is 0 here
        spectrum = torch.where(silent, 0.0, torch.where(silent, 1.0, spectrum).abs())
    return frequencies.to(signal.dtype), spectrum * unit
