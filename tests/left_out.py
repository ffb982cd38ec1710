"""What becomes of a test that needs what is not here."""

import os
from typing import NoReturn

import pytest


def left_out(what: str, reason: str) -> NoReturn:
    """Skip, or fail where nothing may be left out, as in CI."""
    if os.environ.get("RELUNB_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(f"{what} left out: {reason}")
