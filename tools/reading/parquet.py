"""Parquet files with flat columns."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as arrow_parquet

from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import Content, Room
from counterproof.tools.reading.columns import column_of_text, column_of_values
from counterproof.tools.reading.spill import ColumnsOnDisk
from counterproof.tools.reading.table import Cells, Column


def read_parquet(name: str, data: Content, *, room: Room | None = None) -> list[Column]:
    """Read a Parquet file; of a large one column by column onto the disk.

    Raises:
        MachineTrouble: there is no room for it.
        UsageError: it is damaged or cut off, or a column holds lists or structures.
    """
    try:
        file = arrow_parquet.ParquetFile(pa.BufferReader(data))
        names = [column for column in file.schema_arrow.names if not column.startswith("__index_level_")]
        if room is not None and _unpacked(file) > room.above:
            made = ColumnsOnDisk(room.folder)
            for column in names:
                made.add(typed_column(name, column, file.read(columns=[column]).column(column)))
            return made.columns()
        table = file.read().select(names)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(
            f"{name} is not a Parquet file, or damaged or cut off: {error}.", advice="Copy or write it again."
        ) from error
    return typed_columns(name, table)


def _unpacked(file: arrow_parquet.ParquetFile) -> int:
    """Return how many bytes the cells take unpacked."""
    return sum(file.metadata.row_group(at).total_byte_size for at in range(file.num_row_groups))


def typed_columns(name: str, table: pa.Table) -> list[Column]:
    """Make columns of a typed table.

    Raises:
        UsageError: a column holds lists, structures or other values that stand in no cell.
    """
    return [typed_column(name, column, cells) for column, cells in zip(table.column_names, table.columns, strict=True)]


def typed_column(file: str, name: str, cells: Cells) -> Column:
    """Make a column of typed cells.

    Raises:
        UsageError: it holds lists, structures or other values that stand in no cell.
    """
    if pa.types.is_nested(cells.type) and not pa.types.is_dictionary(cells.type):
        raise UsageError(
            f"{file}: the column {name!r} holds values of the type {cells.type}.",
            allowed="Each cell holds one number, day or text.",
            advice="Give each part a column of its own.",
        )
    made = column_of_values(name, cells)
    if made is not None:
        return made
    try:
        return column_of_text(name, pc.cast(cells, pa.string()))
    except pa.ArrowException as error:
        raise UsageError(
            f"{file}: the column {name!r} holds values of the type {cells.type}.",
            allowed="Each cell holds one number, day or text.",
        ) from error
