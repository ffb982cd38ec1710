"""The equation map: read its data file, check it, and show it.

`load` reads ``equation-map.yml`` and refuses a malformed row; the book build and the tests both start there.
`find_problems` compares the rows with the rest of the repository: item ids, chapter labels, functions and tests.
The Sphinx part adds one directive and one role::

    ```{equation-map} BW
    ```
    {item}`BW.eq2`

The directive makes the table of one paper, or with ``counts`` the table of totals, from the ``equation-map.yml``
beside its page. The role links to the row of an item.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from docutils import nodes
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.roles import XRefRole
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

DATA_NAME = "equation-map.yml"
PAPERS = ("DC", "BW", "IAT")
KINDS = ("equation", "table", "figure", "claim", "theorem", "protocol")
COMMON_FIELDS = {"id", "kind", "says", "status"}
# What a row of each status has besides the common fields: no more and no less.
STATUS_FIELDS = {
    "derived": {"chapter", "function", "test"},
    "derived with a correction": {"why", "chapter", "function", "test"},
    "used": {"chapter", "function", "test"},
    "not covered": {"why"},
    "planned": set(),
}


# ---- the rows


class MapError(ValueError):
    """The data file is malformed; the message has one line for each problem."""


@dataclass(frozen=True)
class Row:
    """One item of a paper, as the data file has it."""

    id: str
    kind: str
    says: str
    status: str
    why: str | None = None
    chapter: tuple[str, ...] = ()
    function: str | None = None
    test: str | None = None

    @property
    def paper(self) -> str:
        return self.id.split(".")[0]


def load(path: Path) -> list[Row]:
    """Read the data file.

    Args:
        path: a YAML list with one mapping for each item.

    Returns:
        The rows, in the order of the file.

    Raises:
        MapError: the file is not such a list, or a row is malformed. The message names every such row.
        OSError: the file cannot be read.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        raise MapError(f"{path.name} is not valid YAML: {error}") from error
    if not isinstance(entries, list):
        raise MapError(f"{path.name} must be a list of rows. Start every row with `- id:`.")
    problems = []
    seen = set()
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", f"row {number}") if isinstance(entry, dict) else f"row {number}"
        problems += [f"{name}: {problem}" for problem in _field_problems(entry)]
        if name in seen:
            problems.append(f"{name}: this id has more than one row. Keep one of them.")
        seen.add(name)
    if problems:
        raise MapError("\n".join(problems))
    rows = [Row(**{**entry, "chapter": _labels_of(entry.get("chapter", []))}) for entry in entries]
    first = {row.why: row.id for row in reversed(rows)}
    copied = [row for row in rows if row.why and first[row.why] != row.id]
    if copied:
        raise MapError("\n".join(f"{row.id}: `why` is that of {first[row.why]}. Write its own." for row in copied))
    return rows


def _labels_of(chapter: str | list[str]) -> tuple[str, ...]:
    """`chapter` is one label, or a list of them where several chapters take part."""
    return (chapter,) if isinstance(chapter, str) else tuple(chapter)


def _field_problems(entry: object) -> Iterator[str]:
    """Say what is wrong with the fields of one row."""
    if not isinstance(entry, dict):
        yield "a row must be a mapping. Write its fields as `name: value`."
        return
    if entry.get("status") not in STATUS_FIELDS:
        yield f"the status is {entry.get('status')!r}. Use one of: {', '.join(STATUS_FIELDS)}."
        return
    wanted = COMMON_FIELDS | STATUS_FIELDS[entry["status"]]
    for field in sorted(wanted - entry.keys()):
        yield f"`{field}` is missing. A row with the status '{entry['status']}' needs it."
    for field in sorted(entry.keys() - wanted, key=str):
        yield f"`{field}` does not belong to a row with the status '{entry['status']}'. Remove it."
    for field in sorted(wanted & entry.keys()):
        value = entry[field]
        if field == "function" and value is None:
            continue
        if field == "chapter" and isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            continue
        if not isinstance(value, str) or not value.strip():
            yield f"`{field}` must be a text, not {value!r}."
    if entry.get("kind") not in KINDS:
        yield f"the kind is {entry.get('kind')!r}. Use one of: {', '.join(KINDS)}."
    if str(entry.get("id")).split(".")[0] not in PAPERS:
        yield f"the id must begin with the name of a paper and a dot. The papers are: {', '.join(PAPERS)}."


# ---- what the rows point at


@dataclass(frozen=True)
class Anchor:
    """A label that a page defines."""

    page: Path
    role: str  # the role that makes a link to it with a good text: eq, prf:ref, numref or ref


def read_anchors(pages: Iterable[Path]) -> dict[str, Anchor]:
    """Collect every label that the given Markdown pages define.

    Args:
        pages: MyST Markdown files.

    Returns:
        The labels and where each is.
    """
    found = {}
    for page in pages:
        for label, role in _labels(page.read_text(encoding="utf-8-sig")):
            found[label] = Anchor(page, role)
    return found


