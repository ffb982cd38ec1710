"""The data of Section V-C."""

import math

import pytest
import torch

from relunb.spectrum import class_constant, tone_classes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_sample_is_the_cosine_of_its_own_frequency():
    data = tone_classes(4, n_samples=50, sample_rate=25.0, generator=seeded())
    time = torch.arange(50, dtype=torch.float64) / 25
    exact = torch.cos(2 * math.pi * data.frequencies[:, None] * time)
    assert data.signals.dtype == torch.float32 and data.signals.shape == (12, 50)
    assert (data.signals.double() - exact).abs().max() <= 2**-24  # rounded once


def test_frequencies_scatter_around_their_class_by_the_jitter():
    data = tone_classes(4000, n_samples=2, jitter=0.1, generator=seeded())
    for label, mean in enumerate((3.0, 5.0, 10.0)):
        drawn = data.frequencies[data.labels == label]
        assert len(drawn) == 4000
        assert abs(drawn.mean().item() - mean) < 5 * 0.1 / 4000**0.5
        assert abs(drawn.std().item() - 0.1) < 5 * 0.1 / 8000**0.5


def test_without_jitter_a_class_holds_one_tone():
    data = tone_classes(3, jitter=0, frequencies=(1.0, 2.5), n_samples=8, generator=seeded())
    assert data.frequencies.tolist() == [1.0] * 3 + [2.5] * 3
    assert torch.equal(data.signals[0], data.signals[2])


def test_a_seed_gives_the_same_data_and_another_seed_other_data():
    first, again, other = (tone_classes(5, generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first.signals, again.signals)
    assert not torch.equal(first.signals, other.signals)


def test_the_papers_constant_is_the_label_in_other_units():
    labels = torch.tensor([[2, 0], [1, 1]])
    exact = math.sqrt(2) / 4 * torch.tensor([[19.0, 1.0], [5.0, 5.0]])
    assert torch.equal(class_constant(labels), exact)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"per_class": 0}, ValueError, "per_class must be at least 1"),
        ({"per_class": 2.5}, TypeError, "per_class must be an integer"),
        ({"n_samples": 0}, ValueError, "n_samples"),
        ({"sample_rate": 0.0}, ValueError, "positive and finite"),
        ({"sample_rate": [1, 2]}, TypeError, "sample_rate must be a number"),
        ({"frequencies": 3.0}, TypeError, "frequencies must be a flat list of numbers"),
        ({"sample_rate": math.nan}, ValueError, "sample_rate"),
        ({"jitter": -0.1}, ValueError, "not negative"),
        ({"jitter": math.inf}, ValueError, "finite"),
        ({"frequencies": ()}, ValueError, "empty"),
        ({"frequencies": (3.0, 16.0)}, ValueError, "half the sample rate, 16 Hz; got 16"),
        ({"frequencies": (math.nan,)}, ValueError, "got nan"),
    ],
)
def test_a_mistake_gets_a_sentence(arguments, error, words):
    with pytest.raises(error, match=words):
        tone_classes(**arguments)


def test_a_label_without_a_level_is_refused():
    with pytest.raises(ValueError, match="0..2"):
        class_constant(torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="0..2"):
        class_constant(torch.tensor([-1]))
    with pytest.raises(TypeError, match="whole numbers"):
        class_constant(torch.tensor([0.0]))
    assert class_constant(torch.tensor([], dtype=torch.long)).shape == (0,)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tone_classes(10**12), ValueError, "134,217,728 is the limit"),
        (lambda: tone_classes(4, n_samples=10**12), ValueError, "134,217,728 is the limit"),
        (lambda: tone_classes(2, jitter=1e308), ValueError, r"jitter is 1e\+308 Hz"),
        (lambda: tone_classes(2, generator=3), TypeError, "generator must be a torch.Generator; got 3"),
        (lambda: class_constant(torch.tensor([0]), [1e300]), ValueError, r"finite in float32; got 1e\+300"),
        (lambda: class_constant(torch.tensor([0]), [float("nan")]), ValueError, "finite in float32; got nan"),
        (lambda: class_constant(torch.tensor([0], device="meta")), ValueError, "no values"),
    ],
)
def test_what_would_be_nan_or_fill_the_memory_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
