"""How well raters agree: Cohen's and Fleiss' kappa, Krippendorff's alpha, each with a 95 % interval.

Cohen's kappa is that of statsmodels with its standard error, Fleiss' that of statsmodels. Krippendorff's alpha is own
code, because the libraries that have it are under a licence that does not fit (`krippendorff`) or want an old SciPy
(`irrCAC`). Intervals of the last two come from drawing the units anew.

A coefficient of 1 is perfect agreement, 0 that of chance. None of them says that raters are right.

Sources: Cohen, Educ Psychol Meas 1960;20:37; Fleiss, Psychol Bull 1971;76:378; Krippendorff, Content Analysis, 2004,
chapter 11; Hayes and Krippendorff, Commun Methods Meas 2007;1:77.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa

from counterproof.provenance.errors import UsageError

Level = Literal["nominal", "ordinal", "interval"]
Floats = NDArray[np.float64]
UNITS_MIN = 20
"""With fewer units that two raters rated, a coefficient says nothing."""
_DRAWS = 1_000
_Z = 1.959964


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """One coefficient of agreement.

    Attributes:
        name: which.
        value: from below 0 to 1.
        low: lower end of its 95 % interval.
        high: upper end.
        units: how many units were rated at least twice.
        raters: how many raters there are.
    """

    name: str
    value: float
    low: float
    high: float
    units: int
    raters: int

    @property
    def concludes(self) -> bool:
        """Whether there are enough units to say anything."""
        return self.units >= UNITS_MIN


def cohen(one: Sequence[float], other: Sequence[float]) -> Coefficient:
    """Return Cohen's kappa of two raters who rated the same units.

    Raises:
        UsageError: the raters did not rate equally many units, or none.
    """
    if len(one) != len(other) or not len(one):
        raise UsageError(
            f"One rater rated {len(one)} units, the other {len(other)}.", allowed="The same units, at least one."
        )
    values = np.unique([*one, *other])
    table = np.zeros((len(values), len(values)))
    np.add.at(table, (np.searchsorted(values, one), np.searchsorted(values, other)), 1)
    if len(values) == 1:
        return Coefficient(name="Cohen's kappa", value=1.0, low=1.0, high=1.0, units=len(one), raters=2)
    found = cohens_kappa(table)
    return Coefficient(
        name="Cohen's kappa",
        value=float(found.kappa),
        low=float(found.kappa_low),
        high=float(found.kappa_upp),
        units=len(one),
        raters=2,
    )


def fleiss(ratings: Floats, *, seed: int = 0) -> Coefficient:
    """Return Fleiss' kappa.

    Args:
        ratings: shape (units, raters); each unit rated by all.
        seed: of the draws for the interval.

    Raises:
        UsageError: a rating is missing.
    """
    if np.isnan(ratings).any():
        raise UsageError(
            f"{int(np.isnan(ratings).sum())} ratings are missing.",
            advice="Fleiss' kappa needs all; take alpha instead.",
        )

    def of(rows: Floats) -> float:
        counts, _ = aggregate_raters(rows)
        return float(fleiss_kappa(counts)) if counts.shape[1] > 1 else 1.0

    return _drawn("Fleiss' kappa", of, ratings, seed)


def krippendorff(ratings: Floats, *, level: Level, seed: int = 0) -> Coefficient:
    """Return Krippendorff's alpha.

    Args:
        ratings: shape (units, raters), NaN where a rater did not rate a unit.
        level: what differences between values mean.
        seed: of the draws for the interval.

    Raises:
        UsageError: no unit was rated twice.
    """
    paired = ratings[(~np.isnan(ratings)).sum(axis=1) >= 2]
    if not len(paired):
        raise UsageError("No unit was rated by two raters.", advice="Have the same units rated by several people.")
    return _drawn("Krippendorff's alpha", lambda rows: _alpha(rows, level), paired, seed)


def _drawn(name: str, of: Callable[[Floats], float], ratings: Floats, seed: int) -> Coefficient:
    random, units = np.random.default_rng(seed), len(ratings)
    value = of(ratings)
    draws = [of(ratings[random.integers(0, units, units)]) for _ in range(_DRAWS)]
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return Coefficient(name=name, value=value, low=float(low), high=float(high), units=units, raters=ratings.shape[1])


def _alpha(ratings: Floats, level: Level) -> float:
    """Return 1 - observed over expected disagreement, from the matrix of coincidences."""
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = np.stack([(ratings == value).sum(axis=1) for value in values], axis=1).astype(np.float64)
    per_unit = counts.sum(axis=1)
    counts, per_unit = counts[per_unit >= 2], per_unit[per_unit >= 2]
    weighted = counts / (per_unit - 1)[:, None]
    coincidences = counts.T @ weighted - np.diag(weighted.sum(axis=0))
    totals = coincidences.sum(axis=1)
    apart = _differences(values, totals, level)
    expected = float((np.outer(totals, totals) * apart).sum()) / (totals.sum() - 1)
    return 1.0 if expected == 0 else 1 - float((coincidences * apart).sum()) / expected


def _differences(values: Floats, totals: Floats, level: Level) -> Floats:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    places = values
    if level == "ordinal":
        places = totals.cumsum() - totals / 2
    return np.asarray((places[:, None] - places[None, :]) ** 2)
