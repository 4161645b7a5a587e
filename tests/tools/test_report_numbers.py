"""How numbers stand in a report, and that the independent checker of `provenance.numbers` accepts just those.

Subnormal numbers are left out: three digits of 5e-324 are 4.94e-324, which is no rounding of its shortest text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.provenance.numbers import check_numbers, to_markdown
from counterproof.tools.plan import Plan
from counterproof.tools.report import ReportText, format_number, render
from counterproof.tools.results import Result

_VALUES = (
    st.floats(-1e307, 1e307, allow_subnormal=False)
    | st.floats(-2000, 2000, allow_subnormal=False)
    | st.integers(-(10**6), 10**6)
)


def _document(*parts: tuple[str, str]) -> dict[str, Any]:
    made = [{"kind": "number", "ref": ref, "text": text} for ref, text in parts]
    return {"title": "T", "head": "H", "sections": [{"name": "results", "parts": made}], "appendix": []}


def _faults(result: Result, *parts: tuple[str, str]) -> list[str]:
    released = {"results": [result.model_dump()], "flow": None}
    return check_numbers(_document(*parts), released=released, plan={})[1]


@given(_VALUES, _VALUES, st.floats(0, 1))
def test_format_number_is_what_verify_accepts(low: float, high: float, p_value: float) -> None:
    ends = {"ci_low": low, "ci_high": high, "ci_level": 0.95}
    made = {"id": "x", "label": "x", "value": low, "unit": "x", "n": 12, "method": "x", "population": "x", **ends}
    result = Result.model_validate({**made, "p_value": p_value})
    texts = {field: format_number(result, field) for field in ("value", "ci", "ci_low", "ci_high", "p", "n")}
    assert _faults(result, *((f"x.{field}", text) for field, text in texts.items() if text is not None)) == []
    assert None not in texts.values()


@pytest.mark.parametrize(
    ("field", "text"),
    [("value", "0.589"), ("value", "-0.588"), ("ci", "0.424 to 0.817"), ("p", "<0.001"), ("n", "229"), ("label", "x")],
)
def test_verify_refuses_another_number(result: Callable[..., Result], field: str, text: str) -> None:
    (fault, *_) = _faults(result(), (f"hr.{field}", text))
    assert fault.startswith(f"section 'results': {text!r} is ")
    assert f"hr.{field}" in fault


def test_render_to_markdown_is_the_parts_put_together(plan: Plan, result: Callable[..., Result]) -> None:
    text = ReportText(methods="Cox at {{plan.alpha}}.", results="HR {{hr.value}} in {{hr.n}}.", limitations="One site.")
    parts = render(text, plan=plan, released={"hr": result()})
    document = {
        "title": "Sex and survival",
        "head": "HEAD",
        "sections": [{"name": name, "parts": [part.model_dump() for part in found]} for name, found in parts.items()],
        "appendix": [{"name": "deviations", "parts": [{"kind": "text", "text": "None.\n", "ref": ""}]}],
    }
    assert to_markdown(document) == (
        "# Sex and survival\n\nHEAD\n\n"
        "## Methods\n\nCox at 0.05.\n\n## Results\n\nHR 0.588 in 228.\n\n## Limitations\n\nOne site.\n\n"
        "## Deviations\n\nNone.\n\n"
    )
    released = {"results": [result().model_dump()], "flow": None}
    assert check_numbers(document, released=released, plan=plan.model_dump()) == (2, [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.588123, "0.588"),
        (0.5885, "0.589"),
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.99999, "1"),
        (-0.424, "-0.424"),
        (426.0, "426"),
        (426.4, "426"),
        (12345.0, "12345"),
        (12345.6, "12300"),
        (-12345.6, "-12300"),
        (0.00001234, "1.23e-05"),
        (1e-300, "1e-300"),
        (999999999999999.0, "999999999999999"),
        (1e15, "1e+15"),
        (1.7e308, "1.7e+308"),
        (-1.7e308, "-1.7e+308"),
        (123456789.5, "123000000"),
    ],
)
def test_format_number_value(result: Callable[..., Result], value: float, text: str) -> None:
    assert format_number(result(value=value), "value") == text


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (0.0, "<0.001"),
        (0.00099999, "<0.001"),
        (0.001, "0.001"),
        (0.00131, "0.0013"),
        (0.0496, "0.05"),
        (0.0512, "0.051"),
        (0.5, "0.5"),
        (0.994, "0.99"),
        (0.999, "1"),
        (1.0, "1"),
    ],
)
def test_format_number_p(result: Callable[..., Result], p_value: float, text: str) -> None:
    assert format_number(result(p_value=p_value), "p") == text


@pytest.mark.parametrize(
    ("field", "text"),
    [("ci", "0.424 to 0.816"), ("ci_low", "0.424"), ("ci_high", "0.816"), ("n", "228"), ("label", None), ("", None)],
)
def test_format_number_fields(result: Callable[..., Result], field: str, text: str | None) -> None:
    assert format_number(result(), field) == text


@pytest.mark.parametrize("field", ["ci", "ci_low", "ci_high", "p"])
def test_format_number_field_that_is_missing(result: Callable[..., Result], field: str) -> None:
    bare = result(ci_low=None, ci_high=None, ci_level=None, p_value=None)
    assert format_number(bare, field) is None


@given(st.floats(-1e307, 1e307))
def test_format_number_is_a_number_close_to_the_value(value: float) -> None:
    made = Result(id="x", label="x", value=value, unit="x", n=1, method="x", population="x")
    text = format_number(made, "value")
    assert text is not None
    assert float(text) == pytest.approx(value, rel=0.006, abs=0)
