"""What a data file is once it was read: columns with kinds, and where they come from.

The cells are kept in Arrow's columns, a few bytes each; `Column.values` makes a pandas series of them when asked, and
keeps short ones only. Nothing is converted silently: a column is of numbers only when every value of it is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from counterproof.tools.reading.fixed_point import FixedPoint

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "."})
NUMBER_MAX = 1e100
"""Nothing that is measured is larger; longer runs of digits are text."""
Kind = Literal["integer", "number", "date", "text"]
Cells: TypeAlias = pa.ChunkedArray
_KEPT = 200_000
"""So many rows a series may have to be kept; a longer one is made anew each time it is asked for."""
_NONE: Mapping[str, str] = MappingProxyType({})


class Column:
    """One column of a table; nothing of it can be changed.

    Args:
        name: as in the header.
        kind: what its values are.
        values: its cells, numbers also as fixed point, or a series: float64 with NaN for "integer" and "number", text
            with None otherwise.
        decimals: most decimal places that are written (whole numbers may be written "3.0"); 0 for text and dates.
        label: what the file itself says of the column.
        codes: the file's labels of values, by value.
        user_missing: values that the file declares missing, as they are written; they are kept among the cells.
    """

    __slots__ = ("_cells", "_series", "codes", "decimals", "kind", "label", "name", "user_missing")

    def __init__(
        self,
        *,
        name: str,
        kind: Kind,
        values: pd.Series | Cells | FixedPoint,
        decimals: int = 0,
        label: str = "",
        codes: Mapping[str, str] = _NONE,
        user_missing: tuple[str, ...] = (),
    ) -> None:
        given: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "_cells": values if isinstance(values, pa.ChunkedArray | FixedPoint) else _cells(values, kind),
            "_series": None,
            "decimals": decimals,
            "label": label,
            "codes": codes,
            "user_missing": user_missing,
        }
        for slot, value in given.items():
            object.__setattr__(self, slot, value)

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"{name!r} can't be set: a column can't be changed; make another one.")

    def __repr__(self) -> str:
        # Without a value: a column may end up in a log.
        return f"Column({self.name!r}, {self.kind}, {len(self._cells)} rows)"

    name: str
    kind: Kind
    decimals: int
    label: str
    codes: Mapping[str, str]
    user_missing: tuple[str, ...]
    _cells: Cells | FixedPoint
    _series: pd.Series | None

    @property
    def cells(self) -> Cells:
        """The cells: numbers, or text; null where missing. Made anew each time where they are held as fixed point."""
        return self._cells.numbers() if isinstance(self._cells, FixedPoint) else self._cells

    @property
    def values(self) -> pd.Series:
        """The cells as a series, shape (rows,): float64 with NaN, or text with None."""
        if self._series is not None:
            return self._series
        series = self._made()
        if len(series) <= _KEPT:
            object.__setattr__(self, "_series", series)
        return series

    def _made(self) -> pd.Series:
        if self.kind in ("integer", "number"):
            numbers = self.cells.cast(pa.float64()).to_numpy()
            return pd.Series(numbers.copy() if not numbers.flags.writeable else numbers, dtype="float64")
        return pd.Series(self.cells.to_pylist(), dtype="object")

    @property
    def missing(self) -> int:
        """How many cells are missing."""
        return int(self._cells.null_count)

    def distinct(self) -> int:
        """Return how many different values there are."""
        return len(self.different())

    def different(self) -> pa.Array:
        """Return the different values, in the order in which they come; none for a missing one."""
        cells = self.cells
        if not len(cells):
            return pa.array([], type=cells.type)
        found = cells.unify_dictionaries().unique()
        return (found.dictionary_decode().unique() if pa.types.is_dictionary(found.type) else found).drop_null()

    def counts(self) -> pd.Series[int]:
        """Return in how many rows each value stands, by the value as in `values`."""
        if not len(self._cells):
            nothing: list[int] = []
            return pd.Series(nothing, dtype="int64")
        found = pc.value_counts(self.cells.unify_dictionaries())
        values, counts = found.field("values"), found.field("counts")
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        if self.kind in ("integer", "number"):
            values = values.cast(pa.float64())
        there = values.is_valid()
        numbers = self.kind in ("integer", "number")
        named = pd.Index(values.filter(there).to_pylist(), dtype="float64" if numbers else "object")
        rows: pd.Series[int] = pd.Series(counts.filter(there).to_numpy(), index=named, dtype="int64")
        # Texts that differ by blanks around them alone may stand twice in a dictionary.
        return rows if named.is_unique else rows.groupby(level=0, sort=False).sum()


@dataclass(frozen=True, kw_only=True)
class Table:
    """One data file that was read.

    Attributes:
        name: file name without folders; the program finds the file under this name.
        sha256: digest of the file's bytes.
        size: length of the file in bytes.
        separator: "," or tab or ";"; "," where the file is no delimited text.
        columns: in the order of the file.
        rows: number of rows without the header.
        form: the family of the format.
        notes: what reading found, and a person should know; never a value.
    """

    name: str
    sha256: str
    size: int
    separator: str
    columns: tuple[Column, ...]
    rows: int
    form: str = "delimited text"
    notes: tuple[str, ...] = field(default=())


def _cells(values: pd.Series, kind: Kind) -> Cells:
    numbers = kind in ("integer", "number")
    array = pa.array(values, type=pa.float64() if numbers else pa.string(), from_pandas=True)
    return pa.chunked_array([array])
