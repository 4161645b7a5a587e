"""What makers other than the trees share: each column as what may be shown of it, and writing it again.

The bounds, atoms, grids and rare levels are those of the twin (`tools.twin.columns`), so that no maker shows a rare
level, an extreme or an identifier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.tools.data import Column, Table
from counterproof.tools.profile import K
from counterproof.tools.synth.columns import numbers_of
from counterproof.tools.synth.marks import Cells
from counterproof.tools.twin.columns import (
    Classes,
    Numbers,
    Spread,
    allowed,
    codes_of,
    drawn,
    form_of,
    snapped,
    written,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One column as makers see it.

    Attributes:
        column: the real one.
        form: what may be shown; None where all is made up.
        values: shape (rows,); class numbers (that of common ones for a rare one), or numbers within the bounds.
    """

    column: Column
    form: Classes | Numbers | Spread | None
    values: Floats

    def write(self, values: Floats, random: np.random.Generator) -> list[str]:
        """Write values of this column; real numbers are drawn anew between their neighbours."""
        gone = np.isnan(values)
        texts: list[str]
        if isinstance(self.form, Classes):
            codes = values[~gone].astype(np.int64)
            rare = codes >= self.form.common
            codes[rare] = self.form.common + random.integers(0, max(self.form.rare, 1), int(rare.sum()))
            texts = [self.form.names[min(code, len(self.form.names) - 1)] for code in codes.tolist()]
        elif isinstance(self.form, Numbers):
            texts = self._numbers(drawn(self.form, values[~gone], random))
        elif isinstance(self.form, Spread):
            low = self.form.low
            made = random.normal(self.form.mean, self.form.deviation, int((~gone).sum()))
            texts = self._numbers(snapped(made, step=self.form.step, low=low))
        else:
            texts = [_made_up(self.column, at) for at in range(int((~gone).sum()))]
        rest = iter(texts)
        return ["" if missing else next(rest) for missing in gone.tolist()]

    def _numbers(self, values: Floats) -> list[str]:
        if self.column.kind == "date":
            return [str(day) for day in values.astype(np.int64).astype("datetime64[D]")]
        return written(values, self.column)


def shown(table: Table, hidden: set[str]) -> list[Shown]:
    """Return what may be shown of each column; nothing of those that may identify a person."""
    return [_shown(column, hidden=column.name in hidden) for column in table.columns]


def cells_of(columns: list[Shown], rows: list[Floats], random: np.random.Generator) -> Cells:
    """Write the drawn values of each column."""
    return {one.column.name: one.write(values, random) for one, values in zip(columns, rows, strict=True)}


def _shown(column: Column, *, hidden: bool) -> Shown:
    missing = column.values.isna().to_numpy()
    if hidden or missing.all():
        return Shown(column=column, form=None, values=np.where(missing, np.nan, 0.0))
    values = pd.Series(numbers_of(column)) if column.kind == "date" else column.values
    form = form_of(column, values, None, k=K)
    if isinstance(form, Classes):
        codes, rare = codes_of(values, None, k=K)
        if rare.sum() >= K or not form.common:
            codes = np.where(rare > 0, float(form.common), codes)
        else:
            common = codes[~np.isnan(codes)]
            codes[rare > 0] = np.median(common)
            codes = np.where(np.isnan(codes), np.nan, np.rint(codes))
        return Shown(column=column, form=form, values=codes)
    numbers = np.where(missing, np.nan, 0.0) if form is None else values.to_numpy(dtype="float64")
    return Shown(column=column, form=form, values=allowed(form, numbers) if isinstance(form, Numbers) else numbers)


def _made_up(column: Column, at: int) -> str:
    if column.kind == "date":
        return str(np.datetime64("1800-01-01", "D") + at % 3650)
    if column.kind == "text":
        return f"SYNTHETIC-{at + 1:06d}"
    if column.kind == "number":
        return f"{at + 1}.5"
    largest = column.values.abs().max()
    base = 9 * 10 ** len(str(int(largest))) if largest == largest and largest < 1e14 else 0
    return written(np.array([float(base + at + 1)]), column)[0]
