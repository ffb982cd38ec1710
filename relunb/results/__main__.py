"""Make stored results again: ``python -m relunb.results``, or ``make results``.

A result is made if the code behind it has changed since, or with ``--all``. Other options go to the scripts that make
them: ``--device cuda``, ``--jobs 2``.
"""

import subprocess
import sys

from . import SOURCES, fingerprint, load


def main() -> int:
    options = [option for option in sys.argv[1:] if option != "--all"]
    for name in SOURCES:
        try:
            made = load(name)["provenance"]
        except FileNotFoundError:
            made = {"fingerprint": None, "date": "never"}
        if made["fingerprint"] == fingerprint(name) and "--all" not in sys.argv and not options:
            print(f"{name}: up to date, made on {made['date']}. To make it all the same: --all")
            continue
        print(f"{name}: last made on {made['date']}, being made")
        code = subprocess.run([sys.executable, "-m", f"relunb.results.{name}", *options]).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
