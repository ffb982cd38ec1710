"""Write _build/relunb.pdf: the whole book by LaTeX, where TeX is installed.

As a program it runs Sphinx and latexmk. As an extension of Sphinx, in that run alone, it makes pages fit for paper: the
parts, pictures that LaTeX can read, the first frame of a figure that moves, and what else only a browser would show.
"""

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import execute
from execute import ROOT

MADE = ROOT / "_build" / ".pdf"
LATEX, FRAMES = MADE / "latex", MADE / "frames"
BOOK = ROOT / "_build" / "relunb.pdf"
PROGRAMS = ("latexmk", "xelatex", "rsvg-convert")
PACKAGES = (
    "latexmk texlive-xetex texlive-latex-extra texlive-fonts-recommended texlive-plain-generic "
    "fonts-texgyre fonts-texgyre-math fonts-dejavu librsvg2-bin"
)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PLOTLY = "plotly-graph-div"
LEFT_OUT = ("sphinx_jupyterbook_latex", "code_links", "live")  # extensions: another layout; what only HTML has


def missing() -> str:
    """What to say where a program is not there; nothing where all are."""
    names = [name for name in PROGRAMS if shutil.which(name) is None]
    if not names:
        return ""
    return f"make pdf: TeX is missing ({', '.join(names)}). On Debian and Ubuntu: apt install {PACKAGES}"


# ---- the first frames of figures that move


def frame_of(html: str) -> Path:
    """Where the first frame of an interactive figure is, if it was drawn."""
    return FRAMES / f"{hashlib.sha256(html.encode()).hexdigest()[:16]}.svg"


def moving(notebooks: Iterable[Any]) -> Iterator[str]:
    """The HTML of each interactive figure."""
    for notebook in notebooks:
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                html = output.get("data", {}).get("text/html", "")
                if PLOTLY in html:
                    yield html


DRAW = """async () => {
  const figure = document.querySelector(".plotly-graph-div");
  const { width, height } = figure._fullLayout;
  return Plotly.toImage(figure, { format: "svg", imageDataOnly: true, width, height });
}"""


def draw(figures: Iterable[str]) -> bool:
    """Draw the first frames that are not there yet; whether a browser that can was found."""
    todo = [html for html in figures if not frame_of(html).exists()]
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not todo or program is None:
        return not todo
    import plotly
    from playwright.sync_api import sync_playwright

    FRAMES.mkdir(parents=True, exist_ok=True)
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 700, "height": 800})
        for html in todo:
            page.set_content("<!doctype html><body style='margin: 0'></body>")
            page.add_script_tag(path=script)
            page.evaluate("html => document.body.append(document.createRange().createContextualFragment(html))", html)
            frame_of(html).write_text(page.evaluate(DRAW))
        browser.close()
    return True


# ---- LaTeX


def problems(log: str) -> list[str]:
    """The errors in a log of LaTeX, each with the line of the source that it quotes."""
    lines = log.splitlines()
    found = []
    for number, line in enumerate(lines):
        if re.match(r"(!|\S+\.(tex|sty|cls|ind|toc):\d+:) ", line):
            quoted = next((later for later in lines[number + 1 : number + 8] if re.match(r"l\.\d+ ", later)), "")
            found += [line, quoted] if quoted else [line]
    return found


def without_glyph(log: str) -> list[str]:
    """The characters that a font of the book lacks: a page shows nothing in their place."""
    return sorted(set(re.findall(r"Missing character: There is no (\S+) \(U", log)))


