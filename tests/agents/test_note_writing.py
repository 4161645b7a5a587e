"""Texts and signals of made-up patients: made through a served model, checked, and planted faults are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.chat import Chat
from counterproof.agents.models import ModelConfig
from counterproof.agents.note_writing import write_notes
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import ToolFailed, UsageError, VerificationFailed
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.scenarios.recorder import chat_completion
from counterproof.scenarios.server import TurnServer
from counterproof.tools.data import read_table
from counterproof.tools.rowguard import RowGuard
from counterproof.tools.synth.documents import (
    Document,
    Length,
    Persona,
    Said,
    Shown,
    TextSpecification,
    patients_of,
)
from counterproof.tools.synth.evaluation.texts import Texts
from counterproof.tools.synth.signals import ecg, heart_rate
from counterproof.tools.synth.text_sets import check_text_marks, text_set

pytestmark = pytest.mark.synthetic
SPECIFICATION = TextSpecification(
    sections=("History", "Findings", "Plan"),
    says=(
        Said(attribute="age", words=("aged",)),
        Said(attribute="heart_rate", words=("heart rate", "pulse"), unit="/min", tolerance=0.5),
        Said(attribute="creatinine", words=("creatinine",), unit="mg/dl", tolerance=0.05),
        Said(attribute="diabetes", words=("diabetes",)),
    ),
    label="diabetes",
    rate="heart_rate",
)
PATIENTS = "age,heart_rate,creatinine,diabetes,synthetic_twin\n" + "".join(
    f"{30 + 2 * at},{55 + 3 * at},{0.7 + at / 10:.1f},{'true' if at % 3 else 'false'},1\n" for at in range(20)
)
OPENINGS = ("Came in with", "Was sent for", "Has had", "Reports", "Presents with", "Describes")
TROUBLES = (
    "breathlessness on stairs",
    "swollen ankles at night",
    "a dull chest ache",
    "tiredness since spring",
    "palpitations",
)
PLANS = (
    "Diuretic, weigh daily",
    "Echo next week",
    "Stop the salt",
    "See the clinic in a month",
    "Bloods again on Monday",
)


def note(facts: dict[str, Any], at: int) -> str:
    """Write a note by hand for the facts of a patient."""
    sugar = "Known diabetes" if facts["diabetes"] else "No diabetes"
    return (
        f"History\n{OPENINGS[at % 6]} {TROUBLES[at % 5]}, aged {facts['age']}. "
        f"{sugar}, {PLANS[(at * 3) % 5].lower()} before.\n"
        f"Findings\n{TROUBLES[(at + 2) % 5].capitalize()} seen; pulse {facts['heart_rate']} /min and regular. "
        f"Creatinine {facts['creatinine']} mg/dl.\n"
        f"Plan\n{PLANS[at % 5]}. {PLANS[(at + 2) % 5]} if {TROUBLES[at % 4]} stays."
    )


Spoil = Callable[[str, int], str]


def answer_with(spoil: Spoil = lambda text, _turn: text) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Answer with a sound note, or with what `spoil` makes of it; `turn` counts the attempts for a patient."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        text = request["messages"][1]["content"]
        facts = json.JSONDecoder().raw_decode(text[text.index("{", text.index("Facts of")) :])[0]
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        return chat_completion(json.dumps({"text": spoil(note(facts, facts["age"]), turn)}), request)

    return answer


Answer = Callable[[dict[str, Any]], dict[str, Any]]


def _asked(
    folder: Path,
    source: Answer,
    specification: TextSpecification,
    *,
    table: str = PATIENTS,
    self_critique: bool = False,
) -> tuple[list[Document], list[dict[str, Any]]]:
    """Have texts written; return them and the requests."""
    with TurnServer([], source=source) as server:
        config = ModelConfig(model="made-up", base_url=server.base_url, api_key_env="")
        record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
        chat = Chat(config, api_key="k", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
        patients = patients_of(read_table("patients.csv", table.encode()))
        made = write_notes(chat, patients, specification, seed=1, self_critique=self_critique)
        return made, [turn.request for turn in server.turns]


def _written(folder: Path, spoil: Spoil = lambda text, _turn: text) -> tuple[list[Document], int]:
    made, requests = _asked(folder, answer_with(spoil), SPECIFICATION)
    return made, len(requests)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """A sound set: table, text and signal of twenty patients."""
    return _written(tmp_path_factory.mktemp("notes"))[0]


def _texts(made: list[Document]) -> Texts:
    return Texts(
        name="notes",
        made=made,
        sources=(),
        sources_name="",
        holdout=(),
        specification=SPECIFICATION,
        maker={"maker": "model"},
        seed=1,
    )


def test_a_linked_set_is_made_and_its_parts_agree(documents: list[Document]) -> None:
    made = text_set(_texts(documents), write=True)
    card = made.card
    assert card.modality == "linked"
    assert card.flagged == []
    for id_ in ("sections", "concepts", "note_agrees", "signal_agrees", "signal_note_agrees"):
        measure = card.measure(f"plausibility.{id_}")
        assert measure.value == 1.0, id_
    assert card.measure("plausibility.concepts").floor is not None
    assert (card.measure("plausibility.sections").floor or 0) < 0.5
    check_text_marks(made.files["notes.synthetic.jsonl"], made.files["card.json"])


@pytest.mark.tamper
def test_a_changed_document_does_not_belong_to_its_card(documents: list[Document]) -> None:
    made = text_set(_texts(documents), write=True)
    for old, new in ((b"Diuretic", b"diuretic"), (b'"synthetic_twin": 1', b'"synthetic_twin": 0')):
        with pytest.raises(VerificationFailed, match=r"other documents|don't carry the mark"):
            check_text_marks(made.files["notes.synthetic.jsonl"].replace(old, new, 1), made.files["card.json"])


def _contradicting(documents: list[Document]) -> list[Document]:
    text = documents[3].text.replace(f"aged {documents[3].attributes['age']}", "aged 81")
    return [*documents[:3], documents[3].model_copy(update={"text": text}), *documents[4:]]


def _denying(documents: list[Document]) -> list[Document]:
    text = documents[1].text.replace("Known diabetes", "No history of diabetes")
    return [documents[0], documents[1].model_copy(update={"text": text}), *documents[2:]]


def _wrong_unit(documents: list[Document]) -> list[Document]:
    text = documents[5].text.replace("mg/dl", "umol/l")
    return [*documents[:5], documents[5].model_copy(update={"text": text}), *documents[6:]]


def _duplicated(documents: list[Document]) -> list[Document]:
    return [*documents, documents[0].model_copy(update={"id": "again"})]


def _identifying(documents: list[Document]) -> list[Document]:
    text = documents[2].text + " Call Dr. Miller, 212-555-0142, MRN 48-1123."
    return [*documents[:2], documents[2].model_copy(update={"text": text}), *documents[3:]]


def _without_section(documents: list[Document]) -> list[Document]:
    return [one.model_copy(update={"text": one.text.replace("Plan\n", "")}) for one in documents[:4]] + documents[4:]


def _of_another_patient(documents: list[Document]) -> list[Document]:
    return [documents[0].model_copy(update={"signal": documents[15].signal}), *documents[1:]]


@pytest.mark.parametrize(
    ("plant", "caught_by"),
    [
        (_contradicting, ["plausibility.note_agrees"]),
        (_denying, ["plausibility.note_agrees"]),
        (_wrong_unit, ["plausibility.note_agrees"]),
        (_duplicated, ["diversity.near_duplicates"]),
        (_identifying, ["privacy.identifiers"]),
        (_without_section, ["plausibility.sections"]),
        (_of_another_patient, ["plausibility.signal_agrees", "plausibility.signal_note_agrees"]),
    ],
)
def test_a_planted_fault_is_found(
    documents: list[Document], plant: Callable[[list[Document]], list[Document]], caught_by: list[str]
) -> None:
    assert text_set(_texts(plant(documents)), write=False).card.flagged == caught_by


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text, turn: text if turn else text.replace("mg/dl", "mmol/l"),
        lambda text, turn: text if turn else text + " Seen by Dr. Anna Miller.",
        lambda text, turn: text if turn else text.replace("Findings\n", ""),
    ],
    ids=["unit", "identifier", "section"],
)
def test_a_model_is_told_what_is_wrong_and_writes_again(spoil: Spoil, tmp_path: Path) -> None:
    made, asked = _written(tmp_path, spoil)
    assert asked == 2 * len(made)
    assert text_set(_texts(made), write=False).card.flagged == []


def test_a_model_that_never_writes_a_sound_text_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="it lacks a section"):
        _written(tmp_path, lambda text, _turn: text.replace("History\n", ""))


@pytest.mark.attack
def test_texts_are_not_written_for_rows_that_may_be_real() -> None:
    real = PATIENTS.replace("synthetic_twin", "visit")
    with pytest.raises(UsageError, match="no column 'synthetic_twin': it may be real"):
        patients_of(read_table("patients.csv", real.encode()))


@pytest.mark.parametrize("rate", [45, 60, 72, 110, 160])
def test_a_signal_shows_the_rate_that_it_was_made_with(rate: int) -> None:
    shown = heart_rate(ecg(rate, seconds=10, seed=rate))
    assert shown == pytest.approx(rate, rel=0.04)


def _told(request: dict[str, Any], head: str) -> dict[str, Any]:
    text = request["messages"][1]["content"]
    found: dict[str, Any] = json.JSONDecoder().raw_decode(text[text.index("{", text.index(head)) :])[0]
    return found


PLANNED = TextSpecification(
    kind="radiology report",
    sections=("Findings", "Impression"),
    section_shares={"Impression": 0.5},
    says=(
        Said(attribute="lesion_mm", words=("lesion of",), unit="mm"),
        Said(attribute="side", words=("hemisphere",)),
        Said(attribute="pulse", share=0.25),
    ),
    personas=(Persona(description="a hurried radiologist", share=3), Persona(description="a thorough one")),
    lengths=(Length(low=8, high=20),),
    image=Shown(diameter="lesion_mm", side="side"),
)
HEADS = "lesion_mm,side,pulse,synthetic_twin\n" + "".join(
    f"{10 + at},{'left' if at % 2 else 'right'},{60 + at},1\n" for at in range(12)
)


def _report(request: dict[str, Any]) -> str:
    """Write what is asked for: the specification's facts and sections, no others."""
    told, facts = _told(request, "Specification"), _told(request, "Facts of")
    said = {one["attribute"] for one in told["says"]}
    pulse = f" Pulse {facts['pulse']} while lying." if "pulse" in said else ""
    middle = f"Round lesion of {facts['lesion_mm']} mm in the {facts['side']} hemisphere.{pulse}"
    return f"Findings\n{middle}" + ("\nImpression\nOne round lesion." if "Impression" in told["sections"] else "")


