"""What a release lets go was put up before anybody signed: its bytes are under the signature, and nothing else goes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from counterproof.agents import releases
from counterproof.agents.nodes import _checkpoint
from counterproof.agents.releases import check_release
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.commitments import commits_to
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record import Record
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import ADA, Lab, script

_ANOTHER = "was put up with another document than what it shows would let go"


@pytest.fixture
def endpoint() -> Any:
    """A model that answers well."""
    with Endpoint(script()) as answers:
        yield answers


@pytest.fixture
def forged(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Whoever runs this installation lets it propose another number than it shows."""

    def other(record: Record, checkpoint: str, subject: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        document, files = releases.proposed_release(record, checkpoint, subject)
        document["results"][0]["value"] = 299.0
        return document, files

    monkeypatch.setattr(_checkpoint, "proposed_release", other)
    return monkeypatch


def test_what_was_let_go_was_put_up_to_the_byte(lab: Lab, endpoint: Endpoint) -> None:
    study = lab.new()
    assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.WAITING
    waiting = lab.waiting(study)
    (up,) = (event for event in lab.events(study, "checkpoint.opened") if event.data["id"] == waiting.id)
    check_release(lab.study(study), waiting, reviewer=ADA)
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


def test_a_release_of_something_else_than_is_shown_is_not_signed(
    lab: Lab, endpoint: Endpoint, forged: pytest.MonkeyPatch
) -> None:
    study = lab.new()
    lab.run(study, endpoint.base_url, "approve", "approve")
    waiting = lab.waiting(study)
    with pytest.raises(VerificationFailed, match=_ANOTHER):
        check_release(lab.study(study), waiting, reviewer=ADA)
    (refused,) = lab.events(study, "decision.refused")
    assert (refused.data["checkpoint"], refused.data["reviewer"]) == (waiting.id, ADA)
    assert _ANOTHER in refused.data["why"]
    forged.undo()
    verdicts = lab.study(study).checkpoints.subject(waiting.id)["editable"]
    lab.decide(study, "edit", edited={**verdicts, "flow": "suppress"})
    assert lab.run(study, endpoint.base_url, "approve") is Status.WAITING
    assert lab.waiting(study).kind == "signoff", "put up anew, it goes on"


@pytest.mark.usefixtures("forged")
def test_a_release_of_something_else_than_is_shown_lets_nothing_go(lab: Lab, endpoint: Endpoint) -> None:
    study = lab.new()
    with pytest.raises(VerificationFailed, match=_ANOTHER):
        lab.run(study, endpoint.base_url, "approve", "approve", "approve")
    assert not lab.events(study, "results.released")


def test_a_release_without_its_document_is_neither_signed_nor_let_go(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = lab.new()
    put_up = Checkpoints.open
    monkeypatch.setattr(Checkpoints, "open", lambda *args, propose: put_up(*args))
    lab.run(study, endpoint.base_url, "approve", "approve")
    with pytest.raises(VerificationFailed, match="without the document that its approval would let go"):
        check_release(lab.study(study), lab.waiting(study), reviewer=ADA)
    with pytest.raises(VerificationFailed, match="An older version did"):
        lab.run(study, endpoint.base_url, "approve")
    assert not lab.events(study, "results.released")
