"""The runs behind the chapter on training at any size: a part of them again, and what the stored numbers say."""

import math
import sys

import pytest

from relunb.book import studies
from relunb.book.studies import at_scale

STORED = studies.load("at_scale")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is counted as Linux counts it")
@pytest.mark.parametrize("route", [pytest.param(r, marks=[pytest.mark.slow] * (r != "fused")) for r in at_scale.ROUTES])
def test_a_step_comes_out_again(route):
    case = at_scale.step_cases()[f"step-{route}-64"]
    again = at_scale.a_step(**case, device="cpu", checkpoint=None)
    row = STORED["steps"][route][0]
    assert (row["points"], again["block"]) == (64**2, row["block"])
    assert again["loss"][:2] == pytest.approx(row["loss"], rel=1e-5)


@pytest.mark.slow
def test_a_run_comes_out_again():
    case = at_scale.batch_cases()["batch-262144-0"]
    again = at_scale.a_run(**case, device="cpu", checkpoint=None)
    row = STORED["batches"]["262144"][0]
    assert again["curve"][1][1] == pytest.approx(row["curve"][1][1], abs=0.01)  # early, before rounding parts the runs
    assert again["psnr"] == pytest.approx(row["psnr"], abs=0.5)


def test_all_routes_took_the_same_step():
    for side in (64, 128, 256, 512, 1024):
        rows = [next(r for r in STORED["steps"][route] if r["points"] == side**2) for route in at_scale.ROUTES]
        for row in rows[1:]:
            assert row["loss"] == pytest.approx(rows[0]["loss"], rel=2e-5)


def test_every_batch_saw_as_many_points():
    for size, runs in STORED["batches"].items():
        assert [run["steps"] * int(size) for run in runs] == [at_scale.VISITS] * 3


def test_what_the_chapter_says_of_memory_and_time():
    fused = STORED["steps"]["fused"]
    first, last = next(row for row in fused if row["points"] == 2**16), fused[-1]
    assert last["points"] == 2**24
    assert last["MiB"] < 4096 - 3 * 4 * 2**24 / 2**20
    growth = math.log(last["seconds"] / first["seconds"]) / math.log(last["points"] / first["points"])
    assert growth < 1.05
    whole, blocks = (STORED["steps"][route] for route in ("autograd", "autograd in blocks"))
    assert whole[-1]["points"] == 2**20
    assert whole[-1]["MiB"] > 6 * 1024
    assert next(row for row in blocks if row["points"] == 2**20)["MiB"] < 2048