def typeset(folder: Path, name: str) -> list[str]:
    """Make a PDF of a LaTeX file; the errors, none where all went well."""
    command = ["latexmk", "-pdfxe", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error", "-silent", name]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return []
    log = (folder / name).with_suffix(".log")
    return (problems(log.read_text(errors="replace")) if log.exists() else []) or done.stderr.splitlines()[-5:]


def for_latex(tex: str) -> str:
    r"""A typeset result: LaTeX wants an underscore in \\text escaped, and a size in it, and MathJax does not."""
    tex = tex.replace(r"\small\text{", r"\text{\small ")
    parts = re.split(r"(\\text\{)", tex)
    for number in range(2, len(parts), 2):
        end, depth = 0, 1
        while depth and end < len(parts[number]):
            depth += {"{": 1, "}": -1}.get(parts[number][end], 0)
            end += 1
        pieces = parts[number][:end].split("$")
        pieces[::2] = [re.sub(r"(?<!\\)_", r"\_", piece) for piece in pieces[::2]]
        parts[number] = "$".join(pieces) + parts[number][end:]
    return "".join(parts)


FONTS = r"""
\usepackage{unicode-math}
\setmainfont{texgyrepagella}[Extension=.otf, UprightFont=*-regular, BoldFont=*-bold,
  ItalicFont=*-italic, BoldItalicFont=*-bolditalic]
\setmathfont{texgyrepagella-math.otf}
\setsansfont{DejaVu Sans}[Scale=0.84]
\setmonofont{DejaVu Sans Mono}[Scale=0.84]
"""
SETUP = (
    "hmargin={30mm,30mm}, vmargin={27mm,27mm}, HeaderFamily=\\bfseries, verbatimwithframe=false, "
    "VerbatimColor={RGB}{245,246,248}, verbatimsep=4pt, TitleColor={rgb}{0,0,0}, "
    "InnerLinkColor={RGB}{0,75,135}, OuterLinkColor={RGB}{0,75,135}"
)
PREAMBLE = r"""
\hypersetup{pdfencoding=auto,psdextra} % formulas in headings, as bookmarks show them
\setcounter{tocdepth}{0}
\makeatletter
\AtBeginDocument{%
  \let\bare\triangle \def\triangle{{\bare}}% after \mathbin, as MathJax reads it
  % numbered by chapter; the introduction has no number
  \@for\counted:=figure,table,equation\do{\expandafter\@addtoreset\expandafter{\counted}{chapter}}%
  \renewcommand\thefigure{\ifnum\c@chapter>\z@\thechapter.\fi\@arabic\c@figure}%
  \renewcommand\thetable{\ifnum\c@chapter>\z@\thechapter.\fi\@arabic\c@table}%
  \renewcommand\theequation{\ifnum\c@chapter>\z@\thechapter.\fi\@arabic\c@equation}}
% a result of SymPy, made small where it is wider than the page
\newsavebox\relunbresult
\newcommand\relunbtypeset[1]{\par\addvspace{\abovedisplayshortskip}%
  \sbox\relunbresult{$\displaystyle #1$}%
  \noindent\hbox to\linewidth{\hss
    \ifdim\wd\relunbresult>\linewidth\resizebox{\linewidth}{!}{\usebox\relunbresult}\else\usebox\relunbresult\fi
  \hss}\par\addvspace{\belowdisplayshortskip}}
% what a cell prints, and a proof
\newenvironment{sphinxclasscell_output}{\sphinxsetup{VerbatimColor={RGB}{255,255,255}}}{}
\newenvironment{sphinxclasssolution}%
  {\par\addvspace{\medskipamount}\needspace{6\baselineskip}}{\par\addvspace{\medskipamount}}
\newenvironment{sphinxclassproof}{\list{}{\leftmargin1.5em\rightmargin\z@}\item\relax}{\endlist}
% the page of the bibliography has its heading
\renewenvironment{sphinxthebibliography}[1]{\renewcommand\chapter[2]{}\thebibliography{#1}}{\endthebibliography}
\titleformat{\chapter}[hang]{\huge\bfseries\raggedright}{\thechapter}{0.8em}{}
\titlespacing*{\chapter}{0pt}{0pt}{20pt}
\fancypagestyle{normal}{\fancyhf{}\fancyhead[L]{\nouppercase\leftmark}\fancyhead[R]{\thepage}%
  \fancyfoot[L]{\nouppercase\rightmark}\renewcommand\headrulewidth{0.4pt}\renewcommand\footrulewidth{0pt}}
\fancypagestyle{plain}{\fancyhf{}\fancyhead[R]{\thepage}%
  \renewcommand\headrulewidth{0pt}\renewcommand\footrulewidth{0pt}}
\setlength\tymin{45pt}
\newcolumntype{\X}[2]{>{\raggedright\arraybackslash}p{\dimexpr
  (\linewidth-\spx@arrayrulewidth)*#1/#2-\tw@\tabcolsep-\spx@arrayrulewidth\relax}} % Sphinx's, without its wide gaps
\renewcommand\sphinxstyleindexentry[1]{#1} % words, not code
\renewcommand\arraystretch{1.15}
\renewcommand*\sphinxincludegraphics[2][]{%
  \includegraphics[max width=0.86\linewidth,max totalheight=0.76\textheight]{#2}}
\AddToHook{env/sphinxadmonition/before}{\if@nobreak\else\needspace{7\baselineskip}\fi}
% figures share a page with text where they can
\renewcommand\topfraction{0.9}\renewcommand\bottomfraction{0.9}\renewcommand\textfraction{0.08}
\renewcommand\floatpagefraction{0.8}
\makeatother
"""
TITLE = r"""
\begin{titlepage}\centering
\vspace*{0.2\textheight}
{\Huge\bfseries %(title)s\par}\vspace{2em}
{\Large %(authors)s\par}\vspace{1em}
{version %(version)s, %(date)s\par}
\vfill
{\small Code: %(code)s. Text and figures: %(text)s.\par\medskip
This is the book on paper. On its web pages figures have sliders, cells run, and exercises judge answers.\par}
\end{titlepage}
"""


def settings() -> dict[str, Any]:
    """What Sphinx is told, on the way to LaTeX, besides _config.yml."""
    import yaml

    about = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    title = yaml.safe_load((ROOT / "_config.yml").read_text())["title"]
    authors = " and ".join(author["name"] for author in about["authors"])
    code, text = about["license"]
    words = {"title": title, "authors": authors, "version": about["version"], "date": about["date-released"]}
    return {
        "latex_engine": "xelatex",
        "latex_toplevel_sectioning": "part",
        "latex_documents": [("book/intro", "relunb.tex", title, authors, "manual")],
        "latex_use_xindy": False,
        "latex_domain_indices": False,
        "latex_table_style": ["booktabs"],
        "latex_show_urls": "no",
        "latex_elements": {
            "papersize": "a4paper",
            "pointsize": "10pt",
            "extraclassoptions": "oneside,openany",
            "fncychap": "",
            "fontpkg": FONTS,
            "fvset": r"\fvset{fontsize=\fontsize{9.5}{11.8}\selectfont}",  # 84 characters fill a line
            "extrapackages": r"\usepackage[section]{placeins}\usepackage[export]{adjustbox}\usepackage{needspace}",
            "sphinxsetup": SETUP,
            "preamble": rf"\hypersetup{{pdftitle={{{title}}},pdfauthor={{{authors}}}}}{PREAMBLE}",
            "maketitle": TITLE % {**words, "code": code, "text": text.replace("-", " ")},
        },
        "nb_mime_priority_overrides": [("latex", "image/svg+xml", 0)],
        "nb_execution_cache_path": str(execute.CACHE),
    }


def write_latex() -> bool:
    """Let Sphinx write the book for LaTeX; whether it did without a warning."""
    from jupyter_book.config import get_final_config
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    options = {"latex_individualpages": False}
    config: dict[str, Any] = get_final_config(user_yaml=ROOT / "_config.yml", cli_config=options, sourcedir=ROOT)[0]
    config["extensions"] = [name for name in config["extensions"] if name not in LEFT_OUT] + ["pdf"]
    config = {name: value for name, value in config.items() if not name.startswith("codeautolink_")}
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            srcdir=ROOT,
            confdir=None,
            outdir=LATEX,
            doctreedir=MADE / "doctrees",
            buildername="latex",
            confoverrides={**config, **settings()},
            status=None,
            freshenv=True,  # frames and docstrings may have changed where no page has
            warningiserror=True,
            keep_going=True,
        )
        app.build()
    return app.statuscode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--has-tex", action="store_true", help="only say if a program is missing")
    options = parser.parse_args()
    if said := missing():
        print(said, file=sys.stderr)
        return 2
    if options.has_tex:
        return 0
    notebooks = filter(None, map(execute.executed, execute.chapters()))
    if not draw(moving(notebooks)):
        print("make pdf: without Chromium a sentence stands for each figure with a slider: apt install chromium")
    print("Setting the book (about two minutes) ...", flush=True)
    if not write_latex():
        print("make pdf: Sphinx failed; its message is above.", file=sys.stderr)
        return 1
    if found := typeset(LATEX, "relunb.tex"):
        print(*found[:20], f"make pdf: LaTeX failed; its log is {LATEX / 'relunb.log'}.", sep="\n", file=sys.stderr)
        return 1
    if lost := without_glyph((LATEX / "relunb.log").read_text(errors="replace")):
        print(f"make pdf: the fonts have no {', '.join(lost)}; pages are empty in those places.", file=sys.stderr)
    shutil.copy(LATEX / "relunb.pdf", BOOK)
    print(f"The book is ready. Open {BOOK}")
    return 0


