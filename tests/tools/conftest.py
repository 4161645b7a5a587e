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
            "intercurrent_events": "none",
            "summary_measure": "hazard ratio",
        },
        "methods": [{"id": "cox", "description": "Cox", "assumption": "proportional", "if_violated": "say so"}],
        "results": [
            {"id": "hr", "label": "hazard ratio", "unit": "ratio", "method": "cox", "primary": True},
            {"id": "events", "label": "deaths", "unit": "count", "method": "cox"},
        ],
        "missing_data": "complete cases",
        "multiplicity": "one test",
        "sensitivity": "none",
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
