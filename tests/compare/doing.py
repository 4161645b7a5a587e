"""Does the cells of a campaign in a process of its own: `python -m tests.compare.doing CAMPAIGN HOME ENDPOINT`."""

from __future__ import annotations

import sys
from pathlib import Path

from counterproof.sandbox import LocalSandbox

from .tiny import plan_small


def main() -> None:
    """Do all cells, and print a line for each."""
    path, home, endpoint = sys.argv[1:]
    small = plan_small(Path(path), Path(home), sandbox=LocalSandbox(), endpoint=endpoint)
    for cell in small.planned.cells:
        small.bench.do(cell)
        print(cell.key, flush=True)


if __name__ == "__main__":
    main()
