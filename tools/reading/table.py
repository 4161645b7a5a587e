"""What a data file is once it was read: columns with kinds, and where they come from.

The cells are kept in Arrow's columns, a few bytes each; `Column.values` makes a pandas series of them when asked, and
keeps short ones only. Nothing is converted silently: a column is of numbers only when every value of it is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from counterproof.tools.reading.fixed_point import FixedPoint

MISSING = frozenset({"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "."})
NUMBER_MAX = 1e100
"""Nothing that is measured is larger; longer runs of digits are text."""
Kind = Literal["integer", "number", "date", "text"]
Cells: TypeAlias = pa.ChunkedArray
_KEPT = 200_000
"""So many rows a series may have to be kept; a longer one is made anew each time it is asked for."""
_LOOKED_AT = 2**17
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
        on_disk: whether the cells lie in a mapped file, because all columns together may not fit into the memory.
    """

    __slots__ = ("_cells", "_series", "codes", "decimals", "kind", "label", "name", "on_disk", "user_missing")

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
        on_disk: bool = False,
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
            "on_disk": on_disk,
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
    on_disk: bool
    _cells: Cells | FixedPoint
    _series: pd.Series | None

    @property
    def stored(self) -> Cells | FixedPoint:
        """The cells as they are held."""
        return self._cells

    def with_cells(self, cells: Cells | FixedPoint, *, on_disk: bool = False) -> Column:
        """Return a column that is the same but for its cells."""
        return Column(
            name=self.name,
            kind=self.kind,
            values=cells,
            decimals=self.decimals,
            label=self.label,
            codes=self.codes,
            user_missing=self.user_missing,
            on_disk=on_disk,
        )

    def taken(self, rows: NDArray[np.int64]) -> Column:
        """Return a column of these rows alone.

        Args:
            rows: numbers of rows, ascending.
        """
        if isinstance(self._cells, FixedPoint):
            wholes = _of_rows(self._cells.wholes, rows)
            return self.with_cells(FixedPoint(wholes=wholes, decimals=self._cells.decimals))
        return self.with_cells(_of_rows(self._cells, rows))

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
        cells = self.cells
        if not pa.types.is_dictionary(cells.type) or not len(cells):
            return pd.Series(cells.to_pylist(), dtype="object")
        # One text for all cells that hold it.
        chunks = cells.unify_dictionaries().chunks
        texts = np.array([*chunks[0].dictionary.to_pylist(), None], dtype="object")
        at = [pc.fill_null(chunk.indices.cast(pa.int64()), len(texts) - 1).to_numpy() for chunk in chunks]
        return pd.Series(texts[np.concatenate(at)], dtype="object")

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

    def numbered(self) -> Column:
        """Return a column of whole numbers that are the same where these values are; missing ones stay missing."""
        cells = self.cells
        coded = cells if pa.types.is_dictionary(cells.type) else pc.dictionary_encode(cells)
        chunks = [chunk.indices.cast(pa.int32()) for chunk in coded.unify_dictionaries().chunks]
        return Column(name=self.name, kind="integer", values=pa.chunked_array(chunks, type=pa.int32()))

    def differs_more_than(self, limit: int) -> bool:
        """Say whether there are more different values; looks no further than it must."""
        cells = self.cells
        if pa.types.is_dictionary(cells.type):
            return self.distinct() > limit
        found = pa.array([], type=cells.type)
        for at in range(0, len(cells), _LOOKED_AT):
            here = cells.slice(at, _LOOKED_AT).unique().drop_null()
            found = pc.unique(pa.concat_arrays([found, here]))
            if len(found) > limit:
                return True
        return False

    def counts(self, *, least: int = 1) -> pd.Series[int]:
        """Return in how many rows each value stands that stands in so many at least, by the value as in `values`."""
        if not len(self._cells):
            nothing: list[int] = []
            return pd.Series(nothing, dtype="int64")
        found = pc.value_counts(self.cells.unify_dictionaries())
        values, counts = found.field("values"), found.field("counts")
        if pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        else:  # so early, because rare ones may be many
            values, counts = (
                values.filter(pc.greater_equal(counts, least)),
                counts.filter(pc.greater_equal(counts, least)),
            )
        if self.kind in ("integer", "number"):
            values = values.cast(pa.float64())
        there = values.is_valid()
        numbers = self.kind in ("integer", "number")
        named = pd.Index(values.filter(there).to_pylist(), dtype="float64" if numbers else "object")
        rows: pd.Series[int] = pd.Series(counts.filter(there).to_numpy(), index=named, dtype="int64")
        # Texts that differ by blanks around them alone may stand twice in a dictionary.
        rows = rows if named.is_unique else rows.groupby(level=0, sort=False).sum()
        return rows[rows >= least]


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
        on_disk: whether its cells lie in a mapped file, because all together may not fit into the memory.
    """

    name: str
    sha256: str
    size: int
    separator: str
    columns: tuple[Column, ...]
    rows: int
    form: str = "delimited text"
    notes: tuple[str, ...] = field(default=())
    on_disk: bool = False


def _of_rows(cells: Cells, rows: NDArray[np.int64]) -> Cells:
    """Take rows chunk by chunk: Arrow would first join chunks of text."""
    taken, start = [], 0
    for chunk in cells.chunks:
        first, last = np.searchsorted(rows, [start, start + len(chunk)])
        taken.append(chunk.take(pa.array(rows[first:last] - start)))
        start += len(chunk)
    return pa.chunked_array(taken, type=cells.type)


def _cells(values: pd.Series, kind: Kind) -> Cells:
    numbers = kind in ("integer", "number")
    array = pa.array(values, type=pa.float64() if numbers else pa.string(), from_pandas=True)
    return pa.chunked_array([array])
