"""Which items of a reporting guideline the study's documents fill, and which are left to the authors.

The items are named by their numbers in the guideline, with a few words of our own; whoever fills a checklist in for a
journal takes the guideline itself. An item is filled where a locked plan, the released flow or the report holds what it
asks for; nothing is filled by a model's word.

Source: STROBE, von Elm et al., Lancet 2007;370:1453; CONSORT 2025, Hopewell et al., BMJ 2025;388:e081123;
TRIPOD+AI, Collins et al., BMJ 2024;385:e078378.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from counterproof.tools.plan import Plan
from counterproof.tools.plan.text import table

BY_AUTHORS = "left to the authors"


@dataclass(frozen=True, kw_only=True)
class Documents:
    """What items are filled from.

    Attributes:
        plan: the locked plan.
        flow: whether the participant flow was released.
        results: how many results were released.
    """

    plan: Plan
    flow: bool
    results: int


_Where = Callable[[Documents], str]


def _always(where: str) -> _Where:
    return lambda _given: where


def _if(test: Callable[[Documents], Any], where: str) -> _Where:
    return lambda given: where if test(given) else BY_AUTHORS


_LEFT = _always(BY_AUTHORS)
_FLOW = _if(lambda given: given.flow, "participants")
_EXPOSURES = _if(lambda given: given.plan.exposures, "plan: exposures")
_COVARIATES = _if(lambda given: given.plan.covariates, "plan: covariates, with the reason for each")
_SENSITIVITY = _if(lambda given: given.plan.sensitivity, "plan: sensitivity analyses")
_SUBGROUPS = _if(lambda given: given.plan.subgroups, "plan: subgroups")
_RESULTS = _if(lambda given: given.results, "released numbers; results")

GUIDELINES: dict[str, tuple[tuple[str, str, _Where], ...]] = {
    "STROBE": (
        ("1", "design named in title or abstract", _always("title; plan: design")),
        ("2", "background", _LEFT),
        ("3", "objectives and hypotheses", _always("question; plan: hypotheses")),
        ("4", "design", _always("plan: design")),
        ("5", "setting, places, dates", _LEFT),
        ("6", "who was eligible, and how they were found", _always("plan: estimand, population")),
        ("7", "outcomes, exposures, confounders", _always("plan: outcomes, exposures, covariates")),
        ("8", "where each variable comes from and how it was measured", _LEFT),
        ("9", "what was done against bias", _COVARIATES),
        ("10", "how the size of the study came about", _LEFT),
        ("11", "how quantitative variables were handled", _COVARIATES),
        ("12", "methods, subgroups, missing data, sensitivity", _always("methods; plan: methods, missing data")),
        ("13", "numbers at each stage", _FLOW),
        ("14", "who the participants were", _LEFT),
        ("15", "outcome events", _RESULTS),
        ("16", "estimates with their precision, crude and adjusted", _RESULTS),
        ("17", "other analyses", _SENSITIVITY),
        ("18", "key results", _RESULTS),
        ("19", "limitations", _always("limitations")),
        ("20", "interpretation", _LEFT),
        ("21", "whether it holds elsewhere", _LEFT),
        ("22", "funding", _LEFT),
    ),
    "CONSORT": (
        ("1", "randomised named in title; abstract", _LEFT),
        ("2", "registration", _LEFT),
        ("3", "protocol and plan of the analysis", _always("the bundle: plan, with the time of its lock")),
        ("4", "data sharing: plan, programs, data", _always("the bundle: plan, programs, record")),
        ("5", "funding and interests", _LEFT),
        ("6", "background and rationale", _LEFT),
        ("7", "objectives, benefits and harms", _always("question; plan: hypotheses")),
        ("8", "patients and public", _LEFT),
        ("9", "trial design", _always("plan: design")),
        ("10", "changes after the start", _always("deviations from the plan")),
        ("11", "setting", _LEFT),
        ("12", "who was eligible", _always("plan: estimand, population")),
        ("13", "intervention and comparator", _EXPOSURES),
        ("14", "outcomes", _always("plan: outcomes")),
        ("15", "harms", _LEFT),
        ("16", "sample size", _LEFT),
        ("17", "how the random sequence was made", _LEFT),
        ("18", "concealment of the allocation", _LEFT),
        ("19", "who allocated", _LEFT),
        ("20", "blinding", _LEFT),
        ("21", "statistical methods, populations, missing data", _always("methods; plan: methods, missing data")),
        ("22", "flow of participants", _FLOW),
        ("23", "dates of recruitment and follow-up", _LEFT),
        ("24", "interventions as they were delivered", _LEFT),
        ("25", "who the participants were", _LEFT),
        ("26", "numbers analysed, effects with precision", _RESULTS),
        ("27", "harms that were seen", _LEFT),
        ("28", "ancillary analyses", _SUBGROUPS),
        ("29", "interpretation", _LEFT),
        ("30", "limitations", _always("limitations")),
    ),
    "TRIPOD+AI": (
        ("1", "prediction model named in title", _always("title; plan: design")),
        ("2", "abstract", _LEFT),
        ("3", "context and use of the model", _LEFT),
        ("4", "objectives", _always("question")),
        ("5", "where the data come from", _LEFT),
        ("6", "participants", _always("plan: estimand, population")),
        ("7", "preparation of the data", _always("plan: missing data, outliers")),
        ("8", "outcome", _always("plan: outcomes")),
        ("9", "predictors", _COVARIATES),
        ("10", "sample size", _LEFT),
        ("11", "missing data", _always("plan: missing data")),
        ("12", "how the model was made and evaluated", _always("methods; plan: methods")),
        ("13", "unequal classes", _LEFT),
        ("14", "fairness", _SUBGROUPS),
        ("15", "what the model gives out", _always("plan: outcomes; results promised")),
        ("16", "data for making and for evaluating it", _LEFT),
        ("17", "ethics", _LEFT),
        ("18", "protocol, data and code", _always("the bundle: plan, programs, record")),
        ("19", "patients and public", _LEFT),
        ("20", "flow and characteristics of participants", _FLOW),
        ("21", "participants and outcomes for making the model", _RESULTS),
        ("22", "the whole model", _always("the bundle: programs")),
        ("23", "performance with its precision", _RESULTS),
        ("24", "updates of the model", _LEFT),
        ("25", "interpretation", _LEFT),
        ("26", "limitations", _always("limitations")),
        ("27", "what users need, and what comes next", _LEFT),
    ),
}
_OF_DESIGN = {"randomised_trial": "CONSORT", "prediction": "TRIPOD+AI"}
_NONE = ("meta_analysis", "diagnostic_accuracy")


def guideline_for(plan: Plan) -> str | None:
    """Return the name of the guideline for a design; None where there is none here."""
    return None if plan.design in _NONE else _OF_DESIGN.get(plan.design, "STROBE")


def reporting_items(given: Documents) -> list[str]:
    """Return the table of items, in Markdown; empty for a design without a guideline here."""
    name = guideline_for(given.plan)
    if name is None:
        return []
    rows = [(number, words, where(given)) for number, words, where in GUIDELINES[name]]
    return [f"{name}, by the numbers of its items:", "", *table(("item", "about", "where"), rows)]
