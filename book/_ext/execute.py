"""Execute the chapters that changed, several at once, into the cache that the book build and the tests then read.

A chapter runs again when its cells, the pins, the interpreter, or a file of ours that its kernel had loaded change. The
kernel itself says, after the last cell, which files those are.
"""

import argparse
import ast
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "_build" / ".jupyter_cache"
RECORDS = ROOT / "_build" / ".executed"
STARTED_FROM = ROOT / "_build" / ".started-from.json"
BUILT_FROM = ROOT / "_build" / "html" / ".built-from.json"
TIMEOUT = 120  # seconds a cell may take
COMPILED = (".pyc", ".so")
QUIET = ["--log-level=ERROR"]  # a kernel warns that its port is not encrypted; the port is on loopback
WHAT_IS_LOADED = "import sys; print([getattr(module, '__file__', None) for module in list(sys.modules.values())])"


def digest(files: Iterable[Path]) -> str:
    """One number for the names and contents of these files, and for the interpreter."""
    total = hashlib.sha256(sys.version.encode())
    for file in sorted(files):
        total.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()


def package_files() -> list[Path]:
    return [f for f in ROOT.glob("relunb/**/*") if f.is_file() and not _is_by_product(f.relative_to(ROOT))]


def book_files() -> list[Path]:
    """Everything that the built book depends on."""
    pages = (f for f in ROOT.glob("book/**/*") if f.is_file() and not _is_by_product(f.relative_to(ROOT)))
    return [*package_files(), *pages, *(ROOT / name for name in ("_config.yml", "_toc.yml", "constraints.txt"))]


def _is_by_product(file: Path) -> bool:
    """What Python, JupyterLab and a C compiler leave beside the pages and the sources that it was made from."""
    return file.suffix in COMPILED or any(part.startswith(".") or part == "__pycache__" for part in file.parts)


def state() -> dict[str, str]:
    """A number for each file that the built book depends on."""
    return {str(file.relative_to(ROOT)): digest([file]) for file in book_files()}


def built_from() -> dict[str, str]:
    """The state that _build/html shows without a warning; what it lacks is to be built again."""
    return json.loads(BUILT_FROM.read_text()) if BUILT_FROM.exists() else {}


def is_built() -> bool:
    """Is there a book, built without a warning from the files as they are now?"""
    return built_from() == state()


def chapters() -> list[Path]:
    """The pages of _toc.yml that have code cells."""
    from sphinx_external_toc.parsing import parse_toc_yaml

    pages = (ROOT / f"{name}.md" for name in parse_toc_yaml(ROOT / "_toc.yml"))
    return [page for page in pages if page.exists() and "{code-cell}" in source_of(page)]


def source_of(page: Path) -> str:
    """The text of a page, without the byte-order mark that some editors put before it."""
    return page.read_text(encoding="utf-8-sig")


def own_kernel_first() -> None:
    """A hub may bring a kernel of its own that is called python3, and it knows nothing of the package."""
    os.environ |= {"JUPYTER_PATH": "", "JUPYTER_PREFER_ENV_PATH": "1"}


class Executed(NamedTuple):
    notebook: Any
    seconds: float
    problem: str  # empty where the chapter ran through
    made_from: dict[str, Any]  # its cells, the pins, and the files of ours that it loaded, as they were at its start


