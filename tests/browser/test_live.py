"""What a reader does with a chapter that runs: start, change, run, fail, stop, reset, come back, answer an exercise."""

import http.server
import re
import threading

import pytest

PAGE = "book/spectrum/one-tone.html"
READY = "document.querySelector('.relunb-bar [role=status]').textContent.includes('Python is ready')"


class Reader:
    """A chapter in a browser, with Python started."""

    def __init__(self, seen):
        self.seen, self.page = seen, seen.page
        self.page.click(".relunb-bar button")
        self.page.wait_for_function(READY, timeout=90_000)

    def cell(self, words):
        """The cell whose text has these words in it."""
        texts = self.page.locator("div.cell:has(.cm-editor)").all_inner_texts()
        return self.page.locator("div.cell:has(.cm-editor)").nth(next(k for k, t in enumerate(texts) if words in t))

    def write(self, cell, text):
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def run(self, cell):
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        return self.ended(cell)

    def ended(self, cell):
        """What a cell says when it has run."""
        state = cell.locator(".relunb-tools [role=status]")
        self.page.wait_for_function(
            "state => /ran in|stopped at/.test(state.textContent)", arg=state.element_handle(), timeout=90_000
        )
        return state.text_content()

    def press_run(self, cell):
        cell.get_by_role("button", name="Run", exact=True).click()
        return self.ended(cell)

    def shown(self, cell):
        return cell.locator(".relunb-output").inner_text()


@pytest.fixture
def reader(visit, site):
    return Reader(visit(site + PAGE))


def test_nothing_is_fetched_before_the_click(visit, site):
    seen = visit(site + PAGE)
    loaded = seen.page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    live = [name.rsplit("/", 1)[-1].partition("?")[0] for name in loaded if "/live/" in name]
    assert live == ["button.js"]


def test_a_reader_changes_a_weight_and_sees_the_identity_fail(reader):
    cell = reader.cell("mean, power =")
    assert reader.run(cell).startswith("ran in")
    assert cell.locator(".relunb-output mjx-container").count() == 2
    reader.write(cell, cell.locator(".cm-content").inner_text().replace("a / sp.pi, a**2 / 4", "a / 3, a**2 / 4"))
    assert reader.run(cell) == "stopped at an error"
    assert re.search(r"NotEqual, line \d", reader.shown(cell))
    assert "At a = 1/3 the left side is 0.106103295394597, and the right side is 1/9." in reader.shown(cell)
    assert cell.locator(".relunb-faulty").count() == 1
    cell.get_by_role("button", name="Reset").click()
    assert not cell.locator(".relunb-output").is_visible()
    assert "a / sp.pi" in cell.locator(".cm-content").inner_text()
    assert reader.run(cell).startswith("ran in")
    assert not reader.seen.errors


def test_what_is_typed_into_a_cell_stays_there(reader):
    """The theme's search opens at a slash, and its arrows turn the page."""
    cell = reader.cell("mean, power =")
    reader.write(cell, "")
    reader.page.keyboard.type("(a / 3)", delay=20)
    reader.page.keyboard.press("ArrowLeft")
    assert cell.locator(".cm-content").inner_text() == "(a / 3)"
    assert reader.page.url.endswith(PAGE)


def test_a_cell_runs_those_above_first(reader):
    last = reader.cell("third = 2 * a")
    assert reader.run(last).startswith("ran in")
    assert reader.cell("symbols({").locator(".relunb-output table").count() == 1


def test_a_cell_that_hangs_can_be_stopped(reader):
    cell = reader.cell("mean, power =")
    reader.write(cell, "while True:\n    pass")
    cell.locator(".cm-content").click()
    reader.page.keyboard.press("Shift+Enter")
    reader.page.wait_for_selector(".relunb-running .cm-editor")
    reader.page.wait_for_function("[...document.querySelectorAll('.relunb-running')].length == 1", timeout=60_000)
    reader.page.get_by_role("button", name="Stop").first.click()
    reader.page.wait_for_function(
        "document.querySelector('.relunb-bar [role=status]').textContent.includes('Stopped')", timeout=90_000
    )
    reader.write(cell, "a**2")
    assert reader.run(cell).startswith("ran in")


