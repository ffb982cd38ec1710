"""The names of a chapter's cells, found going on from cell to cell, are those that sphinx-codeautolink finds."""

from types import SimpleNamespace

import code_links
import execute
import pytest
from sphinx_codeautolink.parse import parse_names

CHAPTERS = execute.chapters()
CELLS = [
    "import torch\nfrom relunb import bw_relu as psi",
    "def f(x):\n    return psi(x)",
    "class A:\n    y = torch.ones(2)",
    "%matplotlib inline",
    "psi = None\nf(torch.zeros(1))",
    "psi(1)\nA.y",
]


def names_below(find, cells, cell, page):
    """Those of the last of these cells, or that it is none of Python."""
    try:
        found = find("\n".join([*cells, cell]), SimpleNamespace(document=page))
    except SyntaxError:
        return None
    return [name for name in found if name.lineno > sum(above.count("\n") + 1 for above in cells)]


def compared(pages):
    """How many names were found, on all pages one after the other."""
    ours, count = code_links.Names(), 0
    for page in pages:
        cells, document = [], object()
        for cell in page:
            theirs = names_below(parse_names, cells, cell, document)
            assert names_below(ours, cells, cell, document) == theirs, cell
            if theirs is not None:
                cells.append(cell)
                count += len(theirs)
    return count


def test_names_of_a_page_and_of_pages_after_it():
    assert compared([CELLS]) > 5
    begins_alike = "\n".join(CELLS[:3])
    assert compared([CELLS[:2], [begins_alike, CELLS[5]], CELLS]) > 10


@pytest.mark.slow
def test_names_of_every_chapter():
    pages = [[cell.source for cell in execute.read(page).cells if cell.cell_type == "code"] for page in CHAPTERS]
    assert compared(pages) > 10_000
