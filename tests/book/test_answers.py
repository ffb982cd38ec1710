"""Typed answers are judged rightly, every question of the book can be answered, and a page holds its questions."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from relunb.book.answers import judge
from tests.book.test_text import broken_blocks

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "book" / "_ext" / "answers.py"

# The book's extensions are not a package: load this one by its path.
spec = importlib.util.spec_from_file_location("answers_of_the_book", EXTENSION)
assert spec and spec.loader, f"cannot load {EXTENSION}"
answers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(answers)

CHAPTERS = sorted(file for file in ROOT.glob("book/*/*.md") if "{code-cell}" in file.read_text(encoding="utf-8-sig"))
FILES = sorted(ROOT.glob(f"book/*/*{answers.SUFFIX}"))


def name(file):
    return file.relative_to(ROOT / "book").as_posix().removesuffix(answers.SUFFIX).removesuffix(".md")


# ---- the judge

LINE = {"symbols": {"a": "positive", "b": "real", "n": "integer positive"}, "solution": "a/pi + b**2"}
NUMBER = {"symbols": {}, "solution": "1/pi", "tolerance": 0.001}
PAIR = {"symbols": {"a": "positive"}, "solution": "[a, 1/3]"}
MATRIX = {"symbols": {"a": "real"}, "solution": "Matrix([[1, a], [0, 1/2]])"}


@pytest.mark.parametrize(
    ("question", "typed"),
    [
        (LINE, "b^2 + a/pi"),
        (LINE, "(a + pi*b**2) / sp.pi"),
        (LINE, "b\N{SUPERSCRIPT TWO} + a/pi"),
        (LINE, "abs(b)*abs(b) + a*Integral(sin(b)**2, (b, 0, pi))*2/pi**2"),
        (LINE, "b\N{MULTIPLICATION SIGN}b \N{MINUS SIGN} (\N{MINUS SIGN}a)/\N{GREEK SMALL LETTER PI}"),
        (PAIR, "(a, 2/6)"),
        (PAIR, "[2*a/2, 1/3]"),
        (MATRIX, "Matrix([[1, a], [0, 0.5]])"),
        ({"symbols": {"u": "real"}, "solution": "Max(u, 0)", "assume": ["u <= 2", "u >= 1"]}, "u"),
        ({"symbols": {"u": "real", "v": "real"}, "solution": "v", "assume": ["u <= 2"]}, "2*v/2"),
        ({"symbols": {"lam": ""}, "solution": "lam + 1/2"}, "0.5 + lam"),
        ({"symbols": {}, "solution": "-pi"}, "max(-5, -pi)"),
    ],
)
def test_what_equals_the_solution_is_proved(question, typed):
    assert judge(question, typed)["verdict"] == "proved", judge(question, typed)


@pytest.mark.parametrize(
    ("question", "typed", "message"),
    [
        (LINE, "a/pi", r"Not equal: at a = .*, b = .* yours is .* and the book's is .*\.$"),
        (LINE, "0.318*a + b**2", r"A decimal number is taken as it stands"),
        ({"symbols": {}, "solution": "1/pi"}, "1/4", r"^Not equal: yours is 0\.250000, which is too small\.$"),
        (
            {"symbols": {}, "solution": "1/pi"},
            "I",
            r"^Not equal: yours is 1\.0\*I, and the book's is another",
        ),
        (NUMBER, "0.32", r"^Not close enough: yours is 0\.320000, which is too large\.$"),
        (PAIR, "[a, 1/4]", r"^Entry 2: Not equal: yours is 0\.250000, which is too small\.$"),
        (PAIR, "[a**2, 1/3]", r"^Entry 1: Not equal: at a = "),
        (MATRIX, "Matrix([[1, a], [a, 1/2]])", r"^Row 2, column 1: Not equal: at a = "),
    ],
)
def test_another_answer_differs_and_a_point_is_named(question, typed, message):
    judged = judge(question, typed)
    assert judged["verdict"] == "differs" and re.search(message, judged["message"]), judged


def test_a_number_does_not_give_away_the_books():
    for question in ({"symbols": {}, "solution": "1/pi"}, NUMBER):
        assert "0.318" not in judge(question, "0.25")["message"]


@pytest.mark.parametrize("typed", ["0.3183", "1/pi", "7/22", "sqrt(0.1013)"])
def test_a_number_within_the_tolerance_is_close(typed):
    judged = judge(NUMBER, typed)
    assert judged["verdict"] == "close" and "0.31831" in judged["message"], judged


@pytest.mark.slow
def test_what_is_neither_proved_nor_refuted_is_said_to_be_so():
    question = {"symbols": {"x": "positive"}, "solution": "Integral(exp(-x**x), (x, 1, 2))"}
    judged = judge(question, "Integral(exp(-x**x), (x, 1, 2)) + Integral(sin(x**x), (x, 1, 1))")
    assert judged["verdict"] == "proved"
    judged = judge(question, "0")
    assert judged["verdict"] == "unproved" and "neither" in judged["message"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("", "nothing yet"),
        (" \n ", "nothing yet"),
        ("2a", r"times sign: 2\*a"),
        ("2 (a + 1)", r"times sign: 2\*\("),
        ("a + 2.5b", r"times sign: 2\.5\*b"),
        ("(a + 1)(b + 1)", r"times sign: 1\)\*\("),
        ("(a + 1)b", r"times sign: 1\)\*b"),
        ("a b", r"times sign: a\*b"),
        ("sin b", r"brackets around what a function is of: sin\(b\)"),
        ("|b| + a", r"Write Abs\(x\)"),
        ("e^b", "Did you mean E, or exp"),
        ("a(b + 1)", r"`a` is a symbol and no function: write a\*\(\.\.\.\)"),
        ("h = a/pi", "an equation"),
        ("h == a/pi", "an equation"),
        ("Eq(a, b)", "a condition"),
        ("a < b", "a condition"),
        ("a + c", r"`c` means nothing here: the names here are a, b, n, and those of SymPy\.$"),
        ("arccos(b)", "Did you mean acos?"),
        ("lambda + 1", "`lambda` is a word of Python's own"),
        ("a + * b", r"from `\* b` on"),
        ("a + (b", r"never closed: `\(b`"),
        ("a + b)", "from `"),
        ("a +", "missing at the end"),
        ("'a'", "quotes"),
        ("2j", r"times sign: 2\*j"),
        ("a + ...", "one expression: sums"),
        ("a; b", "from `; b` on"),
        ("sin", r"`sin` is a function of SymPy's: write sin\(\.\.\.\)"),
        ("beta + a", r"`beta` is a function"),
        ("a.__class__", "no name of SymPy's"),
        ("sp.sys", "no name of SymPy's"),
        ("[a for a in range(3)]", "word of Python's own"),
        ("{a: b}", "one expression: sums"),
        ("[a, b]", "The answer is one expression; you typed a list of 2"),
        ("a/0", "not finite"),
        ("oo", "not finite"),
        ("sin()", "SymPy cannot compute this"),
        ("Interval(0, 1)", "The answer must be a SymPy expression"),
        ("(" * 300 + "a" + ")" * 300, "cannot be read"),
        ("a + " * 600 + "a", "longer than"),
    ],
)
def test_a_slip_gets_a_sentence_that_helps(typed, message):
    judged = judge(LINE, typed)
    assert judged["verdict"] == "unreadable" and re.search(message, judged["message"]), judged
    assert judged["latex"] == ""


@pytest.mark.parametrize(
    ("question", "typed", "message"),
    [
        (NUMBER, "I", "a real number"),
        ({**LINE, "tolerance": 0.1, "solution": "3"}, "a", "still holds a"),
        (PAIR, "a", "The answer is a list of 2, as in .*; you typed one expression"),
        (MATRIX, "Matrix([1, a])", "The answer is a 2 by 2 matrix; you typed a 2 by 1 matrix"),
    ],
)
def test_an_answer_of_another_kind_is_told_the_kind(question, typed, message):
    judged = judge(question, typed)
    assert judged["verdict"] == "unreadable" and re.search(message, judged["message"]), judged


def test_nothing_typed_runs_a_statement_or_reaches_the_system():
    for typed in ("__import__('os')", "().__class__", "print(1)", "exec(a)", "sp.printing.os", "open(a)", "(a:=1)"):
        assert judge(LINE, typed)["verdict"] == "unreadable", typed


def test_the_typed_answer_is_typeset():
    assert judge(LINE, "sqrt(a)/pi")["latex"] == r"\frac{\sqrt{a}}{\pi}"
    assert judge(LINE, "2**20000") | {"message": ""} == {"verdict": "differs", "message": "", "latex": ""}
    assert json.loads(json.dumps(judge(PAIR, "[a, 1]"))) == judge(PAIR, "[a, 1]")


def test_a_question_that_cannot_be_used_says_so():
    with pytest.raises(ValueError, match="nobody can type the symbol 'lambda'"):
        judge({"symbols": {"lambda": "real"}, "solution": "1"}, "1")
    with pytest.raises(ValueError, match="the question cannot be used: Write the times sign"):
        judge({"symbols": {"a": "real"}, "solution": "2a"}, "1")
    with pytest.raises(ValueError, match="`nonsense` is no assumption"):
        judge({"symbols": {"a": "real nonsense"}, "solution": "a"}, "a")
    with pytest.raises(ValueError, match="its solution is None, and no text"):
        judge({"symbols": {}}, "1")
    with pytest.raises(ValueError, match="its tolerance is '1', and no number"):
        judge({"solution": "1", "tolerance": "1"}, "1")
    with pytest.raises(TypeError, match="question must be a mapping"):
        judge([], "1")
    with pytest.raises(TypeError, match="typed must be a text; got 3"):
        judge({"solution": "1"}, 3)


def test_sympy_is_all_it_needs():
    code = "import sys; sys.modules.update(torch=None, numpy=None); from relunb.book.answers import judge; "
    code += "assert judge({'symbols': {}, 'solution': '1'}, '1')['verdict'] == 'proved'"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


# ---- the questions of the book


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_question_accepts_its_solution_and_refuses_its_wrong_answers(file):
    for label, asked in answers.load(file).items():
        for question in asked:
            judged = judge(question, question["solution"])
            assert judged["verdict"] in ("proved", "close"), (label, judged)
            for typed in question["wrong"]:
                judged = judge(question, typed)
                assert judged["verdict"] == "differs", (label, typed, judged)


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_question_says_what_to_type_and_has_a_hint(file):
    page = file.with_name(file.name.removesuffix(answers.SUFFIX) + ".md").read_text(encoding="utf-8-sig")
    exercises = re.findall(r"\{exercise\}\n:label: (\S+)", page)
    for label, asked in answers.load(file).items():
        assert label in exercises
        for question in asked:
            for symbol in question["symbols"]:
                assert f"`{symbol}`" in question["ask"], (label, symbol)
            for text in (question["ask"], question["hint"]):
                assert text.strip().endswith((".", "?")) and text.count("$") % 2 == text.count("`") % 2 == 0, text
                assert not list(broken_blocks(text))
            assert question["solution"] not in question["hint"] or len(question["solution"]) < 3, label


@pytest.mark.parametrize("chapter", CHAPTERS, ids=name)
def test_a_chapter_has_at_least_two_questions(chapter):
    file = chapter.with_name(f"{chapter.stem}{answers.SUFFIX}")
    assert sum(map(len, answers.load(file).values())) >= 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "not valid YAML"),
        ("- 1", "must lead from the labels"),
        ("ex: 3", "ex: a question must be a mapping"),
        ("ex: {ask: A.}", "ex: `hint` is missing"),
        ("ex: {ask: A., symbols: {}, solution: 1, wrong: ['2', '3'], hint: H.}", "ex: `solution` is 1. Put a text"),
        ("ex: {ask: A., symbols: {}, solution: '1', wrong: ['2'], hint: H.}", "less than two answers"),
        ("ex: {ask: A., symbols: {}, solution: '1', wrong: [2, '3'], hint: H.}", "2 must be a text"),
        ("ex: {ask: A., symbols: {}, solution: '1', wrong: ['2', '3'], hint: H., note: N}", "`note` is no field"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "page.answers.yml"
    file.write_text(text)
    with pytest.raises(answers.AnswersError, match=re.escape(message)) as caught:
        answers.load(file)
    assert "page.answers.yml" in str(caught.value)


# ---- a page

SETTINGS = f"""\
import sys
sys.path.insert(0, {str(EXTENSION.parent)!r})
extensions = ["myst_parser", "sphinx_exercise", "answers"]
myst_enable_extensions = ["dollarmath"]
"""
INDEX = """\
# A page

