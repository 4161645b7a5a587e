"""JSON lines: one flat object a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.json as arrow_json

from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import Content, Room, opened
from counterproof.tools.reading.columns import column_of_text
from counterproof.tools.reading.parquet import typed_column, typed_columns
from counterproof.tools.reading.spill import ColumnsOnDisk, Piece, Spill
from counterproof.tools.reading.table import Column

_BLOCK = 8 * 2**20


def read_json_lines(name: str, data: Content, *, room: Room | None = None) -> list[Column]:
    """Read objects, one a line; a field that an object lacks is missing there.

    Raises:
        UsageError: a line is no object, a field has values of different types, or holds more than one value.
        MachineTrouble: there is no room for a large file.
    """
    if not bytes(data[:_BLOCK]).strip() and not bytes(data).strip():
        raise UsageError(f"{name} is empty ({len(data)} bytes).", advice="Give one JSON object a line.")
    try:
        # Fields of values of one type each: Arrow refuses others, and programs would read them differently.
        if room is not None and len(data) > room.above:
            return _on_disk(name, data, room.folder)
        found = _typed(data)
        texts = _day_like(found.schema)
        table = _typed(data, texts) if len(texts) else found
    except pa.ArrowException as error:
        raise UsageError(
            f"{name} can't be read as JSON lines: {str(error).partition(chr(10))[0][:200]}.",
            allowed="One JSON object a line; the same field holds values of the same type.",
            advice="Look at that line; a file that ends within a line is cut off.",
        ) from error
    others = typed_columns(name, table.drop_columns(texts.names))
    made = {column.name: column for column in others}
    made |= {field: column_of_text(field, table.column(field)) for field in texts.names}
    return [made[field] for field in found.schema.names]


def _on_disk(name: str, data: Content, folder: Path) -> list[Column]:
    """Read twice: what the types are, since a later line may need a wider one, and the cells."""
    types: dict[str, pa.DataType] = {}
    for block in _blocks(data):
        for field in _read(block).schema:
            types[field.name] = _wider(types.get(field.name, pa.null()), field.type)
    texts = _day_like(pa.schema(list(types.items())))
    types |= dict.fromkeys(texts.names, pa.string())
    schema, spill = pa.schema(list(types.items())), Spill(folder)
    pieces: dict[str, list[Piece]] = {column: [] for column in types}
    for block in _blocks(data):
        table = _read(block, schema)
        for column, kept in pieces.items():
            kept.append(spill.write(table.column(column).chunks))
    mapped, made = spill.mapped(), ColumnsOnDisk(folder)
    for column, kept in pieces.items():
        chunks = [chunk for piece in kept for chunk in mapped.cells(piece).chunks]
        cells = pa.chunked_array(chunks, type=types[column])
        made.add(column_of_text(column, cells) if column in texts.names else typed_column(name, column, cells))
    return made.columns()


def _typed(data: Content, texts: pa.Schema | None = None) -> pa.Table:
    return arrow_json.read_json(
        pa.BufferReader(data),
        read_options=arrow_json.ReadOptions(block_size=_BLOCK),
        parse_options=arrow_json.ParseOptions(explicit_schema=texts),
    )


def _day_like(schema: pa.Schema) -> pa.Schema:
    """Return the fields that Arrow took for points in time: JSON has none, so they are read as they are written."""
    return pa.schema([pa.field(one.name, pa.string()) for one in schema if pa.types.is_timestamp(one.type)])


def _blocks(data: Content) -> Iterator[bytes]:
    """Yield whole lines, many at once."""
    with opened(data) as file:
        while lines := file.readlines(_BLOCK):
            block = b"".join(lines)
            if block.strip():
                yield block


def _read(block: bytes, schema: pa.Schema | None = None) -> pa.Table:
    return arrow_json.read_json(
        pa.BufferReader(block),
        read_options=arrow_json.ReadOptions(block_size=max(_BLOCK, len(block) + 1)),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema),
    )


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return the type of both as Arrow finds it where they stand in one block."""
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    if {one, other} == {pa.int64(), pa.float64()}:
        return pa.float64()
    texts = all(pa.types.is_string(kind) or pa.types.is_timestamp(kind) for kind in (one, other))
    return pa.string() if texts else one  # else Arrow refuses the second block
