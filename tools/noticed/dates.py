"""Dates that are written in another form than YYYY-MM-DD, or in several, or so that day and month look alike."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from counterproof.tools.data import Column
from counterproof.tools.noticed.noticed import Behind, Mask, Noticed

_LOOKED_AT = 200
_MOSTLY = 0.9
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|mai|okt|dez|mär)[a-z]*\.?"
_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?(?:Z|[+-]\d{2}:?\d{2})?)?"
_FORMS: dict[str, re.Pattern[str]] = {
    "YYYY-MM-DD": re.compile(r"(?:1[89]|20)\d{2}-\d{2}-\d{2}"),
    "YYYY-MM-DD with a time": re.compile(r"(?:1[89]|20)\d{2}-\d{2}-\d{2}" + _TIME),
    "YYYY/MM/DD": re.compile(r"(?:1[89]|20)\d{2}[/.]\d{1,2}[/.]\d{1,2}" + _TIME),
    "YYYYMMDD": re.compile(r"(?:1[89]|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"),
    "YYYY-MM": re.compile(r"(?:1[89]|20)\d{2}-(?:0[1-9]|1[0-2])"),
    "DD Mon YYYY": re.compile(r"\d{1,2}[ -]?" + _MONTH + r"[ -,]*(?:\d{2}|\d{4})" + _TIME, re.IGNORECASE),
    "Mon DD, YYYY": re.compile(_MONTH + r"[ -]\d{1,2},? *\d{4}" + _TIME, re.IGNORECASE),
}
_SPLIT = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})" + _TIME)


def forms_of_dates(column: Column, behind: Behind) -> list[Noticed]:
    """Return in which forms a text column holds dates; nothing where it holds none, or days as YYYY-MM-DD alone."""
    if column.kind == "date":
        return []
    if column.kind != "text":
        return _as_numbers(column)
    some = column.cells.slice(0, 20_000).unique().drop_null()[:_LOOKED_AT].to_pylist()
    if not some or sum(form_of(str(value)) is not None for value in some) < _MOSTLY * len(some):
        return []
    values = column.values
    forms: pd.Series = values.map({value: form_of(str(value)) for value in values.dropna().unique()})
    present = int(values.notna().sum())
    if forms.notna().sum() < _MOSTLY * present:
        return []
    named, held = _named(forms, values, behind)
    order = _order(values, forms, behind)
    text = f"dates as text, {'in several forms' if len(named) + held > 1 else 'in the form'}: {', '.join(named)}"
    text += (", " if named else "") + f"forms of {behind.few} each" if held else ""
    return [Noticed(kind="form of dates", columns=(column.name,), text=text + order)]


def form_of(value: str) -> str | None:
    """Return the form of a date, by its parts; None for what is no date."""
    text = value.strip()
    for name, pattern in _FORMS.items():
        if pattern.fullmatch(text):
            return name
    split = _SPLIT.fullmatch(text)
    if split is None or not (1 <= int(split[1]) <= 31 and 1 <= int(split[3]) <= 31):
        return None
    if int(split[1]) > 12 and int(split[3]) > 12:
        return None
    year = "YYYY" if len(split[4]) == 4 else "YY"
    return f"nn{split[2]}nn{split[2]}{year}"


def _named(forms: pd.Series, values: pd.Series, behind: Behind) -> tuple[list[str], int]:
    named, held = [], 0
    other = values.notna() & forms.isna()
    groups = [(str(name), forms == name) for name in forms.dropna().unique()]
    groups += [("no date", other)] if other.any() else []
    for name, rows in groups:
        mask = rows.to_numpy(dtype=np.bool_)
        if behind.enough(mask):
            named.append(f"{name} ({behind.share(mask)})")
        else:
            held += 1
    return named, held


def _order(values: pd.Series, forms: pd.Series, behind: Behind) -> str:
    """Return which of day and month comes first, as far as the values say and k persons stand behind it."""
    if not forms.dropna().str.startswith("nn").any():
        return ""
    first, second = (_above_12(values, group) for group in (0, 2))
    if first.any() and second.any():
        return "; the day stands first in some and the month in others"
    if not first.any() and not second.any():
        return "; whether day or month stands first can't be told from the values"
    if not behind.enough(first | second):
        return f"; whether day or month stands first rests on values of {behind.few}"
    return f"; the {'day' if first.any() else 'month'} stands first"


def _above_12(values: pd.Series, group: int) -> Mask:
    """Return where one of the two numbers before the year can't be a month."""
    numbers = pd.to_numeric(values.str.strip().str.extract(_SPLIT.pattern)[group], errors="coerce")
    return np.asarray(numbers.gt(12).to_numpy(), dtype=np.bool_)


def _as_numbers(column: Column) -> list[Noticed]:
    """Return whether whole numbers read as YYYYMMDD; one that is none decides."""
    if column.kind != "integer":
        return []
    some = column.cells.slice(0, 20_000).unique().drop_null()[:_LOOKED_AT].to_pylist()
    if len(some) < 2 or not all(_FORMS["YYYYMMDD"].fullmatch(f"{value:.0f}") for value in some):
        return []
    return [Noticed(kind="form of dates", columns=(column.name,), text="whole numbers that read as dates YYYYMMDD")]
