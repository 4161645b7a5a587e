"""What a data file says of its own columns, as far as it may be told: names of codes are data, too.

SPSS and Stata keep the names of codes in the file. Where a machine gave the codes (`AUTORECODE`, `encode`), such a name
is what stood in a cell: a person's name, or a sentence. So the name of a code is kept only where k persons have the
code, or where it says that a value is missing ("not asked"). That others were left out shows as `levels_cut`.

It does not cover what a person wrote for the model, a codebook (`codebooks`), which stays as it is; nor columns that
identify persons: of those the profile tells nothing but the name.
"""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.provenance.errors import UsageError
from counterproof.tools.codebooks import Variable
from counterproof.tools.codebooks.variable import is_unknown
from counterproof.tools.data import Column, Table
from counterproof.tools.identifiers import identifier_in, subject_column
from counterproof.tools.noticed.against_codebook import comparable, variable_of


def own_labels(table: Table, variables: Sequence[Variable], *, subject: str = "", k: int) -> tuple[Variable, ...]:
    """Return what may be told of what a file says of its columns.

    Args:
        table: the data.
        variables: what the file says.
        subject: the column that a person named to tell persons apart; "" to go by the names of columns.
        k: fewest persons behind a code whose name is told.

    Raises:
        UsageError: a label that would be told holds an identifier of a person; the text does not repeat it.
    """
    persons = subject_column(table, subject)
    told = []
    for at, column in enumerate(table.columns, start=1):
        variable = variable_of(column.name, table.name, variables)
        if variable is None:
            continue
        enough = _of_enough(column, persons, k)
        levels = {
            code: text for code, text in variable.levels.items() if comparable(code) in enough or is_unknown(text)
        }
        cut = variable.levels_cut or len(levels) < len(variable.levels)
        kept = variable.model_copy(update={"levels": levels, "levels_cut": cut})
        _check(f"{table.name}: what the file says of column {at}", kept)
        told.append(kept)
    return tuple(told)


def _of_enough(column: Column, persons: Column | None, k: int) -> set[object]:
    """Return the values that k persons have."""
    values = column.values
    behind = values.value_counts() if persons is None else persons.values.groupby(values).nunique()
    return {comparable(value) for value, count in behind.items() if count >= k}


def _check(where: str, variable: Variable) -> None:
    for text in (variable.label, variable.unit, *variable.levels.values()):
        kind = identifier_in(text)
        if kind:
            raise UsageError(
                f"{where} holds what looks like an identifier of a person ({kind}).",
                allowed="Labels in a file are shown to the model, so they may say nothing of a person.",
                advice="Change the label in the file, or describe the column with --codebook.",
            )
