"""Real inputs for chapters."""

from importlib.resources import files

import pytest
import torch

from relunb.book.data import PHOTOGRAPHS, phantom, photograph, photoplethysmogram


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_photograph_ships_and_is_gray_in_the_unit_interval(name):
    picture = photograph(name)
    assert picture.dim() == 2 and picture.dtype == torch.float32
    assert 0 <= picture.min() < 0.2 and 0.7 < picture.max() <= 1


def test_a_window_is_that_part():
    whole = photograph("chelsea")
    assert torch.equal(photograph("chelsea", window=(70, 120, 96)), whole[70:166, 120:216])


def test_a_shrunk_picture_has_the_means_of_its_blocks():
    whole, small = photograph("camera"), photograph("camera", shrink=4)
    assert small.shape == (128, 128)
    assert small[3, 5].item() == pytest.approx(whole[12:16, 20:24].mean().item(), rel=1e-6)
    torch.testing.assert_close(phantom(100)[50, 40], phantom()[200:204, 160:164].mean())
    assert phantom().shape == (400, 400) and phantom().max() == 1 and phantom().min() == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: photograph("cat"), "'astronaut', 'camera', 'chelsea'.*got 'cat'"),
        (lambda: photograph("chelsea", window=(290, 0, 96)), "leaves the picture, which has 300 x 451"),
        (lambda: photograph("chelsea", window=(0, 0, 0)), "the side of window must be at least 1"),
        (lambda: photograph("camera", shrink=3), "common divisor of the sides, 512 x 512; got 3"),
        (lambda: phantom(300), "side must be a divisor of 400; got 300"),
        (lambda: phantom(10**5000), "side must be a divisor of 400; got an integer of"),
        (lambda: photograph(["camera"]), "got \\['camera'\\]"),
        (lambda: photograph("camera", window=(0, 0)), r"three integers, \(top, left, side\); got \(0, 0\)"),
        (lambda: photograph("camera", window=3), "three integers"),
        (lambda: photograph("camera", window=(-1, 0, 5)), "the top of window must be at least 0; got -1"),
        (lambda: photograph("camera", shrink=0), "shrink must be at least 1"),
    ],
)
def test_a_mistake_gets_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_pulse_is_as_recorded_unless_a_rate_is_asked_for():
    signal, rate = photoplethysmogram()
    assert signal.shape == (68476,) and signal.dtype == torch.float32
    assert signal[:2].tolist() == [326, 327] and signal[-2:].tolist() == [482, 496]
    assert signal.min() == 0 and signal.max() == 978
    assert rate == pytest.approx(68475 / 681.898, rel=1e-9)


def test_resampling_keeps_every_line_below_both_nyquist_frequencies():
    recorded, rate = photoplethysmogram()
    for wanted in (32, 250):
        signal, new_rate = photoplethysmogram(wanted)
        assert new_rate == wanted and len(signal) == round(681.908 * wanted)
        assert signal.mean().item() == pytest.approx(recorded.mean().item(), abs=0.1)
        # Pulse and breath, up to 15 Hz, at the same instants: compared at samples of the slower signal.
        band = torch.fft.rfft(recorded.double())
        band[int(15 * len(recorded) / rate) :] = 0
        cut = torch.fft.rfft(signal.double())
        cut[int(15 * len(signal) / wanted) :] = 0
        one, other = torch.fft.irfft(band, len(recorded)), torch.fft.irfft(cut, len(signal))
        at = torch.arange(1000, len(signal) - 1000, 997).double() * len(recorded) / len(signal)
        left = at.long()
        between = one[left] + (at - left) * (one[left + 1] - one[left])
        assert (between - other[1000:-1000:997]).abs().max() < 8  # of 978 counts: the chord of a peak


def test_a_part_of_the_recording_is_that_part():
    whole, rate = photoplethysmogram(32)
    part, part_rate = photoplethysmogram(32, seconds=(240, 248))
    assert part_rate == rate and torch.equal(part, whole[7680:7936])
    part[:] = 0
    assert photoplethysmogram(32)[0].std() > 100, "a caller's changes stay the caller's"


def test_the_licence_of_the_pulse_lies_beside_it():
    folder = files("relunb.book.data")
    notice = (folder / "heartpy-LICENSE.txt").read_text(encoding="utf8")
    assert "MIT License" in notice and "Paul van Gent" in notice and "heartpy-data3.npz" in notice
    assert (folder / "heartpy-data3.npz").is_file()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: photoplethysmogram(0), ValueError, "from 1 to 1000.*got 0"),
        (lambda: photoplethysmogram(float("nan")), ValueError, "sample_rate must be finite"),
        (lambda: photoplethysmogram("fast"), TypeError, "sample_rate must be given in numbers.*'fast'"),
        (lambda: photoplethysmogram(seconds=(600, 700)), ValueError, r"part of 0 to 681\.9"),
        (lambda: photoplethysmogram(seconds=(8, 8)), ValueError, "start before stop"),
        (lambda: photoplethysmogram(seconds=8), ValueError, r"two numbers, \(start, stop\); got 8"),
        (lambda: photoplethysmogram(seconds=(8, 9, 10)), ValueError, "two numbers"),
        (lambda: photoplethysmogram(seconds=(8, 8.001)), ValueError, "shorter than a sample"),
        (lambda: photoplethysmogram("32"), TypeError, "sample_rate must be given in numbers.*'32'"),
        (lambda: photoplethysmogram(10**400), ValueError, "sample_rate is 1000"),
        (lambda: photograph("camera", window=(0, 0, 2.5)), TypeError, "the side of window must be an integer"),
        (lambda: photoplethysmogram(seconds=(None, 8)), TypeError, "seconds must be given in numbers"),
    ],
)
def test_a_mistake_about_the_pulse_gets_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
