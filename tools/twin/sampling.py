"""The rows that the twin of a table on the disk is made from: a sample, of whole persons, that fits into the memory.

A twin is there to try programs on; a smaller one serves as well, and k holds more strictly for a part of the data than
for all of them. A table in memory is taken as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from counterproof.tools.data import Column, Table
from counterproof.tools.twin.subjects import subject_column_of

CELLS_MAX = 2_000_000
"""The sample has no more cells; a twin is text while it is made, and a cell takes sixty bytes."""
Ints = NDArray[np.int64]


def sampled(table: Table, hidden: set[str], random: np.random.Generator, *, subject: str = "") -> Table:
    """Return a table of some of the rows, in memory; the table itself where it is in memory.

    Args:
        table: the data.
        hidden: columns that may identify a person.
        random: chooses the rows.
        subject: the column by which persons are counted; "" where nobody said.
    """
    most = max(1, CELLS_MAX // len(table.columns))
    if not table.on_disk:
        return table
    rows = np.arange(table.rows)
    if table.rows > most:
        who = subject_column_of(table, hidden, subject)
        rows = random.choice(table.rows, most, replace=False) if who is None else _of_persons(who, most, random)
    rows.sort()
    columns = tuple(column.taken(rows) for column in table.columns)
    return replace(table, columns=columns, rows=len(rows), on_disk=False)


def _of_persons(subject: Column, most: int, random: np.random.Generator) -> Ints:
    """Return the rows of some persons: as many of them as have no more rows together, and one at least."""
    numbers = subject.numbered().cells.fill_null(-1)
    who = np.concatenate([chunk.to_numpy() for chunk in numbers.chunks]) + 1
    sizes = np.bincount(who)
    order = random.permutation(len(sizes))
    chosen = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")))]
    return np.flatnonzero(np.isin(who, chosen))
