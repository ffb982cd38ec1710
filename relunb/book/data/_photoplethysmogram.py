"""A pulse recorded with light, eleven minutes of it, which ships with this package."""

import math
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor

from ..._checks import check_single, shown


def photoplethysmogram(
    sample_rate: float | None = None, *, seconds: tuple[float, float] | None = None
) -> tuple[Tensor, float]:
    """A person's pulse as an optical sensor saw it: eleven minutes, 84 to 107 beats a minute over 8 s.

    The whole recording, nothing cleaned: until about 130 s the strongest beats are clipped at the sensor's upper
    limit, and some ten times the person moved.

    Args:
        sample_rate: samples a second to return, by the sampling theorem: the spectrum is cut or continued with zeros.
            Default: as recorded.
        seconds: ``(start, stop)``, a part of it. Default: the whole.

    Returns:
        ``(signal, sample_rate)``: a float32 tensor (time,) in counts of the sensor, 0 to 978, and the samples a second,
        100.418 as recorded. The recording's clock is known to 3 parts in 10,000.

    Raises:
        TypeError: ``sample_rate`` or a bound of ``seconds`` is not a number.
        ValueError: ``sample_rate`` is not at least 1 and at most 1000, or ``seconds`` is not a part of the recording,
            of a sample at least.

    Example:
        >>> signal, rate = photoplethysmogram(32, seconds=(240, 248))
        >>> signal.shape, rate
        (torch.Size([256]), 32.0)

    Source: the example file data3.csv of HeartPy 1.2.7 by Paul van Gent, MIT License; the notice stands beside the file
    in ``relunb/book/data``. Used in :doc:`/book/spectrum/heart-rate`.
    """
    with np.load(str(files("relunb.book.data") / "heartpy-data3.npz")) as stored:
        counts, rate = stored["counts"].astype(np.float64), float(stored["sample_rate"])
    length = len(counts) / rate
    if sample_rate is not None:
        wanted = _number("sample_rate", sample_rate)
        if not 1 <= wanted <= 1000:
            raise ValueError(f"sample_rate must be from 1 to 1000 samples a second; got {wanted:g}.")
        counts, rate = _resampled(counts, round(length * wanted)), wanted
    signal = torch.from_numpy(counts.astype(np.float32))
    if seconds is None:
        return signal, rate
    try:
        first, last = seconds
    except (TypeError, ValueError) as error:
        raise ValueError(f"seconds must be two numbers, (start, stop); got {shown(seconds)}.") from error
    start, stop = _number("seconds", first), _number("seconds", last)
    if not 0 <= start < stop <= length:
        raise ValueError(f"seconds must be a part of 0 to {length:.1f}, start before stop; got ({start:g}, {stop:g}).")
    part = signal[round(start * rate) : round(stop * rate)].clone()
    if not len(part):
        raise ValueError(f"seconds ({start:g}, {stop:g}) is shorter than a sample, 1/{rate:g} s.")
    return part, rate


def _number(name: str, value: float) -> float:
    try:
        number = check_single(name, value)
    except TypeError:
        raise TypeError(f"{name} must be given in numbers; got {shown(value)}.") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number}.")
    return number


def _resampled(signal: np.ndarray, length: int) -> np.ndarray:
    """Band-limited to ``length`` samples. A straight line carries the ends, which the transform joins."""
    old, new = np.arange(len(signal)) / len(signal), np.arange(length) / length
    slope = signal[-1] - signal[0]
    spectrum = np.fft.rfft(signal - slope * old)
    kept = np.zeros(length // 2 + 1, dtype=complex)
    shared = min(len(kept), len(spectrum)) - 1  # the highest line of the shorter one is shared by two: left out
    kept[:shared] = spectrum[:shared]
    return np.fft.irfft(kept, length) * (length / len(signal)) + slope * new
