"""The verdict of a check, and what a check may look at."""

from __future__ import annotations

import json
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from counterproof.provenance.errors import ToolFailed
from counterproof.sandbox import Language
from counterproof.tools.plan import Plan
from counterproof.tools.results import Flow, ResultsFile

_SIZE_MAX = 4_000_000


class Verdict(StrEnum):
    """What a check found."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"


class Check(BaseModel):
    """One check with its verdict."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Name of the check."""
    title: str
    """What it asks."""
    verdict: Verdict
    """What it found."""
    evidence: tuple[str, ...] = Field(min_length=1)
    """The reasons, one a line; may hold numbers computed from real data."""


class Observation(BaseModel):
    """What the check program wrote: the `results.json` of its execution."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: str = Field(alias="schema", pattern=r"^counterproof/checks/1$")
    """Form of this file."""
    checks: tuple[Check, ...] = Field(min_length=1)
    """The verdicts, in the order of the check program."""
    error: str
    """Class of the error with which the program ended under observation; "" where it ended well."""
    results_sha256: str
    """Digest of the `results.json` that the program wrote under observation; "" where it was not run."""
    warnings: tuple[tuple[str, str], ...] = ()
    """Class and first line of each warning of a library."""


class ProgramSource(BaseModel):
    """A program as the checks read it."""

    model_config = ConfigDict(frozen=True)

    code: str
    """Its text."""
    language: Language
    """Its language."""


class Evidence(BaseModel):
    """What the checks look at: the plan, the programs, and the outputs of both on the same data."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    """The locked plan."""
    rows: int | None
    """Rows of the data; None where there are several files."""
    columns: tuple[str, ...] = ()
    """Names of the data's columns."""
    primary: ResultsFile
    """Results of the primary program."""
    replication: ResultsFile
    """Results of the replication."""
    flow: Flow
    """Participants, from the primary program."""
    source: ProgramSource | None = None
    """The primary program; None where only outputs are checked."""
    results_sha256: str = ""
    """Digest of the `results.json` of the primary program."""
    observation: Observation | None = None
    """What the check program found; None where it did not run, and then `unobserved` says why."""
    unobserved: str = ""
    """Why there is no observation."""


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


def parse_observation(data: bytes | None) -> Observation:
    """Read what the check program wrote.

    Raises:
        ToolFailed: it is missing, too large, or not of the form.
    """
    if data is None or len(data) > _SIZE_MAX:
        raise ToolFailed("The check program wrote no usable results.json.", advice="Look at its standard error.")
    try:
        return Observation.model_validate(json.loads(data))
    except (ValueError, ValidationError, RecursionError) as error:
        raise ToolFailed(f"What the check program wrote is not of its form: {type(error).__name__}.") from error
