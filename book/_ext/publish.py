"""Make a folder for a static host out of the built book: make site, or make site URL=https://example.org/book/."""

import argparse
import html
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import execute

HTML = execute.BUILT_FROM.parent
SITE = execute.ROOT / "_build" / "site"
CARD = "_static/three-lenses.png"
NOT_FOUND = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>No such page - {title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.1rem/1.6 system-ui, sans-serif; margin: 15vh auto; max-width: 32rem; padding: 0 1rem; }}
</style>
</head>
<body>
<h1>No such page</h1>
<p>A page of <em>{title}</em> stood here once, or the address has a slip.</p>
<p><a href="{home}">Go to the first page</a>, or <a href="{home}search.html">search the book</a>.</p>
</body>
</html>
"""


def checked_address(text: str) -> str:
    """An address that a page can stand below, with a slash at its end."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"URL must be an address like https://example.org/book/; got {text!r}.")
    return text.rstrip("/") + "/"


def make(source: Path, target: Path, address: str = "") -> int:
    """Copy the book for a host; with an address, pages name it, and a map of the site lists them.

    Args:
        source: the built book.
        target: the folder to make; what stood there goes.
        address: where the site will stand, or nothing: all links are relative.

    Returns:
        The number of pages.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"))
    (target / ".nojekyll").touch()  # some hosts leave out folders that begin with an underscore
    pages = sorted(page for page in target.rglob("*.html") if "_static" not in page.parts)
    title = _title((target / "book" / "intro.html").read_text())[1]
    home = urlsplit(address).path if address else "/"
    (target / "404.html").write_text(NOT_FOUND.format(title=html.escape(title), home=home))
    if address:
        for page in pages:
            place = address + page.relative_to(target).as_posix()
            page.write_text(_with_address(page.read_text(), place, address + CARD, title))
        listed = [address + page.relative_to(target).as_posix() for page in pages if page.name not in _UNLISTED]
        lines = "".join(f"<url><loc>{escape(place)}</loc></url>\n" for place in listed)
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
        (target / "sitemap.xml").write_text(f"{head}{lines}</urlset>\n")
        (target / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n")
    return len(pages)


_UNLISTED = ("search.html", "index.html")  # index.html forwards to the first page


def _title(page: str) -> tuple[str, str]:
    """Of a page and of its book, which stands behind a dash; a page that forwards has the book's alone."""
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    parts = [html.unescape(part).strip() for part in found[1].split("—")] if found else [""]
    return parts[0], parts[-1]


def _with_address(page: str, place: str, card: str, book: str) -> str:
    """The page with what other sites show of it: its address, title and picture."""
    title = _title(page)[0] or book
    named = {"og:type": "article", "og:site_name": book, "og:title": title, "og:url": place, "og:image": card}
    lines = [f'<link rel="canonical" href="{html.escape(place)}">']
    lines += [f'<meta property="{name}" content="{html.escape(value)}">' for name, value in named.items()]
    lines += ['<meta name="twitter:card" content="summary_large_image">']
    return page.replace("</head>", "\n".join(lines) + "\n</head>", 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="", help="where the site will stand")
    options = parser.parse_args()
    try:
        address = checked_address(options.url) if options.url else ""
    except ValueError as error:
        print(f"make site: {error}", file=sys.stderr)
        return 2
    pages = make(HTML, SITE, address)
    megabytes = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file()) / 1e6
    print(f"{pages} pages, {megabytes:.0f} MB, in {SITE}. Copy the folder to any static host.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
