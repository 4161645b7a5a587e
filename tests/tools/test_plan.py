"""The plan: what it refuses, with the fault named, and that a person reads all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from counterproof.tools.plan import Plan, PlannedResult, Statistic, readable_plan, usual_tolerance
from counterproof.tools.results import faults

_PROMISE = {"id": "hr", "label": "hazard ratio", "unit": "ratio", "method": "cox", "primary": True}
_HYPOTHESIS = {"id": "h", "null": "no difference", "method": "cox", "result": "hr"}
_ESTIMAND = dict.fromkeys(("population", "treatment", "variable", "summary_measure"), "x")
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no result": ({"results": []}, "results: .*at least 1 item"),
    "id twice": ({"results": [_PROMISE, _PROMISE]}, "id 'hr' is used twice; each needs its own"),
    "unknown method": (
        {"results": [{**_PROMISE, "method": "logit"}]},
        r"'hr' names the method 'logit'; the plan has \['cox'\]",
    ),
    "none primary": ({"results": [{**_PROMISE, "primary": False}]}, "none is primary; mark the one"),
    "the id plan": ({"results": [{**_PROMISE, "id": "plan"}]}, "'plan' stands for the plan itself; take another"),
    "the id flow": ({"results": [{**_PROMISE, "id": "flow"}]}, "'flow' stands for the flow itself; take another"),
    "id with a blank": ({"results": [{**_PROMISE, "id": "the hr"}]}, r"results\.0\.id: .*match pattern"),
    "id with a line end": ({"results": [{**_PROMISE, "id": "hr\n"}]}, r"results\.0\.id: .*match pattern"),
    "tolerance too wide": ({"results": [{**_PROMISE, "tolerance": 0.2}]}, "tolerance: .*less than or equal to 0.1"),
    "tolerance below zero": ({"results": [{**_PROMISE, "tolerance": -1e-9}]}, "tolerance: .*greater than or equal"),
    "outcome as covariate": (
        {"covariates": [{"column": "status", "role": "confounder", "coding": "0/1", "reason": "why not"}]},
        "'status' is an outcome or follows from one, so it can't explain it; leave it out",
    ),
    "time as exposure": (
        {
            "outcomes": [{"id": "death", "definition": "death", "kind": "time_to_event", "time": "days"}],
            "exposures": [{"column": "days", "coding": "days", "reference": "0"}],
        },
        "'days' is an outcome or follows from one",
    ),
    "no outcome": ({"outcomes": []}, "outcomes: .*at least 1 item"),
    "unknown population": (
        {"results": [{**_PROMISE, "population": "women"}]},
        r"'hr' names the population 'women'; the plan has \[\]",
    ),
    "hypothesis without result": (
        {"hypotheses": [{**_HYPOTHESIS, "result": "or"}]},
        r"'h' names the result 'or'; the plan has \['events', 'hr'\]",
    ),
    "hypothesis without method": ({"hypotheses": [{**_HYPOTHESIS, "method": "t"}]}, "'h' names the method 't'"),
    "one-sided without direction": (
        {"hypotheses": [{**_HYPOTHESIS, "sides": 1}]},
        "'h' is one-sided; give its direction, less or greater",
    ),
    "two primary tests as one": (
        {"hypotheses": [_HYPOTHESIS, {**_HYPOTHESIS, "id": "g"}]},
        r"'single_test' with 2 primary hypotheses \['h', 'g'\]; adjust for them",
    ),
    "family of strangers": (
        {"multiplicity": {"method": "holm", "family": ["h"], "reason": "two tests"}},
        "'family' names the hypothesis 'h'",
    ),
    "sensitivity of strangers": (
        {"sensitivity": [{"id": "s", "description": "without outliers", "results": ["hr_robust"]}]},
        "'s' names the result 'hr_robust'",
    ),
    "unknown strategy": (
        {"estimand": {**_ESTIMAND, "intercurrent_events": [{"event": "x", "strategy": "ignore", "handling": "x"}]}},
        r"intercurrent_events\.0\.strategy: .*'treatment_policy'",
    ),
    "unknown model": (
        {"methods": [{"id": "cox", "model": "magic", "description": "x"}]},
        r"methods\.0\.model: .*'cox_regression'",
    ),
    "text for missing data": ({"missing_data": "complete cases"}, "missing_data: .*dictionary"),
    "unknown design": ({"design": "guess"}, "design: .*'cohort'"),
    "unknown field": ({"p_hacking": True}, "p_hacking: Extra inputs are not permitted"),
    "empty question": ({"question": ""}, "question: .*at least 1 character"),
    "long question": ({"question": "x" * 100_000}, "question: .*at most 20000 characters"),
    "alpha zero": ({"alpha": 0}, "alpha: .*greater than 0"),
    "alpha half": ({"alpha": 0.5}, "alpha: .*less than 0.5"),
    "three sides": ({"sides": 3}, "sides: .*1 or 2"),
    "level one": ({"ci_level": 1.0}, "ci_level: .*less than 1"),
    "seed too large": ({"seed": 2**31}, "seed: .*less than"),
}


@pytest.mark.parametrize(("changed", "message"), WRONG.values(), ids=WRONG)
def test_plan_refuses(plan_fields: dict[str, Any], changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Plan.model_validate({**plan_fields, **changed})
    with pytest.raises(ValueError, match=message):
        raise ValueError(faults(caught.value))


@pytest.mark.parametrize("attribute", ["population", "treatment", "variable", "intercurrent_events", "summary_measure"])
def test_plan_needs_each_attribute_of_the_estimand(plan_fields: dict[str, Any], attribute: str) -> None:
    del plan_fields["estimand"][attribute]
    with pytest.raises(ValidationError, match=rf"(?s)estimand\.{attribute}.*Field required"):
        Plan.model_validate(plan_fields)


def test_plan_cannot_be_changed(plan: Plan) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        plan.alpha = 0.1


def test_plan_survives_json(plan: Plan) -> None:
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_plan_names_all_faults_at_once(plan_fields: dict[str, Any]) -> None:
    wrong = {**plan_fields, "results": [{**_PROMISE, "method": "a", "primary": False}], "hypotheses": [_HYPOTHESIS] * 2}
    with pytest.raises(ValidationError, match=r"(?s)method 'a'.*none is primary.*single_test") as caught:
        Plan.model_validate(wrong)
    assert faults(caught.value).count("; ") >= 3


@pytest.mark.parametrize(("statistic", "tolerance"), [("count", 0.0), ("hazard_ratio", 1e-4), ("variance", 1e-3)])
def test_planned_result_has_the_usual_tolerance_of_its_statistic(statistic: Statistic, tolerance: float) -> None:
    planned = PlannedResult(id="x", label="x", unit="x", method="x", statistic=statistic)
    assert planned.tolerance == tolerance == usual_tolerance(statistic)
    assert planned.model_copy(update={"tolerance": 0.01}).tolerance == 0.01


def test_schema_says_under_each_field_how_to_fill_it_in() -> None:
    schema = Plan.model_json_schema()
    forms = [schema, *schema["$defs"].values()]
    bare = [
        name
        for form in forms
        for name, field in form.get("properties", {}).items()
        if not {"description", "$ref"} & set(field)
    ]
    assert len(forms) > 10
    assert bare == []


def test_readable_plan_holds_every_text_and_number(full_fields: dict[str, Any]) -> None:
    text = readable_plan(Plan.model_validate(full_fields))
    said = list(_leaves(full_fields))
    assert len(said) > 80
    assert [part for part in said if part not in text and part.replace("_", " ") not in text.lower()] == []
    assert "| hr | hazard ratio | ratio | hazard ratio | cox | women | yes | 0.002 |" in text
    assert "Alpha 0.01, 2-sided; confidence level 0.99; seed 5." in text


def test_readable_plan_says_what_is_not_planned(plan: Plan) -> None:
    text = readable_plan(plan)
    for said in ("Nothing is tested.", "None is planned.", "any that is looked at is exploratory", "Keep all."):
        assert said in text


def test_readable_plan_keeps_a_label_within_its_cell(plan_fields: dict[str, Any]) -> None:
    plan_fields["results"][0]["label"] = "mean |z|\nof all"
    line = next(line for line in readable_plan(Plan.model_validate(plan_fields)).splitlines() if "mean" in line)
    assert line == r"| hr | mean \|z\| of all | ratio | other | cox |  | yes | 0.0001 |"


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif not isinstance(value, bool):
        yield f"{value:g}" if isinstance(value, float) else str(value)
