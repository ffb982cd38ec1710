"""The browser checks can fail: each kind of broken page is found, and a whole page is not."""

import pytest

from tests.browser.reader import faults, served

PIXELS = "<svg xmlns='http://www.w3.org/2000/svg' width='300' height='200'><rect width='300' height='200'/></svg>"
ALT = "A black rectangle, three hundred by two hundred."
CAPTION = "<figcaption><span>Fig. 1 A rectangle.</span></figcaption>"
GOOD = f"<p>Text.</p><figure id='f'><img src='good.svg' alt='{ALT}'>{CAPTION}</figure>"
PAGE = "<!doctype html><head><link rel='icon' href='good.svg'>{head}</head><body><article>{body}</article></body>"
FONT = "<style>@font-face{font-family:a;src:url(https://example.invalid/f)} p{font-family:a}</style>"

BROKEN = {
    "from outside": ("<script src='https://example.invalid/a.js'></script>", GOOD, "outside the book: https://example"),
    "font outside": (FONT, GOOD, "outside the book"),
    "console error": ("<script>console.error('it broke')</script>", GOOD, "logs an error: it broke"),
    "script error": ("<script>missing()</script>", GOOD, "logs an error: missing is not defined"),
    "missing image": ("", GOOD.replace("good.svg", "gone.svg"), "an image does not load: gone.svg"),
    "empty figure": ("", f"<figure id='f'>{CAPTION}</figure>", "f shows nothing"),
    "hidden figure": ("<style>img{display:none}</style>", GOOD, "f shows nothing"),
    "no caption": ("", GOOD.replace(CAPTION, ""), "f has no number and caption"),
    "no number": ("", GOOD.replace("Fig. 1 ", ""), "f has no number and caption"),
    "no alt text": ("", GOOD.replace(ALT, "good.svg"), "an image has no alt text"),
    "wide page": ("", GOOD + "<div style='width:3000px'>wide</div>", "scrolls sideways"),
    "wide figure": ("<style>body{overflow-x:hidden} img{width:2000px}</style>", GOOD, "f is wider than the page"),
    "raw formula": ("", GOOD + "<span class='math'>\\(x^2\\)</span>", "formula not rendered"),
    "formula error": ("", GOOD + "<mjx-merror>Undefined control sequence</mjx-merror>", "formula with an error"),
    "pale text": ("<style>p{color:#bbb}</style>", GOOD, "text that is hard to read: Text."),
    "dark on dark": ("<style>article{background:#111}</style>", GOOD, "text that is hard to read"),
}  # fmt: skip


@pytest.fixture
def page(tmp_path, visit):
    (tmp_path / "good.svg").write_text(PIXELS)

    def open_page(head: str, body: str):
        (tmp_path / "index.html").write_text(PAGE.format(head=head, body=body))
        with served(tmp_path) as address:
            return faults(visit(address + "index.html"))

    return open_page


def test_a_whole_page_has_no_fault(page):
    assert page("", GOOD) == []


@pytest.mark.parametrize("kind", BROKEN)
def test_each_kind_of_broken_page_is_found(page, kind):
    head, body, words = BROKEN[kind]
    found = page(head, body)
    assert any(words in fault for fault in found), found
