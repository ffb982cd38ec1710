"""sphinx-codeautolink, which makes names in code cells link to the API, in four ways mended for this book.

sphinx-proof puts the body of a theorem or an exercise into a section that has no title. sphinx-codeautolink takes one
title off its stack for each section it leaves, and so runs out of titles. Here it takes one only where there was one.

It also reads a page into a tree and copies every cell once for each cell that it looks for, which takes longer than all
the rest of the book. Pygments writes spans and nothing else between ``<pre>`` and ``</pre>``: here they are found as
text. For each cell it analyses all cells before it again; here the analysis goes on where it stopped.
"""

import ast
import html
import re
from typing import Any

import sphinx_codeautolink.extension
from docutils import nodes
from sphinx.util import logging
from sphinx_codeautolink.extension import block
from sphinx_codeautolink.extension.block import CodeBlockAnalyser, SourceTransform, construct_name_pattern
from sphinx_codeautolink.parse import ImportTrackerVisitor, Name

_CELL = re.compile(r'<div class="[^"]*\bhighlight-[^"]*"><div class="highlight"><pre>(.*?)</pre>', re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
logger = logging.getLogger(__name__)


def _depart_section(self: CodeBlockAnalyser, node: nodes.section) -> None:
    if node.children and isinstance(node.children[0], nodes.title):
        self.title_stack.pop()


class Names:
    """The names of a cell, given with all cells of its page before it, whose names its caller drops."""

    def __init__(self) -> None:
        self.page: Any = None
        self.read = ""
        self.visitor = ImportTrackerVisitor(None)

    def __call__(self, source: str, cell: Any) -> list[Name]:
        if self.read and cell.document is self.page and source.startswith(f"{self.read}\n"):
            above = self.read.count("\n") + 1
            tree = ast.parse("\n" * above + source[len(self.read) + 1 :])  # as far down as it stands
        else:
            tree = ast.parse(source)
            self.visitor = ImportTrackerVisitor(None)
        self.visitor.doctree_node, self.visitor.accessed = cell, []
        self.visitor.visit(tree)
        self.page, self.read = cell.document, source
        return self.visitor.accessed


def text_of(code: str) -> str:
    """What a reader sees of highlighted code."""
    return html.unescape(_TAG.sub("", code)).strip()


def link_cells(
    document: str, body: str, transforms: list[SourceTransform], inventory: dict[str, str], *_: Any, **__: Any
) -> str:
    """The body of a page with the links of its code cells; a cell is found by its text, in the order of the page."""
    cells = iter(_CELL.finditer(body))
    parts, end = [], 0
    for transform in transforms:
        cell = next((cell for cell in cells if text_of(cell[1]) == transform.source.strip()), None)
        if cell is None:
            logger.warning("no cell on the page is\n%s", transform.source, location=document)
            break
        parts += [body[end : cell.start(1)], _linked(cell[1], document, transform, inventory)]
        end = cell.end(1)
    return "".join(parts) + body[end:]


def _linked(code: str, document: str, transform: SourceTransform, inventory: dict[str, str]) -> str:
    lines = code.split("\n")
    for name in transform.names:
        begin, end = name.lineno - 1, name.end_lineno
        selection = "\n".join(lines[begin:end])
        found = list(re.finditer(construct_name_pattern(name), selection))
        if not found:
            logger.warning("%s is not in\n%s", name.code_str, transform.source, location=document)
            continue
        start, stop = found[-1].span()  # the last: of a.b = a.b the right one comes first
        start += len(found[-1][1])
        linked = _with_link(selection, start, stop, str(name.resolved_location), document, inventory)
        lines[begin:end] = linked.split("\n")
    return "\n".join(lines)


def _with_link(code: str, start: int, stop: int, target: str, document: str, inventory: dict[str, str]) -> str:
    place, name = inventory[target], code[start:stop]
    if not place.startswith(("http://", "https://")):
        place = "../" * document.count("/") + place
    title = "" if "".join(text_of(name).split()) == target else f' title="{target}"'
    return f'{code[:start]}<a href="{place}"{title} class="sphinx-codeautolink-a">{name}</a>{code[stop:]}'


_earlier: dict[str, list[SourceTransform]] = {}


def _remember(app: Any) -> None:
    _earlier.update(getattr(app.env, "sphinx_codeautolink_transforms", {}))


def _recall(app: Any) -> None:
    """The names in pages that are not read again: its own memory is for files that end in .rst."""
    app.env.sphinx_codeautolink_transforms.update(_earlier)


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", _remember, priority=1)
    app.connect("builder-inited", _recall, priority=999)
    CodeBlockAnalyser.depart_section = _depart_section
    block.parse_names = Names()
    sphinx_codeautolink.extension.link_html = link_cells
    app.setup_extension("sphinx_codeautolink")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
