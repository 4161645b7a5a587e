"""The plan: the statistical analysis plan as a structured, hashed document.

Closed choices where they exist, free text where text belongs. The plan names the results that it promises; what
a program gives beyond them is exploratory, and what it doesn't give is missing. What its parts refer to by id must be
there: each fault is named with what is allowed, all of them at once, so that whoever wrote the plan can repair it.

It does not cover whether the plan is a good one: that is for the person who approves it.

Source: ICH E9(R1) for the estimand; Gamble et al., JAMA 2017;318:2337, for the items of a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

from pydantic import Field, model_validator

from counterproof.tools.plan.parts import (
    Covariate,
    Estimand,
    Exposure,
    Hypothesis,
    Id,
    Method,
    MissingData,
    Multiplicity,
    Outcome,
    Outliers,
    Part,
    PlannedResult,
    Population,
    SensitivityAnalysis,
    Subgroup,
)

RESERVED_IDS = frozenset({"plan", "flow"})
"""What references of a report use for something else than a result."""


class Plan(Part):
    """A statistical analysis plan."""

    title: str = Field(min_length=1, max_length=300)
    """Title of the study."""
    question: str = Field(min_length=1, max_length=20_000)
    """The question, as the plan understands it."""
    design: Literal[
        "cohort",
        "randomised_trial",
        "case_control",
        "cross_sectional",
        "repeated_measures",
        "diagnostic_accuracy",
        "meta_analysis",
        "prediction",
        "other",
    ]
    """Design of the study."""
    design_details: str = Field(default="", max_length=2000)
    """Units of analysis, start and end of follow-up, matching, clustering: what the design's name doesn't say."""
    subject: str = Field(default="", max_length=300)
    """Column that says which rows are of one person or cluster; empty where each row is a unit of its own."""
    estimand: Estimand
    """What is to be estimated."""
    exposures: tuple[Exposure, ...] = Field(default=(), max_length=20)
    """Treatments or exposures as they stand in the data."""
    outcomes: tuple[Outcome, ...] = Field(min_length=1, max_length=20)
    """Outcomes as they stand in the data."""
    covariates: tuple[Covariate, ...] = Field(default=(), max_length=100)
    """Every other variable that is used, with the reason for each."""
    populations: tuple[Population, ...] = Field(default=(), max_length=20)
    """Populations beside the estimand's, such as "per_protocol" or "women"."""
    methods: tuple[Method, ...] = Field(min_length=1, max_length=20)
    """Which methods are used."""
    results: tuple[PlannedResult, ...] = Field(min_length=1, max_length=60)
    """Which numbers are promised."""
    hypotheses: tuple[Hypothesis, ...] = Field(default=(), max_length=60)
    """Every test that is made; empty where nothing is tested."""
    multiplicity: Multiplicity
    """How the number of tests is accounted for."""
    missing_data: MissingData
    """How missing and sentinel values are handled."""
    outliers: Outliers = Outliers(
        method="keep_all", details="Every value that the codebook allows is used as it is recorded."
    )
    """What is done with extreme values."""
    sensitivity: tuple[SensitivityAnalysis, ...] = Field(default=(), max_length=20)
    """Sensitivity analyses; empty says that none is planned."""
    subgroups: tuple[Subgroup, ...] = Field(default=(), max_length=20)
    """Subgroups that are looked at; any other one is exploratory."""
    software: str = Field(default="The libraries of the analysis environment, by its lock.", max_length=2000)
    """Languages and libraries, where the plan demands some."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Two-sided or one-sided significance level, see `sides`."""
    sides: Literal[1, 2] = 2
    """Sides of the tests."""
    ci_level: float = Field(default=0.95, gt=0.5, lt=1)
    """Level of confidence intervals."""
    seed: int = Field(default=20260101, ge=0, lt=2**31)
    """Seed for everything random in the programs."""

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        if faults := list(_faults(self)):
            raise ValueError("; ".join(faults))
        return self


class _Named(Protocol):
    @property
    def id(self) -> Id: ...


def _faults(plan: Plan) -> Iterator[str]:
    for place in ("outcomes", "populations", "methods", "results", "hypotheses", "sensitivity"):
        yield from _twice(place, getattr(plan, place))
    results, methods = _ids(plan.results), _ids(plan.methods)
    for reserved in sorted(RESERVED_IDS.intersection(results)):
        yield f"results: in reports the id {reserved!r} stands for the {reserved} itself; take another"
    for result in plan.results:
        yield from _unknown("results", result.id, "method", result.method, methods)
        if result.population:
            yield from _unknown("results", result.id, "population", result.population, _ids(plan.populations))
    if not any(result.primary for result in plan.results):
        yield "results: none is primary; mark the one that answers the question"
    for hypothesis in plan.hypotheses:
        yield from _unknown("hypotheses", hypothesis.id, "method", hypothesis.method, methods)
        yield from _unknown("hypotheses", hypothesis.id, "result", hypothesis.result, results)
        if (hypothesis.sides or plan.sides) == 1 and not hypothesis.direction:
            yield f"hypotheses: {hypothesis.id!r} is one-sided; give its direction, less or greater"
    for name in plan.multiplicity.family:
        yield from _unknown("multiplicity", "family", "hypothesis", name, _ids(plan.hypotheses))
    yield from _too_many_tests(plan)
    for analysis in plan.sensitivity:
        for name in analysis.results:
            yield from _unknown("sensitivity", analysis.id, "result", name, results)
    yield from _predictors(plan)


def _twice(place: str, parts: Sequence[_Named]) -> Iterator[str]:
    ids = _ids(parts)
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"{place}: the id {name!r} is used twice; each needs its own"


def _ids(parts: Sequence[_Named]) -> list[str]:
    return [part.id for part in parts]


def _unknown(place: str, of: str, what: str, name: str, known: list[str]) -> Iterator[str]:
    if name not in known:
        yield f"{place}: {of!r} names the {what} {name!r}; the plan has {sorted(known)}"


def _too_many_tests(plan: Plan) -> Iterator[str]:
    primary = [hypothesis.id for hypothesis in plan.hypotheses if hypothesis.importance == "primary"]
    if len(primary) > 1 and plan.multiplicity.method == "single_test":
        yield (
            f"multiplicity: 'single_test' with {len(primary)} primary hypotheses {primary}; adjust for them, rank them "
            "(importance), or say 'not_adjusted' with the reason"
        )


def _predictors(plan: Plan) -> Iterator[str]:
    outcome = {name for one in plan.outcomes for name in one.columns}
    outcome |= {one.time for one in plan.outcomes if one.kind == "time_to_event" and one.time}
    explain = {one.column for one in plan.exposures} | {one.column for one in plan.covariates}
    for name in sorted(outcome & explain):
        yield (
            f"covariates: the column {name!r} is an outcome or follows from one, so it can't explain it; leave it out, "
            "or take it out of the outcome's columns where it is measured before"
        )
