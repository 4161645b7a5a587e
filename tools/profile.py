"""The profile: what the model may know of a data set at exposure `metadata`.

Names, types, rounded missingness, ranges, and the names of categories that at least `K` rows share. A range runs from
the K-th smallest to the K-th largest value, rounded outwards, so that no end is one person's value. Shares are
rounded to 5 %. Columns that may identify a person are named and described no further. What was held back is listed
for the person who reviews, never its content.

It does not cover correlations, dates as spans, or policy per data set: K and the rounding are fixed here.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from counterproof.tools.data import Column, Table
from counterproof.tools.identifiers import Finding

K = 10
"""Fewest rows that may stand behind anything that is shown."""
CODES_MAX = 20
"""A whole-number column with at most this many values is taken for codes."""


def make_profile(table: Table, findings: list[Finding]) -> dict[str, Any]:
    """Describe a table for the model.

    Args:
        table: the data.
        findings: columns that may identify a person.

    Returns:
        JSON-able: `file`, `rows`, `columns` (each with `name`, `type`, `missing`, and `levels` or `range`), and
        `held_back`, the list of what was suppressed and why.
    """
    hidden = {finding.column: finding.reason for finding in findings}
    columns = []
    held_back = [{"column": name, "what": "everything but its name", "why": why} for name, why in hidden.items()]
    for column in table.columns:
        if column.name in hidden:
            columns.append({"name": column.name, "type": "identifier", "missing": "not shown"})
            continue
        described, withheld = _describe(column, table.rows)
        columns.append(described)
        held_back += withheld
    return {"file": table.name, "rows": table.rows, "columns": columns, "held_back": held_back}


def is_coded(column: Column) -> bool:
    """Say whether a column holds categories: text, or few different whole numbers."""
    return column.kind == "text" or (column.kind == "integer" and column.values.nunique() <= CODES_MAX)


def common_levels(column: Column) -> pd.Series[int]:
    """Return how often each category that at least `K` rows share occurs, in the order of the levels."""
    counts = column.values.value_counts()
    return counts[counts >= K].sort_index()


def safe_range(column: Column) -> tuple[float, float] | None:
    """Return the K-th smallest and the K-th largest value, rounded outwards; None with fewer than 2·K values."""
    present = column.values.dropna().sort_values()
    if len(present) < 2 * K:
        return None
    low, high = float(present.iloc[K - 1]), float(present.iloc[-K])
    step = 10.0 ** math.floor(math.log10((high - low) / 10)) if high > low else 10.0**-column.decimals
    return (
        round(math.floor(low / step) * step, column.decimals),
        round(math.ceil(high / step) * step, column.decimals),
    )


def _describe(column: Column, rows: int) -> tuple[dict[str, Any], list[dict[str, str]]]:
    missing = column.values.isna().sum() / rows
    described: dict[str, Any] = {"name": column.name, "type": column.kind, "missing": _share(missing)}
    if is_coded(column):
        levels = common_levels(column)
        described["levels"] = {_level(level): _share(count / rows) for level, count in levels.items()}
        rare = column.values.nunique() - len(levels)
        if rare:
            return described, [
                {"column": column.name, "what": f"{rare} rare levels", "why": f"fewer than {K} rows each"}
            ]
        return described, []
    ends = safe_range(column)
    described["range"] = list(ends) if ends else "not shown"
    if ends is None:
        return described, [{"column": column.name, "what": "the range", "why": f"fewer than {2 * K} values"}]
    return described, [
        {"column": column.name, "what": "the extremes", "why": f"fewer than {K} rows lie beyond the range"}
    ]


def _share(share: float) -> str:
    if share == 0:
        return "none"
    return "under 5 %" if share < 0.05 else f"about {round(share * 20) * 5} %"


def _level(level: Any) -> str:
    return str(int(level)) if isinstance(level, float) else str(level)
