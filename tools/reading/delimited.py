"""Delimited text: CSV, TSV and semicolon-separated, in UTF-8, strictly.

Arrow's reader does the work (`delimited_rows`). Before it, this module looks at the bytes (encoding, quotes, header);
after it refuses a file, the rows are read once more, slowly, to name the line at fault.

How many decimals numbers are written with is seen in the first `HEAD` bytes; further on, only as far as the numbers
need them.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import Content, Room, opened
from counterproof.tools.reading.columns import column_of_text, is_number
from counterproof.tools.reading.delimited_on_disk import columns_on_disk
from counterproof.tools.reading.delimited_rows import (
    HEAD,
    Rows,
    column_of_read,
    decimals_written,
    is_floating,
    small_type,
)
from counterproof.tools.reading.fixed_point import FixedPoint, fixed, joined
from counterproof.tools.reading.table import MISSING, Cells, Column

COLUMNS_MAX = 8192
_PIECE = 2**20
_QUOTED = re.compile(r'"[^"]*"')


def read_delimited(name: str, data: Content, *, room: Room | None = None) -> tuple[str, list[Column]]:
    """Read delimited text and return its separator and columns.

    Args:
        name: of the file.
        data: its bytes.
        room: where the cells of a large file are kept; None for the memory.

    Raises:
        UsageError: the bytes are empty, binary, not UTF-8, have no header, too many columns, a duplicate or empty
            column name, rows of another length than the header, quotes that don't fit, or no row at all.
        MachineTrouble: there is no room in the folder.
    """
    quoted = _check_text(name, data)
    start = len(codecs.BOM_UTF8) if _is_marked(data) else 0
    text = bytes(data[start : start + HEAD]).decode("utf-8", errors="ignore")
    separator = _separator(text)
    if quoted:
        _check_quotes(name, data, separator)
    lines = _Lines(text)
    header = _header(name, lines, separator)
    rest = memoryview(data)[start + lines.bytes :]
    rows = Rows(header=header, rest=rest, separator=separator, quoted=quoted, lines_before=lines.count)
    columns = _columns(name, rows, room)
    if not len(columns[0].stored):
        raise UsageError(f"{name} has a header and no row.", advice="A data set needs at least one row.")
    _check_header(name, header, columns)
    return separator, columns


def _check_text(name: str, data: Content) -> bool:
    """Look at the bytes piece by piece, and return whether there are quotes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    others = quoted = filled = False
    for at in range(0, len(data), _PIECE):
        piece = bytes(data[at : at + _PIECE])
        before = len(decoder.getstate()[0])
        if b"\x00" in piece:
            raise _binary(name)
        try:
            decoder.decode(piece, final=at + _PIECE >= len(data))
        except UnicodeDecodeError as error:
            if any(b"\x00" in later for later in _pieces(data, at)):
                raise _binary(name) from error
            raise _not_utf8(name, data, at - before + error.start, others) from error
        others = others or not piece.isascii()
        quoted = quoted or b'"' in piece
        filled = filled or bool((piece.removeprefix(codecs.BOM_UTF8) if at == 0 else piece).strip())
    if not filled:
        raise UsageError(
            f"{name} is empty ({len(data)} bytes).", advice="Give a CSV file with a header and at least one row."
        )
    return quoted


