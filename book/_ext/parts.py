"""The links to the previous and the next page name their parts, and say where another part begins."""

from html import escape
from typing import Any

OTHER = {"prev": "The part before", "next": "A new part begins"}


def parts_of(site_map: Any) -> dict[str, str]:
    """By page, the part of the table of contents that it is in; the first page is in none."""
    return {name: tree.caption for tree in site_map.root.subtrees for name in tree.files() if tree.caption}


def words(way: str, here: str | None, there: str) -> str:
    """What a link says of the part that it leads to, ``way`` being "prev" or "next"."""
    return there if here in (there, None) else f"{OTHER[way]}: {there}"


def _name_parts(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    if app.builder.format != "html" or pagename not in app.builder.relations:
        return
    parts = parts_of(app.env.external_site_map)
    for way, page in zip(("prev", "next"), app.builder.relations[pagename][1:], strict=True):
        if page in parts:
            text = escape(words(way, parts.get(pagename), parts[page]))
            # the theme shows this, where there is one, in place of the title
            context[f"{way}_title"] = f'{context[way]["title"]}<span class="relunb-part">{text}</span>'


def setup(app: Any) -> dict[str, bool]:
    app.connect("html-page-context", _name_parts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
