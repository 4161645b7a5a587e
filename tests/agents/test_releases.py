"""What a release lets go was put up before anybody signed: its bytes are under the signature, and nothing else goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from counterproof.agents import releases
from counterproof.agents.nodes import _checkpoint
from counterproof.agents.subjects.again import check_shown
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.commitments import commits_to
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import ADA, Lab, script

_NO_RELEASE = "shows something else than a release of this study"
_OTHERS = "shows something else than the program gave"
_ANOTHER = "was put up with another document than what it shows would let go"


@pytest.fixture
def endpoint() -> Any:
    """A model that answers well."""
    with Endpoint(script()) as answers:
        yield answers


def _shows(subject: dict[str, Any]) -> None:
    subject["items"][0]["shows"] = subject["items"][0]["shows"].replace("difference: ", "difference: 1")


def _figure(subject: dict[str, Any]) -> None:
    subject["items"][-1]["sha256"] = subject["items"][0]["sha256"]


def _twice(subject: dict[str, Any]) -> None:
    subject["items"].insert(0, {**subject["items"][0], "verdict": "suppress"})


def _verdict(subject: dict[str, Any]) -> None:
    subject["editable"]["flow"] = "suppress"


def _more(subject: dict[str, Any]) -> None:
    subject["items"].append({**subject["items"][0], "id": "result:p", "shows": "p < 0.001"})


def _warning(subject: dict[str, Any]) -> None:
    subject["items"].append({**subject["items"][0], "id": "warning:1"})
    subject["warnings"]["warning:1"] = {"program": "primary", "kind": "UserWarning", "text": "No.", "times": 1}
    subject["editable"]["warning:1"] = subject["items"][-1]["verdict"]


def _formless(subject: dict[str, Any]) -> None:
    del subject["items"][0]["shows"]


def _as_a_set(subject: dict[str, Any]) -> None:
    subject["specification"] = "0" * 64


def _another_question(subject: dict[str, Any]) -> None:
    subject["question"] = "Is arm 1 safe?"


FORGED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another number": (_shows, _OTHERS),
    "another file": (_figure, _OTHERS),
    "an item twice": (_twice, _OTHERS),
    "an item more": (_more, _OTHERS),
    "another warning": (_warning, _OTHERS),
    "another verdict": (_verdict, "shows other verdicts than an edit would begin from"),
    "a set": (_as_a_set, _NO_RELEASE),
    "another question": (_another_question, _NO_RELEASE),
    "no form": (_formless, "is not of the form of a release: 'shows'"),
}


def test_what_was_let_go_was_put_up_to_the_byte(lab: Lab, endpoint: Endpoint) -> None:
    study = lab.new()
    assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.WAITING
    waiting = lab.waiting(study)
    (up,) = (event for event in lab.events(study, "checkpoint.opened") if event.data["id"] == waiting.id)
    check_shown(lab.study(study), waiting, reviewer=ADA)
    lab.run(study, endpoint.base_url, "approve", "approve")
    signed = lab.study(study).checkpoints.decision(waiting.id)
    assert signed is not None
    assert signed.decision.history == up.digest, "the signature covers the event that names it"
    (released,) = lab.events(study, "results.released")
    body = lab.study(study).record.blobs.get(released.ref("released").sha256)
    assert commits_to(up.ref("proposed release").sha256, released.data["salt"], body)


def test_an_edit_of_the_verdicts_puts_another_document_up(lab: Lab, endpoint: Endpoint) -> None:
    study = lab.new()
    lab.run(study, endpoint.base_url, "approve", "approve")
    verdicts = lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]
    lab.decide(study, "edit", edited={**verdicts, "result:difference": "suppress"})
    lab.run(study, endpoint.base_url)
    first, second = (
        json.loads(lab.text(event.ref("proposed release").sha256, study))
        for event in lab.events(study, "checkpoint.opened")
        if event.data["kind"] == "release"
    )
    assert [result["id"] for result in first["results"]] == ["difference", "mean_control"]
    assert [result["id"] for result in second["results"]] == ["mean_control"]
    assert (first["suppressed"], second["suppressed"]) == ([], ["result:difference"])


def _propose(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Whoever runs this installation lets it propose another document than what it shows would let go."""

    def other(record: Record, checkpoint: str, subject: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        document, files = releases.proposed_release(record, checkpoint, subject)
        change(document)
        return document, files

    monkeypatch.setattr(_checkpoint, "proposed_release", other)


def _show(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Whoever runs this installation lets it show another release than the program gave."""
    put_up = Checkpoints.open

    def other(self: Checkpoints, kind: str, number: int, subject: dict[str, Any], **more: Any) -> Checkpoint:
        if kind == "release":
            change(subject)
        return put_up(self, CheckpointKind(kind), number, subject, **more)

    monkeypatch.setattr(Checkpoints, "open", other)


@pytest.mark.attack
def test_a_document_that_is_not_what_is_shown_is_neither_signed_nor_let_go(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = lab.new()
    _propose(monkeypatch, lambda document: document["results"][0].update(value=299.0))
    lab.run(study, endpoint.base_url, "approve", "approve")
    waiting = lab.waiting(study)
    with pytest.raises(VerificationFailed, match=_ANOTHER):
        check_shown(lab.study(study), waiting, reviewer=ADA)
    (refused,) = lab.events(study, "decision.refused")
    assert (refused.data["checkpoint"], refused.data["reviewer"]) == (waiting.id, ADA)
    assert _ANOTHER in refused.data["why"]
    with pytest.raises(VerificationFailed, match=_ANOTHER):
        lab.run(study, endpoint.base_url, "approve")
    assert not lab.events(study, "results.released")


@pytest.mark.attack
@pytest.mark.parametrize(("change", "says"), FORGED.values(), ids=FORGED)
def test_a_release_that_shows_what_the_program_did_not_give_is_neither_signed_nor_let_go(
    lab: Lab,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], None],
    says: str,
) -> None:
    study = lab.new()
    _show(monkeypatch, change)
    lab.run(study, endpoint.base_url, "approve", "approve")
    with pytest.raises(VerificationFailed, match=says):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)
    with pytest.raises(VerificationFailed, match=says):
        lab.run(study, endpoint.base_url, "approve")
    assert not lab.events(study, "results.released")


@pytest.mark.attack
def test_what_the_replication_gave_is_not_released(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replication(subject: dict[str, Any]) -> None:
        runs = [event for event in lab.events(study, "effect.finished") if "execute/replication" in event.data["key"]]
        subject["execution"] = runs[0].ref("response").sha256

    study = lab.new()
    _show(monkeypatch, replication)
    lab.run(study, endpoint.base_url, "approve", "approve")
    with pytest.raises(VerificationFailed, match=_OTHERS):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)


@pytest.mark.attack
def test_a_release_without_its_document_is_neither_signed_nor_let_go(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = lab.new()
    put_up = Checkpoints.open
    monkeypatch.setattr(Checkpoints, "open", lambda *args, propose: put_up(*args))
    lab.run(study, endpoint.base_url, "approve", "approve")
    with pytest.raises(VerificationFailed, match="without the document that its approval would let go"):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)
    with pytest.raises(VerificationFailed, match="An older version did"):
        lab.run(study, endpoint.base_url, "approve")
    assert not lab.events(study, "results.released")
