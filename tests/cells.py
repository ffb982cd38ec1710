"""Run the cell of a chapter that shows a figure: what a test looks at is then what the page shows."""

import ast
from pathlib import Path
from typing import Any

import jupytext
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from relunb import plot

BOOK = Path(__file__).parents[1] / "book"


def cell(page: str, figure: str) -> str:
    """The source of the cell that shows this figure."""
    cells = jupytext.reads((BOOK / f"{page}.md").read_text(encoding="utf8"), "md:myst").cells
    named = [c.source for c in cells if c.metadata.get("mystnb", {}).get("figure", {}).get("name") == figure]
    (source,) = named
    return source


def shown(page: str, figure: str, names: dict[str, Any] | None = None, **more: Any) -> Any:
    """The figure of this cell, run with names that the cells before it define; ``names`` takes up those of its own."""
    names = {} if names is None else names
    names |= {"plot": plot, **more}
    *before, last = ast.parse(cell(page, figure)).body
    assert isinstance(last, ast.Expr), "the last line shows the figure"
    code = compile(ast.Module(before, []), figure, "exec")
    exec(code, names)
    value = eval(compile(ast.Expression(last.value), figure, "eval"), names)
    return value if isinstance(value, (Figure, plot.Interactive)) else plt.gcf()
