"""A table as its cells: what is a count, what names a row, what is a number."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

COUNT = re.compile(r"\s*([0-9]{1,15})(?:\.0*)?\s*(?:[(/].*)?", re.DOTALL)
"""A count, alone or as "3 (12.5%)" or "3/20"."""
_COUNTS = re.compile(
    r"(^|[_.\s-])(n|no|num(ber)?|count(s)?|freq(uency)?|events?|deaths?|cases?|persons?|patients?|participants?|subjects?|"
    r"(n_|at_?)?risk|censored|total|all)($|[_.\s-])",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"^(total|all|sum|overall|margin)s?$", re.IGNORECASE)
_NAME_MAX = 60


@dataclass(frozen=True)
class Cells:
    """The rows of a CSV table.

    Attributes:
        header: names of the columns.
        rows: the cells below it; rows may be longer or shorter than the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def read(cls, data: bytes) -> Cells:
        """Read a table.

        Raises:
            ValueError: the bytes are no CSV in UTF-8, or nothing.
        """
        try:
            rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
        except csv.Error as error:
            raise ValueError("no CSV") from error
        if not rows:
            raise ValueError("empty")
        return cls(tuple(rows[0]), tuple(tuple(row) for row in rows[1:]))

    def places(self) -> Iterator[tuple[str, str]]:
        """Yield each cell below the header with its place in words."""
        width = len(self.header)
        for number, row in enumerate(self.rows, start=1):
            for name, cell in zip_longest(self.header, row[:width], fillvalue=""):
                yield f"row {number}, {name[:_NAME_MAX]}", cell
            for cell in row[width:]:
                yield f"row {number}, beyond the header", cell

    def column(self, at: int) -> list[str]:
        """Return the cells of a column; a short row has "" there."""
        return [row[at].strip() if len(row) > at else "" for row in self.rows]

    def numbers(self, at: int) -> list[float] | None:
        """Return a column as numbers; None where a cell is none."""
        try:
            return [float(cell) for cell in self.column(at)] if self.rows else None
        except ValueError:
            return None

    def counts(self, at: int) -> list[int] | None:
        """Return a column as counts, read from the beginning of each cell; None where a cell is none."""
        found = [COUNT.fullmatch(cell) for cell in self.column(at)]
        return [int(match.group(1)) for match in found if match] if found and all(found) else None

    @cached_property
    def labels(self) -> tuple[int, ...]:
        """Columns that name the rows: those before the first column of numbers; the first one at least."""
        first = next((at for at in range(len(self.header)) if self.numbers(at) is not None), len(self.header))
        return tuple(range(max(1, first))) if self.header else ()

    def called_count(self, at: int) -> bool:
        """Say whether the name of a column is that of a count."""
        return bool(_COUNTS.search(self.header[at].strip()))

    def is_total(self, row: tuple[str, ...]) -> bool:
        """Say whether a row is a total."""
        return any(_TOTAL.match(row[at].strip()) for at in self.labels if len(row) > at)

    def is_total_column(self, at: int) -> bool:
        """Say whether a column is a total."""
        return bool(_TOTAL.match(self.header[at].strip()))


def small(cell: str, k: int) -> int | None:
    """Return the count in a cell when it is between 1 and k - 1."""
    count = COUNT.fullmatch(cell)
    return int(count.group(1)) if count and 0 < int(count.group(1)) < k else None
