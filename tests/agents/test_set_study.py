"""The study of a synthetic set: its ways through the checkpoints, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from counterproof.agents import synthesis_nodes
from counterproof.agents.edits import check_edit, check_raters
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.permissions import CheckpointKind, decisions_at
from counterproof.provenance.states import walk
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.sandbox import Environment, LocalSandbox
from counterproof.tools.synth.specification import SetSpecification, parse_set_specification

from ..lab import Lab, trial_csv
from .made_sets import (
    LBW,
    LINKED,
    MAY,
    MAY_NOT,
    TABLE,
    findings,
    make_table,
    make_texts,
    new_table,
    new_texts,
    rate,
    serving,
)
from .test_note_writing import PATIENTS, SPECIFICATION

pytestmark = pytest.mark.synthetic
PLAIN = LINKED.model_copy(update={"raters": 0})


@pytest.fixture
def lab(tmp_path: Path, sandbox: LocalSandbox, environment: Environment) -> Lab:
    """An installation without a study."""
    return Lab(home=tmp_path / "home", sandbox=sandbox, environment=environment)


def _kinds(lab: Lab, study: str) -> list[str]:
    return [event.data["kind"] for event in lab.events(study, "checkpoint.opened")]


def _verified(lab: Lab, study: str) -> dict[str, str]:
    found = verify_bundle(lab.study(study).folder / "bundle.zip")
    assert found.ok, [step for step in found.steps if step.outcome == "failed"]
    return {step.name: step.outcome for step in found.steps}


def test_a_table_is_made_from_real_rows_and_released(lab: Lab) -> None:
    study = make_table(lab)
    assert _kinds(lab, study) == ["specification", "sample", "release"]
    assert _verified(lab, study)["making"] == "ok"
    laid = lab.home / "synthetic" / study
    assert {path.name for path in laid.iterdir()} == {
        "lbw.synthetic.csv",
        "card.json",
        "report.html",
        "summary.md",
        "review",
    }
    assert lab.events(study, "checkpoint.opened")[1].ref("subject").side == "secure"


def test_nothing_of_a_set_leaves_before_its_release(lab: Lab) -> None:
    study = new_table(lab)
    assert lab.run(study, "http://127.0.0.1:9/v1", "approve", "approve", "reject") is Status.REJECTED
    assert _verified(lab, study)["set"] == "not applicable"
    assert not (lab.home / "synthetic" / study).exists()
    refs = [ref for event in lab.study(study).record.events() for ref in event.refs if ref.role.startswith("file:")]
    assert refs
    assert {ref.side for ref in refs} == {"secure"}


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_set_is_withdrawn_at_any_checkpoint(lab: Lab, at: int) -> None:
    study = new_table(lab)
    decisions: list[Any] = [*["approve"] * at, "withdraw"]
    assert lab.run(study, "http://127.0.0.1:9/v1", *decisions) is Status.WITHDRAWN
    _verified(lab, study)


def test_an_edited_specification_is_put_up_again_and_only_that_one_is_made(lab: Lab) -> None:
    study = new_table(lab)
    assert lab.run(study) is Status.WAITING
    edited = TABLE.model_copy(update={"rows": 50, "maker": "trees"}).model_dump(mode="json")
    subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
    lab.decide(study, "edit", edited=check_edit(CheckpointKind.SPECIFICATION, subject, edited))
    assert lab.run(study, "http://127.0.0.1:9/v1", "approve") is Status.WAITING
    assert _kinds(lab, study) == ["specification", "specification", "sample"]
    assert lab.study(study).checkpoints.subject(lab.waiting(study).id)["items"] == 50


def test_a_table_that_was_rejected_goes_back_to_its_specification_with_the_reason(lab: Lab) -> None:
    study = new_table(lab)
    assert lab.run(study, "http://127.0.0.1:9/v1", "approve") is Status.WAITING
    lab.decide(study, "reject", comment="Too many young mothers.")
    assert lab.run(study) is Status.WAITING
    subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
    assert (subject["kind"], subject["reasons"]) == ("specification", ["Too many young mothers."])
    edited = TABLE.model_copy(update={"seed": 2}).model_dump(mode="json")
    lab.decide(study, "edit", edited=edited)
    assert lab.run(study, "http://127.0.0.1:9/v1", "approve", "approve", "approve") is Status.DONE
    assert len(lab.events(study, "gate.opened")) == 2
    _verified(lab, study)


def test_a_rejected_specification_ends_the_study(lab: Lab) -> None:
    study = new_table(lab)
    assert lab.run(study, "http://127.0.0.1:9/v1", "reject") is Status.REJECTED
    assert lab.events(study, "gate.opened", "set.made") == []
    _verified(lab, study)


def test_texts_that_were_rejected_are_written_anew_with_the_reason(lab: Lab) -> None:
    study = new_texts(lab, PLAIN)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        lab.decide(study, "reject", comment="Vary the plans.")
        assert lab.run(study, server.base_url) is Status.WAITING
        asked = [turn.request["messages"][1]["content"] for turn in server.turns]
    assert [("- Vary the plans." in text) for text in asked] == [False] * 20 + [True] * 20
    assert lab.study(study).checkpoints.subject(lab.waiting(study).id)["round"] == 2


def test_a_set_that_stops_goes_on_without_asking_again(lab: Lab) -> None:
    study = new_texts(lab, PLAIN)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        asked = len(server.turns)
        graph = lab.study(study).folder / "graph.sqlite"
        graph.unlink()  # the graph begins anew; the record has every answer
        assert lab.run(study, server.base_url) is Status.WAITING
        assert len(server.turns) == asked
    assert _kinds(lab, study) == ["specification", "sample"]


def test_what_the_model_wrote_wrongly_is_shown_with_the_sample(lab: Lab) -> None:
    study = new_texts(lab, PLAIN)
    with serving(lambda text, turn: text if turn else text.replace("mg/dl", "mmol/l")) as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
    rows = findings(lab, study)
    assert sum(row["kind"] == "sent back" for row in rows) == 20
    assert "the unit is 'mmol/l.', not 'mg/dl'" in rows[0]["text"]


def test_a_sample_needs_as_many_raters_as_were_asked_for(lab: Lab) -> None:
    study = new_texts(lab)
    with serving() as server:
        assert lab.run(study, server.base_url, "approve") is Status.WAITING
        subject, sets = lab.study(study).checkpoints.subject(lab.waiting(study).id), lab.home / "synthetic"
        rate(lab, study, ["ann", "ben"])
        with pytest.raises(UsageError, match=r"2 people have rated every item of the sample \(ann, ben\).*asks for 3"):
            check_raters(CheckpointKind.SAMPLE, subject, sets=sets)
        lab.decide(study)  # signed all the same, past page and command line
        with pytest.raises(UsageError, match="asks for 3"):
            lab.run(study, server.base_url)
        assert lab.events(study, "set.judged") == []
        rate(lab, study, ["cem"])
        assert lab.run(study, server.base_url, "approve") is Status.DONE
    _verified(lab, study)


def test_what_people_said_is_on_the_released_card(lab: Lab) -> None:
    study = make_texts(lab)
    card = json.loads((lab.home / "synthetic" / study / "card.json").read_bytes())
    assert card["human"]["facts"]["raters"] == 3
    assert "told apart" not in card["human"]["facts"]  # every item was synthetic
    assert card["agreement"]["status"] == "assessed"


@pytest.mark.attack
@pytest.mark.parametrize("decision", ["edit", "replan"])
def test_a_set_is_released_whole_or_not_at_all(lab: Lab, decision: Any) -> None:
    study = new_table(lab)
    assert lab.run(study, "http://127.0.0.1:9/v1", "approve", "approve") is Status.WAITING
    with pytest.raises(UsageError, match=f"can't be decided '{decision}'.*approve, reject, withdraw"):
        lab.decide(study, decision, edited={} if decision == "edit" else None)
    assert lab.waiting(study).kind is CheckpointKind.RELEASE


@pytest.mark.attack
def test_a_synthetic_set_has_no_sign_off(lab: Lab) -> None:
    """Whoever puts one up in its record makes a record that nobody accepts."""
    study = make_table(lab)
    opened = lab.study(study)
    opened.checkpoints.open(CheckpointKind.SIGNOFF, 1, {"kind": "signoff", "editable": {}})
    with pytest.raises(VerificationFailed, match="can't follow"):
        walk(opened.record.events())


NODES: dict[str, tuple[int, Callable[..., Any]]] = {
    "making": (0, synthesis_nodes.make),
    "judging": (1, synthesis_nodes.judge),
    "ending": (2, synthesis_nodes.export),
}


@pytest.mark.attack
@pytest.mark.parametrize(("approved", "node"), NODES.values(), ids=NODES)
def test_a_graph_that_was_told_to_go_on_does_not_without_the_approval(
    lab: Lab, approved: int, node: Callable[..., Any]
) -> None:
    study = new_table(lab)
    decisions: list[Any] = ["approve"] * approved
    assert lab.run(study, "http://127.0.0.1:9/v1", *decisions) is Status.WAITING
    before = len(lab.study(study).record.events())
    forged = {"study": "../../elsewhere", "ended": "done", "released": "0" * 64, "round": {}, "opened": {}}
    with pytest.raises(VerificationFailed, match="is not approved, and the study goes on as if it were"):
        node(forged, SimpleNamespace(context=lab.runner()._context(lab.study(study))))
    assert len(lab.study(study).record.events()) == before


@pytest.mark.attack
def test_an_analysis_of_a_released_set_is_refused(lab: Lab) -> None:
    study = make_table(lab)
    made = (lab.home / "synthetic" / study / "lbw.synthetic.csv").read_bytes()
    analysis = lab.new(content=made)
    with pytest.raises(UsageError, match="it is synthetic"):
        lab.run(analysis)
    assert lab.events(analysis, "intake.finished", "checkpoint.opened") == []


@pytest.mark.attack
def test_a_table_is_not_made_from_a_synthetic_one(lab: Lab, tmp_path: Path) -> None:
    marked = tmp_path / "marked.csv"
    marked.write_text(PATIENTS, encoding="utf-8")
    with pytest.raises(UsageError, match="'synthetic_twin': it is synthetic"):
        new_table(lab, data=marked)


@pytest.mark.attack
@pytest.mark.parametrize(
    "patients",
    [PATIENTS.replace("synthetic_twin", "visit"), PATIENTS.replace(",1\n", ",0\n", 1)],
    ids=["no mark", "a row without it"],
)
def test_texts_are_not_written_for_rows_that_may_be_real(lab: Lab, patients: str) -> None:
    with pytest.raises(UsageError, match="may be real"):
        new_texts(lab, patients=patients)
    assert lab.workplace.store.studies() == []


def test_a_specification_that_does_not_fit_the_file_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match=r"lbw.csv has no column 'weight', which the specification names.*low, smoke"):
        new_table(lab, TABLE.model_copy(update={"left_out": ("weight",)}))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a table with texts": ({"kind": "table", "texts": {}}, "texts is given, and the kind is table"),
    "texts without texts": ({"kind": "text"}, "texts is missing, and the kind is text"),
    "an unknown maker": ({"kind": "table", "maker": "magic"}, "maker is 'magic'; allowed: trees"),
    "a maker of tables for texts": ({"kind": "text", "texts": {}, "maker": "trees"}, "allowed: model"),
    "a signal without a rate": ({"kind": "multimodal", "texts": {}}, "a multimodal set names the heart rate"),
    "rules for texts": ({"kind": "text", "texts": {}, "rules": ["a < 1"]}, "rules is for tables"),
    "a field more": ({"kind": "table", "approved": True}, "approved"),
}


@pytest.mark.parametrize(("given", "says"), WRONG.values(), ids=WRONG)
def test_a_specification_that_contradicts_itself_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_set_specification(json.dumps({"may": MAY, "may_not": MAY_NOT, **given}).encode(), source="it")


def test_what_may_be_done_with_a_set_must_be_said() -> None:
    with pytest.raises(ValidationError, match="may_not"):
        SetSpecification(kind="text", texts=SPECIFICATION, may="Everything.")  # type: ignore[call-arg]  # that is it


def test_the_settings_of_an_analysis_say_nothing_of_sets(lab: Lab) -> None:
    study = lab.new(content=trial_csv())
    written = lab.events(study, "study.created")[0].data
    assert not {"purpose", "specification"} & set(written)
    assert decisions_at(CheckpointKind.RELEASE) == ("approve", "edit", "reject", "replan", "withdraw")
    assert LBW.exists()
