"""Stored results: made by the code as it stands, and made again where that is quick."""

import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from relunb.book import studies
from relunb.book.studies import imaging
from relunb.book.studies._runner import Case, whole, written
from relunb.book.studies.features import VARIANTS, experiment
from relunb.inr import psnr
from relunb.inr._run import Run
from relunb.wavelet import deep_variation_norm

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", studies.NAMES)
def test_a_result_says_where_it_comes_from(name):
    provenance = studies.load(name)["provenance"]
    assert {"command", "commit", "date", "device", "seconds", "torch", "python", "seeds"} <= set(provenance)


def test_a_commit_names_the_code_and_says_when_the_package_differs(tmp_path, monkeypatch):
    here = tmp_path / "relunb" / "book" / "studies"
    monkeypatch.setattr(studies, "HERE", here)
    assert studies.commit() == "unknown", "outside git"
    here.mkdir(parents=True)

    def git(*words):
        identity = ("-c", "user.name=reader", "-c", "user.email=reader@example.org")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for name in ("README.md", "relunb/ops.py", "relunb/book/data.npz", "relunb/book/studies/features.json"):
        (tmp_path / name).write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    first = studies.commit()
    assert len(first) == 12
    for name in ("README.md", "relunb/book/studies/features.json"):
        (tmp_path / name).write_text("2")
        assert studies.commit() == first, f"{name} does not compute"
    for name in ("relunb/ops.py", "relunb/book/data.npz", "relunb/new.py"):
        (tmp_path / name).write_text("2")
        assert studies.commit() == first + "+", name
        git("add", ".")
        git("commit", "-m", name)
        first = studies.commit()


def test_an_unknown_result_is_refused():
    with pytest.raises(ValueError, match="'features', 'imaging', 'imaging_paper', .*; got 'feature'"):
        studies.load("feature")
    with pytest.raises(ValueError, match="one of .*'imaging', 'imaging_paper'; got 'features'"):
        studies.pictures("features")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_epochs_come_out_again(variant):
    epochs = 1 if variant == "relu" else 5
    stored = studies.load("features")
    row, kept = stored["variants"][variant], stored["kept_epochs"]
    again = experiment(variant, range(7, 8), epochs=epochs)
    column = kept.index(epochs)
    assert again.loss[0, epochs - 1].item() == pytest.approx(row["loss"]["repetitions"][7][column], rel=2e-3)
    for name, distance in again.distances.items():
        assert distance[0, epochs - 1].item() == pytest.approx(row[name]["repetitions"][7][column], rel=2e-3)


def test_every_repetition_is_there_and_finite():
    stored = studies.load("features")
    count, epochs = stored["provenance"]["repetitions"], stored["provenance"]["epochs"]
    assert set(stored["variants"]) == set(VARIANTS)
    for row in stored["variants"].values():
        assert len(row["epoch_reached"]) == count
        for quantity in ("loss", "accuracy", "first", "second"):
            assert len(row[quantity]["mean"]) == epochs
            numbers = torch.tensor(row[quantity]["repetitions"])
            assert numbers.shape == (count, len(stored["kept_epochs"])) and numbers.isfinite().all()
            assert numbers.mean(0)[-1].item() == pytest.approx(row[quantity]["mean"][-1], rel=1e-3)


def first_steps_come_out_again(stored, task, method, factor):
    size = stored.get("provenance", stored)["size"]
    row = stored["compared"][task][method]
    seed = len(row["psnr"]) - 1
    what = imaging.problem(task, size)
    case = imaging.compared_case(task, method, seed, size, factor)
    network, training = imaging.built(method, seed, case["network"], imaging._shape(what)), case["training"]
    run = Run(network, what, training["steps"], training["lr"], training["decay"])
    run.choose_route(None, "float32", False)
    for step in range(3):
        run.note(*run.evaluate(last=False))
        run.step()
        assert row["moments"][step] == step
    run.read()
    assert run.history.route == row["route"]
    assert run.history.psnr == pytest.approx(row["curve"][seed][:3], abs=0.01)
    assert sum(p.numel() for p in network.parameters()) == row["parameters"]


@pytest.mark.parametrize("task", imaging.COMPARED)
@pytest.mark.parametrize("method", imaging.METHODS)
def test_the_first_steps_of_a_comparison_come_out_again(task, method):
    stored = studies.load("imaging")
    first_steps_come_out_again(stored, task, method, stored["factors"][task][method])


PAPER = [(task, method) for task, rows in studies.load("imaging_paper")["compared"].items() for method in rows]
TRAINED = [(task, method) for task, method in PAPER if method in imaging.METHODS]


