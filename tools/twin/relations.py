"""A column that is worked out from two others: a difference of dates, an age, a change from baseline.

Found where the real values are, up to rounding, one constant times the difference or the sum of two earlier columns.
The twin works such a column out in the same way, so that a program that checks it, or works it out itself, meets no
contradiction.

It does not cover products, ratios, or more than two columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COLUMNS_MAX = 40
_ROWS_MIN = 20
_SAMPLE = 60
_DIFFERENT_MIN = 10
_SHARE_MIN = 0.99
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A column is `scale * (left + sign * right)`."""

    left: str
    right: str
    sign: int
    scale: float

    def known(self, columns: Mapping[str, Floats]) -> bool:
        """Say whether both columns are there."""
        return self.left in columns and self.right in columns

    def of(self, columns: Mapping[str, Floats]) -> Floats:
        """Work the column out."""
        return self.scale * (columns[self.left] + self.sign * columns[self.right])


def find_relation(target: Floats, earlier: Mapping[str, Floats]) -> Relation | None:
    """Return what a column is worked out from, or None.

    Args:
        target: shape (rows,), NaN where missing.
        earlier: columns of the same shape by name; none is found behind more than `_COLUMNS_MAX` of them.
    """
    if not 2 <= len(earlier) <= _COLUMNS_MAX:
        return None
    present = np.flatnonzero(~np.isnan(target))
    if len(present) < _ROWS_MIN or len(np.unique(target[present])) < _DIFFERENT_MIN:
        return None
    usable = [
        name
        for name, values in earlier.items()
        if np.isfinite(values[present]).mean() >= _SHARE_MIN and len(np.unique(values[present])) >= _DIFFERENT_MIN
    ]
    if len(usable) < 2:
        return None
    some = present[np.linspace(0, len(present) - 1, min(len(present), _SAMPLE)).astype(np.int64)]
    of = np.stack([earlier[name][some] for name in usable])
    for sign in (-1, 1):
        for left, right in _likely(target[some], of, sign):
            base = earlier[usable[left]] + sign * earlier[usable[right]]
            scale = _scale(target, base, present)
            if scale:
                return Relation(left=usable[left], right=usable[right], sign=sign, scale=scale)
    return None


def _likely(target: Floats, columns: Floats, sign: int) -> list[tuple[int, int]]:
    """Return the pairs whose difference or sum is the target up to one constant in most of a few rows."""
    base = columns[:, None, :] + sign * columns[None, :, :]
    with np.errstate(all="ignore"):
        ratio = target / base
        ratio[~np.isfinite(ratio)] = np.nan
        # Where the base is largest, rounding matters least.
        largest = np.where(np.isnan(ratio), 0.0, np.abs(base)).argmax(axis=2)[:, :, None]
        middle = np.nan_to_num(np.take_along_axis(ratio, largest, axis=2)[:, :, 0])
        close = np.abs(ratio - middle[:, :, None]) <= 1e-6 * np.abs(middle[:, :, None])
    share = (close | np.isnan(ratio)).mean(axis=2)
    found = np.argwhere((share >= _SHARE_MIN - 0.05) & (middle != 0))
    return [(int(left), int(right)) for left, right in found if left < right]


def _scale(target: Floats, base: Floats, rows: NDArray[np.int64]) -> float | None:
    """Return the constant between both in these rows; None where there is none."""
    of, by = target[rows], base[rows]
    there = np.isfinite(by) & (by != 0)
    if there.sum() < min(_ROWS_MIN, len(rows)):
        return None
    scale = float(np.median(of[there] / by[there]))
    if not np.isfinite(scale) or scale == 0:
        return None
    scale = round(scale) if abs(scale) >= 1 and abs(scale - round(scale)) < 1e-9 else scale
    close = np.isclose(of[there], scale * by[there], rtol=1e-6, atol=1e-9)
    return scale if close.mean() >= _SHARE_MIN else None
