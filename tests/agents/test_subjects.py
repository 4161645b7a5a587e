"""What a checkpoint shows is made again before it is approved: a reviewer is shown what the papers of the study say."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from counterproof.agents.judgement import Judgement
from counterproof.agents.subjects.again import check_shown
from counterproof.agents.subjects.release import release_subject
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.store import Status
from counterproof.tools import Item

from ..endpoint import Endpoint
from ..lab import ADA, PRIMARY, REPLICATION, Lab, planned, program, script, written
from .shown import OTHER, Change, show


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A model that answers well."""
    with Endpoint(script()) as answers:
        yield answers


def _another_profile(subject: dict[str, Any]) -> None:
    subject["profile"]["files"][0]["rows"] = 81


def _nothing_noticed(subject: dict[str, Any]) -> None:
    subject["noticed"] = [{"file": "trial.csv", "columns": [], "check": "gaps", "text": "No gaps."}]


def _another_codebook(subject: dict[str, Any]) -> None:
    subject["codebook"] = "arm 1 is the control"


def _another_question(subject: dict[str, Any]) -> None:
    subject["question"] = "Is arm 1 safe?"


def _no_exposure(subject: dict[str, Any]) -> None:
    del subject["exposure"]


def _a_field_more(subject: dict[str, Any]) -> None:
    subject["seen_by"] = "the ethics committee"


def _an_answer(subject: dict[str, Any]) -> None:
    row = {"checkpoint": "x", "by": "Lin", "reason": "The mean is wrong.", "answer": "Mended."}
    subject["answered"] = [row]


def _a_plan_before(subject: dict[str, Any]) -> None:
    subject["replaces"] = {
        "version": 1,
        "plan": "0" * 64,
        "checkpoint": "plan.1",
        "data_were_open": False,
        "changes": [],
    }


PLANS: dict[str, tuple[Change, str]] = {
    "another profile": (_another_profile, OTHER.format("profile")),
    "other things noticed": (_nothing_noticed, OTHER.format("noticed")),
    "another codebook": (_another_codebook, OTHER.format("codebook")),
    "another question": (_another_question, OTHER.format("question")),
    "no exposure": (_no_exposure, OTHER.format("exposure")),
    "a field more": (_a_field_more, OTHER.format("seen_by")),
    "a plan before it": (_a_plan_before, OTHER.format("replaces")),
    "an answer to nobody": (_an_answer, "does not answer the reasons for which it was sent back"),
    "no plan": (lambda subject: subject.update(editable={}), "is not of the form of a plan checkpoint"),
}


def _another_check_program(subject: dict[str, Any]) -> None:
    (checker,) = subject["checkers"]
    code = "print('all is well')\n"
    checker.update(code=code, sha256=sha256(code.encode()).hexdigest())
    subject["orders"][-1]["program"] = checker["sha256"]


def _no_check_program(subject: dict[str, Any]) -> None:
    subject["checkers"] = []
    subject["orders"].pop()


def _another_seed(subject: dict[str, Any]) -> None:
    for order in subject["orders"]:
        order["seed"] += 1


def _other_limits(subject: dict[str, Any]) -> None:
    subject["orders"][0]["limits"]["wall_s"] = 1


def _another_twin_run(subject: dict[str, Any]) -> None:
    subject["programs"][0]["twin_run"]["results"][0]["value"] = 1.5


def _nothing_printed(subject: dict[str, Any]) -> None:
    subject["programs"][1]["twin_run"]["stdout"] = "converged\n"


def _checks_pass(subject: dict[str, Any]) -> None:
    subject["programs"][0]["checks"][0].update(verdict="pass", evidence=["Looked at."])


def _a_static_finding_less(subject: dict[str, Any]) -> None:
    assert subject["programs"][0]["static"], "the program must have one"
    subject["programs"][0]["static"] = []


def _a_diff(subject: dict[str, Any]) -> None:
    subject["programs"][0]["diff_since_last_shown"] = "--- shown before\n+++ now\n-x\n+y"


def _another_file(subject: dict[str, Any]) -> None:
    subject["reads"][0]["exposure"] = "rows"


def _another_plan(subject: dict[str, Any]) -> None:
    subject["plan"] = "0" * 64


