"""Every page of the built book, as a reader sees it, with the network cut."""

import json
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml

from tests.browser.reader import faults

ROOT = Path(__file__).parents[2]


def _pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [*(f"{name}.html" for name in files), "genindex.html", "search.html"]


PAGES = _pages()
CHAPTERS = [p for p in PAGES if (f := ROOT / p.replace(".html", ".md")).exists() and "{code-cell}" in f.read_text()]
SEVEN = "book/wavelet/wavelet-activation.html"


@pytest.mark.parametrize("path", PAGES)
def test_page_is_whole_on_a_phone_and_on_a_desk(visit, site, path):
    for width, theme in ((1280, "light"), (390, "dark")):
        seen = visit(site + path, width, theme)
        assert seen.page.locator("html").get_attribute("data-theme") == theme
        assert faults(seen) == []


def test_the_first_page_forwards_to_the_introduction(contexts, site):
    page = contexts(1280, "light").new_page()
    page.goto(site)
    page.wait_for_url("**/book/intro.html")
    assert page.locator("article h1").inner_text().startswith("One kink, three lenses")
    page.close()


def test_a_chapter_opened_as_a_file_is_whole_and_search_works(visit, html):
    """make book prints a file to open: no server is needed."""
    seen = visit((html / SEVEN).as_uri())
    assert faults(seen) == []
    # A browser lets no page opened as a file fetch another one: the results have titles and no excerpts.
    search = visit((html / "search.html").as_uri() + "?q=wavelet").page
    search.wait_for_selector("#search-results li a")
    assert "The B-spline wavelet activation" in search.locator("#search-results").inner_text()


def test_the_search_has_the_index_entries_of_every_page(html):
    """Also where only some pages were built again."""
    index = json.loads((html / "searchindex.js").read_text().removeprefix("Search.setIndex(").removesuffix(")"))
    having = {index["docnames"][place] for places in index["indexentries"].values() for place, _, _ in places}
    with_entries = {
        page.removesuffix(".html") for page in CHAPTERS if "```{index}" in (ROOT / f"{page[:-5]}.md").read_text()
    }
    assert len(with_entries) > 20 and with_entries <= having


def test_search_finds_a_word(visit, site):
    seen = visit(site + "search.html?q=wavelet")
    seen.page.wait_for_selector("#search-results li a")
    results = seen.page.locator("#search-results li a").all_inner_texts()
    assert any("The B-spline wavelet activation" in title for title in results)
    seen.page.wait_for_load_state("networkidle")  # each result fetches its page for an excerpt
    topics = seen.page.locator("#search-results li:has(a[href*='#index-'])")
    assert "wavelet" in topics.first.locator("p.context").inner_text().lower()
    assert all(topic.locator("p.context").inner_text() for topic in topics.all())
    assert not seen.errors and not seen.outside


def test_the_interactive_figure_moves(visit, site):
    page = visit(site + SEVEN).page
    slider = page.locator(".plotly-graph-div .slider-group")
    slider.scroll_into_view_if_needed()
    label = page.locator(".plotly-graph-div .slider-label").first
    before = label.text_content()
    box = page.locator(".plotly-graph-div .slider-rail-rect").bounding_box()
    page.mouse.click(box["x"] + 0.98 * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_function("before => document.querySelector('.slider-label').textContent != before", arg=before)
    assert before.endswith("3") and label.text_content().endswith("7")
    shown = "document.querySelector('.plotly-graph-div').data.map(t => t.visible)"
    page.wait_for_function(f"{shown}[8] === true && {shown}[4] === false")


def test_a_solution_opens(visit, site):
    page = visit(site + SEVEN).page
    solution = page.locator("div.solution").first
    inside = solution.locator("p", has_text="The proposition does the rest")
    assert not inside.is_visible()
    solution.locator("button, summary, .toggle-button").first.click()
    inside.wait_for(state="visible")
    assert solution.locator("text=proved").first.is_visible(), "the output of the solution's cell"


def test_names_in_code_cells_link_to_the_reference(visit, site):
    page = visit(site + SEVEN).page
    link = page.locator("div.cell_input a", has_text="bw_relu").first
    link.click()
    page.wait_for_url("**/reference/api.html#relunb.bw_relu")
    assert page.locator("dt#relunb\\.bw_relu").is_visible()


def test_charts_turn_dark_and_photographs_do_not(visit, site):
    page = visit(site + SEVEN, theme="dark").page

    def look(name):
        return page.locator(f"figure#{name} img").evaluate("image => getComputedStyle(image).filter")

    assert "invert" in look("fig-seven-relus")
    assert look("fig-photograph") == "none"
    assert page.locator(".plotly-graph-div .xtick text").first.evaluate(
        "text => getComputedStyle(text).fill"
    ) == page.evaluate("getComputedStyle(document.body).color")


@pytest.mark.parametrize("path", CHAPTERS)
def test_the_download_is_the_chapter_as_a_notebook(visit, site, html, path):
    link = visit(site + path).page.locator("a[href$='.ipynb']").first
    name = link.get_attribute("href").split("_sources/")[1]
    text = (html / "_sources" / name).read_text(encoding="utf8")
    nbformat.validate(nbformat.reads(text, as_version=4))
    assert "{index}" not in text
    cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    chapter = jupytext.read(ROOT / path.replace(".html", ".md"))
    assert ["".join(c["source"]) for c in cells] == [c.source for c in chapter.cells if c.cell_type == "code"]
