"""A Gaussian copula: each column keeps its own distribution, and all go together as a normal distribution does.

A value stands at its rank; a category at a place of chance within its share, levels in their order; whether a value is
missing is a column of its own. The correlations of the normal scores are what is learned of how columns go together:
monotone relations are kept, others are lost. More private than trees and less faithful (see `docs/synthetic.md`).

Source: Nelsen, An Introduction to Copulas, 2006; Patki, Wedge and Veeramachaneni, The Synthetic Data Vault, DSAA 2016,
https://doi.org/10.1109/DSAA.2016.49
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from counterproof.tools.data import Table
from counterproof.tools.synth.makers.contract import Made, Order
from counterproof.tools.synth.makers.forms import Shown, cells_of, shown
from counterproof.tools.twin.columns import Classes

Floats = NDArray[np.float64]
_TRAINING_MAX = 100_000


def make_by_copula(train: Table, order: Order) -> Made:
    """Make rows by a Gaussian copula."""
    random = np.random.default_rng(order.seed)
    columns = shown(train, {finding.column for finding in order.findings})
    rows = np.arange(train.rows)
    if train.rows > _TRAINING_MAX:
        rows = np.sort(random.choice(train.rows, _TRAINING_MAX, replace=False))
    scores = []
    for one in columns:
        values = one.values[rows]
        scores.append(_scores(values, random))
        scores.append(_scores(np.isnan(values).astype(np.float64), random))
    matrix = np.column_stack(scores)
    drawn = random.multivariate_normal(np.zeros(matrix.shape[1]), _correlations(matrix), order.rows, method="eigh")
    places = norm.cdf(drawn)
    values = [_at(one, rows, places[:, 2 * at], places[:, 2 * at + 1]) for at, one in enumerate(columns)]
    return Made(cells=cells_of(columns, values, random), facts={"maker": "copula", "epsilon": None})


def _scores(values: Floats, random: np.random.Generator) -> Floats:
    """Return normal scores, ties in an order of chance; 0 for a missing value."""
    out = np.zeros(len(values))
    there = np.flatnonzero(~np.isnan(values))
    order = there[np.lexsort((random.random(len(there)), values[there]))]
    out[order] = norm.ppf((np.arange(len(there)) + 0.5) / max(len(there), 1))
    return out


def _correlations(scores: Floats) -> Floats:
    spread = scores.std(axis=0)
    out = np.eye(scores.shape[1])
    used = np.flatnonzero(spread > 0)
    out[np.ix_(used, used)] = np.corrcoef(scores[:, used], rowvar=False)
    return out


def _at(one: Shown, rows: NDArray[np.int64], place: Floats, gone: Floats) -> Floats:
    """Return the values at these places of the column's distribution; missing where the last places are."""
    values = one.values[rows]
    present = np.sort(values[~np.isnan(values)])
    if not len(present):
        return np.full(len(place), np.nan)
    at = np.minimum((place * len(present)).astype(np.int64), len(present) - 1)
    found = present[at]
    if isinstance(one.form, Classes):
        found = np.rint(found)
    missing = np.isnan(values).mean()
    return np.where(gone > 1 - missing, np.nan, found)
