"""What tests of more than one room share."""

import sys
from pathlib import Path

import pytest

from tests.left_out import left_out

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the book, which must have been built from the files as they are now."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    import execute

    if not execute.is_built():
        left_out("the built pages are", "the book is not built, or older than its sources; run make book first")
    return ROOT / "_build" / "html"


@pytest.fixture
def no_window():
    """Draw into memory, and leave neither open figures nor changed settings behind."""
    import matplotlib
    from matplotlib import pyplot as plt

    matplotlib.use("agg")
    with matplotlib.rc_context():
        yield
    plt.close("all")


@pytest.fixture(params=["as dispatched", "torch blocks", "compiled kernel"])
def path(request, monkeypatch):
    """The operators with a kernel, thrice: small inputs take the plain form, unless they are sent another way."""
    from tests.forms import take

    take(request.param, monkeypatch)
