"""Many repetitions, trained as one batch."""

import pytest
import torch
import torch.nn.functional as F

from relunb.spectrum import ToneClassifier, class_constant, tone_classes, train_ensemble

SIZES = {"n_filters": 4, "n_hidden": 8}


def repetitions(count, activation="relu"):
    data = [tone_classes(20, n_samples=32, generator=torch.Generator().manual_seed(r)) for r in range(count)]
    signals = torch.stack([d.signals + class_constant(d.labels)[:, None] for d in data])
    networks = [ToneClassifier(activation, generator=torch.Generator().manual_seed(r), **SIZES) for r in range(count)]
    return networks, signals, torch.stack([d.labels for d in data])


def test_a_batch_of_one_is_a_plain_training_loop():
    """The loop below spells out Adam as Keras has it. In float64: Adam's first steps make rounding large."""
    (network,), signals, labels = repetitions(1)
    network, signals = network.double(), signals.double()
    loop = ToneClassifier("relu", **SIZES).double()
    loop.load_state_dict(network.state_dict())
    history = train_ensemble([network], signals, labels, seeds=[5], epochs=3, batch_size=16, learning_rate=1e-2)
    moments = {name: [torch.zeros_like(w), torch.zeros_like(w)] for name, w in loop.named_parameters()}
    generator, step = torch.Generator().manual_seed(5), 0
    for epoch in range(3):
        total = right = 0.0
        for chosen in torch.randperm(60, generator=generator).split(16):
            step += 1
            logits = loop(signals[0, chosen])
            loss = F.cross_entropy(logits, labels[0, chosen])
            loop.zero_grad()
            loss.backward()
            with torch.no_grad():
                for name, w in loop.named_parameters():
                    m, v = moments[name]
                    m.copy_(0.9 * m + 0.1 * w.grad)
                    v.copy_(0.999 * v + 0.001 * w.grad**2)
                    w -= 1e-2 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step) * m / (v.sqrt() + 1e-7)
            total += loss.item() * len(chosen)
            right += (logits.argmax(-1) == labels[0, chosen]).sum().item()
        assert history.loss[0, epoch].item() == pytest.approx(total / 60, rel=1e-6)
        assert history.accuracy[0, epoch].item() == pytest.approx(right / 60, abs=1e-6)
        for name in ("first", "second"):
            moved = (getattr(loop, name) - getattr(network, name)).norm().item()
            assert history.distances[name][0, epoch].item() == pytest.approx(moved, rel=1e-6)


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_a_repetition_is_the_same_in_any_company(activation):
    networks, signals, labels = repetitions(3, activation)
    together = train_ensemble(networks, signals, labels, seeds=range(3), epochs=4)
    alone = train_ensemble(networks[2:], signals[2:], labels[2:], seeds=[2], epochs=4)
    assert torch.allclose(together.loss[2:], alone.loss, rtol=1e-4)
    assert torch.allclose(together.distances["second"][2:], alone.distances["second"], rtol=1e-3)
    assert not torch.allclose(together.loss[0], together.loss[2], rtol=1e-2)


def test_training_learns_and_leaves_the_networks_alone():
    networks, signals, labels = repetitions(2)
    before = [value.clone() for net in networks for value in net.parameters()]
    ticks = []
    options = {"epochs": 30, "batch_size": 8, "learning_rate": 1e-2, "after_epoch": lambda: ticks.append(1)}
    history = train_ensemble(networks, signals, labels, seeds=range(2), **options)
    assert history.loss.shape == (2, 30) and history.loss[:, -1].max() < 0.2 * history.loss[:, 0].min()
    assert history.accuracy[:, -1].min() > 0.95
    assert len(ticks) == 30
    after = [value for net in networks for value in net.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_network_at_its_start_is_at_distance_zero():
    networks, signals, labels = repetitions(1)
    still = train_ensemble(networks, signals, labels, seeds=[0], epochs=1, learning_rate=0.0)
    assert still.distances["first"].item() == 0


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"networks": []}, ValueError, "networks is empty"),
        ({"seeds": [1]}, ValueError, "2 networks, 2 signals, 2 labels and 1 seeds"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1"),
        ({"watch": ["third"]}, ValueError, "'third'; the parameters are first, second"),
        ({"labels": torch.zeros(2, 7, dtype=torch.long)}, ValueError, "shape of signals without time"),
    ],
)
def test_a_mistake_gets_a_sentence(change, error, words):
    networks, signals, labels = repetitions(2)
    arguments = {"networks": networks, "signals": signals, "labels": labels, "seeds": range(2), **change}
    with pytest.raises(error, match=words):
        train_ensemble(**arguments)


@pytest.mark.parametrize("other", [ToneClassifier("linear", **SIZES), ToneClassifier(**{**SIZES, "n_hidden": 9})])
def test_networks_that_are_not_alike_are_refused(other):
    """All are computed as the first one is: a linear one would silently get its ReLUs."""
    networks, signals, labels = repetitions(2)
    with pytest.raises(ValueError, match=r"alike.*networks\[1\] differs"):
        train_ensemble([networks[0], other], signals, labels, seeds=range(2))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be finite"),
        ({"learning_rate": -1.0}, ValueError, "not negative; got -1"),
        ({"learning_rate": "1"}, TypeError, "learning_rate must be a number"),
        ({"signals": torch.full((2, 60, 32), float("nan"))}, ValueError, "signals has 3840 non-finite"),
        ({"signals": torch.zeros(2, 60, 32, dtype=torch.float64)}, ValueError, "use signals.to"),
        ({"signals": torch.zeros(2, 60)}, ValueError, "repetitions, samples, time"),
        ({"signals": [[1.0]]}, TypeError, "floating-point tensor"),
        ({"labels": torch.zeros(2, 60)}, TypeError, "labels must be an int64 tensor"),
        ({"labels": torch.full((2, 60), 3)}, ValueError, r"0\.\.2, one output for each class; got 3"),
        ({"labels": torch.full((2, 60), -1)}, ValueError, "got -1"),
        ({"seeds": [0.5, 1]}, TypeError, "each seed must be an integer"),
        ({"seeds": [2**70, 1]}, ValueError, "each seed must be at most"),
        ({"networks": [1, 2]}, TypeError, "must be a torch.nn.Module; got int"),
    ],
)
def test_what_would_train_into_nothing_is_refused_before_it_starts(change, error, words):
    networks, signals, labels = repetitions(2)
    arguments = {"networks": networks, "signals": signals, "labels": labels, "seeds": range(2), **change}
    with pytest.raises(error, match=words):
        train_ensemble(**arguments)
