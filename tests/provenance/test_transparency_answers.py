"""What a person fills in: questions for each item that needs one, and nothing else."""

from __future__ import annotations

import tomllib

import pytest

from counterproof.provenance.errors import UsageError
from counterproof.provenance.transparency import load_checklist, read_answers, template_answers
from counterproof.provenance.transparency.answers import ANSWER_MAX


def test_template_asks_what_only_a_person_can_say() -> None:
    asked = set(tomllib.loads(template_answers()))
    assert asked == {item.id for item in load_checklist().item if item.kind != "auto"}
    assert all(item.question in template_answers() for item in load_checklist().item)


def test_template_as_it_is_answers_nothing() -> None:
    assert read_answers(template_answers()).by_id == {}


def test_filled_template_is_read() -> None:
    filled = template_answers().replace('[A4]\nanswer = """"""', '[A4]\nanswer = """Ada\nand Ben"""')
    assert read_answers(filled).by_id["A4"].answer == "Ada\nand Ben"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[A4", "no TOML.*Start from the template"),
        ("[Z9]\nanswer = 'x'", "'Z9'.*Items: A1"),
        ("[B1]\nanswer = 'gpt'", "B1, which is filled from the record.*Take it out"),
        ("[A4]\nanswer = 3", "A4 is not of the form"),
        ("[A4]\nanswers = 'x'", "A4 is not of the form"),
        ("A4 = 'x'", "A4 is not of the form"),
        ("[A4]\nanswer = 'x'\nnot_applicable = 'y'", "A4 has an answer and a reason.*Keep one"),
        (f"[A4]\nanswer = '{'x' * (ANSWER_MAX + 1)}'", "A4 is not of the form.*at most 10,000"),
    ],
    ids=["no toml", "unknown", "auto", "number", "field", "no table", "both", "long"],
)
def test_bad_answers_are_refused(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){match}"):
        read_answers(text)


def test_hidden_characters_of_an_answer_become_visible() -> None:
    assert read_answers('[A4]\nanswer = "a\\u202Eb"').by_id["A4"].answer == "a[U+202E]b"


def test_blank_answer_is_none() -> None:
    assert read_answers('[A4]\nanswer = "  \\n "').by_id == {}
