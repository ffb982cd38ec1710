"""The book on paper: what is said without TeX, what stands for a figure that moves, and a small book of two pages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pdf
import pytest
from docutils import nodes

ROOT = Path(__file__).parents[2]
HEADER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---
"""
LOG = r"""
This is XeTeX
./relunb.tex:12: Undefined control sequence.
<argument> \nothing
l.12 \nothing
LaTeX Warning: something else
Missing character: There is no ⁻ (U+207B) in font [texgyrepagella-bold.otf]/OT:
! Emergency stop.
"""


def script(root: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(root / "book" / "_ext" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def test_without_tex_one_sentence_says_what_to_install(tmp_path):
    (tmp_path / "xelatex").write_text("#!/bin/sh\n")
    (tmp_path / "xelatex").chmod(0o755)
    told = script(ROOT, "pdf.py", "--has-tex", PATH=str(tmp_path))
    assert told.returncode != 0
    assert told.stderr.startswith(
        "make pdf: TeX is missing (latexmk, rsvg-convert). On Debian and Ubuntu: apt install "
    )
    assert told.stderr.count("\n") == 1


def test_make_says_so_before_it_installs_anything(tmp_path):
    for name in ("make", "sh", "awk", "getconf"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    environment = {**os.environ, "PATH": str(tmp_path)}
    environment.pop("MAKEFLAGS", None)  # make test runs this
    command = ["make", "--no-print-directory", "pdf", f"VENV={tmp_path / 'venv'}", f"PY={sys.executable}"]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.returncode != 0
    assert "make pdf: TeX is missing (latexmk, xelatex, rsvg-convert)" in told.stderr
    assert "Installing" not in told.stdout and not (tmp_path / "venv").exists()


def test_an_error_of_latex_is_told_with_the_line_that_it_quotes():
    said = ["./relunb.tex:12: Undefined control sequence.", r"l.12 \nothing", "! Emergency stop."]
    assert pdf.problems(LOG) == said


def test_a_character_that_a_font_lacks_is_named_once():
    assert pdf.without_glyph(2 * LOG) == ["⁻"]


def test_an_underscore_in_a_text_of_a_formula_is_escaped_and_one_in_mathematics_is_not():
    tex = r"x_1 \text{relu_gram and $a_{1}$ of {b_2}:} y_2 {\small\text{proved}}"
    assert pdf.for_latex(tex) == r"x_1 \text{relu\_gram and $a_{1}$ of {b\_2}:} y_2 {\text{\small proved}}"


FIGURE = '<div role="img" aria-label="A line, with a slider."><div class="plotly-graph-div"></div></div>'


def output_of(html: str) -> tuple[nodes.container, nodes.container]:
    shown = nodes.container("", nodes.raw("", html, format="html"), mime_type="text/html")
    return shown, nodes.container("", shown, nodes.container("", mime_type="text/plain"))


def test_a_figure_that_moves_is_its_first_frame_where_there_is_one_and_else_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "FRAMES", tmp_path / "frames")
    shown, bundle = output_of(FIGURE)
    pdf._for_html(shown, bundle, tmp_path)
    assert bundle.astext() == "On the web page, a figure with a slider stands here. A line, with a slider."
    pdf.frame_of(FIGURE).parent.mkdir()
    pdf.frame_of(FIGURE).write_text("<svg/>")
    shown, bundle = output_of(FIGURE)
    pdf._for_html(shown, bundle, tmp_path)
    (image,) = bundle.findall(nodes.image)
    assert image["uri"] == f"/frames/{pdf.frame_of(FIGURE).name}"


def test_only_figures_that_move_are_drawn():
    outputs = [{"data": {"text/html": FIGURE}}, {"data": {"text/html": "<table></table>"}}, {"text": "printed"}]
    cells = [SimpleNamespace(get=lambda name, other: outputs), SimpleNamespace(get=lambda name, other: other)]
    assert list(pdf.moving([SimpleNamespace(cells=cells)])) == [FIGURE]


def test_the_table_of_a_card_keeps_its_title_its_powers_and_its_note():
    from relunb import card

    title, table, *notes = pdf._table(card("tanh")._repr_html_())
    assert title.astext() == "tanh"
    rows = list(table.findall(nodes.row))
    assert len(rows) == len(card("tanh")._rows()) + 1
    assert notes[0].astext().startswith("measured: ")
    assert {power.astext() for power in notes[0].findall(nodes.superscript)} >= {"-15", "-19"}


def table_of(*rows: list[str], right: str = "") -> nodes.table:
    """Rows of texts; `right` has an x for each column of numbers."""
    marks = [["text-right"] if mark == "x" else [] for mark in right.ljust(len(rows[0]))]
    lines = [
        nodes.row(
            "", *(nodes.entry("", nodes.paragraph("", text), classes=c) for text, c in zip(row, marks, strict=True))
        )
        for row in rows
    ]
    return nodes.table("", nodes.tgroup("", nodes.tbody("", *lines), cols=len(rows[0])))


@pytest.mark.parametrize(
    ("rows", "right", "spec"),
    [
        ([["n", "mean"], ["1", "0.5"]], " x", "{lr}"),
        ([["what", "why"], ["a" * 60, "b " * 40]], "", "{LL}"),
        ([["what", "why"], *[["word", "a sentence of many words " * 4]] * 50], "", r"{\X{10}{70}\X{60}{70}}"),
    ],
)
def test_a_table_keeps_between_the_margins(rows, right, spec):
    from sphinx.addnodes import tabular_col_spec

    page = nodes.section("", table_of(*rows, right=right))
    pdf._fit(page[0])
    assert [node["spec"] for node in page.findall(tabular_col_spec)] == [spec]


def test_a_table_of_many_columns_is_small_and_one_of_fractions_has_room():
    page = nodes.section("", table_of(["1"] * 9, ["2"] * 9))
    pdf._fit(page[0])
    assert r"\begingroup\scriptsize" in page[0].astext() and r"\endgroup" in page[-1].astext()
    page = nodes.section("", table_of(["1"], ["2"]))
    next(page.findall(nodes.paragraph)).append(nodes.math("", r"\frac{1}{2}"))
    pdf._fit(page[0])
    assert r"\renewcommand\arraystretch" in page[0].astext()


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("tests/wavelet/test_knots.py::test_one", 6),
        ("short", 0),
        ("ContinuousWidthNetwork", 2),
        ("a sentence without any mark", 0),
    ],
)
def test_code_within_a_text_may_end_a_line_after_its_marks(code, ends):
    literal = nodes.literal("", code)
    text = literal[0]
    if pdf._is_long_code(text):
        literal.replace(text, pdf._breakable(text))
    assert (
        "".join(part.astext() for part in literal.findall(nodes.Text) if not isinstance(part.parent, nodes.raw)) == code
    )
    assert sum(isinstance(part, nodes.raw) for part in literal) == ends


