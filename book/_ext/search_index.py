"""After a change, the search still finds the index entries of the pages that did not change.

Sphinx reads its search index back, and with it titles and words, but no index entries: these came from the pages that
it had just read. The index itself knows those of all pages.
"""

from typing import Any

from sphinx.application import Sphinx
from sphinx.util.index_entries import split_index_msg


def with_all_entries(app: Sphinx) -> list[Any]:
    """Add what is missing, before the search index is written; no page of its own comes of this."""
    indexer = getattr(app.builder, "indexer", None)
    if indexer is not None:
        known = indexer._index_entries
        for docname, entries in app.env.domaindata["index"]["entries"].items():
            if docname not in known:
                known[docname] = sorted(
                    {
                        (part, target or "", main)
                        for kind, value, target, main, _ in entries
                        for part in split_index_msg(kind, value)
                    }
                )
    return []


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-collect-pages", with_all_entries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
