"""Finding what may identify a person: columns that must never be described, sampled or copied into a twin.

Looks at column names, at patterns in values (e-mail address, telephone number, US social security number), at
columns in which every row has its own text or whole number, and at free text. A finding keeps the column out of the
profile and makes its twin from nothing but its form.

It does not cover names and places inside free text, national number systems, or quasi-identifiers that single a
person out only together. A column without a finding is not thereby safe.

Source: the 18 identifiers of the HIPAA Privacy Rule, 45 CFR 164.514(b)(2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from counterproof.tools.data import Column, Table

_NAMES = re.compile(
    r"(^|[_.\s-])(name|surname|firstname|lastname|email|e_mail|phone|telephone|fax|ssn|mrn|nhs|address|street|zip|"
    r"postcode|ip|url|passport|licen[cs]e|patient_?id|subject_?id|u?subjid|seqn|id)($|[_.\s-])"
    r"|^(subject|patient|participant|person|proband)$",
    re.IGNORECASE,
)
_PATTERNS = {
    "an e-mail address": re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE),
    "a social security number": re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"),
    "a telephone number": re.compile(r"^\+?\d[\d ()/-]{7,}\d$"),
}
_LONG_TEXT = 40
_ROWS_MIN = 20


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A column that may identify a person, and why; the reason never holds a value."""

    column: str
    reason: str


def find_identifiers(table: Table) -> list[Finding]:
    """Return the columns that may identify a person, each with its first reason, in the order of the file."""
    found = []
    for column in table.columns:
        reason = _reason(column, table.rows)
        if reason:
            found.append(Finding(column=column.name, reason=reason))
    return found


def _reason(column: Column, rows: int) -> str | None:
    if _NAMES.search(column.name):
        return "its name is that of an identifier"
    present = column.values.dropna()
    if column.kind == "text":
        for label, pattern in _PATTERNS.items():
            if present.map(lambda value, pattern=pattern: bool(pattern.search(str(value)))).any():
                return f"it holds a value in the form of {label}"
        if (present.map(len) > _LONG_TEXT).any():
            return f"it holds free text (longer than {_LONG_TEXT} characters)"
    if column.kind == "date":
        return "it holds dates of single persons"
    if column.kind != "number" and rows >= _ROWS_MIN and len(present) == rows and present.nunique() == rows:
        return "every row has its own value"
    return None
