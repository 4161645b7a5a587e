"""The profile: what the model may know of a data file, level by level of exposure.

At `metadata` and `released`: names, types, rounded missingness, ranges, dates as spans of years, names of categories
that at least k persons share, and correlations that rest on no small group. A range runs from the k-th smallest to the
k-th largest value, counted in persons and rounded outwards: both ends depend on nothing but values that k persons lie
at or beyond, so no extreme shows through. Columns that may identify a person are named and described no further. What
was held back is listed for the person who reviews, never its content. At `rows`, which a person chose for open data,
nothing but identifiers is held back, and rows are shown.

Text that comes with the data (names of columns, categories) is cut to a length and stands in JSON strings, so that it
can't pose as words of ours; `told` is what goes into a prompt.

It does not cover what the twin shows (`twin`), nor what is released (`disclosure`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from counterproof.tools.data import Column, Table
from counterproof.tools.exposure import Exposure, Suppression
from counterproof.tools.identifiers import Finding

RULES = Suppression()
K = RULES.k
"""Fewest persons that may stand behind anything that is shown, where no policy says otherwise."""
CODES_MAX = 20
"""A whole-number column with at most this many values is taken for codes."""
NAME_MAX = 100
LEVEL_MAX = 60
"""Longer names of columns and of categories are cut."""
LEVELS_MAX = 200
ROWS_SHOWN = 20
"""Rows of an open file that the model gets."""
WIDE = 200
"""Of a file with more columns, the model is told of those that are alike together."""
_ALIKE_MIN, _NAMES_SHOWN = 20, 10
_RELATED_MAX = 30
"""So many columns are looked at for correlations; their number grows with the square of it."""
_RELATED_ROWS = 50_000
"""Of more rows every n-th is looked at for correlations: they are told to one decimal."""
_RELATION_MIN = 0.3
_EXACT = Context(prec=1000)
_NOTHING: Mapping[str, dict[str, Any]] = MappingProxyType({})


def make_profile(
    table: Table,
    findings: list[Finding],
    *,
    subject: Column | None = None,
    quasi: Collection[str] = (),
    rules: Suppression = RULES,
    exposure: Exposure = "metadata",
    codebook: Mapping[str, dict[str, Any]] = _NOTHING,
) -> dict[str, Any]:
    """Describe a table for the model.

    Args:
        table: the data.
        findings: columns that identify a person, or may.
        subject: the column that tells persons apart; None where each row is a person.
        quasi: columns that single persons out together: no correlation of them is shown.
        rules: where suppression begins.
        exposure: what the model may see of this file.
        codebook: what a person wrote of columns, by their names; of those that identify a person it is not told.

    Returns:
        JSON-able: `file`, `rows`, `columns` (each with `name`, `type`, `missing`, and `levels`, `range` or `span`, and
        perhaps `codebook`), perhaps `persons`, `correlations` and `first_rows`, and `held_back`, the list of what was
        suppressed and why.
    """
    hidden = {finding.column: finding.reason for finding in findings}
    held_back = [{"column": name, "what": "everything but its name", "why": why} for name, why in hidden.items()]
    persons = None if subject is None else subject.values
    columns = []
    for at, column in enumerate(table.columns, start=1):
        if column.name in hidden:
            described: dict[str, Any] = {"type": "identifier", "missing": "not shown"}
            if subject is not None and column.name == subject.name:
                described["tells_persons_apart"] = True
            withheld: list[dict[str, str]] = []
        elif exposure == "rows":
            described, withheld = _open(column)
        else:
            described, withheld = _describe(column, table.rows, persons, rules)
        if column.name in codebook and column.name not in hidden:
            described["codebook"] = codebook[column.name]
        columns.append({**_named(column.name, at), **described})
        held_back += withheld
    made: dict[str, Any] = {"file": table.name, "rows": table.rows, "columns": columns}
    if persons is not None:
        made["persons"] = f"about {max(rules.k, round(persons.nunique() / rules.k) * rules.k)}"
    told_apart = [column for column in table.columns if column.name not in hidden]
    related = [column for column in told_apart if exposure == "rows" or column.name not in quasi]
    correlations, small = _correlations(related, persons, rules)
    if correlations:
        made["correlations"] = correlations
    if small:
        held_back.append(
            {
                "column": "(pairs)",
                "what": f"{small} correlations",
                "why": f"they rest on groups of fewer than {rules.k} persons",
            }
        )
    if exposure == "rows":
        made["first_rows"] = _first_rows(told_apart)
    return {**made, "held_back": held_back}


def told(profile: dict[str, Any]) -> dict[str, Any]:
    """Return what the model is told of a profile of several files.

    All but the list of what was held back; and of a wide file, columns that are alike as one entry with how many they
    are, the first of their names, and what lies between the least and the greatest of their ends.
    """
    return {
        "files": [
            {name: value for name, value in file.items() if name != "held_back"}
            | {"columns": _gathered(file["columns"])}
            for file in profile["files"]
        ]
    }


def _gathered(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(columns) <= WIDE:
        return columns
    kinds: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for column in columns:
        kinds.setdefault(_likeness(column), []).append(column)
    return [one for kind in kinds.values() for one in (kind if len(kind) < _ALIKE_MIN else [_together(kind)])]


def _likeness(column: dict[str, Any]) -> tuple[str, ...]:
    shown = "range" if isinstance(column.get("range"), list) else json.dumps([*column.get("levels", column.items())])
    return column["type"], column["missing"], shown, json.dumps(column.get("codebook"))


def _together(columns: list[dict[str, Any]]) -> dict[str, Any]:
    first = columns[0]
    made = {
        "columns_alike": len(columns),
        "first_names": [column["name"] for column in columns[:_NAMES_SHOWN]],
        "type": first["type"],
        "missing": first["missing"],
    }
    if isinstance(first.get("range"), list):
        ends = [column["range"] for column in columns]
        return {**made, "range": [min(low for low, _ in ends), max(high for _, high in ends)]}
    return {**made, "levels": [*first["levels"]]} if "levels" in first else made


def is_coded(column: Column) -> bool:
    """Say whether a column holds categories: text, or few different whole numbers."""
    return column.kind == "text" or (column.kind == "integer" and not column.differs_more_than(CODES_MAX))


def common_levels(column: Column, persons: pd.Series | None = None, *, k: int = K) -> pd.Series[int]:
    """Return in how many rows each category occurs that at least `k` persons share, in the order of the levels.

    Args:
        column: categories.
        persons: tells persons apart, one value a row; None where each row is a person.
        k: fewest persons.
    """
    counts = column.counts(least=k)
    behind = counts if persons is None else persons.groupby(column.values).nunique().reindex(counts.index, fill_value=0)
    return counts[behind >= k].sort_index()


def shown_range(column: Column, persons: pd.Series | None = None, *, k: int = K) -> tuple[float, float] | None:
    """Return the k-th smallest and the k-th largest number, counted in persons and rounded outwards.

    The step is a power of ten of about a tenth to a hundredth of the interquartile range, and ten times that with
    fewer than 4·k persons, where so little lies between the ends that they would show a single person's value. None
    for dates and text, with fewer than 2·k persons, or where the k-th smallest lies above the k-th largest.
    """
    if column.kind not in ("integer", "number"):
        return None
    values = pc.drop_null(column.cells).cast(pa.float64()).to_numpy()
    behind = len(values) if persons is None else int(persons[column.values.notna()].nunique())
    if behind < 2 * k:
        return None
    quarters = [len(values) // 4, 3 * len(values) // 4]
    present = np.partition(values, sorted({k - 1, len(values) - k, *quarters}))
    if persons is None:
        low, high = float(present[k - 1]), float(present[-k])
    else:
        smallest, largest = _of_persons(column.values.dropna(), persons)
        low, high = float(smallest[k - 1]), float(largest[-k])
    if low > high:
        return None
    # What lies beyond the ends says nothing, not even here.
    below, above = np.clip(present[quarters], low, high)
    spread = float(above - below) or high - low
    finest = 0 if column.kind == "integer" else column.decimals
    places = finest
    if spread > 0:
        places = min(1 - math.floor(math.log10(spread)), finest) - (behind < 4 * k)
    return _rounded(low, places, ROUND_FLOOR), _rounded(high, places, ROUND_CEILING)


def _of_persons(values: pd.Series, persons: pd.Series | None) -> tuple[Any, Any]:
    """Return the smallest and the largest value of each person, each sorted."""
    if persons is None:
        present = np.sort(values.to_numpy())
        return present, present
    groups = values.groupby(persons[values.index])
    return np.sort(groups.min().to_numpy()), np.sort(groups.max().to_numpy())


def _describe(
    column: Column, rows: int, persons: pd.Series | None, rules: Suppression
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    described: dict[str, Any] = {
        "type": column.kind,
        "missing": rounded_share(column.missing / rows, rules),
    }
    if column.kind == "date":
        return _span(column, persons, described, rules)
    if is_coded(column):
        return _levels(column, rows, persons, described, rules)
    ends = shown_range(column, persons, k=rules.k)
    described["range"] = list(ends) if ends else "not shown"
    if ends is None:
        return described, [{"column": column.name, "what": "the range", "why": "too few values stand behind it"}]
    return described, [
        {"column": column.name, "what": "the extremes", "why": f"at least {rules.k} persons lie at or beyond each end"}
    ]


def _levels(
    column: Column, rows: int, persons: pd.Series | None, described: dict[str, Any], rules: Suppression
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    levels = common_levels(column, persons, k=rules.k)
    kept = levels if len(levels) <= LEVELS_MAX else levels.nlargest(LEVELS_MAX).sort_index()
    described["levels"] = {_level(level): rounded_share(count / rows, rules) for level, count in kept.items()}
    rare = column.distinct() - len(levels)
    held = []
    if rare:
        described["other_levels"] = "held back"
        held.append({"column": column.name, "what": f"{rare} rare levels", "why": f"fewer than {rules.k} persons each"})
    if len(kept) < len(levels):
        held.append({"column": column.name, "what": f"{len(levels) - len(kept)} levels", "why": "too many to show"})
    return described, held


def _span(
    column: Column, persons: pd.Series | None, described: dict[str, Any], rules: Suppression
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    years = column.values.dropna().str[:4].astype("int64")
    smallest, largest = _of_persons(years, persons)
    if len(smallest) < 2 * rules.k:
        described["span"] = "not shown"
        return described, [{"column": column.name, "what": "the span", "why": "too few dates stand behind it"}]
    described["span"] = {"first_year": int(smallest[rules.k - 1]), "last_year": int(largest[-rules.k])}
    return described, [
        {"column": column.name, "what": "months and days", "why": "dates are told as a span of years"},
        {"column": column.name, "what": "the extremes", "why": f"at least {rules.k} persons lie at or beyond each end"},
    ]


def _open(column: Column) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Describe a column of an open file: everything, as it is."""
    described: dict[str, Any] = {"type": column.kind, "missing": column.missing}
    present = column.values.dropna()
    if is_coded(column):
        levels = present.value_counts()
        described["levels"] = {
            _level(level): int(count) for level, count in levels.head(LEVELS_MAX).sort_index().items()
        }
        return described, []
    ends = (present.min(), present.max()) if len(present) else ()
    described["range"] = [str(end) if column.kind == "date" else float(end) for end in ends]
    return described, []


