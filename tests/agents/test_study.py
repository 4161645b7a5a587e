"""Whole studies on data that no scenario knows: all of the product, with the answers of a loopback endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.agents.edits import check_edit
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError
from counterproof.provenance.permissions import KINDS_OF
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import CheckpointKind, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.store import Status

from ..endpoint import Endpoint
from ..lab import OUTLIER, PRIMARY, REPLICATION, Lab, planned, program, real_mean, reported, script, written

KEY2 = Ed25519PrivateKey.from_private_bytes(bytes(32))
APPROVED: tuple[DecisionKind, ...] = ("approve",) * 4
REJECTED: tuple[DecisionKind, ...] = ("reject",) * 5
WRONG = program("Fails on the twin.", middle="raise ValueError(f\"the first score is {scores['0'][0]}\")")
FINDS_OUTLIER = "top = max(max(of) for of in scores.values())\nif top > 500: "
FAILS_ON_REAL = program(
    "Fails on real data.", middle=FINDS_OUTLIER + 'raise ValueError(f"the score {top} is too high")'
)


def _released(lab: Lab, study: str) -> dict[str, Any]:
    (event,) = lab.events(study, "results.released")
    document: dict[str, Any] = json.loads(lab.text(event.ref("released").sha256, study))
    return document


def _decisions(lab: Lab, study: str) -> list[tuple[str, str]]:
    events = lab.events(study, "decision.recorded")
    return [(event.data["checkpoint"].removeprefix(f"{study}."), event.data["decision"]) for event in events]


def _to(lab: Lab, study: str, endpoint: Endpoint, kind: CheckpointKind) -> None:
    """Approve until a checkpoint of this kind waits."""
    before = KINDS_OF["analysis"].index(kind)
    assert lab.run(study, endpoint.base_url, *APPROVED[:before]) is Status.WAITING
    assert lab.waiting(study).kind is kind


def test_a_study_ends_done_with_four_signed_decisions(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    assert _decisions(lab, study) == [(f"{kind}.1", "approve") for kind in KINDS_OF["analysis"]]
    signed = [lab.study(study).checkpoints.decision(f"{study}.{kind}.1") for kind in KINDS_OF["analysis"]]
    assert [made.decision.reviewer for made in signed if made and not made.decision.replayed] == ["ada"] * 4
    assert len(endpoint.bodies) == 4
    assert (lab.study(study).folder / "bundle.zip").exists()


def test_a_study_that_waits_has_its_bodies_in_files_whatever_hinders_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = lab.new()

    def hindered(_record: Record) -> None:
        raise MachineTrouble("The record can't be written: Input/output error.")

    with Endpoint(script()) as endpoint:
        with monkeypatch.context() as patch:
            patch.setattr(Record, "rest", hindered)
            runner = lab.runner(endpoint.base_url)  # kept: so is its record
            assert runner.run(study) is Status.WAITING
        lab.decide(study)
        runner = lab.runner(endpoint.base_url)
        assert runner.run(study) is Status.WAITING
    record = lab.study(study).record
    assert (record.folder / "ahead.log").read_bytes() == b""
    bodies = {ref.sha256 for event in record.of_type("effect.finished") for ref in event.refs if ref.side == "open"}
    files = {path.parent.name + path.name for path in (record.folder.parent / "blobs").rglob("*") if path.is_file()}
    assert bodies <= files


def test_a_study_reports_the_numbers_of_the_real_data(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, *APPROVED)
    values = {result["id"]: result["value"] for result in _released(lab, study)["results"]}
    assert values == {"difference": pytest.approx(real_mean(1) - real_mean(0)), "mean_control": real_mean(0)}
    report = lab.text(lab.events(study, "report.rendered")[-1].ref("report.md").sha256, study)
    assert f"the mean of the control arm was {real_mean(0):.3g}" in report


@pytest.mark.canary
def test_no_request_before_the_release_holds_anything_of_the_real_data(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, *APPROVED)
    secret = [OUTLIER, OUTLIER[:7], str(real_mean(1))[:9], str(real_mean(1) - real_mean(0))[:9]]
    before = "".join(endpoint.prompt(role) for role in ("planner", "primary", "replication"))
    assert [value for value in secret if value in before] == []
    assert OUTLIER not in endpoint.everything()


def test_a_program_that_fails_on_the_twin_is_repaired_with_its_whole_error(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[written(WRONG), written(PRIMARY)])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    assert "ValueError: the first score is" in endpoint.prompt("primary")
    assert "Fails on the twin." in endpoint.prompt("primary")
    assert (len(endpoint.asked("primary")), len(endpoint.asked("replication"))) == (2, 1)
    assert "the first score is" not in endpoint.prompt("replication")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def broken(:", "does not parse"),
        (PRIMARY.replace('"difference"', '"other"'), "difference in 'points'; the program gives no such result"),
        (PRIMARY.replace('"results.json"', '"answers.json"'), "wrote no results.json"),
        (PRIMARY.replace('"value": value', '"value": float("nan")'), "not a finite number"),
        (program("Loops.", middle="while True: pass"), "Status: timeout"),
    ],
    ids=["syntax", "missing result", "no results", "not a number", "endless"],
)
def test_a_program_that_does_not_work_is_told_why(lab: Lab, code: str, told: str) -> None:
    study = lab.new(limits={"cpu_s": 2})
    with Endpoint(script(primary=[written(code), written(PRIMARY)])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve") is Status.WAITING
    assert lab.waiting(study).id == f"{study}.code.1"
    assert told in endpoint.prompt("primary")


def test_repairs_end_in_cannot_conclude(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[written(WRONG + f"# {at}\n") for at in range(4)])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve") is Status.CANNOT_CONCLUDE
    assert "did not work on the twin after 3 repairs" in lab.workplace.store.study(study)["detail"]
    assert lab.events(study, "gate.opened", "gate.refused") == []
    assert (lab.study(study).folder / "bundle.zip").exists()


def test_a_rejected_plan_is_drafted_anew_from_the_reason_and_the_draft(lab: Lab) -> None:
    study = lab.new()
    drafts = [planned(title="The first draft"), planned(title="The second draft")]
    with Endpoint(script(planner=drafts)) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.PLAN)
        lab.decide(study, "reject", comment="Say which arm is control.")
        assert lab.run(study, endpoint.base_url) is Status.WAITING
    assert lab.waiting(study).id == f"{study}.plan.2"
    assert "Say which arm is control." in endpoint.prompt("planner")
    assert "The first draft" in endpoint.prompt("planner")
    assert "The first draft" not in endpoint.prompt("planner", 0)


def test_a_plan_that_is_rejected_each_time_ends_rejected(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(planner=[planned(title=f"Draft {at}") for at in range(5)])) as endpoint:
        assert lab.run(study, endpoint.base_url, *REJECTED) is Status.REJECTED
    assert "rejected 5 times; last: Ada says reject." in lab.workplace.store.study(study)["detail"]


def test_an_edited_plan_is_a_new_checkpoint_that_needs_its_own_approval(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.PLAN)
        first = lab.waiting(study)
        lab.decide(study, "edit", edited=json.loads(planned(alpha=0.01)))
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert lab.waiting(study).id == f"{study}.plan.2"
        assert lab.waiting(study).subject != first.subject
        assert endpoint.asked("primary") == []
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    assert '"alpha": 0.01' in endpoint.prompt("primary")
    (locked,) = lab.events(study, "plan.locked")
    assert json.loads(lab.text(locked.ref("plan").sha256, study))["alpha"] == 0.01


def test_an_edited_program_runs_on_the_twin_again_and_needs_its_own_approval(lab: Lab) -> None:
    study = lab.new()
    edited = {"primary": PRIMARY + "# looked at\n", "replication": REPLICATION}
    with Endpoint(script()) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.CODE)
        subject = lab.study(study).checkpoints.subject(lab.waiting(study).id)
        lab.decide(study, "edit", edited=check_edit(CheckpointKind.CODE, subject, edited))
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert lab.waiting(study).id == f"{study}.code.2"
        assert lab.events(study, "gate.opened") == []
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    keys = [event.data["key"].split("/")[:2] for event in lab.events(study, "effect.finished")]
    assert keys.count(["dry_run", "primary"]) == 2
    assert keys.count(["dry_run", "replication"]) == keys.count(["execute", "primary"]) == 1
    second = lab.study(study).checkpoints.subject(f"{study}.code.2")
    assert second["programs"][0]["sha256"] == sha256_bytes(edited["primary"].encode())
    assert "+# looked at" in second["programs"][0]["diff_since_last_shown"]
    assert [opened.data["approval"] for opened in lab.events(study, "gate.opened")] == [f"{study}.code.2"] * 2


def test_an_edited_program_that_fails_goes_back_to_the_model_with_the_reviewers_text(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[written(PRIMARY), written(PRIMARY + "# repaired\n")])) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.CODE)
        lab.decide(study, "edit", edited={"primary": WRONG, "replication": REPLICATION})
        assert lab.run(study, endpoint.base_url, "approve", "approve", "approve") is Status.DONE
    assert "A reviewer changed your program." in endpoint.prompt("primary")
    assert "ValueError: the first score is" in endpoint.prompt("primary")


def test_rejected_code_is_written_anew_from_the_reason(lab: Lab) -> None:
    study = lab.new()
    again = {"primary": [written(PRIMARY)] * 2, "replication": [written(REPLICATION)] * 2}
    with Endpoint(script(**again)) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.CODE)
        lab.decide(study, "reject", comment="Say what happens to missing scores.")
        assert lab.run(study, endpoint.base_url) is Status.WAITING
    assert lab.waiting(study).id == f"{study}.code.2"
    for role in ("primary", "replication"):
        assert "Say what happens to missing scores." in endpoint.prompt(role)
    assert lab.events(study, "gate.opened") == []


@pytest.mark.canary
def test_a_failure_on_real_data_tells_the_model_class_and_line_only(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[written(FAILS_ON_REAL), written(PRIMARY)])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.WAITING
        assert lab.waiting(study).id == f"{study}.code.2"
        assert lab.run(study, endpoint.base_url, "approve", "approve", "approve") is Status.DONE
    line = FAILS_ON_REAL.splitlines().index(next(row for row in FAILS_ON_REAL.splitlines() if "raise" in row)) + 1
    assert f"status 'error', at line {line} of the program, with ValueError." in endpoint.prompt("primary")
    assert "too high" not in endpoint.prompt("primary").split("The program failed on the real data")[1]
    assert OUTLIER[:5] not in endpoint.everything()
    opened = [
        (event.data["approval"], event.data["effect"].split("/")[1]) for event in lab.events(study, "gate.opened")
    ]
    assert sorted(opened) == [
        (f"{study}.code.1", "primary"),
        (f"{study}.code.1", "replication"),
        (f"{study}.code.2", "primary"),
    ]


@pytest.mark.canary
@pytest.mark.parametrize(
    "leak",
    [
        'raise type("Score" + str(top).replace(".", "_"), (Exception,), {})',
        "raise SystemExit(str(top))",
        "os.write(2, f'File \"/program/program.py\", line {int(top * 1e6)}\\n'.encode()); os._exit(1)",
        'os.write(2, f"Error{top}: {top}\\n".encode()); os._exit(1)',
        "print(top); raise OSError(int(top), str(top))",
        "os._exit(int(top) % 200)",
    ],
    ids=["class name", "exit text", "line number", "error line", "error number", "exit code"],
)
def test_a_program_can_not_carry_a_value_out_through_its_error(lab: Lab, leak: str) -> None:
    study = lab.new()
    code = program("Carries a value out.", middle=FINDS_OUTLIER + leak)
    with Endpoint(script(primary=[written(code), written(PRIMARY)])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.WAITING
    assert lab.waiting(study).id == f"{study}.code.2"
    told = endpoint.prompt("primary").split("The program failed on the real data")[1]
    assert OUTLIER.replace(".", "")[:4] not in told.replace(".", "").replace("_", "")
    assert f"exit code {int(float(OUTLIER)) % 200}" not in told


@pytest.mark.canary
def test_unusable_results_on_real_data_tell_the_model_nothing_of_them(lab: Lab) -> None:
    study = lab.new()
    code = program("Renames a result.", middle="top = max(map(max, scores.values()))").replace(
        'result("difference",', 'result("difference" if top < 500 else f"x{top}",'
    )
    with Endpoint(script(primary=[written(code), written(PRIMARY)])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.WAITING
    assert "without usable results.json and flow.json" in endpoint.prompt("primary")
    assert OUTLIER[:5] not in endpoint.everything()


def test_a_program_that_always_fails_on_real_data_ends_in_cannot_conclude(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[written(FAILS_ON_REAL + f"# {at}\n") for at in range(5)])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED, *APPROVED) is Status.CANNOT_CONCLUDE
    assert "the primary program failed on the real data" in lab.workplace.store.study(study)["detail"]
    assert OUTLIER[:5] not in endpoint.everything()


@pytest.mark.canary
def test_programs_that_disagree_end_in_cannot_conclude_and_no_prompt_says_by_how_much(lab: Lab) -> None:
    study = lab.new()
    off = program("Off by one.", formula="sum(of) / (len(of) - 1)")
    with Endpoint(script(replication=[written(off)])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.CANNOT_CONCLUDE
    assert "failed checks: replication" in lab.workplace.store.study(study)["detail"]
    assert endpoint.asked("reporter") == []
    assert lab.events(study, "results.released") == []
    for value in (str(real_mean(0)), str(real_mean(1)), str(real_mean(1) - real_mean(0)), OUTLIER):
        assert value[:8] not in endpoint.everything()


def test_a_suppressed_result_can_not_be_referred_to(lab: Lab) -> None:
    study = lab.new()
    only = reported(results="The difference was {{difference.value}} points.")
    with Endpoint(script(reporter=[reported(), only])) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.RELEASE)
        verdicts = lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]
        lab.decide(study, "edit", edited={**verdicts, "result:mean_control": "suppress"})
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert lab.waiting(study).id == f"{study}.release.2"
        assert endpoint.asked("reporter") == []
        assert lab.run(study, endpoint.base_url, "approve", "approve") is Status.DONE
    assert "'mean_control', which is not a released result" in endpoint.prompt("reporter")
    assert str(real_mean(0))[:8] not in endpoint.everything()
    assert _released(lab, study)["suppressed"] == ["result:mean_control"]


def test_nothing_released_ends_in_cannot_conclude(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.RELEASE)
        verdicts = lab.study(study).checkpoints.subject(lab.waiting(study).id)["editable"]
        lab.decide(study, "edit", edited=dict.fromkeys(verdicts, "suppress"))
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert lab.run(study, endpoint.base_url, "approve") is Status.CANNOT_CONCLUDE
    assert lab.workplace.store.study(study)["detail"] == "no result was released"
    assert endpoint.asked("reporter") == []


def test_a_rejected_release_ends_rejected_and_nothing_leaves(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve", "approve", "reject") is Status.REJECTED
    assert lab.events(study, "results.released") == []
    assert endpoint.asked("reporter") == []


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ("The difference was 5.1 points, {{difference.value}}.", "holds the numeral '5.1'"),
        ("The difference was {{odds.value}} points.", "refers to 'odds', which is not a released result"),
        ("The difference was {{difference.p}}.", "refers to difference.p, which that result does not have"),
        ("There was a difference.", "refers to no result at all"),
    ],
    ids=["numeral", "unknown", "field", "no reference"],
)
def test_a_report_with_a_number_of_its_own_is_repaired(lab: Lab, results: str, told: str) -> None:
    study = lab.new()
    with Endpoint(script(reporter=[reported(results=results), reported()])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    assert told in endpoint.prompt("reporter")
    assert len(endpoint.asked("reporter")) == 2


def test_a_rejected_report_is_written_anew_from_the_reason(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(reporter=[reported(methods="First words."), reported()])) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.SIGNOFF)
        lab.decide(study, "reject", comment="Name the design.")
        assert lab.run(study, endpoint.base_url, "approve") is Status.DONE
    assert "Name the design." in endpoint.prompt("reporter")
    assert "First words." in endpoint.prompt("reporter")
    assert _decisions(lab, study)[-2:] == [("signoff.1", "reject"), ("signoff.2", "approve")]


def test_an_edited_report_needs_its_own_sign_off(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.SIGNOFF)
        lab.decide(study, "edit", edited=json.loads(reported(limitations="Small and made up.")))
        assert lab.run(study, endpoint.base_url) is Status.WAITING
        assert lab.waiting(study).id == f"{study}.signoff.2"
        assert lab.run(study, endpoint.base_url, "approve") is Status.DONE
    report = lab.text(lab.events(study, "report.rendered")[-1].ref("report.md").sha256, study)
    assert "Small and made up." in report


@pytest.mark.parametrize("kind", KINDS_OF["analysis"])
def test_a_study_can_be_withdrawn_at_each_checkpoint(lab: Lab, kind: CheckpointKind) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        _to(lab, study, endpoint, kind)
        asked = len(endpoint.bodies)
        lab.decide(study, "withdraw", comment="The consent was withdrawn.")
        assert lab.run(study, endpoint.base_url) is Status.WITHDRAWN
        assert lab.run(study, endpoint.base_url) is Status.WITHDRAWN
    assert len(endpoint.bodies) == asked
    (ended,) = lab.events(study, "study.ended")
    assert ended.data["reason"] == f"withdrawn at {study}.{kind}.1: The consent was withdrawn."
    assert (lab.study(study).folder / "bundle.zip").exists()


def test_a_decision_is_made_once(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        _to(lab, study, endpoint, CheckpointKind.PLAN)
    waiting = lab.waiting(study)
    lab.decide(study)
    lab.add("bea", KEY2, Role.STATISTICIAN)
    with pytest.raises(UsageError, match=r"already decided by ada \(approve\)\. Nothing was changed"):
        lab.study(study).checkpoints.decide(
            waiting.id, KeySigner(key=KEY2), reviewer="bea", decision="reject", comment="No.", seen=waiting.subject
        )


def test_running_without_a_decision_goes_on_waiting_and_asks_nobody(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        for _ in range(3):
            assert lab.run(study, endpoint.base_url) is Status.WAITING
    assert len(endpoint.bodies) == 1
    assert len(lab.events(study, "checkpoint.opened")) == 1


@pytest.mark.canary
def test_the_key_of_the_endpoint_is_never_recorded(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script()) as endpoint:
        lab.run(study, endpoint.base_url, *APPROVED)
    kept = [path for path in lab.home.rglob("*") if path.is_file()]
    assert [path for path in kept if b"key-of-the-test" in path.read_bytes()] == []


def test_prompts_are_the_same_in_another_laboratory(lab: Lab) -> None:
    bodies = []
    for _ in range(2):
        study = lab.new()
        with Endpoint(script()) as endpoint:
            lab.run(study, endpoint.base_url, *APPROVED)
        bodies.append(sorted(endpoint.bodies))
    assert bodies[0] == bodies[1]
