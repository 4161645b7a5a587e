"""Files of SAS, SPSS and Stata, with their labels, value labels and declared missing values.

The C library behind pyreadstat reads from a path only; the bytes stand in memory under one that no other process has.
Values that SPSS declares missing (user-missing) stay in the cells, and the column names them: only a person or a plan
says that they are missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyreadstat

from counterproof.provenance.errors import UsageError
from counterproof.tools.reading.columns import column_of_values, text_column, written
from counterproof.tools.reading.table import Column

_ReadStat = Callable[..., tuple[Any, Any]]


def read_sas(name: str, data: bytes) -> list[Column]:
    """Read a SAS data set (sas7bdat). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, pyreadstat.read_sas7bdat)


def read_xport(name: str, data: bytes) -> list[Column]:
    """Read a SAS transport file (XPT). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, pyreadstat.read_xport)


def read_spss(name: str, data: bytes) -> list[Column]:
    """Read an SPSS file (sav, zsav). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, pyreadstat.read_sav, user_missing=True)


def read_stata(name: str, data: bytes) -> list[Column]:
    """Read a Stata file (dta). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, pyreadstat.read_dta, user_missing=True)


def _read(name: str, data: bytes, read: _ReadStat, **options: Any) -> list[Column]:
    try:
        with in_memory(data) as path:
            cells, meta = read(path, output_format="dict", **options)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OSError) as error:
        raise UsageError(
            f"{name} can't be read: {error}.",
            advice="The file is damaged, cut off, or of another format: copy it again.",
        ) from error
    return [_column(column, cells[column], meta) for column in meta.column_names]


@contextmanager
def in_memory(data: bytes) -> Iterator[str]:
    """Give bytes a path as long as the block lasts, without writing them to a disk."""
    handle = os.memfd_create("counterproof-reading")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(data)
        yield str(Path("/proc/self/fd") / str(handle))
    finally:
        os.close(handle)


def _column(name: str, values: Any, meta: Any) -> Column:
    cells = list(values)
    facts: dict[str, Any] = {
        "label": str(meta.column_names_to_labels.get(name) or ""),
        "codes": {_code(code): str(text) for code, text in meta.variable_value_labels.get(name, {}).items()},
        "user_missing": _user_missing(name, meta),
    }
    present = [cell for cell in cells if cell is not None and cell == cell]
    if present and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in present):
        numbers = pa.chunked_array([pa.array([_float(cell) for cell in cells], type=pa.float64(), from_pandas=True)])
        made = column_of_values(name, numbers, **facts)
        if made is not None:
            return made
    texts = [None if cell is not None and cell != cell else cell for cell in cells]
    return text_column(name, written(texts), **facts)


def _float(cell: Any) -> float | None:
    return None if cell is None else float(cell)


def _code(code: Any) -> str:
    return str(int(code)) if isinstance(code, float) and code == int(code) else str(code)


def _user_missing(name: str, meta: Any) -> tuple[str, ...]:
    """Return what a file declares missing: single values, and ranges as "lowest to highest"."""
    ranges = (meta.missing_ranges or {}).get(name, [])
    found = [
        _code(one["lo"]) if one["lo"] == one["hi"] else f"{_code(one['lo'])} to {_code(one['hi'])}" for one in ranges
    ]
    return (*found, *map(_code, (meta.missing_user_values or {}).get(name, [])))
