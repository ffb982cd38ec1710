"""A chapter's file has its title's words, it says what comes before and how long it takes; links name their parts."""

import re

import execute
import parts
import pytest
from sphinx_external_toc.parsing import parse_toc_yaml

from tests.book.test_text import ROOT

PARTS = parts.parts_of(parse_toc_yaml(ROOT / "_toc.yml"))
PAGES = ["book/intro", *PARTS]
SAID_OTHERWISE = {"one": "a", "which": "choice, choosing", "zero": "without"}
a_chapter = pytest.mark.parametrize(
    "chapter", [c for c in execute.chapters() if c.stem != "intro"], ids=lambda c: c.stem
)


@a_chapter
def test_a_chapters_file_is_named_by_words_of_its_title_and_a_line_below_says_more(chapter):
    (title,) = re.findall(r"^# (.+)\n\n\*[^*\n]+[.?]\*$", execute.source_of(chapter), re.MULTILINE)
    beginnings = {word[:5] for word in re.findall(r"\w+", title.lower())}
    assert {word[:5] for word in chapter.stem.split("-") if word not in SAID_OTHERWISE} <= beginnings


@a_chapter
def test_a_chapter_says_what_it_needs_and_how_long_it_takes(chapter):
    (need,) = re.findall(r"^\*\*You need\*\* (.+(?:\n.+)*)", execute.source_of(chapter), re.MULTILINE)
    assert re.search(r"^It takes about (?:half an hour|[a-z-]+ minutes)\.$", need, re.MULTILINE), need


def test_every_page_but_the_first_is_in_a_part():
    assert PARTS["book/spectrum/contour"] == "Spectrum" and PARTS["book/wavelet/wavelet-activation"] == "Wavelet"
    assert "book/intro" not in PARTS and PARTS["book/notation"] == "Reference"


def test_a_link_into_another_part_says_so():
    assert parts.words("next", "Wavelet", "Wavelet") == "Wavelet"
    assert parts.words("next", "Spectrum", "Wavelet") == "A new part begins: Wavelet"
    assert parts.words("prev", "Wavelet", "Spectrum") == "The part before: Spectrum"
    assert parts.words("next", None, "Spectrum") == "Spectrum"


@pytest.mark.parametrize(("page", "after"), list(zip(PAGES, PAGES[1:], strict=False)))
def test_the_built_links_name_their_parts(html, page, after):
    for one, way, other in ((page, "next", after), (after, "prev", page)):
        text = (html / f"{one}.html").read_text(encoding="utf8")
        (link,) = re.findall(rf'<a class="\w+-{way}".*?</a>', text, re.DOTALL)
        shown = re.findall(r'<span class="relunb-part">(.*?)</span>', link)
        assert shown == ([parts.words(way, PARTS.get(one), PARTS[other])] if other in PARTS else [])
