"""The list of checks, and running them.

Three kinds: of outputs (`CHECKS`), of the program's text (`static_checks`, shown at the code checkpoint too), and of
the program while it runs on the data (`program.OBSERVED`), which the check program made on the secure side.
"""

from __future__ import annotations

from collections.abc import Callable

from counterproof.tools.checks.denominators import check_denominators
from counterproof.tools.checks.determinism import check_determinism
from counterproof.tools.checks.intervals import check_intervals
from counterproof.tools.checks.literals import check_literals
from counterproof.tools.checks.planned import PlanView, view_of
from counterproof.tools.checks.planned_results import check_planned_results
from counterproof.tools.checks.post_hoc import check_post_hoc
from counterproof.tools.checks.ranges import check_ranges
from counterproof.tools.checks.replication import check_replication
from counterproof.tools.checks.seed import check_seed
from counterproof.tools.checks.verdict import Check, Evidence, ProgramSource, not_applicable
from counterproof.tools.static_facts import read_facts

CHECKS: tuple[Callable[[Evidence], Check], ...] = (
    check_planned_results,
    check_denominators,
    check_ranges,
    check_intervals,
    check_replication,
)

HALTING = frozenset({"planned_results", "denominators", "ranges", "intervals", "replication", "determinism"})
"""Checks after whose failure there are no results to release: the numbers contradict themselves or each other."""


def run_checks(evidence: Evidence) -> list[Check]:
    """Run every check: of outputs in the order of `CHECKS`, then of the text, then what was observed."""
    made = [check(evidence) for check in CHECKS]
    if evidence.source is not None:
        made += static_checks(evidence.source, view_of(evidence.plan, evidence.columns))
        made.append(check_determinism(evidence.results_sha256, evidence.observation))
    if evidence.observation is not None:
        made += evidence.observation.checks
    elif evidence.unobserved:
        made.append(not_applicable("observed", "Was the program observed on the data?", evidence.unobserved))
    return made


def static_checks(source: ProgramSource, plan: PlanView) -> list[Check]:
    """Run the checks of a program's text."""
    facts = read_facts(source.code, source.language)
    return [check_literals(facts), check_seed(facts, source.code), check_post_hoc(facts, plan)]
