"""Points that are kept out of training: which, what the history says of them, when they end a run, what they choose."""

import math

import pytest
import torch

from relunb.inr import CoordinateNetwork, CTProblem, ImageProblem, choose_scale, fit
from relunb.inr._run import Run
from tests.inr.small import MASK, PHOTO, POINTS, network
from tests.tolerance import DEVICES

STEP = Run.step


def run(net, problem, **options):
    return fit(net, problem, **{"steps": 30, "lr": 5e-3, "holdout": 0.1, "progress": False, **options})


def sides(among):
    """Points that are trained on, and those that are not: of the ones that count, by a fixed seed."""
    order = torch.randperm(len(among), generator=torch.Generator().manual_seed(0))
    held = round(0.1 * len(among))
    return among[order[held:]].sort().values, among[order[:held]].sort().values


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("known", [None, MASK])
def test_it_is_a_run_on_the_other_points_alone(fused, known, device):
    what = ImageProblem(PHOTO.double(), known).to(device)
    among = torch.arange(POINTS) if known is None else known.flatten().nonzero().flatten()
    trained, held = (side.to(device) for side in sides(among))
    seen = torch.zeros(POINTS, dtype=torch.bool, device=device).index_fill(0, trained, True).reshape(24, 24)
    nets = [network(octaves=1).to(device).double() for _ in range(2)]
    history, alone = (
        run(nets[0], what, fused=fused),
        run(nets[1], ImageProblem(PHOTO.to(device).double(), seen), holdout=None),
    )
    assert history.loss == pytest.approx(alone.loss, rel=1e-8)
    for net, psnr, points in ((nets[0], history.psnr[-1], trained), (nets[0], history.holdout[-1], held)):
        error = (what.values(net)[points] - what.target[points]).square().mean()
        assert psnr == pytest.approx(what.decibels(error.item()), rel=1e-9)
    assert len(history.holdout) == len(history.loss) and alone.holdout == []


def test_it_is_looked_at_after_every_hundredth_of_the_steps():
    history = run(network(), ImageProblem(PHOTO), steps=250)
    looked = [t for t, decibels in enumerate(history.holdout) if not math.isnan(decibels)]
    assert looked == [*range(0, 250, 3), 250]


def test_a_batch_is_drawn_from_the_points_that_are_not_held_out(monkeypatch):
    seen = []
    step = torch.nn.Linear.forward
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: (seen.append(x), step(self, x))[1])
    what = ImageProblem(PHOTO)
    history = run(network("wire"), what, batch=50, steps=40)
    _, held = sides(torch.arange(POINTS))
    drawn = torch.cat([x for x in seen if x.shape == (50, 2)])
    assert len(drawn) == 40 * 50 and not (drawn[:, None] == what.coordinates[held]).all(-1).any()
    assert sum(not math.isnan(p) for p in history.psnr) == 11 and not math.isnan(history.holdout[-1])


@pytest.mark.parametrize("batch", [None, 100])
def test_a_run_that_was_cut_goes_on_with_the_same_numbers(batch, tmp_path, monkeypatch):
    what = ImageProblem(PHOTO)
    whole = run(network("wire"), what, batch=batch)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", lambda self: 1 / 0 if self.done == 17 else STEP(self))
        with pytest.raises(ZeroDivisionError):
            run(network("wire"), what, batch=batch, checkpoint=tmp_path / "run", checkpoint_every=5)
    resumed = run(network("wire"), what, batch=batch, checkpoint=tmp_path / "run")
    assert (resumed.loss, str(resumed.psnr)) == (whole.loss, str(whole.psnr)) and resumed.holdout == whole.holdout
    with pytest.raises(ValueError, match="is of another run: holdout is 0.1 there and 0.2 here"):
        run(network("wire"), what, batch=batch, holdout=0.2, checkpoint=tmp_path / "run")


@pytest.mark.parametrize("held", [lambda h: h[:2], lambda h: None, lambda h: ["high"] * len(h)])
def test_a_file_with_other_entries_is_refused(held, tmp_path):
    run(network(), ImageProblem(PHOTO), checkpoint=tmp_path / "run")
    state = torch.load(tmp_path / "run")
    torch.save({**state, "holdout": held(state["holdout"])}, tmp_path / "run")
    with pytest.raises(ValueError, match="is not a checkpoint of fit, or is damaged"):
        run(network(), ImageProblem(PHOTO), checkpoint=tmp_path / "run")