INTRO = "# The start\n\nSee {doc}`/book/one`.\n"
ONE = r"""
# One

```{prf:theorem} A name
:label: a-theorem

It holds with $D\mathbin\triangle D'$.
```

```{prf:proof}
It is plain.
```

```{code-cell} ipython3
from matplotlib import pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

set_matplotlib_formats("svg")
plt.plot([1, 2]);
```

```{code-cell} ipython3
from IPython.display import Markdown, Math, display

display(Math(r"\text{a_name:}\quad x_1"))
display(Markdown("| n | what |\n| --: | :-- |\n| 1 | κ |"))
```

```{code-cell} ipython3
:tags: [hide-input]

from IPython.display import HTML

HTML('<div role="img" aria-label="A line that moves."><div id="p" class="plotly-graph-div"></div>'
     '<script>Plotly.newPlot("p", [{y: [1, 3, 2]}])</script></div>')
```
"""
CONFIG = """title: A small book
only_build_toc_files: true
exclude_patterns: [_build]
execute: {execute_notebooks: cache}
sphinx:
  extra_extensions: [sphinx_proof, sphinx_exercise]
"""
CITATION = "authors: [{name: Nobody}]\nversion: 1.0\ndate-released: 2026-01-01\nlicense: [MIT, CC-BY-4.0]\n"


@pytest.mark.slow
def test_a_small_book_becomes_a_pdf(tmp_path):
    if said := pdf.missing():
        pytest.skip(said)
    root = tmp_path / "project"
    for name, text in {
        "relunb/__init__.py": "",
        "constraints.txt": "torch==1\n",
        "CITATION.cff": CITATION,
        "_config.yml": CONFIG,
        "_toc.yml": "format: jb-book\nroot: book/intro\nparts:\n  - {caption: The part, numbered: true, "
        "chapters: [{file: book/one}]}\n",
        "book/intro.md": INTRO,
        "book/one.md": HEADER + ONE,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "book" / "_ext").mkdir()
    for name in ("execute.py", "pdf.py"):
        shutil.copy(ROOT / "book" / "_ext" / name, root / "book" / "_ext")
    for name in ("execute.py", "pdf.py"):
        run = script(root, name, PYTHONPATH=str(root))
        assert run.returncode == 0, run.stdout + run.stderr
    assert (root / "_build" / "relunb.pdf").read_bytes().startswith(b"%PDF")
    tex = (root / "_build" / ".pdf" / "latex" / "relunb.tex").read_text()
    assert tex.index(r"\chapter{The start}") < tex.index(r"\part{The part}") < tex.index(r"\chapter{One}")
    moves = any(map(shutil.which, pdf.CHROMIUM))
    assert tex.count(r"\noindent\sphinxincludegraphics") == 1 + moves
    assert ("A line that moves." in tex) != moves, "the cell that draws it is folded on the page, and left out here"
    assert r"\relunbtypeset{" in tex and r"a\_name" in tex
    assert "A small book" in tex and "Nobody" in tex