# ---- what the extension does to a page that was read


def _prepare(app: Any, document: Any) -> None:
    from docutils import nodes
    from sphinx_proof.nodes import proof_node

    if app.env.docname == app.config.master_doc:
        _note_captions(document)
    for cell in list(document.findall(lambda node: _has(node, "nb_element", "cell_code"))):
        if "tag_hide-input" in cell["classes"] or "tag_hide-cell" in cell["classes"]:
            for part in [part for part in cell if "cell_input" in part["classes"]]:
                cell.remove(part)
    for bundle in list(document.findall(lambda node: _has(node, "nb_element", "mime_bundle"))):
        for shown in bundle:
            if shown["mime_type"] == "text/html":
                _for_html(shown, bundle, app.srcdir)
            elif shown["mime_type"] == "text/latex":
                tex = for_latex(shown.astext())
                shown.children = []
                shown += _raw(f"\n\\relunbtypeset{{{tex}}}\n")
    for row in document.findall(nodes.row):
        if row["ids"]:
            row[0].insert(0, nodes.target("", "", ids=row["ids"]))
            row["ids"] = []
    for table in list(document.findall(nodes.table)):
        _fit(table)
    for text in list(document.findall(_is_long_code)):
        text.parent.replace(text, _breakable(text))
    for proof in list(document.findall(proof_node)):
        _open(proof)
    for card in list(document.findall(lambda node: _has(node, "design_component", "card"))):
        _plain(card)


