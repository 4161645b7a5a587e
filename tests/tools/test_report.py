"""The report: every number is a reference that resolves; a numeral of any form in the model's text is refused."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from docx import Document
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from counterproof.provenance.errors import ModelMayRetry
from counterproof.tools.plan import Plan
from counterproof.tools.report import (
    Documents,
    Part,
    ReportText,
    deviations,
    flow_diagram,
    render,
    reporting_items,
)
from counterproof.tools.report.formats import to_docx, to_html
from counterproof.tools.results import Flow, Result

Make = Callable[..., Result]
NUMERALS = {
    "integer": "165 women died",
    "decimal": "a ratio of 0.588",
    "decimal comma": "a ratio of 0,588",
    "bare decimal": "p = .05",
    "percentage": "41% of women",
    "thousands": "1,234 patients",
    "in a word": "the R2 was high",
    "p value": "significant (p<0.05)",
    "ordinal": "the 2nd cohort",
    "date": "on 2024-01-31",
    "year": "in 1994",
    "time": "at 12:30",
    "exponent": "of 1e-5",
    "markdown list": "1. First",
    "identifier": "the gene TP53",
    "Arabic-Indic": "the ratio ٣",
    "Devanagari": "the ratio ५",
    "fullwidth": "the ratio ５",
    "mathematical bold": "the ratio 𝟓",
    "half": "about ½ of them",
    "superscript": "kg/m²",
    "subscript": "CO₂",
    "circled": "group ①",
    "with full stop": "group ⒈",
    "entity": "about &half; of them",
    "numeric entity": "the ratio &#53;",
    "HTML": "x<sup>2</sup>",
    "in a false citation": "as shown [@0.588]",
    "in a link": "[here](https://doi.org/x1)",
    "in braces": "{ {hr.value} } 5",
}
BAD_REFERENCES = {
    "unknown result": ("{{age.value}}", "refers to 'age', which is not a released result.*Released: events, hr"),
    "field it lacks": ("{{events.p}}", "refers to events.p, which that result does not have.*value, n"),
    "interval it lacks": ("{{events.ci_low}}", "refers to events.ci_low"),
    "unknown field": ("{{hr.label}}", "refers to hr.label, which that result does not have"),
    "unknown plan value": ("{{plan.title}}", "refers to plan.title.*alpha, ci_level, seed, sides"),
    "no field": ("{{hr}}", "can't be read.*look like {{id.value}}"),
    "capitals": ("{{HR.value}}", "can't be read"),
    "blank inside": ("{{hr .value}}", "can't be read"),
    "not closed": ("the ratio {{hr.value", "can't be read"),
    "closed twice": ("the ratio hr.value}}", "can't be read"),
    "nested": ("{{hr.{{hr.value}}}}", "can't be read"),
}
CHANGED = {
    "run together": "{{hr.value}}{{hr.n}}",
    "joined by a point": "{{hr.n}}.{{hr.n}}",
    "joined by a comma": "{{hr.n}},{{hr.n}}",
    "exponent": "{{hr.value}}e-{{hr.n}}",
    "minus": "a change of -{{hr.value}}",
    "minus at the start": "-{{hr.value}}",
    "typographic minus": "a change of −{{hr.value}}",
    "minus in brackets": "(−{{hr.value}})",
    "plus": "a change of +{{hr.value}}",
}


def _render(text: str, plan: Plan, result: Make, **sections: str) -> dict[str, list[Part]]:
    events = result(id="events", unit="count", value=165, ci_low=None, ci_high=None, ci_level=None, p_value=None)
    content = {"methods": "Cox regression.", "results": text, "limitations": "One hospital.", **sections}
    return render(ReportText(**content), plan=plan, released={"hr": result(), "events": events})


def _text(text: str, plan: Plan, result: Make) -> str:
    return "".join(part.text for part in _render(text, plan, result)["results"])


@pytest.mark.parametrize("text", NUMERALS.values(), ids=NUMERALS)
@pytest.mark.parametrize("section", ["methods", "results", "limitations"])
def test_render_refuses_numerals_in_every_section(plan: Plan, result: Make, section: str, text: str) -> None:
    sections = {"results": "The ratio was {{hr.value}}.", section: f"{text}; the ratio was {{{{hr.value}}}}."}
    with pytest.raises(ModelMayRetry, match=f"Section '{section}' holds the numeral .*as references only"):
        _render(sections.pop("results"), plan, result, **sections)


@pytest.mark.parametrize(
    ("text", "numeral"), [("[@smith2020] and then 0.588 was it", "0.588"), ("of ½ or so", "½"), ("R2 is", "2")]
)
def test_render_names_the_numeral_and_its_place(plan: Plan, result: Make, text: str, numeral: str) -> None:
    with pytest.raises(ModelMayRetry, match=rf"holds the numeral '{numeral}' \(….*{numeral}"):
        _render(text, plan, result)


@pytest.mark.parametrize(
    "text",
    [
        "stages II and IV",
        "two of three",
        "as before [@smith2020]",
        "see [@doi:10.1016_S0140]",
        "α < β",
        "half of them",
    ],
)
def test_render_lets_words_roman_numerals_and_citations_pass(plan: Plan, result: Make, text: str) -> None:
    assert _text(f"{text}: {{{{hr.value}}}}.", plan, result) == f"{text}: 0.588."


@given(st.characters(categories=["Nd", "No"]))
def test_render_refuses_every_digit_of_unicode(digit: str) -> None:
    with pytest.raises(ModelMayRetry, match="holds the numeral"):
        render(ReportText(methods=f"x{digit}", results="x", limitations="x"), plan=Plan.model_construct(), released={})


@pytest.mark.parametrize(("text", "message"), BAD_REFERENCES.values(), ids=BAD_REFERENCES)
def test_render_refuses_references_that_do_not_resolve(plan: Plan, result: Make, text: str, message: str) -> None:
    with pytest.raises(ModelMayRetry, match=f"(?s)Section 'results' .*{message}"):
        _render(f"Ratio {{{{hr.value}}}} and {text}", plan, result)


@pytest.mark.parametrize("text", CHANGED.values(), ids=CHANGED)
def test_render_refuses_signs_and_digits_made_by_joining(plan: Plan, result: Make, text: str) -> None:
    with pytest.raises(ModelMayRetry, match=r"changes a number by what stands before .*A reference stands alone"):
        _render(text, plan, result)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{hr.ci_low}}–{{hr.ci_high}}", "0.424–0.816"),
        ("{{hr.ci_low}}-{{hr.ci_high}}", "0.424-0.816"),
        ("{{hr.value}} ({{hr.ci}}; p {{hr.p}})", "0.588 (0.424 to 0.816; p 0.0015)"),
        ("{{hr.value}}, {{hr.n}}.", "0.588, 228."),
        ("{{ events.value }} of {{events.n}}", "165 of 228"),
        ("- {{hr.value}}", "- 0.588"),
        ("a {{plan.ci_level}} interval {{hr.ci}}", "a 95% interval 0.424 to 0.816"),
        (
            "{{plan.sides}}-sided at {{plan.alpha}}, seed {{plan.seed}}: {{hr.p}}",
            "2-sided at 0.05, seed 20260101: 0.0015",
        ),
    ],
)
def test_render_fills_references_in(plan: Plan, result: Make, text: str, shown: str) -> None:
    assert _text(text, plan, result) == shown


def test_render_gives_parts_that_name_what_they_refer_to(plan: Plan, result: Make) -> None:
    assert _render("HR {{hr.value}}!", plan, result)["results"] == [
        Part(kind="text", text="HR "),
        Part(kind="number", text="0.588", ref="hr.value"),
        Part(kind="text", text="!"),
    ]


@pytest.mark.parametrize("text", ["Women lived longer.", "At {{plan.alpha}} women lived longer."])
def test_render_refuses_a_report_without_a_result(plan: Plan, result: Make, text: str) -> None:
    with pytest.raises(ModelMayRetry, match=r"refers to no result at all.*Released results: events, hr.*{{id.value}}"):
        _render(text, plan, result)


def test_render_refuses_when_nothing_was_released(plan: Plan) -> None:
    text = ReportText(methods="Cox.", results="Women lived longer.", limitations="One hospital.")
    with pytest.raises(ModelMayRetry, match="Released results: none"):
        render(text, plan=plan, released={})


@pytest.mark.parametrize("results", ["", "x" * 20_001], ids=["empty", "too long"])
def test_report_text_has_a_size(results: str) -> None:
    with pytest.raises(ValidationError, match=r"results\n.*(at least 1|at most 20000) character"):
        ReportText(methods="x", results=results, limitations="x")


def test_deviations_lists_what_is_missing_and_what_is_extra(plan: Plan, result: Make) -> None:
    released = {"hr": result(), "age": result(id="age")}
    assert deviations(plan, released) == [
        "| events | deaths [count], cox | – | promised, not released |",
        "| age | – | hazard ratio [ratio], Cox | not in the plan: exploratory, and not called so by the program |",
    ]


def test_deviations_of_none(plan: Plan, result: Make) -> None:
    assert deviations(plan, {"hr": result(), "events": result(id="events", unit="count")}) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"unit": "log ratio"}, "unit log ratio in place of ratio"),
        ({"ci_level": 0.9}, "interval of level 0.9 in place of 0.95"),
        ({"exploratory": True}, "called exploratory, though it was planned"),
    ],
)
def test_deviations_of_one_result(plan: Plan, result: Make, changed: dict[str, Any], said: str) -> None:
    (row, _) = deviations(plan, {"hr": result(**changed)})
    assert row.startswith("| hr | hazard ratio [ratio], cox | hazard ratio [")
    assert row.endswith(f"| {said} |")


def test_deviations_of_tests(plan_fields: dict[str, Any], result: Make) -> None:
    hypothesis = {"id": "h", "null": "none", "method": "cox", "result": "hr"}
    plan = Plan.model_validate({**plan_fields, "hypotheses": [hypothesis]})
    released = {"hr": result(p_value=None), "events": result(id="events", unit="count")}
    assert [row.split(" | ")[-1] for row in deviations(plan, released)] == [
        "a test was planned, and there is no p value |",
        "a p value that belongs to no planned hypothesis |",
    ]


@pytest.mark.parametrize(
    ("design", "name", "items"),
    [("cohort", "STROBE", 22), ("randomised_trial", "CONSORT", 30), ("prediction", "TRIPOD+AI", 27)],
)
def test_reporting_items_are_all_of_the_guideline(
    plan_fields: dict[str, Any], design: str, name: str, items: int
) -> None:
    plan = Plan.model_validate({**plan_fields, "design": design})
    title, _, _, _, *rows = reporting_items(Documents(plan=plan, flow=True, results=2))
    assert title.startswith(name)
    assert [int(row.split(" | ")[0].strip("| ")) for row in rows] == list(range(1, items + 1))


def test_reporting_items_name_only_what_is_there(plan: Plan) -> None:
    full, bare = (reporting_items(Documents(plan=plan, flow=flow, results=int(flow))) for flow in (True, False))
    assert "| 13 | numbers at each stage | participants |" in full
    assert "| 13 | numbers at each stage | left to the authors |" in bare
    assert "| 9 | what was done against bias | left to the authors |" in full


def test_reporting_items_of_a_design_without_guideline(plan_fields: dict[str, Any]) -> None:
    plan = Plan.model_validate({**plan_fields, "design": "meta_analysis"})
    assert reporting_items(Documents(plan=plan, flow=True, results=1)) == []


def test_flow_diagram_holds_every_number_and_nothing_else() -> None:
    excluded = [{"reason": "no <time> & long reason that takes more than a line", "n": 7}, {"reason": "none", "n": 0}]
    given = {"schema": "counterproof/flow/1", "assessed": 228, "excluded": excluded, "analysed": 221}
    root = ElementTree.fromstring(flow_diagram(Flow.model_validate(given)))
    texts = " ".join(node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text"))
    assert [int(number) for number in re.findall(r"\d+", texts)] == [228, 7, 221]
    assert "no <time> & long reason" in texts


_MARKDOWN = "# T\n\n**HR** 0.588 <script>x</script>\n\n| a | b |\n|---|---|\n| one | 0.424 |\n\n- first\n  - second\n"


def test_to_html_keeps_text_and_lets_nothing_run() -> None:
    page = to_html(_MARKDOWN + "\n![x](http://x.example/y.png) [a](javascript:b)", title="<T>", figures=("<svg/>",))
    assert "<td>0.424</td>" in page
    assert "<title>&lt;T&gt;</title>" in page
    assert not re.search(r"<script|<img|href=.javascript", page)


def test_to_docx_keeps_headings_tables_lists_and_numbers() -> None:
    document = Document(io.BytesIO(to_docx(_MARKDOWN, title="T")))
    styles = [(one.style.name if one.style else "", one.text) for one in document.paragraphs]
    assert styles[0] == ("Heading 1", "T")
    assert ("List Bullet 2", "second") in styles
    assert styles[1][1] == "HR 0.588 <script>x</script>"
    assert [cell.text for row in document.tables[0].rows for cell in row.cells] == ["a", "b", "one", "0.424"]
