"""`check_numbers`: what resolves, what doesn't, and that nothing found is a failure."""

from __future__ import annotations

import re
from typing import Any

import pytest

from counterproof.provenance.numbers import check_numbers, names_of, to_markdown, without_names

RESULT: dict[str, Any] = {
    "id": "hr",
    "value": 0.5880037,
    "ci_low": 0.4237185,
    "ci_high": 0.815986,
    "p_value": 0.0014912,
    "n": 228,
}
PLAN: dict[str, Any] = {"alpha": 0.05, "ci_level": 0.95, "seed": 20260101, "sides": 2, "title": "5"}
FLOW = {"assessed": 1234, "analysed": 1200, "excluded": [{"reason": "late", "n": 34}]}
GOOD = {"kind": "number", "ref": "hr.value", "text": "0.588"}


def _check(*parts: dict[str, str], appendix: Any = (), flow: Any = FLOW, **changed: Any) -> tuple[int, list[str]]:
    document = {
        "title": "T 1",
        "head": "H 2",
        "sections": [{"name": "results", "parts": list(parts)}],
        "appendix": [{"name": "more", "parts": list(appendix)}],
    }
    released = {"results": [{**RESULT, **changed}], "flow": flow}
    return check_numbers(document, released=released, plan=PLAN)


def _number(ref: str, text: str) -> dict[str, str]:
    return {"kind": "number", "ref": ref, "text": text}


def _text(text: str) -> dict[str, str]:
    return {"kind": "text", "text": text}


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        ("hr.value", "0.588"),
        ("hr.value", "0.5880"),
        ("hr.value", "0.5880037"),
        ("hr.ci", "0.424 to 0.816"),
        ("hr.ci_low", "0.424"),
        ("hr.ci_high", "0.816"),
        ("hr.p", "0.0015"),
        ("hr.p", "0.00149"),
        ("hr.n", "228"),
        ("plan.alpha", "0.05"),
        ("plan.ci_level", "95%"),
        ("plan.seed", "20260101"),
        ("plan.sides", "2"),
        ("flow.assessed", "1234"),
        ("flow.analysed", "1200"),
        ("flow.excluded_0", "34"),
    ],
)
def test_a_number_that_is_what_it_refers_to_resolves(ref: str, text: str) -> None:
    counted = not ref.startswith(("plan.", "flow."))
    assert _check(GOOD, _text(" and "), _number(ref, text)) == (1 + counted, [])


@pytest.mark.parametrize(
    ("ref", "text"),
    [
        ("hr.value", "0.589"),
        ("hr.value", "0.59"),
        ("hr.value", "0.6"),
        ("hr.value", "1"),
        ("hr.value", "0"),
        ("hr.value", "-0.588"),
        ("hr.value", "58.8"),
        ("hr.value", " 0.588"),
        ("hr.value", "0.588 "),
        ("hr.value", "+0.588"),
        ("hr.value", ".588"),
        ("hr.value", "٠.٥٨٨"),
        ("hr.value", "0.588%"),
        ("hr.value", "<0.001"),
        ("hr.value", "NaN"),
        ("hr.value", "Infinity"),
        ("hr.value", "5.88e-1000000000"),
        ("hr.value", ""),
        ("hr.value", "about half"),
        ("hr.ci", "0.424"),
        ("hr.ci", "0.816 to 0.424"),
        ("hr.ci", "0.424-0.816"),
        ("hr.ci", "0.424 to 0.816 to 1"),
        ("hr.p", "0.001"),
        ("hr.p", "0.0016"),
        ("hr.p", "<0.001"),
        ("hr.p", "<0.01"),
        ("hr.p", "0"),
        ("hr.n", "229"),
        ("hr.n", "228.0001"),
        ("hr.n", "2_28"),
        ("hr.label", "hr"),
        ("hr", "0.588"),
        ("", "0.588"),
        ("other.value", "0.588"),
        ("plan.alpha", "0.051"),
        ("plan.ci_level", "0.95"),
        ("plan.ci_level", "95"),
        ("plan.ci_level", "90%"),
        ("plan.title", "5"),
        ("plan.none", "5"),
        ("flow.assessed", "1230"),
        ("flow.assessed", "1,234"),
        ("flow.excluded_1", "34"),
        ("flow.excluded_x", "34"),
        ("flow.excluded", "34"),
        ("flow.reason", "late"),
    ],
)
def test_a_number_that_is_not_what_it_refers_to_is_named(ref: str, text: str) -> None:
    _, faults = _check(GOOD, _text(" and "), _number(ref, text))
    (fault,) = faults
    assert re.fullmatch(rf"section 'results': {re.escape(repr(text))} (is not|is|refers to) {re.escape(ref)}.*", fault)


