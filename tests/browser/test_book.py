"""Every page of the built book, as a reader sees it, with the network cut."""

import json

import jupytext
import nbformat
import pytest
import yaml

from tests.browser.conftest import ROOT


def _pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return ["index.html", *(f"{name}.html" for name in files), "genindex.html", "search.html"]


PAGES = _pages()
CHAPTERS = [p for p in PAGES if (f := ROOT / p.replace(".html", ".md")).exists() and "{code-cell}" in f.read_text()]
SEVEN = "book/wavelet/seven-relus.html"


@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole_on_a_phone_and_on_a_desk(visit, path):
    for width, theme in ((1280, "light"), (390, "dark")):
        seen = visit(path, width, theme)
        page = seen.page
        assert not seen.outside, "the page asks for files from outside the book"
        assert not seen.errors, "the page logs errors"
        assert page.locator("html").get_attribute("data-theme") == theme
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
        formulas = page.locator("span.math, div.math").count()
        assert page.locator("mjx-container").count() == formulas, "a formula is not rendered"
        assert page.locator("mjx-merror").count() == 0, "a formula has an error"
        for figure in page.locator("article figure").all():
            caption = figure.locator("figcaption")
            assert caption.inner_text().startswith("Fig. "), "a figure has no number and caption"
            drawn = figure.locator("img, .main-svg").first
            box = drawn.bounding_box()
            assert box is not None, "a figure is not visible"
            assert 100 < box["width"] <= width and box["height"] > 80, "a figure has no size"
        for image in page.locator("article img").all():
            alt = image.get_attribute("alt") or ""
            assert len(alt) > 20 and not alt.endswith((".svg", ".png")), "an image has no alt text"
            assert image.evaluate("image => image.complete && image.naturalWidth > 0"), "an image does not load"
        assert page.evaluate(_CONTRAST) == [], "text that is hard to read"


# WCAG contrast of running text, captions, headings and an interactive figure's labels with what is behind: at least 4.5.
_CONTRAST = """() => {
  const parts = (c) => c.match(/[0-9.]+/g).map(Number);
  const light = (c) => {
    const [r, g, b] = parts(c).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor, [r, g, b, alpha] = parts(color);
      if (alpha === undefined || alpha === 1) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const nodes = document.querySelectorAll("article p, article figcaption span, article h2, .plotly-graph-div .xtick text");
  return [...nodes].filter((node) => {
    const style = getComputedStyle(node);
    const front = light(node.tagName === "text" ? style.fill : style.color), back = light(behind(node));
    return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05) < 4.5;
  }).map((node) => node.textContent.slice(0, 60));
}"""


def test_search_finds_a_word(visit):
    seen = visit("search.html?q=wavelet")
    seen.page.wait_for_selector("#search-results li a")
    results = seen.page.locator("#search-results li a").all_inner_texts()
    assert any("Seven ReLUs make a wavelet" in title for title in results)
    assert not seen.errors and not seen.outside


def test_the_interactive_figure_moves(visit):
    page = visit(SEVEN).page
    slider = page.locator(".plotly-graph-div .slider-group")
    slider.scroll_into_view_if_needed()
    label = page.locator(".plotly-graph-div .slider-label").first
    before = label.text_content()
    box = page.locator(".plotly-graph-div .slider-rail-rect").bounding_box()
    page.mouse.click(box["x"] + 0.98 * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_function("before => document.querySelector('.slider-label').textContent != before", arg=before)
    assert before.endswith("3") and label.text_content().endswith("7")
    visible = page.evaluate("document.querySelector('.plotly-graph-div').data.map(t => t.visible)")
    assert visible[8] is True and visible[4] is False


def test_a_solution_opens(visit):
    page = visit(SEVEN).page
    solution = page.locator("div.solution").first
    inside = solution.locator("p", has_text="The proposition does the rest")
    assert not inside.is_visible()
    solution.locator("button, summary, .toggle-button").first.click()
    inside.wait_for(state="visible")
    assert solution.locator("text=holds:").first.is_visible(), "the output of the solution's cell"


def test_names_in_code_cells_link_to_the_reference(visit):
    page = visit(SEVEN).page
    link = page.locator("div.cell_input a", has_text="bw_relu").first
    link.click()
    page.wait_for_url("**/reference/api.html#relunb.bw_relu")
    assert page.locator("dt#relunb\\.bw_relu").is_visible()


def test_charts_turn_dark_and_photographs_do_not(visit):
    page = visit(SEVEN, theme="dark").page

    def look(name):
        return page.locator(f"figure#{name} img").evaluate("image => getComputedStyle(image).filter")

    assert "invert" in look("fig-seven-relus")
    assert look("fig-photograph") == "none"
    assert page.locator(".plotly-graph-div .xtick text").first.evaluate(
        "text => getComputedStyle(text).fill"
    ) == page.evaluate("getComputedStyle(document.body).color")


@pytest.mark.parametrize("path", CHAPTERS)
def test_the_download_is_the_chapter_as_a_notebook(visit, html, path):
    link = visit(path).page.locator("a[href$='.ipynb']").first
    name = link.get_attribute("href").split("_sources/")[1]
    text = (html / "_sources" / name).read_text(encoding="utf8")
    nbformat.validate(nbformat.reads(text, as_version=4))
    cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    chapter = jupytext.read(ROOT / path.replace(".html", ".md"))
    assert ["".join(c["source"]) for c in cells] == [c.source for c in chapter.cells if c.cell_type == "code"]
