"""The checks: for each verdict of each, one case that must give it and its sound twin that must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from counterproof.tools.checks import CHECKS, Check, Evidence, Verdict, run_checks
from counterproof.tools.checks.denominators import check_denominators
from counterproof.tools.checks.intervals import check_intervals
from counterproof.tools.checks.planned_results import check_planned_results
from counterproof.tools.checks.ranges import check_ranges
from counterproof.tools.checks.replication import check_replication
from counterproof.tools.plan import Plan
from counterproof.tools.results import Flow, ResultsFile

MakeEvidence = Callable[..., Evidence]
MakeResults = Callable[..., ResultsFile]
_NO_INTERVAL = {"ci_low": None, "ci_high": None, "ci_level": None}


def _flow(*, assessed: int = 228, excluded: tuple[int, ...] = (), analysed: int = 228) -> Flow:
    parts = [{"reason": "no time", "n": n} for n in excluded]
    raw = {"schema": "counterproof/flow/1", "assessed": assessed, "excluded": parts, "analysed": analysed}
    return Flow.model_validate(raw)


def _said(check: Check) -> tuple[str, tuple[str, ...]]:
    return check.verdict.value, check.evidence


def test_run_checks_runs_each_once_in_order_and_all_pass(evidence: MakeEvidence) -> None:
    checks = run_checks(evidence())
    assert [(check.id, check.verdict) for check in checks] == [
        (name, Verdict.PASS) for name in ("planned_results", "denominators", "ranges", "intervals", "replication")
    ]
    assert len(CHECKS) == 5
    assert all(check.title.endswith("?") and check.evidence for check in checks)


def test_run_checks_says_what_was_looked_at(evidence: MakeEvidence) -> None:
    assert [check.evidence for check in run_checks(evidence())] == [
        ("2 promised results, all there",),
        ("228 assessed, 0 excluded, 228 analysed",),
        ("2 numbers, all possible",),
        ("1 intervals",),
        ("7 numbers compared, all agree",),
    ]


PLANNED: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing": ({"id": "other"}, "fail", "hr is promised and missing"),
    "another unit": ({"unit": "probability"}, "fail", "hr is in 'probability', and the plan says 'ratio'"),
    "as planned": ({}, "pass", "2 promised results, all there"),
}


@pytest.mark.parametrize(("changed", "verdict", "text"), PLANNED.values(), ids=PLANNED)
def test_check_planned_results(
    evidence: MakeEvidence, results: MakeResults, changed: dict[str, Any], verdict: str, text: str
) -> None:
    check = check_planned_results(evidence(primary=results(**changed)))
    assert (check.verdict, check.evidence[0]) == (verdict, text)


def test_check_planned_results_warns_for_numbers_beyond_the_plan(evidence: MakeEvidence, results: MakeResults) -> None:
    extra = {**results().results[0].model_dump(), "id": "age"}
    check = check_planned_results(evidence(primary=results(extra)))
    assert _said(check) == ("warn", ("age is not in the plan: exploratory",))


DENOMINATORS: dict[str, tuple[dict[str, Any], str, str]] = {
    "fewer than rows": (
        {"flow": _flow(), "rows": 300},
        "warn",
        "assessed is 228, and the data have 300 rows: several for a participant?",
    ),
    "more than rows": ({"flow": _flow(), "rows": 227}, "fail", "assessed is 228, and the data have 227 rows"),
    "several files": ({"flow": _flow(), "rows": None}, "pass", "228 assessed"),
    "does not add up": (
        {"flow": _flow(excluded=(3, 4), analysed=220)},
        "fail",
        "assessed 228 - excluded 7 is not analysed 220",
    ),
    "n beyond analysed": (
        {"flow": _flow(excluded=(1,), analysed=227)},
        "fail",
        "hr rests on n = 228, more than the 227",
    ),
    "more excluded than assessed": (
        {"flow": _flow(excluded=(300,), analysed=0)},
        "fail",
        "assessed 228 - excluded 300",
    ),
    "adds up": ({"flow": _flow(assessed=235, excluded=(3, 4)), "rows": 235}, "pass", "235 assessed, 7 excluded, 228"),
}


@pytest.mark.parametrize(("changed", "verdict", "text"), DENOMINATORS.values(), ids=DENOMINATORS)
def test_check_denominators(evidence: MakeEvidence, changed: dict[str, Any], verdict: str, text: str) -> None:
    check = check_denominators(evidence(**changed))
    assert check.verdict == verdict
    assert check.evidence[0].startswith(text)


RANGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "probability above one": ({"unit": "probability", "value": 1.01}, "fail", "hr is a probability outside 0 to 1"),
    "probability below zero": ({"unit": "probability", "value": -0.01}, "fail", "hr is a probability outside"),
    "end of a probability": ({"unit": "probability", "ci_high": 1.2}, "fail", "hr is a probability outside"),
    "probability of one": ({"unit": "probability", "value": 1.0, "ci_low": 0.0, "ci_high": 1.0}, "pass", "2 numbers"),
    "ratio of zero": ({"value": 0.0}, "fail", "hr is a ratio that is not positive"),
    "negative end of a ratio": ({"ci_low": -0.1}, "fail", "hr is a ratio that is not positive"),
    "log ratio under another unit": ({"unit": "log ratio", "value": -0.5}, "pass", "1 numbers, all possible"),
    "large ratio": ({"value": 900.0, "ci_high": 1e6}, "pass", "2 numbers"),
    "half a death": ({"events": {"value": 164.5}}, "fail", "events is a count of 164.5"),
    "negative count": ({"events": {"value": -1}}, "fail", "events is a count of -1.0"),
    "no death": ({"events": {"value": 0}}, "pass", "2 numbers"),
    "nothing bounded": ({"unit": "days", "events": {"unit": "days"}}, "not_applicable", "no result is a probability"),
}


@pytest.mark.parametrize(("changed", "verdict", "text"), RANGES.values(), ids=RANGES)
def test_check_ranges(
    evidence: MakeEvidence, results: MakeResults, changed: dict[str, Any], verdict: str, text: str
) -> None:
    check = check_ranges(evidence(primary=results(**changed)))
    assert check.verdict == verdict
    assert check.evidence[0].startswith(text)


INTERVALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "estimate above": ({"value": 0.9}, "fail", "hr: 0.9 lies outside 0.424 to 0.816"),
    "estimate below": ({"value": 0.4}, "fail", "hr: 0.4 lies outside"),
    "estimate at the end": ({"value": 0.816}, "pass", "1 intervals"),
    "ends swapped": ({"ci_low": 0.816, "ci_high": 0.424}, "fail", "hr: 0.588 lies outside 0.816 to 0.424"),
    "another level": ({"ci_level": 0.9}, "warn", "hr: level 0.9, and the plan says 0.95"),
    "excludes one, large p": ({"p_value": 0.2}, "warn", "hr: p = 0.2 and the interval 0.424 to 0.816 contradict"),
    "excludes one, p near alpha": ({"p_value": 0.06}, "pass", "1 intervals"),
    "holds one, small p": ({"ci_high": 1.2, "p_value": 0.001}, "warn", "hr: p = 0.001 and the interval 0.424 to 1.2"),
    "holds one, p near alpha": ({"ci_high": 1.2, "p_value": 0.04}, "pass", "1 intervals"),
    "above one, large p": ({"value": 2, "ci_low": 1.1, "ci_high": 3, "p_value": 0.2}, "warn", "hr: p = 0.2 and"),
    "another unit is not judged by one": ({"unit": "days", "p_value": 0.2}, "pass", "1 intervals"),
    "no p": ({"p_value": None}, "pass", "1 intervals"),
    "no interval": (_NO_INTERVAL, "not_applicable", "no result has an interval"),
}


@pytest.mark.parametrize(("changed", "verdict", "text"), INTERVALS.values(), ids=INTERVALS)
def test_check_intervals(
    evidence: MakeEvidence, results: MakeResults, changed: dict[str, Any], verdict: str, text: str
) -> None:
    check = check_intervals(evidence(primary=results(**changed)))
    assert check.verdict == verdict
    assert check.evidence[0].startswith(text)


@pytest.mark.parametrize(("level", "verdict"), [(0.9, "pass"), (0.99, "warn")], ids=["the plan's", "another"])
def test_check_intervals_takes_the_level_of_the_plan(
    plan: Plan, evidence: MakeEvidence, results: MakeResults, level: float, verdict: str
) -> None:
    planned = plan.model_copy(update={"ci_level": 0.9})
    assert check_intervals(evidence(plan=planned, primary=results(ci_level=level))).verdict == verdict


REPLICATIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "value": ({"value": 0.6}, "fail", "hr.value: primary 0.588, replication 0.6 (tolerance 0.0001)"),
    "within tolerance": ({"value": 0.58801}, "pass", "7 numbers compared, all agree"),
    "one death": ({"events": {"value": 164}}, "fail", "events.value: primary 165, replication 164 (tolerance 0)"),
    "missing p": (
        {"p_value": None},
        "fail",
        "hr.p_value: primary 0.0015, replication missing (tolerance 0.001): only one",
    ),
    "missing result": ({"id": "other"}, "fail", "hr.value: primary 0.588, replication missing"),
    "other words": ({"method": "coxph, Efron", "label": "HR"}, "pass", "7 numbers compared"),
}


@pytest.mark.parametrize(("changed", "verdict", "text"), REPLICATIONS.values(), ids=REPLICATIONS)
def test_check_replication(
    evidence: MakeEvidence, results: MakeResults, changed: dict[str, Any], verdict: str, text: str
) -> None:
    check = check_replication(evidence(replication=results(**changed)))
    assert check.verdict == verdict
    assert check.evidence[0].startswith(text)


def test_check_fails_before_it_warns_and_keeps_both_reasons(evidence: MakeEvidence, results: MakeResults) -> None:
    check = check_intervals(evidence(primary=results(value=0.9, ci_level=0.9)))
    assert _said(check) == (
        "fail",
        ("hr: 0.9 lies outside 0.424 to 0.816", "hr: level 0.9, and the plan says 0.95"),
    )
