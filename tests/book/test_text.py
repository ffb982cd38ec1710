"""No page shows broken text: in the sources always, and in the built pages where the book is built."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

ROOT = Path(__file__).parents[2]
PAGES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "book").rglob("*.md") if ".ipynb_" not in p.as_posix())

settings = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
extensions = set(settings["parse"]["myst_enable_extensions"])
parser = create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)

# Directives whose content is no text, and the options at the beginning of a directive.
VERBATIM = {"code", "code-block", "code-cell", "literalinclude", "eval-rst", "raw", "sourcecode", "equation-map"}
OPTIONS = re.compile(r"\A\s*(?:---\n(?P<block>[\s\S]*?\n)---(?:\n|\Z)|(?:[ \t]*:[\w-]+:.*(?:\n|\Z))+)")

# What no reader should see: a dollar sign, a role or a fence that was not understood, and promises.
BROKEN = re.compile(
    r"\$|\{[a-z][\w:-]*\}`|`\{[a-z][\w:-]*\}|:::|```|\[\^|&[a-z]+;|\bTODO\b|\bFIXME\b|\bXXX\b|\bTBD\b|still to come"
)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
# A command of LaTeX that has lost its backslash: Python reads "\tau" as a tab and "au", "\nabla" as a line and "abla".
NAMES = "frac tfrac sqrt sum prod int cdot quad qquad text infty partial nabla langle rangle lVert rVert lvert rvert"
GREEK = "alpha beta gamma delta epsilon varepsilon eta theta vartheta kappa lambda rho sigma tau phi varphi psi omega"
BARE = re.compile(rf"(?<![\\a-zA-Z])(?:{'|'.join((*NAMES.split(), *GREEK.split()))}|abla|rac|heta|imes)(?![a-zA-Z])")
WORDS = re.compile(r"\\(?:text|mathrm|operatorname|mathtt|label|tag|begin|end)\*?\{[^{}]*\}")


def broken_text(text: str) -> Iterator[str]:
    """Say what is wrong with a piece of the text that a reader sees."""
    for found in BROKEN.finditer(text):
        yield f"the text shows {found[0]!r}: {text[max(0, found.start() - 30) : found.end() + 30]!r}"


def broken_math(formula: str) -> Iterator[str]:
    if CONTROL.search(formula.replace("\n", " ")):
        yield f"a control character in the formula {formula!r}"
    for found in BARE.finditer(WORDS.sub(" ", formula)):
        yield f"{found[0]!r} without a backslash in the formula {formula!r}"


def cells(line: str) -> int:
    """The cells of a line of a table: as Markdown splits it, before it knows of mathematics or code."""
    return len(re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|")))


def broken_blocks(text: str) -> Iterator[str]:
    """Say what is wrong with a MyST text, its directives included."""
    lines = text.splitlines()
    for token in parser.parse(text):
        yield from broken_token(token, lines)


def broken_token(token: Token, lines: list[str]) -> Iterator[str]:
    if token.type == "inline":
        for child in token.children or []:
            if child.type == "text":
                yield from broken_text(child.content)
            elif child.type.startswith("math_inline"):
                yield from broken_math(child.content)
                if "\n" in child.content:
                    yield f"a formula runs over the end of a line: {child.content!r}"
    elif token.type in ("math_block", "math_block_label", "amsmath"):
        yield from broken_math(token.content)
    elif token.type == "table_open" and token.map:
        first, last = token.map
        counts = {cells(line) for line in lines[first:last]}
        if len(counts) > 1:
            yield f"a table whose rows have {sorted(counts)} cells: {lines[first]!r}"
    elif token.type in ("fence", "colon_fence") and token.info.startswith("{"):
        yield from broken_directive(token.info, token.content)


def broken_directive(info: str, content: str) -> Iterator[str]:
    name, _, title = info[1:].partition("}")
    yield from broken_blocks(title.strip())
    options = OPTIONS.match(content)
    block = options["block"] if options else None
    figure = (yaml.safe_load(block) or {}).get("mystnb", {}) if block else {}
    for text in (figure.get("figure", {}).get("caption"), figure.get("image", {}).get("alt")):
        if text:
            yield from broken_blocks(text)
    body = content[options.end() if options else 0 :]
    if name == "math":
        yield from broken_math(body)
    elif name not in VERBATIM:
        yield from broken_blocks(body)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_broken_text(page):
    text = (ROOT / page).read_text(encoding="utf-8-sig")
    raw = (ROOT / page).read_bytes()
    assert not CONTROL.search(raw.decode("utf-8-sig")), "a control character: a tab, or a backslash that was lost"
    assert list(broken_blocks(text)) == []


def test_references_have_no_formulas():
    """Sphinx shows those of a title as they are typed."""
    assert "$" not in (ROOT / "book" / "references.bib").read_text(encoding="utf8")


def test_the_equation_map_has_no_broken_text():
    path = ROOT / "book" / "reference" / "equation-map.yml"
    assert not CONTROL.search(path.read_text(encoding="utf8"))
    problems = []
    for row in yaml.safe_load(path.read_text(encoding="utf8")):
        for field in ("says", "why"):
            problems += [f"{row['id']}: {problem}" for problem in broken_blocks(row.get(field, ""))]
    assert problems == []


FAULTS = {
    "a dollar sign": "It costs $x.",
    "a role that is none": "See {eqq} `x` and {ref}` y.",
    "a fence that never opened": "Text :::",
    "a tab in a formula": "The angle $\tau$ is near $-1$.",
    "a lost backslash": "The angle $heta$ is small.",
    "a name without a backslash": "So $\\tfrac12 tau$ is left.",
    "a formula over two lines": "So $a\nb$ is left.",
    "a table with a formula that splits a cell": "| a | b |\n| --- | --- |\n| $|H|$ | 1 |\n",
    "a promise": "Two results are still to come.",
    "a caption": "```{code-cell} ipython3\n---\nmystnb:\n  figure:\n    caption: Costs $5.\n---\n1\n```\n",
    "a note": ":::{note}\nTODO: this.\n:::\n",
    "a title": "::::{prf:theorem} Of $x\n\nText.\n::::\n",
    "a formula in a directive": "```{math}\n:label: eq-x\nx\to 0\n```\n",
}


@pytest.mark.parametrize("text", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_seen(text):
    assert list(broken_blocks(text))


def test_right_text_is_let_pass():
    right = (
        "It is $x$, $au\\le1$, `$HOME` and {ref}`y <z>`.\n\n"
        "| a | b |\n| --- | --- |\n| $\\lvert H\\rvert$ | `x\\|y` |\n\n"
        "$$\n\\tfrac12\\tau\\to\\rho,\\qquad\\text{for text}\n$$\n\n"
        "```{code-cell} ipython3\nprice = '$5'  # TODO\n```\n"
    )
    assert list(broken_blocks(right)) == []


# ---- the built pages


class Article(HTMLParser):
    """The text of a page's article without code and mathematics, and the number of cells of each table row."""

    SKIPPED = ("pre", "code", "script", "style", "svg")
    VOID = ("br", "hr", "img", "input", "link", "meta", "wbr", "col", "source", "area", "base", "embed", "track")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.text: list[str] = []
        self.tables: list[list[int]] = []
        self.feed(page)

    @property
    def hidden(self) -> bool:
        return any(hidden for _, hidden in self.open) or not any(tag == "article" for tag, _ in self.open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.VOID:
            return
        names = (dict(attrs).get("class") or "").split()
        code = tag in self.SKIPPED or not {"math", "output", "cell_output", "highlight", "sig"}.isdisjoint(names)
        self.open.append((tag, code))
        if self.hidden:
            return
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append(0)
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1] += int(dict(attrs).get("colspan") or 1)

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self.open) - 1, -1, -1):
            if self.open[place][0] == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.text.append(data)


@pytest.mark.parametrize("page", PAGES)
def test_a_built_page_has_no_broken_text(html, page):
    article = Article((html / page).with_suffix(".html").read_text(encoding="utf8"))
    assert article.text, "the page has an article"
    assert [problem for text in article.text for problem in broken_text(text)] == []
    assert not any(CONTROL.search(text.replace("\t", "")) for text in article.text)
    for rows in article.tables:
        assert len(set(rows)) <= 1, f"a table whose rows have {sorted(set(rows))} cells"


def test_the_reader_of_pages_sees_text_and_tables():
    article = Article(
        "<p>no</p><article><p>yes $x <code>$y</code><span class='math'>\\(z$\\)</span></p>"
        "<table><tr><td>1<td>2</tr><tr><td colspan='2'>3</tr></table><img src='x'></article>"
    )
    assert "".join(article.text).startswith("yes $x ") and "$y" not in "".join(article.text)
    assert article.tables == [[2, 2]]
