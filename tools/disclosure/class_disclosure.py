"""Class disclosure: a table that says that all, or none, of a group have something tells it of each of its members.

Definition. In a table of counts with one row a group, a row whose total stands in one cell alone; in any table, a share
of exactly 0 % or 100 % beside its count. A zero where the design makes it so (a control arm without the drug) tells
nothing; a person can release it.

References
----------
Griffiths et al., 2019 (see `small_cells`), "Class disclosure"; ACRO's `PresenceOfZeroCheck`.
"""

from __future__ import annotations

import re

from counterproof.tools.disclosure.cells import Cells
from counterproof.tools.disclosure.item import DisclosureFinding

CHECK = "class disclosure"
_SHARE = re.compile(r"\s*(\d+)(?:\.0*)?\s*\(\s*(0|100)(?:\.0*)?\s*%\s*\)\s*")


def in_table(cells: Cells) -> list[DisclosureFinding]:
    """Look at each row of a cross-table, and at shares in cells."""
    found = []
    columns = [
        at
        for at in range(len(cells.header))
        if at not in cells.labels and not cells.is_total_column(at) and cells.counts(at) is not None
    ]
    for number, row in enumerate(cells.rows, start=1) if len(columns) > 1 else ():
        values = [(cells.counts(at) or [])[number - 1] for at in columns]
        there = [at for at, value in zip(columns, values, strict=True) if value]
        if len(there) == 1:
            name = cells.header[there[0]][:60]
            found.append(_finding(f"row {number}: all of it stands in {name}; a member of the group has that for sure"))
        elif there and len(there) < len(values):
            empty = ", ".join(cells.header[at][:60] for at, value in zip(columns, values, strict=True) if not value)
            found.append(_finding(f"row {number}: nobody of it is in {empty}"))
        del row
    for place, cell in cells.places():
        share = _SHARE.fullmatch(cell)
        if share and int(share.group(1)) + int(share.group(2)) > 0:
            found.append(_finding(f"{place}: {share.group(2)} % of the group"))
    return found


def _finding(text: str) -> DisclosureFinding:
    return DisclosureFinding(check=CHECK, text=text, suggestion="merge")
