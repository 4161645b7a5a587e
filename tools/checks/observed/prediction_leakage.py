"""Check: no predictor is the outcome in disguise."""

from __future__ import annotations

import re

import numpy as np
from scipy import stats

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_target_leakage(seen: Seen) -> Finding:
    """Does a single predictor nearly determine the outcome?

    For each predictor of a model, the area under the curve for a two-valued outcome (fails at 0.98 and more, on at
    least 30 rows with 8 of each value), the rank correlation for a number (fails at 0.99).

    Not for follow-up measurements of the same thing, where such a correlation is the question.

    References
    ----------
    Kaufman S, et al. Leakage in data mining. ACM Trans Knowl Discov Data 2012;6:15. doi:10.1145/2382577.2382579
    """
    about = ("target_leakage", "Is a predictor the outcome in disguise?")
    sets = [
        (fit.line, fit.names, fit.x, fit.y)
        for fit in seen.fits
        if fit.kind not in ("cox", "phreg", "cox_tv", "km", "mixed")
    ]
    for call in seen.learned:
        if call.what == "fit" and hasattr(call.x, "columns") and call.y is not None and len(call.x) == len(call.y):
            numbers = call.x.select_dtypes("number")
            sets.append((call.line, list(map(str, numbers.columns)), numbers.to_numpy(float), _codes(call.y)))
    if seen.language == "r":
        sets += _in_r(seen)
    sets = [one for one in sets if len(one[3]) >= 30 and one[2].shape[1]]
    if not sets:
        return not_applicable(*about, "no model with predictors on at least 30 rows")
    fail = [
        f"line {line}: {name} alone gives the outcome ({text})"
        for line, names, x, y in sets
        for name, column in list(zip(names, x.T, strict=True))[:500]
        if (text := gives_away(column, y))
    ]
    return judged(*about, fail=list(dict.fromkeys(fail)), looked_at=f"{len(sets)} models")


def gives_away(column: np.ndarray, y: np.ndarray) -> str:
    """Say how a predictor determines the outcome; "" where it doesn't. Missing values are left out."""
    there = ~(np.isnan(column) | np.isnan(y))
    column, y = column[there], y[there]
    if len(y) < 30 or len(np.unique(column)) < 2:
        return ""
    levels = np.unique(y)
    if len(levels) == 2:
        high = y == levels[1]
        few = min(int(high.sum()), int((~high).sum()))
        if few < 8:
            return ""
        area = stats.mannwhitneyu(column[high], column[~high]).statistic / (high.sum() * (~high).sum())
        return f"area under the curve {max(area, 1 - area):.3f}" if max(area, 1 - area) >= 0.98 else ""
    rho = abs(stats.spearmanr(column, y).statistic) if len(levels) > 10 else 0.0
    return f"rank correlation {rho:.3f}" if rho >= 0.99 else ""


def _codes(y: object) -> np.ndarray:
    values = np.asarray(y).ravel()
    return (
        values.astype(float) if values.dtype.kind in "iufb" else np.unique(values, return_inverse=True)[1].astype(float)
    )


def _in_r(seen: Seen) -> list[tuple[int, list[str], np.ndarray, np.ndarray]]:
    frame, found = seen.frame(), []
    for call in seen.calls:
        text = next((str(arg) for arg in call["args"] if "~" in str(arg)), "")
        left, _, right = text.partition("~")
        outcome = left.strip()
        names = [
            name for name in re.findall(r"[A-Za-z.][\w.]*", right) if name in frame and frame[name].dtype.kind in "iufb"
        ]
        if outcome in frame and names and call["last"] in ("glm", "lm", "randomForest", "train", "rpart"):
            found.append((call["line"], names, frame[names].to_numpy(float), _codes(frame[outcome])))
    return found