def _pieces(data: Content, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    end = len(data) if end is None else end
    return (bytes(data[at : min(at + _PIECE, end)]) for at in range(start, end, _PIECE))


def _is_marked(data: Content) -> bool:
    return bytes(data[: len(codecs.BOM_UTF8)]) == codecs.BOM_UTF8


def _line_of(data: Content, at: int) -> int:
    return 1 + sum(piece.count(b"\n") for piece in _pieces(data, end=at))


def _binary(name: str) -> UsageError:
    return UsageError(
        f"{name} is a binary file (it holds NUL bytes).",
        allowed="Delimited text in UTF-8 (CSV, TSV, semicolon-separated); other formats by their ending.",
        advice="Give the file the ending of its format (.xlsx, .parquet, .sav, …), or export the table as CSV.",
    )


def _not_utf8(name: str, data: Content, at: int, others: bool) -> UsageError:
    mixed = others or not all(piece.isascii() for piece in _pieces(data, end=at))
    return UsageError(
        f"{name} is not UTF-8: byte 0x{data[at]:02x} at offset {at} (line {_line_of(data, at)})"
        + (", and other text before it is: it mixes encodings." if mixed else "."),
        allowed="Text must be in UTF-8.",
        advice="Export the table anew in one encoding."
        if mixed
        else f"Convert it: iconv -f WINDOWS-1252 -t UTF-8 {name}",
    )


def _separator(text: str) -> str:
    first = _QUOTED.sub("", text[:65536]).lstrip("\r\n").split("\n", 1)[0]
    return max((",", "\t", ";"), key=first.count)


def _check_quotes(name: str, data: Content, separator: str) -> None:
    """Check that quotes open at the beginning of a value and close at its end, looking at the bytes beside each."""
    around = np.frombuffer(separator.encode() + b"\r\n", dtype=np.uint8)
    last = len(data) - 1
    opened, last_quote = False, 0
    for at in range(0, len(data), _PIECE):
        piece = np.frombuffer(data, dtype=np.uint8, count=min(_PIECE, len(data) - at), offset=at)
        places = np.flatnonzero(piece == ord('"')) + at
        if not len(places):
            continue
        last_quote = int(places[-1])
        opening = (np.arange(len(places)) % 2 == 0) != opened
        first, second = places[opening], places[~opening]
        opened = opened != bool(len(places) % 2)
        wrong = [
            *first[~_beside(data, first - 1, around, edge=-1)],
            *second[~_beside(data, second + 1, around, edge=last + 1)],
        ]
        if wrong:
            raise _bad_quote(name, data, int(min(wrong)))
    if opened:
        raise _bad_quote(name, data, last_quote)


def _beside(data: Content, places: NDArray[np.int64], around: NDArray[np.uint8], *, edge: int) -> NDArray[np.bool_]:
    whole = np.frombuffer(data, dtype=np.uint8)
    inside = np.clip(places, 0, len(data) - 1)
    beside = whole[inside]
    right: NDArray[np.bool_] = np.isin(beside, around) | (beside == ord('"')) | (places == edge)
    # A quote may also stand behind the mark of UTF-8.
    at_mark: NDArray[np.bool_] = (places == 2) & _is_marked(data)
    return np.logical_or(right, at_mark)


def _bad_quote(name: str, data: Content, at: int) -> UsageError:
    line = _line_of(data, at)
    return UsageError(
        f"{name} is not well-formed delimited text: a quote in line {line} neither opens nor closes a whole value.",
        allowed='Values that hold the separator, a quote or a line end stand in quotes; a quote in them is written "".',
        advice="Look for an unclosed quote.",
    )


def _header(name: str, lines: _Lines, separator: str) -> list[str]:
    """Return the names of the columns; `lines` stands behind them then."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        row = next((row for row in reader if row), [])
    except csv.Error as error:
        raise UsageError(
            f"{name} is not well-formed delimited text: {error}.", advice="Look for an unclosed quote."
        ) from error
    header = [cell.strip() for cell in row]
    if len(header) > COLUMNS_MAX:
        raise UsageError(
            f"{name} has {len(header):,} columns.",
            allowed=f"At most {COLUMNS_MAX:,}.",
            advice="If variables stand in rows, turn the table; else leave out columns that the question doesn't need.",
        )
    if all(is_number(cell) or cell in MISSING for cell in header):
        raise _no_header(name, header)
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


class _Lines:
    """The lines of a text one by one, and how many bytes and lines were given so far."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.bytes = self.count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.bytes += len(line.encode())
        self.count += 1
        return line


def _no_header(name: str, header: Sequence[str]) -> UsageError:
    return UsageError(
        f"{name} has no header: its first line holds {len(header)} values and no names.",
        advice="Put the names of the columns into the first line.",
    )


def _columns(name: str, rows: Rows, room: Room | None) -> list[Column]:
    if not bytes(rows.rest[:HEAD]).strip(b"\r\n"):
        return [Column(name=cell, kind="text", values=pa.chunked_array([], type=pa.string())) for cell in rows.header]
    try:
        if room is not None and len(rows.rest) > room.above:
            return columns_on_disk(rows, room.folder)
        typed = _typed(rows)
    except pa.ArrowInvalid as error:
        raise _explained(name, rows, error) from error
    decimals = decimals_written(rows, [cell for cell, cells in typed.items() if is_floating(cells)])
    # One by one, so that the cells as they were read go as soon as the column is made.
    made = {cell: column_of_read(cell, typed.pop(cell), decimals.get(cell, 0)) for cell in rows.header}
    again = [cell for cell, column in made.items() if column is None]
    if again:
        texts = rows.parse(types=dict.fromkeys(again, pa.string()), only=again)
        made |= {cell: column_of_text(cell, texts.column(cell)) for cell in again}
    return [column for column in made.values() if column is not None]


def _typed(rows: Rows) -> dict[str, Cells | FixedPoint]:
    """Read the rows into types as small as their beginning needs; where that is not enough, into usual ones.

    To find types out, Arrow keeps every block until the end; where each is given, it need not.
    """
    end = rows.head_end()
    if end < len(rows.rest):
        try:
            return _in_blocks(rows, rows.parse(end=end))
        except pa.ArrowInvalid:
            pass
    table = rows.parse()
    return dict(zip(rows.header, table.columns, strict=True))


def _in_blocks(rows: Rows, begin: pa.Table) -> dict[str, Cells | FixedPoint]:
    """Read the rows into types that their beginning needs, decimal numbers into fixed point as long as they fit."""
    types = {name: small_type(begin.column(name)) for name in rows.header}
    decimals = decimals_written(rows, [name for name, kind in types.items() if pa.types.is_floating(kind)])
    blocks: dict[str, list[pa.Array]] = {name: [] for name in rows.header}
    for batch in rows.blocks(types):
        for name, block in zip(rows.header, batch.columns, strict=True):
            wholes = fixed(block, decimals[name]) if name in decimals else None
            if wholes is None and name in decimals:
                places = decimals.pop(name)
                blocks[name] = joined(blocks[name], places).numbers().chunks if blocks[name] else []
            blocks[name].append(block if wholes is None else wholes)
    return {
        name: joined(kept, decimals[name]) if name in decimals else pa.chunked_array(kept, type=types[name])
        for name, kept in blocks.items()
    }


def _check_header(name: str, header: list[str], columns: list[Column]) -> None:
    """Check that the header isn't a row: most cells are numbers or stand again in their own column, one at least does.

    Names rarely do, values often; a row taken for names would be shown to the model.
    """
    again = [_holds(column, cell) for cell, column in zip(header, columns, strict=True)]
    values = sum(twice or is_number(cell) for twice, cell in zip(again, header, strict=True))
    if any(again) and 2 * values > len(header):
        raise _no_header(name, header)


def _holds(column: Column, cell: str) -> bool:
    if column.kind in ("integer", "number"):
        return is_number(cell) and bool(pc.any(pc.equal(column.cells, float(cell))).as_py())
    return bool(pc.any(pc.equal(column.cells, cell)).as_py())


def _explained(name: str, rows: Rows, error: Exception) -> UsageError:
    """Return what is wrong with the rows, found by reading them one by one."""
    text = io.TextIOWrapper(opened(rows.rest), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=rows.separator, strict=True)
    wanted = len(rows.header)
    try:
        for row in reader:
            if row and len(row) != wanted:
                line = rows.lines_before + reader.line_num
                cut = bytes(rows.rest[-1:]) not in (b"\n", b"\r") and next(reader, None) is None
                return UsageError(
                    f"{name}, line {line}: {len(row)} values, and the header has {wanted} columns."
                    + (" The file ends within this line: it may be cut off." if cut else ""),
                    advice="Every row needs one value a column; quote values that hold the separator.",
                )
    except csv.Error as wrong:
        return UsageError(f"{name} is not well-formed delimited text: {wrong}.", advice="Look for an unclosed quote.")
    return UsageError(f"{name} can't be read as delimited text: {error}.", advice="Export the table as CSV again.")
