"""Write _build/html: the whole book, or where there is one without a warning, the pages that a change can reach.

Sphinx goes by the times of files; here it is told by their contents which pages to read again. Where a name or a title
that other pages may show has changed with them, every page is written again, without being read. What a failed or
interrupted build had to do is left to the next one.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import execute
from execute import BUILT_FROM, ROOT

HTML, DOCTREES = BUILT_FROM.parent, ROOT / "_build" / ".doctrees"
NAMES, BUILT_NAMES = HTML / "objects.inv", HTML / ".built-names.inv"  # of the last run of Sphinx; of the last good book
# Pages are trees of many small objects: Python looks through all of them for garbage a hundred times less often.
JUPYTER_BOOK = "import gc; gc.set_threshold(100_000); from jupyter_book.cli.main import main; main()"
READS_THE_CODE, READS_THE_NAMES = "book/reference/api", "book/reference/equation-map"


def reached(changed: set[str]) -> set[str] | None:
    """The pages, as Sphinx names them, that changed files can reach; None where it may be any of them."""
    pages = {file: _shown_by(file) for file in changed}
    shown = {file for file, page in pages.items() if (DOCTREES / page).with_suffix(".doctree").exists()}
    if not all(file.startswith("relunb/") or file in shown for file in changed):
        return None
    stale = {pages[file] for file in shown}
    if any(file.startswith("relunb/") for file in changed):
        stale.add(READS_THE_CODE)
        stale |= {_name(chapter) for chapter in execute.chapters() if changed & execute.loaded(chapter).keys()}
    return stale


def _shown_by(file: str) -> str:
    """The page that a file is, or whose questions it holds."""
    return file.removesuffix(".answers.yml") if file.endswith(".answers.yml") else file.removesuffix(".md")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT).with_suffix(""))


def _read_again(pages: set[str]) -> None:
    for page in pages:
        (DOCTREES / page).with_suffix(".doctree").unlink(missing_ok=True)


def _sphinx(*options: str) -> bool:
    command = [sys.executable, "-P", "-c", JUPYTER_BOOK]
    return subprocess.run([*command, "build", ROOT, "-W", "-n", "--keep-going", "--quiet", *options]).returncode == 0


def _names_changed() -> bool:
    return not BUILT_NAMES.exists() or NAMES.read_bytes() != BUILT_NAMES.read_bytes()


def build() -> bool:
    """Bring the book up to date; whether it succeeded without a warning."""
    now: dict[str, str] = json.loads(execute.STARTED_FROM.read_text())
    before = execute.built_from()
    changed = {file for file in before.keys() | now.keys() if before.get(file) != now.get(file)}
    stale = reached(changed) if before else None
    if stale is None:
        shutil.rmtree(HTML, ignore_errors=True)
        shutil.rmtree(DOCTREES, ignore_errors=True)
        done = _sphinx("--all")
        if not done:
            shutil.rmtree(HTML, ignore_errors=True)
    else:
        BUILT_FROM.write_text(json.dumps({file: number for file, number in before.items() if file not in changed}))
        _read_again(stale)
        done = _sphinx()
        if done and _names_changed():
            _read_again({READS_THE_NAMES})
            done = _sphinx("--all")
    if done:
        shutil.copy(NAMES, BUILT_NAMES)
        BUILT_FROM.write_text(json.dumps(now))
    return done


if __name__ == "__main__":
    if not build():
        sys.exit("make book: the book did not build; the warnings above name page and line. Mend them, then try again.")
