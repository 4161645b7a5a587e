"""The narrow view of a plan that checks look at: one adapter, so that checks don't depend on the plan's form.

A closed choice such as `log_rank` counts as its words too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from counterproof.tools.plan import Plan


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """What checks read of a plan.

    Attributes:
        text: everything that it says, in lower case.
        design: the design of the study.
        outcome: first column of the first outcome; "" where the plan names none.
        exposure: column of the first exposure; "" where there is none.
        subject: column that says which rows are of one person or cluster; "" where each row stands alone.
        tests: how many hypotheses are tested.
    """

    text: str
    design: str = "other"
    outcome: str = ""
    exposure: str = ""
    subject: str = ""
    tests: int = 1

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, as JSON values."""
        return asdict(self)


def view_of(plan: Plan, columns: Sequence[str] = ()) -> PlanView:
    """Return the view of a plan.

    Args:
        plan: the plan.
        columns: names of the data's columns.
    """
    words = " ".join(_words(plan.model_dump(mode="json"))).lower()
    outcomes = [column for outcome in plan.outcomes for column in outcome.columns]
    known = set(columns)
    return PlanView(
        text=f"{words} {words.replace('_', ' ')}",
        design=plan.design,
        outcome=_first([column for column in outcomes if column in known or not known]),
        exposure=_first([exposure.column for exposure in plan.exposures]),
        subject=plan.subject,
        tests=len(plan.hypotheses),
    )


def _words(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [word for part in value.values() for word in _words(part)]
    if isinstance(value, list):
        return [word for part in value for word in _words(part)]
    return [value] if isinstance(value, str) else []


def _first(columns: Sequence[str]) -> str:
    return columns[0] if columns else ""
