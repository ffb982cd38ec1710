"""A table as text and as HTML, without a color: it takes those of the page."""

import re
from collections.abc import Iterable
from html import escape
from textwrap import wrap


def as_text(title: str, heads: list[str], rows: list[list[str]], feet: Iterable[str]) -> str:
    """Aligned columns under heads."""
    heads = [title, *heads[1:]] if title else heads
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (heads, *rows)]
    return "\n".join([*lines, *("\n".join(wrap(foot, 100)) for foot in feet if foot)])


def as_html(title: str, heads: list[str], rows: list[list[str]], feet: Iterable[str]) -> str:
    """The same; the last column stands below the first, so that a table fits a phone or scrolls by itself."""
    head = "".join(f'<th scope="col" style="{_LEFT}">{escape(text)}</th>' for text in heads[:-1])
    body = "".join(
        f'<tr><th scope="row" style="{_LEFT}">{escape(first)}<br>'
        f'<span style="{_BELOW}">{escape(last)}</span></th>'
        + "".join(f'<td style="{_LEFT}">{_raised(text)}</td>' for text in cells)
        + "</tr>"
        for first, *cells, last in rows
    )
    notes = "".join(f"<p><small>{_raised(foot)}</small></p>" for foot in feet if foot)
    caption = f'<caption style="{_LEFT}; caption-side: top"><strong>{escape(title)}</strong></caption>' if title else ""
    style = f' style="{_SMALL}"' if len(heads) > _FEW else ""
    table = f"<table{style}>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x: auto">{table}</div>{notes}'


def _raised(text: str) -> str:
    """HTML, with a power above the line."""
    return re.sub(r"\^([-\N{MINUS SIGN}]?\w+)", r"<sup>\1</sup>", escape(text))


_LEFT = "text-align: left; padding-right: 0.8em"
_BELOW = "font-weight: normal; font-size: 0.9em"
_FEW, _SMALL = 6, "font-size: 0.82em"  # columns, and how a table of more of them fits a page
