"""Making a twin: one column after the other, each by a tree over the columns before it.

Nothing of one person is copied. Leaves hold at least `trees.LEAF` rows, and k; what a column may show is set by
`columns`; identifiers are made up, with the repetitions of the real ones (`subjects`); dates of persons are moved as a
whole into the nineteenth century, where no patient's date is; awkward cases are planted (`awkward`); and a row that
would equal a real one is changed (`copies`).

The same table, findings and k give the same bytes on every machine: counts are whole numbers, and no linear algebra
is done.

It does not cover text beyond categories: free text is made up.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.provenance.marks import CARD_COLUMN, MARK
from counterproof.tools.data import Column, Table
from counterproof.tools.identifiers import Finding, subject_among
from counterproof.tools.profile import K
from counterproof.tools.twin.awkward import plant
from counterproof.tools.twin.columns import (
    Classes,
    Form,
    Numbers,
    Spread,
    allowed,
    bins_of,
    codes_of,
    day_numbers,
    drawn,
    form_of,
    snapped,
    written,
    written_days,
)
from counterproof.tools.twin.copies import change_copies, change_copies_of_all
from counterproof.tools.twin.relations import Relation, find_relation
from counterproof.tools.twin.sampling import sampled
from counterproof.tools.twin.subjects import subjects_of
from counterproof.tools.twin.trees import LEAF, grow, ranks

ENGINE = "sequential CART, smoothed"
VERSION = 2
"""Counts up whenever the same table would get another twin."""
_TRAINING_MAX = 20_000
_PREDICTORS_MAX = 24
_RELATED_MAX = 200
"""So many columns keep their relations; those after them are drawn alone."""
_OWN = "how high a subject's values are"
_EPOCH = np.datetime64("1970-01-01", "D")
_MOVED = float((np.datetime64("1800-01-01", "D") - _EPOCH).astype(np.int64))
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Twin:
    """A twin and how it was made.

    Attributes:
        data: delimited text, marked in every row.
        facts: JSON-able, without a value of the data: `engine` and its `version`, `seed` (where the draws begin), `k`
            (fewest persons behind anything that shows), `epsilon` (of differential privacy; None without), `protects`
            (what epsilon holds for), `made` (how each column was made).
    """

    data: bytes
    facts: dict[str, Any]


def make_twin(table: Table, findings: list[Finding]) -> bytes:
    """Return the twin of a table as delimited text; see `build_twin`."""
    return build_twin(table, findings).data


def build_twin(table: Table, findings: list[Finding], *, k: int = K, seed: int | None = None) -> Twin:
    """Make the twin of a table; the same table, findings, k and seed give the same bytes.

    It has as many rows; that of a table on the disk has as many as the sample that it is made from (`sampling`).

    Args:
        table: the real data, on the secure side.
        findings: columns that may identify a person; their twins are made up. By the one that tells persons apart they
            are counted; where none does, by one that repeats.
        k: fewest persons behind anything that shows.
        seed: of the draws; None for one that follows from the digest of the table.

    Raises:
        UsageError: the table carries the mark, so it is a twin itself.
    """
    check_real(table)
    random = np.random.default_rng(int(table.sha256[:16], 16) if seed is None else seed)
    hidden, subject = {finding.column for finding in findings}, subject_among(findings)
    some = sampled(table, hidden, random, subject=subject)
    work = _Work(table=some, k=k, hidden=hidden, subject=subject, random=random)
    cells = work.cells()
    if some.rows < table.rows:
        work.how = {name: f"{how}, from a sample of the rows" for name, how in work.how.items()}
        change_copies_of_all(cells, table, work.forms, random)
    facts = {
        "engine": ENGINE,
        "version": VERSION,
        "seed": "the first 64 bits of the file's SHA-256" if seed is None else str(seed),
        "k": k,
        "epsilon": None,
        "protects": "",
        "made": grouped({column.name: work.how[column.name] for column in table.columns}),
    }
    return Twin(data=marked(cells, some), facts=facts)


def check_real(table: Table) -> None:
    """Check that a table may have a twin.

    Raises:
        UsageError: it carries the mark, so it is a twin itself.
    """
    marks = [column.name for column in table.columns if column.name in (MARK, CARD_COLUMN)]
    if marks:
        raise UsageError(
            f"{table.name} has a column {marks[0]!r}: it is synthetic.",
            allowed="A study's data set must be real.",
            advice="Give the file that this twin was made from.",
        )


def grouped(how: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return how columns were made, each way once with its columns, in the order of the first of them."""
    made: dict[str, list[str]] = {}
    for name, one in how.items():
        made.setdefault(one, []).append(name)
    return [{"how": one, "columns": names} for one, names in made.items()]


