"""JSON lines: one flat object a line."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.json as arrow_json

from counterproof.provenance.errors import UsageError
from counterproof.tools.reading.parquet import typed_columns
from counterproof.tools.reading.table import Column

_BLOCK = 8 * 2**20


def read_json_lines(name: str, data: bytes) -> list[Column]:
    """Read objects, one a line; a field that an object lacks is missing there.

    Raises:
        UsageError: a line is no object, a field has values of different types, or holds more than one value.
    """
    if not data.strip():
        raise UsageError(f"{name} is empty ({len(data)} bytes).", advice="Give one JSON object a line.")
    try:
        # Fields of values of one type each: Arrow refuses others, and programs would read them differently.
        table = arrow_json.read_json(pa.BufferReader(data), read_options=arrow_json.ReadOptions(block_size=_BLOCK))
    except pa.ArrowException as error:
        raise UsageError(
            f"{name} can't be read as JSON lines: {str(error).partition(chr(10))[0][:200]}.",
            allowed="One JSON object a line; the same field holds values of the same type.",
            advice="Look at that line; a file that ends within a line is cut off.",
        ) from error
    return typed_columns(name, table)