def test_all_cells_run_and_end_where_one_fails(reader):
    first, second, third = (reader.cell(words) for words in ("symbols({", "mean, power =", "def line(number)"))
    reader.page.get_by_role("button", name="Run all", exact=True).click()
    reader.page.wait_for_function(
        "[...document.querySelectorAll('.relunb-tools [role=status]')].every(s => s.textContent.startsWith('ran in'))",
        timeout=90_000,
    )
    reader.write(second, "1 / 0")
    third.get_by_role("button", name="Run all above").click()
    reader.page.wait_for_selector(".relunb-error", timeout=90_000)
    assert "ZeroDivisionError, line 1" in reader.shown(second)
    reader.page.get_by_role("button", name="Run all", exact=True).click()
    reader.page.get_by_text("did not run: a cell above stopped").first.wait_for(timeout=90_000)
    assert first.locator(".relunb-tools [role=status]").text_content().startswith("ran in")
    reader.page.get_by_role("button", name="Reset all").click()
    assert "a / sp.pi" in second.locator(".cm-content").inner_text()
    assert not second.locator(".relunb-output").is_visible()


def test_where_python_itself_ends_the_page_goes_on(reader):
    cell = reader.cell("mean, power =")
    reader.write(cell, "import sys\n\nsys.setrecursionlimit(10**9)\ndef f(n):\n    return [f(n + 1)]\n\nf(0)")
    cell.locator(".cm-content").click()
    reader.page.keyboard.press("Shift+Enter")
    reader.page.wait_for_function(
        "document.querySelector('.relunb-bar [role=status]').textContent.includes('Python ended')", timeout=90_000
    )
    assert "Python ended" in reader.shown(cell)
    reader.write(cell, "a**2")
    assert reader.run(cell).startswith("ran in")


SEVEN = "book/wavelet/wavelet-activation.html"
TRIALS = {  # of a page: a cell and a change in it, the cell that then fails and why, two answers
    SEVEN: {
        "change": ("weights = [", "(1, -8,", "(1, -7,"),
        "fails": ("five_hats / 12", "At x = 9/4 the left side is 1/12, and the right side is -5/24."),
        "answers": ("[24, -1]", "[48, -1]"),
    },
    PAGE: {
        "change": ("mean, power =", "a / sp.pi, a**2", "a / 3, a**2"),
        "fails": ("mean, power =", "At a = 1/3 the left side is 0.106103295394597, and the right side is 1/9."),
        "answers": ("2a/(3pi)", "sqrt(3)*a/(8*pi)"),
    },
    "book/iat/exact.html": {
        "change": ("def mean(a, b)", "(abs(a) + abs(b)) / 2", "(abs(a) + abs(b)) / 3"),
        "fails": ("def mean(a, b)", "At alpha = 1/3, beta = 1/3 the left side is 1/3, and the right side is 2/9."),
        "answers": ("t**2", "t"),
    },
}


@pytest.mark.parametrize(
    ("path", "width", "theme"),
    [(SEVEN, 1280, "light"), (SEVEN, 390, "dark"), (PAGE, 390, "light"), ("book/iat/exact.html", 1280, "dark")],
)
def test_a_person_without_python_changes_a_weight_and_gets_an_exercise_right(visit, site, path, width, theme):
    (words, old, new), (failing, said), (wrong, right) = TRIALS[path].values()
    seen = visit(site + path, width, theme)
    assert "nothing is installed" in seen.page.inner_text(".relunb-bar")
    reader = Reader(seen)
    assert "press Run below it" in seen.page.inner_text(".relunb-bar")
    cell, checked = reader.cell(words), reader.cell(failing)
    text = cell.locator(".cm-content").inner_text()
    assert old in text
    reader.write(cell, text.replace(old, new))
    reader.press_run(cell)
    if failing != words:  # the check stands in a cell below, which says that its result is an old one
        assert "before the change above" in checked.inner_text()
        reader.press_run(checked)
        assert "before the change above" not in checked.inner_text()
    assert "NotEqual" in reader.shown(checked) and said in reader.shown(checked)
    assert "The left side minus the right one: " in reader.shown(checked)
    box = seen.page.locator(".relunb-answer").first
    assert "2*a" in box.get_by_label("Your answer").get_attribute("placeholder")
    for typed, kinds in ((wrong, (".relunb-differs", ".relunb-unreadable")), (right, (".relunb-proved",))):
        box.get_by_label("Your answer").fill(typed)
        box.get_by_role("button", name="Check").click()
        box.locator(", ".join(kinds)).wait_for(timeout=90_000)
    assert "Proved: this equals the book's answer." in box.inner_text()
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not seen.errors and not seen.outside


