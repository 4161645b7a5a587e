"""Parquet files with flat columns."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as arrow_parquet

from counterproof.provenance.errors import UsageError
from counterproof.tools.reading.columns import column_of_text, column_of_values
from counterproof.tools.reading.table import Cells, Column


def read_parquet(name: str, data: bytes) -> list[Column]:
    """Read a Parquet file.

    Raises:
        UsageError: it is damaged or cut off, or a column holds lists or structures.
    """
    try:
        table = arrow_parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise UsageError(
            f"{name} is not a Parquet file, or damaged or cut off: {error}.", advice="Copy or write it again."
        ) from error
    table = table.select([column for column in table.column_names if not column.startswith("__index_level_")])
    return typed_columns(name, table)


def typed_columns(name: str, table: pa.Table) -> list[Column]:
    """Make columns of a typed table.

    Raises:
        UsageError: a column holds lists, structures or other values that stand in no cell.
    """
    return [_column(name, column, cells) for column, cells in zip(table.column_names, table.columns, strict=True)]


def _column(file: str, name: str, cells: Cells) -> Column:
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