_parser = create_md_parser(MdParserConfig(enable_extensions={"colon_fence", "dollarmath"}), RendererHTML)
_option = re.compile(r"^\s*:?(?:label|name):\s*(\S+)\s*$", re.MULTILINE)
# The options of a directive: a block between two `---`, or the leading `:key: value` lines.
_options = re.compile(r"\A\s*(?:---\n[\s\S]*?^---$|(?:[ \t]*:[\w-]+:.*(?:\n|\Z))+)", re.MULTILINE)
_verbatim = {"code", "code-block", "code-cell", "literalinclude", "eval-rst", "math", "raw", "sourcecode"}


def _labels(text: str) -> Iterator[tuple[str, str]]:
    """Yield each label of a MyST text with the role that links to it."""
    for token in _parser.parse(text):
        if token.type == "myst_target":
            yield token.content, "ref"
        elif token.type == "math_block_label":
            yield token.info, "eq"
        elif token.type in ("fence", "colon_fence") and token.info.startswith("{"):
            directive = token.info[1:].split("}")[0]
            options = _options.match(token.content)
            if options:
                for label in _option.findall(options.group()):
                    yield label, _role_for(directive)
            if directive not in _verbatim:
                yield from _labels(token.content[options.end() if options else 0 :])


def _role_for(directive: str) -> str:
    if directive == "math":
        return "eq"
    if directive.startswith("prf:"):
        return "prf:ref"
    # A code cell has a label only through its figure.
    if directive in ("figure", "code-cell", "table", "list-table"):
        return "numref"
    return "ref"


_box = re.compile(r"\{admonition\}")
_item = re.compile(r"\{item\}`([^`]+)`")


def read_boxes(pages: Iterable[Path]) -> dict[Path, list[str]]:
    """Collect the items that the first box of each page lists.

    Args:
        pages: MyST Markdown files.

    Returns:
        The items of each page that begins with an admonition: it says what the chapter covers.
    """
    found = {}
    for page in pages:
        fences = (t for t in _parser.parse(page.read_text(encoding="utf-8-sig")) if t.type in ("fence", "colon_fence"))
        first = next(fences, None)
        if first is not None and _box.match(first.info):
            found[page] = _item.findall(first.content)
    return found


def _box_problems(rows: list[Row], anchors: dict[str, Anchor], pages: list[Path], root: Path) -> Iterator[str]:
    """Compare both ways: a row's labels lie in the chapters whose first box lists the item, and in no other."""
    boxes = read_boxes(pages)
    known = {row.id for row in rows}
    for page, items in boxes.items():
        name = page.relative_to(root).as_posix()
        for item in sorted(set(items) - known):
            yield f"{item}: the first box of {name} lists the item, and it has no row."
    for row in rows:
        if not all(label in anchors for label in row.chapter):
            continue  # reported by itself
        there = {anchors[label].page for label in row.chapter}
        listing = {page for page, items in boxes.items() if row.id in items}
        for page in sorted(there - listing):
            name = page.relative_to(root).as_posix()
            yield f"{row.id}: `chapter` leads to {name}, whose first box does not list the item. Correct one of them."
        for page in sorted(listing - there):
            name = page.relative_to(root).as_posix()
            yield f"{row.id}: the first box of {name} lists the item, and no label in `chapter` is there. Add one."


def find_problems(data: Path, ids: Iterable[str], root: Path) -> list[str]:
    """Compare the data file with the item list and with the repository.

    Args:
        data: the data file.
        ids: the id of every item that must have a row.
        root: the folder that holds ``book/`` and ``tests/``.

    Returns:
        One line for each problem, beginning with the row it is about. Empty where all is well.
    """
    try:
        rows = load(data)
    except MapError as error:
        return str(error).splitlines()
    ids = list(ids)
    have = {row.id for row in rows}
    problems = [f"{i}: the item has no row. Add one to {data.name}." for i in ids if i not in have]
    pages = sorted((root / "book").rglob("*.md"))
    anchors = read_anchors(pages)
    problems += _box_problems(rows, anchors, pages, root)
    for row in rows:
        if row.id not in ids:
            problems.append(f"{row.id}: no item has this id. Correct it or remove the row.")
        problems += [no_anchor(row, label) for label in row.chapter if label not in anchors]
        if row.function:
            problems += [f"{row.id}: {problem}" for problem in _function_problem(row.function)]
        if row.test:
            problems += [f"{row.id}: {problem}" for problem in _test_problem(row.test, root)]
    return problems


def no_anchor(row: Row, label: str) -> str:
    """Say that no page has a label that a row gives as its chapter."""
    return f"{row.id}: no page of the book has the label '{label}'. Add it there, or correct `chapter`."


def _function_problem(name: str) -> Iterator[str]:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        yield f"the function '{name}' cannot be imported ({error}). Correct `function`, or write it."


def _test_problem(test: str, root: Path) -> Iterator[str]:
    file, *names = test.split("::")
    path = root / file
    if not path.is_file():
        yield f"the test file '{file}' does not exist. Correct `test`, or write it."
    elif path.suffix == ".md":
        if "format_name: myst" not in path.read_text(encoding="utf-8-sig").split("\n---\n", 1)[0]:
            yield f"'{file}' is not a chapter that runs. Give it the jupytext header, or name another `test`."
    elif not names or not _has_test(path, names):
        yield f"the test '{test}' does not exist. Write `test` as path::function or path::Class::function."


