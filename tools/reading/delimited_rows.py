"""The rows of delimited text behind its header, read by Arrow: all at once, a part of them, or block after block.

Arrow is told to guess as little as it can. What it types as something else than whole or decimal numbers or days is
read again as text and judged by `columns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from counterproof.tools.reading.columns import (
    column_of_fixed,
    column_of_text,
    column_of_values,
    decimals_of,
    narrow,
)
from counterproof.tools.reading.fixed_point import FixedPoint
from counterproof.tools.reading.table import MISSING, Cells, Column

HEAD = 2**20
_BLOCK = 2 * 2**20
_CELL = 64
_CUT = 16 * 2**20
_NO_TYPES: Mapping[str, pa.DataType] = MappingProxyType({})
_NO_TIMES = ["%%%%"]
"""A pattern that nothing has, so that no text is taken for a time."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What stands behind a header.

    Attributes:
        header: names of the columns.
        rest: the bytes.
        separator: between cells.
        quoted: whether there are quotes in the file.
        lines_before: how many lines the header takes.
    """

    header: list[str]
    rest: memoryview
    separator: str
    quoted: bool
    lines_before: int

    def head_end(self) -> int:
        """Return where the last whole row of the beginning ends."""
        return self._row_end(0, HEAD)

    def parse(
        self, *, types: Mapping[str, pa.DataType] = _NO_TYPES, only: Sequence[str] = (), end: int | None = None
    ) -> pa.Table:
        """Read the rows up to `end`; columns that are named in `only` alone, those that are in `types` as such."""
        return arrow_csv.read_csv(pa.py_buffer(self.rest[:end]), **self._options(types, only))

    def blocks(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """Read the rows block after block, with every type given: so little stands beside what is kept of them."""
        with arrow_csv.open_csv(pa.BufferReader(self.rest), **self._options(types, ())) as reader:
            yield from reader

    def cuts(self) -> Iterator[slice]:
        """Cut the rows into blocks of whole ones."""
        start = 0
        while start < len(self.rest):
            end = self._row_end(start, max(_CUT, 4 * _CELL * len(self.header)))
            yield slice(start, end)
            start = end

    def _row_end(self, start: int, size: int) -> int:
        """Return where the last whole row of a block ends: at a line end with an even number of quotes before it."""
        while start + size < len(self.rest):
            piece = np.frombuffer(self.rest, dtype=np.uint8, count=size, offset=start)
            ends = np.flatnonzero(piece == ord("\n"))
            if self.quoted and len(ends):
                ends = ends[np.searchsorted(np.flatnonzero(piece == ord('"')), ends) % 2 == 0]
            if len(ends):
                return start + int(ends[-1]) + 1
            size *= 2
        return len(self.rest)

    def block(self, cut: slice, *, types: Mapping[str, pa.DataType] = _NO_TYPES, only: Sequence[str] = ()) -> pa.Table:
        """Read the rows of a block; see `parse`."""
        return arrow_csv.read_csv(pa.py_buffer(self.rest[cut]), **self._options(types, only))

    def _options(self, types: Mapping[str, pa.DataType], only: Sequence[str]) -> dict[str, Any]:
        return {
            "read_options": arrow_csv.ReadOptions(
                column_names=self.header, block_size=max(_BLOCK, _CELL * len(self.header))
            ),
            "parse_options": arrow_csv.ParseOptions(delimiter=self.separator, newlines_in_values=self.quoted),
            "convert_options": arrow_csv.ConvertOptions(
                null_values=sorted(MISSING),
                strings_can_be_null=True,
                true_values=[],
                false_values=[],
                timestamp_parsers=_NO_TIMES,
                check_utf8=False,
                include_columns=list(only),
                column_types=dict(types),
            ),
        }


def small_type(cells: Cells) -> pa.DataType:
    """Return the smallest type in which cells like these are read."""
    if pa.types.is_integer(cells.type):
        return narrow(cells).type
    if pa.types.is_floating(cells.type) or pa.types.is_date(cells.type):
        return cells.type
    few = pa.types.is_string(cells.type) and 20 * len(pc.unique(cells)) < len(cells)
    return pa.dictionary(pa.int32(), pa.string()) if few else pa.string()


def column_of_read(name: str, cells: Cells | FixedPoint, decimals: int) -> Column | None:
    """Make a column of cells as they were read; None where only their text can say what they are."""
    if isinstance(cells, FixedPoint):
        return column_of_fixed(name, cells)
    if pa.types.is_string(cells.type) or pa.types.is_dictionary(cells.type):
        return column_of_text(name, cells)
    return None if pa.types.is_time(cells.type) else column_of_values(name, cells, decimals=decimals)


def is_floating(cells: Cells | FixedPoint) -> bool:
    """Say whether cells were read as floating point."""
    return isinstance(cells, pa.ChunkedArray) and pa.types.is_floating(cells.type)


def decimals_written(rows: Rows, numbers: Sequence[str]) -> dict[str, int]:
    """Return with how many decimals each of these columns of numbers is written in the beginning of the file."""
    if not numbers:
        return {}
    texts = rows.parse(types=dict.fromkeys(numbers, pa.string()), only=numbers, end=rows.head_end())
    return {name: _most_decimals(texts.column(name)) for name in numbers}


def _most_decimals(cells: Cells) -> int:
    return max((decimals_of(cell.strip()) for cell in pc.unique(pc.drop_null(cells)).to_pylist()), default=0)
