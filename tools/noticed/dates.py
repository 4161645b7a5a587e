"""Dates that are written in another form than YYYY-MM-DD, or in several, or so that day and month look alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from counterproof.tools.data import Column
from counterproof.tools.noticed.noticed import Behind, Mask, Noticed
from counterproof.tools.reading.date_forms import MOSTLY, SPLIT, form_of, holds_dates


def forms_of_dates(column: Column, behind: Behind) -> list[Noticed]:
    """Return in which forms a text column holds dates; nothing where it holds none, or days as YYYY-MM-DD alone."""
    if column.kind == "date" or not holds_dates(column):
        return []
    if column.kind == "integer":
        text = "whole numbers that read as dates YYYYMMDD"
        return [Noticed(kind="form of dates", columns=(column.name,), text=text)]
    values = column.values
    forms: pd.Series = values.map({value: form_of(str(value)) for value in values.dropna().unique()})
    present = int(values.notna().sum())
    if forms.notna().sum() < MOSTLY * present:
        return []
    named, held = _named(forms, values, behind)
    order = _order(values, forms, behind)
    text = f"dates as text, {'in several forms' if len(named) + held > 1 else 'in the form'}: {', '.join(named)}"
    text += (", " if named else "") + f"forms of {behind.few} each" if held else ""
    return [Noticed(kind="form of dates", columns=(column.name,), text=text + order)]


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
    numbers = pd.to_numeric(values.str.strip().str.extract(SPLIT.pattern)[group], errors="coerce")
    return np.asarray(numbers.gt(12).to_numpy(), dtype=np.bool_)
