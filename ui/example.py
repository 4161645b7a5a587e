"""An example study in a store that has none: the demo's, made in a process of its own while the pages start.

Its model turns were written by hand and its decisions are scripted, which every page of it says. It does not come back
once the store has a study, and stops nothing when it can't be made.

Runs as `python -m counterproof.ui.example HOME`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def begin_example(home: Path, *, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the process that makes it; it ends by itself, some seconds later, also without us."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "counterproof.ui.example", str(home)],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def main(home: Path) -> None:
    """Make the example if the store has no study."""
    from counterproof.ui.common import workplace  # lazy: who starts this process needs none of it

    if workplace(home).store.count_studies():
        return
    from counterproof.ui.demonstration import demonstrate  # lazy: see above
    from counterproof.ui.gates import open_gate  # lazy: see above

    demonstrate(None, home, gate=open_gate(home, warm=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
