"""Intervals and paired tests of a metric, by resampling the test samples.

A seed makes each of them the same number every time. All of them speak of the test samples alone: how a model would do
on another training set, or asked again, is what repeats are for.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 15; SciPy's `permutation_test`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import permutation_test

from counterproof.tools.scoring.metrics import Array, Metric

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A metric with its bootstrap percentile interval.

    Attributes:
        value: on all samples.
        low: lower end.
        high: upper end.
        n: number of samples.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Paired:
    """How two sets of predictions for the same samples differ.

    Attributes:
        difference: metric of the first less metric of the second.
        p_value: two-sided.
    """

    difference: float
    p_value: float


def bootstrap(metric: Metric, truth: Array, given: Array, *, seed: int) -> Interval:
    """Return a metric with its 95% percentile interval over resamples of the samples.

    Args:
        metric: which.
        truth: the true values, of the shape (n,).
        given: the predictions for the same samples, of the shape (n,).
        seed: of the resampling.
    """
    values = _resampled(metric, truth, given, seed=seed)
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail]) if not np.isnan(values).all() else (np.nan, np.nan)
    return Interval(value=float(metric.of(truth, given)), low=float(low), high=float(high), n=len(truth))


def compare_paired(metric: Metric, truth: Array, first: Array, second: Array, *, seed: int) -> Paired:
    """Test whether two sets of predictions are equally good, by swapping the two for some of the samples.

    Arguments are those of `bootstrap`, with two sets of predictions. Not for predictions of different samples.
    """

    def difference(left: Array, right: Array, axis: int) -> Array:
        return metric.of(truth, np.moveaxis(left, axis, -1)) - metric.of(truth, np.moveaxis(right, axis, -1))

    if np.array_equal(first, second):
        return Paired(difference=0.0, p_value=1.0)
    found: Any = permutation_test(
        (first, second),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES - 1,
        rng=np.random.default_rng(seed),
    )
    return Paired(difference=float(found.statistic), p_value=float(found.pvalue))


def compare_value(metric: Metric, truth: Array, given: Array, value: float, *, seed: int) -> Paired:
    """Test a metric against a published value, of which there are no predictions.

    The p value is twice the share of bootstrap resamples on the side of the value that is less likely. It takes the
    value as exact, which a published one is not: prefer `compare_paired` where the predictions are known.
    """
    values = _resampled(metric, truth, given, seed=seed)
    values = values[~np.isnan(values)]
    at = float(metric.of(truth, given))
    if not len(values):
        return Paired(difference=at - value, p_value=1.0)
    side = min((1 + np.sum(values <= value)) / (1 + len(values)), (1 + np.sum(values >= value)) / (1 + len(values)))
    return Paired(difference=at - value, p_value=float(min(1.0, 2 * side)))


def _resampled(metric: Metric, truth: Array, given: Array, *, seed: int) -> Array:
    chosen = np.random.default_rng(seed).integers(0, len(truth), size=(RESAMPLES, len(truth)))
    return metric.of(truth[chosen], given[chosen])