def _reports(more: str = "") -> Answer:
    return lambda request: chat_completion(json.dumps({"text": _report(request) + more}), request)


def test_a_plan_is_told_kept_and_measured(tmp_path: Path) -> None:
    made, requests = _asked(tmp_path, _reports(), PLANNED, table=HEADS)
    assert sum("pulse" in _told(one, "Facts of") for one in requests) == 3
    assert {_told(one, "Specification")["kind"] for one in requests} == {"radiology report"}
    roles = [one["messages"][1]["content"].partition("Your role: ")[2] for one in requests]
    assert roles.count("a hurried radiologist") == 9
    card = text_set(replace(_texts(made), specification=PLANNED), write=False).card
    kept = card.measure("diversity.plan_kept")
    assert kept.value == 1.0
    assert kept.detail["fact pulse, wanted"] == kept.detail["fact pulse, found"] == 0.25
    assert card.measure("plausibility.sections").value == card.measure("plausibility.concepts").value == 1.0
    assert (
        card.measure("plausibility.image_agrees").value == card.measure("plausibility.image_note_agrees").value == 1.0
    )


def test_a_set_that_leaves_its_plan_is_told(tmp_path: Path) -> None:
    made, _ = _asked(tmp_path, _reports(), PLANNED, table=HEADS)
    talkative = [one.model_copy(update={"text": f"{one.text} Pulse {one.attributes['pulse']}."}) for one in made]
    assert (
        "diversity.plan_kept" in text_set(replace(_texts(talkative), specification=PLANNED), write=False).card.flagged
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (" Pulse 60.", "it says pulse, which was not asked for"),
        ("\nImpression\nNone.", "it has the section Impression, which was not asked for"),
        (" word" * 30, "words; 8 to 20 were asked for"),
    ],
)
def test_what_was_not_asked_for_goes_back_to_the_model(more: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=said):
        _asked(tmp_path, _reports(more), PLANNED, table=HEADS)


