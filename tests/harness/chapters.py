"""Run every chapter of the book as a test, straight from its source.

A chapter is a Markdown page under ``book/`` with a jupytext header.
nbval runs its cells in order, in one kernel; each cell is a test.
Where `make book` has just run the very same chapter with the very same code, its outputs are compared and nothing runs.
The text output of a cell tagged ``nbval-check-output`` must equal its reference in ``tests/golden/``,
which ``make golden`` writes (``pytest _toc.yml book --golden-update``).
``_toc.yml`` is a test file as well: its tests compare the book, the chapters and the references.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from queue import Empty
from typing import Any

import jupytext
import pytest
import yaml
from nbformat import NotebookNode
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel, start_new_kernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

CHECK = "nbval-check-output"
RAISES = "raises-exception"
HINT = "run `make golden` and review the diff"

# What jupytext takes for a header: it begins in the first line, and blanks after the dashes do no harm.
HEADER = re.compile(r"---[ \t]*\n(?:.*\n)*?---[ \t]*(?:\n|\Z)")
CODE_CELL = re.compile(r"^[ \t]*(?:`{3,}|~{3,}|:{3,})\{code-cell\}", re.MULTILINE)
ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden-update", action="store_true", help=f"rewrite the references of cells tagged {CHECK}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") not in ("no", "loadfile"):
        raise pytest.UsageError(
            "The cells of a chapter share one kernel and must stay together: use `--dist loadfile` with -n."
        )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.File | None:
    root = parent.config.rootpath
    if file_path == root / "_toc.yml":
        return TocFile.from_parent(parent, path=file_path)
    if is_chapter(root, file_path):
        return ChapterFile.from_parent(parent, path=file_path)
    return None


# --- pages and references -------------------------------------------------------------------------------------------


def is_chapter(root: Path, page: Path) -> bool:
    """Tell whether a page runs as a test: a Markdown file under book/ with a jupytext header."""
    if page.suffix != ".md" or not page.is_relative_to(root / "book") or not page.is_file():
        return False
    header = HEADER.match(source_of(page))
    return header is not None and "format_name: myst" in header[0]


def source_of(page: Path) -> str:
    """Read a page, without the byte-order mark that some editors put before it."""
    return page.read_text(encoding="utf-8-sig")


def code_cells(page: Path) -> list[NotebookNode]:
    """Read the code cells of a chapter, in order."""
    cells = jupytext.reads(source_of(page), "md:myst").cells
    return [cell for cell in cells if cell.cell_type == "code"]


def tags_of(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def executed_cells(root: Path, page: Path) -> list[NotebookNode] | None:
    """The code cells of a chapter as `make book` has run them; None where nothing is stored, or what is stored is old.

    It is old as soon as the chapter, a pin, the interpreter or a file of ours that the kernel had loaded has changed.
    """
    execute = _execute(root / "book" / "_ext" / "execute.py")
    notebook = execute.executed(page) if execute else None
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"] if notebook else []
    same = [cell.source for cell in cells] == [cell.source for cell in code_cells(page)]
    return cells if cells and same else None


@cache
def _execute(script: Path) -> Any:
    """The script of `make book`, which knows what it has run."""
    if not script.is_file():
        return None
    spec = spec_from_file_location("execute_chapters", script)
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reference_path(root: Path, page: Path) -> Path:
    return root / "tests" / "golden" / page.relative_to(root / "book").with_suffix(".json")


def read_references(path: Path) -> list[dict[str, Any]]:
    """Read the references of a chapter: one entry for each tagged cell, none where there is no file."""
    if not path.is_file():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        pytest.fail(f"{path} is not valid JSON ({error}): {HINT}.", pytrace=False)


def write_references(path: Path, entries: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def reference_entry(source: str, outputs: list[NotebookNode]) -> dict[str, Any]:
    """Make the reference of one cell: its source and its text outputs, as lists of lines so that diffs stay small."""
    texts: list[dict[str, list[str]]] = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stdout":
            if not texts or "stdout" not in texts[-1]:  # what is printed comes in one message or in several
                texts.append({"stdout": []})
            texts[-1]["stdout"] += output.text.splitlines(keepends=True)
        elif output.output_type in ("execute_result", "display_data"):
            plain = output.data.get("text/plain", "")
            # "<Figure size 640x480 with 1 Axes>" says nothing about the figure.
            if plain and not plain.startswith("<Figure "):
                texts.append({"text/plain": plain.splitlines(keepends=True)})
    return {"source": source.splitlines(keepends=True), "outputs": texts}


def as_nbval_outputs(entry: dict[str, Any]) -> list[NotebookNode]:
    """Turn the outputs of a reference into what nbval compares."""
    return [
        NotebookNode({"output_type": "text", kind: "".join(lines)})
        for output in entry["outputs"]
        for kind, lines in output.items()
    ]


# --- chapters -------------------------------------------------------------------------------------------------------


class DeadKernelError(Exception):
    """The kernel of a chapter ended before its cell did."""


class ChapterKernel(RunningKernel):
    """nbval's kernel, always of this interpreter, that does not make us wait once it is dead."""

    def __init__(self, folder: str) -> None:
        env = dict(os.environ)
        # PyTorch's threads wait in a busy loop: on two cores that others use too, training took 118 s instead of 17 s.
        env.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        workers = int(env.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        if workers > 1:  # chapters run side by side: each takes its share of the cores
            env.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
        # nbval's own constructor takes no environment, and leaves a file open.
        self.km, self.kc = start_new_kernel(
            kernel_name=CURRENT_ENV_KERNEL_NAME, cwd=folder, env=env, stderr=subprocess.DEVNULL
        )
        self._ensure_iopub_up()

    def get_message(self, stream: str, timeout: float | None = None) -> dict[str, Any]:
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            try:
                return super().get_message(stream, timeout=1)
            except Empty:
                if not self.is_alive():
                    raise DeadKernelError("The kernel died: look for a crash, or for memory that ran out.") from None
                if time.monotonic() >= deadline:
                    raise


class ChapterFile(IPyNbFile):
    """A chapter: its code cells, run in one kernel that works in an empty temporary folder."""

    kernel: ChapterKernel
    executed: list[NotebookNode] | None

    def collect(self) -> Generator[ChapterCell]:
        self.cells = code_cells(self.path)
        fences = len(CODE_CELL.findall(source_of(self.path)))
        if fences != len(self.cells):
            raise self.CollectError(
                f"{self.path.name} has {fences} {{code-cell}} blocks, but only {len(self.cells)} would run: "
                "move each one out of lists and other directives, and open it with backticks."
            )
        self.reference = reference_path(self.config.rootpath, self.path)
        self.update = self.config.getoption("--golden-update")
        entries = iter([] if self.update else read_references(self.reference))
        self.new_entries: list[dict[str, Any]] = []
        self.passed = 0
        self.broken_at: int | None = None
        self.left_files: set[str] = set()
        for number, cell in enumerate(self.cells):
            entry = next(entries, None) if CHECK in tags_of(cell) else None
            yield ChapterCell.from_parent(self, name=f"Cell {number}", number=number, cell=cell, entry=entry)

    def setup(self) -> None:
        self.executed = executed_cells(self.config.rootpath, self.path)
        if self.executed is not None:
            return
        # Not the folder of the chapter: what a reader downloads must run anywhere, and leave nothing in the tree.
        self.folder = tempfile.TemporaryDirectory()
        self.kernel = ChapterKernel(self.folder.name)

    def teardown(self) -> None:
        if self.executed is None:
            super().teardown()
            self.folder.cleanup()
        if self.new_entries and self.passed == len(self.cells):
            write_references(self.reference, self.new_entries)


class ChapterCell(IPyNbCell):
    """A cell of a chapter: it must run, and its output must equal its reference where it is tagged."""

    parent: ChapterFile

    def __init__(
        self, name: str, parent: ChapterFile, number: int, cell: NotebookNode, entry: dict[str, Any] | None
    ) -> None:
        options = {"skip": False, "check": False, "check_exception": RAISES in tags_of(cell)}
        super().__init__(name, parent, number, cell, options)
        self.entry = entry

    def setup(self) -> None:
        if self.parent.broken_at is not None:
            pytest.skip(f"cell {self.parent.broken_at} of this chapter failed")

    def runtest(self) -> None:
        self.parent.broken_at = self.cell_num  # until it has run
        outputs = self.run_cell()
        self.parent.broken_at = None
        self.check_tags(outputs)
        self.check_folder()
        if CHECK in tags_of(self.cell):
            self.check_output(outputs)
        self.parent.passed += 1

    def run_cell(self) -> list[NotebookNode]:
        if self.parent.executed is not None:
            return self.parent.executed[self.cell_num].outputs
        try:
            super().runtest()
        except DeadKernelError as error:
            self.parent.kernel.stop()
            self.raise_cell_error(str(error))
        if self.parent.timed_out:  # nbval takes the interrupt for the exception that the tag announces
            self.raise_cell_error("This cell ran out of time: make it faster.")
        return self.test_outputs or []

    def check_tags(self, outputs: list[NotebookNode]) -> None:
        for tag in tags_of(self.cell):
            if tag == "skip-execution" or (tag.startswith("nbval") and tag != CHECK):
                self.raise_cell_error(
                    f"Remove the tag {tag}: every cell of a chapter runs, and only the tags {CHECK} and {RAISES} "
                    "change how it is tested."
                )
        if RAISES in tags_of(self.cell) and not any(output.output_type == "error" for output in outputs):
            self.raise_cell_error(f"This cell raised nothing: make it raise, or remove its tag {RAISES}.")

    def check_folder(self) -> None:
        if self.parent.executed is not None:
            return  # make book refuses a chapter that leaves a file
        new_files = set(os.listdir(self.parent.folder.name)) - self.parent.left_files
        if new_files:
            self.parent.left_files |= new_files
            self.raise_cell_error(
                f"A chapter writes no file, but this cell left {', '.join(sorted(new_files))} in its folder: "
                "keep the data in memory."
            )

    def check_output(self, outputs: list[NotebookNode]) -> None:
        new_entry = reference_entry(self.cell.source, outputs)
        if not any(line.strip() for text in new_entry["outputs"] for lines in text.values() for line in lines):
            self.raise_cell_error(
                f"This cell has no text output to compare: print its result, or remove its tag {CHECK}."
            )
        if self.parent.update:
            self.parent.new_entries.append(new_entry)
            return
        reference = self.parent.reference.relative_to(self.config.rootpath).as_posix()
        if self.entry is None or self.entry["source"] != new_entry["source"]:
            self.raise_cell_error(
                f"{reference} has no reference for this cell, because the cell is new or was changed: {HINT}."
            )
        if not self.compare_outputs(as_nbval_outputs(new_entry), as_nbval_outputs(self.entry)):
            self.raise_cell_error(
                f"The output differs from {reference}: correct the code or, where the new output is right, {HINT}.",
                "\n".join(self.comparison_traceback),
            )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
        error = excinfo.value
        if not isinstance(error, NbCellError):
            return super().repr_failure(excinfo)
        # The sentence comes first: pytest's summary shows the first line alone.
        report = f"{error}\n\n{error.source}\n\n{error.inner_traceback or ''}"
        # The kernel always colours its tracebacks; logs and searches want the plain text.
        return ANSI_COLOUR.sub("", report)


# --- the table of contents ------------------------------------------------------------------------------------------


class TocFile(pytest.File):
    """The table of contents: tests of the book as a whole."""

    def collect(self) -> Iterator[TocTest]:
        for check in (every_page_exists, every_chapter_is_tested, every_chapter_is_in_the_book, no_orphaned_reference):
            yield TocTest.from_parent(self, name=check.__name__.replace("_", "-"), check=check)


class TocTest(pytest.Item):
    """One test of the book as a whole."""

    def __init__(self, *, check: Callable[[pytest.Config, list[str]], Iterator[str]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check

    def runtest(self) -> None:
        pages = list(toc_pages(yaml.safe_load(self.path.read_text(encoding="utf-8"))))
        problems = "\n".join(self.check(self.config, pages))
        if problems:
            pytest.fail(problems, pytrace=False)


def toc_pages(node: Any) -> Iterator[str]:
    """Yield the path of each page that a table of contents names, with its suffix."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("root", "file"):
                yield value if value.endswith(".md") else f"{value}.md"
            else:
                yield from toc_pages(value)
    elif isinstance(node, list):
        for value in node:
            yield from toc_pages(value)


def every_page_exists(config: pytest.Config, pages: list[str]) -> Iterator[str]:
    for page in pages:
        if not (config.rootpath / page).is_file():
            yield f"_toc.yml names {page}, which does not exist: write the page, or correct its entry."


def every_chapter_is_tested(config: pytest.Config, pages: list[str]) -> Iterator[str]:
    for page in pages:
        path = config.rootpath / page
        if path.is_file() and not is_chapter(config.rootpath, path) and CODE_CELL.search(source_of(path)):
            yield (
                f"{page} has code cells that no test runs: begin it with the jupytext header of the other chapters "
                "(format_name: myst), and keep it under book/."
            )


def every_chapter_is_in_the_book(config: pytest.Config, pages: list[str]) -> Iterator[str]:
    for path in sorted((config.rootpath / "book").rglob("*.md")):
        page = path.relative_to(config.rootpath)
        hidden = any(part.startswith(".") for part in page.parts)  # an editor's copies
        if not hidden and page.as_posix() not in pages and is_chapter(config.rootpath, path):
            yield f"{page.as_posix()} is a chapter, but not in the book: add it to _toc.yml, or delete it."


def no_orphaned_reference(config: pytest.Config, pages: list[str]) -> Iterator[str]:
    golden = config.rootpath / "tests" / "golden"
    for path in sorted(golden.rglob("*.json")):
        name = path.relative_to(config.rootpath).as_posix()
        chapter = (config.rootpath / "book" / path.relative_to(golden)).with_suffix(".md")
        tagged = 0
        if is_chapter(config.rootpath, chapter):
            tagged = sum(CHECK in tags_of(cell) for cell in code_cells(chapter))
        if config.getoption("--golden-update"):
            if tagged == 0:
                path.unlink()
        elif tagged == 0:
            yield f"{name} belongs to no chapter with a cell tagged {CHECK}: {HINT}."
        elif len(read_references(path)) > tagged:
            yield f"{name} has more references than its chapter has cells tagged {CHECK}: {HINT}."
