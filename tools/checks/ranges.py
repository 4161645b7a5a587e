"""Check: numbers are possible for their unit."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, Evidence, judged
from counterproof.tools.results import Result

_ID = "ranges"
_TITLE = "Is every number possible for its unit?"


def check_ranges(evidence: Evidence) -> Check:
    """Fail for a probability outside 0 to 1, a ratio that is not positive, or a count that is no whole number ≥ 0.

    Units other than "probability", "ratio" and "count" have no bound here.
    """
    fail = [text for result in evidence.primary.results if (text := _impossible(result))]
    return judged(_ID, _TITLE, fail=fail, warn=[], looked_at=f"{len(evidence.primary.results)} numbers, all possible")


def _impossible(result: Result) -> str:
    ends = [end for end in (result.value, result.ci_low, result.ci_high) if end is not None]
    if result.unit == "probability" and any(not 0 <= end <= 1 for end in ends):
        return f"{result.id} is a probability outside 0 to 1: {ends}"
    if result.unit == "ratio" and any(end <= 0 for end in ends):
        return f"{result.id} is a ratio that is not positive: {ends}"
    if result.unit == "count" and (result.value < 0 or result.value != int(result.value)):
        return f"{result.id} is a count of {result.value}"
    return ""
