"""Files of SAS, SPSS and Stata, with their labels, value labels and declared missing values.

The C library behind pyreadstat reads from a path only; the bytes stand in memory under one that no other process has.
Those of a large file stand in a file without a name, and its rows are read in blocks.
Values that SPSS declares missing (user-missing) stay in the cells, and the column names them: only a person or a plan
says that they are missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyreadstat

from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import Content, Room, nameless
from counterproof.tools.reading.columns import column_of_text, column_of_values, text_column, written
from counterproof.tools.reading.spill import ColumnsOnDisk, Piece, Spill
from counterproof.tools.reading.table import Cells, Column

_PIECE = 2**20
_CELLS, _ROWS_MIN = 1_000_000, 1000
"""So many cells are read at once, and so many rows at least: a cell is a Python object while it is read."""
_ReadStat = Callable[..., tuple[Any, Any]]


def read_sas(name: str, data: Content, *, room: Room | None = None) -> list[Column]:
    """Read a SAS data set (sas7bdat). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, room, pyreadstat.read_sas7bdat)


def read_xport(name: str, data: Content, *, room: Room | None = None) -> list[Column]:
    """Read a SAS transport file (XPT). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, room, pyreadstat.read_xport)


def read_spss(name: str, data: Content, *, room: Room | None = None) -> list[Column]:
    """Read an SPSS file (sav, zsav). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, room, pyreadstat.read_sav, user_missing=True)


def read_stata(name: str, data: Content, *, room: Room | None = None) -> list[Column]:
    """Read a Stata file (dta). Raises `UsageError` when it is damaged or cut off."""
    return _read(name, data, room, pyreadstat.read_dta, user_missing=True)


def _read(name: str, data: Content, room: Room | None, read: _ReadStat, **options: Any) -> list[Column]:
    try:
        if room is not None and len(data) > room.above:
            return _on_disk(data, room.folder, read, options)
        with in_memory(data) as path:
            cells, meta = read(path, output_format="dict", **options)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OSError) as error:
        raise UsageError(
            f"{name} can't be read: {error}.",
            advice="The file is damaged, cut off, or of another format: copy it again.",
        ) from error
    return [_column(column, list(cells[column]), meta) for column in meta.column_names]


def _on_disk(data: Content, folder: Path, read: _ReadStat, options: dict[str, Any]) -> list[Column]:
    """Read rows in blocks; numbers are written down as such, everything else as the text that it would be read as."""
    spill = Spill(folder)
    pieces: dict[str, list[Piece]] = {}
    with nameless(folder, _pieces(data)) as file:
        path = str(Path("/proc/self/fd") / str(file.fileno()))
        _, meta = read(path, metadataonly=True, **options)
        rows = max(_ROWS_MIN, _CELLS // max(1, len(meta.column_names)))
        for start in count(0, rows):
            cells, meta = read(path, row_offset=start, row_limit=rows, output_format="dict", **options)
            if start and not any(len(values) for values in cells.values()):
                break
            for column in meta.column_names:
                values = list(cells[column])
                numbers = _numbers(values)
                block = pa.array(_texts(values), type=pa.string()) if numbers is None else numbers
                pieces.setdefault(column, []).append(spill.write([block]))
            if not meta.column_names or len(values) < rows:
                break
    mapped, made = spill.mapped(), ColumnsOnDisk(folder)
    for column, kept in pieces.items():
        made.add(_joined(column, [mapped.cells(piece) for piece in kept], meta))
    return made.columns()


def _joined(name: str, blocks: Sequence[Cells], meta: Any) -> Column:
    """Make a column of blocks: of numbers where all of them are of numbers or empty."""
    full = [cells for cells in blocks if cells.null_count < len(cells)]
    if full and all(pa.types.is_floating(cells.type) for cells in full):
        numbers = pa.chunked_array([chunk.cast(pa.float64()) for cells in blocks for chunk in cells.chunks])
        made = column_of_values(name, numbers, **_facts(name, meta))
        if made is not None:
            return made
    texts = [
        pa.array(_texts(chunk.to_pylist()), type=pa.string()) if pa.types.is_floating(chunk.type) else chunk
        for cells in blocks
        for chunk in cells.chunks
    ]
    return column_of_text(name, pa.chunked_array(texts, type=pa.string()), **_facts(name, meta))


def _pieces(data: Content) -> Iterator[memoryview]:
    return (memoryview(data)[at : at + _PIECE] for at in range(0, len(data), _PIECE))


@contextmanager
def in_memory(data: Content) -> Iterator[str]:
    """Give bytes a path as long as the block lasts, without writing them to a disk."""
    handle = os.memfd_create("counterproof-reading")
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(data)
        yield str(Path("/proc/self/fd") / str(handle))
    finally:
        os.close(handle)


def _column(name: str, cells: list[Any], meta: Any) -> Column:
    numbers = _numbers(cells)
    if numbers is not None and numbers.null_count < len(numbers):
        made = column_of_values(name, pa.chunked_array([numbers]), **_facts(name, meta))
        if made is not None:
            return made
    return text_column(name, _texts(cells), **_facts(name, meta))


def _facts(name: str, meta: Any) -> dict[str, Any]:
    return {
        "label": str(meta.column_names_to_labels.get(name) or ""),
        "codes": {_code(code): str(text) for code, text in meta.variable_value_labels.get(name, {}).items()},
        "user_missing": _user_missing(name, meta),
    }


def _numbers(cells: list[Any]) -> pa.Array | None:
    """Return cells as numbers; None where one is none."""
    present = (cell for cell in cells if cell is not None and cell == cell)
    if not all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in present):
        return None
    return pa.array([_float(cell) for cell in cells], type=pa.float64(), from_pandas=True)


def _texts(cells: list[Any]) -> list[str | None]:
    return written(None if cell is not None and cell != cell else cell for cell in cells)


def _float(cell: Any) -> float | None:
    return None if cell is None else float(cell)


def _code(code: Any) -> str:
    return str(int(code)) if isinstance(code, float) and code.is_integer() else str(code)


def _user_missing(name: str, meta: Any) -> tuple[str, ...]:
    """Return what a file declares missing: single values, and ranges as "lowest to highest"."""
    ranges = (meta.missing_ranges or {}).get(name, [])
    found = [
        _code(one["lo"]) if one["lo"] == one["hi"] else f"{_code(one['lo'])} to {_code(one['hi'])}" for one in ranges
    ]
    return (*found, *map(_code, (meta.missing_user_values or {}).get(name, [])))
