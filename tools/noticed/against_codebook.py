"""Where data and codebook disagree: columns that it does not describe, or that are not there, and other codes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from counterproof.tools.codebooks import Variable
from counterproof.tools.data import Column, Table
from counterproof.tools.noticed.noticed import Behind, Noticed, shown
from counterproof.tools.reading.columns import is_number

_NAMED = 20


def variable_of(column: str, file: str, codebook: Sequence[Variable]) -> Variable | None:
    """Return what a codebook says of a column: under its name, else under the same name in other letters."""
    here = [one for one in codebook if one.is_of(file)]
    exact = [one for one in here if one.name == column]
    close = [one for one in here if one.name.lower() == column.lower()]
    found = exact or (close if len(close) == 1 else [])
    return next((one for one in found if one.dataset), found[0] if found else None)


def comparable(value: object) -> object:
    """Return a value or code so that those are the same that mean the same: 1, "1" and "1.0"."""
    text = str(value)
    return float(text) if is_number(text) else text


def disagreements(table: Table, codebook: Sequence[Variable], hidden: Collection[str], behind: Behind) -> list[Noticed]:
    """Return where a file is not as its codebook says."""
    here = [one for one in codebook if one.is_of(table.name)]
    if not here:
        return []
    of = {column.name: variable_of(column.name, table.name, codebook) for column in table.columns}
    found = []
    bare = [name for name, one in of.items() if one is None]
    if bare:
        found.append(Noticed(kind="codebook", columns=tuple(bare), text="the codebook does not describe it"))
    gone = [one.name for one in here if one not in of.values()]
    if gone:
        more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
        text = f"the codebook describes what the file has no column for: {', '.join(map(shown, gone[:_NAMED]))}{more}"
        found.append(Noticed(kind="codebook", columns=(), text=text))
    for column in table.columns:
        variable = of[column.name]
        if variable is not None and column.name not in hidden:
            found += _other_codes(column, variable, behind)
    return found


def _other_codes(column: Column, variable: Variable, behind: Behind) -> list[Noticed]:
    """Return values that are none of the codes, where all codes are named and most values are one of them."""
    if not variable.levels or variable.levels_cut or column.kind == "date":
        return []
    allowed = {comparable(code) for code in (*variable.levels, *variable.missing)}
    different = list(column.counts().index)
    others = [value for value in different if comparable(value) not in allowed]
    if not others or len(others) >= len(different) / 2 + 1:
        return []
    told, held = [], False
    for value in others[:_NAMED]:
        rows = (column.values == value).to_numpy(dtype=np.bool_)
        if behind.enough(rows):
            told.append(f"{shown(value)} ({behind.share(rows)})")
        else:
            held = True
    told += [f"values that {behind.few} have each"] if held or len(others) > _NAMED else []
    text = f"values that are none of the codebook's codes: {', '.join(told)}"
    return [Noticed(kind="codebook", columns=(column.name,), text=text)]
