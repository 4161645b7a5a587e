"""Finding what may identify a person: columns that must not be described, sampled or copied before somebody looked.

A column is found by its name, by the form of its values, by free text, by dates, and by values that differ so much from
row to row that they can't be categories. A finding stops the intake until a person says what the column is
(`reviews`); until then, and where they say "identifier", nothing of it is told but its name. Names of files and columns
that hold an identifier themselves are refused: programs need them, so the model would see them.

It does not cover what singles a person out only together with other columns (`quasi_identifiers`). A column without a
finding is not thereby safe.

Source: the 18 identifiers of the HIPAA Privacy Rule, 45 CFR 164.514(b)(2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from counterproof.provenance.errors import UsageError
from counterproof.tools.data import Column, Table
from counterproof.tools.identifier_text import find_in_text, is_clinical_code
from counterproof.tools.identifier_words import COLUMN_WORDS, SUBJECT_WORDS, WHOLE_NAME_ONLY, Kind
from counterproof.tools.reading.date_forms import holds_dates

LONG_TEXT = 40
"""Longer values are free text."""
_ROWS_MIN = 20
_DIFFERENT_MIN = 10
_DIFFERENT_SHARE = 0.2
_SLICE = 2**17
_LOOKED_AT_MAX = 5000
"""So many different values are looked into; a text column with more is found for that."""
_LONG_NUMBER = 10**8
_OWN_VALUE = "every row has its own value"
_OWN_MAX = 50
"""Where more columns tell every row apart, most of them are measurements: nobody is numbered fifty times."""
_GAPS_MAX, _ONE_LENGTH = 3, 6
_OLD = 89
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_APART = re.compile(r"[^0-9A-Za-zÀ-ÿ]+")
_MEANINGFUL = re.compile(r"\d{3}|[@/:]|\b[A-ZÀ-Þ]\w+\W+[A-ZÀ-Þ]|\.\w|\d\D\d")
"""What a short value must have to be looked into: no category of a word or two has it."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A column that may identify a person, and why; the reason never holds a value.

    Attributes:
        column: its name.
        reason: why.
        kind: what kind of identifier it looks like.
        tells_persons_apart: whether it is the one by which persons are counted.
    """

    column: str
    reason: str
    kind: str = "other number"
    tells_persons_apart: bool = False


def subject_among(findings: Iterable[Finding]) -> str:
    """Return the column by which persons are counted; "" where each row is a person, or nobody said."""
    return next((one.column for one in findings if one.tells_persons_apart), "")


def find_identifiers(table: Table) -> list[Finding]:
    """Return the columns that may identify a person, each with its first reason, in the order of the file."""
    found = []
    for column in table.columns:
        reason = _reason(column, table.rows)
        if reason:
            found.append(Finding(column=column.name, reason=reason[0], kind=reason[1]))
    own = {one.column for one in found if one.reason == _OWN_VALUE}
    if len(own) <= _OWN_MAX:
        return found
    given = {column.name for column in table.columns if column.name in own and _is_given_out(column)}
    return [one for one in found if one.column not in own - given]


def check_names(table: Table) -> None:
    """Let the names of a file and its columns pass.

    Raises:
        UsageError: one holds an identifier of a person; the text says which and of what kind, and does not repeat it.
    """
    stem = PurePath(table.name).stem
    named = [("The name of the data file", stem)]
    named += [(f"{table.name}: the name of column {at}", one.name) for at, one in enumerate(table.columns, start=1)]
    for where, name in named:
        kind = identifier_in(name)
        if kind:
            shown = where if name != stem else "The name of the data file"
            raise UsageError(
                f"{shown} holds what looks like an identifier of a person ({kind}).",
                allowed="Names of files and columns are shown to the model, so they may say nothing of a person.",
                advice="Rename it.",
            )


def identifier_in(name: str) -> str:
    """Return the kind of the first identifier of a person in a name or label; "" where there is none."""
    found = (span.kind for span in find_in_text(_readable(name)) if span.kind not in ("name", "place", "vehicle"))
    return next(found, "")


def subject_column(table: Table, named: str = "") -> Column | None:
    """Return the column that tells persons apart; None where there is none.

    Args:
        table: the data.
        named: the column that a person named; "" to go by the names: of several, the one with the fewest persons.
    """
    if named:
        found = next(column for column in table.columns if column.name == named)
    else:
        known = [column for column in table.columns if _names_subject(column.name) and not column.missing]
        if not known:
            return None
        found = known[0] if len(known) == 1 else min(known, key=Column.distinct)
    # Numbers tell persons apart as well, and take less room.
    return found.numbered() if found.on_disk else found


def words_of(name: str) -> list[str]:
    """Return the words of a column's name in small letters: of `HomeZip_2`, `home`, `zip` and `2`."""
    return [word.lower() for word in _APART.split(_CAMEL.sub(" ", name)) if word]


