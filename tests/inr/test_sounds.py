"""Sounds from WAV files: every width of integers, every number of channels, and what is no such file."""

import wave

import numpy as np
import pytest
import torch

from relunb.inr import AudioProblem, read_sound, write_sound


def written(file, width, data, channels=1, rate=8000):
    with wave.open(str(file), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(data)
    return file


@pytest.mark.parametrize(
    ("width", "data"),
    [
        (1, bytes([0, 64, 128, 192])),
        (2, np.array([-(2**15), -(2**14), 0, 2**14], "<i2").tobytes()),
        (3, bytes([0, 0, 0x80, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0x40])),
        (4, np.array([-(2**31), -(2**30), 0, 2**30], "<i4").tobytes()),
    ],
)
def test_integers_of_every_width_are_the_same_sound(width, data, tmp_path):
    samples, rate = read_sound(written(tmp_path / "a.wav", width, data))
    assert samples.tolist() == [-1.0, -0.5, 0.0, 0.5] and samples.dtype == torch.float32 and rate == 8000
    stereo, _ = read_sound(written(tmp_path / "b.wav", width, data, channels=2))
    assert stereo.tolist() == [[-1.0, -0.5], [0.0, 0.5]]


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_what_was_written_is_read_to_half_a_step_of_16_bits(channels, tmp_path):
    torch.manual_seed(0)
    sound = torch.rand(300, channels) * 1.9 - 0.95
    sound = sound[:, 0] if channels == 1 else sound
    write_sound(tmp_path / "a.wav", sound.numpy(), 44_100)
    samples, rate = read_sound(tmp_path / "a.wav")
    assert rate == 44_100 and samples.shape == sound.shape
    assert (samples - sound).abs().max() <= 0.5 / 32768 * (1 + 1e-3)
    assert AudioProblem(samples).out_features == channels


def test_what_is_too_loud_is_clipped(tmp_path):
    write_sound(tmp_path / "a.wav", torch.tensor([-3.0, 3.0]), 8000)
    assert read_sound(tmp_path / "a.wav")[0].tolist() == [-1.0, 32767 / 32768]


def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path):
    file = written(tmp_path / "a.wav", 2, np.arange(8, dtype="<i2").tobytes(), channels=2)
    file.write_bytes(file.read_bytes()[:-3])
    assert read_sound(file)[0].shape == (3, 2)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda d: read_sound(d / "none.wav"), FileNotFoundError, "none.wav"),
        (lambda d: read_sound(3), TypeError, "file must be a path"),
        (lambda d: read_sound(d / "text.wav"), ValueError, "text.wav is no WAV file of integers .*: read it as an arr"),
        (lambda d: read_sound(d / "empty.wav"), ValueError, "empty.wav is no WAV file of integers: read it"),
        (lambda d: write_sound(d / "a.wav", torch.zeros(3), 0), ValueError, "rate must be at least 1; got 0"),
        (lambda d: write_sound(d / "a.wav", torch.zeros(2, 9), 1), ValueError, r"got \(2, 9\). Use samples.T"),
        (lambda d: write_sound(d / "a.wav", torch.zeros(2, 2, 2), 1), ValueError, r"\(time,\) or \(time, channels\)"),
        (
            lambda d: write_sound(d / "a.wav", torch.tensor([torch.nan]), 1),
            ValueError,
            "samples has 1 non-finite value",
        ),
        (
            lambda d: write_sound(d / "a.wav", np.zeros(3, "int16"), 1),
            TypeError,
            r'samples.astype\("float32"\) / 32768',
        ),
        (lambda d: write_sound(d / "no" / "a.wav", torch.zeros(3), 1), ValueError, "no, does not exist: make it"),
    ],
)
def test_what_is_no_sound_gets_a_sentence(call, error, says, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").write_text("")
    with pytest.raises(error, match=says):
        call(tmp_path)
