"""Chapters of the book are tests too: the plugin named here runs them. And what a run left out is said."""

import os
from collections.abc import Iterator

import pytest

pytest_plugins = ("tests.harness.chapters",)

# With -n each worker gets its share of the cores: threads that wait for one another make every test slower.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Below pytest's own last line."""
    yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and session.config.option.markexpr == "not slow":
        terminal.write_line("The slow tests were left out. Run them too: make test-all")
