"""A reader's browser on the built book: served from loopback, everything outside refused."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.reader import NETWORK_CUT, Visit, served
from tests.left_out import left_out

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "no Chromium on this machine (on Debian and Ubuntu: apt install chromium)"


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    with served(html) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        left_out("browser tests", NO_CHROMIUM)
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
