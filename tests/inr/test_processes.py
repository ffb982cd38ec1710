"""One run by many processes, real ones: the numbers of one, and a run that goes on with more of them or fewer."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from relunb.book.data import photograph
from relunb.inr import CoordinateNetwork, CTProblem, ImageProblem, fit

ROOT = __file__.rpartition("/tests/")[0]
SCRIPT = """
import json, os, sys, torch
import torch.distributed as distributed
from tests.inr.test_processes import PROBLEMS, network, run
torch.set_num_threads(1)
file, rank, count, options = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=count)
if options.pop("penalised", False):
    options["penalty"] = lambda net: 1e-3 * sum(weight.square().sum() for weight in net.parameters())
net = network(options.pop("activation", "siren"), seed=rank)  # each begins with others: those of the first count
history = run(net, PROBLEMS[options.pop("problem", "image")](), processes=True, **options)
weights = [float(weight.detach().sum()).hex() for weight in net.parameters()]
told = [history.loss, history.psnr, history.holdout, history.route, history.stopped, weights]
print(json.dumps(told), flush=True)
distributed.destroy_process_group()
"""


def image():
    return ImageProblem(photograph("camera", window=(0, 64, 384), shrink=16).double())  # 24 x 24


def masked():
    """Every second column: processes that took every second point would have none."""
    return ImageProblem(image().shaped(image().target), (torch.arange(24) % 2 > 0).expand(24, 24))


PROBLEMS = {"image": image, "masked": masked}


def network(activation="siren", seed=0):
    torch.manual_seed(seed)
    return CoordinateNetwork(2, 1, 12, 2, activation).double()


def run(net, problem, **options):
    return fit(net, problem, **{"steps": 30, "lr": 5e-3, "progress": False, **options})


def start(folder, count, **options):
    """So many processes. They find one another by a file, and listen on the loopback alone."""
    file = folder / f"group{len(list(folder.iterdir()))}"
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(file), str(rank), str(count), json.dumps(options)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def ended(processes):
    """What each printed."""
    told = []
    for process in processes:
        out, err = process.communicate(timeout=110)
        assert process.returncode == 0, err
        told.append(json.loads(out))
    return told


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the loopback has another name elsewhere")
@pytest.mark.parametrize(
    ("count", "options"),
    [
        (2, {}),
        (3, {"fused": False, "block": 50}),
        (2, {"problem": "masked"}),
        (2, {"batch": 101, "holdout": 0.1}),
        (2, {"penalised": True, "activation": "wire"}),
        (2, {"holdout": 0.2, "patience": 3, "lr": 0.02}),
    ],
)
def test_many_processes_have_the_numbers_of_one(count, options, tmp_path):
    told = ended(start(tmp_path, count, **options))
    (alone,) = ended(start(tmp_path, 1, **options))
    loss, psnr, holdout, *rest = told[0]
    assert all(json.dumps(others) == json.dumps(told[0]) for others in told), "and each has the same, to the last bit"
    assert loss == pytest.approx(alone[0], rel=1e-8)
    assert psnr == pytest.approx(alone[1], rel=1e-8, nan_ok=True)
    assert holdout == pytest.approx(alone[2], rel=1e-8, nan_ok=True)
    assert rest[:2] == alone[3:5]
    what = PROBLEMS[options.pop("problem", "image")]()
    if not options.pop("penalised", False):
        torch.manual_seed(0)
        plain = run(network(options.pop("activation", "siren")), what, **options)
        assert loss == pytest.approx(plain.loss, rel=1e-8) and psnr == pytest.approx(plain.psnr, rel=1e-8, nan_ok=True)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the loopback has another name elsewhere")
@pytest.mark.parametrize("batch", [None, 100])
def test_a_run_goes_on_after_a_kill_with_more_processes_or_fewer(batch, tmp_path):
    options = {"steps": 3000, "batch": batch, "checkpoint": str(tmp_path / "run"), "checkpoint_every": 20}
    whole = run(network(), image(), steps=3000, batch=batch)
    for count, victim in ((2, 1), (3, 0)):
        processes = start(tmp_path, count, **options)
        before = torch.load(tmp_path / "run")["done"] if (tmp_path / "run").exists() else 0
        until = time.monotonic() + 100
        while time.monotonic() < until:
            if (tmp_path / "run").exists() and torch.load(tmp_path / "run")["done"] > before:
                break
            time.sleep(0.02)
        processes[victim].send_signal(signal.SIGKILL)
        for process in processes:
            process.communicate(timeout=110)
            assert process.returncode != 0, "none goes on alone"
        assert before < torch.load(tmp_path / "run")["done"] < 3000
    resumed = run(network(), image(), **options)
    assert resumed.loss[:200] == pytest.approx(whole.loss[:200], rel=1e-6)
    assert len(resumed.loss) == 3001 and resumed.loss[-1] < 2 * whole.loss[-1], "rounding grows in 3,000 steps"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the loopback has another name elsewhere")
def test_one_process_of_one_is_as_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    file = tmp_path / "group"
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=0, world_size=1)
    try:
        shared = run(network(), image(), processes=True)
        with pytest.raises(ValueError, match="sums over points, which those of CTProblem are not"):
            run(network(), CTProblem.from_image(image().shaped(image().target), [0.0, 45.0]), processes=True)
    finally:
        torch.distributed.destroy_process_group()
    assert shared.loss == pytest.approx(run(network(), image()).loss, rel=1e-9)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"processes": True}, ValueError, r'processes=True needs a group: call .*init_process_group\("gloo"\) first'),
        ({"processes": 2}, TypeError, "processes must be True or False; got 2"),
    ],
)
def test_what_does_not_apply_gets_a_sentence(options, error, says):
    with pytest.raises(error, match=says):
        run(network(), image(), **options)
