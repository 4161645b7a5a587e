"""What the guard costs on a file of a million rows: building its fingerprints, their size, and one request."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd

from counterproof.tools.data import Column, Kind, Table
from counterproof.tools.rowguard import Guarded, RowGuard

ROWS = 1_000_000
_LOOKS = 15


@dataclass(frozen=True, kw_only=True)
class GuardFigures:
    """What was measured.

    Attributes:
        build_mb_per_s: megabytes of the file a second of processor time.
        share: size of the fingerprints as a share of the file's.
        check_ms: processor time of a request of 28 kB.
    """

    build_mb_per_s: float
    share: float
    check_ms: float


def figures(rows: int = ROWS) -> GuardFigures:
    """Measure; the file has fourteen columns, the first of them an identifier, and 93 bytes a row."""
    table = made_table(rows)
    began = time.process_time()
    guard = RowGuard([Guarded(table=table, hidden=("patient_id",))])
    built_s = time.process_time() - began
    text = ("the plan says 3.4 and so 12 on " + "alpha beta " * 3) * 400
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    looks = []
    for _ in range(_LOOKS):
        began = time.process_time()
        guard.check(body)
        looks.append(time.process_time() - began)
    return GuardFigures(
        build_mb_per_s=table.size / 1e6 / built_s, share=guard.nbytes / table.size, check_ms=1e3 * median(looks)
    )


def made_table(rows: int) -> Table:
    """Return a made-up table as it is when it has been read."""
    chance = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "patient_id": [f"P{at:08d}" for at in range(rows)],
            "age": chance.integers(18, 90, rows),
            "sex": chance.choice(["female", "male"], rows),
            "weight_kg": chance.normal(75, 12, rows).round(1),
            "height_cm": chance.normal(170, 9, rows).round(1),
            "sbp": chance.integers(90, 190, rows),
            "hb": chance.normal(13, 1.5, rows).round(2),
            "creatinine": chance.normal(80, 20, rows).round(1),
            "crp": chance.exponential(10, rows).round(2),
            "diagnosis": chance.choice(["myocardial infarction", "heart failure", "atrial fibrillation"], rows),
            "treatment": chance.choice(["standard", "intervention"], rows),
            "followup_days": chance.integers(1, 3650, rows),
            "site": chance.choice([f"site {at:02d}" for at in range(40)], rows),
            "stage": chance.choice(["I", "II", "III", "IV"], rows),
        }
    )
    some = min(rows, 1000)
    size = len(frame.head(some).to_csv(index=False)) * rows // some
    columns = tuple(_column(str(name), frame[name]) for name in frame)
    return Table(name="large.csv", sha256="0" * 64, size=size, separator=",", columns=columns, rows=rows)


def _column(name: str, values: pd.Series) -> Column:
    if values.dtype.kind in "if":
        kind: Kind = "integer" if values.dtype.kind == "i" else "number"
        return Column(name=name, kind=kind, values=values.astype("float64"), decimals=0 if kind == "integer" else 2)
    return Column(name=name, kind="text", values=values.astype("object"))
