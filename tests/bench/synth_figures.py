"""What making and judging synthetic data costs, in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

_SCRIPT = Path(sys.executable).with_name("counterproof")


@dataclass(frozen=True, kw_only=True)
class SynthFigures:
    """What was measured.

    Attributes:
        wall_s: make and card of a table of 20 columns.
        memory_mib: most memory of the process.
    """

    wall_s: float
    memory_mib: float


def figures(rows: int) -> SynthFigures:
    """Measure `synth make` on a made-up table of twelve numbers and eight categories."""
    with tempfile.TemporaryDirectory(prefix="counterproof-bench-") as folder:
        made_frame(rows).to_csv(Path(folder, "table.csv"), index=False)
        command = [str(_SCRIPT), "synth", "make", f"{folder}/table.csv", "-o", f"{folder}/out", "--subgroups", "c1"]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--formula", "c0 ~ n0 + n1 + n2 + c1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"`synth make` on {rows} rows ended with exit code {process.returncode}.")
        return SynthFigures(wall_s=time.perf_counter() - began, memory_mib=usage.ru_maxrss / 1024)


def made_frame(rows: int) -> pd.DataFrame:
    """Return a made-up table whose columns go together."""
    chance = np.random.default_rng(1)
    hidden = chance.normal(size=(rows, 4))
    columns: dict[str, object] = {
        f"n{at}": np.round(hidden[:, at % 4] * (1 + at / 5) + chance.normal(size=rows), 2) for at in range(12)
    }
    for at in range(8):
        level = (hidden[:, at % 4] + chance.normal(size=rows) > at / 8).astype(int)
        columns[f"c{at}"] = level if at < 4 else level + (hidden[:, (at + 1) % 4] > 1)
    return pd.DataFrame(columns)
