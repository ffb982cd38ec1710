"""What tests of the built book share."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the book, built from the files as they are now."""
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    import execute

    if not execute.is_built():
        reason = "the book is not built, or older than its sources; run make book first"
        if os.environ.get("RELUNB_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(f"the built pages are left out: {reason}")
    return ROOT / "_build" / "html"