def _first_rows(columns: list[Column]) -> list[dict[str, Any]]:
    shown = [column.values.head(ROWS_SHOWN) for column in columns]
    return [
        {column.name[:NAME_MAX]: _cell(values.iloc[at]) for column, values in zip(columns, shown, strict=True)}
        for at in range(len(shown[0]) if shown else 0)
    ]


def _cell(value: Any) -> Any:
    if value is None or value != value:
        return None
    return value[:LEVEL_MAX] if isinstance(value, str) else float(value)


def _correlations(
    columns: list[Column], persons: pd.Series | None, rules: Suppression
) -> tuple[list[dict[str, Any]], int]:
    """Return rank correlations of at least 0.3, and how many could not be shown.

    One is shown where each cell of the cross table of both columns, cut at their medians, holds k persons. A column
    that follows from another leaves cells empty, so nothing of how it does is told.
    """
    numeric = [column for column in columns if column.kind in ("integer", "number")][:_RELATED_MAX]
    if len(numeric) < 2:
        return [], 0
    step = 1 + len(numeric[0].cells) // _RELATED_ROWS
    frame = pd.DataFrame({str(at): column.cells.to_numpy()[::step].copy() for at, column in enumerate(numeric)})
    found = frame.rank().corr(min_periods=4 * rules.k).to_numpy()
    shown, small = [], 0
    for one, two in combinations(range(len(numeric)), 2):
        value = found[one, two]
        if not abs(value) >= _RELATION_MIN:
            continue
        if _smallest_cell(frame[str(one)], frame[str(two)], persons) < rules.k:
            small += 1
            continue
        rounded = round(round(value / rules.relation_step) * rules.relation_step, 2)
        shown.append(
            {"columns": [numeric[at].name[:NAME_MAX] for at in (one, two)], "rank_correlation": f"about {rounded}"}
        )
    return shown, small


