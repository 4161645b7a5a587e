"""One small plan, and short ways to make results and evidence that differ from the ordinary in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from counterproof.tools.checks import Evidence
from counterproof.tools.plan import Plan
from counterproof.tools.results import Flow, Result, ResultsFile

_RESULT: dict[str, Any] = {
    "id": "hr",
    "label": "hazard ratio",
    "value": 0.588,
    "unit": "ratio",
    "ci_low": 0.424,
    "ci_high": 0.816,
    "ci_level": 0.95,
    "p_value": 0.0015,
    "n": 228,
    "method": "Cox",
    "population": "all",
}
_EVENTS: dict[str, Any] = {
    "id": "events",
    "label": "deaths",
    "value": 165.0,
    "unit": "count",
    "n": 228,
    "method": "count",
    "population": "all",
}


@pytest.fixture
def plan_fields() -> dict[str, Any]:
    """A plan that promises a hazard ratio and a count, as JSON; new for each test."""
    return {
        "title": "Sex and survival",
        "question": "Do women live longer?",
        "design": "cohort",
        "estimand": {
            "population": "all",
            "treatment": "women against men",
            "variable": "time to death",
            "intercurrent_events": [{"event": "moving away", "strategy": "treatment_policy", "handling": "censored"}],
            "summary_measure": "hazard ratio",
        },
        "outcomes": [{"id": "death", "definition": "death", "kind": "time_to_event", "columns": ["status"]}],
        "methods": [
            {
                "id": "cox",
                "model": "cox_regression",
                "description": "Cox",
                "assumptions": [{"assumption": "proportional", "check": "residuals", "if_violated": "say so"}],
            }
        ],
        "results": [
            {"id": "hr", "label": "hazard ratio", "unit": "ratio", "method": "cox", "primary": True},
            {"id": "events", "label": "deaths", "unit": "count", "method": "cox"},
        ],
        "missing_data": {"method": "complete_case", "details": "rows without time are left out"},
        "multiplicity": {"method": "single_test", "reason": "one test"},
    }


@pytest.fixture
def full_fields(plan_fields: dict[str, Any]) -> dict[str, Any]:
    """A plan in which no part is left out or empty, as JSON."""
    hypothesis = {
        "id": "h_one",
        "null": "no difference at all",
        "method": "cox",
        "result": "hr",
        "importance": "primary",
    }
    return {
        **plan_fields,
        "design_details": "followed until death",
        "subject": "patient",
        "exposures": [{"column": "sex", "coding": "one or two", "reference": "men", "known_at": "time_zero"}],
        "outcomes": [
            {
                "id": "death",
                "definition": "death of any cause",
                "kind": "time_to_event",
                "columns": ["status", "cause"],
                "time": "days",
                "event_codes": ["dead", "killed"],
                "importance": "secondary",
            }
        ],
        "covariates": [
            {
                "column": "age",
                "role": "confounder",
                "coding": "linear",
                "reason": "older women",
                "known_at": "time_varying",
            }
        ],
        "populations": [{"id": "women", "definition": "sex is two"}],
        "results": [
            {
                "id": "hr",
                "label": "hazard ratio",
                "unit": "ratio",
                "method": "cox",
                "statistic": "hazard_ratio",
                "population": "women",
                "primary": True,
                "tolerance": 0.002,
            }
        ],
        "hypotheses": [
            {**hypothesis, "alpha": 0.025, "sides": 1, "direction": "less"},
            {**hypothesis, "id": "h_two", "importance": "exploratory"},
        ],
        "multiplicity": {"method": "holm", "family": ["h_one", "h_two"], "reason": "two questions"},
        "missing_data": {
            "method": "multiple_imputation",
            "sentinels": [{"column": "smoke", "codes": ["9", "99"], "meaning": "unknown"}],
            "details": "twenty imputations",
        },
        "outliers": {"method": "winsorise", "details": "at the hundredth"},
        "sensitivity": [{"id": "robust", "description": "without the oldest", "results": ["hr"]}],
        "subgroups": [{"column": "stage", "levels": "I, II", "rule": "interaction_test", "reason": "biology"}],
        "software": "the survival library",
        "alpha": 0.01,
        "sides": 2,
        "ci_level": 0.99,
        "seed": 5,
    }


@pytest.fixture
def plan(plan_fields: dict[str, Any]) -> Plan:
    """The plan of `plan_fields`."""
    return Plan.model_validate(plan_fields)


@pytest.fixture
def result() -> Callable[..., Result]:
    """Make the ordinary hazard ratio, with some fields changed."""
    return lambda **changed: Result.model_validate({**_RESULT, **changed})


@pytest.fixture
def results() -> Callable[..., ResultsFile]:
    """Make the ordinary result file, with some fields of the hazard ratio or the count changed."""

    def make(*more: dict[str, Any], events: dict[str, Any] | None = None, **changed: Any) -> ResultsFile:
        ratio = {**_RESULT, **changed}
        count = {**_EVENTS, **(events or {})}
        return ResultsFile.model_validate({"schema": "counterproof/results/1", "results": [ratio, count, *more]})

    return make


@pytest.fixture
def evidence(plan: Plan, results: Callable[..., ResultsFile]) -> Callable[..., Evidence]:
    """Make evidence on which every check passes, with some fields changed."""

    def make(**changed: Any) -> Evidence:
        flow = Flow.model_validate(
            {
                "schema": "counterproof/flow/1",
                "assessed": 228,
                "excluded": [{"reason": "no time", "n": 0}],
                "analysed": 228,
            }
        )
        ordinary = {"plan": plan, "rows": 228, "primary": results(), "replication": results(), "flow": flow}
        return Evidence.model_validate({**ordinary, **changed})

    return make
