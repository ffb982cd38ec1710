"""The plugin must turn red for each way a chapter, a reference or the table of contents can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

pytest_plugins = ("pytester",)  # here only: no other test runs pytest

# A run of pytest inside pytest; it would import Hypothesis anew each time.
ARGS = ("-p", "tests.harness.chapters", "-p", "no:hypothesispytest", "-W", "error")
CHECK = "nbval-check-output"
RAISES = "raises-exception"
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---
"""


def chapter(*cells: tuple[str, str]) -> str:
    """Write a chapter; a cell is its tags and its source."""
    fences = [f"```{{code-cell}} ipython3\n:tags: [{tags}]\n\n{source}\n```\n" for tags, source in cells]
    return HEADER + "\n# A chapter\n\n" + "\n".join(fences)


def write(pytester: pytest.Pytester, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run(pytester: pytest.Pytester, *args: str) -> dict[str, str]:
    """Run pytest and return what became of each test: "passed", the reason it was skipped, or its report."""
    recorder = pytester.inline_run(*ARGS, *args)
    results: dict[str, str] = {}
    for report in recorder.getreports():
        if isinstance(report, pytest.CollectReport):
            if report.failed:
                results[report.nodeid] = report.longreprtext
        elif report.skipped:
            assert isinstance(report.longrepr, tuple)
            results[report.nodeid] = report.longrepr[2]
        elif report.failed:
            results[report.nodeid] = report.longreprtext
        elif report.when == "call":
            results[report.nodeid] = "passed"
    return results


# --- cells ----------------------------------------------------------------------------------------------------------

# A cell, its tags, and what its report must say ("passed" where it is right).
CELLS: list[tuple[str, str, list[str]]] = [
    ("x = 41", "", ["passed"]),
    ("1 / 0", RAISES, ["passed"]),
    ("x + 1", RAISES, ["This cell raised nothing: make it raise, or remove its tag raises-exception."]),
    ("y = 1", CHECK, ["no text output to compare: print its result, or remove its tag nbval-check-output."]),
    ("print('  ')", CHECK, ["no text output to compare"]),
    ("display({'text/plain': '<Figure size 6x4 with 1 Axes>'}, raw=True)", CHECK, ["no text output to compare"]),
    ("y = 2", "nbval-skip", ["Remove the tag nbval-skip: every cell of a chapter runs"]),
    ("y = 3", "nbval-ignore-output", ["Remove the tag nbval-ignore-output:"]),
    ("y = 4", "nbval-check-outputs", ["Remove the tag nbval-check-outputs:"]),
    ("y = 5", "skip-execution", ["Remove the tag skip-execution:"]),
    ("assert y == 5, 'a refused tag must not stop the cell'", "", ["passed"]),
    ("open('out.txt', 'w').close()", "", ["A chapter writes no file, but this cell left out.txt in its folder"]),
    ("x", "", ["passed"]),  # the file is reported once
    ("print(x)", CHECK, ["passed"]),  # a right cell of a wrong chapter: its reference is not written
    ("assert x == 42, 'closed form'", "", ["AssertionError: closed form", "assert x == 42, 'closed form'"]),
    ("x", "", ["cell 14 of this chapter failed"]),
    ("1 / 0", "", ["cell 14 of this chapter failed"]),
]


def test_each_fault_of_a_cell_is_reported_and_nothing_is_recorded(pytester: pytest.Pytester) -> None:
    write(pytester, {"book/faults.md": chapter(*((tags, source) for source, tags, _ in CELLS))})

    results = run(pytester, "book", "--golden-update")

    assert len(results) == len(CELLS)
    for number, (source, _, expected) in enumerate(CELLS):
        result = results[f"book/faults.md::Cell {number}"]
        for text in expected:
            assert text in result, source
        if not result.startswith(("passed", "Skipped")):
            assert source in result
    assert not (pytester.path / "tests/golden").exists()


def test_a_chapter_is_never_left_out_as_slow(pytester: pytest.Pytester) -> None:
    write(pytester, {"book/one.md": chapter(("", "x = 41"))})
    assert run(pytester, "book", "-m", "not slow") == {"book/one.md::Cell 0": "passed"}


def test_references_are_written_and_then_hold_the_chapter_to_them(pytester: pytest.Pytester) -> None:
    good = chapter(
        ("", "from IPython.display import HTML\nimport os, sys"),
        (CHECK, "print('é')\nprint(2)\n[1, 2]"),
        (CHECK, "HTML('not compared')"),
        (CHECK, "print('a')\nprint('noise', file=sys.stderr)"),
        (CHECK, "'last'"),
        ("", "print(os.getcwd())"),
        ("", "assert not os.listdir(), 'a chapter runs in an empty folder'"),
    )
    # The old reference is what a merge conflict leaves: an update must not stumble over it.
    write(pytester, {"book/wavelet/good.md": good, "tests/golden/wavelet/good.json": "<<<<<<< HEAD"})
    reference = pytester.path / "tests/golden/wavelet/good.json"
    cell = "book/wavelet/good.md::Cell"

    assert set(run(pytester, "book", "--golden-update").values()) == {"passed"}
    text = reference.read_text(encoding="utf-8")
    entries = json.loads(text)
    assert entries[0] == {
        "source": ["print('é')\n", "print(2)\n", "[1, 2]"],
        "outputs": [{"stdout": ["é\n", "2\n"]}, {"text/plain": ["[1, 2]"]}],
    }
    assert entries[2]["outputs"] == [{"stdout": ["a\n"]}]
    assert "'é'" in text and text.endswith("]\n")

    assert set(run(pytester, "book").values()) == {"passed"}

    entries[0]["outputs"][0]["stdout"] = ["é\n", "3\n"]
    reference.write_text(json.dumps(entries[:3]), encoding="utf-8")
    write(pytester, {"book/wavelet/good.md": good.replace("print('a')", "print('a' )")})
    results = run(pytester, "book")

    differs = results.pop(f"{cell} 1")
    assert "The output differs from tests/golden/wavelet/good.json: correct the code" in differs
    assert "run `make golden` and review the diff" in differs
    assert "- 2" in differs and "+ 3" in differs
    for number in (3, 4):  # changed, and new
        unknown = results.pop(f"{cell} {number}")
        assert "tests/golden/wavelet/good.json has no reference for this cell" in unknown
        assert "run `make golden` and review the diff" in unknown
    assert set(results.values()) == {"passed"}


def test_a_part_of_a_chapter_is_not_recorded(pytester: pytest.Pytester) -> None:
    write(pytester, {"book/part.md": chapter((CHECK, "print(1)"), (CHECK, "print(2)"))})

    assert run(pytester, "book", "--golden-update", "-k", "Cell and 0") == {"book/part.md::Cell 0": "passed"}

    assert not (pytester.path / "tests/golden").exists()


def test_a_dead_kernel_and_a_slow_cell_fail(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        {
            "book/dead.md": chapter(("", "import os; os._exit(1)"), ("", "1")),
            "book/slow.md": chapter(("", "import time; time.sleep(60)"), ("", "1")),
            "book/slow_on_purpose.md": chapter((RAISES, "import time; time.sleep(60)"), ("", "1")),
        },
    )

    results = run(pytester, "book", "--nbval-cell-timeout=2")

    assert "The kernel died: look for a crash, or for memory that ran out." in results["book/dead.md::Cell 0"]
    assert "Timeout of 2 seconds exceeded" in results["book/slow.md::Cell 0"]
    assert "This cell ran out of time: make it faster." in results["book/slow_on_purpose.md::Cell 0"]
    for name in ("dead", "slow", "slow_on_purpose"):
        assert "cell 0 of this chapter failed" in results[f"book/{name}.md::Cell 1"]


@pytest.mark.parametrize(
    "hidden",
    [
        "````{solution} ex-one\n```{code-cell} ipython3\nassert False\n```\n````\n",
        "* item\n\n  ```{code-cell} ipython3\n  assert False\n  ```\n",
        ":::{code-cell} ipython3\nassert False\n:::\n",
    ],
    ids=["in a directive", "in a list", "with colons"],
)
def test_a_cell_that_would_not_run_is_an_error(pytester: pytest.Pytester, hidden: str) -> None:
    write(pytester, {"book/nested.md": chapter(("", "1")) + "\n" + hidden})

    results = run(pytester, "book")

    assert "nested.md has 2 {code-cell} blocks, but only 1 would run" in results["book/nested.md"]
    assert len(results) == 1


# --- the table of contents ------------------------------------------------------------------------------------------

TAGGED = chapter((CHECK, "print(1)"), (CHECK, "print(2)"))
ENTRY = {"source": ["print(1)"], "outputs": [{"stdout": ["1\n"]}]}
GOOD_BOOK = {
    "_toc.yml": """\
format: jb-book
root: book/intro
parts:
  - caption: A lens
    chapters:
      - file: book/wavelet/good.md
        sections:
          - file: book/wavelet/more
      - url: https://example.org
""",
    "book/intro.md": "# Intro\n\nNo code; `{code-cell}` in a sentence is no cell.\n",
    "book/wavelet/good.md": TAGGED,
    "book/wavelet/more.md": chapter(("", "1")),
    "book/wavelet/.ipynb_checkpoints/good-checkpoint.md": TAGGED,
    "tests/golden/wavelet/good.json": json.dumps([ENTRY, ENTRY]),
}

# The test that must fail, the files that make it fail ("" deletes one), and the sentence it must say.
FAULTY_BOOKS = {
    "a page is missing": (
        "every-page-exists",
        {"book/intro.md": ""},
        "_toc.yml names book/intro.md, which does not exist: write the page, or correct its entry.",
    ),
    "a chapter has no header": (
        "every-chapter-is-tested",
        {"book/wavelet/more.md": chapter(("", "1")).removeprefix(HEADER)},
        "book/wavelet/more.md has code cells that no test runs: begin it with the jupytext header",
    ),
    "a chapter is not under book": (
        "every-chapter-is-tested",
        {"_toc.yml": GOOD_BOOK["_toc.yml"] + "      - file: more\n", "more.md": chapter(("", "1"))},
        "more.md has code cells that no test runs",
    ),
    "a chapter is not in the book": (
        "every-chapter-is-in-the-book",
        {"book/inr/forgotten.md": chapter(("", "1"))},
        "book/inr/forgotten.md is a chapter, but not in the book: add it to _toc.yml, or delete it.",
    ),
    "a reference has no chapter": (
        "no-orphaned-reference",
        {"tests/golden/iat/gone.json": json.dumps([ENTRY])},
        "tests/golden/iat/gone.json belongs to no chapter with a cell tagged nbval-check-output: run `make golden`",
    ),
    "a reference has a chapter without tags": (
        "no-orphaned-reference",
        {"tests/golden/wavelet/more.json": json.dumps([ENTRY])},
        "tests/golden/wavelet/more.json belongs to no chapter with a cell tagged nbval-check-output",
    ),
    "a reference has too many entries": (
        "no-orphaned-reference",
        {"tests/golden/wavelet/good.json": json.dumps([ENTRY] * 3)},
        "tests/golden/wavelet/good.json has more references than its chapter has cells tagged nbval-check-output",
    ),
    "a reference is not JSON": (
        "no-orphaned-reference",
        {"tests/golden/wavelet/good.json": "<<<<<<< HEAD"},
        "is not valid JSON",
    ),
}


def test_a_good_book_passes(pytester: pytest.Pytester) -> None:
    write(pytester, GOOD_BOOK)

    assert run(pytester, "_toc.yml") == {
        "_toc.yml::every-page-exists": "passed",
        "_toc.yml::every-chapter-is-tested": "passed",
        "_toc.yml::every-chapter-is-in-the-book": "passed",
        "_toc.yml::no-orphaned-reference": "passed",
    }


@pytest.mark.parametrize("change", [lambda text: "\ufeff" + text, lambda text: text.replace("---\n", "---  \n")])
def test_a_byte_order_mark_or_a_blank_does_not_hide_a_header(
    pytester: pytest.Pytester, change: Callable[[str], str]
) -> None:
    page = "book/wavelet/more.md"
    write(pytester, {**GOOD_BOOK, page: change(GOOD_BOOK[page])})

    results = run(pytester, "_toc.yml", page)

    assert results.pop(f"{page}::Cell 0") == "passed"
    assert set(results.values()) == {"passed"}


@pytest.mark.parametrize(("failing", "files", "sentence"), FAULTY_BOOKS.values(), ids=FAULTY_BOOKS.keys())
def test_a_faulty_book_fails(pytester: pytest.Pytester, failing: str, files: dict[str, str], sentence: str) -> None:
    write(pytester, GOOD_BOOK | files)
    for name, text in files.items():
        if not text:
            (pytester.path / name).unlink()

    results = run(pytester, "_toc.yml")

    assert sentence in results.pop(f"_toc.yml::{failing}")
    assert set(results.values()) == {"passed"}


def test_an_update_removes_orphaned_references(pytester: pytest.Pytester) -> None:
    orphans = ["tests/golden/iat/gone.json", "tests/golden/wavelet/more.json"]
    write(pytester, GOOD_BOOK | dict.fromkeys(orphans, "[]"))

    assert set(run(pytester, "_toc.yml", "--golden-update").values()) == {"passed"}

    kept = sorted((pytester.path / "tests/golden").rglob("*.json"))
    assert kept == [pytester.path / "tests/golden/wavelet/good.json"]


# --- parallel runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [("-n2",), ("-n2", "--dist=worksteal")], ids=["default", "worksteal"])
def test_a_run_that_would_scatter_cells_is_refused(pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    result = pytester.runpytest_inprocess(*ARGS, *args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "must stay together: use `--dist loadfile` with -n." in result.stderr.str()


def test_two_chapters_run_side_by_side(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    cells = [("", "import os; n = 0"), *[("", "n += 1")] * 4, ("", "assert n == 4")]
    cells.append(("", "assert int(os.environ['OMP_NUM_THREADS']) == max(1, os.cpu_count() // 2)"))
    cells.append(("", "assert os.environ['OMP_WAIT_POLICY'] == 'PASSIVE'"))
    write(pytester, {"book/one.md": chapter(*cells), "book/two.md": chapter(*cells)})

    result = pytester.runpytest_inprocess(*ARGS, "-n2", "--dist=loadfile")

    result.assert_outcomes(passed=16)
