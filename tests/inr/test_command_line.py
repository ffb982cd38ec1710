"""``python -m relunb.inr``: a photograph goes in, a network and pictures come out, and Ctrl-C loses nothing."""

import signal
import subprocess
import sys
import time

import pytest
import torch
from PIL import Image

from relunb.book.data import photograph
from relunb.inr import load, psnr, read_image, render
from relunb.inr.__main__ import main

# A shell without job control hands on a SIGINT that is ignored.
PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from relunb.inr.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = (photograph("astronaut", shrink=4) * 255).round().byte().numpy()
    Image.fromarray(pixels).save("photo.png")
    return tmp_path


def test_a_photograph_becomes_a_network_and_a_picture_again(photo, capsys):
    before = (photo / "photo.png").read_bytes()
    assert main("fit photo.png --largest 32 --steps 150 --width 64 --layers 2".split()) == 0
    said = capsys.readouterr().out
    assert "32 x 32 pixels, shrunk from 128 x 128" in said and "bw_relu" in said
    assert sorted(path.name for path in photo.iterdir()) == ["photo.fit.png", "photo.png", "photo.pt"]
    fitted, network = read_image("photo.fit.png"), load("photo.pt")
    assert network.activation == "bw_relu" and network.layers[1].scale == 9.0  # the paper's
    small = torch.nn.functional.avg_pool2d(read_image("photo.png")[None], 4)[0]
    found = float(said.split("PSNR ")[1].split()[0])
    assert found > 18 and abs(psnr(render(network, (32, 32)), small).item() - found) < 0.01
    assert fitted.shape == small.shape
    assert (fitted - render(network, (32, 32)).clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6
    assert main("render photo.pt --size 60x80".split()) == 0
    large = read_image("photo-60x80.png")
    assert large.shape == (60, 80)
    assert psnr(render(network, (60, 80)).clamp(0, 1), large) > 50
    assert (photo / "photo.png").read_bytes() == before


def test_options_reach_the_network_and_the_run(photo):
    words = "fit photo.png --activation siren --scale 20 --width 12 --layers 1 --steps 3 --lr 0.01 --largest 16"
    assert main([*words.split(), "--out", "other.pt", "--seed", "4"]) == 0
    network = load("other.pt")
    assert (network.activation, network.layers[1].scale, len(network.layers)) == ("siren", 20.0, 3)
    assert len(network.layers[0].bias) == 12 and (photo / "other.fit.png").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("fit none.png", "No such file"),
        ("fit photo.png --activation relu --scale 3", "has no scale"),
        ("fit photo.png --out photo.png", "would write over the picture"),
        ("fit photo.png --out none/photo.pt", "the folder of the checkpoint"),
        ("fit photo.png --largest 1", "--largest must be at least 2"),
        ("fit photo.png --steps 0", "steps must be"),
        ("fit photo.png --device gpu0", "--device gpu0 is not there"),
        ("render photo.png", "not a network"),
        ("render none.pt", "No such file"),
        ("render photo.pt --size big", "--size must be"),
    ],
)
def test_mistakes_get_a_sentence_and_no_traceback(photo, capsys, words, said):
    assert main(words.split()) == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert [path.name for path in photo.iterdir()] == ["photo.png"]


@pytest.mark.slow
def test_it_is_a_module_that_runs(photo):
    run = subprocess.run([sys.executable, "-m", "relunb.inr", "--help"], capture_output=True, text=True, check=True)
    assert "fit" in run.stdout and "render" in run.stdout


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(photo):
    words = [sys.executable, "-c", PROGRAM, *"fit photo.png --largest 48 --steps 600 --width 64".split()]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not (photo / "photo.run").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and "photo.run keeps the run" in err
    again = subprocess.run(words, capture_output=True, text=True, check=True, timeout=500)
    assert "resumed" in again.stderr and "PSNR" in again.stdout and not (photo / "photo.run").exists()
