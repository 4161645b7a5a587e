"""What of one column may appear in a twin, and how it is written.

A *class* is a category that at least `k` persons share; all others are one class "rare", which is written under made-up
names. A *number* lies between two ends, on the grid of the column (its decimals, or a larger step that all values
keep). An end is the mean of the values of the `k` persons who come after the `k - 1` most extreme ones (of fewer than
`k`, where there are not so many, of at least two): like all else that a twin shows it comes from many, and no outlier
moves it. A value that at least k persons share (zero, a limit of detection, a sentinel code) may appear as it is, every
other one is drawn anew between the values of its neighbours. With too few persons for that, a column is drawn from its
rounded mean and spread, or made up.

It does not cover which values go together (`engine`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counterproof.tools.data import Column
from counterproof.tools.profile import is_coded
from counterproof.tools.reading.columns import EXACT_MAX

RARE = "SYNTHETIC-RARE"
_RARE_NAMES_MAX = 3
_RARE_ONLY_MAX = 20
DECIMALS_MAX = 6
"""Numbers with more decimal places than this are written with fifteen significant digits."""
_ENDS_MIN = 2
"""Fewest persons whose values an end of a column is the mean of; half of k where there are so many."""
_BINS = 32
SENTINELS = {
    float(sign * code): float(sign * other)
    for sign in (1, -1)
    for code, other in ((9, 8), (99, 88), (999, 888), (9999, 8888), (88, 77), (888, 777), (8888, 7777), (77, 99))
}
"""Numbers that often stand for a missing value, each with another one of its kind."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """A column of categories.

    Attributes:
        names: how each class is written; the last ones are those of the rare levels.
        common: how many of them are real categories.
        rare: how many made-up names there are for rare levels.
    """

    names: tuple[str, ...]
    common: int
    rare: int


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A column of measurements.

    Attributes:
        sorted: shape (values,); the values that are no atoms, within the bounds, ascending.
        low: smallest value that may appear.
        high: largest value that may appear.
        atoms: values that at least k persons share.
        step: the grid; 0 for none.
        neighbours: a number is drawn between so many values below and above: from those of more than k rows.
        edges: between the bins of this column as a predictor.
    """

    sorted: Floats
    low: float
    high: float
    atoms: Floats
    step: float
    neighbours: int
    edges: Floats


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A column of measurements of few persons: its mean and standard deviation, with two digits."""

    mean: float
    deviation: float
    low: float
    step: float


Form = Classes | Numbers | Spread


def form_of(column: Column, values: pd.Series, persons: Ints | None, *, k: int) -> Form | None:
    """Describe what may appear of a column; None where nothing may.

    Args:
        column: the column.
        values: its values, dates as day numbers.
        persons: shape (rows,); which rows are of one person; None where each row is of another.
        k: fewest persons behind anything that shows.
    """
    classes = _classes(column, values, persons, k=k) if is_coded(column) else None
    if classes is not None or column.kind == "text":
        return classes
    return _numbers(column, values.to_numpy(dtype="float64"), persons, k=k)


def persons_per(values: pd.Series, persons: Ints | None) -> pd.Series:
    """Return how many persons have each value, in the order of the values."""
    if persons is None:
        return values.value_counts().sort_index()
    pairs = pd.DataFrame({"value": values, "person": persons}).dropna().drop_duplicates()
    return pairs["value"].value_counts().sort_index()


def written(values: Floats, column: Column) -> list[str]:
    """Write numbers as the column writes them."""
    if column.kind == "integer":
        places = min(column.decimals, DECIMALS_MAX)
        return [
            f"{round(value):.{places}f}" if abs(value) <= EXACT_MAX else f"{value:.15g}" for value in values.tolist()
        ]
    form = f".{column.decimals}f" if column.decimals <= DECIMALS_MAX else ".15g"
    return [format(value, form) for value in values.tolist()]


def day_numbers(column: Column) -> Floats:
    """Return dates as day numbers, NaN for a missing one."""
    days = column.values.to_numpy().astype("datetime64[D]")
    found = days.astype(np.int64).astype(np.float64)
    found[np.isnat(days)] = np.nan
    return found


def written_days(days: Floats) -> list[str]:
    """Write day numbers as dates."""
    return [str(day) for day in days.astype(np.int64).astype("datetime64[D]")]


def snapped(values: Floats, *, step: float, low: float, high: float = math.inf) -> Floats:
    """Put values on the grid, without leaving the bounds."""
    if not step:
        return np.clip(values, low, high)
    least = math.ceil(low / step - 1e-9) if math.isfinite(low) else low
    most = math.floor(high / step + 1e-9) if math.isfinite(high) else high
    found: Floats = np.clip(np.rint(values / step), least, max(least, most)) * step
    return found


def drawn(form: Numbers, members: Floats, random: np.random.Generator) -> Floats:
    """Draw values like the given ones, which are real and within the bounds: none is copied but an atom."""
    out = members.copy()
    free = ~np.isin(members, form.atoms)
    if free.any() and len(form.sorted):
        last = len(form.sorted) - 1
        at = np.searchsorted(form.sorted, members[free], side="left")
        below = form.sorted[np.clip(at - form.neighbours, 0, last)]
        above = form.sorted[np.clip(at + form.neighbours, 0, last)]
        share = random.random(int(free.sum()))
        out[free] = snapped(below + share * (above - below), step=form.step, low=form.low, high=form.high)
    return out


def bins_of(form: Form | None, values: Floats) -> Ints:
    """Return the bin of each value for a tree: 0 for a missing one."""
    if isinstance(form, Numbers):
        found = np.searchsorted(form.edges, np.nan_to_num(values), side="right") + 1
    elif isinstance(form, Classes):
        found = np.nan_to_num(values).astype(np.int64) + 1
    else:
        return np.zeros(len(values), dtype=np.int64)
    return np.where(np.isnan(values), 0, found)


def _classes(column: Column, values: pd.Series, persons: Ints | None, *, k: int) -> Classes | None:
    counts = persons_per(values, persons)
    common = counts[counts >= k]
    rare = counts[counts < k]
    names = [_level(level, column) for level in common.index]
    if column.kind != "text" and (not len(common) or float(np.abs(counts.index.to_numpy()).max()) > EXACT_MAX):
        return None
    made = min(len(rare), _RARE_NAMES_MAX if len(common) else _RARE_ONLY_MAX)
    return Classes(
        names=(*names, *_rare_names(column, common, counts, made)),
        common=len(common),
        rare=made,
    )


def _rare_names(column: Column, common: pd.Series, counts: pd.Series, made: int) -> list[str]:
    """Make names up: for codes the next free ones, never the very next, so that a gap says nothing."""
    if column.kind == "text":
        return [f"{RARE}-{at + 1}" for at in range(made)]
    taken = counts.index.to_numpy(dtype="float64")
    step = max(float(np.gcd.reduce(np.abs(common.index.to_numpy(dtype="float64")).astype(np.int64))), 1.0)
    names: list[float] = []
    code = float(max(common.index)) + 2 * step
    while len(names) < made:
        if code not in taken:
            names.append(code)
        code += step
    return written(np.array(names), column)


def _level(level: object, column: Column) -> str:
    return str(level) if column.kind == "text" else written(np.array([level], dtype="float64"), column)[0]


def codes_of(values: pd.Series, persons: Ints | None, *, k: int) -> tuple[Floats, Floats]:
    """Return the class of each row, NaN for a missing one, and whether a row has a rare level."""
    counts = persons_per(values, persons)
    place = {level: float(at) for at, level in enumerate(counts[counts >= k].index)}
    codes = values.map(place).to_numpy(dtype="float64")
    rare = values.notna().to_numpy() & np.isnan(codes)
    return codes, rare.astype("float64")


def _numbers(column: Column, values: Floats, persons: Ints | None, *, k: int) -> Numbers | Spread | None:
    present = ~np.isnan(values)
    have, who = values[present], None if persons is None else persons[present]
    if (len(have) if who is None else len(np.unique(who))) < k:
        return None
    if who is None:
        levels, counts = np.unique(have, return_counts=True)
        atoms = levels[counts >= k]
    else:
        per = persons_per(pd.Series(have), who)
        atoms = per.index[per >= k].to_numpy(dtype="float64")
    free = ~np.isin(have, atoms)
    grid = have[~np.isin(have, list(SENTINELS))]
    step = _step(grid if len(grid) else have, column)
    low, high = _bounds(have[free], None if who is None else who[free], k=k)
    if low is None or high is None:
        if not len(atoms):
            return _spread(have, step)
        smooth, low, high = np.empty(0), float(atoms.min()), float(atoms.max())
    else:
        smooth = np.sort(np.clip(have[free], low, high))
    inside = np.concatenate([smooth, have[~free]])
    edges = np.unique(np.quantile(inside, np.linspace(0, 1, _BINS)[1:-1], method="nearest"))
    return Numbers(sorted=smooth, low=low, high=high, atoms=atoms, step=step, neighbours=(k + 1) // 2, edges=edges)


def allowed(form: Numbers, values: Floats) -> Floats:
    """Bring real values to what may stand behind a twin: an atom, or within the bounds; NaN stays."""
    out = values.copy()
    free = ~np.isnan(values) & ~np.isin(values, form.atoms)
    if len(form.sorted):
        out[free] = np.clip(values[free], form.low, form.high)
    elif free.any():
        out[free] = form.atoms[np.abs(values[free][:, None] - form.atoms[None, :]).argmin(axis=1)]
    return out


def _bounds(values: Floats, who: Ints | None, *, k: int) -> tuple[float | None, float | None]:
    """Return the mean of the k-th smallest of the persons' smallest values and the next ones, and that from above.

    A single value at the end would be one person's, and values of the twin pile up there.
    """
    least = most = np.sort(values)
    if who is not None:
        by = pd.Series(values).groupby(who)
        least, most = np.sort(by.min().to_numpy()), np.sort(by.max().to_numpy())
    many = min(max(_ENDS_MIN, k // 2), len(least) - k)
    if many < _ENDS_MIN:
        return None, None
    low = float(least[k - 1 : k - 1 + many].mean())
    high = float(most[len(most) - k + 1 - many : len(most) - k + 1].mean())
    return (low, high) if low < high else (None, None)


def _spread(values: Floats, step: float) -> Spread:
    least = float(values.min())
    low = -math.inf if least < 0 else step if least > 0 else 0.0
    return Spread(mean=_digits(values.mean()), deviation=_digits(values.std()), low=low, step=step)


def _digits(value: float) -> float:
    return float(f"{value:.1e}")


def _step(values: Floats, column: Column) -> float:
    """Return the largest step that all values keep; 0 where they have too many decimals."""
    if column.decimals > DECIMALS_MAX or column.kind == "date":
        return 0.0 if column.kind != "date" else 1.0
    places = 0 if column.kind == "integer" else column.decimals
    scaled = np.rint(values * 10.0**places)
    if len(scaled) == 0 or np.abs(scaled).max() > 2**53:
        return 0.0
    common = int(np.gcd.reduce(scaled.astype(np.int64)))
    return max(common, 1) / 10.0**places
