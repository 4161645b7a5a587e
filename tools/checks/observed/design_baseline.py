"""Check: a change from baseline is not compared between groups that differ at baseline (Lord's paradox)."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from counterproof.tools.checks.observed._seen import Finding, Seen, judged, not_applicable


def check_baseline(seen: Seen) -> Finding:
    """Is a change score compared between groups without the baseline?

    The outcome of a linear model or of a two-sample test is a change score where it equals the difference of two
    columns of the data. Fails where the groups differ at baseline by more than a quarter of a standard deviation and
    the baseline is not in the model; warns where they don't differ: an analysis of covariance is more precise there.

    Not for questions about the change itself in one group. In a study that is not randomised the choice between change
    score and covariance rests on causal assumptions, which a person has to state.

    References
    ----------
    Vickers AJ, Altman DG. Analysing controlled trials with baseline and follow up measurements. BMJ 2001;323:1123.
    doi:10.1136/bmj.323.7321.1123. Tu YK, et al. Lord's paradox. Emerg Themes Epidemiol 2008;5:2.
    doi:10.1186/1742-7622-5-2
    """
    about = ("baseline", "Is a change score compared without its baseline?")
    frame = seen.frame()
    numbers = frame.select_dtypes("number").dropna(axis=1, how="all")
    if numbers.shape[1] > 40 or not len(numbers):
        return not_applicable(*about, "no file with two measurements of a few columns")
    fail, warn, looked = [], [], 0
    compared = [(fit.line, fit.y, fit) for fit in seen.fits if fit.kind in ("ols", "wls")]
    compared += [
        (test.line, np.concatenate([np.asarray(side, float) for side in test.args[:2]]), None)
        for test in seen.tests
        if test.name in ("ttest_ind", "mannwhitneyu") and len(test.args) >= 2
    ]
    for line, y, fit in compared:
        first = _baseline(numbers, y)
        if not first:
            continue
        looked += 1
        if fit is not None and _inside(numbers[first].to_numpy(float), fit.x):
            continue
        gap = _gap(seen, first)
        text = f"line {line}: the outcome is a change from {first}, which is not in the model"
        (fail if gap > 0.25 else warn).append(f"{text}; the groups differ there by {gap:.2f} SD")
    if not looked:
        return not_applicable(*about, "no outcome is a change between two columns")
    return judged(*about, fail=fail, warn=warn, looked_at=f"{looked} change scores with their baselines in the model")


def _baseline(numbers: object, y: np.ndarray) -> str:
    want = np.sort(y[~np.isnan(y)])
    for late, early in permutations(numbers.columns, 2):  # type: ignore[attr-defined]
        change = (numbers[late] - numbers[early]).dropna().to_numpy(float)  # type: ignore[index]
        if len(change) == len(want) and len(want) >= 10 and np.allclose(np.sort(change), want, atol=1e-6):
            return str(early)
    return ""


def _inside(column: np.ndarray, x: np.ndarray) -> bool:
    held = column[~np.isnan(column)]
    return any(len(held) == len(part) and np.allclose(np.sort(held), np.sort(part)) for part in x.T)


def _gap(seen: Seen, first: str) -> float:
    frame = seen.frame()
    gaps = [0.0]
    for column in seen.used() - {first}:
        if frame[column].nunique() == 2:
            one, other = (part[first].dropna() for _, part in frame.groupby(column))
            gaps.append(abs(one.mean() - other.mean()) / max(float(frame[first].std()), 1e-12))
    return float(max(gaps))
