"""A reader's browser on the built book: served from loopback, everything outside refused."""

import functools
import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _leave_out(reason: str) -> None:
    if os.environ.get("RELUNB_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(f"browser tests left out: {reason}")


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book, which must have been built from the files as they are now."""
    if CHROMIUM is None:
        _leave_out("no Chromium on this machine (on Debian and Ubuntu: apt install chromium)")
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    import execute

    if not execute.is_built():
        _leave_out("the book is not built, or older than its sources; run make book first")
    return HTML


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(html)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def chromium(html: Path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """What a reader's browser met on the way."""

    page: object
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def visit(chromium, site):
    """``visit("book/intro.html", width=390, theme="dark")`` opens a page and waits until it is at rest."""
    contexts = []

    def open_page(path: str, width: int = 1280, theme: str = "light") -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=theme)
        contexts.append(context)
        seen = Visit(context.new_page())

        def refuse_outside(route):
            if route.request.url.startswith(site):
                route.continue_()
            else:
                seen.outside.append(route.request.url)
                route.abort()

        seen.page.route("**/*", refuse_outside)
        seen.page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.goto(site + path)
        seen.page.wait_for_load_state("networkidle")
        seen.page.evaluate("window.MathJax && MathJax.startup ? MathJax.startup.promise : null")
        return seen

    yield open_page
    for context in contexts:
        context.close()
