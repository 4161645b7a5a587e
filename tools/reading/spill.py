"""Cells on the disk: columns of a table that is larger than the memory, in a file without a name.

Columns are written one by one and mapped: the kernel reads a page when it is looked at, and drops it when it needs the
room. The file is in a folder that only its owner may enter, beside data that lie there in the clear anyway, and it has
no name from the beginning: it goes with the process, whatever ends it.

It does not cover data that may lie on no disk in the clear: whoever gives no folder has them read into the memory.

Source: open(2), O_TMPFILE; the Arrow IPC streaming format, https://arrow.apache.org/docs/format/Columnar.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from counterproof.provenance.mapped import mapped, nameless, no_room
from counterproof.tools.reading.fixed_point import FixedPoint
from counterproof.tools.reading.table import Cells, Column

_ALIGNED = 64
_ROWS = 2**18
"""So many rows are written at once."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Where in a file some cells are.

    Attributes:
        start: of their first byte.
        size: how many bytes they take.
    """

    start: int
    size: int


class Spill:
    """A file without a name, for cells.

    Args:
        folder: where there is room for it.

    Raises:
        MachineTrouble: no file can be made there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = nameless(folder)

    def write(self, blocks: Iterable[pa.Array]) -> Piece:
        """Write blocks of cells of one type.

        Raises:
            MachineTrouble: the disk is full, or refuses.
        """
        start = self._file.tell()
        try:
            writer = None
            for block in blocks:
                if writer is None:
                    writer = pa.ipc.new_stream(self._file, pa.schema([("cells", block.type)]))
                for at in range(0, len(block), _ROWS):
                    writer.write_batch(pa.record_batch([block.slice(at, _ROWS)], names=["cells"]))
            assert writer is not None, "nothing was to be written"
            writer.close()
            size = self._file.tell() - start
            self._file.write(bytes(-size % _ALIGNED))
        except OSError as error:
            with suppress(OSError):  # it would write what is left
                self._file.close()
            raise no_room(self._folder, error) from error
        return Piece(start=start, size=size)

    def mapped(self) -> Mapped:
        """Map what was written; nothing more can be written then.

        Raises:
            MachineTrouble: the disk is full, or refuses.
        """
        try:
            self._file.flush()
            return Mapped(pa.py_buffer(mapped(self._file)))
        except OSError as error:
            raise no_room(self._folder, error) from error
        finally:
            self._file.close()


class Mapped:
    """Cells that lie in a mapped file."""

    def __init__(self, buffer: pa.Buffer) -> None:
        self._buffer = buffer

    def cells(self, piece: Piece) -> Cells:
        """Return the cells of a piece, without reading them."""
        with pa.ipc.open_stream(pa.BufferReader(self._buffer.slice(piece.start, piece.size))) as reader:
            return reader.read_all().column(0)


class ColumnsOnDisk:
    """Takes columns one by one, and gives them back with their cells on the disk.

    Args:
        folder: where there is room for them.
    """

    def __init__(self, folder: Path) -> None:
        self._spill = Spill(folder)
        self._kept: list[tuple[Column, Piece]] = []

    def add(self, column: Column, blocks: Iterable[pa.Array] | None = None) -> None:
        """Write the cells of a column; of the column given, nothing is kept but what describes it.

        Args:
            column: what is added.
            blocks: its cells, where they are too many to be in the column at once.

        Raises:
            MachineTrouble: the disk is full, or refuses.
        """
        stored = column.stored
        cells = stored.wholes if isinstance(stored, FixedPoint) else stored
        if pa.types.is_dictionary(cells.type):
            cells = cells.unify_dictionaries()
        piece = self._spill.write(blocks or cells.chunks or [pa.array([], type=cells.type)])
        empty = pa.chunked_array([], type=cells.type)  # what describes it is kept, and no cell
        fixed = FixedPoint(wholes=empty, decimals=column.decimals) if isinstance(stored, FixedPoint) else empty
        self._kept.append((column.with_cells(fixed), piece))

    def columns(self) -> list[Column]:
        """Return the columns in the order in which they came.

        Raises:
            MachineTrouble: the disk is full, or refuses.
        """
        mapped = self._spill.mapped()
        return [_filled(column, mapped.cells(piece)) for column, piece in self._kept]


def _filled(column: Column, cells: Cells) -> Column:
    fixed = isinstance(column.stored, FixedPoint)
    return column.with_cells(FixedPoint(wholes=cells, decimals=column.decimals) if fixed else cells, on_disk=True)
