"""The page promises no cell that it cannot run: every live cell of every chapter runs in the Python of the browser."""

import json
import subprocess
from collections.abc import Iterator

import execute
import live
import live_cells
import live_files
import pytest

from ..harness.chapters import CHECK, code_cells, read_references, reference_path, tags_of

HEADER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---
"""
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
    references = iter(read_references(reference_path(execute.ROOT, chapter)))
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


@pytest.mark.parametrize(
    ("cells", "live_ones"),
    [
        (["import sympy as sp", "x = sp.Symbol('x')"], [True, True]),
        (["import torch", "y = torch.ones(2)", "z = y + 1", "z = 1", "z + 1"], [False, False, False, True, True]),
        (["import torch\nimport math", "math.pi"], [True, True]),
        (["from relunb import bw_relu\nbw_relu(1)"], [False]),
        (["from relunb.check import agreement, identity", "identity(1, 1)", "agreement(1, 2)"], [True, True, False]),
        (["import torch", "def f(): return torch.pi", "f()", "def g(torch): return torch", "g(1)"], [0, 0, 0, 1, 1]),
        (["import torch", "[torch for torch in range(3)]", "[t for t in torch.ones(2)]"], [0, 1, 0]),
        (["import torch", "rows = []", "rows.append(torch.pi)", "len(rows)", "rows = [1]", "rows"], [0, 1, 0, 0, 1, 1]),
        (["import torch", "total = 0", "total += torch.pi", "total"], [0, 1, 0, 0]),
        (["import torch", "class A(torch.nn.Module):\n  x = 1", "A()"], [0, 0, 0]),
        (["import torch", "f = lambda x: torch.sin(x)", "f(1)", "f = lambda torch: torch", "f(1)"], [0, 0, 0, 1, 1]),
    ],
)
def test_a_cell_is_live_when_all_its_names_are(cells, live_ones):
    assert [cell.live for cell in live_cells.analysed((cell, []) for cell in cells)] == [bool(one) for one in live_ones]


def test_tags_overrule_the_names():
    found = live_cells.analysed([("import torch\ntorch.pi", ["live"]), ("1 + 1", ["not-live"])])
    assert [cell.live for cell in found] == [True, False]


def test_a_page_lists_its_cells_for_its_script(tmp_path):
    page = tmp_path / "page.md"
    cell = "```{code-cell} ipython3\n%s\n```\n"
    page.write_text(HEADER + cell % ":tags: [remove-cell]\n\nx = 2" + cell % "x + 1" + cell % "import torch\ntorch.pi")
    assert live.entries(page) == [{"hidden": "x = 2"}, {}, {"why": "torch"}]


def test_the_policy_forbids_other_hosts():
    sources = {word for rule in live.POLICY.split(";") for word in rule.split()[1:]}
    assert sources <= {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}


def test_what_is_fetched_is_pinned_by_its_digest():
    lock = json.loads((live_files.SOURCES / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not any("resolved" in package for package in packages.values())  # any registry will do
