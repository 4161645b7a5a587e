"""The writers of twins: one function a form, from a data frame to bytes."""

from __future__ import annotations

import datetime
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as arrow_parquet
import pyreadstat

from counterproof.tools.reading.columns import EXACT_MAX
from counterproof.tools.reading.reader import read_table
from counterproof.tools.reading.table import Column


def write(ending: str, twin: bytes) -> bytes:
    """Return a twin, which is delimited text, as a file with this ending.

    Raises:
        KeyError: there is no writer for it.
    """
    return WRITERS[ending](_frame(twin))


def _frame(twin: bytes) -> pd.DataFrame:
    return pd.DataFrame({column.name: _series(column) for column in read_table("twin.csv", twin).columns})


def _series(column: Column) -> pd.Series:
    if column.kind == "date":
        days = [None if day is None else datetime.date.fromisoformat(day) for day in column.values]
        return pd.Series(days, dtype="object")
    whole = column.kind == "integer" and not column.decimals and not column.missing
    return column.values.astype("int64") if whole and column.values.abs().max() <= EXACT_MAX else column.values


def _parquet(frame: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    arrow_parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), out)
    return out.getvalue()


def _json_lines(frame: pd.DataFrame) -> bytes:
    days = {str(name): frame[name].map(str, na_action="ignore") for name in frame if _holds_days(frame[name])}
    return frame.assign(**days).to_json(orient="records", lines=True).encode()


def _holds_days(cells: pd.Series) -> bool:
    return any(isinstance(cell, datetime.date) for cell in cells)


def _by_path(ending: str, write: Callable[[pd.DataFrame, str], object]) -> Callable[[pd.DataFrame], bytes]:
    """Write through a library that knows paths only; a twin holds nothing of a patient."""

    def written(frame: pd.DataFrame) -> bytes:
        with tempfile.TemporaryDirectory(prefix="counterproof-twin-") as folder:
            path = Path(folder, f"twin{ending}")
            write(frame, str(path))
            return path.read_bytes()

    return written


WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".dta": _by_path(".dta", pyreadstat.write_dta),
}
