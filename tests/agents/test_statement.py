"""The transparency statement goes into the record under the sign-off, with the answers as they are then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counterproof.agents.edits import check_answers, check_edit
from counterproof.agents.nodes._statement import make_statement_for
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import UsageError
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.provenance.transparency import make_statement, parse_answers
from counterproof.provenance.verify import verify_bundle

from ..endpoint import Endpoint
from ..lab import Lab, reported, script

ONE, TWO = b'[A4]\nanswer = "Ada is accountable."\n', b'[A4]\nanswer = "Grace is accountable."\n'


def _to_signoff(lab: Lab, study: str, endpoint: Endpoint) -> dict[str, Any]:
    assert lab.run(study, endpoint.base_url, "approve", "approve", "approve") is Status.WAITING
    return _shown(lab, study)


def _shown(lab: Lab, study: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.study(study).checkpoints.subject(lab.waiting(study).id)["transparency"]
    return found


def test_a_sign_off_covers_the_statement_of_the_record_up_to_there(lab: Lab) -> None:
    study = lab.new()
    lab.study(study).answers.write_bytes(ONE)
    with Endpoint(script()) as endpoint:
        shown = _to_signoff(lab, study, endpoint)
        (made,) = lab.events(study, "statement.made")
        events = lab.study(study).record.events()
        again = make_statement(events[: made.seq], lab.study(study).record.blobs, parse_answers(ONE, source="one"))
        assert events[made.seq + 1].type == "checkpoint.opened"
        assert (made.ref("statement.json").sha256, made.ref("answers.toml").sha256) == (
            shown["statement"],
            shown["answers"],
        )
        assert shown["statement"] == sha256_bytes(again.to_json())
        assert shown["answers"] == sha256_bytes(ONE)
        statuses = [item.status for item in again.items]
        assert shown["counts"] == {name: statuses.count(name) for name in ("present", "not_applicable", "missing")}
        assert [row["id"] for row in shown["missing"]] == [item.id for item in again.items if item.status == "missing"]
        assert "Ada is accountable." in shown["text"]
        assert lab.run(study, endpoint.base_url, "approve") is Status.DONE
    assert verify_bundle(lab.study(study).folder / "bundle.zip").ok


@pytest.mark.parametrize("decision", ["edit", "reject"])
def test_answers_that_change_come_with_a_new_sign_off(lab: Lab, decision: Any) -> None:
    study = lab.new()
    lab.study(study).answers.write_bytes(ONE)
    with Endpoint(script(reporter=[reported(), reported()])) as endpoint:
        first = _to_signoff(lab, study, endpoint)
        lab.study(study).answers.write_bytes(TWO)
        lab.decide(study, decision, **({"edited": json.loads(reported())} if decision == "edit" else {}))
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert lab.waiting(study).id == f"{study}.signoff.2"
        second = _shown(lab, study)
        assert (first["answers"], second["answers"]) == (sha256_bytes(ONE), sha256_bytes(TWO))
        lab.study(study).answers.write_bytes(ONE)
        assert lab.run(study, endpoint.base_url, "approve") is Status.DONE
    found = verify_bundle(lab.study(study).folder / "bundle.zip")
    assert found.ok
    assert found.steps[10].evidence[2].startswith("2 transparency statements of the record")
    assert _answers_in_bundle(lab, study) == TWO


def _answers_in_bundle(lab: Lab, study: str) -> bytes:
    last = lab.events(study, "statement.made")[-1]
    return lab.study(study).record.blobs.get(last.ref("answers.toml").sha256)


def test_approving_other_answers_than_were_put_up_is_refused(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        _to_signoff(lab, study, endpoint)
    waiting = lab.waiting(study)
    subject = lab.study(study).checkpoints.subject(waiting.id)
    check_answers(waiting.kind, subject, checkpoint=waiting.id, answers=lab.study(study).answers_digest())
    lab.study(study).answers.write_bytes(ONE)
    with pytest.raises(UsageError, match=r"put up with no answers .*now there are the answers .*Decide `edit`"):
        check_answers(waiting.kind, subject, checkpoint=waiting.id, answers=lab.study(study).answers_digest())
    same = subject["editable"]
    assert check_edit(CheckpointKind.SIGNOFF, subject, same, answers=lab.study(study).answers_digest()) == same
    with pytest.raises(UsageError, match="The edit changes nothing"):
        check_edit(CheckpointKind.SIGNOFF, subject, same)


def test_a_statement_is_made_once_for_a_checkpoint_whatever_happens_since(lab: Lab, tmp_path: Path) -> None:
    """A process that died after the statement and before the checkpoint takes the one that is there."""
    study = lab.new()
    lab.study(study).answers.write_bytes(ONE)
    with Endpoint(script()) as endpoint:
        shown = _to_signoff(lab, study, endpoint)
    lab.study(study).answers.write_bytes(TWO)
    lab.study(study).record.append("record.repaired", data={"torn_bytes": 1, "torn_sha256": "0" * 64})
    context = lab.runner()._context(lab.study(study))
    assert make_statement_for(context, f"{study}.signoff.1") == shown
    assert len(lab.events(study, "statement.made")) == 1
    assert make_statement_for(context, f"{study}.signoff.2")["answers"] == sha256_bytes(TWO)
