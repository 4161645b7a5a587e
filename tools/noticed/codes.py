"""Codes and words that stand for "missing": 999, -9, "unknown".

A number is taken for a code by the same rule as in the check that looks whether codes reached a model
(`checks.observed.data_sentinels`), or because codebook or file declare it. A column that is numbers but for some words
("<0.1", "unknown") is named, too: programs read it as text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterproof.tools.checks.observed.data_sentinels import CODES, ROWS_MIN, sentinel_codes
from counterproof.tools.codebooks import Variable
from counterproof.tools.codebooks.variable import is_unknown
from counterproof.tools.data import Column
from counterproof.tools.noticed.noticed import Behind, Mask, Noticed, shown
from counterproof.tools.reading.columns import is_number

DIFFERENT_MAX = 5000
"""A text column with more different values is not looked into."""
_MOSTLY = 0.8
_MARKS = frozenset({"?", "-", "--", "---", "*", "**", "x", "X"})


def codes_for_missing(column: Column, variable: Variable | None, behind: Behind) -> list[Noticed]:
    """Return what stands for "missing" in a column, or may."""
    declared = [*column.user_missing, *(variable.missing if variable else ())]
    if column.kind == "text":
        return _in_text(column, declared, behind)
    if column.kind == "date":
        return []
    known = [float(code) for code in dict.fromkeys(declared) if is_number(code)]
    found = _declared(column, known, behind)
    return found + _suspected(column, known, behind)


def _declared(column: Column, codes: Sequence[float], behind: Behind) -> list[Noticed]:
    parts = []
    for code in codes:
        rows = _equal(column, code)
        if rows.any():
            parts.append(f"{shown(code)} ({behind.share(rows)})")
    if not parts:
        return []
    text = f"declared as codes for missing, and among the values: {', '.join(parts)}"
    return [Noticed(kind="code for missing", columns=(column.name,), text=text)]


def _suspected(column: Column, known: Sequence[float], behind: Behind) -> list[Noticed]:
    ends = pc.min_max(column.cells).as_py()
    if len(column.cells) - column.missing < ROWS_MIN or not {ends["min"], ends["max"]} & {*CODES, *known}:
        return []  # quick: a code stands at an end
    values = pc.drop_null(pc.unique(column.cells)).cast(pa.float64()).to_numpy()
    values = values[~np.isin(values, known)]
    # The rule looks at the different values alone, in as many rows as it asks for.
    codes = sentinel_codes(np.repeat(values, ROWS_MIN))
    told, held = [], False
    for code in codes:
        rows = _equal(column, code)
        if behind.enough(rows):
            told.append(f"{shown(code)} ({behind.share(rows)})")
        else:
            held = True
    parts = [f"far from the other values, like a code for missing: {', '.join(told)}"] if told else []
    if held:
        parts.append(f"a value like a code for missing (such as 9, 99 or -9) that {behind.few} have")
    return [Noticed(kind="code for missing", columns=(column.name,), text="; ".join(parts))] if parts else []


def _equal(column: Column, code: float | str) -> Mask:
    return np.asarray(pc.fill_null(pc.equal(column.cells, code), False).to_numpy(), dtype=np.bool_)


def _in_text(column: Column, declared: Sequence[str], behind: Behind) -> list[Noticed]:
    if column.differs_more_than(DIFFERENT_MAX):
        return []
    counts = column.counts()
    words = [str(value) for value in counts.index if value in declared or value in _MARKS or is_unknown(str(value))]
    numbers = int(sum(count for value, count in counts.items() if is_number(str(value))))
    if numbers < counts.sum() and numbers >= _MOSTLY * counts.sum():
        others = [str(value) for value in counts.index if not is_number(str(value))]
        text = f"numbers but for some values, so it is read as text: {_named(column, others, behind)}"
        return [Noticed(kind="words among numbers", columns=(column.name,), text=text)]
    if not words:
        return []
    text = f"stand for missing, or seem to: {_named(column, words, behind)}"
    return [Noticed(kind="code for missing", columns=(column.name,), text=text)]


def _named(column: Column, values: Sequence[str], behind: Behind) -> str:
    """Return the values that k persons have with their shares, and that there are others."""
    parts, held = [], 0
    for value in values:
        rows = _equal(column, value)
        if behind.enough(rows):
            parts.append(f"{shown(value)} ({behind.share(rows)})")
        else:
            held += 1
    if held:
        parts.append(f"values that {behind.few} have each")
    return ", ".join(parts)