def test_what_stands_between_a_change_and_a_cell_runs_again(visit, site):
    reader = Reader(visit(site + SEVEN))
    weights, check = reader.cell("weights = ["), reader.cell("five_hats / 12")
    assert reader.run(reader.cell("def moment")).startswith("ran in")
    reader.write(weights, weights.locator(".cm-content").inner_text().replace("(1, -8,", "(1, -7,"))
    assert reader.run(reader.cell("of ψ")).startswith("ran in")  # with the weights and what is between them
    assert "NotEqual" in reader.shown(check), "and a check that fails stops no cell below"
    weights.get_by_role("button", name="Reset").click()
    assert "before the change above" in check.inner_text()


def test_what_needs_torch_says_so(reader):
    note = reader.page.locator(".relunb-why").first.text_content()
    assert "Needs torch and" in note
    cell = reader.cell("mean, power =")
    reader.write(cell, "import torch\n\ntorch.zeros(3)")
    assert reader.run(cell) == "stopped at an error"
    assert "torch.zeros does not run in a browser" in reader.shown(cell)


def test_edits_survive_a_reload_and_go_into_the_notebook(reader, visit, site):
    reader.write(reader.cell("mean, power ="), "mean, power = 1, 2  # mine")
    reader.page.reload()
    assert "Your edit is kept." in reader.page.inner_text(".relunb-bar")
    again = Reader(reader.seen)
    assert "# mine" in again.cell("# mine").inner_text()
    with reader.page.expect_download() as download:
        reader.page.get_by_role("button", name="Download notebook").click()
    text = download.value.path().read_text()
    assert "# mine" in text
    assert download.value.suggested_filename == "one-tone.ipynb"


def test_an_answer_is_judged(visit, site):
    page = visit(site + PAGE).page
    box = page.locator(".relunb-answer").first
    box.get_by_role("button", name="Hint").click()
    assert box.locator(".relunb-hint").is_visible()
    for typed, verdict in [("2*a/(3*pi)", "differs"), ("sqrt(3)*a/(8*pi)", "proved"), ("sqrt(3)a", "unreadable")]:
        box.get_by_label("Your answer").fill(typed)
        box.get_by_role("button", name="Check").click()
        page.wait_for_selector(f".relunb-answer .relunb-{verdict}", timeout=90_000)
    assert "Write the times sign" in box.inner_text()


def test_a_page_opened_as_a_file_says_why_it_does_not_run(visit, html):
    seen = visit((html / PAGE).as_uri())
    assert seen.page.locator(".relunb-bar button").is_disabled()
    assert "opened as a file" in seen.page.inner_text(".relunb-bar")
    assert "opened as a file" in seen.page.locator(".relunb-answer").first.inner_text()
    assert not seen.errors


def test_a_browser_without_webassembly_is_told(contexts, site):
    page = contexts(1280, "light").new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto(site + PAGE)
    assert page.locator(".relunb-bar button").is_disabled()
    assert "no WebAssembly" in page.inner_text(".relunb-bar")
    page.close()


@pytest.fixture
def elsewhere():
    """Another origin on this machine, and the requests that reached it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    server.shutdown()
    server.server_close()


def test_a_cell_can_ask_no_other_host(reader, elsewhere):
    address, asked = elsewhere
    cell = reader.cell("mean, power =")
    request = (
        "from js import XMLHttpRequest\nr = XMLHttpRequest.new()\nr.open('GET', {!r}, False)\nr.send()\nprint(r.status)"
    )
    reader.write(cell, request.format(reader.page.url))
    assert reader.run(cell).startswith("ran in")
    assert reader.shown(cell).strip() == "200"
    reader.write(cell, request.format(address))
    assert reader.run(cell) == "stopped at an error"
    assert reader.page.evaluate("address => fetch(address).catch(error => 'refused')", address) == "refused"
    assert asked == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_a_running_chapter_whole(visit, site, theme):
    reader = Reader(visit(site + PAGE, 390, theme))
    assert reader.run(reader.cell("mean, power =")).startswith("ran in")
    assert reader.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
