"""The book's index leads to every chapter, has one spelling for one word, and no way in it is a dead end."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.book.test_glossary import TERMS

ROOT = Path(__file__).parents[2]
CHAPTERS = [path for path in sorted(ROOT.glob("book/*/*.md")) if "{code-cell}" in path.read_text(encoding="utf8")]
GLOSSARY = ROOT / "book/reference/glossary.md"

# In a chapter a directive stands on two lines, entries between commas; `term; more` is a line below a term. Words that
# lead to others, "see: word; entry", stand in one block of the glossary.
DIRECTIVE = re.compile(r"^```\{index\} *(.*)\n(.*)\n(.*)\n", re.MULTILINE)
CELL = re.compile(r"^```\{code-cell\}.*?^```$", re.MULTILINE | re.DOTALL)
WAY = re.compile(r"^   (see|seealso): (.+); (.+)$", re.MULTILINE)


def entries_of(text: str) -> list[str]:
    """The entries of a chapter's text, outside its cells."""
    return [entry for found in DIRECTIVE.finditer(CELL.sub("", text)) for entry in found[1].split(", ")]


def term_of(entry: str) -> str:
    return entry.split("; ")[0]


def plain(word: str) -> str:
    """What the spellings of a word have in common: no case, no plural and no hyphen."""
    letters = re.sub(r"[-–\s]", "", word.lower())
    return re.sub(r"(?<!s)s$", "", re.sub(r"ies$", "y", letters))


def spelt_twice(words: list[str]) -> list[set[str]]:
    """The words that differ by no more than case or plural."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for word in words:
        spellings[plain(word)].add(word)
    return [found for found in spellings.values() if len(found) > 1]


ENTRIES = {path: entries_of(path.read_text(encoding="utf8")) for path in CHAPTERS}
WAYS = WAY.findall(GLOSSARY.read_text(encoding="utf8"))
ALL = [entry for entries in ENTRIES.values() for entry in entries]
NAMES = {term_of(entry) for entry in ALL} | set(TERMS)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_entries_and_none_twice(path):
    assert 3 <= len(ENTRIES[path]) <= 9
    assert len(set(ENTRIES[path])) == len(ENTRIES[path])


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_directive_is_closed_stands_alone_and_parts_no_label_from_its_heading(path):
    text = path.read_text(encoding="utf8")
    for found in DIRECTIVE.finditer(text):
        assert (found[2], found[3]) == ("```", ""), found[0]
        assert re.search(r"(?<!\)=)\n\n\Z", text[: found.start()]), found[0]


def test_no_entry_is_spelt_in_two_ways():
    ways = [word for _, word, _ in WAYS]
    assert not spelt_twice([*NAMES, *ways])
    assert not spelt_twice(ALL)


def test_two_spellings_are_seen():
    assert spelt_twice(["double root", "Double roots"]) and spelt_twice(["back-projection", "backprojection"])
    assert not spelt_twice(["bias", "band limit", "Riesz bounds"])


def test_the_index_is_large_enough_to_be_used():
    assert len(ALL) > 150 and len(WAYS) > 30


@pytest.mark.parametrize(("kind", "word", "entry"), WAYS, ids=lambda word: word)
def test_a_way_leads_to_an_entry(kind, word, entry):
    assert entry in NAMES, f"nothing in the index is called {entry}"
    # "See" says that the word is no entry itself; "see also", that it is one.
    assert (word in NAMES) == (kind == "seealso")
