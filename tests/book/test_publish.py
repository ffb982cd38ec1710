"""The folder for a static host: whole, with relative links, and an address only where one is given."""

import re
from urllib.parse import unquote

import nbformat
import publish
import pytest
import yaml

PAGE = "<html><head><title>1. One &amp; two — A book</title></head><body><a href='../index.html'>back</a></body></html>"
CHAPTER = PAGE.replace("<body>", f"<body>{publish.DOWNLOADS}<ul></ul></div>")
COLAB = "https://colab.research.google.com/github/me/a.book/blob/notebooks/"
BINDER = "https://mybinder.org/v2/gh/me/a.book/notebooks?labpath="


@pytest.fixture
def book(tmp_path):
    source = tmp_path / "html"
    for name in ("index.html", "search.html", "book/intro.html", "book/lens/one.html", "_static/inner.html"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(PAGE)
    (source / ".built-from.json").write_text("{}")
    (source / "_static" / "three-lenses.png").write_bytes(b"png")
    return source, tmp_path / "site"


def test_without_an_address_pages_are_as_they_were(book):
    source, target = book
    (target / "old.html").parent.mkdir()
    (target / "old.html").write_text("from an earlier run")
    assert publish.make(source, target) == 4
    assert (target / "book/lens/one.html").read_text() == PAGE
    assert not (target / "sitemap.xml").exists()
    assert not (target / "old.html").exists()
    assert not (target / ".built-from.json").exists()
    assert (target / ".nojekyll").exists()
    assert 'href="/"' in (target / "404.html").read_text()


def test_with_an_address_pages_name_it_and_a_map_lists_them(book):
    source, target = book
    publish.make(source, target, "https://example.org/a/book/")
    page = (target / "book/lens/one.html").read_text()
    assert '<link rel="canonical" href="https://example.org/a/book/book/lens/one.html">' in page
    assert '<meta property="og:title" content="1. One &amp; two">' in page
    assert '<meta property="og:image" content="https://example.org/a/book/_static/three-lenses.png">' in page
    assert page.count("</head>") == 1
    places = re.findall("<loc>(.*?)</loc>", (target / "sitemap.xml").read_text())
    assert places == [f"https://example.org/a/book/book/{name}.html" for name in ("intro", "lens/one")]
    assert 'href="/a/book/search.html"' in (target / "404.html").read_text()
    assert "A book" in (target / "404.html").read_text()
    assert (source / "book/lens/one.html").read_text() == PAGE  # the book itself is untouched


@pytest.mark.parametrize("text", ["example.org", "ftp://example.org/", "https://example.org/?q", "https://", "/book/"])
def test_an_address_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="URL must be an address"):
        publish.checked_address(text)


def test_an_address_ends_in_one_slash():
    assert publish.checked_address("https://example.org/book") == "https://example.org/book/"
    assert publish.checked_address("https://example.org/book//") == "https://example.org/book/"


# ---- Colab and Binder


@pytest.fixture
def with_chapter(book):
    """The small book with one chapter that has a notebook."""
    source, target = book
    (source / "book/lens/one.html").write_text(CHAPTER)
    (source / "_sources/book/lens").mkdir(parents=True)
    cells = [nbformat.v4.new_markdown_cell("It needs."), nbformat.v4.new_code_cell("import relunb")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source / "_sources/book/lens/one.ipynb")
    return source, target


def links_of(page: str) -> list[str]:
    return re.findall(r'href="(https://(?:colab|mybinder)[^"]*)"', page)


def test_a_chapter_of_a_repository_opens_in_colab_and_on_binder(with_chapter, tmp_path):
    source, target = with_chapter
    publish.make(source, target, repository="me/a.book")
    page = (target / "book/lens/one.html").read_text()
    assert links_of(page) == [f"{COLAB}book/lens/one.ipynb", f"{BINDER}book%2Flens%2Fone.ipynb"]
    assert ">Open in Colab<" in page and ">Open in Binder<" in page
    assert page.index("Open in Colab") < page.index("dropdown-download-buttons")
    assert not links_of((target / "book/intro.html").read_text()), "it has no cells"
    branch = tmp_path / "branch"
    publish.make_notebooks(target, branch, "me/a.book")
    assert (branch / links_of(page)[0].removeprefix(COLAB)).exists()
    assert (branch / unquote(links_of(page)[1].removeprefix(BINDER))).exists()
    package = "relunb[chapters] @ git+https://github.com/me/a.book"
    environment = yaml.safe_load((branch / "environment.yml").read_text())
    assert environment["dependencies"][-1] == {"pip": [package]}
    notebook = nbformat.read(branch / "book/lens/one.ipynb", as_version=4)
    nbformat.validate(notebook)
    needs, install, first = (cell.source for cell in notebook.cells)
    assert needs == "It needs." and first == "import relunb"
    assert f'%pip install --quiet "{package}"' in install


def test_the_cell_that_installs_is_python_and_does_nothing_where_the_package_is():
    from IPython.core.inputtransformer2 import TransformerManager

    source = TransformerManager().transform_cell(publish.INSTALL.format(package="a"))
    asked = []

    class Shell:
        def run_line_magic(self, *words):
            asked.append(words)

    exec(compile(source, "<cell>", "exec"), {"get_ipython": Shell})
    assert asked == []
    exec(compile(source.replace('"relunb"', '"no_such_package"'), "<cell>", "exec"), {"get_ipython": Shell})
    assert asked == [("pip", 'install --quiet "a"')]


def test_without_a_repository_no_page_leads_there(with_chapter):
    source, target = with_chapter
    publish.make(source, target, "https://example.org/")
    assert not any(links_of(page.read_text()) for page in target.rglob("*.html"))


def test_a_page_without_the_menu_of_the_theme_is_no_page_of_this_book(with_chapter):
    source, target = with_chapter
    (source / "book/lens/one.html").write_text(PAGE)
    with pytest.raises(RuntimeError, match="the theme has changed"):
        publish.make(source, target, repository="me/a.book")


@pytest.mark.parametrize(
    "text", ["me/book", "https://gitlab.com/me/book", "https://github.com/me", "https://github.com/me/book/tree/main"]
)
def test_a_repository_that_is_not_on_github_is_refused(text):
    with pytest.raises(ValueError, match="REPOSITORY must be an address"):
        publish.checked_repository(text)


@pytest.mark.parametrize("end", ["", "/", ".git"])
def test_a_repository_is_its_owner_and_name(end):
    assert publish.checked_repository(f"https://github.com/me/a.book{end}") == "me/a.book"


def test_the_built_book_leads_to_neither(html):
    assert not any(links_of(page.read_text()) for page in html.rglob("*.html"))


@pytest.mark.slow
def test_each_chapter_of_the_built_book_leads_to_both(html, tmp_path):
    site, branch = tmp_path / "site", tmp_path / "branch"
    publish.make(html, site, repository="me/a.book")
    publish.make_notebooks(site, branch, "me/a.book")
    names = publish.chapters(site)
    assert len(names) > 30
    for name in names:
        colab, binder = links_of((site / f"{name}.html").read_text())
        assert colab == f"{COLAB}{name}.ipynb" and unquote(binder) == f"{BINDER}{name}.ipynb"
        assert (branch / f"{name}.ipynb").exists()