def _never_run(subject: dict[str, Any]) -> None:
    code = PRIMARY + "\n# never run\n"
    subject["editable"]["primary"] = code
    subject["programs"][0].update(code=code, sha256=sha256(code.encode()).hexdigest())


CODES: dict[str, tuple[Change, str]] = {
    "another check program": (_another_check_program, OTHER.format("checkers, orders")),
    "no check program": (_no_check_program, OTHER.format("checkers, orders")),
    "another seed than the plan's": (_another_seed, OTHER.format("orders")),
    "other limits": (_other_limits, OTHER.format("orders")),
    "another run on the twin": (_another_twin_run, OTHER.format("programs")),
    "another output on the twin": (_nothing_printed, OTHER.format("programs")),
    "checks that pass": (_checks_pass, OTHER.format("programs")),
    "no static finding": (_a_static_finding_less, OTHER.format("programs")),
    "a change that was none": (_a_diff, OTHER.format("programs")),
    "other terms of the data": (_another_file, OTHER.format("reads")),
    "another plan": (_another_plan, OTHER.format("plan")),
    "a program that never ran": (_never_run, "The primary program that is shown was never run on the twin"),
    "no programs": (lambda subject: subject.pop("editable"), "is not of the form of a code checkpoint"),
}


def _all_agree(subject: dict[str, Any]) -> None:
    subject["comparison"][0]["tolerance"] = 0.5


def _passes(subject: dict[str, Any]) -> None:
    made = next(made for made in subject["checks"] if made["verdict"] != "pass")
    made.update(verdict="pass", evidence=["Looked at."])


def _other_evidence(subject: dict[str, Any]) -> None:
    subject["checks"][0]["evidence"] = ["Looked at."]


def _a_check_less(subject: dict[str, Any]) -> None:
    subject["checks"].pop()


def _a_finding_less(subject: dict[str, Any]) -> None:
    item = next(item for item in subject["items"] if item["findings"])
    item["findings"] = []


RELEASES: dict[str, tuple[Change, str]] = {
    "a wider tolerance": (_all_agree, OTHER.format("comparison")),
    "a check that passes": (_passes, "put up with another document"),  # the verdicts go with the release
    "other evidence": (_other_evidence, OTHER.format("checks")),
    "a check less": (_a_check_less, "put up with another document"),
    "a finding less": (_a_finding_less, "leaves out what was found in result:difference"),
}


def _another_head(subject: dict[str, Any]) -> None:
    subject["document"]["head"] = subject["document"]["head"].replace("Ada", "The data monitoring board")


def _another_text(subject: dict[str, Any]) -> None:
    subject["markdown"] = subject["markdown"].replace("None.", "All were agreed on before.")


def _a_section_less(subject: dict[str, Any]) -> None:
    subject["document"]["appendix"].pop()


SIGNOFFS: dict[str, tuple[Change, str]] = {
    "another head": (_another_head, OTHER.format("document")),
    "another text": (_another_text, OTHER.format("markdown")),
    "a table less": (_a_section_less, OTHER.format("document")),
    "another release": (lambda subject: subject.update(released="0" * 64), OTHER.format("released")),
    "another report": (lambda subject: subject.update(report="0" * 64), OTHER.format("report")),
}

FORGED = [
    pytest.param(CheckpointKind(kind), at, *forged, id=f"{kind}: {name}")
    for at, (kind, table) in enumerate([("plan", PLANS), ("code", CODES), ("release", RELEASES), ("signoff", SIGNOFFS)])
    for name, forged in table.items()
]


@pytest.mark.attack
@pytest.mark.parametrize(("kind", "approvals", "change", "says"), FORGED)
def test_what_was_not_so_is_not_approved(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: CheckpointKind, approvals: int, change: Change, says: str
) -> None:
    study = lab.new(checks_on_data=True)
    show(monkeypatch, kind, change)
    programs = [PRIMARY, REPLICATION]
    if kind is CheckpointKind.CODE:
        programs[0] = program("The primary program.", middle="import socket")  # something to look at
    if kind is CheckpointKind.RELEASE:
        programs = [code.replace('"n": len(rows)', '"n": 3') for code in programs]  # too few persons
    primary, replication = ([written(code)] for code in programs)
    with Endpoint(script(primary=primary, replication=replication)) as answers:
        approve: list[DecisionKind] = ["approve"] * approvals
        assert lab.run(study, answers.base_url, *approve) is Status.WAITING
    waiting = lab.waiting(study)
    assert waiting.kind is kind
    with pytest.raises(VerificationFailed, match=says):
        check_shown(lab.study(study), waiting, reviewer=ADA)
    (refused,) = lab.events(study, "decision.refused")
    assert (refused.data["checkpoint"], refused.data["reviewer"]) == (waiting.id, ADA)


