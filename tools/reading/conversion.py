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
from collections.abc import Iterator
from pathlib import PurePath

from counterproof.tools.codebooks.variable import Variable, make_variable
from counterproof.tools.reading.table import Column, Table

CONVERTED = (".xlsx", ".xlsm", ".xls", ".ods", ".sas7bdat", ".xpt", ".sav", ".zsav", ".rds", ".rdata", ".rda")
"""Endings of the forms that are converted."""


def is_converted(name: str) -> bool:
    """Say whether a file with this name is converted; gzip and zip around it are looked through."""
    return PurePath(_inside(name)).suffix.lower() in CONVERTED


def converted_name(name: str) -> str:
    """Return the name under which programs find what was made of a file."""
    return f"{PurePath(_inside(name)).stem}.csv"


def converted(table: Table) -> bytes:
    """Return a table as delimited text."""
    out = io.StringIO(newline="")
    # A bare CR would be taken for the end of a row; csv of Python 3.11 writes it without quotes.
    returns = any(column.kind == "text" and _has_return(column) for column in table.columns)
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL)
    writer.writerow([column.name for column in table.columns])
    writer.writerows(zip(*(_written(column) for column in table.columns), strict=True))
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


def _written(column: Column) -> Iterator[str]:
    cells = column.cells.to_pylist()
    if column.kind == "integer":
        return ("" if cell is None else str(int(cell)) for cell in cells)
    if column.kind == "number":
        return ("" if cell is None else repr(float(cell)) for cell in cells)
    return ("" if cell is None else cell for cell in cells)


def _has_return(column: Column) -> bool:
    return any("\r" in cell for cell in column.cells.unique().drop_null().to_pylist())
