"""make bench ends with a table of its claims, and fails where one does not hold."""

import sys

import pytest

from benchmarks import claims, measure
from benchmarks.measure import Goal, at_most, report


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
