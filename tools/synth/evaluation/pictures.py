"""What the pictures of a report show: distributions, associations and nearest records, nothing of single rows.

Bars of fewer than ten real rows are left out.
"""

from __future__ import annotations

import numpy as np

from counterproof.tools.profile import K
from counterproof.tools.synth.evaluation.card import Bars, Pictures, rounded
from counterproof.tools.synth.evaluation.case import Case, some
from counterproof.tools.synth.evaluation.distances import nearest, scaled
from counterproof.tools.synth.evaluation.fidelity import associations
from counterproof.tools.synth.evaluation.frames import Floats, Schema, Variable

COLUMNS_MAX = 30
_BARS = 12
_ROWS = 1_000
_AMONG = 5_000
_ENDS = (0.02, 0.98)


def pictures_of(case: Case, *, true_holdout: bool) -> Pictures:
    """Return what a report draws of a case."""
    shown = case.schema.variables[:COLUMNS_MAX]
    part = Schema(variables=shown, left_out={})
    random = case.random("pictures")
    sides = [some(rows[:, : len(shown)], _AMONG, random) for rows in (case.train, case.candidate)]
    squares = [_square(associations(rows, part), len(shown)) if len(shown) <= 24 else () for rows in sides]
    distances: dict[str, tuple[float, ...]] = {}
    if true_holdout:
        train = scaled(some(case.train, _AMONG, random), case.schema)
        for name, rows in (("synthetic", case.candidate), ("hold-out", case.holdout)):
            found = nearest(scaled(some(rows, _ROWS, random), case.schema), train).distance
            distances[name] = tuple(rounded(float(q)) or 0.0 for q in np.quantile(found, np.linspace(0.1, 0.9, 9)))
    return Pictures(
        distributions=tuple(
            _bars(variable, case.train[:, at], case.candidate[:, at]) for at, variable in enumerate(shown)
        ),
        columns=tuple(variable.name for variable in shown) if squares[0] else (),
        associations_real=squares[0],
        associations_made=squares[1],
        nearest=distances,
    )


def _bars(variable: Variable, real: Floats, made: Floats) -> Bars:
    left, right = real[~np.isnan(real)], made[~np.isnan(made)]
    if variable.kind == "category":
        labels, size = list(variable.levels), variable.common + 2
        counts = [np.bincount(side.astype(np.int64), minlength=size) for side in (left, right)]
    elif not len(left):
        labels, counts = [], [np.empty(0, dtype=np.int64)] * 2
    else:
        low, high = np.quantile(left, _ENDS)
        edges = np.linspace(low, high if high > low else low + 1, _BARS + 1)[1:-1]
        labels = [f"below {edges[0]:.4g}", *(f"from {edge:.4g}" for edge in edges)]
        size = len(labels)
        counts = [np.bincount(np.searchsorted(edges, side, "right"), minlength=size) for side in (left, right)]
    shown = [None if count < K else rounded(count / len(left)) for count in counts[0].tolist()]
    return Bars(
        column=variable.name,
        labels=tuple(labels),
        real=tuple(shown),
        made=tuple(rounded(count / max(len(right), 1)) or 0.0 for count in counts[1].tolist()),
    )


def _square(pairs: Floats, size: int) -> tuple[tuple[float, ...], ...]:
    square = np.eye(size)
    square[np.triu_indices(size, 1)] = pairs
    full = square + square.T - np.eye(size)
    return tuple(tuple(rounded(value) or 0.0 for value in row) for row in full.tolist())
