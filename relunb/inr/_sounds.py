"""Sounds from WAV files and back: in [-1, 1], with all their channels."""

import io
import wave
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .._checks import check_count, check_finite, check_known
from ._data import floating
from ._files import checked_path, checked_target, part_of, put


def read_sound(file: str | Path) -> tuple[Tensor, int]:
    """A sound from a WAV file, as :class:`relunb.inr.AudioProblem` takes it.

    Integers are divided by the largest of their width: 32768 for 16 bits. Files of 8, 16, 24 and 32 bits are read.

    Args:
        file: a WAV file of integers, as most are.

    Returns:
        (time,) for one channel, else (time, channels), float32 in [-1, 1]; and the samples a second.

    Raises:
        OSError: the file is not there.
        TypeError: ``file`` is not a path.
        ValueError: it is no such file.

    Example:
        >>> import tempfile
        >>> file = tempfile.mkdtemp() + "/two.wav"
        >>> write_sound(file, torch.tensor([[0.0, 0.5], [-1.0, 0.25]]), 8000)
        >>> samples, rate = read_sound(file)
        >>> samples.tolist(), rate
        ([[0.0, 0.5], [-1.0, 0.25]], 8000)

    See :doc:`/book/inr/spectral-bias`.
    """
    path = checked_path("file", file)
    try:
        with wave.open(str(path), "rb") as opened:
            channels, width, rate = opened.getnchannels(), opened.getsampwidth(), opened.getframerate()
            data = opened.readframes(opened.getnframes())
    except (wave.Error, EOFError) as error:
        told = f" ({error})" if str(error) else ""  # a file that ends too early has no words
        raise ValueError(f"{path} is no WAV file of integers{told}: read it as an array in [-1, 1].") from None
    if width == 1:  # without a sign, about 128
        whole = np.frombuffer(data, np.uint8).astype(np.int32) - 128
    elif width == 3:  # a byte of zeros below makes 32 bits of 24
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data[: len(data) // 3 * 3], np.uint8).reshape(-1, 3)
        whole, width = wide.view("<i4").ravel(), 4
    elif width in (2, 4):
        whole = np.frombuffer(data[: len(data) // width * width], f"<i{width}")
    else:
        raise ValueError(f"{path} has {8 * width} bits a sample, and 8, 16, 24 and 32 are read.")
    samples = torch.from_numpy((whole / 2 ** (8 * width - 1)).astype(np.float32))
    samples = samples[: len(samples) // channels * channels]
    return (samples if channels == 1 else samples.reshape(-1, channels)), rate


def write_sound(file: str | Path, samples: Tensor | np.ndarray, rate: int) -> None:
    """Write a sound to a WAV file, 16 bits a sample; what lies outside [-1, 1] is clipped.

    Args:
        file: where to.
        samples: (time,) or (time, channels), floating point, in [-1, 1].
        rate: samples a second.

    Raises:
        OSError: the file cannot be written.
        TypeError: ``samples`` is not a floating-point tensor or array, ``rate`` no integer, or ``file`` not a path.
        ValueError: the samples have another shape or are not finite, or the folder of ``file`` does not exist.

    Example:
        >>> import tempfile
        >>> write_sound(tempfile.mkdtemp() + "/a.wav", torch.linspace(0, 500, 8000).sin(), 8000)

    See :doc:`/book/inr/spectral-bias`.
    """
    sound = floating("samples", samples, half=True, sound=True).detach().double()
    check_known(samples=sound)
    rate, path, data = check_count("rate", rate), checked_target("file", file), io.BytesIO()
    if sound.ndim == 2 and 0 < len(sound) < sound.shape[1]:
        raise ValueError(f"samples must be (time, channels); got {tuple(sound.shape)}. Use samples.T.")
    if sound.ndim not in (1, 2) or not sound.numel():
        raise ValueError(f"samples must be (time,) or (time, channels); got {tuple(sound.shape)}.")
    check_finite("samples", sound)
    whole = (sound.cpu() * 32768).round().clamp(-32768, 32767).numpy().astype("<i2")
    with wave.open(data, "wb") as out:
        out.setnchannels(1 if sound.ndim == 1 else sound.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(whole.tobytes())
    put(data.getvalue(), path, part_of(path))
