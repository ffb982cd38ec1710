"""A reader's browser on the built book: served from loopback, everything outside refused."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.reader import NETWORK_CUT, Visit, served

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "no Chromium on this machine (on Debian and Ubuntu: apt install chromium)"


def _leave_out(reason: str) -> None:
    if os.environ.get("RELUNB_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(f"browser tests left out: {reason}")


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book, which must have been built from the files as they are now."""
    if CHROMIUM is None:
        _leave_out(NO_CHROMIUM)
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    import execute

    if not execute.is_built():
        _leave_out("the book is not built, or older than its sources; run make book first")
    return HTML


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    with served(html) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        _leave_out(NO_CHROMIUM)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", NETWORK_CUT])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def contexts(chromium):
    """One browser context for each width and theme, so that a page finds MathJax in the cache of the page before."""
    made = {}

    def context(width: int, theme: str):
        if (width, theme) not in made:
            viewport = {"width": width, "height": 844}
            made[width, theme] = chromium.new_context(viewport=viewport, color_scheme=theme)
        return made[width, theme]

    yield context
    for each in made.values():
        each.close()


@pytest.fixture
def visit(contexts):
    """``visit(address, width=390, theme="dark")`` opens a page and waits until it is at rest."""
    visits = []

    def open_page(address: str, width: int = 1280, theme: str = "light") -> Visit:
        visits.append(Visit(contexts(width, theme), address))
        return visits[-1]

    yield open_page
    for seen in visits:  # a reader's edits are kept, but not for the next test
        seen.page.evaluate("() => { try { localStorage.clear() } catch {} }")
        seen.page.close()
