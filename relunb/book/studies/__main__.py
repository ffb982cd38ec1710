"""Make stored results: ``python -m relunb.book.studies``, or ``make results``.

One that is there is left alone: tests make a part of it again and say when it no longer comes out. Name those to make
again, or all with ``--all``. Other options go to the scripts that make them: ``--device cuda``, ``--jobs 2``.
"""

import subprocess
import sys

from . import HERE, NAMES, load


def main() -> int:
    words = sys.argv[1:]
    named = [word for word in words if word in NAMES]
    options = [word for word in words if word not in NAMES and word != "--all"]
    every = "--all" in words or (bool(options) and not named)
    for name in NAMES:
        if (HERE / f"{name}.json").exists() and not every and name not in named:
            print(f"{name}: made on {load(name)['provenance']['date']}. To make it again: {name}, or --all")
            continue
        print(f"{name}: being made")
        code = subprocess.run([sys.executable, "-m", f"relunb.book.studies.{name}", *options]).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
