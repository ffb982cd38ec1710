"""Tables show numbers as a reader writes them."""

from relunb.book import Table


def test_zero_is_a_zero_in_every_format():
    table = Table({"gap": [0.0, 2e-16, -0.0]}, formats={"gap": ".0e"})
    assert repr(table).split() == ["gap", "0", "2e-16", "0"]
    assert [row.strip("| ") for row in table._repr_markdown_().splitlines()[2:]] == ["0", r"$2\cdot10^{-16}$", "0"]


def test_infinity_is_its_sign_on_a_page():
    table = Table({"κ": [float("inf"), -float("inf"), 3.0]}, formats={"κ": ".0f"})
    assert repr(table).split() == ["κ", "inf", "-inf", "3"]
    assert [row.strip("| ") for row in table._repr_markdown_().splitlines()[2:]] == ["∞", "−∞", "3"]