def _smallest_cell(one: pd.Series, two: pd.Series, persons: pd.Series | None) -> int:
    both = one.notna() & two.notna()
    cut = pd.DataFrame({"one": one[both] > one[both].median(), "two": two[both] > two[both].median()})
    cut["person"] = cut.index if persons is None else persons[both]
    cells = cut.groupby(["one", "two"])["person"].nunique()
    return int(cells.min()) if len(cells) == 4 else 0


def _named(name: str, position: int) -> dict[str, Any]:
    """Return how a column is named: a long name is cut, and then its position tells which column it is."""
    return {"name": name} if len(name) <= NAME_MAX else {"name": f"{name[:NAME_MAX]}…", "position": position}


def _rounded(value: float, places: int, mode: str) -> float:
    # Through the shortest text of the number: 0.3 is 3 steps of 0.1, and 0.3 / 0.1 is 2.9999999999999996.
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), rounding=mode, context=_EXACT))


def rounded_share(share: float, rules: Suppression = RULES) -> str:
    """Return a share in rounded words."""
    if share == 0:
        return "none"
    step = rules.share_percent
    return f"under {step} %" if share < step / 100 else f"about {round(share * 100 / step) * step} %"


def _level(level: Any) -> str:
    name = str(int(level)) if isinstance(level, float) else str(level)
    return name if len(name) <= LEVEL_MAX else f"{name[:LEVEL_MAX]}…"
