"""What the intake of a large file costs against polars: reading it and a full summary of its columns.

Each side runs in a process of its own, in which the libraries are loaded before anything is measured. Times are of the
processor, so that a busy machine counts alike for both; memory is the peak above that beginning.

The intake is all that is made of the real data before a twin: the file is read, looked at for identifiers, for what is
awkward, and described in a profile. It does not cover the twin.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from counterproof.tools.data import read_file
from counterproof.tools.exposure import DataRules, Suppression
from counterproof.tools.looking import look
from counterproof.tools.noticed import notice
from counterproof.tools.profile import make_profile

ROWS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class IntakeFigures:
    """What was measured.

    Attributes:
        time_ratio: processor time of the intake, as a multiple of that of polars.
        memory_ratio: peak of its memory, as a multiple of the file's size.
    """

    time_ratio: float
    memory_ratio: float


def figures(rows: int = ROWS) -> IntakeFigures:
    """Measure; the file has fifty columns (whole numbers, measurements, categories, flags) and 268 bytes a row."""
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        path = Path(folder, "large.csv")
        write_large(path, rows)
        polars_s, _ = _measured("polars", path)
        intake_s, peak = _measured("intake", path)
        return IntakeFigures(time_ratio=intake_s / polars_s, memory_ratio=peak / path.stat().st_size)


def write_large(path: Path, rows: int) -> None:
    """Write a file of fifty columns."""
    random = np.random.default_rng(3)
    columns: dict[str, object] = {f"whole{at}": random.integers(0, 10 ** (1 + at % 4), rows) for at in range(15)}
    columns |= {f"measure{at}": np.round(random.normal(100, 15, rows), 2) for at in range(20)}
    columns |= {f"group{at}": random.choice([f"level {of}" for of in range(3 + at)], rows) for at in range(10)}
    columns |= {f"flag{at}": random.integers(0, 2, rows) for at in range(5)}
    pl.DataFrame(columns).write_csv(path)


def take_in(path: Path) -> None:
    """Do what the intake does with a file before its twin."""
    _, table = read_file(path)
    rules = Suppression()
    looked = look(table, rules=DataRules(), suppression=rules)
    notice(table, looked, rules=rules)
    make_profile(table, list(looked.hidden), subject=looked.subject, quasi=looked.quasi.columns, rules=rules)


def _measured(what: str, path: Path) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.intake_figures", what, str(path)], capture_output=True, check=True
    )
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def _main(what: str, path: Path) -> None:
    before = _peak_kib()
    began = time.process_time()
    if what == "polars":
        pl.read_csv(path).describe()
    else:
        take_in(path)
    seconds = time.process_time() - began
    print(json.dumps([seconds, (_peak_kib() - before) * 1024]))


def _peak_kib() -> int:
    # Not `ru_maxrss`: a process begins with that of the one which started it.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
