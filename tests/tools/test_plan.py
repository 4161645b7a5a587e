"""The plan: what it refuses, with the fault named, and that a person reads all of it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from counterproof.tools.plan import Plan, readable_plan
from counterproof.tools.results import faults

_PROMISE = {"id": "hr", "label": "hazard ratio", "unit": "ratio", "method": "cox", "primary": True}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no result": ({"results": []}, "results: .*at least 1 item"),
    "id twice": ({"results": [_PROMISE, _PROMISE]}, "id 'hr' is used twice; each result needs its own"),
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


def test_readable_plan_holds_every_text_and_number(plan: Plan) -> None:
    text = readable_plan(plan)
    estimand, method = plan.estimand.model_dump().values(), plan.methods[0].model_dump().values()
    said = [plan.title, plan.question, plan.missing_data, plan.multiplicity, plan.sensitivity, *estimand, *method]
    assert [part for part in said if part not in text] == []
    assert "| hr | hazard ratio | ratio | cox | yes | 0.0001 |" in text
    assert "Alpha 0.05, 2-sided; confidence level 0.95; seed 20260101." in text


def test_readable_plan_keeps_a_label_within_its_cell(plan_fields: dict[str, Any]) -> None:
    plan_fields["results"][0]["label"] = "mean |z|\nof all"
    line = next(line for line in readable_plan(Plan.model_validate(plan_fields)).splitlines() if "mean" in line)
    assert line == r"| hr | mean \|z\| of all | ratio | cox | yes | 0.0001 |"
