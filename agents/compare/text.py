"""The comparison as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterproof.agents.compare.lines import (
    LEAKS,
    ROW_HEAD,
    STANDING_HEAD,
    categories,
    groups,
    row_cells,
    standing_cells,
)
from counterproof.agents.compare.table import Table


def table_text(table: Table, spent: Mapping[str, Mapping[str, float]]) -> str:
    """Return a comparison as lines: the models in their order, then each task."""
    lines = [f"{table.campaign}: {table.cells - table.missing} of {table.cells} cells", ""]
    rows = [
        (
            *standing_cells(one),
            f"{spent[one.name]['tokens_in'] + spent[one.name]['tokens_out']:.0f}",
            f"{spent[one.name]['cost']:.2f}",
        )
        for one in table.standings
    ]
    lines += _aligned([(*STANDING_HEAD, "tokens", "cost"), *rows])
    for title, group in groups(table):
        lines += ["", title, *_aligned([ROW_HEAD, *map(row_cells, group)])]
    lines += ["", LEAKS, *(f"{category}: {words}" for category, words in categories(table))]
    return "\n".join(lines)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
