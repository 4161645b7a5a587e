"""What making a twin costs against SDV's Gaussian copula, on the same table of 10,000 rows and twenty columns.

Each turn of each side is a process of its own, in which libraries are loaded, the table is read and its columns are
looked at before anything is measured: by the identifier finder here, by SDV's detection of metadata there. Measured are
fitting and drawing as many rows, and here the text of the file, too. Times are of the processor, so that a busy machine
counts alike for both; each side runs in one thread. SDV keeps its default settings (beta distributions); with normal
ones, its quickest, it takes about as long as the twin.

It does not cover how good the rows are (docs/synthetic-figures.md has a copula of our own among the makers).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from counterproof.tools.data import read_file
from counterproof.tools.identifiers import find_identifiers
from counterproof.tools.twin import make_twin

from .synth_figures import made_frame

SDV_PYTHON = Path(sys.prefix) / "sdv" / "bin" / "python"
_ROWS, _TURNS = 10_000, 5


def time_ratio(rows: int = _ROWS, *, sdv_python: Path = SDV_PYTHON) -> float:
    """Return the processor time of a twin as a multiple of SDV's, medians of turns.

    Raises:
        RuntimeError: SDV's environment is missing, or a side failed.
    """
    if not sdv_python.is_file():
        raise RuntimeError(f"There is no SDV in {sdv_python.parent}: run `make .venv/.sdv`.")
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        table = Path(folder, "table.csv")
        made_frame(rows).to_csv(table, index=False)
        ours, theirs = [], []
        for _ in range(_TURNS):
            ours.append(_seconds(sys.executable, "-m", "tests.bench.twin_figures", str(table)))
            theirs.append(_seconds(str(sdv_python), str(Path(__file__).with_name("with_sdv.py")), str(table)))
    return median(ours) / median(theirs)


def _seconds(*command: str) -> float:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with exit code {done.returncode}: {done.stderr[-500:]}")
    return float(json.loads(done.stdout))


def _main(path: Path) -> None:
    _, table = read_file(path)
    findings = find_identifiers(table)
    began = time.process_time()
    make_twin(table, findings)
    print(json.dumps(time.process_time() - began))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