def test_a_model_reads_its_own_text_and_mends_it(tmp_path: Path) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "critical colleague" not in request["messages"][-1]["content"]:
            return chat_completion(json.dumps({"text": _report(request)}), request)
        mended = _report(request).replace("Round lesion", "One roundish lesion")
        return chat_completion(json.dumps({"faults": ["nobody writes so"], "text": mended}), request)

    made, requests = _asked(tmp_path, answer, PLANNED, table=HEADS, self_critique=True)
    assert len(requests) == 2 * len(made)
    assert all("One roundish lesion" in one.text for one in made)
    assert json.loads(requests[1]["messages"][2]["content"])["text"].count("Round lesion")
    assert requests[1]["messages"][3]["content"].startswith("Read your text once more as a critical colleague")


def test_a_revision_that_breaks_a_fact_goes_back(tmp_path: Path) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        turns = [message["content"] for message in request["messages"] if message["role"] == "user"]
        revising = next((at for at, turn in enumerate(turns) if "critical colleague" in turn), None)
        text = _report(request)
        if revising is None:
            return chat_completion(json.dumps({"text": text}), request)
        wrong = text.replace(" mm", " cm") if revising == len(turns) - 1 else text
        return chat_completion(json.dumps({"faults": [], "text": wrong}), request)

    made, requests = _asked(tmp_path, answer, PLANNED, table=HEADS, self_critique=True)
    assert len(requests) == 3 * len(made)
    assert all(" mm" in one.text for one in made)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (HEADS.replace("lesion_mm", "size"), "names 'lesion_mm', and the table has no such column"),
        (HEADS.replace("\n10,", "\n99,"), "A lesion of 99 mm"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_before_any_call(table: str, said: str, tmp_path: Path) -> None:
    called: list[object] = []

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        called.append(request)
        return _reports()(request)

    with pytest.raises(UsageError, match=said):
        _asked(tmp_path, answer, PLANNED, table=table)
    assert not called
