"""What ``make bench ARGS=--keep`` has stored, a file a benchmark: every row with its machine, versions and date."""

import json
from pathlib import Path
from typing import Any

__all__ = ["latest"]

HERE = Path(__file__).parent


def latest(name: str) -> list[dict[str, Any]]:
    """The rows of a benchmark from the last day that it ran on each device, the last of each function and setting.

    Raises:
        ValueError: there is no such benchmark.
    """
    file = HERE / f"{name}.jsonl"
    if not file.exists():
        having = ", ".join(sorted(repr(found.stem) for found in HERE.glob("*.jsonl")))
        raise ValueError(f"name must be one of {having}; got {name!r}.")
    rows = [json.loads(line) for line in file.read_text(encoding="utf8").splitlines()]
    days = {row["device"]: row["date"][:10] for row in rows}
    of_the_day = [row for row in rows if row["date"].startswith(days[row["device"]])]
    return list({(row["name"], row["what"], row["device"], row["threads"]): row for row in of_the_day}.values())
