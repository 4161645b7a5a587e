"""Delimited text that may not fit into the memory: block after block onto the disk, then column after column.

Each block is read in the types that the blocks before it needed; where one does not fit, the types become wider, and
what was read before stays as it is. A column is made when all its blocks are there: numbers of several types in the
widest, and where a text turned up, all of it is read again as text, as if the file had been read at once.

A column is in memory while it is made: numbers as a whole; texts block by block, unless the first ones could be numbers
or days. It does not cover what a file says wrongly (`delimited`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from counterproof.tools.reading.columns import column_of_text, emptied, is_plainly_text, repeats, shortened
from counterproof.tools.reading.delimited_rows import Rows, column_of_read, decimals_written, small_type
from counterproof.tools.reading.fixed_point import FixedPoint, fixed
from counterproof.tools.reading.spill import ColumnsOnDisk, Piece, Spill
from counterproof.tools.reading.table import Cells, Column

_BLANK = 4096


def columns_on_disk(rows: Rows, folder: Path) -> list[Column]:
    """Read rows into columns whose cells lie on the disk.

    Args:
        rows: what stands behind the header; one at least.
        folder: where there is room for the cells, twice.

    Raises:
        ArrowInvalid: a row is no row.
        MachineTrouble: there is no room.
    """
    begin = rows.parse(end=rows.head_end())
    floating = [name for name in rows.header if pa.types.is_floating(begin.column(name).type)]
    read = {name: _Read(small_type(begin.column(name))) for name in rows.header}
    for name, places in decimals_written(rows, floating).items():
        read[name].decimals = places
    spill = Spill(folder)
    for block in _blocks(rows, read):
        for name in rows.header:
            read[name].take(block.column(name), spill)
    mapped, made = spill.mapped(), ColumnsOnDisk(folder)
    texts = _texts(rows, [name for name, one in read.items() if one.needs_text], folder)
    for name, one in read.items():
        blocks = texts.get(name) or [mapped.cells(piece) for piece in one.pieces]
        if name in texts or one.is_text:
            add_text(made, name, blocks)
            continue
        column = one.column(name, blocks)
        if column is not None:
            made.add(column)
        else:  # a number beyond all measure
            add_text(made, name, _texts(rows, [name], folder)[name])
    return made.columns()


def add_text(made: ColumnsOnDisk, name: str, blocks: Sequence[Cells]) -> None:
    """Add a column of texts as they are written, judged as `columns` does."""
    cells = _joined(blocks)
    if not is_plainly_text(cells):
        made.add(column_of_text(name, cells))
    elif repeats(cells):
        coded = pa.chunked_array([emptied(chunk).dictionary_encode() for chunk in cells.chunks])
        made.add(Column(name=name, kind="text", values=shortened(coded)))
    else:
        nothing = pa.chunked_array([], type=pa.string())
        made.add(Column(name=name, kind="text", values=nothing), blocks=map(emptied, cells.chunks))


class _Read:
    """What was read of one column so far.

    Args:
        kind: the type in which the next block is read.
    """

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind
        self.decimals: int | None = None
        self.pieces: list[Piece] = []
        self._fixed: list[bool] = []
        self._kinds: set[str] = set()

    def take(self, cells: Cells, spill: Spill) -> None:
        """Write a block down."""
        joined = cells.combine_chunks()
        chunks = joined.chunks if isinstance(joined, pa.ChunkedArray) else [joined]
        self._kinds.add(_kind_of(cells.type))
        wholes = None
        if self.decimals is not None and len(chunks) == 1 and pa.types.is_floating(cells.type):
            wholes = fixed(chunks[0], self.decimals)
        self._fixed.append(wholes is not None)
        self.pieces.append(spill.write(chunks if wholes is None else [wholes]))

    @property
    def is_text(self) -> bool:
        """Whether all blocks are texts."""
        return self._kinds <= {"text", "nothing"}

    @property
    def needs_text(self) -> bool:
        """Whether only the text of all blocks can say what the column is."""
        return "other" in self._kinds or len(self._kinds - {"nothing"}) > 1

    def column(self, name: str, blocks: Sequence[Cells]) -> Column | None:
        """Make a column of numbers or days; None where only its text can say what it is."""
        places = self.decimals or 0
        if all(self._fixed):
            return column_of_read(name, FixedPoint(wholes=_joined(blocks), decimals=places), 0)
        numbers = [
            FixedPoint(wholes=cells, decimals=places).numbers() if was_fixed else cells
            for cells, was_fixed in zip(blocks, self._fixed, strict=True)
        ]
        return column_of_read(name, _joined(numbers), places)


def _blocks(rows: Rows, read: dict[str, _Read]) -> Iterator[pa.Table]:
    """Yield the rows block by block; a block that does not fit is read again, and makes the types wider."""
    for cut in _filled(rows):
        try:
            block = rows.block(cut, types={name: one.kind for name, one in read.items()})
        except pa.ArrowInvalid:
            block = rows.block(cut)
            for name, one in read.items():
                one.kind = _wider(one.kind, block.column(name).type)
        yield block


def _filled(rows: Rows) -> Iterator[slice]:
    """Yield the blocks in which there is more than empty lines."""
    return (cut for cut in rows.cuts() if bytes(rows.rest[cut][:_BLANK]).strip() or bytes(rows.rest[cut]).strip())


def _texts(rows: Rows, names: Sequence[str], folder: Path) -> dict[str, list[Cells]]:
    """Read some columns once more, as they are written."""
    if not names:
        return {}
    spill, pieces = Spill(folder), {name: list[Piece]() for name in names}
    for cut in _filled(rows):
        block = rows.block(cut, types=dict.fromkeys(names, pa.string()), only=names)
        for name in names:
            pieces[name].append(spill.write(block.column(name).chunks))
    mapped = spill.mapped()
    return {name: [mapped.cells(piece) for piece in of] for name, of in pieces.items()}


def _joined(blocks: Sequence[Cells]) -> Cells:
    """Return blocks as one column in the widest of their types."""
    kinds = {cells.type for cells in blocks}
    widest = next(iter(kinds))
    for kind in kinds:
        widest = _wider(widest, kind)
    return pa.chunked_array([chunk.cast(widest) for cells in blocks for chunk in cells.chunks], type=widest)


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type that holds what both hold; text where there is no other."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if _kind_of(one) == _kind_of(other) == "number":
        if pa.types.is_integer(one) and pa.types.is_integer(other):
            return max(one, other, key=lambda kind: kind.bit_width)
        return pa.float64()
    return pa.string()


def _kind_of(kind: pa.DataType) -> str:
    if pa.types.is_null(kind):
        return "nothing"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "number"
    if pa.types.is_date(kind):
        return "date"
    return "text" if pa.types.is_string(kind) or pa.types.is_dictionary(kind) else "other"
