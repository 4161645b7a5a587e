"""The comparator: agreement and disagreement for every kind of statistic, and disagreements that have a name."""

from __future__ import annotations

from typing import Any

import pytest

from counterproof.tools.plan import STATISTICS, Plan, usual_tolerance
from counterproof.tools.replication import Comparison, compare
from counterproof.tools.results import ResultsFile

_UNITS = {"count": "count", "proportion": "probability", "odds_ratio": "ratio", "hazard_ratio": "ratio"}


def _results(**fields: Any) -> ResultsFile:
    result = {"id": "x", "label": "x", "unit": "units", "n": 100, "method": "m", "population": "all", **fields}
    return ResultsFile.model_validate({"schema": "counterproof/results/1", "results": [result]})


def _plan(fields: dict[str, Any], statistic: str) -> Plan:
    one = {"id": "x", "label": "x", "unit": _UNITS.get(statistic, "units"), "method": "cox", "statistic": statistic}
    only = {"results": [{**one, "primary": True}], "hypotheses": [], "sensitivity": []}
    return Plan.model_validate({**fields, **only, "multiplicity": {"method": "single_test", "reason": "one"}})


def _row(plan: Plan, field: str, left: dict[str, Any], right: dict[str, Any]) -> Comparison:
    (row,) = [row for row in compare(plan, _results(**left), _results(**right)) if row.field == field]
    return row


@pytest.mark.parametrize("statistic", STATISTICS)
def test_each_kind_of_statistic_agrees_within_its_tolerance_and_not_beyond(
    plan_fields: dict[str, Any], statistic: str
) -> None:
    plan, limit = _plan(plan_fields, statistic), usual_tolerance(statistic)  # type: ignore[arg-type]  # from the list
    within, beyond = 50.0 * (1 + limit * 0.9), 50.0 * (1 + limit * 1.2) + (1.0 if limit == 0 else 0.0)
    assert _row(plan, "value", {"value": 50.0}, {"value": within}).agrees
    assert not _row(plan, "value", {"value": 50.0}, {"value": beyond}).agrees


NAMED: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "sign flip": ("value", {"value": 3.2}, {"value": -3.2}, "opposite signs"),
    "other reference level": ("value", {"value": 2.5}, {"value": 0.4}, "another reference level"),
    "log against natural": ("value", {"value": 2.0}, {"value": 0.693147}, "logarithm"),
    "log of the inverse": ("value", {"value": 2.0}, {"value": -0.693147}, "log scale and another reference"),
    "percentage": ("value", {"value": 0.23}, {"value": 23.0}, "percentage"),
    "other level of the outcome": ("value", {"value": 0.3}, {"value": 0.7}, "other level of the outcome"),
    "variance": ("value", {"value": 5.0}, {"value": 25.0}, "variance"),
    "one-sided p": ("p_value", {"value": 1, "p_value": 0.02}, {"value": 1, "p_value": 0.04}, "one-sided and two-sided"),
    "other tail": ("p_value", {"value": 1, "p_value": 0.02}, {"value": 1, "p_value": 0.98}, "other direction"),
    "other tail of two-sided": ("p_value", {"value": 1, "p_value": 0.04}, {"value": 1, "p_value": 0.98}, "opposite"),
    "no name": ("value", {"value": 3.0}, {"value": 4.0}, ""),
    "other people": ("n", {"value": 1, "n": 100}, {"value": 1, "n": 99}, "different people"),
}


@pytest.mark.parametrize(("field", "left", "right", "said"), NAMED.values(), ids=NAMED)
def test_a_disagreement_is_named_and_stays_one(
    plan_fields: dict[str, Any], field: str, left: dict[str, Any], right: dict[str, Any], said: str
) -> None:
    row = _row(_plan(plan_fields, "other"), field, left, right)
    assert not row.agrees
    assert said in row.diagnosis
    assert bool(row.diagnosis) == bool(said)


def _interval(low: float, value: float, high: float, level: float = 0.95) -> dict[str, Any]:
    return {"value": value, "ci_low": low, "ci_high": high, "ci_level": level}


INTERVALS = {
    "sign flip": (_interval(-1, 2, 5), _interval(-5, -2, 1), "opposite signs"),
    "other reference level": (_interval(0.5, 0.8, 1.6), _interval(0.625, 1.25, 2.0), "another reference level"),
    "another level": (_interval(-1.959964, 0, 1.959964), _interval(-1.644854, 0, 1.644854), "0.95 and 0.9"),
    "another level of a ratio": (_interval(0.140858, 1, 7.0993), _interval(0.193041, 1, 5.18025), "0.95 and 0.9"),
}


@pytest.mark.parametrize(("left", "right", "said"), INTERVALS.values(), ids=INTERVALS)
def test_an_interval_is_turned_round_with_its_estimate(
    plan_fields: dict[str, Any], left: dict[str, Any], right: dict[str, Any], said: str
) -> None:
    row = _row(_plan(plan_fields, "other"), "ci_low", left, right)
    assert not row.agrees
    assert said in row.diagnosis


@pytest.mark.parametrize(
    ("left", "right", "agrees"), [(1e-14, 5e-13, True), (1e-14, 1e-8, False), (0.02, 0.02001, True)]
)
def test_tiny_p_values_are_the_same_zero(plan_fields: dict[str, Any], left: float, right: float, agrees: bool) -> None:
    row = _row(_plan(plan_fields, "other"), "p_value", {"value": 1, "p_value": left}, {"value": 1, "p_value": right})
    assert row.agrees is agrees
