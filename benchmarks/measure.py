"""Time several functions side by side in one run, hold them to goals, and keep the rows with what they ran on."""

import argparse
import datetime
import json
import math
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

RESULTS = Path(__file__).parents[1] / "relunb" / "book" / "benchmarks"
CLAIMS = Path(__file__).parents[1] / "_build" / "claims.jsonl"  # of one run of make bench


class Goal(NamedTuple):
    """What a row is to hold: a column within two bounds."""

    column: str
    most: float = math.inf
    least: float = 0.0

    def __str__(self) -> str:
        bound = f"at most {self.most:.4g}" if self.most < math.inf else f"at least {self.least:.4g}"
        return f"{self.column} {bound}"


def side_by_side(
    functions: Mapping[str, Callable[[], object]], *, base: str, runs: int, repeat: int = 1, pause: float = 0.0
) -> dict[str, dict[str, float]]:
    """Median, first and last decile in milliseconds of each function, run in turn: A B C, A B C, ...

    Turns keep a drift of the machine's speed out of the ratios. The first two turns warm up and are not counted. With a
    pause in seconds before each, as a program has that does other things between.
    """
    synchronize = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    times: dict[str, list[float]] = {name: [] for name in functions}
    for run in tqdm(range(-2, runs), desc="turns", leave=False):
        for name, function in functions.items():
            synchronize()
            time.sleep(pause)
            start = time.perf_counter()
            for _ in range(repeat):
                function()
            synchronize()
            if run >= 0:
                times[name].append((time.perf_counter() - start) * 1e3 / repeat)
    rows = {}
    for name, values in times.items():
        deciles = statistics.quantiles(values, n=10)
        ratios = [v / b for v, b in zip(values, times[base], strict=True)]
        rows[name] = {
            "median_ms": statistics.median(values),
            "decile_1_ms": deciles[0],
            "decile_9_ms": deciles[-1],
            f"ratio_to_{base}": statistics.median(ratios),
        }
    return rows


def at_most(base: str, most: float) -> Goal:
    return Goal(f"ratio_to_{base}", most=most)


def report(
    file: str, what: str, rows: dict[str, dict[str, Any]], goals: Mapping[str, Goal | list[Goal]] | None = None
) -> None:
    """Print the rows, and note for ``benchmarks.claims`` whether those with a goal hold it.

    With ``--keep``, add them to ``relunb/book/benchmarks/<name>.jsonl`` with machine and versions.
    """
    print(f"\n{Path(file).stem}: {what}")
    for name, row in rows.items():
        print(f"  {name:<36}" + "  ".join(f"{key} {value:.4g}" for key, value in row.items()))
    each = [(name, one) for name, some in (goals or {}).items() for one in (some if isinstance(some, list) else [some])]
    for name, goal in each:
        measured = rows[name][goal.column]
        held = bool(goal.least <= measured <= goal.most)
        claim = {"benchmark": Path(file).stem, "what": what, "row": name, "goal": str(goal)}
        CLAIMS.parent.mkdir(exist_ok=True)
        with CLAIMS.open("a") as out:
            out.write(json.dumps({**claim, "measured": measured, "held": held}) + "\n")
    parser = argparse.ArgumentParser(description="Run one benchmark.")
    parser.add_argument("--keep", action="store_true", help="store the rows in relunb/book/benchmarks")
    if parser.parse_args().keep:
        RESULTS.mkdir(exist_ok=True)
        provenance = {
            "what": what,
            "command": f"python -m benchmarks.{Path(file).stem} --keep",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "seed": 0,
        }
        with (RESULTS / f"{Path(file).stem}.jsonl").open("a") as out:
            for name, row in rows.items():
                out.write(json.dumps({"name": name, **row, **provenance}) + "\n")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
