"""A comment gives one reason, or one for each item of a list; the model's answer has one answer for each."""

from __future__ import annotations

from typing import Any

import pytest

from counterproof.agents.reasons import take_answers, with_answers
from counterproof.provenance.reasons import reasons_in


@pytest.mark.parametrize(
    ("comment", "reasons"),
    [
        ("Name the method.", ("Name the method.",)),
        ("- only one item", ("- only one item",)),
        ("- ties\n- missing values", ("ties", "missing values")),
        ("1. ties\n2) missing\n   values", ("ties", "missing\n   values")),
        ("Twice wrong:\n* ties\n* units", ("Twice wrong:", "ties", "units")),
        ("The p of 1.5 - or 2 - is wrong.", ("The p of 1.5 - or 2 - is wrong.",)),
    ],
)
def test_the_reasons_of_a_comment(comment: str, reasons: tuple[str, ...]) -> None:
    assert reasons_in(comment) == reasons


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (None, "must be a list of 2 texts"),
        ([], "must be a list of 2 texts"),
        (["one"], "must be a list of 2 texts"),
        (["one", " "], "must be a text of 1 to 5000 characters"),
        (["one", 2], "must be a text"),
        (["one", "x" * 5001], "must be a text"),
        (["one", "two"], ""),
    ],
)
def test_each_reason_has_an_answer(given: Any, fault: str) -> None:
    rest, answers, found = take_answers({"plan": 1, "answers_to_reasons": given}, 2)
    assert rest == {"plan": 1}
    assert fault in found
    assert bool(fault) == bool(found)
    assert answers == (() if fault else ("one", "two"))


def test_nothing_is_asked_where_nothing_was_rejected() -> None:
    schema = {"type": "object", "properties": {}, "required": []}
    assert with_answers(schema, 0) is schema
    assert take_answers({"answers_to_reasons": 1}, 0) == ({"answers_to_reasons": 1}, (), "")
    asked = with_answers(schema, 3)
    assert asked["required"] == ["answers_to_reasons"]
    assert asked["properties"]["answers_to_reasons"]["minItems"] == 3
