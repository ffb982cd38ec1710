"""Tables show numbers as a reader writes them."""

import pytest
import sympy as sp

from relunb.book import Table, symbols

X = sp.Symbol("x", real=True)
F = sp.Function("F")


def test_zero_is_a_zero_in_every_format():
    table = Table({"gap": [0.0, 2e-16, -0.0]}, formats={"gap": ".0e"})
    assert repr(table).split() == ["gap", "0", "2e-16", "0"]
    assert [row.strip("| ") for row in table._repr_markdown_().splitlines()[2:]] == ["0", r"$2\cdot10^{-16}$", "0"]


def test_infinity_is_its_sign_on_a_page():
    table = Table({"κ": [float("inf"), -float("inf"), 3.0]}, formats={"κ": ".0f"})
    assert repr(table).split() == ["κ", "inf", "-inf", "3"]
    assert [row.strip("| ") for row in table._repr_markdown_().splitlines()[2:]] == ["∞", "−∞", "3"]


def test_numbers_stand_to_the_right_and_text_to_the_left_and_formulas_are_typeset():
    table = Table({"n": [1, -2], "exact": [sp.pi / 2, sp.Integer(0)], "f": [sp.sin(2 * X), F(X)], "who": ["a|b", "c"]})
    head, sides, first, second = table._repr_markdown_().splitlines()
    assert head == "| n | exact | f | who |" and sides == "| --: | --: | :-- | :-- |"
    assert first == r"| 1 | $\frac{\pi}{2}$ | $\sin {2 x}$ | a\|b |"
    assert second == r"| −2 | $0$ | $F{\left(x \right)}$ | c |"


def test_a_symbol_is_listed_with_what_sympy_assumes_of_it():
    n, k = sp.Symbol("n", integer=True), sp.Symbol("k", integer=True, nonnegative=True)
    a, z, matrix = sp.Symbol("a", negative=True), sp.Symbol("z"), sp.MatrixSymbol("K", 2, 3)
    listed = repr(symbols(dict.fromkeys([X, n, k, a, z, matrix, F], "meaning"))).splitlines()[1:]
    kinds = [line.split(maxsplit=1)[1].removesuffix("meaning").strip() for line in listed]
    assert kinds == ["real", "integer", "nonnegative integer", "negative", "", "matrix, 2 by 3", "function"]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Table([1]), TypeError, "columns must be a mapping from heads to entries; got list"),
        (lambda: Table({}), ValueError, "columns is empty"),
        (lambda: Table({"n": 3}), TypeError, "the column 'n' must be a list of entries; got 3"),
        (lambda: Table({"n": "abc"}), TypeError, "the column 'n' must be a list of entries; got 'abc'"),
        (lambda: Table({"n": [1], "m": []}), ValueError, "columns must have one length; they have {'n': 1, 'm': 0}"),
        (lambda: Table({"n": [1.0]}, ".2f"), TypeError, "formats must be a mapping from heads to formats; got '.2f'"),
        (lambda: Table({"n": [1.0]}, {"n": "q"}), ValueError, "the format for 'n' must be one of numbers.*got 'q'"),
        (lambda: Table({"n": [1.0]}, {"n": 3}), ValueError, "the format for 'n' must be one of numbers.*got 3"),
        (lambda: Table({"n": [1.0]}, {"m": ".2f"}), ValueError, "a format for 'm', and no such column: n"),
        (lambda: symbols([X]), TypeError, "meanings must be a mapping from symbols to texts; got list"),
        (lambda: symbols({}), ValueError, "meanings is empty"),
        (lambda: symbols({"x": "place"}), TypeError, "meanings leads from SymPy's symbols to texts; got 'x'"),
        (lambda: symbols({X: 3}), TypeError, "meanings leads from SymPy's symbols to texts; got x: 3"),
    ],
)
def test_a_mistake_gets_a_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
