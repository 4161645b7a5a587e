"""Sums and means worked out again from the data, so that the persons behind a cell can be looked at.

A table does not say whose values a cell adds up. Where a column of it equals, group by group, the sum or the mean of a
column of the data over the levels of another, the contributions are known: dominance and the number of persons are
looked at there.

It does not cover groups by two columns at once, or values that the program worked out first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.tools.data import Column, Table
from counterproof.tools.disclosure import dominance
from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.profile import K, is_coded

CHECK = "persons behind a cell"
_RTOL = 1e-3
Floats = NDArray[np.float64]


def in_table(cells: Cells, tables: Sequence[Table]) -> list[DisclosureFinding]:
    """Look for columns that are sums or means of a column of the data by group."""
    numeric = {at: values for at in range(len(cells.header)) if (values := cells.numbers(at))}
    found = []
    for label in cells.labels:
        names = [_plain(cell) for cell in cells.column(label)]
        for table in tables:
            for group in (column for column in table.columns if is_coded(column)):
                levels = group.values.map(_plain, na_action="ignore")
                if set(names) & set(levels.dropna()):
                    found += _by(cells, names, levels, table, numeric)
    return list(dict.fromkeys(found))


def _by(
    cells: Cells, names: list[str], levels: pd.Series, table: Table, numeric: dict[int, list[float]]
) -> list[DisclosureFinding]:
    found = []
    for column in table.columns:
        if column.kind not in ("integer", "number"):
            continue
        behind = [_values(column, levels, name) for name in names]
        for at, shown in numeric.items():
            for statistic in (np.sum, np.mean):
                there = [of for of in behind if len(of)]
                same = [
                    np.isclose(statistic(of), value, rtol=_RTOL, atol=0)
                    for of, value in zip(behind, shown, strict=True)
                    if len(of)
                ]
                if len(there) and all(same):
                    found += _look(cells, at, names, behind)
    return found


def _look(cells: Cells, at: int, names: list[str], behind: list[Floats]) -> list[DisclosureFinding]:
    found = []
    for name, of in zip(names, behind, strict=True):
        place = f"{name[:60]}, {cells.header[at][:60]}"
        if 0 < len(of) < K:
            text = f"{place}: {len(of)} persons, fewer than {K}"
            found.append(DisclosureFinding(check=CHECK, text=text, suggestion="merge"))
        if len(of):
            found += dominance.in_cell(place, of)
    return found


def _values(column: Column, levels: pd.Series, name: str) -> Floats:
    return column.values[levels == name].dropna().to_numpy(dtype="float64")


def _plain(value: object) -> str:
    try:
        return repr(float(str(value)))
    except ValueError:
        return str(value).strip()
