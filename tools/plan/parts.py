"""The parts of a plan: each a small closed form, with text only where text belongs.

What is said under a field goes to the model with the schema (`tools.plan.schema`), so it says how to fill the field in.

It does not cover whether the parts fit each other: that is `tools.plan.document`.

Source: ICH E9(R1) for the estimand and its strategies; Gamble et al., JAMA 2017;318:2337, for the items of a plan.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

ID_PATTERN = r"^[a-z][a-z0-9_]{0,63}$"
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Short = Annotated[str, Field(min_length=1, max_length=300)]
Columns = Annotated[tuple[Short, ...], Field(max_length=100)]

Strategy = Literal["treatment_policy", "hypothetical", "composite", "while_on_treatment", "principal_stratum"]
Importance = Literal["primary", "secondary", "exploratory"]
Timing = Literal["time_zero", "later", "time_varying", "not_known"]
OutcomeKind = Literal["time_to_event", "binary", "continuous", "count", "ordinal", "nominal", "rate", "effect_size"]
CovariateRole = Literal[
    "confounder", "precision", "stratification", "effect_modifier", "predictor", "cluster", "weight", "offset"
]
ModelKind = Literal[
    "descriptive",
    "contingency_table",
    "exact_test",
    "t_test",
    "paired_test",
    "rank_test",
    "anova",
    "correlation",
    "linear_regression",
    "logistic_regression",
    "ordinal_regression",
    "poisson_regression",
    "negative_binomial_regression",
    "cox_regression",
    "time_varying_cox_regression",
    "kaplan_meier",
    "log_rank",
    "competing_risks",
    "mixed_model",
    "gee",
    "stratified_analysis",
    "propensity_weighting",
    "matching",
    "standardisation",
    "meta_analysis",
    "meta_regression",
    "roc_analysis",
    "agreement",
    "prediction_model",
    "resampling",
    "assumption_check",
    "other",
]
Statistic = Literal[
    "count",
    "proportion",
    "mean",
    "median",
    "quantile",
    "standard_deviation",
    "variance",
    "standard_error",
    "mean_difference",
    "median_difference",
    "risk_difference",
    "risk_ratio",
    "odds_ratio",
    "hazard_ratio",
    "rate",
    "rate_ratio",
    "number_needed_to_treat",
    "regression_coefficient",
    "correlation",
    "survival_probability",
    "survival_time",
    "auc",
    "prediction_error",
    "heterogeneity",
    "prediction_limit",
    "weight",
    "test_statistic",
    "p_value",
    "log_likelihood",
    "information_criterion",
    "other",
]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

TOLERANCES: dict[Statistic, float] = {
    "count": 0.0,
    "variance": 1e-3,
    "standard_error": 1e-3,
    "heterogeneity": 1e-3,
    "prediction_limit": 1e-3,
    "weight": 1e-3,
    "test_statistic": 1e-3,
    "p_value": 1e-3,
    "log_likelihood": 1e-5,
    "information_criterion": 1e-5,
}
"""Relative tolerances of kinds of statistics that are not `TOLERANCE`: what is found by iteration agrees less well."""
TOLERANCE = 1e-4


class Part(BaseModel):
    """A part of a plan: cannot be changed, knows no other fields than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class IntercurrentEvent(Part):
    """Something after the start that affects the outcome or its meaning, and how it is dealt with."""

    event: Short
    """What happens, for example "death before the measurement" or "change of treatment"."""
    strategy: Strategy
    """Strategy of ICH E9(R1)."""
    handling: Text
    """What that means for the data: which rows, which values, which time."""


class Estimand(Part):
    """What is to be estimated, in the five attributes of ICH E9(R1)."""

    population: Text
    """Who."""
    treatment: Text
    """Treatment or exposure, and what it is compared with."""
    variable: Text
    """The outcome variable, with its coding in the data."""
    intercurrent_events: tuple[IntercurrentEvent, ...] = Field(max_length=20)
    """Each with its strategy; an empty list says that none is expected."""
    summary_measure: Text
    """The population-level summary. If the data can't answer the question, say so here."""


class Outcome(Part):
    """One outcome as it stands in the data."""

    id: Id
    """Name within the plan."""
    definition: Text
    """What it is, with its coding in the data."""
    kind: OutcomeKind
    """What kind of variable."""
    columns: Columns = ()
    """Columns that hold it, or follow from it; not those of its baseline. None of them may explain it."""
    time: str = Field(default="", max_length=300)
    """Column of the time to event or of the measurement, if there is one."""
    event_codes: tuple[Short, ...] = Field(default=(), max_length=50)
    """Values that count as the event, for example "2"."""
    importance: Importance = "primary"
    """Rank of the outcome."""


class Exposure(Part):
    """The treatment or exposure as it stands in the data."""

    column: Short
    """Its column."""
    coding: Text
    """Its values and what they mean."""
    reference: Short
    """The level or value that it is compared with."""
    known_at: Timing = "time_zero"
    """When it becomes known: "later" or "time_varying" if after follow-up has begun."""