@dataclass(kw_only=True)
class _Work:
    """One twin in the making.

    Attributes:
        table: the real data.
        k: fewest persons behind anything that shows.
        hidden: names of the columns that may identify a person.
        subject: the one by which persons are counted; "" where nobody said.
        random: all chance comes from here.
        how: how each column was made.
        made: what was drawn for each column so far: class numbers or numbers, NaN for a missing one.
        exact: the real numbers, dates as they are moved.
        forms: what may show.
        bins: each column as a predictor, real and made.
        nominal: predictors whose bins have no order.
        dates: the columns of dates so far.
        moved: by how many days the dates of a column are moved.
    """

    table: Table
    k: int
    hidden: set[str]
    subject: str
    random: np.random.Generator
    how: dict[str, str] = field(default_factory=dict)
    made: dict[str, Floats] = field(default_factory=dict)
    exact: dict[str, Floats] = field(default_factory=dict)
    forms: dict[str, Form | None] = field(default_factory=dict)
    bins: dict[str, tuple[Ints, Ints]] = field(default_factory=dict)
    nominal: set[str] = field(default_factory=set)
    dates: list[str] = field(default_factory=list)
    moved: dict[str, float] = field(default_factory=dict)

    @property
    def leaf(self) -> int:
        """Fewest rows of a leaf."""
        return max(LEAF, self.k)

    def cells(self) -> dict[str, list[str]]:
        """Return the written cells of each column."""
        self.subjects = subjects_of(self.table, self.hidden, self.random, k=self.k, subject=self.subject)
        for name, real, made in self.subjects.predictors():
            self._predict_from(name, real, made)
        moved = self._move()
        for at, column in enumerate(self.table.columns):
            if column.name in self.hidden and column.kind != "date":
                self.how[column.name] = "made up"
                continue
            self._column(column, related=at < _RELATED_MAX, moved=moved if column.name in self.hidden else 0.0)
        cells = {column.name: self._written(column) for column in self.table.columns}
        plant(cells, self.table, self.forms, self.subjects, self.random)
        change_copies(cells, self.table, self.forms, self.random)
        return cells

    def _move(self) -> float:
        """Return by how many days dates that may identify a person are moved, so that the first is in 1800."""
        first = [
            float(np.nanmin(day_numbers(column)))
            for column in self.table.columns
            if column.kind == "date" and column.name in self.hidden
        ]
        # The months of chance keep the first date from being worked out.
        return _MOVED + float(self.random.integers(0, 365)) - min(first) if first else 0.0

    def _column(self, column: Column, *, related: bool, moved: float) -> None:
        values = pd.Series(day_numbers(column)) if column.kind == "date" else column.values
        persons, rows = self.subjects.persons, self.table.rows
        constant = self.subjects.constant(values)
        form = form_of(column, values, persons, k=self.k)
        self.forms[column.name] = form
        numbers = values.to_numpy(dtype="float64") if column.kind != "text" else np.full(rows, np.nan)
        relation = find_relation(numbers, self.exact) if isinstance(form, Numbers) else None
        if column.kind != "text":
            self.exact[column.name] = numbers + moved
        if moved:
            self.moved[column.name] = moved
        if column.kind == "date":
            self.dates.append(column.name)
        if form is None:
            self.how[column.name] = "made up"
            return
        if isinstance(form, Spread):
            self.how[column.name] = "rounded mean and spread"
            made = snapped(self.random.normal(form.mean, form.deviation, rows), step=form.step, low=form.low)
            made[self._missing(np.isnan(numbers), related=False)] = np.nan
            self.made[column.name] = made
            return
        before = self._before(column, numbers) if related else None
        if before is not None and isinstance(form, Numbers):
            self.how[column.name] = f"days after {before}, by a tree"
            self._after(column, form, numbers, before, moved=moved)
            return
        if isinstance(form, Numbers) and relation is not None and relation.known(self.made):
            self.how[column.name] = f"worked out from {relation.left} and {relation.right}"
            self._worked_out(column, form, numbers, relation)
            return
        self.how[column.name] = "tree" if related else "alone"
        if isinstance(form, Classes):
            self._class(column, form, values, related=related, constant=constant)
        else:
            self._number(column, form, numbers, related=related, constant=constant)
        if moved:
            self.made[column.name] = self.made[column.name] + moved

    def _worked_out(self, column: Column, form: Numbers, numbers: Floats, relation: Relation) -> None:
        made = relation.of(self.made)
        made = snapped(made, step=form.step, low=form.low, high=form.high) if form.step else made
        made = np.where(np.isnan(made), np.nan, np.clip(made, form.low, form.high))
        empty = np.isnan(made)
        if not np.isnan(numbers).any() and empty.any():
            made[empty] = drawn(form, self.random.choice(allowed(form, numbers), int(empty.sum())), self.random)
        self.made[column.name] = made
        self._predict_from(column.name, bins_of(form, allowed(form, numbers)), bins_of(form, made))

    def _before(self, column: Column, numbers: Floats) -> str | None:
        """Return the nearest earlier column of dates that no date of this column comes before."""
        found = []
        for name in self.dates[:-1] if column.kind == "date" else []:
            apart = numbers - (self.exact[name] - self.moved.get(name, 0.0))
            present = apart[~np.isnan(apart)]
            if not np.isnan(self.exact[name]).any() and len(present) >= self.k and present.min() >= 0:
                found.append((float(np.median(present)), name))
        return min(found)[1] if found else None

    def _after(self, column: Column, form: Numbers, numbers: Floats, before: str, *, moved: float) -> None:
        """Draw how many days a date comes after another."""
        apart = numbers - (self.exact[before] - self.moved.get(before, 0.0))
        days = Column(name=column.name, kind="integer", values=pd.Series(apart))
        within = form_of(days, days.values, self.subjects.persons, k=self.k)
        if not isinstance(within, Numbers):
            self._number(column, form, numbers, related=True, constant=False)
            self.made[column.name] += moved
        else:
            self._number(days, within, apart, related=True, constant=self.subjects.constant(pd.Series(numbers)))
            made = self.made[before] + self.made[column.name]
            made = np.clip(made, form.low + moved, form.high + moved)
            self.made[column.name] = self._not_before(numbers + moved, made)
        self._predict_from(column.name, bins_of(form, numbers), bins_of(form, self.made[column.name] - moved))

    def _not_before(self, numbers: Floats, made: Floats) -> Floats:
        """Keep a date from coming before another one that it never comes before."""
        for name in self.dates[:-1]:
            apart = numbers - self.exact[name]
            present = apart[~np.isnan(apart)]
            if len(present) >= self.k and present.min() >= 0:
                made = np.where(np.isnan(made), made, np.fmax(made, self.made[name]))
        return made

    def _class(self, column: Column, form: Classes, values: pd.Series, *, related: bool, constant: bool) -> None:
        codes, rare = codes_of(values, self.subjects.persons, k=self.k)
        # Rare levels together are a class of their own, when enough persons have one.
        pooled = len(np.unique(self.subjects.real[rare > 0])) >= self.k
        if pooled or not form.common:
            codes = np.where(rare > 0, float(form.common), codes)
        elif form.common:
            free = np.flatnonzero(rare > 0)
            codes[free] = self.random.choice(codes[~np.isnan(codes)], len(free))
        missing = values.isna().to_numpy()
        gone = self._missing(missing, related=related, constant=constant)
        if missing.all():
            self.made[column.name] = np.full(len(missing), np.nan)
            return
        target = np.nan_to_num(codes).astype(np.int64)
        leaves, members = self._leaves(target, ~missing, form.common + 1, related=related)
        made = self._picked(leaves, members, constant=constant)
        out = codes[made]
        if pooled or not form.common:
            spread = out == form.common
            out[spread] += self.random.integers(0, max(form.rare, 1), int(spread.sum()))
        if self.subjects.orders(pd.Series(codes)):
            out = np.minimum(self.subjects.ordered(out, 1.0), float(form.common - 1))
        out[gone] = np.nan
        self.made[column.name] = out
        if not related:
            return
        capped = np.minimum(out, float(form.common))
        self._predict_from(column.name, bins_of(form, codes), bins_of(form, capped), nominal=column.kind == "text")

    def _number(self, column: Column, form: Numbers, numbers: Floats, *, related: bool, constant: bool) -> None:
        values = allowed(form, numbers)
        missing = np.isnan(values)
        gone = self._missing(missing, related=related, constant=constant)
        target = np.zeros(len(values), dtype=np.int64)
        target[~missing] = ranks(values[~missing])
        own = None if constant or not related else self.subjects.level(column, values, self.random)
        if own is not None:
            self._predict_from(_OWN, *own)
        leaves, members = self._leaves(target, ~missing, 0, related=related)
        self.bins.pop(_OWN, None)
        picked = self._picked(leaves, members, constant=constant)
        made = drawn(form, values[picked], self.random)
        if constant:
            made = self.subjects.alike(made)
        elif self.subjects.orders(pd.Series(numbers)):
            made = self.subjects.ordered(made, form.step)
        made[gone] = np.nan
        self.made[column.name] = made
        if related:
            self._predict_from(column.name, bins_of(form, values), bins_of(form, made))

    def _missing(self, missing: NDArray[np.bool_], *, related: bool, constant: bool = False) -> NDArray[np.bool_]:
        """Draw where values are missing: as the columns before say, when enough persons lack one."""
        rows = len(missing)
        if not missing.any():
            return missing.copy()
        if missing.all():
            return missing.copy()
        enough = min(len(np.unique(self.subjects.real[side])) for side in (missing, ~missing)) >= self.k
        leaves, members = self._leaves(missing.astype(np.int64), np.ones(rows, bool), 2, related=related and enough)
        gone: NDArray[np.bool_] = missing[self._picked(leaves, members, constant=constant)]
        if not gone.any():
            gone[int(self.random.integers(rows))] = True
        if gone.all():
            gone[int(self.random.integers(rows))] = False
        return gone

    def _leaves(
        self, target: Ints, use: NDArray[np.bool_], classes: int, *, related: bool
    ) -> tuple[Ints, tuple[Ints, Ints]]:
        """Grow a tree for a target, and return the leaf of each twin row with the real rows of each leaf.

        Returns:
            Leaves, shape (rows,); and as members the rows that were used, by leaf, with the leaf of each.
        """
        train = np.flatnonzero(use)
        if len(train) > _TRAINING_MAX:
            train = np.sort(self.random.choice(train, _TRAINING_MAX, replace=False))
        names = self._predictors(target, train) if related and len(train) >= 2 * self.leaf else []
        if not names:
            return np.zeros(self.table.rows, dtype=np.int64), (train, np.zeros(len(train), dtype=np.int64))
        real = np.stack([self.bins[name][0][train] for name in names])
        made = np.stack([self.bins[name][1] for name in names])
        nominal = np.array([name in self.nominal for name in names])
        tree = grow(real, target[train], classes=classes, nominal=nominal, leaf=self.leaf)
        own = tree.leaves(real)
        order = np.argsort(own, kind="stable")
        return tree.leaves(made), (train[order], own[order])

    def _predictors(self, target: Ints, train: Ints) -> list[str]:
        """Return the columns to split by: all of them, or those that go with the target most."""
        names = list(self.bins)
        if len(names) <= _PREDICTORS_MAX:
            return names
        score = target[train] - target[train].mean()
        strength = []
        for name in names:
            of = self.bins[name][0][train].astype(np.float64)
            of -= of.mean()
            norm = float((of**2).sum())
            strength.append(round(abs(float((of * score).sum())) / norm**0.5, 6) if norm else 0.0)
        best = sorted(range(len(names)), key=lambda at: (-strength[at], at))[:_PREDICTORS_MAX]
        return [names[at] for at in sorted(best)]

    def _picked(self, leaves: Ints, members: tuple[Ints, Ints], *, constant: bool) -> Ints:
        """Pick for each twin row a real row of its leaf, whose value is the model of what is drawn."""
        rows, own = members
        first = np.searchsorted(own, leaves, side="left")
        size = np.searchsorted(own, leaves, side="right") - first
        share = self.random.random(len(leaves))
        if constant:
            leaves_first, share = self.subjects.alike(first.astype(np.float64)), self.subjects.alike(share)
            first = leaves_first.astype(np.int64)
            size = self.subjects.alike(size.astype(np.float64)).astype(np.int64)
        picked: Ints = rows[first + np.minimum((share * size).astype(np.int64), size - 1)]
        return picked

    def _predict_from(self, name: str, real: Ints, made: Ints, *, nominal: bool = False) -> None:
        self.bins[name] = (real, made)
        if nominal:
            self.nominal.add(name)

    def _written(self, column: Column) -> list[str]:
        form, made = self.forms.get(column.name), self.made.get(column.name)
        if made is None:
            return self.subjects.made_up(column, missing=self._gaps(column))
        if isinstance(form, Classes):
            return ["" if code != code else form.names[int(code)] for code in made.tolist()]
        present = ~np.isnan(made)
        texts = iter(written_days(made[present]) if column.kind == "date" else written(made[present], column))
        return [next(texts) if there else "" for there in present.tolist()]

    def _gaps(self, column: Column) -> NDArray[np.bool_]:
        missing = column.values.isna().to_numpy()
        return missing[self.random.permutation(len(missing))] if missing.any() else missing


def marked(cells: dict[str, list[str]], table: Table) -> bytes:
    """Return the cells of a twin as delimited text like the table's, with the mark in every row."""
    cells = {**cells, MARK: ["1"] * max(len(column) for column in cells.values())}
    data = io.BytesIO()  # text in memory takes four times as much
    file = io.TextIOWrapper(data, encoding="utf-8", newline="")
    # csv of Python 3.11 writes a bare CR without quotes, and readers take it for the end of a row.
    returns = any("\r" in cell for name, column in cells.items() for cell in (name, *column))
    writer = csv.writer(
        file, delimiter=table.separator, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    )
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    file.detach()
    return data.getvalue()