def execute(chapter: Path) -> Executed:
    """Run a chapter in an empty folder."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat.v4 import new_code_cell

    notebook, start, problem, loaded = read(chapter), time.perf_counter(), "", []
    made_from: dict[str, Any] = {"cells": _cells(notebook), "pins": digest([ROOT / "constraints.txt"])}
    package = {file: digest([file]) for file in package_files()}
    asked = new_code_cell(WHAT_IS_LOADED)
    notebook.cells.append(asked)
    with tempfile.TemporaryDirectory() as folder:
        # Without the times: the cache knows a notebook by its cells and what is noted beside them.
        options = {"resources": {"metadata": {"path": folder}}, "extra_arguments": QUIET, "record_timing": False}
        try:
            _run(lambda: NotebookClient(notebook, timeout=TIMEOUT, **options))
            loaded = _ours(ast.literal_eval(asked.outputs[0].text))
            if left := sorted(os.listdir(folder)):
                problem = f"A chapter writes no file, but this one left {', '.join(left)}: keep the data in memory."
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            problem = str(error)
    notebook.cells.remove(asked)
    # A file that was saved while the chapter ran is noted as it was before: the chapter is old at once.
    made_from["loaded"] = {str(file.relative_to(ROOT)): package.get(file, "new") for file in loaded}
    return Executed(notebook, time.perf_counter() - start, problem, made_from)


def _run(client: Callable[[], Any]) -> None:
    """Execute with a client. Of two kernels that start at once and choose one port one dies, and is started again."""
    from nbclient.exceptions import DeadKernelError

    for last in (False, False, True):
        try:
            client().execute()
            return
        except DeadKernelError:  # in a cell
            raise
        except (AssertionError, RuntimeError):  # what nbclient makes of a kernel that never answered
            if last:
                raise


def read(chapter: Path) -> Any:
    """A chapter as a notebook that has not run."""
    from myst_nb.core.read import read_myst_markdown_notebook

    return read_myst_markdown_notebook(source_of(chapter), path=chapter)


def _ours(files: list[str | None]) -> list[Path]:
    """Of the files that modules came from those of this repository, and what data lies beside them."""
    modules = {Path(file) for file in files if file and Path(file).is_relative_to(ROOT / "relunb")}
    beside = {file for module in modules for file in module.parent.iterdir() if file.is_file()}
    return sorted(modules | {file for file in beside if file.suffix not in (".py", *COMPILED)})


def _cells(notebook: Any) -> str:
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps([sources, notebook.metadata.get("kernelspec")]).encode()).hexdigest()


def _record(chapter: Path) -> Path:
    return RECORDS / chapter.relative_to(ROOT / "book").with_suffix(".json")


def keep(chapter: Path, executed: Executed) -> None:
    """Put a chapter that ran through into the cache, with what it depended on."""
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    record = _record(chapter)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)  # there is none while the notebook in the cache may be half written
    get_cache(str(CACHE)).cache_notebook_bundle(
        CacheBundleIn(executed.notebook, str(chapter), data={"execution_seconds": executed.seconds}),
        check_validity=False,
        overwrite=True,
    )
    record.write_text(json.dumps(executed.made_from, indent=1))


def loaded(chapter: Path) -> dict[str, str]:
    """The files of ours that the chapter's kernel had loaded when it last ran, each with its number."""
    return json.loads(_record(chapter).read_text())["loaded"]


def executed(chapter: Path) -> Any:
    """The executed notebook of a chapter; None where there is none, or anything that it depended on has changed."""
    from jupyter_cache import get_cache

    notebook = read(chapter)
    try:
        made_from = json.loads(_record(chapter).read_text())
        if made_from["cells"] != _cells(notebook) or made_from["pins"] != digest([ROOT / "constraints.txt"]):
            return None
        if any(digest([ROOT / name]) != number for name, number in made_from["loaded"].items()):
            return None
        cache = get_cache(str(CACHE))
        found: Any = cache.match_cache_notebook(notebook)
        return cache.get_cache_bundle(found.pk).nb
    except (OSError, ValueError, KeyError):  # no record or a broken one, a file that is gone, no such notebook
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many chapters run at once")
    parser.add_argument("--is-built", action="store_true", help="only tell, by exit status, if the book is up to date")
    options = parser.parse_args()
    if options.is_built:
        return 0 if is_built() else 1

    from tqdm import tqdm

    CACHE.mkdir(parents=True, exist_ok=True)
    STARTED_FROM.write_text(json.dumps(state()))  # a page that is saved from here on may not be in the book
    todo = [chapter for chapter in chapters() if executed(chapter) is None]
    if not todo:
        return 0
    jobs = max(1, min(options.jobs, len(todo)))
    os.environ["RELUNB_BOOK"] = "1"  # relunb.plot then leaves plotly.js to the page
    own_kernel_first()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads leave the core to the other chapters
    if len(todo) > jobs:  # else a kernel would wait for imports as long as it takes for its own
        import forked

        forked.use()
    failed = 0
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(todo), desc="chapters", unit="") as bar:
        running = {pool.submit(execute, chapter): chapter for chapter in todo}
        try:
            for future in as_completed(running):
                chapter, result = running[future], future.result()
                if not result.problem:
                    keep(chapter, result)
                    bar.write(f"{chapter.relative_to(ROOT)}: {result.seconds:.1f} s", file=sys.stdout)
                else:
                    failed += 1
                    bar.write(f"{result.problem}\nmake book: a cell of {chapter.relative_to(ROOT)} failed; see above.")
                bar.update()
        except KeyboardInterrupt:
            bar.write("make book: stopped. Chapters that had finished are kept; run make book again to go on.")
            os._exit(130)  # at once: the chapters in the queue do not run, and a kernel ends with its parent
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
