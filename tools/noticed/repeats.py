"""Several rows a person, and rows that stand twice."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from counterproof.tools.data import Column, Table
from counterproof.tools.noticed.noticed import Behind, Noticed

_SLICE = 2**20
_ROOM = 1000
"""The columns can tell persons apart where they could tell apart so many times more; as in the check on duplicates."""


def repeated_rows(subject: Column | None, behind: Behind) -> list[Noticed]:
    """Return whether persons have several rows each."""
    if subject is None:
        return []
    sizes = subject.values.value_counts()
    several = int((sizes > 1).sum())
    if not several:
        return []
    if several < behind.rules.k:
        text = f"some persons have several rows, {behind.few}: rows are not independent"
    else:
        text = f"several rows a person (median {sizes.median():g}): rows are not independent"
    return [Noticed(kind="repeated rows", columns=(subject.name,), text=text)]


def duplicate_rows(table: Table, subject: Column | None, behind: Behind) -> list[Noticed]:
    """Return whether rows equal another in every column, where the columns can tell persons apart."""
    hashes = _hashes(table)
    if hashes.n_unique() == table.rows:
        return []
    room = 1.0
    for column in table.columns:
        room *= max(1, column.distinct())
    if subject is None and room <= _ROOM * table.rows:
        return []
    twice = ~np.asarray(hashes.is_first_distinct().to_numpy(), dtype=np.bool_)
    text = f"rows that equal another one in every column: {behind.share(twice)}"
    return [Noticed(kind="duplicate rows", columns=(), text=text)]


def _hashes(table: Table) -> pl.Series:
    """Return a hash of each row; column after column, so that no second form of the whole table stands beside it."""
    hashes = pl.Series(np.zeros(table.rows, dtype=np.uint64))
    for column in table.columns:
        cells, parts = column.cells, list[pl.Series]()
        size = max(1, len(cells)) if pa.types.is_dictionary(cells.type) else _SLICE  # a list of texts is hashed at once
        for at in range(0, len(cells), size):
            here = pl.from_arrow(cells.slice(at, size))
            parts.append(pl.DataFrame({"before": hashes.slice(at, size), "here": here}).hash_rows())
        hashes = pl.concat(parts)
    return hashes