@pytest.mark.parametrize(
    ("ref", "text", "says"),
    [
        ("hr.value", "0.589", "is hr.value rounded wrongly, or to too few digits"),
        ("hr.value", "0.59", "is hr.value rounded wrongly, or to too few digits"),
        ("hr.value", "0.7", "is not hr.value"),
        ("hr.n", "229", "is not hr.n"),
        ("hazard.value", "0.588", "refers to hazard.value, which was not released"),
    ],
    ids=["rounded wrongly", "too few digits", "another number", "another count", "invented"],
)
def test_each_way_to_be_wrong_has_its_own_words(ref: str, text: str, says: str) -> None:
    assert _check(GOOD, _text(" and "), _number(ref, text))[1] == [f"section 'results': {text!r} {says}"]


def test_numbers_of_the_twin_are_refused() -> None:
    document = {"sections": [{"name": "results", "parts": [GOOD]}], "appendix": []}
    released = {"results": [RESULT], "flow": None, "synthetic": True}
    _, faults = check_numbers(document, released=released, plan={})
    assert faults == ["the released results are those of a run on the synthetic twin"]


@pytest.mark.parametrize(
    ("value", "text", "good"),
    [
        (0.0005, "0.0005", True),
        (2.675, "2.67", True),
        (2.675, "2.68", True),
        (2.6751, "2.67", False),
        (99.96, "100", True),
        (0.99996, "1", True),
        (0.994, "1", False),
        (1234.5, "1230", True),
        (1234.5, "1240", False),
        (1234.5, "1234", True),
        (1234.5, "1235", True),
        (1234.0, "1230", False),
        (123456.7, "123000", True),
        (123456.7, "120000", False),
        (123456.7, "123,000", False),
        (1.2345e-7, "1.23e-07", True),
        (1.2345e-7, "1.24e-07", False),
        (1.2345e-7, "0.000000123", True),
        (1.2345e-7, "0", False),
        (1.2345e20, "1.23e+20", True),
        (1.2345e20, "1.23e+21", False),
        (-0.588, "-0.588", True),
        (-0.588, "0.588", False),
        (-0.588, "−0.588", False),
        (-3.0, "-3", True),
        (0.0, "0", True),
        (-0.0, "0", True),
        (0.0, "0.001", False),
        (7, "7", True),
        (7, "7.0", True),
        (float("nan"), "0", False),
        (float("inf"), "1e999", False),
        (None, "0", False),
        (True, "1", False),
        ("0.588", "0.588", False),
    ],
)
def test_rounding(value: Any, text: str, good: bool) -> None:
    _, faults = _check(_number("hr.n", "228"), _text(" of "), _number("hr.value", text), value=value)
    assert (faults == []) is good


@pytest.mark.parametrize(
    ("p_value", "text", "good"),
    [
        (0.00099, "<0.001", True),
        (0.0, "<0.001", True),
        (0.001, "<0.001", False),
        (0.0010, "0.001", True),
        (0.04999, "0.05", True),
        (0.0451, "0.05", False),
        (0.996, "1", True),
        (None, "<0.001", False),
    ],
)
def test_p_values(p_value: float | None, text: str, good: bool) -> None:
    _, faults = _check(GOOD, _text(" and "), _number("hr.p", text), p_value=p_value)
    assert (faults == []) is good


