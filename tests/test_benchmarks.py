"""make bench ends with a table of its claims, and fails where one does not hold; what it stored is read back."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import claims, measure
from benchmarks.measure import Goal, at_most, report
from relunb.book import benchmarks as stored


@pytest.fixture(autouse=True)
def noted(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "CLAIMS", tmp_path / "_build" / "claims.jsonl")
    monkeypatch.setattr(claims, "CLAIMS", measure.CLAIMS)
    monkeypatch.setattr(sys, "argv", ["benchmark"])


def rows(ratio: float, times: float = 20.0):
    return {"ours": {"median_ms": 3.0, "ratio_to_theirs": ratio, "times_as_fast": times}}


def test_goals_that_are_held(capsys):
    report("one.py", "a small case", rows(1.1), {"ours": at_most("theirs", 1.2)})
    report("two.py", "another", rows(1.1), {"ours": [Goal("times_as_fast", least=15), at_most("theirs", 1.1)]})
    report("three.py", "without a goal", rows(9.0))
    assert claims.main() == 0
    assert "3 of 3 claims held" in capsys.readouterr().out


@pytest.mark.parametrize("goal", [at_most("theirs", 1.2), Goal("times_as_fast", least=30)], ids=str)
def test_a_goal_that_is_missed_fails_and_says_by_how_much(goal, capsys):
    report("one.py", "a small case", rows(1.0, 99.0), {"ours": goal})
    report("one.py", "a large case", rows(1.7), {"ours": goal})
    assert claims.main() == 1
    missed = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("NO"))
    assert str(goal) in missed and "a large case" in missed and ("1.7" in missed or "20" in missed)


def test_a_goal_is_missed_by_what_is_not_a_number():
    report("one.py", "a case", rows(float("nan")), {"ours": at_most("theirs", 1.2)})
    assert claims.main() == 1


def test_nothing_measured_is_not_success(capsys):
    assert claims.main() == 1
    assert "make bench" in capsys.readouterr().out


def test_the_rows_stored_last_are_those_that_are_shown(tmp_path, monkeypatch):
    def line(name, date, ratio, threads=1):
        row = {"name": name, "what": "a case", "device": "one", "threads": threads, "date": date, "ratio": ratio}
        return json.dumps(row)

    old, first, last = "2026-11-01T10:00", "2026-11-02T10:00", "2026-11-02T11:00"
    lines = [line("gone", old, 9.0), line("ours", first, 3.0), line("theirs", first, 1.0), line("ours", last, 2.0)]
    lines += [line("ours", last, 1.5, 2)]
    (tmp_path / "one.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(stored, "HERE", tmp_path)
    found = {(row["name"], row["threads"]): row["ratio"] for row in stored.latest("one")}
    assert found == {("ours", 1): 2.0, ("theirs", 1): 1.0, ("ours", 2): 1.5}
    with pytest.raises(ValueError, match="name must be one of 'one'; got 'two'"):
        stored.latest("two")


@pytest.mark.parametrize("file", sorted(measure.RESULTS.glob("*.jsonl")), ids=lambda file: file.stem)
def test_every_stored_row_says_where_it_comes_from(file):
    rows = stored.latest(file.stem)
    assert (Path(__file__).parents[1] / "benchmarks" / file.name).with_suffix(".py").exists()
    told = {"name", "what", "command", "date", "device", "threads", "torch", "python", "seed"}
    assert rows and all(told <= row.keys() for row in rows)