def _has_test(path: Path, names: list[str]) -> bool:
    """Tell whether a file has the function, inside the classes if any, that `names` spells out."""
    body = ast.parse(path.read_text(encoding="utf-8-sig")).body
    for name in names[:-1]:
        body = next((n.body for n in body if isinstance(n, ast.ClassDef) and n.name == name), [])
    functions = [n.name for n in body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return names[-1].startswith("test") and names[-1] in functions


# ---- the page


class EquationMap(SphinxDirective):
    """The table of one paper's items, or of the totals."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        relative, absolute = self.env.relfn2path(DATA_NAME)
        self.env.note_dependency(relative)
        try:
            rows = load(Path(absolute))
        except (MapError, OSError) as error:
            raise SphinxError(f"the equation map cannot be shown.\n{error}") from error
        wanted = self.arguments[0]
        if wanted == "counts":
            return [self._counts(rows)]
        if wanted in PAPERS:
            return [self._items([row for row in rows if row.paper == wanted])]
        raise self.error(f"equation-map cannot show '{wanted}'. Use one of: counts, {', '.join(PAPERS)}.")

    def _counts(self, rows: list[Row]) -> nodes.table:
        """Count the rows by status and paper: a column a paper, so that the table is narrow enough for a phone."""
        count = Counter((row.status, row.paper) for row in rows)
        numbers = [[count[status, paper] for paper in PAPERS] for status in STATUS_FIELDS]
        numbers.append([sum(column) for column in zip(*numbers, strict=True)])
        lines = [
            self._line([[name], *([str(number)] for number in (*line, sum(line)))])
            for name, line in zip((*STATUS_FIELDS, "all"), numbers, strict=True)
        ]
        return self._table([40, 15, 15, 15, 15], ["Status", *PAPERS, "All"], lines, "equation-map-counts")

    def _items(self, rows: list[Row]) -> nodes.table:
        pages = map(self.env.doc2path, sorted(self.env.found_docs))
        anchors = read_anchors(Path(page) for page in pages if page.endswith(".md"))
        lines = []
        for row in rows:
            line = self._line([[row.id], self._says(row), [row.status], self._where(row, anchors)])
            line["names"].append(label_of(row.id))
            self.state.document.note_explicit_target(line)
            lines.append(line)
        return self._table([15, 45, 15, 25], ["Item", "What it says", "Status", "Where"], lines, "equation-map")

    def _says(self, row: Row) -> list[str]:
        if row.why is None:
            return [row.says]
        return [row.says, f"*{'Why not' if row.status == 'not covered' else 'Correction'}:* {row.why}"]

    def _where(self, row: Row, anchors: dict[str, Anchor]) -> list[str]:
        """Write the lines that lead from a row to its chapter, its code and its test."""
        lines = []
        for label in row.chapter:
            anchor = anchors.get(label)
            if anchor is None:
                logging.getLogger(__name__).warning(no_anchor(row, label), location=self.get_location())
                continue
            # A change of the chapter may remove the label: then this page must be read again.
            self.env.note_dependency(str(anchor.page))
            page = self.env.path2doc(str(anchor.page))
            what = "equation " if anchor.role == "eq" else ""
            lines.append(f"Chapter: {what}{{{anchor.role}}}`{label}` in {{doc}}`/{page}`")
        if row.function:
            lines.append(f"Code: {{py:obj}}`{row.function}`")
        return [*lines, f"Test: `{row.test}`"] if row.test else lines

    def _table(self, widths: list[int], head: list[str], lines: list[nodes.row], name: str) -> nodes.table:
        """Build a table; the cells of its first column are the headings of its rows."""
        group = nodes.tgroup(cols=len(widths))
        group += [nodes.colspec(colwidth=width, stub=int(i == 0)) for i, width in enumerate(widths)]
        group += [nodes.thead("", self._line([[text] for text in head])), nodes.tbody("", *lines)]
        return nodes.table("", group, classes=[name, "colwidths-given"])

    def _line(self, cells: list[list[str]]) -> nodes.row:
        """Build a table row; every cell is a list of MyST paragraphs."""
        return nodes.row("", *(nodes.entry("", *self.parse_text_to_nodes("\n\n".join(cell))) for cell in cells))


def label_of(item: str) -> str:
    """Give the label of an item's row in the form in which docutils stores it."""
    return nodes.fully_normalize_name(f"map-{item}")


def link_item(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement) -> nodes.Element | None:
    """Turn an ``item`` role into a link to the row."""
    if node["reftype"] != "item":
        return None
    item = node["reftarget"]
    page, row = env.domaindata["std"]["anonlabels"].get(label_of(item), ("", ""))
    if not page:
        message = f"the equation map has no item '{item}'. Take an id from {DATA_NAME}."
        logging.getLogger(__name__).warning(message, location=node)
        return text
    return make_refnode(app.builder, node["refdoc"], page, row, text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("equation-map", EquationMap)
    app.add_role("item", XRefRole(innernodeclass=nodes.inline))
    app.connect("missing-reference", link_item)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
