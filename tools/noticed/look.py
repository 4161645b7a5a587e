"""Looking at a data file for what a plan must say something of; each kind in a file of its own.

What a column that may identify persons holds is told to people alone. It does not repair anything, and what was not
noticed is not thereby in order.
"""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.tools.codebooks import Variable
from counterproof.tools.data import Column, Table
from counterproof.tools.exposure import Suppression
from counterproof.tools.looking import Looked
from counterproof.tools.noticed.against_codebook import disagreements, variable_of
from counterproof.tools.noticed.codes import codes_for_missing
from counterproof.tools.noticed.dates import forms_of_dates
from counterproof.tools.noticed.noticed import Behind, Kind, Noticed
from counterproof.tools.noticed.repeats import duplicate_rows, repeated_rows
from counterproof.tools.noticed.units import mixed_units

NAMED_MAX = 20
"""So many columns are named of which the same was noticed."""


def notice(table: Table, looked: Looked, *, codebook: Sequence[Variable] = (), rules: Suppression) -> list[Noticed]:
    """Return what is awkward about a data file, in the order of its columns, then of the file as a whole.

    Args:
        table: the data.
        looked: which of its columns may identify persons, and which tells them apart.
        codebook: what a person wrote of its columns.
        rules: where suppression begins.
    """
    behind = Behind(persons=None if looked.subject is None else looked.subject.values, rules=rules)
    hidden = {one.column for one in looked.hidden}
    found: list[Noticed] = []
    for column in table.columns:
        if column.name in hidden:
            found += [_for_people(one) for one in forms_of_dates(column, behind)]
        else:
            found += _of_column(column, variable_of(column.name, table.name, codebook), behind)
    found += repeated_rows(looked.subject, behind)
    found += duplicate_rows(table, looked.subject, behind)
    return _together(found + disagreements(table, codebook, hidden, behind))


def _together(found: Sequence[Noticed]) -> list[Noticed]:
    """Return what was noticed with the same words of several columns as one; of many columns the first are named."""
    groups: dict[tuple[Kind, str, bool], list[str]] = {}
    for one in found:
        groups.setdefault((one.kind, one.text, one.hidden), []).extend(one.columns)
    return [
        Noticed(
            kind=kind,
            columns=tuple(columns[:NAMED_MAX]),
            text=text if len(columns) <= NAMED_MAX else f"{text} (and {len(columns) - NAMED_MAX:,} more columns)",
            hidden=hidden,
        )
        for (kind, text, hidden), columns in groups.items()
    ]


def _of_column(column: Column, variable: Variable | None, behind: Behind) -> list[Noticed]:
    return [
        *codes_for_missing(column, variable, behind),
        *mixed_units(column, behind),
        *forms_of_dates(column, behind),
    ]


def _for_people(one: Noticed) -> Noticed:
    return Noticed(kind=one.kind, columns=one.columns, text=one.text, hidden=True)
