"""Files of forms that programs in Python and in R don't read alike, as delimited text that both do.

The readers of an analysis environment are fewer than ours: none for Excel, SAS and SPSS in either language's stock, R's
own files in R alone. Such a file is converted once, before it gets into the vault; the record keeps the digest of what
it was made from. The same file gives the same bytes. What the file itself says of its columns becomes part of the
codebook, since delimited text has no place for it.

    numbers    the shortest text that is read back as the same number; whole ones without a point
    days       YYYY-MM-DD; times as the reader wrote them
    missing    nothing between two separators

It does not cover formulas, colours and comments of a sheet, and formats of SAS.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

import pyarrow as pa
import pyarrow.compute as pc

from counterproof.provenance.mapped import Content, Room, mapped, nameless
from counterproof.tools.codebooks.variable import Variable, make_variable
from counterproof.tools.reading.table import Cells, Column, Table

CONVERTED = (".xlsx", ".xlsm", ".xls", ".ods", ".sas7bdat", ".xpt", ".sav", ".zsav", ".rds", ".rdata", ".rda")
"""Endings of the forms that are converted."""
_ROWS = 50_000
"""So many rows are written at once."""


def is_converted(name: str) -> bool:
    """Say whether a file with this name is converted; gzip and zip around it are looked through."""
    return PurePath(_inside(name)).suffix.lower() in CONVERTED


def converted_name(name: str) -> str:
    """Return the name under which programs find what was made of a file."""
    return f"{PurePath(_inside(name)).stem}.csv"


def converted(table: Table, *, room: Room | None = None) -> Content:
    """Return a table as delimited text.

    Args:
        table: what was read.
        room: where the text of a table is kept whose cells are on the disk; None for the memory.

    Raises:
        MachineTrouble: there is no room.
    """
    if room is None or not table.on_disk:
        return b"".join(_text(table))
    with nameless(room.folder, _text(table)) as file:
        return mapped(file)


def _text(table: Table) -> Iterator[bytes]:
    """Yield the text of a table, many rows at once."""
    # A bare CR would be taken for the end of a row; csv of Python 3.11 writes it without quotes.
    returns = any(column.kind == "text" and _has_return(column) for column in table.columns)
    quoting = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    yield _lines([[column.name for column in table.columns]], quoting)
    for at in range(0, table.rows, _ROWS):
        yield _lines(zip(*(_written(column, at) for column in table.columns), strict=True), quoting)


def _lines(rows: Iterable[Sequence[str]], quoting: int) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]  # one of csv's
    return out.getvalue().encode("utf-8")


def described(table: Table) -> tuple[Variable, ...]:
    """Return what a file itself says of its columns: labels, names of codes, values that it declares missing."""
    return tuple(
        make_variable(
            name=column.name,
            dataset=converted_name(table.name) if is_converted(table.name) else table.name,
            label=column.label,
            levels=column.codes,
            missing=column.user_missing,
        )
        for column in table.columns
        if column.label or column.codes or column.user_missing
    )


def _inside(name: str) -> str:
    path = PurePath(name)
    return path.stem if path.suffix.lower() in (".gz", ".zip") else path.name


def _written(column: Column, at: int) -> Iterator[str]:
    cells = column.cells.slice(at, _ROWS).to_pylist()
    if column.kind == "integer":
        return ("" if cell is None else str(int(cell)) for cell in cells)
    if column.kind == "number":
        return ("" if cell is None else repr(float(cell)) for cell in cells)
    return ("" if cell is None else cell for cell in cells)


def _has_return(column: Column) -> bool:
    return bool(pc.any(pc.match_substring(_plain(column), "\r")).as_py())


def _plain(column: Column) -> Cells:
    cells = column.cells
    return cells.cast(pa.string()) if pa.types.is_dictionary(cells.type) else cells
