"""Check: the program gives the numbers that the plan promises, under the plan's units."""

from __future__ import annotations

from counterproof.tools.checks.verdict import Check, Evidence, judged

_ID = "planned_results"
_TITLE = "Are all promised results there, in the promised units?"


def check_planned_results(evidence: Evidence) -> Check:
    """Fail for a promised number that is missing or has another unit; warn for numbers beyond the plan.

    References
    ----------
    Gamble et al. Guidelines for the content of statistical analysis plans. JAMA 2017;318:2337.
    doi:10.1001/jama.2017.18556
    """
    given = evidence.primary.by_id()
    promised = {planned.id: planned for planned in evidence.plan.results}
    missing = [f"{name} is promised and missing" for name in promised if name not in given]
    units = [
        f"{name} is in {given[name].unit!r}, and the plan says {planned.unit!r}"
        for name, planned in promised.items()
        if name in given and given[name].unit != planned.unit
    ]
    extra = [f"{name} is not in the plan: exploratory" for name in given if name not in promised]
    return judged(
        _ID, _TITLE, fail=missing + units, warn=extra, looked_at=f"{len(promised)} promised results, all there"
    )
