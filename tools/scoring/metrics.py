"""Metrics: one number for predictions against the truth, for many resamples at once.

Each is a function of two arrays of float64, truth and given, of the shape (…, n): the last axis is the samples, and one
value comes back for each of the leading axes. A library's metric takes one resample a call, which at 2,000 resamples a
cell is seconds; these are the same formulas, and the tests hold each against scikit-learn or SciPy.

In a classification truth is 0 or 1, 1 for the second class of the task. No value may be missing; a resample for which a
metric is not defined (one class only) gives NaN.

It does not cover more than two classes, censored times, or weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]
MetricName = Literal["accuracy", "balanced_accuracy", "auroc", "brier", "rmse", "mae", "r2", "pearson", "spearman"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        of: computes it.
        direction: which values are better.
        shape: what it is for.
        reads: what of a prediction it takes: the class or number, or the score of the second class.
    """

    of: Callable[[Array, Array], Array]
    direction: Literal["higher", "lower"]
    shape: Literal["classification", "regression"]
    reads: Literal["prediction", "score"]


def _accuracy(truth: Array, given: Array) -> Array:
    return _mean(np.asarray(truth == given, dtype=np.float64))


def _balanced_accuracy(truth: Array, given: Array) -> Array:
    """Mean of sensitivity and specificity."""
    hit = np.asarray(truth == given, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = [(hit * (truth == side)).sum(axis=-1) / (truth == side).sum(axis=-1) for side in (0.0, 1.0)]
    return np.asarray((sides[0] + sides[1]) / 2)


def _auroc(truth: Array, given: Array) -> Array:
    """Probability that a sample of the second class has a higher score than one of the first; ties count half.

    From the rank sum (Mann and Whitney 1947, doi:10.1214/aoms/1177730491).
    """
    truth, given = np.broadcast_arrays(truth, given)
    ranks = rankdata(given, axis=-1)
    ones = truth.sum(axis=-1)
    zeros = truth.shape[-1] - ones
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(((ranks * truth).sum(axis=-1) - ones * (ones + 1) / 2) / (ones * zeros))


def _brier(truth: Array, given: Array) -> Array:
    return _mean((truth - given) ** 2)


def _rmse(truth: Array, given: Array) -> Array:
    return np.sqrt(_mean((truth - given) ** 2))


def _mae(truth: Array, given: Array) -> Array:
    return _mean(np.abs(truth - given))


def _r2(truth: Array, given: Array) -> Array:
    """Share of the variance of the truth that is explained; negative where the mean would do better."""
    spread = ((truth - truth.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - ((truth - given) ** 2).sum(axis=-1) / np.where(spread > 0, spread, np.nan))


def _pearson(truth: Array, given: Array) -> Array:
    truth, given = np.broadcast_arrays(truth, given)
    left = truth - truth.mean(axis=-1, keepdims=True)
    right = given - given.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.sqrt((left**2).sum(axis=-1) * (right**2).sum(axis=-1))
        return np.asarray((left * right).sum(axis=-1) / np.where(scale > 0, scale, np.nan))


def _spearman(truth: Array, given: Array) -> Array:
    return _pearson(rankdata(truth, axis=-1), rankdata(given, axis=-1))


def _mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=-1))


METRICS: Mapping[MetricName, Metric] = MappingProxyType(
    {
        "accuracy": Metric(of=_accuracy, direction="higher", shape="classification", reads="prediction"),
        "balanced_accuracy": Metric(
            of=_balanced_accuracy, direction="higher", shape="classification", reads="prediction"
        ),
        "auroc": Metric(of=_auroc, direction="higher", shape="classification", reads="score"),
        "brier": Metric(of=_brier, direction="lower", shape="classification", reads="score"),
        "rmse": Metric(of=_rmse, direction="lower", shape="regression", reads="prediction"),
        "mae": Metric(of=_mae, direction="lower", shape="regression", reads="prediction"),
        "r2": Metric(of=_r2, direction="higher", shape="regression", reads="prediction"),
        "pearson": Metric(of=_pearson, direction="higher", shape="regression", reads="prediction"),
        "spearman": Metric(of=_spearman, direction="higher", shape="regression", reads="prediction"),
    }
)
