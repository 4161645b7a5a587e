"""The verdict of a check, and what a check may look at."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from counterproof.tools.plan import Plan
from counterproof.tools.results import Flow, ResultsFile


class Verdict(StrEnum):
    """What a check found."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"


class Evidence(BaseModel):
    """What the checks look at: the plan and the outputs of both programs on the same data."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    """The locked plan."""
    rows: int | None
    """Rows of the data; None where there are several files."""
    primary: ResultsFile
    """Results of the primary program."""
    replication: ResultsFile
    """Results of the replication."""
    flow: Flow
    """Participants, from the primary program."""


class Check(BaseModel):
    """One check with its verdict."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Name of the check."""
    title: str
    """What it asks."""
    verdict: Verdict
    """What it found."""
    evidence: tuple[str, ...]
    """The reasons, one a line; may hold numbers computed from real data."""


def judged(id_: str, title: str, *, fail: list[str], warn: list[str], looked_at: str) -> Check:
    """Make a check from what it found: any `fail` fails, else any `warn` warns, else it passes.

    Args:
        id_: name of the check.
        title: what it asks.
        fail: reasons to fail.
        warn: reasons to warn.
        looked_at: what was looked at; stands as the evidence of a pass.
    """
    verdict = Verdict.FAIL if fail else Verdict.WARN if warn else Verdict.PASS
    return Check(id=id_, title=title, verdict=verdict, evidence=tuple(fail + warn) or (looked_at,))


def not_applicable(id_: str, title: str, why: str) -> Check:
    """Make a check that had nothing to look at."""
    return Check(id=id_, title=title, verdict=Verdict.NOT_APPLICABLE, evidence=(why,))