```{exercise}
:label: ex-one

The first.
```

````{solution-start} ex-one
:class: dropdown
````

Its solution.

````{solution-end}
````

```{exercise}
:label: ex-two

The second.
```

```{exercise}
:label: ex-three

Not asked.
```
"""
QUESTIONS = """\
ex-two: {ask: "Type $h_3<1$ in `a`.", symbols: {a: positive}, solution: a, wrong: ["2*a", "-a"], hint: "</script> $x$."}
ex-one:
  - {ask: First., symbols: {}, solution: "1", wrong: ["2", "3"], hint: Count., tolerance: 0.5}
  - {ask: Second., symbols: {}, solution: "2", wrong: ["1", "3"], hint: Count on.}
"""


@pytest.fixture
def page(tmp_path):
    """Return a function that builds a page with these questions, and gives back its text and what Sphinx said."""
    (tmp_path / "conf.py").write_text(SETTINGS)
    (tmp_path / "index.md").write_text(INDEX)

    def build(questions):
        (tmp_path / "index.answers.yml").write_text(questions)
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(tmp_path), str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True)
        html = tmp_path / "out" / "index.html"
        return html.read_text() if html.exists() else "", done.stderr

    return build


@pytest.mark.slow
def test_a_page_has_a_hidden_box_a_question_and_all_questions_once(page):
    text, said = page(QUESTIONS)
    assert not said
    boxes = re.findall(r'<div class="relunb-answer" data-question="(\d)" hidden="">', text)
    assert boxes == ["0", "1", "2"]
    places = [text.index(part) for part in ("The first.", ">First.<", ">Second.<", "Its solution.", "The second.")]
    assert places == sorted(places) and places[-1] < text.index('data-question="2"') < text.index("Not asked.")
    assert r'<span class="math notranslate nohighlight">\(h_3&lt;1\)</span>' in text
    assert text.count('<div class="relunb-hint" hidden="">') == 3
    (stored,) = re.findall(r'<script type="application/json" id="relunb-questions">(.*?)</script>', text, re.S)
    questions = json.loads(stored)
    assert [question["label"] for question in questions] == ["ex-one", "ex-one", "ex-two"]
    assert questions[0]["tolerance"] == 0.5 and questions[2]["hint"] == "</script> $x$."
    assert not any("wrong" in question for question in questions)
    assert judge(questions[2], "3*a/3")["verdict"] == "proved"


@pytest.mark.slow
def test_a_page_is_read_again_when_its_questions_change_and_warns_of_a_label_that_is_none(page):
    page(QUESTIONS)
    text, said = page(QUESTIONS.replace("Count on.", "Think."))
    assert "Think." in text and "Count on." not in text and not said
    assert "no exercise 'ex-ones'" in page(QUESTIONS.replace("ex-one:", "ex-ones:"))[1]
    text, said = page(QUESTIONS.replace("symbols", "symbol"))
    assert "index.answers.yml: ex-two: `symbols` is missing." in said
