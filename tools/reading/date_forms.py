"""In which form a date is written, of the forms that are usual; months and days, not times.

It does not cover words of other languages than English and German for months.
"""

from __future__ import annotations

import re

from counterproof.tools.reading.table import Column

_LOOKED_AT = 200
MOSTLY = 0.9
"""So large a share of the values must be dates."""
_BEGINNING = 20_000
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|mai|okt|dez|mär)[a-z]*\.?"
_TIME = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp][Mm])?(?:Z|[+-]\d{2}:?\d{2})?)?"
_FORMS: dict[str, re.Pattern[str]] = {
    "YYYY-MM-DD": re.compile(r"(?:1[89]|20)\d{2}-\d{2}-\d{2}"),
    "YYYY-MM-DD with a time": re.compile(r"(?:1[89]|20)\d{2}-\d{2}-\d{2}" + _TIME),
    "YYYY/MM/DD": re.compile(r"(?:1[89]|20)\d{2}[/.]\d{1,2}[/.]\d{1,2}" + _TIME),
    "YYYYMMDD": re.compile(r"(?:1[89]|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"),
    "YYYY-MM": re.compile(r"(?:1[89]|20)\d{2}-(?:0[1-9]|1[0-2])"),
    "DD Mon YYYY": re.compile(r"\d{1,2}[ -]?" + _MONTH + r"[ ,-]*(?:\d{2}|\d{4})" + _TIME, re.IGNORECASE),
    "Mon DD, YYYY": re.compile(_MONTH + r"[ -]\d{1,2},? *\d{4}" + _TIME, re.IGNORECASE),
}
SPLIT = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})" + _TIME)


def holds_dates(column: Column) -> bool:
    """Say whether a column holds days: as a reader knows them, or as text or whole numbers in another form."""
    if column.kind == "date":
        return True
    if column.kind == "number":
        return False
    some = column.cells.slice(0, _BEGINNING).unique().drop_null()[:_LOOKED_AT].to_pylist()
    if column.kind == "integer":
        return len(some) > 1 and all(_FORMS["YYYYMMDD"].fullmatch(f"{value:.0f}") for value in some)
    return bool(some) and sum(form_of(str(value)) is not None for value in some) >= MOSTLY * len(some)


def form_of(value: str) -> str | None:
    """Return the form of a date, by its parts; None for what is no date."""
    text = value.strip()
    for name, pattern in _FORMS.items():
        if pattern.fullmatch(text):
            return name
    split = SPLIT.fullmatch(text)
    if split is None or not (1 <= int(split[1]) <= 31 and 1 <= int(split[3]) <= 31):
        return None
    if int(split[1]) > 12 and int(split[3]) > 12:
        return None
    year = "YYYY" if len(split[4]) == 4 else "YY"
    return f"nn{split[2]}nn{split[2]}{year}"
