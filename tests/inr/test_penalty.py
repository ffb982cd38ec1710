"""What a user adds to the loss, and a learning rate that rises first."""

import math

import pytest
import torch

from relunb.inr import CoordinateNetwork, CTProblem, ImageProblem, fit, pixel_grid
from relunb.inr._run import Run
from relunb.wavelet import deep_variation_norm
from tests.inr.small import PHOTO

STEP = Run.step
FINER = pixel_grid(40, 40, torch.float64)


def network(activation="bw_relu", seed=0, **options):
    torch.manual_seed(seed)
    return CoordinateNetwork(2, hidden_features=12, hidden_layers=2, activation=activation, **options).double()


def run(net, problem, **options):
    return fit(net, problem, **{"steps": 30, "lr": 5e-3, "progress": False, **options})


def image():
    return ImageProblem(PHOTO.double())


def scan():
    return CTProblem.from_image(PHOTO.double(), torch.arange(6) * 30.0)


def variation(net):
    return 1e-4 * deep_variation_norm(net)


def decay(net):
    return 1e-2 * sum(weight.square().sum() for weight in net.parameters())


def total_variation(net):
    picture = net(FINER).reshape(40, 40)
    return picture.diff(dim=0).abs().mean() + picture.diff(dim=1).abs().mean()


PENALTIES = {"variation norm": variation, "weight decay": decay, "total variation": total_variation}


@pytest.mark.parametrize("way", [{}, {"fused": False}, {"fused": False, "block": 100}])
@pytest.mark.parametrize("problem", [image, scan])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_it_is_the_loop_that_one_would_write(penalty, problem, way):
    what, net, same = problem(), network(), network()
    optimizer, losses = torch.optim.Adam(same.parameters()), []
    for t in range(10):
        optimizer.zero_grad()
        loss = what.loss(same(what.coordinates)) + PENALTIES[penalty](same)
        losses.append(loss.item())
        loss.backward()
        optimizer.param_groups[0]["lr"] = 5e-3 * 0.1 ** (t / 10)
        optimizer.step()
    losses.append((what.loss(what.values(same)) + PENALTIES[penalty](same)).item())
    history = run(net, what, steps=10, penalty=PENALTIES[penalty], **way)
    assert history.route == ("autograd" if way else "fused")
    assert history.loss == pytest.approx(losses, rel=1e-8)
    assert history.psnr[-1] == pytest.approx(what.psnr(what.values(same)), rel=1e-6), "PSNR knows no penalty"


@pytest.mark.parametrize("penalty", PENALTIES)
def test_it_makes_small_what_it_measures(penalty):
    measured = PENALTIES[penalty]
    nets = [network(), network()]
    run(nets[0], image(), steps=100)
    run(nets[1], image(), steps=100, penalty=measured)
    assert measured(nets[1]) < 0.8 * measured(nets[0])


def test_with_batches_and_points_held_out_it_is_in_every_step_and_at_the_end():
    what = image()
    plain, penalised = (
        run(network("siren"), what, steps=3, batch=50, holdout=0.1, lr=1e-12, penalty=penalty)
        for penalty in (None, lambda net: 0 * decay(net) + 7)
    )
    assert penalised.loss == pytest.approx([loss + 7 for loss in plain.loss])
    assert str(penalised.holdout) == str(plain.holdout)


def test_a_run_that_was_cut_goes_on_and_another_penalty_is_another_run(tmp_path, monkeypatch):
    weight = 1e-2

    def mine(net):
        return weight * net.layers[0].weight.square().sum()

    options = {"penalty": mine, "warmup": 20, "checkpoint": tmp_path / "run", "checkpoint_every": 7}
    whole = run(network(), image(), penalty=mine, warmup=20)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", lambda self: 1 / 0 if self.done == 17 else STEP(self))
        with pytest.raises(ZeroDivisionError):
            run(network(), image(), **options)
    assert run(network(), image(), **options).loss == whole.loss
    weight = 2e-2
    with pytest.raises(ValueError, match="of another run: the penalty is .*mine with the digest .* there and .*mine"):
        run(network(), image(), **options)
    weight = 1e-2
    with pytest.raises(ValueError, match="of another run: the penalty is .* there and absent here"):
        run(network(), image(), **{**options, "penalty": None})
    with pytest.raises(ValueError, match="of another run: warmup is 20 there and absent here"):
        run(network(), image(), **{**options, "warmup": 0})


def test_the_rate_rises_evenly_to_that_of_the_schedule(monkeypatch):
    rates = []

    def watched(self):
        STEP(self)
        rates.append(self.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(Run, "step", watched)
    run(network(), image(), steps=8, warmup=4, decay=0.5)
    expected = [5e-3 * 0.5 ** (t / 8) * min((t + 1) / 4, 1) for t in range(8)]
    assert rates == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"penalty": 0.1}, TypeError, "penalty must be a function of the network, like lambda network: ...; got 0.1"),
        ({"penalty": lambda net: 0.1}, TypeError, "penalty must make one number of the network.*it gave a float"),
        ({"penalty": lambda net: net.layers[0].weight}, TypeError, r"it gave a tensor of shape \(12, 2\)"),
        ({"penalty": lambda net: torch.tensor(1.0)}, TypeError, "it gave a number that does not depend on them"),
        (
            {"penalty": lambda net: math.inf * decay(net)},
            FloatingPointError,
            "before the first step: the penalty is not",
        ),
        ({"warmup": -1}, ValueError, "warmup must be at least 0; got -1"),
        ({"warmup": 31}, ValueError, "warmup must be at most 30; got 31"),
        ({"warmup": 0.5}, TypeError, "warmup must be an integer; got 0.5"),
    ],
)
def test_what_does_not_apply_gets_a_sentence(options, error, says):
    with pytest.raises(error, match=says):
        run(network(), image(), **options)
