"""A chapter shows its mathematics: identities with two sides, and no cell that only tests."""

import json
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = [page for page in sorted(ROOT.glob("book/*/*.md")) if "{code-cell}" in page.read_text(encoding="utf8")]
GOLDEN = sorted(ROOT.glob("tests/golden/*/*.json"))


def test_there_is_something_to_look_at():
    assert len(CHAPTERS) > 20 and len(GOLDEN) > 20


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.stem)
def test_no_visible_cell_asserts(page):
    cells = jupytext.reads(page.read_text(encoding="utf8"), "md:myst").cells
    shown = [c.source for c in cells if c.cell_type == "code" and "remove-cell" not in c.metadata.get("tags", [])]
    assert not [source for source in shown if any(line.lstrip().startswith("assert ") for line in source.splitlines())]


def sides(text: str) -> list[str]:
    """The two sides of an identity as it is printed, or its name."""
    claim = " ".join(text.split()).split(": proved, ")[0].split(", for ")[0]
    return claim.split(" = ", 1)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_an_identity_has_two_sides_and_is_not_cut(file):
    printed = ["".join(o.get("text/plain", [])) for entry in json.loads(file.read_text()) for o in entry["outputs"]]
    claims = [text for text in printed if ": proved, " in " ".join(text.split())]
    assert not [text for text in claims if len(set(sides(text))) < len(sides(text)) or "..." in text]


def test_the_look_sees_an_identity_with_one_side():
    assert sides("x = x: proved, simplified to zero") == ["x", "x"]
    assert sides("Abs(u) = u, for u > 0:\n    proved, simplified to zero") == ["Abs(u)", "u"]
