"""What a reader's browser finds wrong with a page."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The browser finds no address but this machine's own: a request to anywhere else fails, as with the network cut.
NETWORK_CUT = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; give its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Visit:
    """A page at rest, and what the browser met on the way: requests to anywhere else, and errors."""

    def __init__(self, context: Any, address: str) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.page = context.new_page()
        site = "/".join(address.split("/")[:3]) + "/"  # "file:///" for a page opened as a file

        def note(request: Any) -> None:
            if not request.url.startswith((site, "data:", "blob:")):
                self.outside.append(request.url)

        self.page.on("request", note)
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)  # returns when every file that the page names is there
        self.page.evaluate(_AT_REST)


def faults(seen: Visit) -> list[str]:
    """Everything that is wrong with a page, a sentence each; an empty list for a good page."""
    found = [f"asks for a file from outside the book: {address}" for address in seen.outside]
    found += [f"logs an error: {error}" for error in seen.errors]
    return found + seen.page.evaluate(_FAULTS)


# Formulas are set, fonts are there, and a quarter of a second has passed for whatever a script still asks for.
_AT_REST = """async () => {
  await (window.MathJax?.startup?.promise ?? null);
  await document.fonts.ready;
  await new Promise((resolve) => setTimeout(resolve, 250));
}"""
_FAULTS = Path(__file__).with_name("faults.js").read_text(encoding="utf8")
