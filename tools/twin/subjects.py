"""Repeated rows of one subject: which rows of the real data belong together, and how many each made-up subject has.

A column that identifies subjects repeats. The twin has as many subjects and rows; each subject has as many rows as some
real one, within what at least `k` subjects have; a column that never changes within a subject does not change there
either, and one that always rises there (a visit, a day) rises.

It does not cover rows of one subject in several files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.tools.data import Column, Table
from counterproof.tools.twin.columns import Numbers, bins_of, drawn, form_of, written

POSITION = "position within the subject"
_POSITIONS_MAX = 30
_REPEATED_MIN = 1.5
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Subjects:
    """Who has which row.

    Attributes:
        column: the column that identifies subjects; None where each row is one.
        real: shape (rows,); number of the subject of each row of the data.
        made: the same of the twin, where the rows of a subject stand together.
        first: shape (rows,); the first row of a twin row's subject.
        k: fewest subjects behind anything that shows.
    """

    column: str | None
    real: Ints
    made: Ints
    first: Ints
    k: int

    @property
    def persons(self) -> Ints | None:
        """Which rows of the data are of one person; None where each is of another."""
        return self.real if self.column else None

    def alike(self, values: Floats) -> Floats:
        """Give each row the value of its subject's first."""
        return values[self.first] if self.column else values

    def constant(self, values: pd.Series) -> bool:
        """Say whether real values never change within a subject."""
        if self.column is None:
            return False
        codes = pd.Series(pd.factorize(values)[0])
        return bool((codes.groupby(self.real).nunique() <= 1).all())

    def orders(self, values: pd.Series) -> bool:
        """Say whether real values always rise within a subject, in the order of the rows."""
        if self.column is None or values.isna().any():
            return False
        order = np.argsort(self.real, kind="stable")
        value, who = values.to_numpy()[order], self.real[order]
        return bool((np.diff(value)[np.diff(who) == 0] > 0).all())

    def ordered(self, values: Floats, step: float) -> Floats:
        """Let drawn values rise within each subject by at least a step."""
        out: Floats = values[np.lexsort((values, self.made))]
        at = np.arange(len(out)) - self.first
        for place in range(1, int(at.max()) + 1):
            rows = np.flatnonzero(at == place)
            out[rows] = np.maximum(out[rows], out[rows - 1] + (step or 1e-6))
        return out

    def predictors(self) -> list[tuple[str, Ints, Ints]]:
        """Return the columns that trees may split by beside those of the data, real and made."""
        if self.column is None:
            return []
        order = np.argsort(self.real, kind="stable")
        where = np.empty(len(order), dtype=np.int64)
        where[order] = _place(self.real[order])
        made = np.arange(len(self.made)) - self.first
        return [(POSITION, np.minimum(where, _POSITIONS_MAX) + 1, np.minimum(made, _POSITIONS_MAX) + 1)]

    def level(self, column: Column, values: Floats, random: np.random.Generator) -> tuple[Ints, Ints] | None:
        """Draw for each subject how high its values are as a whole, so that its rows resemble each other."""
        if self.column is None or column.kind not in ("integer", "number"):
            return None
        means = pd.Series(values).groupby(self.real).mean()
        named = Column(name=column.name, kind="number", values=means.reset_index(drop=True), decimals=9)
        form = form_of(named, named.values, None, k=self.k)
        if not isinstance(form, Numbers):
            return None
        mine = np.clip(means.to_numpy(), form.low, form.high)
        drawn_ = drawn(form, random.choice(mine[~np.isnan(mine)], len(values)), random)
        return bins_of(form, mine[self.real]), bins_of(form, self.alike(drawn_))

    def made_up(self, column: Column, *, missing: NDArray[np.bool_]) -> list[str]:
        """Make values up from nothing but the column's kind and how many different ones it holds."""
        rows = len(self.real)
        if self.column is not None and (column.name == self.column or self.constant(column.values)):
            numbers = self.made
        else:
            numbers = np.arange(rows) % max(1, column.values.nunique())
        texts = _labels(column, numbers)
        return ["" if gone else text for text, gone in zip(texts, missing.tolist(), strict=True)]


def subjects_of(table: Table, hidden: set[str], random: np.random.Generator, *, k: int, subject: str = "") -> Subjects:
    """Find the column that identifies subjects, and lay out the rows of the twin's subjects."""
    rows = table.rows
    column = subject_column_of(table, hidden, subject)
    if column is None:
        return Subjects(column=None, real=np.arange(rows), made=np.arange(rows), first=np.arange(rows), k=k)
    # Rows of nobody known may all be of one person: k then holds all the more.
    real = pd.factorize(column.values, use_na_sentinel=False)[0].astype(np.int64)
    sizes = np.bincount(real)
    made = np.repeat(np.arange(len(sizes)), _sizes(sizes, random, k=k))
    return Subjects(column=column.name, real=real, made=made, first=np.arange(rows) - _place(made), k=k)


def subject_column_of(table: Table, hidden: set[str], subject: str = "") -> Column | None:
    """Return the column that identifies subjects by repeating itself; None where each row is one.

    Args:
        table: the data.
        hidden: columns that may identify a person.
        subject: the column that was named for it, however it looks; "" to find it among `hidden`.
    """
    if subject:
        named = next(column for column in table.columns if column.name == subject)
        return named if named.distinct() < table.rows else None
    found = [
        (column.distinct(), -at, column)
        for at, column in enumerate(table.columns)
        if column.name in hidden and column.kind in ("text", "integer") and not column.missing
    ]
    found = [entry for entry in found if 2 <= entry[0] <= table.rows / _REPEATED_MIN]
    return max(found, key=lambda entry: entry[:2])[2] if found else None


def _sizes(sizes: Ints, random: np.random.Generator, *, k: int) -> Ints:
    """Return how many rows each made-up subject has; extremes are brought to what k subjects have."""
    ordered, rows = np.sort(sizes), int(sizes.sum())
    edge = min(k, (len(sizes) + 1) // 2) - 1
    made = random.permutation(np.clip(sizes, ordered[edge], ordered[-1 - edge]))
    at = 0
    while (short := rows - int(made.sum())) != 0:
        here = at % len(made)
        made[here] += 1 if short > 0 else -int(made[here] > 1)
        at += 1
    return made


def _place(who: Ints) -> Ints:
    """Return the position of each row within its subject, where the rows of a subject stand together."""
    begins = np.flatnonzero(np.diff(who, prepend=who[0] - 1))
    return np.arange(len(who)) - np.repeat(begins, np.diff(np.append(begins, len(who))))


def _labels(column: Column, numbers: Ints) -> list[str]:
    if column.kind == "date":
        days = pd.date_range("1800-01-01", periods=3650, freq="D").strftime("%Y-%m-%d")
        return [str(days[at % len(days)]) for at in numbers.tolist()]
    if column.kind == "text":
        return [f"SYNTHETIC-{at + 1:06d}" for at in numbers.tolist()]
    if column.kind == "number":
        return [f"{at + 1}.5" for at in numbers.tolist()]
    # Beyond all real numbers, so that no made-up identifier is somebody's.
    largest = column.values.abs().max()
    base = 9 * 10 ** len(str(int(largest))) if largest == largest and largest < 1e14 else 0
    return written((numbers + base + 1).astype(np.float64), column)