@pytest.mark.parametrize(("task", "method"), TRAINED)
def test_the_first_steps_at_the_papers_size_come_out_again(task, method):
    stored = studies.load("imaging_paper")
    assert stored["size"] == "paper"
    first_steps_come_out_again(stored, task, method, 1.0)


@pytest.mark.parametrize(("task", "method"), PAPER)
def test_a_run_at_the_papers_size_agrees_with_its_picture(task, method):
    stored, pictures = studies.load("imaging_paper"), studies.pictures("imaging_paper")
    row, found, truth = stored["compared"][task][method], pictures[f"{task}-{method}"], pictures[f"{task}-truth"]
    # Both are rounded to bytes, and means of pixels often lie at the middle between two.
    both = -10 * math.log10(10 ** (-row["psnr"][0] / 10) + 2 / 12 / 255**2)
    assert psnr(found, truth).item() > both - 0.1
    if (task, method) in TRAINED:
        assert row["seeds"] == list(range(len(row["psnr"])))
        told = ("commit", "date", "device", "torch", "python", "ssim", "loss", "seconds", "curve")
        assert {len(row[key]) for key in told} == {len(row["seeds"])}
    if row["psnr"][0] > 58.9:  # then no byte is off by more than its rounding
        assert (found - truth).abs().max() <= 1.001 / 255


@pytest.mark.parametrize(
    ("item", "task"), [("BW.fig4", "ct-100"), ("BW.fig5", "image"), ("BW.fig6", "super-resolution")]
)
def test_the_equation_map_has_the_numbers_of_the_papers_size(item, task):
    rows = yaml.safe_load((ROOT / "book" / "reference" / "equation-map.yml").read_text(encoding="utf8"))
    said = next(row["why"] for row in rows if row["id"] == item)
    stored = studies.load("imaging_paper")["compared"][task]
    for method in ("bw_relu", "siren"):
        found = statistics.fmean(stored[method]["psnr"])
        assert f"{found:.1f}" in said or f"{found:.2f}" in said


def test_runs_join_those_that_are_stored(capsys):
    def row(seeds, psnr, steps=10):
        return {"psnr": psnr, "curve": [[0, p] for p in psnr], "moments": [0, 10], "seeds": seeds,
                "network": {"scale": 9}, "training": {"steps": steps}}  # fmt: skip

    before = {"bw_relu": row([0, 1], [50.0, 51.0]), "siren": row([0], [40.0]), "bicubic": {"psnr": [20.0]}}
    found = {"bw_relu": row([1, 2], [61.0, 62.0]), "siren": row([1], [41.0], steps=20), "bicubic": {"psnr": [21.0]}}
    rows = imaging.joined(before, found)
    assert rows["bw_relu"] == row([0, 1, 2], [50.0, 61.0, 62.0])
    assert rows["siren"] == row([1], [41.0], steps=20), "other settings: the old runs are stale"
    assert capsys.readouterr().out == "siren: the settings are new, and the stored runs (seeds 0) are left out.\n"
    assert rows["bicubic"] == {"psnr": [21.0]}
    assert imaging.joined({}, found) == found
    assert imaging.joined(before, {}) == before


def test_runs_at_the_papers_size_leave_the_small_ones_alone(tmp_path, monkeypatch):
    """Two commands: the second adds a seed and a scale to what the first has stored."""
    made = []

    def here(function, cases, where, title):
        made.extend(cases)
        told = dict.fromkeys(("commit", "date", "device", "torch", "python"), "-")
        return {
            name: Case(function(**case, device="cpu", checkpoint=tmp_path / f"{name}.fit"), told)
            for name, case in cases.items()
        }

    def command(words):
        monkeypatch.setattr(sys, "argv", ["imaging", "--size", "paper", *words.split()])
        imaging.main()
        return json.loads((tmp_path / "imaging_paper.json").read_text())

    monkeypatch.setattr(imaging, "HERE", tmp_path)
    monkeypatch.setattr(imaging, "run", here)
    monkeypatch.setitem(imaging.SIZES, "paper", {"width": 4, **dict.fromkeys(imaging.TASKS, 2)})
    first = command("--tasks ct-30 --methods relu --scales 1 --seeds 0")
    assert first["compared"].keys() == first["low_norm"].keys() == {"ct-30"}
    second = command("--tasks ct-30 --scales 1 2 --seeds 1")
    assert second["compared"] == first["compared"]
    loose, tight = second["low_norm"]["ct-30"]
    assert loose["scales"]["1"]["seeds"] == [0, 1] and loose["scales"]["2"]["seeds"] == [1]
    assert loose["scales"]["1"]["norm"][0] == first["low_norm"]["ct-30"][0]["scales"]["1"]["norm"][0]
    assert tight["scales"].keys() == {"2"}, "the tight loss has no scale 1"
    assert made == [
        "ct-30-relu-0", "norm-ct-30-0-1-0", "norm-ct-30-0-1-1", "norm-ct-30-0-2-1", "norm-ct-30-1-2-1",
    ]  # fmt: skip
    third = command("--tasks ct-100 --scales 3 --seeds 0")
    assert third["compared"] == first["compared"] and third["low_norm"] == second["low_norm"]
    assert third["followed"]["ct-100"].keys() == {"3"} and made[-1] == "followed-ct-100-3-0"
    assert third["followed"]["ct-100"]["3"]["step"][0][-1] == 2, "to the last step"
    with np.load(tmp_path / "imaging_paper.npz") as shown:
        assert {"ct-30-truth", "ct-30-relu", "norm-ct-30-0-1"} <= set(shown)
    assert not list(tmp_path.glob("imaging.*"))


