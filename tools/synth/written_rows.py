"""Rows that somebody wrote from a specification alone: what is asked for, and which rows are taken.

The specification names columns, levels that at least ten persons share (or as many as the policy says), and ranges from
the tenth smallest to the tenth largest value: what the profile shows at `metadata`. Columns that may identify a person,
dates and free text are not asked for; code makes them up.

A row is taken when every cell is one that the specification allows, every rule holds, and it equals no row that is
there already and no real one. It does not cover whether the rows together look like the data: that is for the card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from counterproof.tools.data import Column, Table, read_table
from counterproof.tools.profile import K, common_levels, is_coded, shown_range
from counterproof.tools.synth.makers.contract import Made, Order
from counterproof.tools.synth.makers.forms import cells_of, shown
from counterproof.tools.synth.marks import Cells, write_content
from counterproof.tools.synth.rules import Rule, Sum, parse_rules

Cell = str | int | float | None
_MISSING = ("", "NA", "null")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A column that is asked for.

    Attributes:
        name: as in the table.
        levels: what it may hold; none for a number.
        low: smallest number.
        high: largest number.
        decimals: most decimal places.
        missing: whether a cell may be empty.
    """

    name: str
    levels: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    decimals: int = 0
    missing: bool = False

    def told(self) -> dict[str, Any]:
        """Return the column as it is asked for."""
        allowed: dict[str, Any] = {"levels": list(self.levels)}
        if not self.levels:
            allowed = {"from": self.low, "to": self.high, "decimals": self.decimals}
        return {"name": self.name, **allowed, "may_be_missing": self.missing}

    def cell(self, given: Cell) -> str:
        """Return a cell as it is written.

        Raises:
            ValueError: it is not allowed; the text says what is.
        """
        text = "" if given is None else str(given).strip()
        if text in _MISSING:
            if not self.missing:
                raise ValueError(f"{self.name} is empty; it may not be")
            return ""
        if self.levels:
            whole = text.removesuffix(".0")
            if text not in self.levels and whole not in self.levels:
                raise ValueError(f"{self.name} is {text[:40]!r}; allowed: {', '.join(self.levels[:20])}")
            return text if text in self.levels else whole
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{self.name} is {text[:40]!r}; it must be a number") from None
        if not self.low <= number <= self.high:
            raise ValueError(f"{self.name} is {number:g}; allowed: {self.low:g} to {self.high:g}")
        return f"{number:.{self.decimals}f}"


@dataclass(frozen=True, kw_only=True)
class Specification:
    """What is asked for, in the order of the columns."""

    wanted: tuple[Wanted, ...]
    rules: tuple[Rule, ...]

    def told(self) -> dict[str, Any]:
        """Return what a writer is told."""
        return {"columns": [one.told() for one in self.wanted], "rules": [rule.text for rule in self.rules]}


