"""Whether the candidate serves each subgroup alike: how large it is, how close its columns come, how it is predicted.

A subgroup is a level of a column that a person named. It does not cover crossings of several columns, nor whether the
real data were fair.

Source: Bhanot et al., The Problem of Fairness in Synthetic Healthcare Data, Entropy 2021;23:1165.
"""

from __future__ import annotations

import numpy as np

from counterproof.tools.synth.evaluation.case import Case
from counterproof.tools.synth.evaluation.fidelity import closeness
from counterproof.tools.synth.evaluation.frames import Floats
from counterproof.tools.synth.evaluation.utility import Forests

ROWS_MIN = 20
"""Smaller subgroups are not looked at."""
SAMPLE = 200
"""Most rows of a subgroup that are looked at."""


def shares(case: Case, subgroup: int) -> float:
    """Return the largest difference of a subgroup's share; 0 is best."""
    sides = [case.train[:, subgroup], case.candidate[:, subgroup]]
    size = case.schema.variables[subgroup].common + 2
    counts = [np.bincount(side[~np.isnan(side)].astype(np.int64), minlength=size) / max(len(side), 1) for side in sides]
    return float(np.abs(counts[0] - counts[1]).max())


def fidelity_gap(case: Case, subgroup: int) -> float | None:
    """Return the largest less the smallest closeness over subgroups; None with fewer than two of enough rows."""
    means = list(by_subgroup(case, subgroup).values())
    return max(means) - min(means) if len(means) >= 2 else None


def by_subgroup(case: Case, subgroup: int) -> dict[str, float]:
    """Return the closeness of the columns within each subgroup; 0 for one that the candidate lacks."""
    found = {}
    for code in range(case.schema.variables[subgroup].common):
        real = case.train[case.train[:, subgroup] == code]
        made = case.candidate[case.candidate[:, subgroup] == code]
        if len(real) >= ROWS_MIN:
            # So many rows of each: a small subgroup is farther off by chance alone.
            rows = min(len(real), len(made), SAMPLE)
            random = case.random(f"subgroup {code}")
            parts = [_some(side, rows, random) for side in (real, made)]
            found[case.schema.variables[subgroup].levels[code]] = (
                float(np.nanmean(closeness(parts[0], parts[1], case.schema))) if rows else 0.0
            )
    return found


def utility_gap(case: Case, subgroup: int, forests: Forests, name: str) -> float | None:
    """Return by how much the worst served subgroup is predicted worse than from real rows; None where none can be."""
    losses = []
    for target in forests.targets:
        real, made = forests.fitted("train", case.train, target), forests.fitted(name, case.candidate, target)
        if target == subgroup or real is None or made is None:
            continue
        for code in range(case.schema.variables[subgroup].common):
            keep = (real.rows[:, subgroup] == code).astype(np.float64)
            both = [fitted.concordance(keep) for fitted in (real, made)]
            if keep.sum() >= ROWS_MIN and both[0] is not None and both[1] is not None:
                losses.append(both[0] - both[1])
    return max(losses, default=None)


def _some(rows: Floats, count: int, random: np.random.Generator) -> Floats:
    return rows[random.choice(len(rows), count, replace=False)] if len(rows) > count else rows
