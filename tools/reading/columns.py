"""What kind of values a column holds, found by looking at each different one.

A column is of numbers, or of dates, only when every value that is there is one; anything else is text. Numbers are
plain decimal notation in ASCII: what programs would read in other ways ("1_000", "inf", digits of other scripts)
is text. So are whole numbers beyond 2^53: they are codes and identifiers, and as numbers several would become one.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterproof.tools.reading.fixed_point import FixedPoint
from counterproof.tools.reading.table import MISSING, NUMBER_MAX, Cells, Column, Kind

_DECIMALS_MAX = 17
_DIGITS_FEW = 15
EXACT_MAX = 2**53
"""Up to here each whole number is a floating-point number of its own."""
_MANY = 2000
_GONE = pa.array(sorted(MISSING), type=pa.string())
_INTEGERS = (pa.int8(), pa.int16(), pa.int32())


def column_of_text(name: str, cells: Cells, **facts: Any) -> Column:
    """Make a column of cells as they are written; blanks around a value are no part of it."""
    if is_plainly_text(cells):
        # Looking at each different value would take long, and one that is neither number nor day decides.
        trimmed = emptied(cells)
        return Column(name=name, kind="text", values=_compact(trimmed) if repeats(trimmed) else trimmed, **facts)
    coded = _coded(cells)
    written = [str(one).strip() for one in coded.dictionary.to_pylist()]
    present = [one for one in written if one not in MISSING]
    if present and all(map(is_number, present)) and not any(map(_is_code, present)):
        numbers = np.array([np.nan if one in MISSING else float(one) for one in written], dtype="float64")
        whole = all(float(one) % 1 == 0 for one in present)
        return Column(
            name=name,
            kind="integer" if whole else "number",
            values=narrow(_taken(coded, pa.array(numbers, from_pandas=True))),
            decimals=max(map(decimals_of, present)),
            **facts,
        )
    kind: Kind = "date" if present and all(map(is_date, present)) else "text"
    texts = pa.array([None if one in MISSING else one for one in written], type=pa.string())
    return Column(name=name, kind=kind, values=_taken(coded, texts), **facts)


def column_of_values(name: str, cells: Cells, *, decimals: int | None = None, **facts: Any) -> Column | None:
    """Make a column of typed cells; None where only their text can say what they are.

    Args:
        name: its name.
        cells: as a reader typed them.
        decimals: how many are written at least; None to find it from the values.
        facts: what the file says of the column.
    """
    kind = cells.type
    if pa.types.is_dictionary(kind):
        kind, cells = kind.value_type, cells.cast(kind.value_type)
    if pa.types.is_date(kind):
        return Column(name=name, kind="date", values=cells.cast(pa.date32()).cast(pa.string()), **facts)
    if pa.types.is_boolean(kind):
        return Column(name=name, kind="text", values=pc.if_else(cells, "True", "False"), **facts)
    if pa.types.is_null(kind):
        return Column(name=name, kind="text", values=cells.cast(pa.string()), **facts)
    if pa.types.is_integer(kind):
        if _largest(cells) > EXACT_MAX:
            return None
        return Column(name=name, kind="integer", values=narrow(cells), **facts)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _column_of_numbers(name, cells.cast(pa.float64()), decimals, facts)
    if pa.types.is_timestamp(kind):
        return Column(name=name, kind="text", values=cells.cast(pa.timestamp("us")).cast(pa.string()), **facts)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Column(name=name, kind="text", values=emptied(cells.cast(pa.string())), **facts)
    return None


def _column_of_numbers(name: str, cells: Cells, decimals: int | None, facts: Mapping[str, Any]) -> Column | None:
    if pc.any(pc.is_nan(cells)).as_py():
        cells = pc.if_else(pc.is_nan(cells), None, cells)
    present = pc.drop_null(cells)
    if not len(present):
        return Column(name=name, kind="text", values=cells.cast(pa.string()), **facts)
    numbers = present.to_numpy()
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > NUMBER_MAX:
        return None
    kind: Kind = "integer" if bool((numbers == np.floor(numbers)).all()) else "number"
    if kind == "integer" and not decimals and np.abs(numbers).max() > EXACT_MAX:
        return None
    found = decimals_of_numbers(numbers, decimals or 0)
    return Column(name=name, kind=kind, values=narrow(cells) if kind == "integer" else cells, decimals=found, **facts)


def column_of_fixed(name: str, cells: FixedPoint) -> Column:
    """Make a column of decimal numbers of which one at least is there."""
    return Column(name=name, kind="integer" if cells.all_whole() else "number", values=cells, decimals=cells.decimals)


def narrow(cells: Cells) -> Cells:
    """Return whole numbers in the smallest type that holds them, and other numbers as they are."""
    if pa.types.is_floating(cells.type):
        return cells
    ends = pc.min_max(cells).as_py()
    if ends["min"] is None:
        return cells
    for kind in _INTEGERS:
        limit = 2 ** (kind.bit_width - 1)
        if -limit <= ends["min"] and ends["max"] < limit:
            return cells.cast(kind)
    return cells


def _largest(cells: Cells) -> int:
    ends = pc.min_max(cells).as_py()
    return max(abs(int(ends["min"] or 0)), abs(int(ends["max"] or 0)))


def _is_code(cell: str) -> bool:
    """Say whether a number is written with more digits than a floating-point number tells apart."""
    return len(cell) > _DIGITS_FEW and cell.lstrip("+-").isdigit() and abs(int(cell)) > EXACT_MAX


def is_number(cell: str) -> bool:
    """Say whether a value is a number as every program reads it."""
    try:
        return cell.isascii() and "_" not in cell and abs(float(cell)) <= NUMBER_MAX
    except ValueError:
        return False


def is_date(cell: str) -> bool:
    """Say whether a value is a day in the form YYYY-MM-DD."""
    if not (len(cell) == 10 and cell[4] == cell[7] == "-" and cell.isascii()):
        return False
    try:
        datetime.date.fromisoformat(cell)
    except ValueError:
        return False
    return True


def decimals_of(cell: str) -> int:
    """Return how many decimal places a number is written with."""
    if "e" not in cell.lower():
        return len(cell.partition(".")[2])
    exponent = Decimal(cell).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def decimals_of_numbers(numbers: np.ndarray[Any, np.dtype[np.float64]], least: int = 0) -> int:
    """Return how many decimal places are needed to write all of these numbers, and `least` at least."""
    for places in range(least, _DECIMALS_MAX):
        if bool((np.round(numbers, places) == numbers).all()):
            return places
    return _DECIMALS_MAX


def written(cells: Iterable[Any]) -> list[str | None]:
    """Return values of mixed types as text, None for a missing one: what a sheet or a list of objects holds."""
    return [None if cell is None else _written(cell) for cell in cells]


def _written(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float) and abs(cell) < 1e15 and cell == int(cell):
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return cell.isoformat() if isinstance(cell, datetime.date | datetime.time) else str(cell)


def text_column(name: str, cells: Sequence[str | None], **facts: Any) -> Column:
    """Make a column of values as they are written."""
    return column_of_text(name, pa.chunked_array([pa.array(cells, type=pa.string())]), **facts)


def _coded(cells: Cells) -> pa.DictionaryArray:
    joined = _joined(cells)
    encoded = joined if pa.types.is_dictionary(joined.type) else joined.dictionary_encode()
    whole = encoded.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], type=encoded.type)
    assert isinstance(whole, pa.DictionaryArray)
    return whole


def _begins_as_text(cells: Cells) -> bool:
    present = [one.strip() for one in cells.slice(0, _MANY).to_pylist() if one is not None]
    return any(one not in MISSING and not is_number(one) and not is_date(one) for one in present)


def is_plainly_text(cells: Cells) -> bool:
    """Say whether a long column is text for one of its first values."""
    return len(cells) > _MANY and not pa.types.is_dictionary(cells.type) and _begins_as_text(cells)


def repeats(cells: Cells) -> bool:
    """Say whether there are few different texts at the beginning of a column."""
    some = cells.slice(0, _MANY)
    return 2 * len(pc.unique(some)) < len(some)


def _compact(cells: Cells) -> Cells:
    """Return texts as numbers of a list."""
    return shortened(_joined(cells).dictionary_encode())


def shortened(cells: Cells) -> Cells:
    """Return numbers of a list in the smallest type that holds them."""
    whole = _coded(cells)
    kind = next(kind for kind in _INTEGERS if len(whole.dictionary) <= 2 ** (kind.bit_width - 1))
    return pa.chunked_array([pa.DictionaryArray.from_arrays(whole.indices.cast(kind), whole.dictionary)])


def _joined(cells: Cells) -> Cells:
    # Encoding piece by piece would make a list for each piece.
    joined = cells.combine_chunks()
    return joined if isinstance(joined, pa.ChunkedArray) else pa.chunked_array([joined])


def _taken(coded: pa.DictionaryArray, values: pa.Array) -> Cells:
    if pa.types.is_string(values.type) and 2 * len(values) < len(coded):
        # Few different texts stand as numbers of a short list.
        texts = pa.DictionaryArray.from_arrays(coded.indices, values)
        if values.null_count:
            texts = texts.cast(pa.string()).dictionary_encode()
        return shortened(pa.chunked_array([texts]))
    return pa.chunked_array([values.take(coded.indices)])


def emptied(cells: Cells) -> Cells:
    """Return texts without blanks around them, and null where what is left stands for a missing one."""
    trimmed = pc.utf8_trim_whitespace(cells)
    return pc.if_else(pc.is_in(trimmed, value_set=_GONE), None, trimmed)
