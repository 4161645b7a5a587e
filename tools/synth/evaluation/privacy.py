"""What the candidate gives away of single training rows: copies, distances, membership and rare values.

Each number compares training rows with as many hold-out rows, which the maker did not see: nearness that the
population explains is no leak.

It does not cover attackers who know the maker, nor a formal guarantee: none of these numbers is one.

Sources: see `definitions`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterproof.tools.profile import K
from counterproof.tools.synth.evaluation.case import Case, some
from counterproof.tools.synth.evaluation.distances import nearest, scaled
from counterproof.tools.synth.evaluation.frames import Floats
from counterproof.tools.synth.evaluation.utility import auc
from counterproof.tools.twin.copies import VALUES_MIN

QUERIES = 1_000
"""So many rows are looked up."""
AMONG = 5_000
"""In so many rows."""
_LOW = 0.05
_Z = 1.959964


def exact_rows(case: Case) -> float | None:
    """Return the share of copies of training rows, beyond that of hold-out rows; lower is better.

    None with fewer than `VALUES_MIN` columns: that somebody has so few values is chance.
    """
    if case.train.shape[1] < VALUES_MIN:
        return None
    random = case.random("exact")
    count = min(len(case.train), len(case.holdout))
    made = [row.tobytes() for row in _fixed(case.candidate)]
    shares = []
    for rows in (case.train, case.holdout):
        known = {row.tobytes() for row in _fixed(some(rows, count, random))}
        shares.append(sum(row in known for row in made) / len(made))
    return shares[0] - shares[1]


@dataclass(frozen=True, kw_only=True)
class Chance:
    """A number that is 0.5 by chance, with its 95 % interval."""

    value: float
    low: float
    high: float


def nearer_to_training(case: Case) -> Chance:
    """Return the share of candidate rows that lie nearer to the training rows than to the hold-out.

    The interval is that of a share of so many rows, at most as many as each side has: rows that share a neighbour tell
    no more than it.
    """
    random = case.random("nearer")
    count = min(len(case.train), len(case.holdout), AMONG)
    made = scaled(some(case.candidate, QUERIES, random), case.schema)
    train, other = (
        nearest(made, scaled(some(rows, count, random), case.schema)).distance for rows in (case.train, case.holdout)
    )
    value = float((train < other - 1e-7).mean() + (np.abs(train - other) <= 1e-7).mean() / 2)
    return _chance(value, (value * (1 - value) / min(len(made), count)) ** 0.5)


def distance_ratio(case: Case) -> float:
    """Return how far near candidate rows lie from the training rows, over how far hold-out rows do; more is better."""
    random = case.random("ratio")
    train = scaled(some(case.train, AMONG, random), case.schema)
    made, other = (
        float(np.quantile(nearest(scaled(some(rows, QUERIES, random), case.schema), train).distance, _LOW))
        for rows in (case.candidate, case.holdout)
    )
    if other == 0:
        return 1.0
    return made / other


def membership(case: Case) -> Chance | None:
    """Return the AUC of an attack that takes rows near to the candidate for training rows.

    Source of the interval: Hanley and McNeil, Radiology 1982;143:29-36.
    """
    random = case.random("membership")
    made = scaled(some(case.candidate, AMONG, random), case.schema)
    members, others = (
        nearest(scaled(some(rows, QUERIES, random), case.schema), made).distance for rows in (case.train, case.holdout)
    )
    is_member = np.repeat(np.array([1.0, 0.0]), [len(members), len(others)])
    area = auc(is_member, -np.round(np.concatenate([members, others]), 6))
    if area is None:
        return None
    one, other = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (len(members) - 1) * (one - area**2) + (len(others) - 1) * (other - area**2)
    return _chance(area, (spread / (len(members) * len(others))) ** 0.5)


def rare_values(case: Case) -> float | None:
    """Return the share of the training rows' rare values that the candidate shows; None where there are none.

    Rare are levels of fewer than `K` real rows, and numbers that one training row has, beyond the `K`-th smallest or
    largest.
    """
    shown, total = len(case.train_rare & case.candidate_rare), len(case.train_rare)
    for at, variable in enumerate(case.schema.variables):
        if variable.kind != "number":
            continue
        rare = _rare(case.train[:, at])
        total += len(rare)
        shown += int(np.isin(rare, case.candidate[:, at]).sum())
    return shown / total if total else None


def _rare(column: Floats) -> Floats:
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    if counts.sum() < 4 * K:
        return np.empty(0)
    below, above = counts.cumsum(), counts[::-1].cumsum()[::-1]
    rare: Floats = values[(counts == 1) & ((below < K) | (above < K))]
    return rare


def _chance(value: float, error: float) -> Chance:
    return Chance(value=value, low=max(0.0, value - _Z * error), high=min(1.0, value + _Z * error))


def _fixed(rows: Floats) -> Floats:
    return np.ascontiguousarray(np.nan_to_num(rows, nan=-1e300))
