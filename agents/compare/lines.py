"""A comparison as rows of cells, the same for the terminal, the report and the app."""

from __future__ import annotations

from collections.abc import Iterator

from counterproof.agents.compare.cell import IN_WORDS
from counterproof.agents.compare.table import Row, Standing, Table

STANDING_HEAD = ("place", "model", "cells that count", "at least the baseline", "mean rank", "mostly")
ROW_HEAD = ("rank", "model", "score", "95 % interval", "p (baseline)", "spread", "came to")
LEAKS = "A leaking cell shows in brackets what it would have claimed; it has no rank."


def standing_cells(one: Standing) -> tuple[str, ...]:
    """Return one model over all its cells, under `STANDING_HEAD`."""
    return (
        str(one.place),
        one.name,
        f"{one.counted} of {one.cells}",
        str(one.reached_baseline),
        f"{one.mean_rank:.2f}",
        one.category,
    )


def row_cells(row: Row) -> tuple[str, ...]:
    """Return one model with one task, language and way of working, under `ROW_HEAD`."""
    score = "" if row.value is None else f"{row.value:.3f}"
    between = "" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:.3f} to {row.ci_high:.3f}"
    return (
        "–" if row.rank is None else str(row.rank),
        row.name,
        score if row.claimed is None else f"{score} [{row.claimed:.3f}]".strip(),
        between,
        "" if row.baseline_p is None else f"{row.baseline_p:.4f}",
        "" if row.spread is None else f"{row.spread:.3f}",
        ", ".join(f"{name} {number}" for name, number in row.categories.items()),
    )


def groups(table: Table) -> Iterator[tuple[str, list[Row]]]:
    """Yield each task, language and way of working with its models, best first."""
    for task, language, arm in dict.fromkeys((row.task, row.language, row.arm) for row in table.rows):
        rows = [row for row in table.rows if (row.task, row.language, row.arm) == (task, language, arm)]
        rows.sort(key=lambda row: (row.rank is None, row.rank or 0, row.name))
        yield f"{task}, {language}, {arm.replace('_', ' ')}", rows


def categories(table: Table) -> list[tuple[str, str]]:
    """Return the categories that occur, with what they mean."""
    used = {category for row in table.rows for category in row.categories}
    return [(category, words) for category, words in IN_WORDS.items() if category in used]
