"""Replication: the tolerance's edge, counts, numbers that one side lacks, and numbers beyond the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from counterproof.tools.plan import Plan
from counterproof.tools.replication import Comparison, compare
from counterproof.tools.results import ResultsFile

Make = Callable[..., ResultsFile]


def _row(plan: Plan, primary: ResultsFile, replication: ResultsFile, name: str) -> Comparison:
    (row,) = [row for row in compare(plan, primary, replication) if f"{row.result}.{row.field}" == name]
    return row


@pytest.mark.parametrize(
    ("left", "right", "agrees"),
    [
        (1.0, 1.0, True),
        (1.0, 1.00009, True),
        (10_000.0, 9_999.0, True),
        (10_000.0, 9_998.99, False),
        (1.0, 1.00011, False),
        (0.588, -0.588, False),
        (-2.0, -2.0001, True),
        (0.0, 1e-9, True),
        (0.0, 1.1e-9, False),
        (1e-300, -1e-300, True),
        (1e308, -1e308, False),
        (1e308, 1e308, True),
    ],
    ids=str,
)
def test_compare_tolerance_is_relative_to_the_larger(
    plan: Plan, results: Make, left: float, right: float, agrees: bool
) -> None:
    there, back = results(value=left), results(value=right)
    assert _row(plan, there, back, "hr.value").agrees is agrees
    assert _row(plan, back, there, "hr.value").agrees is agrees


@pytest.mark.parametrize(("tolerance", "agrees"), [(0.1, True), (0.0, False)], ids=["wide", "none"])
def test_compare_uses_the_tolerance_of_the_plan(
    plan_fields: dict[str, Any], results: Make, tolerance: float, agrees: bool
) -> None:
    plan_fields["results"][0]["tolerance"] = tolerance
    row = _row(Plan.model_validate(plan_fields), results(value=1.0), results(value=1.0000001), "hr.value")
    assert (row.agrees, row.tolerance) == (agrees, tolerance)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("hr.ci_low", {"ci_low": 0.43}),
        ("hr.ci_high", {"ci_high": 0.82}),
        ("hr.p_value", {"p_value": 0.0016}),
        ("hr.n", {"n": 227}),
        ("events.value", {"events": {"value": 165.0000001}}),
        ("events.n", {"events": {"n": 229}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_compare_looks_at_every_field_and_counts_exactly(
    plan: Plan, results: Make, name: str, changed: dict[str, Any]
) -> None:
    rows = compare(plan, results(), results(**changed))
    assert [f"{row.result}.{row.field}" for row in rows if not row.agrees] == [name]


def test_compare_denominators_have_no_tolerance(plan: Plan, results: Make) -> None:
    """One person in a million is far within the tolerance of the hazard ratio, and is a disagreement."""
    row = _row(plan, results(n=1_000_000), results(n=1_000_001), "hr.n")
    assert (row.tolerance, row.agrees) == (0.0, False)


def test_compare_counts_have_no_tolerance(plan: Plan, results: Make) -> None:
    row = _row(plan, results(), results(), "events.value")
    assert (row.tolerance, row.agrees) == (0.0, True)


def test_compare_number_that_one_side_lacks_disagrees(plan: Plan, results: Make) -> None:
    row = _row(plan, results(), results(p_value=None), "hr.p_value")
    assert (row.primary, row.replication, row.agrees) == (0.0015, None, False)


@pytest.mark.parametrize("side", ["primary", "replication", "both"])
def test_compare_result_that_is_missing_disagrees(plan: Plan, results: Make, side: str) -> None:
    without = results(id="other")
    primary = results() if side == "replication" else without
    replication = results() if side == "primary" else without
    assert not _row(plan, primary, replication, "hr.value").agrees


def test_compare_field_that_neither_has_is_left_out(plan: Plan, results: Make) -> None:
    rows = compare(plan, results(), results())
    assert [f"{row.result}.{row.field}" for row in rows] == [
        *(f"hr.{field}" for field in ("value", "ci_low", "ci_high", "p_value", "n")),
        "events.value",
        "events.n",
    ]


def test_compare_results_beyond_the_plan_are_not_compared(plan: Plan, results: Make) -> None:
    extra = {**results().results[0].model_dump(), "id": "extra"}
    assert compare(plan, results(extra), results()) == compare(plan, results(), results())


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_compare_never_meets_nan(results: Make, number: float) -> None:
    with pytest.raises(ValidationError, match="is not a finite number; leave the field out"):
        results(value=number)
