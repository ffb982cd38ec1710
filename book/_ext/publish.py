"""Make a folder for a static host out of the built book: make site, or make site URL=https://example.org/book/.

With REPOSITORY=https://github.com/OWNER/NAME chapters open in Colab and Binder. Both take notebooks from a branch on
GitHub: a second folder is made, which goes to the branch ``notebooks`` (.github/workflows/book.yml).
"""

import argparse
import html
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

import execute

HTML = execute.BUILT_FROM.parent
SITE, NOTEBOOKS = execute.ROOT / "_build" / "site", execute.ROOT / "_build" / "notebooks"
BRANCH = "notebooks"
CARD = "_static/three-lenses.png"
INSTALL = """\
# Where relunb is missing, as in Colab, this cell installs it and what the chapter imports.
import importlib.util

if importlib.util.find_spec("relunb") is None:
    %pip install --quiet "{package}"
"""
ENVIRONMENT = """\
# What Binder installs. PyTorch of conda-forge, because that from PyPI brings gigabytes of CUDA along.
channels: [conda-forge]
dependencies: [python=3.12, pytorch-cpu, pip, pip: ["{package}"]]
"""
DOWNLOADS = '<div class="dropdown dropdown-download-buttons">'  # the theme's menu, which ours goes before
LAUNCH = """\
<div class="dropdown dropdown-launch-buttons">
<button class="btn dropdown-toggle" type="button" data-bs-toggle="dropdown" aria-expanded="false" \
aria-label="Run this chapter elsewhere"><i class="fas fa-rocket"></i></button>
<ul class="dropdown-menu">
{links}
</ul>
</div>
"""
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


def checked_repository(text: str) -> str:
    """Owner and name of a repository on GitHub: Colab opens notebooks from nowhere else."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(\.git)?/?", text)
    if found is None:
        raise ValueError(f"REPOSITORY must be an address like https://github.com/OWNER/NAME; got {text!r}.")
    return found[1]


def make(source: Path, target: Path, address: str = "", repository: str = "") -> int:
    """Copy the book for a host; with an address, pages name it, and a map of the site lists them.

    Args:
        source: the built book.
        target: the folder to make; what stood there goes.
        address: where the site will stand, or nothing: all links are relative.
        repository: "owner/name" on GitHub, or nothing: no chapter leads to Colab and Binder.

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
    if repository:
        for name in chapters(target):
            page = target / f"{name}.html"
            page.write_text(_with_launch(page.read_text(), launch_links(repository, name)))
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


def make_notebooks(site: Path, target: Path, repository: str) -> None:
    """Write what goes to the branch of notebooks: chapters that install what they need, and for Binder a list of it.

    Args:
        site: the built book, or a copy.
        target: the folder to make; what stood there goes.
        repository: "owner/name" on GitHub.
    """
    import nbformat

    shutil.rmtree(target, ignore_errors=True)
    package = f"relunb[chapters] @ git+https://github.com/{repository}"
    for name in chapters(site):
        notebook = nbformat.read(site / "_sources" / f"{name}.ipynb", as_version=4)
        notebook.cells.insert(1, nbformat.v4.new_code_cell(INSTALL.format(package=package).rstrip(), id="install"))
        file = target / f"{name}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, file)
    (target / "environment.yml").write_text(ENVIRONMENT.format(package=package))


def chapters(site: Path) -> list[str]:
    """The pages with a notebook to download, as "book/wavelet/wavelet-activation"."""
    sources = site / "_sources"
    return sorted(file.relative_to(sources).with_suffix("").as_posix() for file in sources.rglob("*.ipynb"))


def launch_links(repository: str, name: str) -> dict[str, str]:
    """By its words, where each link leads: to the notebook of a chapter on the branch."""
    file = f"{name}.ipynb"
    return {
        "Open in Colab": f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{file}",
        "Open in Binder": f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?labpath={quote(file, safe='')}",
    }


def _with_launch(page: str, links: dict[str, str]) -> str:
    """The page with a menu of links in its header."""
    if page.count(DOWNLOADS) != 1:
        raise RuntimeError(f"the theme has changed: a page has not one {DOWNLOADS}, before which the links go")
    link = '<li><a class="btn btn-sm dropdown-item" href="{}"><span class="btn__text-container">{}</span></a></li>'
    lines = [link.format(html.escape(place), html.escape(words)) for words, place in links.items()]
    return page.replace(DOWNLOADS, LAUNCH.format(links="\n".join(lines)) + DOWNLOADS)


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
    parser.add_argument("--repository", default="", help="the book's repository on GitHub, for Colab and Binder")
    options = parser.parse_args()
    try:
        address = checked_address(options.url) if options.url else ""
        repository = checked_repository(options.repository) if options.repository else ""
    except ValueError as error:
        print(f"make site: {error}", file=sys.stderr)
        return 2
    pages = make(HTML, SITE, address, repository)
    megabytes = sum(file.stat().st_size for file in SITE.rglob("*") if file.is_file()) / 1e6
    print(f"{pages} pages, {megabytes:.0f} MB, in {SITE}. Copy the folder to any static host.")
    if repository:
        make_notebooks(SITE, NOTEBOOKS, repository)
        print(f"Colab and Binder open what is in {NOTEBOOKS}: push it to the branch {BRANCH} of {repository}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
