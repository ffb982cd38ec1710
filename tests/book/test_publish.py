"""The folder for a static host: whole, with relative links, and an address only where one is given."""

import re

import publish
import pytest

PAGE = "<html><head><title>1. One &amp; two — A book</title></head><body><a href='../index.html'>back</a></body></html>"


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
