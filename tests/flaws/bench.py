"""`make bench-checks`: the table of the planted-flaw suite, and its two figures.

Run as `python -m tests.flaws.bench`. Prints the table as it stands in docs/checks.md, then one line a figure. Exits
with 1 where a figure misses its goal.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from counterproof.sandbox import WarmSandbox, find_environment

from .flaw import Flaw
from .suite import FLAWS, Outcome, Workshop, rates, table

_DETECTED, _ALARMS = 0.95, 0.05


def main() -> int:
    """Run the suite and print what it found."""
    sandbox = WarmSandbox()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        shop = Workshop(
            sandbox=sandbox, python=find_environment("python"), r=find_environment("r"), folder=Path(folder)
        )

        def both(flaw: Flaw) -> tuple[Outcome, Outcome]:
            return shop.outcome(flaw, sound=False), shop.outcome(flaw, sound=True)

        found = dict(zip([flaw.id for flaw in FLAWS], pool.map(both, FLAWS), strict=True))
    sandbox.close()
    counted = rates(found)
    detected, alarms = counted["detected"] / len(found), counted["false_alarms"] / len(found)
    print(table(found))
    print(f"flaws_detected {detected:.3f} share >={_DETECTED} {'ok' if detected >= _DETECTED else 'short'}")
    print(f"false_alarms {alarms:.3f} share <={_ALARMS} {'ok' if alarms <= _ALARMS else 'short'}")
    return 0 if detected >= _DETECTED and alarms <= _ALARMS else 1


if __name__ == "__main__":
    sys.exit(main())
