"""Whether the candidate shows as much as the real rows do: levels, spread, different rows, and every region of them.

It does not cover whether what it shows is right (`fidelity`, `plausibility`).

Source: Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models, ICML 2020.
"""

from __future__ import annotations

import numpy as np

from counterproof.tools.synth.evaluation.case import Case, some
from counterproof.tools.synth.evaluation.distances import nearest, scaled
from counterproof.tools.synth.evaluation.frames import Floats

SAMPLE = 2_000
_NEIGHBOURS = 5
_BINS = 10


def entropy(case: Case) -> float | None:
    """Return the mean ratio of entropies over the columns, each at most 1; None where no column has any."""
    found = []
    for real, made in case.draws("entropy"):
        ratios = []
        for at, variable in enumerate(case.schema.variables):
            left, right = real[~np.isnan(real[:, at]), at], made[~np.isnan(made[:, at]), at]
            if variable.kind == "number" and len(left):
                edges = np.unique(np.quantile(left, np.linspace(0, 1, _BINS + 1)[1:-1]))
                left, right = np.searchsorted(edges, left, "right"), np.searchsorted(edges, right, "right")
            of, by = _entropy(left), _entropy(right)
            if of > 0:
                ratios.append(min(1.0, by / of))
        found.append(float(np.mean(ratios)) if ratios else np.nan)
    return None if np.isnan(found).any() else float(np.mean(found))


def coverage(case: Case) -> float:
    """Return the share of training rows with a candidate row in their neighbourhood; 1 is best."""
    random, found = case.random("coverage"), []
    for real, made in case.draws("coverage"):
        of, by = (scaled(some(rows, SAMPLE, random), case.schema) for rows in (real, made))
        if len(of) <= _NEIGHBOURS:
            return float("nan")
        # The nearest of the row itself is the row.
        around = nearest(of, of, rank=_NEIGHBOURS + 1).distance
        found.append(float((nearest(of, by).distance <= around).mean()))
    return float(np.mean(found))


def levels(case: Case) -> float:
    """Return the mean share of the levels and of the middle range that appear; 1 is best."""
    found = []
    for at, variable in enumerate(case.schema.variables):
        real, made = case.train[:, at], case.candidate[:, at]
        real, made = real[~np.isnan(real)], made[~np.isnan(made)]
        if variable.kind == "category":
            wanted = np.unique(real[real < variable.common])
            found.append(float(np.isin(wanted, made).mean()) if len(wanted) else 1.0)
        elif len(real) and len(made):
            low, high = np.quantile(real, [0.05, 0.95])
            spanned = min(high, made.max()) - max(low, made.min())
            found.append(float(np.clip(spanned / (high - low), 0, 1)) if high > low else 1.0)
        elif len(real):
            found.append(0.0)
    return float(np.mean(found)) if found else 1.0


def distinct_rows(case: Case) -> float:
    """Return the share of different rows over that of the training rows, at most 1."""
    found = []
    for real, made in case.draws("distinct"):
        found.append(min(1.0, _distinct(made) / len(made) / (_distinct(real) / len(real))))
    return float(np.mean(found))


def _entropy(codes: Floats) -> float:
    if not len(codes):
        return 0.0
    _, counts = np.unique(codes, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _distinct(rows: Floats) -> int:
    return len({row.tobytes() for row in np.ascontiguousarray(np.nan_to_num(rows, nan=-1e300))})
