"""Back to the plan: a locked plan gives way to a next version only, for a reason, and everything is approved anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import UsageError
from counterproof.provenance.permissions import KINDS_OF
from counterproof.provenance.plan_versions import plan_versions
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.provenance.verify import verify_bundle
from counterproof.ui.desk import Desk
from counterproof.ui.history import study_view
from counterproof.ui.rendering import checkpoint_text, study_text
from counterproof.ui.subjects import PlanPart
from counterproof.ui.views import decision_view
from counterproof.ui.work import plan_versions as locked_and_drafted

from ..endpoint import Endpoint
from ..lab import PRIMARY, REPLICATION, Lab, planned, reported, script, written

WHY = "- State the level of the intervals.\n- Say which arm is control."
SECOND = planned(ci_level=0.9)
TWICE: dict[str, list[Any]] = {
    "planner": [planned(), SECOND],
    "primary": [written(PRIMARY), written(PRIMARY + "# for the second plan\n")],
    "replication": [written(REPLICATION)] * 2,
}
APPROVED: tuple[DecisionKind, ...] = ("approve",) * 4
REJECTED: tuple[DecisionKind, ...] = ("reject",) * 4
TO: dict[CheckpointKind, tuple[DecisionKind, ...]] = {
    CheckpointKind.CODE: ("approve",),
    CheckpointKind.RELEASE: ("approve", "approve"),
}


def _back(lab: Lab, endpoint: Endpoint, kind: CheckpointKind) -> str:
    """Run a study up to a checkpoint and send it back to the plan from there."""
    study = lab.new()
    assert lab.run(study, endpoint.base_url, *TO[kind]) is Status.WAITING
    assert lab.waiting(study).kind is kind
    lab.decide(study, "replan", comment=WHY)
    assert lab.run(study, endpoint.base_url) is Status.WAITING
    assert lab.waiting(study).id == f"{study}.plan.2"
    return study


@pytest.mark.parametrize("kind", list(TO))
def test_a_study_goes_back_to_its_plan_and_ends_done_under_the_second_version(lab: Lab, kind: CheckpointKind) -> None:
    with Endpoint(script(**TWICE)) as endpoint:
        study = _back(lab, endpoint, kind)
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    first, second = lab.events(study, "plan.locked")
    plans = [json.loads(lab.text(event.ref("plan").sha256, study)) for event in (first, second)]
    assert [plan["ci_level"] for plan in plans] == [0.95, 0.9]
    code = [event.data["id"] for event in lab.events(study, "checkpoint.opened") if event.data["kind"] == "code"]
    assert code == [f"{study}.code.1", f"{study}.code.2"]
    assert '"ci_level": 0.9' in endpoint.prompt("primary")
    found = verify_bundle(lab.study(study).folder / "bundle.zip")
    assert [step for step in found.steps if step.outcome == "failed"] == []


def test_the_model_gets_the_reasons_and_the_plan_so_far_and_answers_each(lab: Lab) -> None:
    with Endpoint(script(**TWICE)) as endpoint:
        study = _back(lab, endpoint, CheckpointKind.CODE)
    prompt = endpoint.prompt("planner")
    assert "approved and locked" in prompt
    assert "1. State the level of the intervals.\n2. Say which arm is control." in prompt
    assert '"ci_level": 0.95' in prompt
    subject = lab.study(study).checkpoints.subject(f"{study}.plan.2")
    assert [row["reason"] for row in subject["answered"]] == [
        "State the level of the intervals.",
        "Say which arm is control.",
    ]


@pytest.mark.parametrize(("kind", "opened"), [(CheckpointKind.CODE, False), (CheckpointKind.RELEASE, True)])
def test_the_checkpoint_of_a_second_version_shows_what_it_replaces(
    lab: Lab, kind: CheckpointKind, opened: bool
) -> None:
    with Endpoint(script(**TWICE)) as endpoint:
        study = _back(lab, endpoint, kind)
    replaces = lab.study(study).checkpoints.subject(f"{study}.plan.2")["replaces"]
    assert (replaces["version"], replaces["checkpoint"], replaces["data_were_open"]) == (1, "plan.1", opened)
    assert replaces["changes"] == [{"field": "ci_level", "before": "0.95", "after": "0.9"}]
    assert replaces["plan"] == lab.events(study, "plan.locked")[0].ref("plan").sha256


@pytest.mark.parametrize(("kind", "when"), [(CheckpointKind.CODE, "before"), (CheckpointKind.RELEASE, "after")])
def test_the_report_lists_the_versions_with_their_reasons(lab: Lab, kind: CheckpointKind, when: str) -> None:
    with Endpoint(script(**TWICE)) as endpoint:
        study = _back(lab, endpoint, kind)
        lab.run(study, endpoint.base_url, *APPROVED)
    report = lab.text(lab.events(study, "report.rendered")[-1].ref("report.md").sha256, study)
    assert "Version 2 (approved at plan.2) replaces version 1" in report
    assert f"sent back at {kind}.1 by Ada (" in report
    assert f"), {when} the real data were opened" in report
    assert "Reasons: State the level of the intervals.; Say which arm is control." in report
    assert "| 2 | ci_level | 0.95 | 0.9 |" in report


def test_a_report_of_one_version_has_no_table_of_versions(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, *APPROVED)
    assert "versions of the plan" not in lab.text(
        lab.events(study, "report.rendered")[-1].ref("report.md").sha256, study
    )


@pytest.mark.parametrize("kind", [CheckpointKind.PLAN, CheckpointKind.SIGNOFF])
def test_there_is_no_way_back_to_the_plan_from_elsewhere(lab: Lab, kind: CheckpointKind) -> None:
    study = lab.new()
    with Endpoint(script(reporter=[reported()])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED[: KINDS_OF["analysis"].index(kind)]) is Status.WAITING
        with pytest.raises(UsageError, match=r"can't be decided 'replan'.*approve, edit, reject, withdraw"):
            lab.decide(study, "replan", comment=WHY)


@pytest.mark.canary
@pytest.mark.parametrize("comment", ["The mean is 5.1, plan for that.", "Group the ٣ arms."], ids=["ascii", "other"])
def test_a_reason_from_the_release_may_hold_no_digit(lab: Lab, comment: str) -> None:
    study = lab.new()
    with Endpoint(script(**TWICE)) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.WAITING
        with pytest.raises(UsageError, match="its reason holds digits, and it goes to the model before anything"):
            lab.decide(study, "replan", comment=comment)
    assert lab.waiting(study).kind is CheckpointKind.RELEASE


def test_a_second_version_may_be_rejected_as_often_as_the_first(lab: Lab) -> None:
    drafts = [planned(title=f"Draft {at}") for at in range(11)]
    with Endpoint(script(**{**TWICE, "planner": drafts})) as endpoint:
        study = lab.new()
        assert lab.run(study, endpoint.base_url, *REJECTED, "approve") is Status.WAITING
        lab.decide(study, "replan", comment=WHY)
        assert lab.run(study, endpoint.base_url, *REJECTED) is Status.WAITING
        assert lab.run(study, endpoint.base_url, "reject") is Status.REJECTED
    assert "the plan was rejected 5 times" in lab.workplace.store.study(study)["detail"]


def test_people_see_the_versions_where_they_look(lab: Lab) -> None:
    with Endpoint(script(**TWICE)) as endpoint:
        study = _back(lab, endpoint, CheckpointKind.RELEASE)
        checkpoint = f"{study}.plan.2"
        subject = lab.study(study).checkpoints.subject(checkpoint)
        text = checkpoint_text(subject, checkpoint=checkpoint, digest="", salt="", state="waits", notice="")
        shown = decision_view(Desk(workplace=lab.workplace), checkpoint)
        standing = {step.name: step.standing for step in study_view(Desk(workplace=lab.workplace), study).path}
        lab.run(study, endpoint.base_url, *APPROVED)
    assert "Version 2 of the plan. It replaces version 1, approved at plan.1" in text
    assert "- ci_level: 0.95 -> 0.9" in text
    assert isinstance(shown.part, PlanPart)
    assert shown.part.listings[0].title.startswith("What version 2 changes of version 1 (approved at plan.1)")
    assert shown.decisions == ("approve", "edit", "reject", "withdraw")
    assert (standing["intake"], standing["◆1 plan"], standing["◆2 code"]) == ("done", "now", "to come")
    record = lab.study(study).record
    versions = plan_versions(record.events(), record.blobs.get)
    told = study_text(lab.workplace.store.study(study), record.events(), [], versions)
    assert "- version 1, approved at plan.1" in told
    assert "sent back at release.1 by Ada (custodian), after the real data were opened: State the level" in told
    newest = next(one for one in locked_and_drafted(Desk(workplace=lab.workplace), study) if one.why)
    assert newest.name.startswith("Version 2, locked")
    assert "Say which arm is control." in newest.why
