"""The page promises no cell that it cannot run: every live cell of every chapter runs in the Python of the browser."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute
import live
import live_cells
import live_files

from ..harness.chapters import CHECK, code_cells, read_references, reference_path, tags_of

CHAPTERS = execute.chapters()


@pytest.fixture(scope="module")
def browser() -> Iterator[subprocess.Popen[str]]:
    """The runtime of a page, in Node.js."""
    program, _ = live_files.node()
    command = [program, live_files.SOURCES / "check.mjs", live_files.made()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def texts(outputs: list[dict]) -> list[dict[str, str]]:
    """What a cell printed and showed as text, as the references have it."""
    found: list[dict[str, str]] = []
    for output in outputs:
        if output.get("stream") == "stdout":
            if not found or "stdout" not in found[-1]:
                found.append({"stdout": ""})
            found[-1]["stdout"] += output["text"]
        elif "data" in output:
            found.append({"text/plain": output["data"]["text/plain"]})
    return found


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_live_cells_run_in_the_browser_and_show_what_the_book_shows(chapter, browser):
    code = code_cells(chapter)
    cells = live_cells.analysed((cell.source, tags_of(cell)) for cell in code)
    chosen = [k for k, cell in enumerate(cells) if cell.live and (not cell.hidden or cell.binds)]
    browser.stdin.write(json.dumps([cells[k].source for k in chosen]) + "\n")
    browser.stdin.flush()
    shown = dict(zip(chosen, json.loads(browser.stdout.readline()), strict=True))
    references = iter(read_references(reference_path(ROOT, chapter)))
    for k, cell in enumerate(code):
        reference = next(references) if CHECK in tags_of(cell) else None
        outputs = shown.get(k, [])
        problems = [o for o in outputs if "error" in o or o.get("stream") == "stderr"]
        assert not problems, f"{cell.source}\n{problems}"
        if k in shown and reference:
            expected = [{kind: "".join(lines) for kind, lines in text.items()} for text in reference["outputs"]]
            assert texts(outputs) == expected, cell.source


def test_most_chapters_have_live_cells():
    counts = {chapter.stem: sum(entry == {} for entry in live.entries(chapter)) for chapter in CHAPTERS}
    assert [name for name, count in counts.items() if count < 4] == ["intro"]
    assert sum(counts.values()) > 300
