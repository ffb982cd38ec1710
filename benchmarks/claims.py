"""The goals of the benchmarks that have run since ``make bench`` began, in one table; fails if one is missed."""

import json
import sys

from benchmarks.measure import CLAIMS


def main() -> int:
    claims = [json.loads(line) for line in CLAIMS.read_text().splitlines()] if CLAIMS.exists() else []
    if not claims:
        print("No benchmark with a goal has run. Start them with make bench.")
        return 1
    missed = [claim for claim in claims if not claim["held"]]
    print(f"\n{'held':<6}{'measured':>9}  {'goal':<34}  claim")
    for claim in claims:
        what = f"{claim['benchmark']}: {claim['row']}; {claim['what']}"
        print(f"{'yes' if claim['held'] else 'NO':<6}{claim['measured']:>9.4g}  {claim['goal']:<34}  {what}")
    print(f"\n{len(claims) - len(missed)} of {len(claims)} claims held.")
    return min(len(missed), 1)


if __name__ == "__main__":
    sys.exit(main())
