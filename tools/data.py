"""Reading a data set: files become columns, or an error that says what is wrong with the file.

All values are read as text first; types are found by looking, so that nothing is silently converted. The bytes of
the file are what is hashed, stored and mounted; reading never changes them.

This is where reading grows: today CSV, TSV and semicolon-separated text in UTF-8, up to the size of memory.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import stat
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Literal

import numpy as np
import pandas as pd

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "."})
SIZE_MAX = 512 * 1024 * 1024
NUMBER_MAX = 1e100
"""Nothing that is measured is larger; longer runs of digits are text."""
_QUOTED = re.compile(r'"[^"]*"')
Kind = Literal["integer", "number", "date", "text"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: as in the header.
        kind: what its values are.
        values: shape (rows,); float64 with NaN for "integer" and "number", text with None otherwise.
        decimals: most decimal places that are written (whole numbers may be written "3.0"); 0 for text and dates.
    """

    name: str
    kind: Kind
    values: pd.Series
    decimals: int = 0


@dataclass(frozen=True, kw_only=True)
class Table:
    """One data file that was read.

    Attributes:
        name: file name without folders; the program finds the file under this name.
        sha256: digest of the file's bytes.
        size: length of the file in bytes.
        separator: "," or tab or ";".
        columns: in the order of the file.
        rows: number of rows without the header.
    """

    name: str
    sha256: str
    size: int
    separator: str
    columns: tuple[Column, ...]
    rows: int


def read_file(path: Path) -> tuple[bytes, Table]:
    """Read a data file from disk and look at it.

    Raises:
        UsageError: the file is missing, is no file, is too large, or is not a table (see `read_table`).
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is no file.", advice="Give the path of one CSV file after --data.")
        if status.st_size > SIZE_MAX:
            raise UsageError(f"{path.name} has {status.st_size:,} bytes.", allowed=f"At most {SIZE_MAX:,} bytes.")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"The data file {path} does not exist.", advice="Check the path after --data.") from error
    except OSError as error:
        raise UsageError(
            f"The data file {path} can't be read: {error.strerror}.", advice="Check the path and who may read it."
        ) from error
    return data, read_table(path.name, data)


def read_table(name: str, data: bytes) -> Table:
    """Read delimited text.

    Raises:
        UsageError: the bytes are empty, binary, not UTF-8, have no header, a duplicate or empty column name, rows of
            another length than the header, or no row at all.
    """
    text = _decode(name, data)
    separator = _separator(text)
    rows = _parse(name, text, separator)
    header = _header(name, [row for _, row in rows])
    body = [row for _, row in rows[1:]]
    if not body:
        raise UsageError(f"{name} has a header and no row.", advice="A data set needs at least one row.")
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise UsageError(
                f"{name}, line {number}: {len(row)} values, and the header has {len(header)} columns.",
                advice="Every row needs one value a column; quote values that hold the separator.",
            )
    columns = tuple(_column(header[at], [row[at] for row in body]) for at in range(len(header)))
    return Table(
        name=PurePath(name).name,
        sha256=sha256_bytes(data),
        size=len(data),
        separator=separator,
        columns=columns,
        rows=len(body),
    )


def _decode(name: str, data: bytes) -> str:
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise UsageError(
            f"{name} is empty ({len(data)} bytes).", advice="Give a CSV file with a header and at least one row."
        )
    if b"\x00" in data:
        raise UsageError(
            f"{name} is a binary file (it holds NUL bytes).",
            allowed="Delimited text in UTF-8: CSV, TSV or semicolon-separated.",
            advice="Export the table as CSV.",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}.",
            allowed="Text must be in UTF-8.",
            advice=f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {name}",
        ) from error


def _separator(text: str) -> str:
    first = _QUOTED.sub("", text[:65536]).lstrip("\r\n").split("\n", 1)[0]
    return max((",", "\t", ";"), key=first.count)


def _parse(name: str, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return each row that is not blank with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UsageError(
            f"{name} is not well-formed delimited text: {error}.", advice="Look for an unclosed quote."
        ) from error


def _header(name: str, rows: list[list[str]]) -> list[str]:
    header = [cell.strip() for cell in rows[0]]
    if all(_is_number(cell) or cell in MISSING for cell in header) or _is_row(header, rows[1:]):
        raise UsageError(
            f"{name} has no header: its first line is {', '.join(header)[:80]!r}, which are all values.",
            advice="Put the names of the columns into the first line.",
        )
    times = Counter(header)
    for at, cell in enumerate(header, start=1):
        if not cell:
            raise UsageError(f"{name}: column {at} has no name.", advice="Give every column a name.")
        if times[cell] > 1:
            raise UsageError(
                f"{name}: the column name {cell!r} stands {times[cell]} times in the header.",
                allowed="Column names must differ.",
                advice="Rename one of them.",
            )
    return header


def _is_row(header: list[str], body: list[list[str]]) -> bool:
    """Say whether most cells are numbers or stand again in their own column, and at least one stands again.

    Names rarely do, values often; a row taken for names would be shown to the model.
    """
    again = [any(len(row) > at and row[at].strip() == cell for row in body) for at, cell in enumerate(header)]
    values = sum(twice or _is_number(cell) for twice, cell in zip(again, header, strict=True) if cell)
    return any(again) and 2 * values > len(header)


def _column(name: str, cells: list[str]) -> Column:
    stripped = [cell.strip() for cell in cells]
    present = [cell for cell in stripped if cell not in MISSING]
    if present and all(_is_number(cell) for cell in present):
        numbers = pd.Series([np.nan if cell in MISSING else float(cell) for cell in stripped], dtype="float64")
        decimals = max((_decimals(cell) for cell in present), default=0)
        whole = bool((numbers.dropna() % 1 == 0).all())
        return Column(name=name, kind="integer" if whole else "number", values=numbers, decimals=decimals)
    values = pd.Series([None if cell in MISSING else cell for cell in stripped], dtype="object")
    return Column(name=name, kind="date" if present and _all_dates(present) else "text", values=values)


def _is_number(cell: str) -> bool:
    try:
        # float() also takes "1_000" and the digits of other scripts, which programs read as text.
        return cell.isascii() and "_" not in cell and abs(float(cell)) <= NUMBER_MAX
    except ValueError:
        return False


def _decimals(cell: str) -> int:
    exponent = Decimal(cell).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _all_dates(cells: list[str]) -> bool:
    if not all(len(cell) == 10 and cell[4] == cell[7] == "-" for cell in cells):
        return False
    return bool(pd.to_datetime(pd.Series(cells), format="%Y-%m-%d", errors="coerce").notna().all())
