"""What tests of figures share."""

import pytest


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
