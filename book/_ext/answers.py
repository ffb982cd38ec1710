"""Boxes for answers below the exercises of a chapter, from the file of the chapter's name that ends in .answers.yml.

A page holds one hidden ``<div class="relunb-answer">`` a question, with what to type and the hint, and once all its
questions as JSON. The live page shows them; without JavaScript they stay hidden. ``relunb.book.answers`` judges what
is typed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.errors import SphinxError
from sphinx.util import logging
from sphinx_exercise.directive import ExerciseDirective

SUFFIX = ".answers.yml"
NEEDED = {"ask": str, "symbols": dict, "solution": str, "wrong": list, "hint": str}
OPTIONAL = {"assume": list, "tolerance": (int, float)}


class AnswersError(Exception):
    """The file of a chapter's questions has something wrong; the message names each place."""


def load(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the questions of a chapter.

    Args:
        file: a mapping from the label of an exercise to a question, or to a list of them.

    Returns:
        By label, the questions.

    Raises:
        AnswersError: the file is not such a mapping, or a question has not the fields of one.
        OSError: the file cannot be read.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except yaml.YAMLError as error:
        raise AnswersError(f"{file.name} is not valid YAML: {error}") from error
    if not isinstance(found, dict):
        raise AnswersError(f"{file.name} must lead from the labels of exercises to questions, as `ex-line: ...`.")
    by_label = {label: asked if isinstance(asked, list) else [asked] for label, asked in found.items()}
    problems = [f"{label}: {p}" for label, asked in by_label.items() for question in asked for p in _problems(question)]
    if problems:
        raise AnswersError("\n".join(f"{file.name}: {problem}" for problem in problems))
    return by_label


def _problems(question: Any) -> Iterator[str]:
    if not isinstance(question, dict):
        yield "a question must be a mapping: `ask: ...`, `symbols: ...`, `solution: ...`, `wrong: ...`, `hint: ...`."
        return
    for field in sorted(NEEDED.keys() - question.keys()):
        yield f"`{field}` is missing."
    for field in sorted(question.keys() - NEEDED.keys() - OPTIONAL.keys(), key=str):
        yield f"`{field}` is no field of a question. Remove it."
    for field, kind in (NEEDED | OPTIONAL).items():
        if field in question and not isinstance(question[field], kind):
            yield f"`{field}` is {question[field]!r:.60}. Put a text into quotes, and write a list as [...]."
    for text in [*_listed(question, "wrong"), *_listed(question, "assume"), *_values(question)]:
        if not isinstance(text, str):
            yield f"{text!r:.60} must be a text: put it into quotes."
    if len(_listed(question, "wrong")) < 2:
        yield "`wrong` has less than two answers. Add the slips that a reader would make."


def _listed(question: dict[str, Any], field: str) -> list[Any]:
    return question[field] if isinstance(question.get(field), list) else []


def _values(question: dict[str, Any]) -> list[Any]:
    return list(question["symbols"].values()) if isinstance(question.get("symbols"), dict) else []


class hidden(nodes.General, nodes.Element):
    """A division that a script shows; a question's has the question itself."""


class AnsweredExercise(ExerciseDirective):
    """An exercise, and behind it its questions."""

    def run(self) -> list[nodes.Node]:
        exercise = super().run()
        file = _file_of(self.env)
        if not exercise or not file.exists():
            return exercise
        try:
            asked = load(file).get(self.options.get("label", ""), [])
        except (AnswersError, OSError) as error:
            raise SphinxError(f"the questions of a chapter cannot be shown.\n{error}") from error
        return [*exercise, *map(self._box, asked)]

    def _box(self, question: dict[str, Any]) -> hidden:
        told = {field: value for field, value in question.items() if field != "wrong"}
        hint = hidden("", *self.parse_text_to_nodes(question["hint"]), classes=["relunb-hint"])
        ask = nodes.container("", *self.parse_text_to_nodes(question["ask"]), classes=["relunb-ask"])
        return hidden("", ask, hint, classes=["relunb-answer"], question={"label": self.options["label"], **told})


def _file_of(env: Any) -> Path:
    return Path(env.srcdir) / f"{env.docname}{SUFFIX}"


def _number(app: Any, document: nodes.document) -> None:
    """Number the questions of a page that was read, and put them at its end."""
    boxes = [node for node in document.findall(hidden) if "question" in node]
    for number, box in enumerate(boxes):
        box["number"] = number
    file = _file_of(app.env)
    if file.exists():
        app.env.note_dependency(str(file))
        for label in load(file).keys() - {box["question"]["label"] for box in boxes}:
            message = f"the page has no exercise '{label}', of which {file.name} asks. Correct the label there."
            logging.getLogger(__name__).warning(message, location=app.env.docname)
    if boxes:
        text = json.dumps([box["question"] for box in boxes], ensure_ascii=False).replace("<", "\\u003c")
        script = f'<script type="application/json" id="relunb-questions">{text}</script>'
        document += nodes.raw("", script, format="html")


def _visit(self: Any, node: hidden) -> None:
    number = {"data-question": node["number"]} if "number" in node else {}
    self.body.append(self.starttag(node, "div", hidden="", **number))


def _depart(self: Any, node: hidden) -> None:
    self.body.append("</div>\n")


def _skip(self: Any, node: hidden) -> None:
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.setup_extension("sphinx_exercise")
    app.add_directive("exercise", AnsweredExercise, override=True)
    app.add_node(hidden, html=(_visit, _depart), latex=(_skip, None), text=(_skip, None))
    app.connect("doctree-read", _number)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