def test_a_norm_that_is_followed_comes_out_the_same_where_the_run_was_cut_short(tmp_path, monkeypatch):
    monkeypatch.setitem(imaging.SIZES, "paper", {"width": 8, **dict.fromkeys(imaging.TASKS, 30)})
    case = imaging.followed_case("ct-100", 3.0, 0) | {"losses": [1900.0, 1800.0, 1700.0, 1e-9], "device": "cpu"}
    whole = imaging.follow(**case, checkpoint=tmp_path / "whole.fit")
    assert whole["step"] == sorted(whole["step"]) and 2 < len(set(whole["step"])) and whole["step"][-1] == 30
    for loss, goal in zip(whole["loss"][:-1], case["losses"], strict=False):
        assert loss <= goal
    assert whole["start"] != whole["norm"][-1]
    real = imaging.fit

    def killed(network, what, *, stop_loss, **more):
        if stop_loss == 1700.0:
            raise KeyboardInterrupt
        return real(network, what, stop_loss=stop_loss, **more)

    monkeypatch.setattr(imaging, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        imaging.follow(**case, checkpoint=tmp_path / "cut.fit")
    monkeypatch.setattr(imaging, "fit", real)
    again = imaging.follow(**case, checkpoint=tmp_path / "cut.fit")
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}
    # What is beside the checkpoint stays until the case is kept: where the disk is full, that comes later.
    again = imaging.follow(**case, checkpoint=tmp_path / "cut.fit")
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--scales 2", "--scales and --seeds go with --size paper"),
        ("--size paper --tasks image --scales 1", "no run has these tasks, methods, scales and seeds together"),
        ("--size paper --methods grid --seeds 1", "no run has these"),
        ("--size paper --tasks ct-phantom --methods siren", "no run has these"),
    ],
)
def test_names_of_runs_that_are_none_are_refused(words, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["imaging", *words.split()])
    with pytest.raises(SystemExit):
        imaging.main()
    assert said in capsys.readouterr().err


def test_a_result_is_written_whole_or_not_at_all(tmp_path):
    file = tmp_path / "result.json"
    written({"number": 1}, file)
    with pytest.raises(TypeError):
        written({"number": object()}, file)
    with pytest.raises(KeyboardInterrupt), whole(file) as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert json.loads(file.read_text()) == {"number": 1} and list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("name", "task"),
    [*(("imaging", task) for task in imaging.LOW_NORM), pytest.param("imaging_paper", "ct-30", marks=pytest.mark.slow)],
)
def test_a_low_norm_run_comes_out_again(name, task):
    """The quickest of them, whole: its number of steps, norm and PSNR, within what rounding does to a training run."""
    stored = studies.load(name)
    found = stored["low_norm"][task][0]
    scale = min(found["scales"], key=lambda c: found["scales"][c]["steps"][0])
    row = found["scales"][scale]
    case = imaging.low_norm_case(task, float(scale), 0, stored.get("provenance", stored)["size"], found["loss"])
    again = imaging.low_norm(**case, device="cpu", checkpoint=None)
    assert again["stopped"] and abs(again["steps"] - row["steps"][0]) <= max(2, 0.1 * row["steps"][0])
    assert again["norm"] == pytest.approx(row["norm"][0], rel=0.05)
    assert again["psnr"] == pytest.approx(row["psnr"][0], abs=0.5)


