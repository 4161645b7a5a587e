"""Which reader a file gets, by the ending of its name; programs find it under the same name and judge by it too."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import LARGE, Content, Room
from counterproof.tools.reading import delimited, packed
from counterproof.tools.reading.table import Column, Table

_MAGIC = {
    b"\x1f\x8b": "gzip-compressed",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"PAR1": "a Parquet file",
    b"$FL2": "an SPSS file",
    b"HEADER RECORD": "a SAS transport file",
}
FORMS = {
    ".xlsx": ("Excel", "excel.read_excel"),
    ".xlsm": ("Excel", "excel.read_excel"),
    ".xls": ("Excel", "excel.read_excel"),
    ".ods": ("Excel", "excel.read_excel"),
    ".parquet": ("Parquet", "parquet.read_parquet"),
    ".jsonl": ("JSON lines", "json_lines.read_json_lines"),
    ".ndjson": ("JSON lines", "json_lines.read_json_lines"),
    ".sas7bdat": ("SAS", "statistical.read_sas"),
    ".xpt": ("SAS transport", "statistical.read_xport"),
    ".sav": ("SPSS", "statistical.read_spss"),
    ".zsav": ("SPSS", "statistical.read_spss"),
    ".dta": ("Stata", "statistical.read_stata"),
    ".rds": ("R", "r_objects.read_r"),
    ".rdata": ("R", "r_objects.read_r"),
    ".rda": ("R", "r_objects.read_r"),
}
"""The family of a format and its reader, by the ending of the name; every other ending is delimited text.

A reader is imported when a file needs it: some load a library that most studies don't use.
"""
_WHOLE = ("excel.", "r_objects.")
"""Readers that can but read all of a file at once."""
_Read = Callable[..., list[Column]]


def read_table(name: str, data: Content, *, room: Room | None = None) -> Table:
    """Read a data file.

    Args:
        name: its name; what stands before the last slash is left out.
        data: its bytes.
        room: where the cells of a large file are kept; None for the memory.

    Raises:
        UsageError: the bytes are no table of the form that the name says, or they are many and the form can't be read
            in parts; the text says why.
        MachineTrouble: there is no room.
    """
    plain = PurePath(name).name
    inner, unpacked = packed.unpack(plain, data, room=room)
    form, reader = FORMS.get(PurePath(inner).suffix.lower(), ("delimited text", ""))
    separator = ","
    if not reader:
        _check_magic(plain, unpacked)
        separator, columns = delimited.read_delimited(plain, unpacked, room=room)
    elif reader.startswith(_WHOLE):
        _check_whole(plain, form, len(unpacked))
        columns = _checked(plain, _reader(reader)(plain, bytes(unpacked)))
    else:
        columns = _checked(plain, _reader(reader)(plain, unpacked, room=room))
    return Table(
        name=plain,
        sha256=sha256_bytes(data),
        size=len(data),
        separator=separator,
        columns=tuple(columns),
        rows=len(columns[0].stored),
        form=form,
        on_disk=columns[0].on_disk,
    )


def _reader(path: str) -> _Read:
    module, _, function = path.partition(".")
    read: _Read = getattr(import_module(f"counterproof.tools.reading.{module}"), function)
    return read


def _check_whole(name: str, form: str, size: int) -> None:
    if size > LARGE:
        raise UsageError(
            f"{name} has {size:,} bytes, and a file of {form} can only be read as a whole.",
            allowed=f"At most {LARGE:,} bytes; delimited text, Parquet, JSON lines, SAS, SPSS and Stata may be larger.",
            advice="Save the table as CSV or Parquet.",
        )


def _check_magic(name: str, data: Content) -> None:
    begin = bytes(data[:32])
    for magic, what in _MAGIC.items():
        if begin.startswith(magic):
            raise UsageError(
                f"{name} is {what}, and its name doesn't say so.",
                allowed=f"Endings: .csv, .tsv, .txt, {', '.join(FORMS)}; .gz or .zip behind them.",
                advice="Rename the file: programs choose how to read it by the ending too.",
            )


def _checked(name: str, columns: list[Column]) -> list[Column]:
    if not columns or not len(columns[0].stored):
        raise UsageError(f"{name} holds no row.", advice="A data set needs at least one row.")
    if len(columns) > delimited.COLUMNS_MAX:
        raise UsageError(
            f"{name} has {len(columns):,} columns.",
            allowed=f"At most {delimited.COLUMNS_MAX:,}.",
            advice="If variables stand in rows, turn the table; else leave out columns that the question doesn't need.",
        )
    names = [column.name for column in columns]
    for column in columns:
        if not column.name.strip() or names.count(column.name) > 1:
            raise UsageError(
                f"{name}: the column name {column.name!r} is empty or stands twice.",
                allowed="Column names must differ.",
                advice="Rename one of them.",
            )
    return columns
