"""What the metrics compute on: real and synthetic tables as matrices with one common reading of each column.

A category becomes the number of its level; levels that fewer than `K` real rows have are one level "rare", and what no
real row has is "unseen". A number stays one, a date becomes a day number. A missing value is NaN. Columns that may
identify a person, and free text, are left out and listed.

It does not cover repeated rows of one subject: each row counts alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Column, Table
from counterproof.tools.profile import K, is_coded
from counterproof.tools.synth.columns import numbers_of
from counterproof.tools.synth.marks import MARKS
from counterproof.tools.twin.columns import RARE

LEVELS_MAX = 100
"""Text with more common levels than this is free text."""
_RARE_NAME = "(rare)"
_UNSEEN_NAME = "(unseen)"
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One column as the metrics read it.

    Attributes:
        name: of the column.
        kind: how it is compared.
        levels: names of the common levels, then "(rare)" and "(unseen)"; empty for numbers.
        low: smallest real number; 0 for categories.
        high: largest real number.
    """

    name: str
    kind: Literal["category", "number"]
    levels: tuple[str, ...]
    low: float
    high: float

    @property
    def common(self) -> int:
        """How many common levels there are; codes from here on are rare or unseen."""
        return max(len(self.levels) - 2, 0)


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The columns that are compared, and those that are not, with why."""

    variables: tuple[Variable, ...]
    left_out: dict[str, str]

    @property
    def categories(self) -> NDArray[np.bool_]:
        """Shape (variables,); which are categories."""
        return np.array([variable.kind == "category" for variable in self.variables])

    def at(self, name: str) -> int:
        """Return the position of a column.

        Raises:
            UsageError: it is not compared.
        """
        names = [variable.name for variable in self.variables]
        if name not in names:
            why = self.left_out.get(name, "the table has no such column")
            raise UsageError(f"Column {name!r} can't be used: {why}.", allowed=f"One of: {', '.join(names)}.")
        return names.index(name)


def schema_of(real: Table, hidden: Collection[str]) -> Schema:
    """Read the columns of the real data.

    Args:
        real: the real data, whole.
        hidden: columns that may identify a person.

    Raises:
        UsageError: no column is left.
    """
    variables, left_out = [], {}
    for column in real.columns:
        if column.name in MARKS:
            raise UsageError(
                f"{real.name} has a column {column.name!r}: it is synthetic.",
                allowed="What synthetic data are compared with must be real.",
                advice="Give the real file first, then the synthetic one.",
            )
        if column.name in hidden:
            left_out[column.name] = "it may identify a person"
            continue
        found = _variable(column)
        if isinstance(found, str):
            left_out[column.name] = found
        else:
            variables.append(found)
    if not variables:
        raise UsageError(f"{real.name} has no column that can be compared: {left_out}.")
    return Schema(variables=tuple(variables), left_out=left_out)


def matrix_of(table: Table, schema: Schema) -> Floats:
    """Return a table as a matrix, shape (rows, variables).

    Raises:
        UsageError: it lacks a column.
    """
    columns = {column.name: column for column in table.columns}
    lacking = [variable.name for variable in schema.variables if variable.name not in columns]
    if lacking:
        raise UsageError(
            f"{table.name} lacks the columns {', '.join(lacking)}.",
            allowed="Both tables must have the same columns.",
            advice="Give the synthetic file that was made for this real one.",
        )
    out = np.empty((table.rows, len(schema.variables)))
    for at, variable in enumerate(schema.variables):
        out[:, at] = _values(columns[variable.name], variable)
    return out


def rare_levels(table: Table, schema: Schema) -> frozenset[tuple[str, str]]:
    """Return the levels of a table that are not common ones, as (column, level)."""
    common = {variable.name: set(variable.levels[:-2]) for variable in schema.variables if variable.kind == "category"}
    found = set()
    for column in table.columns:
        if column.name in common:
            names = {_name(level) for level in column.values.dropna().unique()}
            found |= {(column.name, name) for name in names - common[column.name]}
    return frozenset(found)


def _variable(column: Column) -> Variable | str:
    if is_coded(column):
        counts = column.values.value_counts()
        common = sorted(counts.index[counts >= K].tolist())
        if not common:
            return f"it has no level that {K} rows share"
        if column.kind == "text" and len(common) > LEVELS_MAX:
            return f"it is free text: {len(common)} common levels"
        if column.kind == "text" and counts[counts >= K].sum() < 0.5 * counts.sum():
            return f"it is free text: most of its values are shared by fewer than {K} rows"
        names = tuple(_name(level) for level in common)
        return Variable(name=column.name, kind="category", levels=(*names, _RARE_NAME, _UNSEEN_NAME), low=0, high=0)
    numbers = numbers_of(column)
    present = numbers[~np.isnan(numbers)]
    if not len(present):
        return "it holds no value"
    return Variable(name=column.name, kind="number", levels=(), low=float(present.min()), high=float(present.max()))


def _name(level: object) -> str:
    return str(level) if isinstance(level, str) else f"{float(str(level)):.15g}"


def _values(column: Column, variable: Variable) -> Floats:
    if variable.kind == "number":
        return numbers_of(column)
    place = {name: float(at) for at, name in enumerate(variable.levels[:-2])}
    unseen, rare = float(variable.common + 1), float(variable.common)

    def code(level: object) -> float:
        name = _name(level)
        return place.get(name, rare if name.startswith(RARE) else unseen)

    codes = {level: code(level) for level in column.values.dropna().unique()}
    return column.values.map(codes).to_numpy(dtype="float64")


def mark_rare(matrix: Floats, schema: Schema) -> None:
    """Call unseen levels of real rows rare, in place: a real row has seen them."""
    for at, variable in enumerate(schema.variables):
        if variable.kind == "category":
            column = matrix[:, at]
            column[column > variable.common] = variable.common