def _names_subject(name: str) -> bool:
    words = words_of(name)
    return "".join(words) in SUBJECT_WORDS or (
        len(words) <= 3 and words[-1:] == ["id"] and words[0] not in ("site", "visit")
    )


def _kind_of(name: str) -> Kind | None:
    """Return what kind of identifier a column's name speaks of."""
    words = words_of(name)
    whole = "".join(words)
    if whole in COLUMN_WORDS:
        return COLUMN_WORDS[whole]
    pairs = [one + two for one, two in pairwise(words)]
    for word in (*pairs, *words):
        if word in COLUMN_WORDS and word not in WHOLE_NAME_ONLY:
            return COLUMN_WORDS[word]
    return None


def _reason(column: Column, rows: int) -> tuple[str, str] | None:
    kind = _kind_of(column.name)
    if kind:
        return "its name is that of an identifier", kind
    if holds_dates(column):
        return "it holds dates of single persons", "date"
    found = _in_text(column, rows) if column.kind == "text" else _in_numbers(column)
    if found:
        return found
    if column.kind != "number" and rows >= _ROWS_MIN and _tells_rows_apart(column):
        if column.kind == "text" and all(map(is_clinical_code, column.values)):
            return None
        return _OWN_VALUE, "other number"
    return None


def _tells_rows_apart(column: Column) -> bool:
    """Say whether every row has a value of its own; mostly its beginning shows that it is not so."""
    begin = column.cells.slice(0, _LOOKED_AT_MAX)
    if column.missing or len(begin.unique()) < len(begin):
        return False
    return column.distinct() == len(column.cells)


def _is_given_out(column: Column) -> bool:
    """Say whether different values are such as persons are numbered with; measurements of a few persons differ, too."""
    if column.kind == "text":
        return True
    low, high = int(column.values.min()), int(column.values.max())
    runs_on = high - low < _GAPS_MAX * len(column.values)
    return low >= 0 and (runs_on or len(str(low)) == len(str(high)) >= _ONE_LENGTH)


def _in_numbers(column: Column) -> tuple[str, str] | None:
    ends = pc.min_max(column.cells).as_py()
    if ends["min"] is None:
        return None
    long = column.kind == "integer" and max(abs(ends["min"]), abs(ends["max"])) >= _LONG_NUMBER
    if long and column.values.abs().median() >= _LONG_NUMBER:
        return "it holds whole numbers of nine and more digits", "other number"
    if "age" in words_of(column.name) and _OLD < ends["max"] < 130:
        return f"it holds ages over {_OLD}", "date"
    return None


def _in_text(column: Column, rows: int) -> tuple[str, str] | None:
    long = _first_long(column)
    for value in long:
        spans = find_in_text(value)
        if spans:
            return f"it holds free text, with what looks like {_named(spans[0].kind)}", spans[0].kind
    if long:
        return f"it holds free text (longer than {LONG_TEXT} characters)", "name"
    if column.differs_more_than(_LOOKED_AT_MAX):
        return f"it holds more than {_LOOKED_AT_MAX:,} different texts", "other number"
    different = pd.Series(column.different().to_pylist(), dtype="object")
    if not len(different):
        return None
    for value in different[different.str.contains(_MEANINGFUL)]:
        spans = [] if is_clinical_code(value) else find_in_text(value)
        if spans:
            return f"it holds a value in the form of {_named(spans[0].kind)}", spans[0].kind
    differ = len(different) >= _DIFFERENT_MIN and len(different) >= _DIFFERENT_SHARE * rows
    if differ and not different.map(is_clinical_code).mean() >= 0.9:
        return "its texts differ too much from row to row to be categories", "name"
    return None


def _first_long(column: Column) -> list[str]:
    """Return the first different values that are free text for their length."""
    cells, found = column.cells, dict[str, None]()
    if pa.types.is_dictionary(cells.type):
        cells = pa.chunked_array([column.different()])
    for at in range(0, len(cells), _SLICE):
        here = cells.slice(at, _SLICE)
        found.update(dict.fromkeys(here.filter(pc.greater(pc.utf8_length(here), LONG_TEXT)).unique().to_pylist()))
        if len(found) >= _ROWS_MIN:
            break
    return list(found)[:_ROWS_MIN]


def _readable(name: str) -> str:
    """Return a name with its words apart, as a text that may announce a number: `MRN_48123` as `MRN 48123`."""
    return name.replace("_", " ")


_IN_WORDS = {
    "phone": "a telephone number",
    "fax": "a fax number",
    "email": "an e-mail address",
    "national number": "a social security number or its kin",
    "ip address": "an IP address",
    "account number": "an account number",
    "other number": "a number of one's own",
    "url": "a web address",
}


def _named(kind: str) -> str:
    return _IN_WORDS.get(kind, f"a {kind}")