@dataclass(kw_only=True)
class Taken:
    """The rows that were taken so far, and why others were not.

    Attributes:
        rows: cells of the columns that were asked for.
        refused: how many rows were refused for each kind of reason.
        known: rows that must not come again: those taken, and the real ones.
    """

    rows: list[tuple[str, ...]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    known: set[tuple[str, ...]] = field(default_factory=set)


def specification_of(
    train: Table, order: Order, rules: Sequence[Rule], *, k: int = K, subject: str = ""
) -> Specification:
    """Return what may be asked for: nothing that the profile would hold back.

    Args:
        train: the rows that may be learned from.
        order: what is to be made.
        rules: what rows must keep.
        k: fewest persons behind anything that is named.
        subject: the column that tells persons apart; "" where each row is a person.
    """
    hidden = {finding.column for finding in order.findings}
    persons = next((column.values for column in train.columns if column.name == subject), None)
    wanted = [_wanted(column, persons, k) for column in train.columns if column.name not in hidden]
    found = tuple(one for one in wanted if one is not None)
    names = {one.name for one in found}
    kept = [rule for rule in rules if not rule.columns() - names]
    return Specification(wanted=found, rules=tuple(kept))


def told_again(told: Mapping[str, Any]) -> Specification:
    """Return the specification that somebody was told, for whoever does not see the table."""
    wanted = tuple(_told(column) for column in told["columns"])
    names = [one.name for one in wanted]
    return Specification(wanted=wanted, rules=tuple(parse_rules(told["rules"], source="the table", columns=names)))


def tellable(rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules that can be read again from what is told: all but sums, which no person writes."""
    return [rule for rule in rules if not isinstance(rule.then, Sum)]


def take_rows(given: Sequence[Sequence[Cell]], specification: Specification, taken: Taken) -> list[str]:
    """Take what can be taken of some rows, and return what was wrong with the others, one line a row."""
    faults: list[str] = []
    sound: list[tuple[int, tuple[str, ...]]] = []
    width = len(specification.wanted)
    for number, row in enumerate(given, start=1):
        if len(row) != width:
            taken.refused["number of cells"] += 1
            faults.append(f"row {number} has {len(row)} cells; there are {width} columns")
            continue
        try:
            cells = tuple(one.cell(cell) for one, cell in zip(specification.wanted, row, strict=True))
        except ValueError as error:
            taken.refused["cell"] += 1
            faults.append(f"row {number}: {error}")
            continue
        sound.append((number, cells))
    for (number, cells), broken in zip(sound, _broken(sound, specification), strict=True):
        if broken:
            taken.refused["rule"] += 1
            faults.append(f"row {number} breaks the rule {broken}")
        elif cells in taken.known:
            taken.refused["there already"] += 1
            faults.append(f"row {number} is there already; write another one")
        else:
            taken.known.add(cells)
            taken.rows.append(cells)
    return faults


def completed(train: Table, order: Order, specification: Specification, taken: Taken) -> Made:
    """Return the rows as a set, with the columns that nobody was asked for made up by code."""
    random = np.random.default_rng(order.seed)
    columns = shown(train, {finding.column for finding in order.findings})
    count = len(taken.rows)
    cells: Cells = cells_of(columns, [random.choice(one.values, count) for one in columns], random)
    for at, one in enumerate(specification.wanted):
        cells[one.name] = [row[at] for row in taken.rows]
    asked = [one.name for one in specification.wanted]
    facts = {"asked_for": asked, "by_code": [name for name in cells if name not in asked]}
    return Made(cells=cells, facts={**facts, "refused": dict(sorted(taken.refused.items()))})


def known_rows(train: Table, specification: Specification) -> set[tuple[str, ...]]:
    """Return the real rows as they would be written, so that none is taken."""
    by_name = {column.name: column for column in train.columns}
    columns = [_texts(by_name[one.name], one) for one in specification.wanted]
    return set(zip(*columns, strict=True)) if len(columns) >= _VALUES_MIN else set()


def example_rows(train: Table, specification: Specification, *, count: int, seed: int) -> list[tuple[str, ...]]:
    """Return real rows of chance that keep the specification, in the order of its columns: for open data alone.

    A row with a rare level or an extreme is passed over: the model could not use it, and it is somebody's.
    """
    if count == 0:
        return []
    by_name = {column.name: column for column in train.columns}
    rows = list(zip(*(_texts(by_name[one.name], one) for one in specification.wanted), strict=True))
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    kept = (rows[at] for at in order if _is_allowed(rows[at], specification))
    return list(islice(dict.fromkeys(kept), count))


def _told(column: Mapping[str, Any]) -> Wanted:
    name, missing = column["name"], column["may_be_missing"]
    if column.get("levels"):
        return Wanted(name=name, levels=tuple(column["levels"]), missing=missing)
    return Wanted(name=name, low=column["from"], high=column["to"], decimals=column["decimals"], missing=missing)


def _is_allowed(row: Sequence[str], specification: Specification) -> bool:
    try:
        for one, cell in zip(specification.wanted, row, strict=True):
            one.cell(cell)
    except ValueError:
        return False
    return True


def _wanted(column: Column, persons: pd.Series | None, k: int) -> Wanted | None:
    missing = column.missing > 0
    if is_coded(column):
        levels = common_levels(column, persons, k=k)
        if not len(levels):
            return None
        names = tuple(level if isinstance(level, str) else f"{level:.15g}" for level in levels.index.tolist())
        return Wanted(name=column.name, levels=names, missing=missing)
    ends = shown_range(column, persons, k=k) if column.kind in ("integer", "number") else None
    if ends is None:
        return None
    decimals = 0 if column.kind == "integer" else min(column.decimals, 6)
    return Wanted(name=column.name, low=ends[0], high=ends[1], decimals=decimals, missing=missing)


def _broken(rows: Sequence[tuple[int, tuple[str, ...]]], specification: Specification) -> list[str]:
    """Return the first rule that each row breaks; "" where it keeps all."""
    out = [""] * len(rows)
    if not rows or not specification.rules:
        return out
    columns = zip(*(cells for _, cells in rows), strict=True)
    cells = {one.name: list(column) for one, column in zip(specification.wanted, columns, strict=True)}
    table = read_table("rows.csv", write_content(cells))
    for rule in specification.rules:
        for at in np.flatnonzero(~rule.holds(table)).tolist():
            out[at] = out[at] or rule.text
    return out


def _texts(column: Column, one: Wanted) -> list[str]:
    values = column.values
    out = []
    for value, gone in zip(values.tolist(), values.isna().tolist(), strict=True):
        if gone:
            out.append("")
        elif isinstance(value, str):
            out.append(value)
        else:
            out.append(f"{value:.15g}" if one.levels else f"{value:.{one.decimals}f}")
    return out


_VALUES_MIN = 5