def _has(node: Any, attribute: str, value: str) -> bool:
    return hasattr(node, "get") and node.get(attribute) == value


def _raw(tex: str) -> Any:
    from docutils import nodes

    return nodes.raw("", tex, format="latex")


BREAKS = re.compile(r"(?<=[/._:,(])(?=\w)|(?<=[a-z])(?=[A-Z])")  # where a line may end within code in a text


def _is_long_code(node: Any) -> bool:
    from docutils import nodes

    return isinstance(node, nodes.Text) and isinstance(node.parent, nodes.literal) and len(node) > 12


def _breakable(text: Any) -> list[Any]:
    from docutils import nodes

    first, *more = BREAKS.split(text.astext())
    return [nodes.Text(first), *(node for part in more for node in (_raw(r"\allowbreak{}"), nodes.Text(part)))]


def _open(proof: Any) -> None:
    """A proof without a box: pages may end in it."""
    from docutils import nodes

    inside = proof[0].children
    word = inside[0][0]
    inside[0][0:1] = [nodes.emphasis("", "Proof."), nodes.Text(word.astext().removeprefix("Proof."))]
    proof.replace_self(nodes.container("", *inside, classes=["proof"]))


def _plain(card: Any) -> None:
    """A card as paragraphs: its title, what it says, and its foot, which is the link."""
    from docutils import nodes
    from sphinx.addnodes import pending_xref

    parts = {node.get("design_component"): node for node in card.findall(nodes.container)}
    new = [nodes.paragraph("", "", nodes.strong("", parts["card-title"].astext()))]
    new += [node for node in parts["card-body"] if isinstance(node, nodes.paragraph)]
    for link in list(card.findall(pending_xref)):
        link["refexplicit"] = True
        link["classes"] = []
        link[0].children = []
        link[0] += nodes.Text(parts["card-footer"].astext())
        new.append(nodes.paragraph("", "", link))
    card.replace_self(new)