class Covariate(Part):
    """A variable beside exposure and outcome, and why it is used."""

    column: Short
    """Its column."""
    role: CovariateRole
    """What it is for."""
    coding: Text
    """How it enters: as categories (with the reference), linear, squared, spline."""
    reason: Text
    """Why it is used."""
    known_at: Timing = "time_zero"
    """When it becomes known; what comes after the exposure is no confounder."""


class Population(Part):
    """A set of units of analysis."""

    id: Id
    """Name within the plan."""
    definition: Text
    """Who is in it, by columns and values."""


class Assumption(Part):
    """What a method assumes, how that is looked at, and what is done when it fails."""

    assumption: Text
    """What is assumed."""
    check: Text
    """How the programs or the reviewers see whether it holds, or that nothing in the data can show it."""
    if_violated: Text
    """What is done or said when it fails."""


class Method(Part):
    """One statistical method with its options and assumptions."""

    id: Id
    """Name within the plan."""
    model: ModelKind
    """Kind of model or test."""
    description: Text
    """Formula, coding and options: ties, continuity correction, how intervals and p values are made."""
    assumptions: tuple[Assumption, ...] = Field(default=(), max_length=10)
    """What it assumes; empty for plain counts and descriptions only."""


class Hypothesis(Part):
    """One test of a hypothesis."""

    id: Id
    """Name within the plan."""
    null: Text
    """The null hypothesis in words."""
    method: Id
    """Id of the method that tests it."""
    result: Id
    """Id of the planned result that carries its p value."""
    importance: Importance = "primary"
    """Rank of the hypothesis."""
    alpha: float | None = Field(default=None, gt=0, lt=0.5)
    """Its significance level, where it differs from the plan's."""
    sides: Literal[1, 2] | None = None
    """Its sides, where they differ from the plan's."""
    direction: Literal["", "less", "greater"] = ""
    """For a one-sided test, the alternative."""


class Multiplicity(Part):
    """How the number of tests is accounted for."""

    method: Literal[
        "single_test",
        "not_adjusted",
        "bonferroni",
        "holm",
        "hochberg",
        "benjamini_hochberg",
        "fixed_sequence",
        "dunnett",
        "tukey",
        "other",
    ]
    """How p values or levels are adjusted."""
    family: tuple[Id, ...] = Field(default=(), max_length=60)
    """Ids of the hypotheses that are adjusted together; empty for all."""
    reason: Text
    """Why that is right here."""


class Sentinel(Part):
    """Codes that stand for a missing value."""

    column: Short
    """Its column."""
    codes: tuple[Short, ...] = Field(min_length=1, max_length=50)
    """The codes as they are written, for example "999"."""
    meaning: Short = "missing"
    """What they mean."""


class MissingData(Part):
    """How missing values are handled."""

    method: Literal[
        "none_expected",
        "complete_case",
        "available_case",
        "multiple_imputation",
        "single_imputation",
        "missing_category",
        "inverse_probability_weighting",
        "likelihood",
        "other",
    ]
    """What is done."""
    sentinels: tuple[Sentinel, ...] = Field(default=(), max_length=200)
    """Codes that stand for missing, by column."""
    details: Text
    """By which columns rows are left out, how many imputations with which variables, and why."""


class Outliers(Part):
    """What is done with extreme values."""

    method: Literal["keep_all", "correct_or_remove_impossible", "winsorise", "transform", "robust_method", "other"]
    """What is done."""
    details: Text
    """The rule, fixed before the data are seen."""


class SensitivityAnalysis(Part):
    """One analysis that shows whether the answer hangs on a choice."""

    id: Id
    """Name within the plan."""
    description: Text
    """What is done differently."""
    results: tuple[Id, ...] = Field(default=(), max_length=20)
    """Ids of the planned results that it gives."""


class Subgroup(Part):
    """One subgroup that is looked at."""

    column: Short
    """Column that defines it."""
    levels: Text
    """How its levels are made."""
    rule: Literal["interaction_test", "descriptive"]
    """Whether effects are compared by a test of interaction, or only described."""
    reason: Text
    """Why an effect may differ."""


class PlannedResult(Part):
    """One number that the plan promises."""

    id: Id
    """Name used in `results.json` and in the report; names the comparison, for example `hr_women_vs_men`."""
    label: Short
    """What it is, in words, with what is compared with what."""
    unit: str = Field(min_length=1, max_length=40)
    """Unit, or "ratio", "probability", "count", "statistic"."""
    method: Id
    """Id of the method that gives it."""
    statistic: Statistic = "other"
    """Kind of the number; it says how two programs are compared."""
    population: str = Field(default="", max_length=64)
    """Id of its population; empty for the estimand's."""
    primary: bool = False
    """Whether it answers the question."""
    tolerance: float = Field(default_factory=lambda given: usual_tolerance(given["statistic"]), ge=0, le=0.1)
    """Largest relative difference between the two programs that counts as agreement; usually left out."""


def usual_tolerance(statistic: Statistic) -> float:
    """Return the relative difference of two programs that counts as agreement where the plan says nothing."""
    return TOLERANCES.get(statistic, TOLERANCE)
