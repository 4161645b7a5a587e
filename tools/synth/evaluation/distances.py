"""How far rows lie from each other: Gower's distance, and the nearest of many rows.

Numbers count by their difference over the real range, at most 1; categories count 1 where they differ; a missing value
is as far from a value as can be, and no distance from another missing one. The distance is the mean over the columns.

Source: Gower, A General Coefficient of Similarity, Biometrics 1971;27:857-871.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counterproof.tools.synth.evaluation.frames import Floats, Ints, Schema

_CHUNK = 2**22
"""So many distances are worked out at a time."""
_MISSING = -4.0
_APART = 2.0
_JITTER = np.float32(1e-5)


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The nearest of the other rows.

    Attributes:
        distance: shape (rows,); of the nearest, or of the `rank`-th nearest.
        at: shape (rows,); which one it is.
    """

    distance: Floats
    at: Ints


def scaled(rows: Floats, schema: Schema) -> NDArray[np.float32]:
    """Bring rows to where a distance is the sum of differences that are each cut at 1."""
    out = np.empty(rows.shape, dtype=np.float32)
    for at, variable in enumerate(schema.variables):
        if variable.kind == "category":
            column = rows[:, at] * _APART
        else:
            column = (rows[:, at] - variable.low) / ((variable.high - variable.low) or 1.0)
        out[:, at] = np.where(np.isnan(column), _MISSING, np.clip(column, -_APART, None))
    return out


def nearest(
    rows: NDArray[np.float32], among: NDArray[np.float32], *, rank: int = 1, ties: np.random.Generator | None = None
) -> Nearest:
    """Find for each row the nearest of the others, by distances of `scaled` rows.

    Args:
        rows: shape (rows, variables).
        among: shape (others, variables); at least `rank`.
        rank: 1 for the nearest, 2 for the one after it.
        ties: chooses between others that are equally near; None takes the first.
    """
    distance, place = np.empty(len(rows)), np.empty(len(rows), dtype=np.int64)
    step = max(1, _CHUNK // max(len(among), 1))
    turned = np.ascontiguousarray(among.T)
    for begin in range(0, len(rows), step):
        part = rows[begin : begin + step]
        total = np.zeros((len(part), len(among)), dtype=np.float32)
        apart = np.empty_like(total)
        for at in range(rows.shape[1]):
            np.subtract(part[:, at, None], turned[at], out=apart)
            np.abs(apart, out=apart)
            np.minimum(apart, 1.0, out=apart)
            total += apart
        if ties is not None:
            total += ties.random(total.shape, dtype=np.float32) * _JITTER
        found = total.argmin(axis=1) if rank == 1 else np.argpartition(total, rank - 1, axis=1)[:, rank - 1]
        distance[begin : begin + step] = total[np.arange(len(part)), found] / rows.shape[1]
        place[begin : begin + step] = found
    return Nearest(distance=distance, at=place)
