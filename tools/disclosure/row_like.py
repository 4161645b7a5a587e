"""Row-like outputs: a table that lists persons instead of describing them.

Definition. More than `ROWS_MAX` rows; or rows that hold, side by side, `SHARED_MIN` values of one row of the data, or
numbers that only one person has, with `DIGITS_MIN` or more digits.

References
----------
Griffiths et al., 2019 (see `small_cells`), principle "no individual records".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from counterproof.tools.data import Table
from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.results import Result

CHECK = "rows"
ROWS_MAX = 100
SHARED_MIN = 4
DIGITS_MIN = 5
_SHOWN = 3


class Rows:
    """Knows the rows of the data.

    Parameters
    ----------
    tables : sequence of Table
        The real data.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self._tables = tables

    def in_table(self, cells: Cells) -> list[DisclosureFinding]:
        """Look for rows of the data among the rows and, turned round, the columns of a table."""
        found = []
        if len(cells.rows) > ROWS_MAX:
            found.append(f"has {len(cells.rows)} rows: may be a list of persons")
        lines = [("row", number, row) for number, row in enumerate(cells.rows, start=1)]
        columns = list(zip(*cells.rows, strict=False)) if cells.rows else []
        lines += [("column", number, column) for number, column in enumerate(columns, start=1)]
        rows, single_values = self._known(cell for _, cell in cells.places())
        like = [f"{kind} {number}" for kind, number, line in lines if _is_one(line, rows)]
        if like:
            found.append(f"{', '.join(like[:_SHOWN])}: as a row of the data ({len(like)} such)")
        single = [place for place, cell in cells.places() if _plain(cell.strip()) in single_values]
        if single:
            found.append(f"{'; '.join(single[:_SHOWN])}: a number that one person has ({len(single)} such)")
        return [DisclosureFinding(check=CHECK, text=text, suggestion="suppress") for text in found]

    def in_result(self, result: Result) -> list[DisclosureFinding]:
        """Look whether a number is one person's value."""
        numbers = [str(number) for number in (result.value, result.ci_low, result.ci_high) if number is not None]
        if self._known(numbers)[1]:
            return [DisclosureFinding(check=CHECK, text="is a number that one person has", suggestion="suppress")]
        return []

    def _known(self, cells: Iterable[str]) -> tuple[dict[str, set[int]], set[str]]:
        """Return in which rows of the data each cell's value stands, and which numbers stand there once.

        A value that a quarter of the rows share points at nobody.
        """
        wanted = {_plain(cell.strip()) for cell in cells} - {""}
        numbers = np.array([float(cell) for cell in wanted if _is_number(cell)], dtype="float64")
        rows: dict[str, set[int]] = {}
        times: Counter[str] = Counter()
        start = 0
        for table in self._tables:
            for column in table.columns:
                is_number = column.kind in ("integer", "number")
                values = column.values
                hit = np.flatnonzero(np.isin(values.to_numpy(), numbers) if is_number else values.isin(wanted))
                for value, at in values.iloc[hit].groupby(values.iloc[hit]).groups.items():
                    plain = _plain(value)
                    times[plain] += len(at)
                    if len(at) * 4 <= table.rows:
                        rows.setdefault(plain, set()).update(start + int(row) for row in at)
            start += table.rows
        return rows, {value for value, n in times.items() if n == 1 and _digits(value) >= DIGITS_MIN}


def _is_one(line: Sequence[str], rows: dict[str, set[int]]) -> bool:
    votes: Counter[int] = Counter()
    for cell in {_plain(cell.strip()) for cell in line}:
        votes.update(rows.get(cell, ()))
    return bool(votes) and max(votes.values()) >= SHARED_MIN


def _is_number(value: str) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False


def _plain(value: object) -> str:
    """Write a number in one way."""
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return repr(number) if np.isfinite(number) else str(value)


def _digits(value: str) -> int:
    return len(value.partition("e")[0].removesuffix(".0").replace("-", "").replace(".", "").strip("0"))