FULL = {"normalsize": 85, "footnotesize": 106, "scriptsize": 121}  # characters that a line of a page holds
SIZES = ((6, "normalsize"), (7, "footnotesize"), (99, "scriptsize"))  # columns of a table, and how large they are set
LONG = 30  # rows up to which Sphinx sets a table on one page
PAGE = 2000  # characters of a table up to which a page surely holds it


def _fit(table: Any) -> None:
    """Columns as their texts need them: numbers to the right, many columns small, and no column beyond the margin."""
    from docutils import nodes
    from sphinx.addnodes import tabular_col_spec

    group = next(table.findall(nodes.tgroup))
    for column in group.findall(nodes.colspec):
        if not column.get("stub"):  # Sphinx takes any value for yes
            column.attributes.pop("stub", None)
    rows = list(group.findall(nodes.row))
    size = next(name for most, name in SIZES if len(rows[0]) <= most)
    if len(rows) > LONG or (len(group.astext()) > PAGE and len(rows) > 2):
        table["classes"].append("longtable")
        if len(rows[0]) >= 4 and size == "normalsize":
            size = "footnotesize"
    new = [table]
    if "colwidths-given" not in table["classes"]:
        columns = list(zip(*rows, strict=True))
        needed = [max(_width(entry) for entry in column) for column in columns]
        right = ["text-right" in column[-1]["classes"] for column in columns]
        if sum(needed) + 2 * len(needed) <= FULL[size]:
            spec = "".join("r" if r else "l" for r in right)
        elif "longtable" not in table["classes"]:
            spec = "".join("R" if r else "L" for r in right)
        else:
            shares = [_share(column[1:]) for column in columns]
            spec = "".join(rf"\X{{{share}}}{{{sum(shares)}}}" for share in shares)
        new.insert(0, tabular_col_spec(spec=f"{{{spec}}}"))
    tall = any("frac" in formula.astext() for formula in group.findall(nodes.math))
    if tall or size != "normalsize":
        rows_apart = r"\renewcommand\arraystretch{1.5}" if tall else ""
        new = [_raw(f"\n\\begingroup\\{size}{rows_apart}\n"), *new, _raw("\n\\endgroup\n")]
    place = table.parent.index(table)
    table.parent[place : place + 1] = new


def _share(cells: Sequence[Any]) -> int:
    """How wide a column of a table over several pages should be, beside the others: by what most of its cells hold."""
    word = max(len(part) for cell in cells for word in cell.astext().split() or [""] for part in BREAKS.split(word))
    return max(10, min(round(1.25 * word), 26), min(60, round(1.5 * sum(map(_width, cells)) / len(cells))))


def _width(entry: Any) -> int:
    """About how many characters wide the longest paragraph of a cell is; of a formula, what is left of its commands."""
    from docutils import nodes

    def length(node: Any) -> int:
        if isinstance(node, nodes.math):
            return len(re.sub(r"\\[A-Za-z]+|[{}^_$\\ ]", lambda found: "x" * (len(found[0]) > 2), node.astext()))
        return sum(map(length, node.children)) if node.children else len(node.astext())

    return max((length(child) for child in entry), default=0)


def _note_captions(document: Any) -> None:
    """Each part's title, where the assembled book finds it."""
    from sphinx.addnodes import toctree

    for table in document.findall(toctree):
        table.parent["part"] = table.attributes.pop("caption")
        table.parent["numbered"] = bool(table.get("numbered"))


def _for_html(shown: Any, bundle: Any, source: Path) -> None:
    """An output that only a browser shows: its first frame, or its table, in the place of all its forms."""
    from docutils import nodes

    html = shown[0].astext()
    if PLOTLY in html:
        frame = frame_of(html)
        alt = re.search('aria-label="([^"]*)"', html)
        if frame.exists():
            new = [nodes.image("", uri=f"/{frame.relative_to(source)}")]
        else:
            text = f"On the web page, a figure with a slider stands here. {unescape(alt[1]) if alt else ''}".strip()
            new = [nodes.paragraph("", "", nodes.emphasis("", text))]
    else:
        new = _table(html)
    if new:
        bundle.children = []
        bundle += nodes.container("", *new, mime_type="text/plain")


