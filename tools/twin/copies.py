"""No row of the twin is a row of the real data.

Two rows are the same when all values that are there are the same. Such a row of the twin gets one other value in one
column, until it is nobody's. Rows of few values are left: that somebody has them is chance, and tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from counterproof.tools.data import Column, Table
from counterproof.tools.twin.columns import Classes, Form, Numbers, written

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
    for _ in range(_TRIES):
        found = [at for at, hashed in enumerate(_hashes(cells)) if hashed in known and _many(cells, at)]
        if not found:
            return
        for at in found:
            column = changeable[int(random.integers(len(changeable)))]
            cells[column.name][at] = _other(cells[column.name], at, random)


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
