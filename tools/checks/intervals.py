"""Check: intervals contain their estimates, have the planned level, and agree with their p values."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, Evidence, judged, not_applicable
from counterproof.tools.results import Result

_ID = "intervals"
_TITLE = "Do intervals, estimates and p values agree?"
# An interval and a p value by different constructions may disagree close to alpha; further off, one is wrong.
_NEAR = 2.0


def check_intervals(evidence: Evidence) -> Check:
    """Fail for an estimate outside its interval; warn for another level, or a p value that contradicts the interval.

    The contradiction is looked for in ratios (null value 1) with both an interval and a p value.

    References
    ----------
    Altman DG, Bland JM. How to obtain the P value from a confidence interval. BMJ 2011;343:d2304.
    doi:10.1136/bmj.d2304
    """
    with_interval = [result for result in evidence.primary.results if result.ci_low is not None]
    if not with_interval:
        return not_applicable(_ID, _TITLE, "no result has an interval")
    fail, warn = [], []
    for result in with_interval:
        low, high = _ends(result)
        if not low <= result.value <= high:
            fail.append(f"{result.id}: {result.value:g} lies outside {low:g} to {high:g}")
        if result.ci_level != evidence.plan.ci_level:
            warn.append(f"{result.id}: level {result.ci_level}, and the plan says {evidence.plan.ci_level}")
        if _contradiction(result, evidence.plan.alpha):
            warn.append(f"{result.id}: p = {result.p_value:g} and the interval {low:g} to {high:g} contradict")
    return judged(_ID, _TITLE, fail=fail, warn=warn, looked_at=f"{len(with_interval)} intervals")


def _ends(result: Result) -> tuple[float, float]:
    assert result.ci_low is not None
    assert result.ci_high is not None
    return result.ci_low, result.ci_high


def _contradiction(result: Result, alpha: float) -> bool:
    if result.unit != "ratio" or result.p_value is None:
        return False
    low, high = _ends(result)
    excludes_one = low > 1 or high < 1
    return (excludes_one and result.p_value > alpha * _NEAR) or (not excludes_one and result.p_value < alpha / _NEAR)