@pytest.mark.attack
def test_what_a_new_version_of_the_plan_changes_is_not_left_out(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_changed(subject: dict[str, Any]) -> None:
        subject["replaces"]["changes"] = []

    study = lab.new()
    show(monkeypatch, CheckpointKind.PLAN, nothing_changed, number=2)
    with Endpoint(script(planner=[planned(), planned(title="Another title")])) as answers:
        lab.run(study, answers.base_url, "approve", "replan")
    with pytest.raises(VerificationFailed, match=OTHER.format("replaces")):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)


@pytest.mark.attack
@pytest.mark.parametrize(
    ("kind", "approvals"),
    [(CheckpointKind.PLAN, 0), (CheckpointKind.CODE, 1), (CheckpointKind.SIGNOFF, 3)],
)
def test_what_follows_on_an_edit_is_what_was_signed(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, kind: CheckpointKind, approvals: int
) -> None:
    """Whoever runs this installation leaves the edit out."""
    study = lab.new()
    approve: list[DecisionKind] = ["approve"] * approvals
    lab.run(study, endpoint.base_url, *approve)
    before = lab.study(study).checkpoints.subject(lab.waiting(study).id)
    changes: dict[CheckpointKind, dict[str, Any]] = {
        CheckpointKind.PLAN: {"title": "Another title"},
        CheckpointKind.CODE: {"primary": PRIMARY + "# changed\n"},
        CheckpointKind.SIGNOFF: {"limitations": "There are some."},
    }
    lab.decide(study, "edit", edited={**before["editable"], **changes[kind]})
    show(monkeypatch, kind, lambda subject: subject.update(before), number=2)
    lab.run(study, endpoint.base_url)
    with pytest.raises(VerificationFailed, match=f"is not what was signed as the edit of {study}.{kind}.1"):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)


@pytest.mark.attack
def test_verdicts_that_a_person_signed_are_those_that_are_put_up(
    lab: Lab, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs this installation leaves the edit out, and puts up what it would let go."""

    def without_the_edit(items: list[Item], judged: Judgement, *, execution: str) -> dict[str, Any]:
        released = [item.model_copy(update={"verdict": "release"}) for item in items]
        return release_subject(released, judged, execution=execution)

    study = lab.new()
    lab.run(study, endpoint.base_url, "approve", "approve")
    verdicts = lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]
    lab.decide(study, "edit", edited={**verdicts, "flow": "suppress"})
    node = importlib.import_module("counterproof.agents.nodes.release_checkpoint")  # the package has a function of it
    monkeypatch.setattr(node, "release_subject", without_the_edit)
    lab.run(study, endpoint.base_url)
    with pytest.raises(VerificationFailed, match=r"is not what was signed as the edit of .*release\.1"):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)


@pytest.mark.attack
def test_a_release_after_a_failed_check_that_ends_a_study_is_not_approved(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs this installation has it go on although the two programs disagree."""
    other = program("The replication.", middle="import statistics", formula="statistics.median(of)")
    study = lab.new()
    with Endpoint(script(replication=[written(other)])) as answers, monkeypatch.context() as patched:
        patched.setattr("counterproof.agents.judgement.HALTING", frozenset())
        assert lab.run(study, answers.base_url, "approve", "approve") is Status.WAITING
    with pytest.raises(VerificationFailed, match="put up after failed checks that end a study: "):
        check_shown(lab.study(study), lab.waiting(study), reviewer=ADA)


def test_a_program_in_the_record_that_the_gate_would_run_is_the_check_program_that_is_shown(
    lab: Lab, endpoint: Endpoint
) -> None:
    study = lab.new(checks_on_data=True)
    lab.run(study, endpoint.base_url, "approve")
    subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
    (checker,) = subject["checkers"]
    assert lab.text(checker["sha256"], study) == checker["code"]
    assert [order["role"] for order in subject["orders"]] == ["primary", "replication", "checks"]
