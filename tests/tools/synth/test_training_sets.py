"""Training sets: in the form that fine-tuning takes, marked in every line, never from anything unmarked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.tools.synth.documents import Asked, Document, TextSpecification, parse_documents, written
from counterproof.tools.synth.evaluation.texts import Texts
from counterproof.tools.synth.makers import MAKERS
from counterproof.tools.synth.marks import read_cells
from counterproof.tools.synth.sets import make_set
from counterproof.tools.synth.text_sets import text_set
from counterproof.tools.synth.training_sets import (
    ABOUT,
    TRAIN,
    VALIDATION,
    check_training_marks,
    is_training_file,
    training_set,
)

from .conftest import prepared

pytestmark = pytest.mark.synthetic
_OF_A_LINE = {"messages", "tools", "parallel_tool_calls", "functions"}
_OF_A_MESSAGE = {"role", "content", "name", "weight"}


def _texts(made: list[Document]) -> Texts:
    return Texts(
        name="notes",
        made=made,
        sources=(),
        sources_name="",
        holdout=(),
        specification=TextSpecification(),
        maker={"maker": "by hand"},
        seed=1,
    )


@pytest.fixture(scope="module")
def texts() -> tuple[bytes, bytes]:
    """Marked texts and their card."""
    made = [
        Document(
            id=f"t{at}", text=f"History\nPulse {60 + at} /min, no. {at}.", attributes={"pulse": 60 + at, "ill": True}
        )
        for at in range(30)
    ]
    files = text_set(_texts(made), write=True).files
    return files["notes.synthetic.jsonl"], files["card.json"]


@pytest.fixture(scope="module")
def rows() -> tuple[bytes, bytes]:
    """Marked rows and their card."""
    of = prepared("lbw")
    made = make_set(of.table, MAKERS["marginals"], findings=of.findings, question=of.question, share=0, rows=60, seed=1)
    return made.files["lbw.synthetic.csv"], made.files["card.json"]


def _lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def _set(name: str, both: tuple[bytes, bytes], **given: Any) -> dict[str, bytes]:
    return training_set(name, *both, **{"predict": "", "validation_share": 0.2, "seed": 1, **given})


def test_lines_hold_only_what_the_forms_of_fine_tuning_allow(texts: tuple[bytes, bytes]) -> None:
    files = _set("notes.synthetic.jsonl", texts)
    for line in _lines(files[TRAIN]) + _lines(files[VALIDATION]):
        assert set(line) <= _OF_A_LINE
        assert [message["role"] for message in line["messages"]] == ["system", "user", "assistant"]
        for message in line["messages"]:
            assert set(message) <= _OF_A_MESSAGE
            assert isinstance(message["content"], str)
            assert len(message.get("name", "")) <= 64


def test_the_assistant_writes_the_text_for_the_facts(texts: tuple[bytes, bytes]) -> None:
    _, user, assistant = _lines(_set("notes.synthetic.jsonl", texts, validation_share=0)[TRAIN])[3]["messages"]
    assert json.loads(user["content"]) == {"pulse": 63, "ill": True}
    assert assistant["content"] == "History\nPulse 63 /min, no. 3."


def test_a_planned_text_is_written_from_what_was_asked_of_it(texts: tuple[bytes, bytes]) -> None:
    asked = Asked(persona="a resident", facts=("pulse",), sections=("History",))
    made = [one.model_copy(update={"asked": asked}) for one in parse_documents(texts[0], source="texts")]
    both = text_set(_texts(made), write=True).files
    files = _set("x.jsonl", (both["notes.synthetic.jsonl"], both["card.json"]), validation_share=0)
    told = json.loads(_lines(files[TRAIN])[0]["messages"][1]["content"])
    assert told == {"writer": "a resident", "sections": ["History"], "facts": {"pulse": 60}}


def test_the_assistant_may_say_an_attribute_instead(texts: tuple[bytes, bytes]) -> None:
    _, user, assistant = _lines(_set("notes.synthetic.jsonl", texts, predict="ill", validation_share=0)[TRAIN])[0][
        "messages"
    ]
    assert user["content"].startswith("History")
    assert assistant["content"] == "true"


def test_rows_are_written_or_one_of_their_columns_is_said(rows: tuple[bytes, bytes]) -> None:
    cells = read_cells(rows[0])
    line = _lines(_set("lbw.synthetic.csv", rows, validation_share=0)[TRAIN])[5]["messages"]
    assert json.loads(line[2]["content"])["bwt"] == cells["bwt"][5]
    assert "synthetic_twin" not in line[2]["content"]
    line = _lines(_set("lbw.synthetic.csv", rows, validation_share=0, predict="low")[TRAIN])[5]["messages"]
    assert line[2]["content"] == cells["low"][5]
    assert "low" not in json.loads(line[1]["content"])


def test_sides_are_disjoint_and_the_seed_decides(texts: tuple[bytes, bytes]) -> None:
    files, again = _set("notes.synthetic.jsonl", texts), _set("notes.synthetic.jsonl", texts)
    other = _set("notes.synthetic.jsonl", texts, seed=2)
    assert files == again
    assert files[VALIDATION] != other[VALIDATION]
    sides = [set(files[name].splitlines()) for name in (TRAIN, VALIDATION)]
    assert [len(side) for side in sides] == [24, 6]
    assert not sides[0] & sides[1]


def test_every_line_and_the_side_file_name_the_card(texts: tuple[bytes, bytes]) -> None:
    files, card = _set("notes.synthetic.jsonl", texts), texts[1]
    about = json.loads(files[ABOUT])
    assert about["synthetic"] is True
    assert about["card_sha256"] == sha256_bytes(card)
    assert about["files"] == {name: sha256_bytes(files[name]) for name in (TRAIN, VALIDATION)}
    for name in (TRAIN, VALIDATION):
        assert is_training_file(files[name])
        check_training_marks(files[name], card)


@pytest.mark.tamper
def test_a_line_without_the_mark_is_told(texts: tuple[bytes, bytes]) -> None:
    data, card = _set("notes.synthetic.jsonl", texts)[TRAIN], texts[1]
    name = json.loads(data.splitlines()[0])["messages"][0]["name"].encode()
    with pytest.raises(VerificationFailed, match=r"1 of 24 lines don't carry the mark .* line 1"):
        check_training_marks(data.replace(name, b"somebody", 1), card)
    with pytest.raises(VerificationFailed, match="24 of 24 lines"):
        check_training_marks(data, card + b" ")


@pytest.mark.attack
def test_what_is_not_marked_never_becomes_a_training_set(texts: tuple[bytes, bytes], rows: tuple[bytes, bytes]) -> None:
    real = written([Document(id="1", text="A real letter.")])
    with pytest.raises(VerificationFailed, match="1 documents don't carry the mark"):
        _set("letters.jsonl", (real, texts[1]))
    with pytest.raises(VerificationFailed, match="Not every row carries the mark"):
        _set("lbw.csv", (b"low,age\n" + b"1,30\n" * 40, rows[1]))


def test_what_can_not_be_asked_for_is_told(texts: tuple[bytes, bytes]) -> None:
    with pytest.raises(UsageError, match=r"no column 'weight' to predict.*ill, pulse"):
        _set("notes.synthetic.jsonl", texts, predict="weight")
    with pytest.raises(UsageError, match="30 examples, 0 of them for validation"):
        _set("notes.synthetic.jsonl", texts, validation_share=0.001)
