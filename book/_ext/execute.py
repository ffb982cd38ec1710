"""Execute the chapters that changed, several at once, into the cache that the book build then reads.

The cache knows a chapter by its cells alone. What the cells import is not in that key, so the whole cache goes when the
package, the pins or the interpreter change.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "_build" / ".jupyter_cache"
EXECUTED_WITH = ROOT / "_build" / ".executed-with.sha256"
STARTED_FROM = ROOT / "_build" / ".started-from.sha256"
BUILT_FROM = ROOT / "_build" / "html" / ".built-from.sha256"
TIMEOUT = 120  # seconds a cell may take
QUIET = ["--log-level=ERROR"]  # a kernel warns that its port is not encrypted; the port is on loopback


def digest(files: Iterable[Path]) -> str:
    """One number for the names and contents of these files, and for the interpreter."""
    total = hashlib.sha256(sys.version.encode())
    for file in sorted(files):
        total.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()


def package_files() -> list[Path]:
    return [
        *ROOT.glob("relunb/**/*.py"),
        *ROOT.glob("relunb/**/*.json"),
        ROOT / "constraints.txt",
        ROOT / "pyproject.toml",
    ]


def book_files() -> list[Path]:
    """Everything that the built book depends on."""
    pages = (f for f in ROOT.glob("book/**/*") if f.is_file() and not _is_by_product(f.relative_to(ROOT)))
    return [*package_files(), *pages, ROOT / "_config.yml", ROOT / "_toc.yml"]


def _is_by_product(file: Path) -> bool:
    """What Python and JupyterLab leave beside the pages: __pycache__ and .ipynb_checkpoints."""
    return any(part.startswith(".") or part == "__pycache__" for part in file.parts)


def is_built() -> bool:
    """Is there a book, built without a warning from the files as they are now?"""
    return BUILT_FROM.exists() and BUILT_FROM.read_text() == digest(book_files())


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


def execute(chapter: Path) -> Any:
    from jupyter_cache.executors.utils import single_nb_execution
    from myst_nb.core.read import read_myst_markdown_notebook

    notebook = read_myst_markdown_notebook(source_of(chapter), path=chapter)
    with tempfile.TemporaryDirectory() as folder:
        return single_nb_execution(notebook, cwd=folder, timeout=TIMEOUT, allow_errors=False, extra_arguments=QUIET)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="how many chapters run at once")
    parser.add_argument("--is-built", action="store_true", help="only tell, by exit status, if the book is up to date")
    parser.add_argument("--mark-built", action="store_true", help="only note what _build/html was built from")
    options = parser.parse_args()
    if options.is_built:
        return 0 if is_built() else 1
    if options.mark_built:
        # As it was when the build began: a page saved meanwhile may not be in the book.
        BUILT_FROM.write_text(STARTED_FROM.read_text())
        return 0

    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn
    from myst_nb.core.read import read_myst_markdown_notebook
    from tqdm import tqdm

    key = digest(package_files())
    if not EXECUTED_WITH.exists() or EXECUTED_WITH.read_text() != key:
        shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    STARTED_FROM.write_text(digest(book_files()))
    cache = get_cache(str(CACHE))
    EXECUTED_WITH.write_text(key)

    def is_cached(chapter: Path) -> bool:
        try:
            cache.match_cache_notebook(read_myst_markdown_notebook(source_of(chapter), path=chapter))
        except KeyError:
            return False
        return True

    todo = [chapter for chapter in chapters() if not is_cached(chapter)]
    if not todo:
        return 0
    jobs = max(1, min(options.jobs, len(todo)))
    os.environ["RELUNB_BOOK"] = "1"  # relunb.plot then leaves plotly.js to the page
    own_kernel_first()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads leave the core to the other chapters
    failed = 0
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(todo), desc="chapters", unit="") as bar:
        running = {pool.submit(execute, chapter): chapter for chapter in todo}
        try:
            for future in as_completed(running):
                chapter, result = running[future], future.result()
                if result.err is None:
                    data = {"execution_seconds": result.time}
                    cache.cache_notebook_bundle(
                        CacheBundleIn(result.nb, str(chapter), data=data), check_validity=False, overwrite=True
                    )
                    bar.write(f"{chapter.relative_to(ROOT)}: {result.time:.1f} s", file=sys.stdout)
                else:
                    failed += 1
                    bar.write(f"{result.err}\nmake book: a cell of {chapter.relative_to(ROOT)} failed; see above.")
                bar.update()
        except KeyboardInterrupt:
            bar.write("make book: stopped. Chapters that had finished are kept; run make book again to go on.")
            os._exit(130)  # at once: the chapters in the queue do not run, and a kernel ends with its parent
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
