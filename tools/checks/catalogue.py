"""The list of checks, and running them."""

from __future__ import annotations

from collections.abc import Callable

from counterproof.tools.checks.denominators import check_denominators
from counterproof.tools.checks.intervals import check_intervals
from counterproof.tools.checks.planned_results import check_planned_results
from counterproof.tools.checks.ranges import check_ranges
from counterproof.tools.checks.replication import check_replication
from counterproof.tools.checks.verdict import Check, Evidence

CHECKS: tuple[Callable[[Evidence], Check], ...] = (
    check_planned_results,
    check_denominators,
    check_ranges,
    check_intervals,
    check_replication,
)


def run_checks(evidence: Evidence) -> list[Check]:
    """Run every check, in the order of `CHECKS`."""
    return [check(evidence) for check in CHECKS]
