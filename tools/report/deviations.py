"""What was planned, what was performed, and where they differ: found by comparing, never written by the model.

It does not cover whether a program did what its words say: that is for the checks and for the reviewer of the code.
"""

from __future__ import annotations

from counterproof.tools.plan import Plan, PlannedResult
from counterproof.tools.plan.text import cell
from counterproof.tools.results import Result

HEAD = ("| result | planned | performed | deviation |", "|---|---|---|---|")


def deviations(plan: Plan, released: dict[str, Result]) -> list[str]:
    """Return a row for each result that departs from the plan; none where all is as planned."""
    rows = [row for planned in plan.results if (row := _row(plan, planned, released.get(planned.id)))]
    known = {planned.id for planned in plan.results}
    return rows + [_unplanned(result) for name, result in sorted(released.items()) if name not in known]


def departures(plan: Plan, planned: PlannedResult, result: Result) -> list[str]:
    """Return how a result departs from what the plan says of it."""
    found = []
    if result.unit != planned.unit:
        found.append(f"unit {result.unit} in place of {planned.unit}")
    if result.ci_level is not None and result.ci_level != plan.ci_level:
        found.append(f"interval of level {result.ci_level:g} in place of {plan.ci_level:g}")
    tested = any(hypothesis.result == planned.id for hypothesis in plan.hypotheses)
    if tested and result.p_value is None:
        found.append("a test was planned, and there is no p value")
    if result.p_value is not None and plan.hypotheses and not tested:
        found.append("a p value that belongs to no planned hypothesis")
    if result.exploratory:
        found.append("called exploratory, though it was planned")
    return found


def _row(plan: Plan, planned: PlannedResult, result: Result | None) -> str | None:
    wanted = f"{planned.label} [{planned.unit}], {planned.method}"
    if result is None:
        return f"| {planned.id} | {cell(wanted)} | – | promised, not released |"
    found = departures(plan, planned, result)
    given = f"{result.label} [{result.unit}], {result.method}"
    return f"| {planned.id} | {cell(wanted)} | {cell(given)} | {cell('; '.join(found))} |" if found else None


def _unplanned(result: Result) -> str:
    said = "not in the plan: exploratory" + ("" if result.exploratory else ", and not called so by the program")
    return f"| {result.id} | – | {cell(f'{result.label} [{result.unit}], {result.method}')} | {said} |"
