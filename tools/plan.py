"""The plan: the statistical analysis plan as a structured, hashed document.

Closed choices where they exist, free text where text belongs. The plan names the results that it promises; what
a program gives beyond them is exploratory, and what it doesn't give is missing.

This is the thin form of the schema. It grows here: analysis populations, missing-data methods, multiplicity and
subgroups as closed choices with their checks.

Source: ICH E9(R1) for the estimand; Gamble et al., JAMA 2017;318:2337, for the items of a plan.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

ResultId = str
RESERVED_IDS = frozenset({"plan", "flow"})
"""What references of a report use for something else than a result."""
_ID = r"^[a-z][a-z0-9_]{0,63}$"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimand(_Model):
    """What is to be estimated, in the five attributes of ICH E9(R1)."""

    population: str = Field(min_length=1, max_length=2000)
    """Who."""
    treatment: str = Field(min_length=1, max_length=2000)
    """Treatment or exposure, and what it is compared with."""
    variable: str = Field(min_length=1, max_length=2000)
    """The outcome variable, with its coding in the data."""
    intercurrent_events: str = Field(min_length=1, max_length=2000)
    """Events after the start that affect the variable, and the strategy for each."""
    summary_measure: str = Field(min_length=1, max_length=2000)
    """The population-level summary."""


class Method(_Model):
    """One statistical method with its assumption and what is done when that fails."""

    id: str = Field(pattern=_ID)
    """Name within the plan."""
    description: str = Field(min_length=1, max_length=2000)
    """Model or test, with its options (ties, continuity correction, interval method)."""
    assumption: str = Field(min_length=1, max_length=2000)
    """What it assumes."""
    if_violated: str = Field(min_length=1, max_length=2000)
    """What is done or said when the assumption fails."""


class PlannedResult(_Model):
    """One number that the plan promises."""

    id: ResultId = Field(pattern=_ID)
    """Name used in `results.json` and in the report."""
    label: str = Field(min_length=1, max_length=300)
    """What it is, in words."""
    unit: str = Field(min_length=1, max_length=40)
    """Unit, or "ratio", "probability", "count", "statistic"."""
    method: str = Field(pattern=_ID)
    """Id of the method that gives it."""
    primary: bool = False
    """Whether it answers the question."""
    tolerance: float = Field(default=1e-4, ge=0, le=0.1)
    """Largest relative difference between the two programs that counts as agreement."""


class Plan(_Model):
    """A statistical analysis plan."""

    title: str = Field(min_length=1, max_length=300)
    """Title of the study."""
    question: str = Field(min_length=1, max_length=20_000)
    """The question, as the plan understands it."""
    design: Literal[
        "cohort", "randomised_trial", "case_control", "cross_sectional", "meta_analysis", "prediction", "other"
    ]
    """Design of the study."""
    estimand: Estimand
    """What is to be estimated."""
    methods: tuple[Method, ...] = Field(min_length=1, max_length=20)
    """Which methods are used."""
    results: tuple[PlannedResult, ...] = Field(min_length=1, max_length=60)
    """Which numbers are promised."""
    missing_data: str = Field(min_length=1, max_length=2000)
    """How missing and sentinel values are handled."""
    multiplicity: str = Field(min_length=1, max_length=2000)
    """How many tests, and how that is accounted for."""
    sensitivity: str = Field(min_length=1, max_length=2000)
    """Sensitivity analyses, or why there are none."""
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
        ids = [result.id for result in self.results]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"results: the id {twice[0]!r} is used twice; each result needs its own")
        for reserved in RESERVED_IDS.intersection(ids):
            raise ValueError(f"results: in reports the id {reserved!r} stands for the {reserved} itself; take another")
        methods = {method.id for method in self.methods}
        for result in self.results:
            if result.method not in methods:
                raise ValueError(
                    f"results: {result.id!r} names the method {result.method!r}; the plan has {sorted(methods)}"
                )
        if not any(result.primary for result in self.results):
            raise ValueError("results: none is primary; mark the one that answers the question")
        return self


def readable_plan(plan: Plan) -> str:
    """Return the plan as Markdown for a person."""
    estimand = plan.estimand
    lines = [
        f"# {plan.title}",
        "",
        f"**Question.** {plan.question}",
        "",
        f"**Design.** {plan.design.replace('_', ' ')}",
        "",
        "## Estimand",
        f"- Population: {estimand.population}",
        f"- Treatment or exposure: {estimand.treatment}",
        f"- Variable: {estimand.variable}",
        f"- Intercurrent events: {estimand.intercurrent_events}",
        f"- Summary measure: {estimand.summary_measure}",
        "",
        "## Methods",
    ]
    for method in plan.methods:
        lines += [
            f"- **{method.id}**: {method.description}",
            f"  - assumes: {method.assumption}",
            f"  - if that fails: {method.if_violated}",
        ]
    lines += ["", "## Results that are promised", "", "| id | what | unit | method | primary | tolerance |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {result.id} | {_cell(result.label)} | {_cell(result.unit)} | {result.method} "
        f"| {'yes' if result.primary else ''} | {result.tolerance:g} |"
        for result in plan.results
    ]
    lines += [
        "",
        f"**Missing data.** {plan.missing_data}",
        "",
        f"**Multiplicity.** {plan.multiplicity}",
        "",
        f"**Sensitivity.** {plan.sensitivity}",
        "",
        f"Alpha {plan.alpha:g}, {plan.sides}-sided; confidence level {plan.ci_level:g}; seed {plan.seed}.",
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
