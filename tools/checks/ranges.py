"""Check: numbers are possible for their unit."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, Evidence, judged, not_applicable
from counterproof.tools.results import Result

_ID = "ranges"
_TITLE = "Is every number possible for its unit?"
_BOUNDED = ("probability", "ratio", "count")


def check_ranges(evidence: Evidence) -> Check:
    """Fail for a probability outside 0 to 1, a ratio that is not positive, or a count that is no whole number ≥ 0.

    Other units have no bound here; not applicable where there are only those.
    """
    bounded = [result for result in evidence.primary.results if result.unit in _BOUNDED]
    if not bounded:
        return not_applicable(_ID, _TITLE, f"no result is a {', '.join(_BOUNDED)}")
    fail = [text for result in bounded if (text := _impossible(result))]
    return judged(_ID, _TITLE, fail=fail, warn=[], looked_at=f"{len(bounded)} numbers, all possible")


def _impossible(result: Result) -> str:
    ends = [end for end in (result.value, result.ci_low, result.ci_high) if end is not None]
    if result.unit == "probability" and any(not 0 <= end <= 1 for end in ends):
        return f"{result.id} is a probability outside 0 to 1: {ends}"
    if result.unit == "ratio" and any(end <= 0 for end in ends):
        return f"{result.id} is a ratio that is not positive: {ends}"
    if result.unit == "count" and (result.value < 0 or result.value != int(result.value)):
        return f"{result.id} is a count of {result.value}"
    return ""
