"""Some points a step: which are drawn, what the history says of them, and a run that goes on."""

import math

import pytest
import torch

from relunb.inr import AudioProblem, CoordinateNetwork, CTProblem, ImageProblem, SuperResolutionProblem, fit
from relunb.inr._run import Run
from tests.inr.small import MASK, PHOTO, POINTS, network
from tests.tolerance import BLOCKS, DEVICES

STEP = Run.step


def run(net, problem, **options):
    return fit(net, problem, **{"steps": 30, "lr": 5e-3, "batch": 100, "progress": False, **options})


def drawn(seed, steps, among=POINTS):
    """The points of each step."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(among, (100,), generator=generator) for _ in range(steps)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fused", [None, False])
@pytest.mark.parametrize("known", [None, MASK])
def test_it_is_the_loop_that_one_would_write(fused, known, device):
    what = ImageProblem(PHOTO.double(), known).to(device)
    net, same = (network(octaves=1).to(device).double() for _ in range(2))
    among = torch.arange(POINTS) if known is None else known.flatten().nonzero().flatten()
    optimizer, losses, decibels = torch.optim.Adam(same.parameters()), [], []
    for t, index in enumerate(drawn(0, 30, len(among))):
        points = among[index].to(device)
        decibels.append(what.psnr(what.values(same)) if t % 3 == 0 else math.nan)
        loss = (same(what.coordinates[points]) - what.target[points]).square().mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = 5e-3 * 0.1 ** (t / 30)
        optimizer.step()
    values = what.values(same)
    history = run(net, what, fused=fused)
    assert history.batch == 100 and len(history.loss) == len(history.psnr) == 31
    assert history.loss == pytest.approx([*losses, what.loss(values).item()], rel=1e-8)
    assert history.psnr == pytest.approx([*decibels, what.psnr(values)], rel=1e-6, nan_ok=True)
    assert history.route == ("fused" if fused is None and device == "cpu" else "autograd")


def test_a_batch_goes_by_blocks_too():
    whole, parts = (run(network("wire"), ImageProblem(PHOTO), block=block) for block in (None, 30))
    assert (whole.block, parts.block) == (100, 30)
    assert parts.loss[:3] == pytest.approx(whole.loss[:3], rel=BLOCKS[torch.float32])


def test_torchs_seed_decides_which_points_are_drawn_and_no_number_of_its_own_is_taken():
    what, net = ImageProblem(PHOTO), network()
    start = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    def losses(seed):
        net.load_state_dict(start)
        torch.manual_seed(seed)
        return run(net, what, steps=2).loss

    assert losses(1) == losses(1) != losses(2)
    torch.manual_seed(1)
    expected = torch.rand(3)
    losses(1)
    assert torch.equal(torch.rand(3), expected)


def test_points_that_are_not_known_are_never_drawn():
    """Nor does a pixel that is NaN under the mask make a number."""
    whole = run(network(), ImageProblem(PHOTO, MASK))
    history = run(network(), ImageProblem(torch.where(MASK, PHOTO, math.nan), MASK))
    assert history.loss[:-1] == whole.loss[:-1] and history.loss[-1] == pytest.approx(whole.loss[-1], rel=1e-6)
    assert not math.isnan(history.psnr[-1])


def test_it_learns_about_as_much_as_all_points_do():
    what = ImageProblem(PHOTO)
    all_, some = (run(network(), what, steps=300, batch=batch).psnr[-1] for batch in (None, 100))
    assert some == pytest.approx(all_, abs=3.0) and some > what.psnr(torch.full((POINTS, 1), 0.5)) + 3


@pytest.mark.parametrize("activation", ["siren", "wire"])
@pytest.mark.parametrize("every", [1, 7])
def test_a_run_that_was_cut_draws_the_points_of_a_whole_one(activation, every, tmp_path, monkeypatch):
    what, whole_network = ImageProblem(PHOTO), network(activation)
    whole = run(whole_network, what)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", lambda self: 1 / 0 if self.done == 17 else STEP(self))
        with pytest.raises(ZeroDivisionError):
            run(network(activation), what, checkpoint=tmp_path / "run", checkpoint_every=every)
    resumed_network = network(activation)
    torch.manual_seed(99)
    resumed = run(resumed_network, what, checkpoint=tmp_path / "run")
    assert resumed.loss == whole.loss and str(resumed.psnr) == str(whole.psnr)
    for p, q in zip(resumed_network.parameters(), whole_network.parameters(), strict=True):
        assert torch.equal(p, q)
    assert run(network(activation), what, checkpoint=tmp_path / "run").loss == whole.loss


@pytest.mark.parametrize(
    ("first", "second", "says"), [(100, 50, "100 there and 50"), (None, 50, "absent there and 50")]
)
def test_another_batch_is_another_run(first, second, says, tmp_path):
    run(network(), ImageProblem(PHOTO), batch=first, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=f"is of another run: batch is {says} here"):
        run(network(), ImageProblem(PHOTO), batch=second, checkpoint=tmp_path / "run")


@pytest.mark.parametrize("state", [torch.zeros(3), None])
def test_a_file_without_its_generator_is_refused(state, tmp_path):
    run(network(), ImageProblem(PHOTO), checkpoint=tmp_path / "run")
    torch.save({**torch.load(tmp_path / "run"), "batches": state}, tmp_path / "run")
    with pytest.raises(ValueError, match="is not a checkpoint of fit, or is damaged"):
        run(network(), ImageProblem(PHOTO), checkpoint=tmp_path / "run")


def test_a_sound_is_drawn_from_as_well():
    torch.manual_seed(0)
    sound = AudioProblem(torch.linspace(0, 20, 500).sin())
    assert len(run(CoordinateNetwork(1, hidden_features=8), sound).loss) == 31


def test_a_bar_tells_the_points_of_a_step_and_the_last_psnr_that_is_known(capsys):
    fit(network(), ImageProblem(PHOTO), steps=30, batch=100)
    told = capsys.readouterr().err
    assert "fused step, 100 points a step" in told and "PSNR" in told


class Smooth(ImageProblem):
    def loss(self, values):
        return super().loss(values) + self.shaped(values).diff().square().mean()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: run(network(), ImageProblem(PHOTO), batch=0), ValueError, "batch must be at least 1; got 0"),
        (lambda: run(network(), ImageProblem(PHOTO), batch=0.5), TypeError, "batch must be an integer; got 0.5"),
        (
            lambda: run(network(), ImageProblem(PHOTO), batch=576),
            ValueError,
            "batch must be below 576, .* Leave it out",
        ),
        (lambda: run(network(), ImageProblem(PHOTO, MASK), batch=384), ValueError, "batch must be below 384"),
        (lambda: run(network(), ImageProblem(PHOTO), stop_loss=0.1), ValueError, "stop_loss needs the loss of all poi"),
        (
            lambda: run(network(), CTProblem.from_image(PHOTO, [0.0, 45.0])),
            ValueError,
            "a sum over points, and that of CTProblem is made of all values together. Use block=",
        ),
        (lambda: run(network(), SuperResolutionProblem.from_image(PHOTO, 4)), ValueError, "that of SuperResolutionPro"),
        (lambda: run(network(), Smooth(PHOTO)), ValueError, "that of Smooth is made of all values"),
    ],
)
def test_a_batch_that_does_not_apply_gets_a_sentence(call, error, says):
    with pytest.raises(error, match=says):
        call()