@pytest.mark.parametrize("scale", ["3", "5"])
def test_a_norm_that_was_followed_comes_out_again(scale):
    """To its first loss, a few steps from the start."""
    row = studies.load("imaging_paper")["followed"]["ct-100"][scale]
    case = imaging.followed_case("ct-100", float(scale), 0)
    assert case["network"] == row["network"] and case["training"] == row["training"]
    what = imaging.problem("ct-100", "paper")
    network = imaging.built("bw_relu", 0, case["network"], imaging._shape(what))
    assert deep_variation_norm(network).item() == pytest.approx(row["start"][0], rel=1e-6)
    history = imaging.fit(network, what, **case["training"], stop_loss=case["losses"][0], progress=False)
    assert len(history.loss) - 1 == row["step"][0][0]
    assert history.loss[-1] == pytest.approx(row["loss"][0][0], rel=1e-3)
    assert deep_variation_norm(network).item() == pytest.approx(row["norm"][0][0], rel=1e-4)


def test_every_low_norm_run_at_the_papers_size_reached_its_loss():
    stored, pictures = studies.load("imaging_paper"), studies.pictures("imaging_paper")
    for task, levels in stored["low_norm"].items():
        assert [level["loss"] for level in levels] == [loss for loss, _ in imaging.LOW_NORM[task]]
        for k, level in enumerate(levels):
            for scale, row in level["scales"].items():
                assert row["seeds"] == list(range(len(row["norm"])))
                assert all(loss <= level["loss"] * 1.0001 for loss in row["loss"]) and all(row["stopped"])
                assert row["network"]["scale"] == float(scale) and row["network"]["hidden_features"] >= 256
                both = -10 * math.log10(10 ** (-row["psnr"][0] / 10) + 2 / 12 / 255**2)
                assert psnr(pictures[f"norm-{task}-{k}-{scale}"], pictures[f"{task}-truth"]).item() > both - 0.1


def test_every_imaging_run_is_there_and_agrees_with_its_picture():
    stored, pictures = studies.load("imaging"), studies.pictures("imaging")
    seeds = len(imaging.SEEDS)
    for task in imaging.COMPARED:
        rows, truth = stored["compared"][task], pictures[f"{task}-truth"]
        assert set(imaging.METHODS) <= rows.keys()
        for method, row in rows.items():
            count = seeds if method in imaging.METHODS and method != "grid" else 1
            assert len(row["psnr"]) == len(row["ssim"]) == count
            # A picture is stored in bytes, which alone costs 58.9 dB, and clipped to [0, 1], which costs nothing.
            both = -10 * math.log10(10 ** (-row["psnr"][0] / 10) + 1 / 12 / 255**2)
            assert psnr(pictures[f"{task}-{method}"], truth).item() > both - 0.1
            assert -1 < min(row["ssim"]) <= max(row["ssim"]) <= 1
            if "best_psnr" in row:
                assert all(b >= p - 1e-3 for b, p in zip(row["best_psnr"], row["psnr"], strict=True))
    for task, level, loss, scale in imaging.low_norm_cases():
        row = stored["low_norm"][task][level]["scales"][f"{scale:g}"]
        assert stored["low_norm"][task][level]["loss"] == loss
        assert len(row["psnr"]) == len(row["norm"]) == len(row["stopped"]) == seeds
        for reached, final in zip(row["stopped"], row["loss"], strict=True):
            assert reached == (final <= loss * 1.0001)
        assert statistics.fmean(row["norm"]) > 0 and np.isfinite(row["norm"]).all()


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ([], []),
        (["imaging"], [["relunb.book.studies.imaging"]]),
        (["imaging", "--jobs", "1"], [["relunb.book.studies.imaging", "--jobs", "1"]]),
        (["--all"], [[f"relunb.book.studies.{name}"] for name in studies.NAMES]),
        (["--device", "cuda"], [[f"relunb.book.studies.{name}", "--device", "cuda"] for name in studies.NAMES]),
    ],
)
def test_make_results_makes_what_is_asked_for(words, made, monkeypatch, capsys):
    from relunb.book.studies import __main__ as command

    calls = []
    monkeypatch.setattr(command.sys, "argv", ["results", *words])
    monkeypatch.setattr(
        command.subprocess, "run", lambda line: calls.append(line[2:]) or subprocess.CompletedProcess(line, 0)
    )
    assert command.main() == 0 and calls == made
    assert capsys.readouterr().out.count("made on") == len(studies.NAMES) - len(made)


def test_make_results_makes_what_is_missing(tmp_path, monkeypatch):
    from relunb.book.studies import __main__ as command

    calls = []
    monkeypatch.setattr(command, "HERE", tmp_path)
    monkeypatch.setattr(command.sys, "argv", ["results"])
    monkeypatch.setattr(
        command.subprocess, "run", lambda line: calls.append(line[2]) or subprocess.CompletedProcess(line, 0)
    )
    assert command.main() == 0 and calls == [f"relunb.book.studies.{name}" for name in studies.NAMES]
