"""Results: what a program wrote is validated and never repaired; whatever it wrote, the model is told what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from counterproof.provenance.errors import ModelMayRetry
from counterproof.tools.results import SIZE_MAX, Result, ResultsFile, parse_flow, parse_results

_HR: dict[str, Any] = {
    "id": "hr",
    "label": "hazard ratio",
    "value": 0.588,
    "unit": "ratio",
    "n": 228,
    "method": "Cox",
    "population": "all",
}
_FLOW: dict[str, Any] = {"schema": "counterproof/flow/1", "assessed": 228, "excluded": [], "analysed": 228}


def _file(*results: Any, **changed: Any) -> bytes:
    return json.dumps({"schema": "counterproof/results/1", "results": list(results), **changed}).encode()


def _with(**changed: Any) -> bytes:
    return _file({**_HR, **changed})


def _without(field: str) -> bytes:
    return _file({name: value for name, value in _HR.items() if name != field})


WRONG: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "wrote no results.json.*COUNTERPROOF_OUT"),
    "empty": (b"", "not valid JSON"),
    "oversize": (b" " * (SIZE_MAX + 1), r"2,000,001 bytes.*At most 2,000,000"),
    "prose": (b"The hazard ratio is 0.588.", "not valid JSON: Expecting value"),
    "cut off": (_with()[:-1], "not valid JSON"),
    "two documents": (_with() + _with(), "not valid JSON: Extra data"),
    "not UTF-8": (b'{"schema": "\xff"}', "not valid JSON: 'utf-8' codec can't decode byte 0xff"),
    "Windows-1252": (_with(label="M").replace(b'"M"', b'"M\xfcller"'), "can't decode byte 0xfc"),
    "lone surrogate": (_with(label="\ud800"), r"results\.0\.label: .*valid string"),
    "deep array": (b"[" * 200_000, "not valid JSON: .*recursion"),
    "deep object": (b'{"a":' * 200_000, "not valid JSON: .*recursion"),
    "deep value": (b'{"schema":' + b"[" * 900 + b"]" * 900 + b"}", "not of the required form: schema"),
    "very long number": (_with(value=0).replace(b'"value": 0', b'"value": ' + b"9" * 5000), "not valid JSON.*digits"),
    "an array": (b"[]", "not of the required form: the whole"),
    "a number": (b"1", "not of the required form: the whole"),
    "wrong schema": (_file(_HR, schema="counterproof/results/2"), "schema: Input should be 'counterproof/results/1'"),
    "no schema": (b'{"results": []}', "schema: Field required"),
    "unknown field": (_with(stars=3), r"results\.0\.stars: Extra inputs"),
    "no result": (_file(), "results: .*at least 1 item"),
    "too many results": (_file(*[{**_HR, "id": f"r{at}"} for at in range(501)]), "results: .*at most 500 items"),
    "id twice": (_file(_HR, _HR), "id 'hr' is used twice"),
    "the id flow": (_with(id="flow"), "'flow' stands for the flow itself; take another"),
    "field twice": (_with().replace(b'"value"', b'"value": 1, "value"'), "not valid JSON: an object has .* twice"),
    "id with capitals": (_with(id="HR"), r"results\.0\.id: .*match pattern"),
    "id too long": (_with(id="a" * 65), r"results\.0\.id: .*match pattern"),
    "value NaN": (_with(value=float("nan")), r"results\.0\.value: .*nan is not a finite number; leave the field out"),
    "value Infinity": (_with(value=float("inf")), r"results\.0\.value: .*inf is not a finite number"),
    "value overflows": (_with(value=0).replace(b'"value": 0', b'"value": 1e999'), "inf is not a finite number"),
    "value too large for a float": (_with(value=10**400), r"results\.0\.value: .*valid number"),
    "value null": (_with(value=None), r"results\.0\.value: .*valid number"),
    "value as text": (_with(value="0.588"), r"results\.0\.value: .*JSON numbers, without quotes"),
    "value true": (_with(value=True), r"results\.0\.value: .*is no number"),
    "n negative": (_with(n=-1), r"results\.0\.n: .*greater than or equal to 0"),
    "n with decimals": (_with(n=1.5), r"results\.0\.n: .*valid integer"),
    "n NaN": (_with(n=float("nan")), r"results\.0\.n: .*finite|results\.0\.n: .*integer"),
    "n too large": (_with(n=10**400), r"results\.0\.n: .*less than or equal to 9007199254740992"),
    "p above one": (_with(p_value=1.01), r"p_value: .*less than or equal to 1"),
    "p below zero": (_with(p_value=-0.01), r"p_value: .*greater than or equal to 0"),
    "p NaN": (_with(p_value=float("nan")), r"results\.0\.p_value"),
    "p as text": (_with(p_value="<0.001"), r"results\.0\.p_value: .*JSON numbers"),
    "interval without level": (_with(ci_low=0.4, ci_high=0.8), "hr: give ci_low, ci_high and ci_level together"),
    "interval with one end": (_with(ci_low=0.4, ci_level=0.95), "hr: give ci_low, ci_high and ci_level together"),
    "interval to infinity": (_with(ci_low=0.4, ci_high=float("inf"), ci_level=0.95), "ci_high: .*inf is not a finite"),
    "level of one": (_with(ci_low=0.4, ci_high=0.8, ci_level=1), "ci_level: .*less than 1"),
    "empty unit": (_with(unit=""), r"results\.0\.unit: .*at least 1 character"),
    "label too long": (_with(label="x" * 301), r"results\.0\.label: .*at most 300"),
}
WRONG_FLOW: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "wrote no flow.json"),
    "not JSON": (b"{", "flow.json is not valid JSON"),
    "deep": (b"[" * 200_000, "flow.json is not valid JSON: .*recursion"),
    "wrong schema": (json.dumps({**_FLOW, "schema": "x"}).encode(), "schema: Input should be 'counterproof/flow/1'"),
    "negative": (json.dumps({**_FLOW, "analysed": -1}).encode(), "analysed: .*greater than or equal to 0"),
    "huge": (json.dumps({**_FLOW, "assessed": 10**30}).encode(), "assessed: .*less than or equal to 9007199254740992"),
    "no reason": (json.dumps({**_FLOW, "excluded": [{"n": 1}]}).encode(), r"excluded\.0\.reason: Field required"),
    "true for one": (json.dumps({**_FLOW, "analysed": True}).encode(), "analysed: .*is no number"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_parse_results_refuses(content: bytes | None, message: str) -> None:
    with pytest.raises(ModelMayRetry, match=message):
        parse_results(content)


@pytest.mark.parametrize("field", sorted(_HR))
def test_parse_results_names_a_missing_field(field: str) -> None:
    with pytest.raises(ModelMayRetry, match=rf"results\.0\.{field}: Field required"):
        parse_results(_without(field))


def test_parse_results_does_not_repeat_values_of_the_program() -> None:
    """The text goes to a model, and the program may have seen real data."""
    with pytest.raises(ModelMayRetry, match=r"results\.0\.value") as caught:
        parse_results(_with(value="Lovelace", unit=["1931-07-19"]))
    assert "Lovelace" not in str(caught.value)
    assert "1931" not in str(caught.value)


def test_parse_results_does_not_call_a_list_short_whose_item_is_at_fault() -> None:
    with pytest.raises(ModelMayRetry, match=r"required form: results\.0\.n: .*equal to 0$"):
        parse_results(_with(n=-1))


def test_parse_results_reads_results_in_their_order() -> None:
    events = {**_HR, "id": "events", "unit": "count", "value": 165}
    found = parse_results(_file(events, _HR))
    assert [result.id for result in found.results] == ["events", "hr"]
    assert (found.by_id()["events"].value, found.by_id()["hr"].p_value) == (165.0, None)


@pytest.mark.parametrize("n", [228, 228.0, 0, 2**53])
def test_parse_results_whole_numbers_as_python_and_r_write_them(n: float) -> None:
    assert parse_results(_with(n=n)).results[0].n == n


def test_parse_results_reads_back_what_it_wrote(results: Callable[..., ResultsFile]) -> None:
    made = results()
    assert parse_results(made.model_dump_json(by_alias=True).encode()) == made


@pytest.mark.parametrize(("content", "message"), WRONG_FLOW.values(), ids=WRONG_FLOW)
def test_parse_flow_refuses(content: bytes | None, message: str) -> None:
    with pytest.raises(ModelMayRetry, match=message):
        parse_flow(content)


def test_parse_flow_reads() -> None:
    flow = parse_flow(json.dumps({**_FLOW, "excluded": [{"reason": "no time", "n": 3}]}).encode())
    assert (flow.assessed, flow.analysed, flow.excluded[0].n) == (228, 228, 3)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["schema", "results", *_HR]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=100) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_parse_results_any_bytes_give_results_or_a_retry(content: bytes) -> None:
    for parse in (parse_results, parse_flow):
        try:
            found: BaseModel = parse(content)
        except ModelMayRetry:
            continue
        assert isinstance(found, BaseModel)


@given(st.sampled_from(sorted(_HR)), _JSON)
def test_parse_results_any_value_in_any_field(field: str, value: object) -> None:
    try:
        found = parse_results(_with(**{field: value}))
    except ModelMayRetry:
        return
    assert isinstance(found.results[0], Result)
