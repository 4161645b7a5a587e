"""How close single columns, pairs and whole rows come to the real ones.

It does not cover whether an analysis gives the same answer (`utility`, `coefficients`).

Sources: see `definitions`.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.stats import rankdata
from sklearn.tree import DecisionTreeClassifier

from counterproof.tools.synth.evaluation.case import Case
from counterproof.tools.synth.evaluation.frames import Floats, Ints, Schema

_PAIRS_MAX = 200
"""Most pairs of columns that are compared."""
_BINS = 4
_PERMUTATIONS = 10
_LEAF = 5
_LEAVES_MAX = 64


def closeness(real: Floats, made: Floats, schema: Schema) -> Floats:
    """Return 1 - D of each column, shape (variables,): NaN where a side has no value.

    D is the Kolmogorov-Smirnov distance of numbers and the total variation distance of categories.
    """
    out = np.full(len(schema.variables), np.nan)
    for at, variable in enumerate(schema.variables):
        left, right = _present(real[:, at]), _present(made[:, at])
        if not len(left):
            continue
        if not len(right):
            out[at] = 0.0
        elif variable.kind == "category":
            size = variable.common + 2
            out[at] = 1 - np.abs(_shares(left, size) - _shares(right, size)).sum() / 2
        else:
            out[at] = 1 - _ks(left, right)
    return out


def marginals(case: Case) -> float:
    """Return the mean closeness of single columns; 1 is best."""
    return float(np.mean([np.nanmean(closeness(*pair, case.schema)) for pair in case.draws("marginals")]))


def worst_marginal(case: Case) -> float:
    """Return the closeness of the worst column; 1 is best."""
    every = np.mean([closeness(*pair, case.schema) for pair in case.draws("marginals")], axis=0)
    return float(np.nanmin(every))


def missing(case: Case) -> float:
    """Return 1 less the mean difference of the shares of missing values; 1 is best."""
    gaps = [np.abs(np.isnan(a).mean(axis=0) - np.isnan(b).mean(axis=0)).mean() for a, b in case.draws("missing")]
    return float(1 - np.mean(gaps))


def pairs(case: Case) -> float | None:
    """Return the mean closeness of pairs of columns; None with fewer than two columns."""
    found = [_pairs(real, made, case.schema) for real, made in case.draws("pairs")]
    return None if len(case.schema.variables) < 2 else float(np.mean(found))


def correlation(case: Case) -> float | None:
    """Return the mean similarity of the correlations of numbers; None with fewer than two of them."""
    numbers = np.flatnonzero(~case.schema.categories)
    if len(numbers) < 2:
        return None
    found = []
    for real, made in case.draws("correlation"):
        for one, other in combinations(numbers.tolist(), 2):
            apart = _pearson(real[:, one], real[:, other]) - _pearson(made[:, one], made[:, other])
            found.append(1 - abs(apart) / 2)
    return float(np.nanmean(found)) if not np.isnan(found).all() else None


def association_kept(case: Case) -> float | None:
    """Return which part of the squared associations between columns was kept; 1 is all, None without any."""
    if len(case.schema.variables) < 2:
        return None
    found = []
    for real, made in case.draws("association"):
        of, by = associations(real, case.schema), associations(made, case.schema)
        total = float((of**2).sum())
        if total > 0:
            found.append(1 - float(((of - by) ** 2).sum()) / total)
    return float(np.mean(found)) if found else None


def associations(rows: Floats, schema: Schema) -> Floats:
    """Return how strongly the columns of each pair go together, from 0 to 1, shape (pairs,)."""
    ranked = np.column_stack([_ranked(rows[:, at]) for at in range(len(schema.variables))])
    found = []
    for one, other in _pairs_of(schema):
        there = ~np.isnan(rows[:, one]) & ~np.isnan(rows[:, other])
        both = schema.categories[[one, other]]
        if there.sum() < 3:
            found.append(0.0)
        elif both.all():
            found.append(_cramer(rows[there, one].astype(np.int64), rows[there, other].astype(np.int64)))
        elif not both.any():
            found.append(abs(np.nan_to_num(_pearson(ranked[:, one], ranked[:, other]))))
        else:
            groups, values = (one, other) if both[0] else (other, one)
            found.append(_ratio(rows[there, groups].astype(np.int64), ranked[there, values]))
    return np.array(found)


def pmse(case: Case) -> float:
    """Return the propensity mean squared error; 0 is best, 0.25 tells all rows apart."""
    return float(np.mean([_pmse(*pooled) for pooled in _pooled(case)]))


def pmse_ratio(case: Case) -> float:
    """Return the propensity mean squared error over its mean by chance; 1 is best."""
    random = case.random("permutations")
    found = []
    for rows, side in _pooled(case):
        by_chance = [_pmse(rows, random.permutation(side)) for _ in range(_PERMUTATIONS)]
        found.append(_pmse(rows, side) / max(float(np.mean(by_chance)), 1e-9))
    return float(np.mean(found))


def _pooled(case: Case) -> list[tuple[Floats, Ints]]:
    pooled = []
    for real, made in case.draws("propensity"):
        side = np.repeat(np.array([0, 1]), [len(real), len(made)])
        pooled.append((np.vstack([real, made]), side))
    return pooled


def _pmse(rows: Floats, side: Ints) -> float:
    tree = DecisionTreeClassifier(min_samples_leaf=_LEAF, max_leaf_nodes=_LEAVES_MAX, random_state=0)
    found = tree.fit(rows, side).predict_proba(rows)[:, 1]
    return float(((found - side.mean()) ** 2).mean())


def _pairs(real: Floats, made: Floats, schema: Schema) -> float:
    left, right = np.empty(real.shape, dtype=np.int64), np.empty(made.shape, dtype=np.int64)
    sizes = []
    for at, variable in enumerate(schema.variables):
        if variable.kind == "category":
            edges, size = None, variable.common + 3
        else:
            edges, size = np.unique(np.nanquantile(real[:, at], np.linspace(0, 1, _BINS + 1)[1:-1])), _BINS + 1
        for rows, out in ((real, left), (made, right)):
            column = rows[:, at]
            codes = np.nan_to_num(column) if edges is None else np.searchsorted(edges, np.nan_to_num(column), "right")
            out[:, at] = np.where(np.isnan(column), size - 1, codes)
        sizes.append(size)
    found = []
    for one, other in _pairs_of(schema):
        size = sizes[one] * sizes[other]
        joint = [_shares(side[:, one] * sizes[other] + side[:, other], size) for side in (left, right)]
        found.append(1 - np.abs(joint[0] - joint[1]).sum() / 2)
    return float(np.mean(found)) if found else np.nan


def _pairs_of(schema: Schema) -> list[tuple[int, int]]:
    """Return the pairs of columns; of very many, some spread over all of them."""
    every = list(combinations(range(len(schema.variables)), 2))
    if len(every) <= _PAIRS_MAX:
        return every
    return [every[at] for at in np.linspace(0, len(every) - 1, _PAIRS_MAX).astype(int).tolist()]


def _present(column: Floats) -> Floats:
    found: Floats = column[~np.isnan(column)]
    return found


def _shares(codes: Floats | Ints, size: int) -> Floats:
    shares: Floats = np.bincount(codes.astype(np.int64), minlength=size) / len(codes)
    return shares


def _ks(left: Floats, right: Floats) -> float:
    left, right = np.sort(left), np.sort(right)
    every = np.concatenate([left, right])
    below = np.searchsorted(left, every, "right") / len(left) - np.searchsorted(right, every, "right") / len(right)
    return float(np.abs(below).max())


def _pearson(left: Floats, right: Floats) -> float:
    there = ~np.isnan(left) & ~np.isnan(right)
    one, other = left[there], right[there]
    if len(one) < 3 or one.std() == 0 or other.std() == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _ranked(column: Floats) -> Floats:
    out = np.full(len(column), np.nan)
    there = ~np.isnan(column)
    out[there] = rankdata(column[there])
    return out


def _cramer(left: Ints, right: Ints) -> float:
    table = np.zeros((left.max() + 1, right.max() + 1))
    np.add.at(table, (left, right), 1)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    count, (rows, columns) = len(left), table.shape
    if min(rows, columns) < 2:
        return 0.0
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / count
    phi = max(0.0, float(((table - expected) ** 2 / expected).sum()) / count - (rows - 1) * (columns - 1) / (count - 1))
    fewest = min(rows - (rows - 1) ** 2 / (count - 1), columns - (columns - 1) ** 2 / (count - 1))
    return float(np.sqrt(phi / (fewest - 1))) if fewest > 1 else 0.0


def _ratio(groups: Ints, values: Floats) -> float:
    """Return the correlation ratio, corrected for the number of groups (epsilon squared)."""
    sizes = np.bincount(groups)
    sums = np.bincount(groups, weights=values)
    used = sizes > 0
    total = float(((values - values.mean()) ** 2).sum())
    between = float((sums[used] ** 2 / sizes[used]).sum() - values.sum() ** 2 / len(values))
    inside, count = total - between, int(used.sum())
    if total <= 0 or len(values) <= count:
        return 0.0
    explained = (between - (count - 1) * inside / (len(values) - count)) / total
    return float(np.sqrt(max(explained, 0.0)))
