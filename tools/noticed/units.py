"""Two units in one column: two groups of numbers far apart, or numbers with their units behind them.

Groups are found by the rule of the check on impossible values (`checks.observed.data_impossible`).
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from counterproof.tools.checks.observed import data_impossible
from counterproof.tools.checks.observed.data_sentinels import sentinel_codes
from counterproof.tools.data import Column
from counterproof.tools.noticed.codes import DIFFERENT_MAX
from counterproof.tools.noticed.noticed import Behind, Noticed, shown

LOOKED_AT_MAX = 100_000
"""Of longer columns every n-th value is looked at: a unit that at least 2 % of the rows have shows in these, too."""
_WITH_UNIT = re.compile(r"[<>~]?\s*-?\d+(?:[.,]\d+)?\s*([A-Za-zµμ°%²³/^*.·\d-]*[A-Za-zµμ°%])")
_MOSTLY = 0.8


def mixed_units(column: Column, behind: Behind) -> list[Noticed]:
    """Return whether a column seems to hold values in two units."""
    if column.kind == "text":
        return _written(column, behind)
    return _in_numbers(column, behind) if column.kind == "number" or column.kind == "integer" else []


def _in_numbers(column: Column, behind: Behind) -> list[Noticed]:
    step = max(1, len(column.cells) // LOOKED_AT_MAX)
    cells = column.cells.to_numpy()[::step].astype("float64")
    present = cells[~np.isnan(cells)]
    border = data_impossible.mixed_units(present[~np.isin(present, sentinel_codes(present))])
    if not border:
        return []
    values = column.values.to_numpy()
    codes = np.isin(values, sentinel_codes(values[~np.isnan(values)]))
    low, high = (values > 0) & (values < border) & ~codes, (values >= border) & ~codes
    text = "two groups of values with nothing between them, as if there were two units"
    if behind.enough(low) and behind.enough(high):
        factor = float(f"{np.median(values[high]) / np.median(values[low]):.1g}")
        text += f": {behind.share(low)} lower, {behind.share(high)} about {factor:g} times as high"
    else:
        text += f"; one is of {behind.few}"
    return [Noticed(kind="mixed units", columns=(column.name,), text=text)]


def _written(column: Column, behind: Behind) -> list[Noticed]:
    if column.differs_more_than(DIFFERENT_MAX):
        return []
    counts = column.counts()
    unit_of = {
        value: found.group(1) for value in counts.index if (found := _WITH_UNIT.fullmatch(str(value))) is not None
    }
    if len(set(unit_of.values())) < 2 or counts[list(unit_of)].sum() < _MOSTLY * counts.sum():
        return []
    units: pd.Series = column.values.map(unit_of)
    parts, held = [], False
    for unit in dict.fromkeys(unit_of.values()):
        rows = (units == unit).to_numpy(dtype=np.bool_)
        if behind.enough(rows):
            parts.append(f"{shown(unit)} ({behind.share(rows)})")
        else:
            held = True
    parts += [f"units that {behind.few} have each"] if held else []
    text = f"numbers with several units written behind them: {', '.join(parts)}"
    return [Noticed(kind="mixed units", columns=(column.name,), text=text)]
