"""Tables as a page and JupyterLab show them: typeset, numbers right-aligned. Markdown, so that both render it alike."""

from collections.abc import Iterable, Mapping
from typing import Any


class Table:
    """Rows under heads. A notebook and the book show a real table, print an aligned text.

    What a column holds decides how it looks: text to the left, numbers to the right with the column's format, a SymPy
    expression typeset.

    Args:
        columns: by head, the entries from top to bottom. Units belong into the head: ``"PSNR (dB)"``.
        formats: by head, how Python formats the numbers there: ``".1f"``. Others get four digits.

    Raises:
        TypeError: ``columns`` or ``formats`` is not a mapping, or a column is not a list.
        ValueError: there are no columns, they differ in length, or a format is for no column or none of numbers.

    Example:
        >>> print(Table({"n": [1, 2], "mean": [0.5, 0.3333333]}, formats={"mean": ".3f"}))
        n   mean
        1  0.500
        2  0.333
    """

    def __init__(self, columns: Mapping[str, Iterable[Any]], formats: Mapping[str, str] | None = None) -> None:
        if not isinstance(columns, Mapping):
            raise TypeError(f"columns must be a mapping from heads to entries; got {type(columns).__name__}.")
        if not columns:
            raise ValueError("columns is empty: there is nothing to show.")
        for head, entries in columns.items():
            if isinstance(entries, str) or not isinstance(entries, Iterable):
                raise TypeError(f"the column {head!r} must be a list of entries; got {entries!r:.60}.")
        self._columns = {str(head): [_plain(entry) for entry in entries] for head, entries in columns.items()}
        lengths = {head: len(entries) for head, entries in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns must have one length; they have {lengths}.")
        if not isinstance(formats, Mapping | None):
            raise TypeError(f"formats must be a mapping from heads to formats; got {formats!r:.60}.")
        self._formats = dict(formats or {})
        for head, form in self._formats.items():
            try:
                format(0.5, form)
            except (TypeError, ValueError):
                raise ValueError(
                    f"the format for {head!r} must be one of numbers, as '.2f'; got {form!r:.60}."
                ) from None
        if unknown := sorted(set(self._formats) - set(self._columns)):
            raise ValueError(f"there is a format for {unknown[0]!r}, and no such column: {', '.join(self._columns)}.")

    def _texts(self, typeset: bool) -> dict[str, list[str]]:
        return {
            head: [_text(entry, self._formats.get(head, ".4g"), typeset) for entry in entries]
            for head, entries in self._columns.items()
        }

    def _to_the_left(self, head: str) -> bool:
        numbers = (int, float)
        return not all(
            isinstance(entry, numbers) or getattr(entry, "is_number", False) is True for entry in self._columns[head]
        )

    def _repr_markdown_(self) -> str:
        texts = self._texts(typeset=True)
        rows = [list(texts), [":--" if self._to_the_left(head) else "--:" for head in texts]]
        rows += [list(row) for row in zip(*texts.values(), strict=True)]
        return "\n".join("| " + " | ".join(map(_escaped, row)) + " |" for row in rows)

    def __repr__(self) -> str:
        aligned = []
        for head, texts in self._texts(typeset=False).items():
            width = max(map(len, [head, *texts]))
            put = str.ljust if self._to_the_left(head) else str.rjust
            aligned.append([put(text, width) for text in [head, *texts]])
        return "\n".join("  ".join(row).rstrip() for row in zip(*aligned, strict=True))


def symbols(meanings: Mapping[Any, str]) -> Table:
    """The symbols of a chapter: each with what SymPy assumes of it and what it means.

    Args:
        meanings: by symbol, its meaning in a few words.

    Raises:
        TypeError: ``meanings`` is not a mapping from symbols to texts.
        ValueError: it is empty.

    Example:
        >>> from sympy import Symbol
        >>> print(symbols({Symbol("a", positive=True): "amplitude of the tone"}))
        symbol  assumption  meaning
        a       positive    amplitude of the tone
    """
    if not isinstance(meanings, Mapping):
        raise TypeError(f"meanings must be a mapping from symbols to texts; got {type(meanings).__name__}.")
    if not meanings:
        raise ValueError("meanings is empty: there is nothing to show.")
    for symbol, meaning in meanings.items():
        if isinstance(symbol, str) or not isinstance(meaning, str):
            raise TypeError(f"meanings leads from SymPy's symbols to texts; got {symbol!r:.40}: {meaning!r:.40}.")
    return Table(
        {
            "symbol": list(meanings),
            "assumption": [_assumption(symbol) for symbol in meanings],
            "meaning": list(meanings.values()),
        }
    )


def _assumption(symbol: Any) -> str:
    if isinstance(symbol, type):
        return "function"
    if getattr(symbol, "shape", None):
        return "matrix, " + " by ".join(map(str, symbol.shape))
    signs = ("positive", "negative", "nonnegative", "nonpositive", "nonzero", "real", "complex")
    sign = next((sign for sign in signs if getattr(symbol, f"is_{sign}", None)), "")
    kind = "integer" if getattr(symbol, "is_integer", None) else ""
    sign = "" if kind and sign == "real" else sign
    return f"{sign} {kind}".strip()


def _plain(entry: Any) -> Any:
    return entry.item() if getattr(entry, "shape", None) == () and hasattr(entry, "item") else entry


def _text(entry: Any, form: str, typeset: bool) -> str:
    if hasattr(entry, "_repr_latex_") or isinstance(entry, type):
        if not typeset:
            return str(entry)
        from ..check._proved import typeset as tex  # SymPy is loaded where there is something of it to show

        return f"${tex(entry)}$"
    text = format(entry, form) if isinstance(entry, float) else str(entry)
    if entry == 0 and "e" in text:
        text = "0"  # and not 0e+00
    if typeset and isinstance(entry, int | float) and not isinstance(entry, bool):
        digits, _, power = text.partition("e")
        text = text.replace("inf", "\N{INFINITY}")
        return f"${digits}\\cdot10^{{{int(power)}}}$" if power else text.replace("-", "\N{MINUS SIGN}")
    return text


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")
