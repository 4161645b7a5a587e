"""Makers that are bad on purpose, and the metric that must catch each: the self-test of a card.

A card on which one of these goes through unflagged says nothing about any other maker on that table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from counterproof.tools.data import Column, Table
from counterproof.tools.profile import K
from counterproof.tools.synth.splitting import take

Bad = Callable[[Table, Table, np.random.Generator], Table]


@dataclass(frozen=True, kw_only=True)
class Control:
    """A bad maker.

    Attributes:
        make: makes a table from training rows and rows of a sound maker.
        caught_by: the metric that must be flagged.
    """

    make: Bad
    caught_by: str


def copied(train: Table, _sound: Table, _random: np.random.Generator) -> Table:
    """Return the training rows."""
    return take(train, np.arange(train.rows))


def shuffled(train: Table, _sound: Table, random: np.random.Generator) -> Table:
    """Return the training rows with each column in an order of its own."""
    columns = []
    for column in train.columns:
        moved = take(_alone(train, column), random.permutation(train.rows)).columns[0]
        columns.append(moved)
    return _with(train, columns, train.rows)


def leaking(train: Table, sound: Table, random: np.random.Generator) -> Table:
    """Return sound rows, into which the rare values of the training rows are written."""
    columns = []
    by_name = {column.name: column for column in sound.columns}
    for column in train.columns:
        values = by_name[column.name].values.copy()
        rare = _rare(column)
        places = random.choice(sound.rows, min(len(rare), sound.rows), replace=False)
        for place, value in zip(places.tolist(), rare, strict=False):
            values.iloc[place] = value
        columns.append(Column(name=column.name, kind=column.kind, values=values, decimals=column.decimals))
    return _with(sound, columns, sound.rows)


def collapsed(train: Table, _sound: Table, random: np.random.Generator) -> Table:
    """Return one of three training rows, again and again."""
    few = random.choice(train.rows, 3, replace=False)
    return take(train, random.choice(few, train.rows))


CONTROLS: Mapping[str, Control] = {
    "copies real rows": Control(make=copied, caught_by="privacy.exact_rows"),
    "shuffles columns": Control(make=shuffled, caught_by="fidelity.association_kept"),
    "leaks rare values": Control(make=leaking, caught_by="privacy.rare_values"),
    "collapses to the mode": Control(make=collapsed, caught_by="diversity.entropy"),
}


def _alone(table: Table, column: Column) -> Table:
    return _with(table, [column], table.rows)


def _with(table: Table, columns: list[Column], rows: int) -> Table:
    return Table(
        name=table.name,
        sha256=table.sha256,
        size=table.size,
        separator=table.separator,
        columns=tuple(columns),
        rows=rows,
    )


def _rare(column: Column) -> list[object]:
    values = column.values.dropna()
    if column.kind in ("integer", "number"):
        ordered = np.sort(values.to_numpy(dtype="float64"))
        return [*ordered[: K - 1].tolist(), *ordered[len(ordered) - K + 1 :].tolist()]
    counts = values.value_counts()
    return counts.index[counts < K].tolist()
