"""No row of the twin is a row of the real data.

Two rows are the same when all values that are there are the same. Such a row of the twin gets one other value in one
column, until it is nobody's. Rows of few values are left: that somebody has them is chance, and tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterproof.tools.data import Column, Table
from counterproof.tools.twin.columns import DECIMALS_MAX, Classes, Form, Numbers, written

VALUES_MIN = 5
"""Fewest values of a row that is looked at."""
_TRIES = 50
Cells = dict[str, list[str]]


def change_copies(cells: Cells, table: Table, forms: Mapping[str, Form | None], random: np.random.Generator) -> None:
    """Change rows that equal a real one, in place."""
    changeable = [column for column in table.columns if isinstance(forms.get(column.name), Classes | Numbers)]
    if len(table.columns) < VALUES_MIN or not changeable:
        return
    real = {name: _texts(column) for name, column in ((column.name, column) for column in table.columns)}
    known = set(_hashes(real))
    _change(cells, changeable, random, lambda: [at for at, hashed in enumerate(_hashes(cells)) if hashed in known])


def change_copies_of_all(
    cells: Cells, table: Table, forms: Mapping[str, Form | None], random: np.random.Generator
) -> None:
    """Change rows that equal one of a table of which only a part is in memory, in place."""
    changeable = [column for column in table.columns if isinstance(forms.get(column.name), Classes | Numbers)]
    if len(table.columns) < VALUES_MIN or not changeable:
        return
    seen = _Seen(cells, table)
    _change(cells, changeable, random, lambda: seen.copies(cells))


def _change(
    cells: Cells, changeable: list[Column], random: np.random.Generator, copies: Callable[[], list[int]]
) -> None:
    for _ in range(_TRIES):
        found = [at for at in copies() if _many(cells, at)]
        if not found:
            return
        for at in found:
            column = changeable[int(random.integers(len(changeable)))]
            cells[column.name][at] = _other(cells[column.name], at, random)


class _Seen:
    """The rows of a table whose values all stand in a twin, each as one hash.

    A row of the twin is changed to a value of another row of it, so no other rows can become copies. Numbers of many
    decimals are compared as floats of 32 bits: rather one row too many is changed.

    Args:
        cells: the twin.
        table: the data; column after column, with a few bytes a row.
    """

    def __init__(self, cells: Cells, table: Table) -> None:
        self._columns = table.columns
        self._numbers: list[dict[str, int]] = []
        rows, hashes = np.arange(table.rows), np.zeros(table.rows, dtype=np.uint64)
        for column in table.columns:
            written = sorted(set(cells[column.name]) - {""})
            values = _comparable(column, pa.array(written, type=pa.string()))
            numbers = pc.index_in(values, value_set=values).to_pylist()
            self._numbers.append({"": len(written), **dict(zip(written, numbers, strict=True))})
            found = np.concatenate([_places(column, chunk, values) for chunk in column.cells.chunks])[rows]
            rows, hashes = rows[found >= 0], _followed(hashes[found >= 0], found[found >= 0])
        self._hashes = np.unique(hashes)

    def copies(self, cells: Cells) -> list[int]:
        """Return which rows of the twin are one of the table's."""
        hashes = np.zeros(len(cells[self._columns[0].name]), dtype=np.uint64)
        for column, numbers in zip(self._columns, self._numbers, strict=True):
            hashes = _followed(hashes, np.array([numbers[cell] for cell in cells[column.name]], dtype=np.int64))
        return [int(at) for at in np.flatnonzero(np.isin(hashes, self._hashes))]


def _places(column: Column, chunk: pa.Array, values: pa.Array) -> NDArray[np.int64]:
    """Return which of the values each cell is: behind the last one for a missing cell, -1 for none of them."""
    place = pc.fill_null(pc.index_in(_comparable(column, chunk), value_set=values), -1)
    return np.asarray(pc.if_else(chunk.is_null(), len(values), place).to_numpy(zero_copy_only=False), dtype=np.int64)


def _comparable(column: Column, values: pa.Array) -> pa.Array:
    """Return values, or texts of them, so that equal ones are the same."""
    if column.kind in ("text", "date"):
        return values.cast(pa.string())
    return values.cast(pa.float64()).cast(pa.float32() if column.decimals > DECIMALS_MAX else pa.float64(), safe=False)


def _followed(hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        mixed = (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
        return mixed + values.astype(np.uint64) + np.uint64(1)


def _other(cells: list[str], at: int, random: np.random.Generator) -> str:
    """Return the value of another row; an empty cell stays empty."""
    return cells[int(random.integers(len(cells)))] or cells[at] if cells[at] else ""


def _many(cells: Cells, at: int) -> bool:
    return sum(bool(column[at]) for column in cells.values()) >= VALUES_MIN


def _hashes(cells: Mapping[str, list[str]]) -> list[int]:
    return [hash(row) for row in zip(*cells.values(), strict=True)]


def _texts(column: Column) -> list[str]:
    """Return a real column as the twin would write it."""
    missing = column.values.isna().to_numpy()
    if column.kind in ("text", "date"):
        return ["" if gone else str(value) for value, gone in zip(column.values, missing, strict=True)]
    texts = iter(written(column.values.to_numpy()[~missing], column))
    return ["" if gone else next(texts) for gone in missing.tolist()]
