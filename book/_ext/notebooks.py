"""Each chapter as a notebook to download: the cells as they stand, no outputs, and a line that says what it needs."""

import re
from pathlib import Path
from typing import Any

from execute import own_kernel_first

NEEDS = (
    "This notebook is a chapter of *One kink, three lenses*. It needs the package `relunb` and what its chapters "
    "import: in the folder of the repository, run `pip install '.[chapters]'`. Formulas and links in some texts are "
    "written for the book and show as plain text here."
)
INDEX = re.compile(r"^```\{index\}.*\n```\n*", re.MULTILINE)  # what it names stands in the book's index alone


def notebook_of(text: str) -> Any:
    """The notebook of a chapter's text."""
    import jupytext
    import nbformat

    notebook = jupytext.reads(text, fmt="md:myst")
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(NEEDS, id="needs"))
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # jupytext draws random ones: the same chapter gives the same file
        if cell.cell_type == "markdown":
            cell.source = INDEX.sub("", cell.source)
    notebook.metadata.pop("jupytext", None)
    return notebook


def _write_notebook(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    source = Path(app.confdir) / f"{pagename}.md"
    if app.builder.format != "html" or not source.exists():
        return
    text = source.read_text(encoding="utf-8-sig")
    if "{code-cell}" not in text:
        return
    import nbformat

    target = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook_of(text), target)
    context["ipynb_source"] = f"{pagename}.ipynb"  # the theme's download menu reads this


def setup(app: Any) -> dict[str, bool]:
    own_kernel_first()  # a page that was saved after the others had been executed is executed by Sphinx
    app.connect("html-page-context", _write_notebook, priority=5)  # before the theme makes its menu
    return {"parallel_read_safe": True, "parallel_write_safe": True}
