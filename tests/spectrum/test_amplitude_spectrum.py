"""A calibrated spectrum: a tone reads its amplitude, a constant reads itself."""

import math

import pytest
import torch

from relunb.spectrum import amplitude_spectrum


@pytest.mark.parametrize("length", [64, 65])
def test_a_tone_reads_its_amplitude_and_a_constant_itself(length):
    t = torch.arange(length, dtype=torch.float64) / length
    signal = -0.7 + 1.5 * torch.cos(2 * math.pi * 5 * t + 0.3)
    frequencies, amplitudes = amplitude_spectrum(torch.stack([signal, 2 * signal]), 256.0)
    assert frequencies[5].item() == 5 * 256.0 / length
    expected = torch.zeros(length // 2 + 1, dtype=torch.float64)
    expected[0], expected[5] = 0.7, 1.5
    torch.testing.assert_close(amplitudes, torch.stack([expected, 2 * expected]), rtol=0, atol=1e-14)


def test_the_highest_frequency_of_an_even_length_reads_itself():
    signal = torch.tensor([1.0, -1.0] * 8, dtype=torch.float64)
    frequencies, amplitudes = amplitude_spectrum(signal, 16)
    assert frequencies[-1] == 8 and amplitudes[-1].item() == pytest.approx(1.0)


def test_frequencies_are_whole_where_they_should_be():
    frequencies, _ = amplitude_spectrum(torch.zeros(8192, dtype=torch.float64), 1024)
    assert frequencies[8 * 40].item() == 40.0 and frequencies[1].item() == 0.125


def test_power_is_that_of_the_signal():
    signal = torch.randn(3, 101, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    _, amplitudes = amplitude_spectrum(signal, 1.0)
    power = amplitudes[:, 0] ** 2 + amplitudes[:, 1:].square().sum(-1) / 2
    torch.testing.assert_close(power, signal.square().mean(-1))


def test_bad_input_is_refused_with_a_reason():
    for rate in (0, -1.0):
        with pytest.raises(ValueError, match="sample_rate must be positive"):
            amplitude_spectrum(torch.ones(4), rate)
    with pytest.raises(ValueError, match="sample_rate must be positive and finite; got nan"):
        amplitude_spectrum(torch.ones(4), math.nan)
    with pytest.raises(ValueError, match="last dimension of time"):
        amplitude_spectrum(torch.tensor(1.0), 1)
    with pytest.raises(ValueError, match="signal is empty"):
        amplitude_spectrum(torch.zeros(3, 0), 1)
    with pytest.raises(ValueError, match="signal has 1 non-finite value"):
        amplitude_spectrum([1.0, math.inf], 1)


def test_complex_amplitudes_have_the_phases_of_the_cosines():
    for length in (64, 65):
        t = torch.arange(length, dtype=torch.float64) * (2 * math.pi / length)
        signal = -0.7 + 1.5 * torch.cos(5 * t + 0.3) + 2 * torch.cos(9 * t - 2.0)
        _, amplitudes = amplitude_spectrum(signal, 1.0, complex=True)
        assert amplitudes[0].real.item() == pytest.approx(-0.7) and abs(amplitudes[0].imag) < 1e-15
        assert amplitudes[[5, 9]].abs().tolist() == pytest.approx([1.5, 2.0])
        assert amplitudes[[5, 9]].angle().tolist() == pytest.approx([0.3, -2.0])
        assert torch.equal(amplitudes.abs(), amplitude_spectrum(signal, 1.0)[1])


@pytest.mark.parametrize("exponent", [-1060, -500, 5, 500, 1021])
def test_a_power_of_two_scales_every_digit(exponent):
    signal = torch.randint(-3, 4, (3, 10), generator=torch.Generator().manual_seed(0)).double() / 4
    scaled = amplitude_spectrum(signal * 2.0**exponent, 1.0)[1]
    assert torch.equal(scaled, amplitude_spectrum(signal, 1.0)[1] * 2.0**exponent)


def test_a_loud_float32_signal_has_no_nan_and_a_silent_one_no_slope():
    assert amplitude_spectrum(torch.full((8,), 1e38), 1.0)[1].tolist() == pytest.approx([1e38, 0, 0, 0, 0], rel=1e-6)
    x = torch.zeros(8, requires_grad=True)
    assert torch.autograd.grad(amplitude_spectrum(x, 1.0)[1].sum(), x)[0].tolist() == [0.0] * 8


def test_a_rate_is_one_number():
    with pytest.raises(TypeError, match=r"sample_rate must be a number; got \[1, 2\]"):
        amplitude_spectrum(torch.ones(4), [1, 2])
