"""The gate, asked directly with an order that differs in one thing from what was approved."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.orders import ROLES, InputRef, Order

from ..lab import ADA, PRIMARY
from .conftest import EVIL, Begin, Target

pytestmark = pytest.mark.attack


def _changed(target: Target, **changed: Any) -> Order:
    return target.order().model_copy(update=changed)


def _twin(target: Target) -> Order:
    twin = target.lab.events(target.id, "intake.finished")[0].ref("twin:trial.csv").sha256
    return _changed(target, inputs=(InputRef(name="trial.csv", sha256=twin),))


def _renamed(target: Target) -> Order:
    return _changed(target, inputs=(InputRef(name="other.csv", sha256=target.order().inputs[0].sha256),))


def _twice(target: Target) -> Order:
    real = target.order().inputs[0]
    return _changed(target, inputs=(real, InputRef(name="again.csv", sha256=real.sha256)))


NOT_APPROVED = "the approved code is not this program with these inputs"
ORDERS: dict[str, tuple[Callable[[Target], Order], str]] = {
    "another program": (lambda target: _changed(target, program=target.put(EVIL)), NOT_APPROVED),
    "one more byte": (lambda target: _changed(target, program=target.put(PRIMARY + "\n")), NOT_APPROVED),
    "another seed": (lambda target: _changed(target, seed=1), NOT_APPROVED),
    "another role": (lambda target: _changed(target, role="replication"), NOT_APPROVED),
    "more memory": (lambda target: _changed(target, limits={**target.order().limits, "memory_mib": 9}), "Limit 'mem"),
    "more time": (lambda target: _changed(target, limits={**target.order().limits, "wall_s": 900}), NOT_APPROVED),
    "fewer limits": (lambda target: _changed(target, limits={"wall_s": 300}), NOT_APPROVED),
    "another environment": (lambda target: _changed(target, environment="0" * 64), "the order names the environment"),
    "synthetic": (lambda target: _changed(target, synthetic=True), "the order is for the twin"),
    "twin under the real name": (_twin, "the inputs are not the data of this study"),
    "real data under another name": (_renamed, "the inputs are not the data of this study"),
    "real data twice": (_twice, "the inputs are not the data of this study"),
    "no input": (lambda target: _changed(target, inputs=()), "the inputs are not the data of this study"),
}


def test_the_gate_opens_to_what_was_approved(begin: Begin) -> None:
    target = begin("code approved")
    target.open_gate()
    assert [event.data["effect"] for event in target.lab.events(target.id, "gate.opened")] == ["attack"]


@pytest.mark.parametrize(("make", "why"), ORDERS.values(), ids=ORDERS)
def test_another_order_is_refused(begin: Begin, make: Callable[[Target], Order], why: str) -> None:
    target = begin("code approved")
    with pytest.raises(GateRefused, match=f"The gate keeps the data closed: .*{why}"):
        target.open_gate(make(target))
    assert len(target.refusals()) == 1
    target.assert_unread()


@pytest.mark.parametrize("stage", ["plan", "plan approved", "code"])
def test_nothing_is_opened_before_the_code_is_approved(begin: Begin, stage: str) -> None:
    order = begin("code approved").order()
    target = begin(stage)
    with pytest.raises(GateRefused, match=r"there was no code checkpoint|is not decided"):
        target.gate().open(order, PRIMARY.encode(), effect="attack")
    target.assert_unread()


def test_other_bytes_than_the_order_names_are_refused(begin: Begin) -> None:
    target = begin("code approved")
    with pytest.raises(GateRefused, match="the program is not the one that the order names"):
        target.gate().open(target.order(), EVIL.encode(), effect="attack")
    target.assert_unread()


def test_another_environment_of_the_machine_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    other = replace(target.lab.environment, lock_sha256="1" * 64)
    with pytest.raises(GateRefused, match=rf"and this machine has {other.digest[:12]}…"):
        target.open_gate(environments=dict.fromkeys(ROLES, other))
    target.assert_unread()


def test_a_changed_data_file_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    path = target.lab.workplace.vault.path(target.order().inputs[0].sha256)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"N", b"S", 1))
    with pytest.raises(GateRefused, match=r"the data file trial\.csv has been changed"):
        target.open_gate()
    assert "has been changed" in str(target.go_on())
    target.assert_unread()


def test_a_missing_data_file_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    target.lab.workplace.vault.path(target.order().inputs[0].sha256).unlink()
    with pytest.raises(GateRefused, match=r"the data file trial\.csv is not in the vault"):
        target.open_gate()
    target.assert_unread()


@pytest.mark.parametrize("days", [31, 400, -1], ids=["a month later", "a year later", "clock set back"])
def test_an_approval_is_good_for_thirty_days(begin: Begin, days: int) -> None:
    target = begin("code approved")
    with pytest.raises(GateRefused, match=r"the approval is .* days old; it is valid for 30"):
        target.open_gate(clock=lambda: datetime.now(UTC) + timedelta(days=days))
    target.assert_unread()


def test_an_approval_is_not_used_by_another_effect(begin: Begin) -> None:
    target = begin("code approved")
    target.open_gate(effect="first")
    with pytest.raises(GateRefused, match="the approval was used before, by first"):
        target.open_gate(effect="second")
    assert len(target.lab.events(target.id, "gate.opened")) == 1


def test_a_use_that_was_deleted_from_the_database_is_still_in_the_record(begin: Begin) -> None:
    target = begin("code approved")
    target.open_gate(effect="first")
    with sqlite3.connect(target.lab.home / "store.sqlite") as store:
        store.execute("DELETE FROM approval_uses")
    with pytest.raises(GateRefused, match="the record shows that this order was executed before"):
        target.open_gate(effect="second")
    assert len(target.lab.events(target.id, "gate.opened")) == 1


def test_a_finished_execution_is_not_made_again_under_another_name(begin: Begin) -> None:
    target = begin("done")
    with pytest.raises(GateRefused, match="the study is 'done', and data are opened while it is executing"):
        target.open_gate()
    assert len(target.lab.events(target.id, "gate.opened")) == 2


def test_nothing_is_opened_after_the_study_was_withdrawn(begin: Begin) -> None:
    target = begin("release")
    target.lab.decide(target.id, "withdraw")
    used = target.lab.events(target.id, "gate.opened")[0].data["effect"]
    with pytest.raises(GateRefused, match="the study was withdrawn"):
        target.open_gate(target.order(0 if "primary" in used else 1), effect=used)
    assert len(target.lab.events(target.id, "gate.opened")) == 2


@pytest.mark.parametrize("decision", ["reject", "withdraw"])
def test_rejected_code_is_refused(begin: Begin, decision: Any) -> None:
    target = begin("code")
    target.lab.decide(target.id, decision)
    with pytest.raises(GateRefused, match=f"was decided '{decision}'|the study was withdrawn"):
        target.open_gate()
    target.assert_unread()


def test_edited_code_is_no_approved_code(begin: Begin) -> None:
    target = begin("code")
    target.lab.decide(target.id, "edit", edited={"primary": EVIL, "replication": EVIL})
    for order in (target.order(), _changed(target, program=target.put(EVIL))):
        with pytest.raises(GateRefused, match="was decided 'edit'"):
            target.open_gate(order)
    target.assert_unread()


def _second(target: Target, kind: CheckpointKind, **changed: Any) -> None:
    checkpoints = target.lab.study(target.id).checkpoints
    checkpoints.open(kind, 2, {**checkpoints.subject(f"{target.id}.{kind}.1"), **changed})


@pytest.mark.parametrize("kind", [CheckpointKind.CODE, CheckpointKind.PLAN])
def test_an_approval_ends_when_a_newer_checkpoint_is_up(begin: Begin, kind: CheckpointKind) -> None:
    target = begin("code approved")
    old = target.order()
    _second(target, kind, title="newer")
    with pytest.raises(GateRefused, match=rf"the {kind} checkpoint .*\.{kind}\.2 is not decided"):
        target.open_gate(old)
    target.assert_unread()


def test_code_for_another_plan_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    _second(target, CheckpointKind.CODE, plan="0" * 64)
    target.lab.decide(target.id, looks=False)
    with pytest.raises(GateRefused, match="the code was made for another plan"):
        target.open_gate()
    target.assert_unread()


def test_an_order_behind_other_code_than_was_shown_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    evil = _changed(target, program=target.put(EVIL))
    _second(target, CheckpointKind.CODE, orders=[evil.model_dump(mode="json")])
    target.lab.decide(target.id, looks=False)
    with pytest.raises(GateRefused, match="the code that the reviewer was shown is not this program"):
        target.open_gate(evil)
    target.assert_unread()


def test_several_orders_of_a_program_under_one_approval_are_refused(begin: Begin) -> None:
    target = begin("code approved")
    first, second = target.order(), _changed(target, seed=7)
    _second(target, CheckpointKind.CODE, orders=[order.model_dump(mode="json") for order in (first, second)])
    target.lab.decide(target.id, looks=False)
    for order in (first, second):
        with pytest.raises(GateRefused, match="the approved code lists 2 orders of the primary program"):
            target.open_gate(order)
    target.assert_unread()


@pytest.mark.parametrize("missing", ["orders", "programs", "plan"])
def test_a_subject_without_what_is_decided_is_refused(begin: Begin, missing: str) -> None:
    target = begin("code approved")
    old = target.order()
    subject = target.lab.study(target.id).checkpoints.subject(f"{target.id}.code.1")
    subject.pop(missing)
    target.lab.study(target.id).checkpoints.open(CheckpointKind.CODE, 2, {**subject, "title": "newer"})
    target.lab.decide(target.id, looks=False)
    with pytest.raises(GateRefused, match="The gate keeps the data closed"):
        target.open_gate(old)
    target.assert_unread()


def test_an_approval_of_before_the_revocation_stands(begin: Begin) -> None:
    target = begin("code approved")
    target.lab.workplace.registry.revoke(ADA, by="the test")
    target.open_gate()
    assert len(target.lab.events(target.id, "gate.opened")) == 1


def test_an_approval_of_after_the_revocation_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    target.lab.workplace.registry.revoke(ADA, by="the test", since="2026-01-01")
    with pytest.raises(GateRefused, match="There is no active reviewer 'ada': revoked from 2026-01-01T00:00:00"):
        target.open_gate()
    target.assert_unread()


def test_the_approval_of_another_study_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    other = Target(lab=target.lab, id=target.lab.new())
    study = target.lab.study(target.id)
    program = study.record.blobs.get(target.order().program)
    with pytest.raises(GateRefused, match="there was no code checkpoint"):
        other.gate().open(target.order(), program, effect="attack")
    other.assert_unread()


def test_each_refusal_is_recorded_with_its_reason(begin: Begin) -> None:
    target = begin("code")
    for effect in ("one", "two"):
        with pytest.raises(GateRefused, match="Put it to a reviewer again"):
            target.open_gate(effect=effect)
    refused = target.lab.events(target.id, "gate.refused")
    assert [event.data["effect"] for event in refused] == ["one", "two"]
    assert {event.data["order"] for event in refused} == {target.order().digest}
    assert all("code.1 is not decided" in event.data["why"] for event in refused)
