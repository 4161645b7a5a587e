"""What the pictures of a report show: distributions, associations and nearest records, nothing of single rows.

Bars and cells of fewer than ten real rows are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from counterproof.tools.profile import K
from counterproof.tools.synth.evaluation.card import Bars, Pair, Pictures, rounded
from counterproof.tools.synth.evaluation.case import Case, some
from counterproof.tools.synth.evaluation.distances import nearest, scaled
from counterproof.tools.synth.evaluation.fidelity import associations
from counterproof.tools.synth.evaluation.frames import Floats, Ints, Schema, Variable

COLUMNS_MAX = 30
SQUARES_MAX = 20
"""With more columns, a square of all pairs can't be read, and `associations` does not compare them all."""
PAIRS_SHOWN = 6
_CELLS = 6
_LEVELS_MAX = 8
_BARS = 12
_ROWS = 1_000
_AMONG = 5_000
_ENDS = (0.02, 0.98)


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """How a column is cut for a picture of pairs: at the edges, or by its levels where there are none."""

    labels: tuple[str, ...]
    edges: Floats | None

    def codes(self, column: Floats) -> Ints:
        codes = column if self.edges is None else np.searchsorted(self.edges, column, "right")
        return codes.astype(np.int64)


def pictures_of(case: Case, *, true_holdout: bool) -> Pictures:
    """Return what a report draws of a case."""
    shown = case.schema.variables[:COLUMNS_MAX]
    part = Schema(variables=shown, left_out={})
    random = case.random("pictures")
    sides = [some(rows[:, : len(shown)], _AMONG, random) for rows in (case.train, case.candidate)]
    strengths = [associations(rows, part) for rows in sides] if len(shown) <= SQUARES_MAX else []
    squares = [_square(one, len(shown)) for one in strengths] or [(), ()]
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
        pairs=tuple(_pairs(case, part, strengths[0])) if strengths else (),
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


def _pairs(case: Case, schema: Schema, strength: Floats) -> list[Pair]:
    """Return the pairs that go together most in the real rows."""
    every = list(combinations(range(len(schema.variables)), 2))
    cuts = {at: cut for at, variable in enumerate(schema.variables) if (cut := _cut(variable, case.train[:, at]))}
    strongest = [every[at] for at in np.argsort(-strength, kind="stable").tolist()]
    found: list[Pair] = []
    for one, other in [pair for pair in strongest if set(pair) <= set(cuts)][:PAIRS_SHOWN]:
        counts = [_joint(rows[:, [one, other]], cuts[one], cuts[other]) for rows in (case.train, case.candidate)]
        totals = [max(int(side.sum()), 1) for side in counts]
        found.append(
            Pair(
                first=schema.variables[one].name,
                second=schema.variables[other].name,
                first_labels=cuts[one].labels,
                second_labels=cuts[other].labels,
                real=tuple(
                    tuple(None if count < K else rounded(count / totals[0]) for count in row)
                    for row in counts[0].tolist()
                ),
                made=tuple(tuple(rounded(count / totals[1]) or 0.0 for count in row) for row in counts[1].tolist()),
            )
        )
    return found


def _cut(variable: Variable, real: Floats) -> _Cut | None:
    """Return how a column is cut; None where it has too many levels to draw, or no spread."""
    if variable.kind == "category":
        return _Cut(labels=variable.levels[: variable.common], edges=None) if variable.common <= _LEVELS_MAX else None
    present = real[~np.isnan(real)]
    if not len(present):
        return None
    low, high = np.quantile(present, _ENDS)
    if high <= low:
        return None
    edges = np.linspace(low, high, _CELLS + 1)[1:-1]
    return _Cut(labels=(f"below {edges[0]:.4g}", *(f"from {edge:.4g}" for edge in edges)), edges=edges)


def _joint(rows: Floats, one: _Cut, other: _Cut) -> Ints:
    """Return the counts of rows by cell of both columns; rows with a gap or a rare level are left out."""
    there = rows[~np.isnan(rows).any(axis=1)]
    down, across = one.codes(there[:, 0]), other.codes(there[:, 1])
    common = (down < len(one.labels)) & (across < len(other.labels))
    counts = np.zeros((len(one.labels), len(other.labels)), dtype=np.int64)
    np.add.at(counts, (down[common], across[common]), 1)
    return counts


def _square(pairs: Floats, size: int) -> tuple[tuple[float, ...], ...]:
    square = np.eye(size)
    square[np.triu_indices(size, 1)] = pairs
    full = square + square.T - np.eye(size)
    return tuple(tuple(rounded(value) or 0.0 for value in row) for row in full.tolist())