def _table(html: str) -> list[Any]:
    """An HTML table as nodes, and the paragraphs after it."""
    from docutils import nodes

    tree = ElementTree.fromstring(f"<all>{html.replace('<br>', ' · ')}</all>")
    table = tree.find(".//table")
    if table is None:
        return []
    head, body = ([list(row) for row in table.findall(f"{part}/tr")] for part in ("thead", "tbody"))
    columns = len(body[0])
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in range(columns)), cols=columns)
    for kind, rows in ((nodes.thead, head), (nodes.tbody, body)):
        lines = [
            nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *_inline(cell))) for cell in row)) for row in rows
        ]
        group += kind("", *lines)
    caption = table.find("caption")
    named = [nodes.paragraph("", "", nodes.strong("", "".join(caption.itertext())))] if caption is not None else []
    notes = [nodes.paragraph("", "", *_inline(note)) for note in tree.iter("p")]
    return [*named, nodes.table("", group), *notes]


def _inline(element: Any) -> list[Any]:
    from docutils import nodes

    found: list[Any] = [nodes.Text(element.text or "")]
    for child in element:
        inside = _inline(child)
        found += [nodes.superscript("", "", *inside)] if child.tag == "sup" else inside
        found.append(nodes.Text(child.tail or ""))
    return found


def setup(app: Any) -> dict[str, bool]:
    from docutils import nodes
    from sphinx import addnodes
    from sphinx.transforms.post_transforms import SphinxPostTransform
    from sphinx.transforms.post_transforms.images import ImageConverter
    from sphinx_exercise.nodes import solution_node

    class VectorPictures(ImageConverter):
        """SVG, which LaTeX cannot read, as PDF."""

        conversion_rules = [("image/svg+xml", "application/pdf")]

        def is_available(self) -> bool:
            return True

        def convert(self, _from: str, _to: str) -> bool:
            subprocess.run(["rsvg-convert", "--format=pdf", f"--output={_to}", _from], check=True)
            return True

    class Parts(SphinxPostTransform):
        """The tables of contents of the first page as parts of the book, after the introduction."""

        default_priority = 700

        def run(self, **_: Any) -> None:
            wrappers = [node for node in self.document.findall(nodes.compound) if "part" in node]
            if not wrappers:
                return
            parts = []
            for wrapper in wrappers:
                wrapper.parent.remove(wrapper)
                depth = 1 if wrapper["numbered"] else -1
                parts.append(_raw(f"\n\\setcounter{{secnumdepth}}{{{depth}}}\n"))
                parts.append(nodes.section("", nodes.title("", wrapper["part"]), *wrapper.children, ids=[]))
            first = nodes.section("", *self.document.children)
            whole = nodes.section(
                "", nodes.title("", "title"), _raw("\n\\setcounter{secnumdepth}{-2}\n"), first, *parts
            )
            self.document.children = []
            self.document += whole

    class Exercises(SphinxPostTransform):
        """Links to exercises by number, which sphinx-exercise lacks here, and solutions without a box, as proofs."""

        default_priority = 701

        def run(self, **_: Any) -> None:
            numbers = {
                name: ".".join(map(str, number))
                for kinds in self.env.toc_fignumbers.values()
                for name, number in kinds.get("exercise", {}).items()
            }
            for link in list(self.document.findall(nodes.reference)):
                name = link.get("refuri", "").rpartition("#")[2]
                if name in numbers:
                    numbered = isinstance(link, addnodes.number_reference)
                    text = f"Exercise {numbers[name]}" if numbered else link.astext()
                    link.replace_self(_raw(rf"\hyperref[exercise:{name}]{{{text}}}"))
            for solution in list(self.document.findall(solution_node)):
                title = f"Solution to Exercise {numbers.get(solution['target_label'], '')}".strip()
                opened = [nodes.paragraph("", "", nodes.strong("", title)), *solution[1].children]
                solution.replace_self(nodes.container("", *opened, classes=["solution"]))

    app.add_post_transform(VectorPictures)
    app.add_post_transform(Exercises)
    app.add_post_transform(Parts)
    app.connect("doctree-read", _prepare, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    sys.exit(main())
