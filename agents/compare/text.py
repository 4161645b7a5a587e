"""The comparison as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from counterproof.agents.compare.cell import IN_WORDS
from counterproof.agents.compare.table import Row, Table


def table_text(table: Table, spent: Mapping[str, Mapping[str, float]]) -> str:
    """Return a comparison as lines: the models in their order, then each task."""
    lines = [f"{table.campaign}: {table.cells - table.missing} of {table.cells} cells", ""]
    head = ("place", "model", "counted", "baseline", "mean rank", "mostly", "tokens", "cost")
    rows = [
        (
            str(one.place),
            one.name,
            f"{one.counted}/{one.cells}",
            str(one.reached_baseline),
            f"{one.mean_rank:.2f}",
            one.category,
            f"{spent[one.name]['tokens_in'] + spent[one.name]['tokens_out']:.0f}",
            f"{spent[one.name]['cost']:.2f}",
        )
        for one in table.standings
    ]
    lines += _aligned([head, *rows])
    for task, language, arm in dict.fromkeys((row.task, row.language, row.arm) for row in table.rows):
        group = [row for row in table.rows if (row.task, row.language, row.arm) == (task, language, arm)]
        lines += ["", f"{task}, {language}, {arm.replace('_', ' ')}", *_aligned([_HEAD, *map(_cells, _sorted(group))])]
    lines += ["", "A leaking cell shows in brackets what it would have claimed; it has no rank."]
    used = {category for row in table.rows for category in row.categories}
    lines += [f"{category}: {words}" for category, words in IN_WORDS.items() if category in used]
    return "\n".join(lines)


def score_of(row: Row) -> str:
    """Return the score of a row, and in brackets what leaking cells would have claimed."""
    score = "" if row.value is None else f"{row.value:.3f}"
    return score if row.claimed is None else f"{score} [{row.claimed:.3f}]".strip()


_HEAD = ("rank", "model", "score", "interval", "p (baseline)", "spread", "categories")


def _cells(row: Row) -> tuple[str, ...]:
    between = "" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.3f}-{row.ci_high:.3f}"
    return (
        "-" if row.rank is None else str(row.rank),
        row.name,
        score_of(row),
        between,
        "" if row.baseline_p is None else f"{row.baseline_p:.4f}",
        "" if row.spread is None else f"{row.spread:.3f}",
        ", ".join(f"{name} {number}" for name, number in row.categories.items()),
    )


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.rank is None, row.rank or 0, row.name))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
