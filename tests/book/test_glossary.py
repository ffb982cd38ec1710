"""The glossary has what the chapters use without explaining it at every place."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = (ROOT / "book" / "reference" / "glossary.md").read_text(encoding="utf8")
TERMS = re.findall(r"^(?! )(\S.*)\n  \S", GLOSSARY.split("```{glossary}\n")[1], re.MULTILINE)
CHAPTERS = "\n".join(path.read_text(encoding="utf8") for path in sorted((ROOT / "book").glob("[isw]*/*.md")))

# A term, and how a chapter writes it.
USED = {
    "codimension": "codimension",
    "interlacing": "interlacing",
    "seminorm": "seminorm",
    "C¹, C²": "$C^{1,1}$",
    "Haar wavelet": "Haar wavelets",
    "general position": "general position",
    "Lipschitz": "Lipschitz",
    "homogeneous": "homogeneous",
    "analytic": "analytic",
    "orthant": "orthant",
    "elliptic integral": "elliptic integral",
    "Bessel function": "Bessel function",
    "Bernoulli polynomial": "Bernoulli polynomial",
    "Khintchine's inequality": "Khintchine's inequality",
    "Kac–Rice formula": "Kac and Rice",
    "neural tangent kernel": "neural tangent kernel",
    "Kronecker product": "Kronecker product",
    "standard error": "standard error",
    "degrees of freedom": "degrees of freedom",
}


INDEXED = re.findall(r"^(?:```\{index\} |   see(?:also)?: )(.*)$", f"{CHAPTERS}\n{GLOSSARY}", re.MULTILINE)


def letters(term: str) -> str:
    return re.sub(r"[^a-z0-9]", "", term.lower().translate(str.maketrans("ö¹²", "o12")))


def test_terms_are_in_order_and_once():
    names = [letters(term) for term in TERMS]
    assert len(names) > 100
    assert names == sorted(set(names))


def test_the_index_has_no_formulas():
    """It shows them as they are typed."""
    assert len(INDEXED) > 200
    assert [entry for entry in [*TERMS, *INDEXED] if set(entry) & set("$\\^{}")] == []


@pytest.mark.parametrize(("term", "written"), USED.items())
def test_a_term_that_chapters_use_is_explained(term, written):
    assert written in CHAPTERS, "no chapter uses it any more: take it off the list"
    assert term in TERMS
