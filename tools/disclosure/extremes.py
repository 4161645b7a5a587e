"""Extremes: a minimum, maximum or range is the value of one person.

Definition. A number that equals the smallest or largest value of a column of the data (as it is, or rounded as the
number is written), where fewer than K persons have that value; or one that is named as a minimum, maximum or range.

It does not cover extremes of values that a program worked out.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Extreme values (maxima and minima)".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from counterproof.tools.data import Table
from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.item import DisclosureFinding
from counterproof.tools.profile import K
from counterproof.tools.results import Result

CHECK = "extremes"
_NAME = re.compile(r"(?<!interquartile )\b(min|max|minimum|maximum|range)\b(?! likelihood)", re.IGNORECASE)
_DIGITS_MIN = 2


class Extremes:
    """The values at the ends of each column that fewer than K persons have.

    Parameters
    ----------
    tables : sequence of Table
        The real data.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self._ends: dict[float, str] = {}
        for table in tables:
            for column in table.columns:
                if column.kind not in ("integer", "number"):
                    continue
                present = column.values.dropna()
                for end, value in (("smallest", present.min()), ("largest", present.max())):
                    if len(present) and (present == value).sum() < K:
                        self._ends[float(value)] = f"the {end} value of {column.name}"

    def of(self, number: float) -> str | None:
        """Return which end a number is; None for none, and for numbers of one digit, which are everywhere."""
        return self._ends.get(number) if len(f"{abs(number):g}".replace(".", "").lstrip("0")) >= _DIGITS_MIN else None

    def in_result(self, result: Result) -> list[DisclosureFinding]:
        """Look at the value, the ends of the interval, and the label."""
        numbers = [number for number in (result.value, result.ci_low, result.ci_high) if number is not None]
        ends = [end for end in map(self.of, numbers) if end]
        if ends and result.unit != "count":
            return [_finding(f"is {end}, which fewer than {K} persons have", "suppress") for end in dict.fromkeys(ends)]
        named = _NAME.search(result.id.replace("_", " ")) or _NAME.search(result.label)
        return [_finding(f"is called {named.group(0)!r}", "look")] if named else []

    def in_table(self, cells: Cells) -> list[DisclosureFinding]:
        """Look at the names of columns and rows, and at every cell."""
        named = [name for name in cells.header if _NAME.search(name.replace("_", " "))]
        named += [cell for at in cells.labels for cell in cells.column(at) if _NAME.search(cell.replace("_", " "))]
        found = [_finding(f"{name[:60]!r} is called like an extreme", "look") for name in dict.fromkeys(named)]
        counts = {name for at, name in enumerate(cells.header) if cells.called_count(at)}
        for place, cell in cells.places():
            if place.partition(", ")[2] in counts:
                continue
            try:
                end = self.of(float(cell))
            except ValueError:
                continue
            if end:
                found.append(_finding(f"{place}: {end}, which fewer than {K} persons have", "suppress"))
        return found


def _finding(text: str, suggestion: str) -> DisclosureFinding:
    return DisclosureFinding.model_validate({"check": CHECK, "text": text, "suggestion": suggestion})