@pytest.mark.parametrize("batch", [None, 100])
def test_patience_ends_a_run_that_no_longer_learns_of_the_other_points(batch, tmp_path):
    """Noise: whatever is learned of one pixel says nothing of the next."""
    torch.manual_seed(3)
    what, options = ImageProblem(torch.rand(24, 24)), {"steps": 400, "lr": 1e-2, "batch": batch}
    unbroken = run(network("siren"), what, **options)
    history = run(network("siren"), what, **options, patience=40, checkpoint=tmp_path / "run")
    end = len(history.loss) - 1
    assert history.stopped and 40 <= end < 400 and not unbroken.stopped
    looks = [-math.inf if math.isnan(decibels) else decibels for decibels in unbroken.holdout]
    stale = [t - looks.index(max(looks[: t + 1])) for t in range(0, end + 1, 4)]
    assert stale[-1] >= 40 > max(stale[:-1]) and history.holdout == pytest.approx(
        unbroken.holdout[: end + 1], nan_ok=True
    )
    assert history.loss[:-1] == unbroken.loss[:end] and not math.isnan(history.psnr[-1])
    again = run(network("siren"), what, **options, patience=40, checkpoint=tmp_path / "run")
    assert (again.stopped, again.loss) == (True, history.loss)
    more = run(network("siren"), what, **options, checkpoint=tmp_path / "run")
    assert more.loss == unbroken.loss, "without patience it goes on, with the points of an unbroken run"


def test_training_psnr_says_nothing_of_the_points_between():
    """At a large scale the network follows each pixel that it knows, and not the one beside it."""
    torch.manual_seed(0)
    wild = run(make(20.0), ImageProblem(PHOTO), steps=300, lr=1e-2)
    assert wild.psnr[-1] > wild.holdout[-1] + 5


def make(scale):
    return CoordinateNetwork(2, hidden_features=32, hidden_layers=2, activation="gauss", scale=scale)


def test_a_scale_is_chosen_by_the_points_that_are_held_out():
    what = ImageProblem(PHOTO)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    found = choose_scale(what, [0.3, 5.0, 15.0], make, steps=300, lr=1e-2, progress=False)
    assert torch.equal(torch.rand(3), expected), "no number of torch's is taken"
    assert found.scale == 5.0 == max(found.psnr, key=lambda scale: found.psnr[scale])
    for scale, decibels in found.psnr.items():
        torch.manual_seed(0)
        assert run(make(scale), what, steps=300, lr=1e-2).holdout[-1] == decibels
    fitted = {scale: run(make(scale), what, steps=300, lr=1e-2).psnr[-1] for scale in found.psnr}
    assert fitted[15.0] > fitted[5.0], "which training PSNR would not have chosen"


def test_a_scale_that_overflows_is_not_chosen():
    what = ImageProblem(PHOTO)

    def overflowing(scale):
        net = make(1.0)
        if scale == 2.0:
            net.layers[0].weight.data.fill_(math.inf)
        return net

    found = choose_scale(what, [1.0, 2.0], overflowing, steps=5, progress=False)
    assert found.scale == 1.0 and found.psnr[2.0] == -math.inf
    with pytest.raises(FloatingPointError, match="the loss of every scale overflowed: use smaller scales"):
        choose_scale(what, [2.0], overflowing, steps=5, progress=False)


def test_the_default_network_is_that_of_the_problem():
    what = ImageProblem(torch.stack([PHOTO.double()] * 3, -1))
    assert choose_scale(what, [3.0], steps=2, progress=False).scale == 3.0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: run(network(), ImageProblem(PHOTO), holdout=1.5), ValueError, "holdout is a share .*; got 1.5"),
        (lambda: run(network(), ImageProblem(PHOTO), holdout=0), ValueError, "holdout must be positive"),
        (lambda: run(network(), ImageProblem(PHOTO), holdout="ten"), TypeError, "holdout must be a number; got 'ten'"),
        (
            lambda: run(network(), ImageProblem(PHOTO), holdout=1e-6),
            ValueError,
            "holdout=1e-06 of 576 points leaves",
        ),
        (lambda: run(network(), ImageProblem(PHOTO), patience=0), ValueError, "patience must be at least 1; got 0"),
        (lambda: run(network(), ImageProblem(PHOTO), patience=9, holdout=None), ValueError, "patience looks at points"),
        (lambda: run(network(), ImageProblem(PHOTO), batch=518), ValueError, "batch must be below 518"),
        (
            lambda: run(network(), CTProblem.from_image(PHOTO, [0.0, 45.0])),
            ValueError,
            "holdout needs a loss that is a sum over points, and that of CTProblem is made of all values together.$",
        ),
        (lambda: choose_scale(PHOTO, [1.0]), TypeError, "problem must be a relunb.inr.Problem; got Tensor"),
        (lambda: choose_scale(ImageProblem(PHOTO), 3.0), TypeError, "scales must be a list of numbers; got 3.0"),
        (lambda: choose_scale(ImageProblem(PHOTO), []), ValueError, "scales must be a list of different numbers; got"),
        (lambda: choose_scale(ImageProblem(PHOTO), [1, 1]), ValueError, "scales must be a list of different numbers"),
        (lambda: choose_scale(ImageProblem(PHOTO), [-1]), ValueError, "a scale must be positive"),
        (lambda: choose_scale(ImageProblem(PHOTO), [1], network()), TypeError, "network must make one for each scale"),
        (lambda: choose_scale(ImageProblem(PHOTO), [1], lambda c: c), TypeError, "network must make a torch.nn.Module"),
        (lambda: choose_scale(ImageProblem(PHOTO), [1], checkpoint="a"), ValueError, "a search has no checkpoint"),
    ],
)
def test_what_does_not_apply_gets_a_sentence(call, error, says):
    with pytest.raises(error, match=says):
        call()
