"""A book that was brought up to date page by page is the book that is built at once."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"
HEADER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---
"""
CONFIG = """title: A small book
only_build_toc_files: true
exclude_patterns: [_build]
execute: {execute_notebooks: cache}
sphinx:
  extra_extensions: [sphinx_proof, sphinx_exercise, sphinx.ext.autodoc]
  local_extensions: {code_links: book/_ext/, answers: book/_ext/, package: .}
  config: {codeautolink_custom_blocks: {ipython3: null, ipython: null}, codeautolink_concat_default: true}
"""
PAGES = "book/one", "book/two", "book/reference/api", "book/reference/equation-map"
ONE = """# One

(here)=
## A place

```{prf:theorem} A name
:label: a-theorem

It holds.
```

```{exercise}
:label: ex-one

Prove it.
```

```{code-cell} ipython3
import relunb

relunb.answer()
```
"""
QUESTIONS = """ex-one: {ask: "What?", symbols: {}, solution: "42", wrong: ["41", "43"], hint: Count.}
"""
TWO = """# Two

See {ref}`here` and {prf:ref}`a-theorem`.

```{code-cell} ipython3
import relunb

print(relunb.answer() + 1)
```
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small book with our scripts at their place in it, built."""
    root = tmp_path_factory.mktemp("built") / "project"
    chapters = "".join(f"  - file: {page}\n" for page in PAGES)
    for name, text in {
        "relunb/__init__.py": 'def answer():\n    """The answer."""\n    return 42\n',
        "package.py": "import sys\nsys.path.insert(0, __file__.rpartition('/')[0])\ndef setup(app): return {}\n",
        "constraints.txt": "torch==1\n",
        "_config.yml": CONFIG,
        "_toc.yml": f"format: jb-book\nroot: book/intro\nchapters:\n{chapters}",
        "book/intro.md": "# Intro\n",
        "book/one.md": HEADER + ONE,
        "book/one.answers.yml": QUESTIONS,
        "book/two.md": HEADER + TWO,
        "book/reference/api.md": "# API\n\n```{eval-rst}\n.. autofunction:: relunb.answer\n```\n",
        "book/reference/equation-map.md": "# Map\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "book" / "_ext").mkdir()
    for name in ("execute.py", "forked.py", "build.py", "code_links.py", "answers.py"):
        shutil.copy(EXTENSIONS / name, root / "book" / "_ext")
    if problem := make(root):
        pytest.fail(problem)
    return root


@pytest.fixture
def book(built, tmp_path):
    """A copy that a test may change. The cells find it by the folder that the kernel starts from."""
    return Path(shutil.copytree(built, tmp_path / "project", symlinks=True))


def script(root, name):
    command = [sys.executable, str(root / "book" / "_ext" / name)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(root))


def environment(root):
    return os.environ | {"PYTHONPATH": str(root)}


def make(root):
    """What make book does; what went wrong."""
    for name in ("execute.py", "build.py"):
        run = script(root, name)
        if run.returncode:
            return run.stdout + run.stderr
    return ""


def pages_of(root):
    """Every page; without the numbers of style sheets, which two extensions copy when the first page is written."""
    pages = (root / "_build" / "html").rglob("*.html")
    return {str(page.relative_to(root)): re.sub(r"\?v=\w+", "", page.read_text()) for page in pages}


def replace(root, name, old, new):
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))


CHANGES = {
    "a sentence": ("book/one.md", "It holds.", "It holds always."),
    "a title that another page shows": ("book/one.md", "## A place", "## Another place"),
    "a cell": ("book/two.md", "+ 1", "+ 2"),
    "the package": ("relunb/__init__.py", "42", "43"),
    "a docstring": ("relunb/__init__.py", "The answer.", "What was asked for."),
    "the title of a page": ("book/two.md", "# Two", "# The second"),
    "a question": ("book/one.answers.yml", "What?", "What else?"),
    "the configuration": ("_config.yml", "A small book", "Another book"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_page_by_page_and_at_once_make_the_same_book(book, change):
    replace(book, *CHANGES[change])
    before = pages_of(book)
    assert not make(book)
    page_by_page = pages_of(book)
    assert page_by_page != before
    shutil.rmtree(book / "_build" / "html")
    assert not make(book)
    assert pages_of(book) == page_by_page
    assert "sphinx-codeautolink-a" in page_by_page["_build/html/book/one.html"]


@pytest.mark.slow
def test_a_failed_build_is_made_up_for_by_the_next(book):
    replace(book, "book/two.md", "{ref}`here`", "{ref}`nowhere`")
    assert "nowhere" in make(book)
    assert "nowhere" in make(book), "a second try says so again"
    replace(book, "book/two.md", "{ref}`nowhere`", "{ref}`here`")
    assert not make(book)
    replace(book, "book/one.md", "(here)=\n", "")
    for _ in range(2):
        assert "here" in make(book), "a label is gone that a page names which did not change"


@pytest.mark.slow
def test_a_page_saved_during_the_build_makes_the_book_old_at_once(book):
    assert script(book, "execute.py").returncode == 0
    replace(book, "book/intro.md", "# Intro", "# Saved while Sphinx was at work")
    assert script(book, "build.py").returncode == 0
    spec = importlib.util.spec_from_file_location("execute_of_a_small_book", book / "book" / "_ext" / "execute.py")
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    assert not execute.is_built()
    assert not make(book)
    assert execute.is_built()


@pytest.mark.slow
def test_a_change_of_questions_reaches_their_page_alone(book):
    code = "import build; print(build.reached({'book/one.answers.yml'}), build.reached({'book/none.answers.yml'}))"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=book / "book" / "_ext", capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["{'book/one'}", "None"]
