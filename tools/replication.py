"""Comparing two independent programs for the same plan, number by number.

Two numbers agree when they differ by at most the tolerance that the plan sets for that result, relative to the
larger of the two (counts must be equal). Intervals and p values are compared in the same way. A number that only one
program has is a disagreement. Disagreements are shown, never averaged away.

It does not cover whether both programs make the same mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

from counterproof.tools.plan import Plan
from counterproof.tools.results import Result, ResultsFile

FIELDS = ("value", "ci_low", "ci_high", "p_value", "n")
# Below this, two numbers are the same zero (relative difference has no meaning there).
_ABSOLUTE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One field of one result in both programs.

    Attributes:
        result: id of the result.
        field: "value", "ci_low", "ci_high", "p_value" or "n".
        primary: number of the primary program; None when it has none.
        replication: number of the replication; None when it has none.
        tolerance: largest relative difference that counts as agreement.
        agrees: the verdict.
    """

    result: str
    field: str
    primary: float | None
    replication: float | None
    tolerance: float
    agrees: bool


def compare(plan: Plan, primary: ResultsFile, replication: ResultsFile) -> list[Comparison]:
    """Compare two result files on every number that the plan promises, in the plan's order."""
    first, second = primary.by_id(), replication.by_id()
    rows: list[Comparison] = []
    for planned in plan.results:
        one, two = first.get(planned.id), second.get(planned.id)
        tolerance = 0.0 if planned.unit == "count" else planned.tolerance
        for field in FIELDS:
            left, right = _number(one, field), _number(two, field)
            # A field that neither gives is nothing to compare; a value that neither gives is a missing result.
            if left is None and right is None and field != "value":
                continue
            limit = 0.0 if field == "n" else tolerance
            rows.append(
                Comparison(
                    result=planned.id,
                    field=field,
                    primary=left,
                    replication=right,
                    tolerance=limit,
                    agrees=_agree(left, right, limit),
                )
            )
    return rows


def _number(result: Result | None, field: str) -> float | None:
    value = None if result is None else getattr(result, field)
    return None if value is None else float(value)


def _agree(left: float | None, right: float | None, tolerance: float) -> bool:
    if left is None or right is None:
        return False
    return abs(left - right) <= max(tolerance * max(abs(left), abs(right)), _ABSOLUTE if tolerance else 0.0)
