"""The awkward cases that a program must meet on the twin, because it will meet them in the real data.

Planted only where the real column has the like: rare levels, under made-up names; ties; sentinel codes that few rows
have, as another code of that kind. Missing values are the engine's business: a column that lacks some, lacks some in
the twin, too.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from counterproof.tools.data import Column, Table
from counterproof.tools.twin.columns import SENTINELS, Classes, Form, Numbers, written
from counterproof.tools.twin.subjects import Subjects

Cells = dict[str, list[str]]


def plant(
    cells: Cells, table: Table, forms: Mapping[str, Form | None], subjects: Subjects, random: np.random.Generator
) -> None:
    """Plant what is missing, in place."""
    for column in table.columns:
        form = forms.get(column.name)
        if isinstance(form, Classes):
            _rare_levels(cells[column.name], form, subjects, random)
        elif isinstance(form, Numbers):
            values = column.values.to_numpy() if column.kind != "date" else np.empty(0)
            _sentinel(cells[column.name], column, form, values, random)
            _tie(cells[column.name], form, values, random)


def _rare_levels(column: list[str], form: Classes, subjects: Subjects, random: np.random.Generator) -> None:
    for name in form.names[form.common :]:
        present = [at for at, cell in enumerate(column) if cell and cell in form.names[: form.common]]
        if name in column or not present:
            continue
        # The whole subject, because the column may not change within one.
        subject = subjects.made[present[int(random.integers(len(present)))]]
        for at in np.flatnonzero(subjects.made == subject).tolist():
            column[at] = name if column[at] else ""


def _sentinel(
    cells: list[str], column: Column, form: Numbers, values: NDArray[np.float64], random: np.random.Generator
) -> None:
    present = set(values[~np.isnan(values)].tolist())
    filled = [at for at, cell in enumerate(cells) if cell]
    for code in sorted(present.intersection(SENTINELS)):
        other = SENTINELS[code]
        gap = min((abs(code - value) for value in present if value not in SENTINELS), default=0.0)
        alone = gap > (form.high - form.low) / 2 and not form.low <= other <= form.high
        if alone and code not in form.atoms and other not in present and filled:
            cells[filled[int(random.integers(len(filled)))]] = written(np.array([other]), column)[0]


def _tie(cells: list[str], form: Numbers, values: NDArray[np.float64], random: np.random.Generator) -> None:
    present = values[~np.isnan(values)]
    filled = [at for at, cell in enumerate(cells) if cell]
    if not form.step or len(np.unique(present)) == len(present) or len({cells[at] for at in filled}) < len(filled):
        return
    if len(filled) > 1:
        one, other = random.choice(filled, 2, replace=False).tolist()
        cells[other] = cells[one]