@pytest.mark.parametrize(
    "parts",
    [(), (_text("There was a difference."),), (_number("plan.alpha", "0.05"),), (_number("flow.assessed", "1234"),)],
    ids=["nothing", "words", "plan", "flow"],
)
def test_a_text_without_a_number_of_a_result_is_a_failure(parts: tuple[dict[str, str], ...]) -> None:
    told = "the report holds no number of a released result"
    assert _check(*parts) == (0, [told])
    assert _check(*parts, appendix=[GOOD]) == (1, [told])


@pytest.mark.parametrize("text", ["5", "in 2 arms", "½ of them", "x²", "&#53; of them", "&frac12;", "٣", "[@a] 1"])
@pytest.mark.parametrize("kind", ["text", "raw"])
def test_a_numeral_in_the_text_is_no_reference(text: str, kind: str) -> None:
    told = "section 'results' holds a numeral that is no reference"
    assert _check(GOOD, {"kind": kind, "text": text})[1] == [told]


@pytest.mark.parametrize("text", ["five", "see [@smith2020]", "[@who:2019-1] says", "phase II", "an odds ratio"])
def test_words_and_citations_are_no_numerals(text: str) -> None:
    assert _check(GOOD, _text(text)) == (1, [])


@pytest.mark.parametrize("before", ["it was -", "it was −", "(-", "-", "= –"])
def test_a_sign_before_a_number_changes_it(before: str) -> None:
    (fault,) = _check(_text(before), GOOD)[1]
    assert fault == "section 'results' changes the number '0.588' by what stands before it"


@pytest.mark.parametrize("between", [".", ",", "e", "E-"])
def test_what_joins_two_numbers_changes_them(between: str) -> None:
    assert len(_check(GOOD, _text(between), _number("hr.n", "228"))[1]) == 1


def test_a_hyphen_inside_of_a_word_changes_nothing() -> None:
    assert _check(_text("follow-up: "), GOOD, _text(", one-sided; "), _number("hr.n", "228")) == (2, [])


def test_nothing_of_the_flow_resolves_where_it_was_not_released() -> None:
    assert len(_check(GOOD, _text(" of "), _number("flow.assessed", "1234"), flow=None)[1]) == 1


def test_the_markdown_is_made_of_the_parts_alone() -> None:
    parts = [_text("HR "), GOOD, _text(".")]
    section = {"name": "results", "parts": parts}
    made = to_markdown({"title": "T", "head": "H", "sections": [section], "appendix": []})
    assert made == "# T\n\nH\n\n## Results\n\nHR 0.588.\n"


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("The marker S100B and CD4 were used.", False),
        ("The marker S100B.", False),
        ("The marker S101B was used.", True),
        ("S100B fell by 7.", True),
        ("HR0.59 was found.", True),
        ("(S100B, CD4)", False),
        ("S100B-2 was used.", True),
        ("-CD4 was used.", True),
        ("CD4% was used.", True),
        ("CD4.5 was used.", True),
    ],
)
def test_names_with_digits_may_stand_as_the_plan_has_them(text: str, holds: bool) -> None:
    names = names_of({"title": "S100B and CD4", "results": [{"label": "area, HR0"}], "alpha": 0.05})
    assert names == {"S100B", "CD4", "HR0"}
    left = without_names(text, names, follows=False, leads=False)
    assert any(sign.isdigit() for sign in left) is holds


@pytest.mark.parametrize(("text", "follows", "leads"), [("CD4", False, True), ("CD4 fell", True, False)])
def test_a_name_that_touches_a_number_stays(text: str, follows: bool, leads: bool) -> None:
    assert "4" in without_names(text, frozenset({"CD4"}), follows=follows, leads=leads)
    assert "4" not in without_names(f" {text} ", frozenset({"CD4"}), follows=follows, leads=leads)
