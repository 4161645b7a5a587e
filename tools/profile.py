"""The profile: what the model may know of a data set at exposure `metadata`.

Names, types, rounded missingness, ranges, and the names of categories that at least `K` rows share. A range runs from
the K-th smallest to the K-th largest value, rounded inwards, so that at least K rows lie at or beyond each end and
no extreme shows through. Shares are rounded to 5 %. Columns that may identify a person are named and described no
further. What was held back is listed for the person who reviews, never its content.

It does not cover correlations, dates as spans, or policy per data set: K and the rounding are fixed here.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import numpy as np
import pandas as pd

from counterproof.tools.data import Column, Table
from counterproof.tools.identifiers import Finding

K = 10
"""Fewest rows that may stand behind anything that is shown."""
CODES_MAX = 20
"""A whole-number column with at most this many values is taken for codes."""
_EXACT = Context(prec=1000)


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
    """Return the K-th smallest and the K-th largest number, rounded inwards.

    The step is a power of ten of about a tenth to a hundredth of the interquartile range. None for dates and
    text, with fewer than 2·K values, or where rounding leaves nothing between the ends.
    """
    if column.kind not in ("integer", "number"):
        return None
    present = np.sort(column.values.dropna().to_numpy(dtype="float64"))
    size = len(present)
    if size < 2 * K:
        return None
    low, high = float(present[K - 1]), float(present[-K])
    spread = float(present[3 * size // 4] - present[size // 4]) or high - low
    places = 1 - math.floor(math.log10(spread)) if spread > 0 else column.decimals
    places = min(places, 0 if column.kind == "integer" else column.decimals)
    first, last = _rounded(low, places, ROUND_CEILING), _rounded(high, places, ROUND_FLOOR)
    return (first, last) if first <= last else None


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
        return described, [{"column": column.name, "what": "the range", "why": "too few values stand behind it"}]
    return described, [
        {"column": column.name, "what": "the extremes", "why": f"at least {K} rows lie at or beyond each end"}
    ]


def _rounded(value: float, places: int, mode: str) -> float:
    # Through the shortest text of the number: 0.3 is 3 steps of 0.1, and 0.3 / 0.1 is 2.9999999999999996.
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), rounding=mode, context=_EXACT))


def _share(share: float) -> str:
    if share == 0:
        return "none"
    return "under 5 %" if share < 0.05 else f"about {round(share * 20) * 5} %"


def _level(level: Any) -> str:
    return str(int(level)) if isinstance(level, float) else str(level)
