"""A hold-out: real rows that a maker does not see, so that a card can tell learning from copying.

All rows of one subject stay on one side. The split follows from the digest of the file and a seed, so that a card can
find the same rows again without a list of them. For a maker with differential privacy it follows from the number of
rows and the seed alone: with the digest, one person's row would decide on which side all others stand.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Column, Table
from counterproof.tools.twin.subjects import subject_column_of

SHARE = 0.3


@dataclass(frozen=True, kw_only=True)
class Split:
    """Both sides of a real table."""

    train: Table
    holdout: Table


def split(
    table: Table, *, share: float, seed: int, hidden: Collection[str], subject: str = "", blind: bool = False
) -> Split:
    """Split a table.

    Args:
        table: real rows.
        share: of the rows, or subjects, that are held out.
        seed: of the draw.
        hidden: columns that may identify a person; one that repeats tells subjects apart.
        subject: the column that was named for that; "" to find it among them.
        blind: split by the place of the rows alone, each a subject, whatever they hold.

    Raises:
        UsageError: the share leaves a side empty.
    """
    subjects = np.arange(table.rows) if blind else _subjects(table, hidden, subject)
    people = np.unique(subjects)
    held = round(share * len(people))
    if not 0 < held < len(people):
        raise UsageError(
            f"A hold-out of {share:g} of {len(people)} subjects leaves a side empty.", allowed="Between 0.1 and 0.9."
        )
    random = np.random.default_rng([table.rows if blind else int(table.sha256[:16], 16), seed])
    out = np.isin(subjects, random.choice(people, held, replace=False))
    return Split(train=take(table, np.flatnonzero(~out)), holdout=take(table, np.flatnonzero(out)))


def take(table: Table, rows: NDArray[np.int64], *, then: Table | None = None) -> Table:
    """Return some rows of a table, perhaps with all rows of another one behind them.

    Raises:
        UsageError: the other one lacks a column.
    """
    columns = []
    others = {column.name: column for column in then.columns} if then else {}
    for column in table.columns:
        cells = column.cells.take(pa.array(rows))
        if then is not None:
            if column.name not in others:
                raise UsageError(
                    f"{then.name} lacks the column {column.name!r}.", advice="Give rows of the same table."
                )
            more = others[column.name].cells
            cells = pa.chunked_array([*cells.chunks, *more.cast(cells.type).chunks], type=cells.type)
        columns.append(
            Column(
                name=column.name,
                kind=column.kind,
                values=cells,
                decimals=column.decimals,
                label=column.label,
                codes=column.codes,
                user_missing=column.user_missing,
            )
        )
    count = len(rows) + (then.rows if then else 0)
    return Table(
        name=table.name,
        sha256=table.sha256,
        size=table.size,
        separator=table.separator,
        columns=tuple(columns),
        rows=count,
        form=table.form,
    )


def _subjects(table: Table, hidden: Collection[str], subject: str) -> NDArray[np.int64]:
    """Return a number for each row's subject: by the identifying column that repeats, else each row is one."""
    column = subject_column_of(table, set(hidden), subject)
    if column is None:
        return np.arange(table.rows)
    return pd.factorize(column.values, use_na_sentinel=False)[0].astype(np.int64)
