"""Decisions that nobody made, written into the record by somebody who can write its file and knows its form.

Each forgery stands in a correct chain, names the checkpoint that waits, and says that it was approved.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.decisions import Decision
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.events import Actor, now
from counterproof.provenance.reviewers import Role
from counterproof.provenance.signing import BUNDLE_NAMESPACE, DECISION_NAMESPACE, sign
from counterproof.provenance.store import Status
from counterproof.sandbox.errors import GateRefused

from ..endpoint import Endpoint
from ..lab import ADA, INSTITUTE, KEY, ROR, script
from .conftest import Begin, Target

pytestmark = pytest.mark.attack
EVE = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)


@pytest.fixture(autouse=True)
def records_are_of_their_schemas() -> None:
    """What a forger plants need not be of the schema of its type: nothing may depend on that."""


@dataclass(frozen=True, kw_only=True)
class Forged:
    """The bytes of a decision and its signature, and who is said to have made it."""

    statement: bytes
    signature: bytes
    reviewer: str = ADA


def _decision(target: Target, **changed: Any) -> Decision:
    waiting = target.lab.waiting(target.id)
    given: dict[str, Any] = {
        "study": target.id,
        "checkpoint": waiting.id,
        "kind": waiting.kind,
        "subject": waiting.subject,
        "shown": waiting.subject,
        "history": waiting.history,
        "policy": target.lab.study(target.id).checkpoints.policy().digest,
        "decision": "approve",
        "reviewer": ADA,
        "name": "Ada",
        "orcid": "",
        "affiliation": INSTITUTE,
        "ror": ROR,
        "role": Role.STATISTICIAN,
        "meaning": "approval",
        "comment": "Looks good.",
        "decided_at": now(),
        "replayed": False,
    }
    return Decision(**{**given, **changed})


def _signed(statement: bytes, key: Ed25519PrivateKey = KEY, *, reviewer: str = ADA) -> Forged:
    return Forged(statement=statement, signature=sign(key, statement, namespace=DECISION_NAMESPACE), reviewer=reviewer)


def _made(target: Target, key: Ed25519PrivateKey = KEY, **changed: Any) -> Forged:
    made = _decision(target, **changed)
    return _signed(made.statement(), key, reviewer=made.reviewer)


def _of_eve(target: Target, *roles: Role, replay: bool = False, **changed: Any) -> Forged:
    target.lab.add("eve", EVE, *roles, replay=replay)
    return _made(target, EVE, **{"reviewer": "eve", "name": "Eve", **changed})


def _revoked(target: Target) -> Forged:
    forged = _of_eve(target, Role.STATISTICIAN)
    target.lab.workplace.registry.revoke("eve", by="the test")
    return forged


def _of_another_checkpoint(target: Target) -> Forged:
    signed = target.lab.study(target.id).checkpoints.decision(f"{target.id}.plan.1")
    assert signed is not None
    return Forged(statement=signed.statement, signature=signed.signature)


def _of_another_study(target: Target) -> Forged:
    other = target.lab.new()
    with Endpoint(script()) as endpoint:
        assert target.lab.run(other, endpoint.base_url, "approve") is Status.WAITING
    signed = target.lab.decide(other)
    return Forged(statement=signed.statement, signature=signed.signature)


def _other_encoding(target: Target) -> Forged:
    return _signed(json.dumps(json.loads(_decision(target).statement()), indent=1).encode())


def _more_fields(target: Target) -> Forged:
    return _signed(canonical_json({**json.loads(_decision(target).statement()), "also": "release"}))


def _wrong_namespace(target: Target) -> Forged:
    statement = _decision(target).statement()
    return Forged(statement=statement, signature=sign(KEY, statement, namespace=BUNDLE_NAMESPACE))


def _changed_after_signing(target: Target) -> Forged:
    signed = _made(target, decision="reject")
    return Forged(statement=signed.statement.replace(b'"reject"', b'"approve"'), signature=signed.signature)


FORGERIES: dict[str, tuple[Callable[[Target], Forged], str]] = {
    "no signature": (lambda target: Forged(statement=_decision(target).statement(), signature=b""), "signature"),
    "garbage": (lambda target: Forged(statement=b"\xff\x00", signature=b"\xff\x00"), "signature"),
    "signature of other bytes": (_changed_after_signing, "signature"),
    "signed for bundles": (_wrong_namespace, "signature"),
    "unregistered key": (lambda target: _made(target, EVE), "signature"),
    "unregistered reviewer": (
        lambda target: _made(target, EVE, reviewer="eve", name="Eve"),
        "no active reviewer 'eve'",
    ),
    "revoked reviewer": (_revoked, "no active reviewer 'eve'"),
    "role is another": (lambda target: _of_eve(target, Role.CUSTODIAN, role=Role.CUSTODIAN), "may not decide the code"),
    "role is claimed": (lambda target: _of_eve(target, Role.INVESTIGATOR), "may not decide the code checkpoint"),
    "in another's name": (lambda target: _of_eve(target, Role.STATISTICIAN, name="Ada"), "the signature is that of"),
    "replay reviewer": (lambda target: _of_eve(target, replay=True, replayed=True), "is the replay reviewer"),
    "replay reviewer unmarked": (lambda target: _of_eve(target, replay=True), "is the replay reviewer"),
    "marked as replayed": (lambda target: _made(target, replayed=True), "replayed=True"),
    "another checkpoint": (_of_another_checkpoint, "is about something else"),
    "another study": (_of_another_study, "is about something else"),
    "another study, same checkpoint": (lambda target: _made(target, study="study-0"), "is about something else"),
    "another subject": (lambda target: _made(target, subject="0" * 64, shown="0" * 64), "is about something else"),
    "another meaning": (lambda target: _made(target, meaning="authorship"), "a code decision means 'approval'"),
    "another encoding": (_other_encoding, "not in canonical form"),
    "more fields": (_more_fields, "no decision"),
    "signed rejection": (
        lambda target: _made(target, decision="reject", meaning="review"),
        "The record says something else of the decision",
    ),
}


def plant(target: Target, forged: Forged, **changed: Any) -> None:
    """Write a decision into the record as an approval of the checkpoint that waits."""
    waiting, record = target.lab.waiting(target.id), target.lab.study(target.id).record
    reviewer = {"id": forged.reviewer, "name": "Ada", "orcid": "", "roles": ["statistician"], "public_key": ""}
    data = {"checkpoint": waiting.id, "kind": waiting.kind, "subject": waiting.subject, "decision": "approve"}
    refs = [record.put("statement", forged.statement), record.put("signature", forged.signature)]
    record.append(
        "decision.recorded",
        actor=Actor(kind="human", id=forged.reviewer),
        data={**data, "reviewer": reviewer, "replayed": False, **changed},
        refs=refs,
    )


def test_a_planted_decision_that_was_really_signed_counts(begin: Begin) -> None:
    target = begin("code")
    plant(target, _made(target))
    assert target.go_on() is Status.WAITING
    assert len(target.real_runs()) == 2


@pytest.mark.parametrize(("forge", "why"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_decision_opens_nothing(begin: Begin, forge: Callable[[Target], Forged], why: str) -> None:
    target = begin("code")
    plant(target, forge(target))
    with pytest.raises(GateRefused, match=why):
        target.open_gate()
    assert len(target.refusals()) == 1
    target.go_on()
    target.assert_unread()


@pytest.mark.parametrize("stage", ["plan", "release", "signoff"])
def test_a_forged_decision_lets_no_checkpoint_pass(begin: Begin, stage: str) -> None:
    target = begin(stage)
    plant(target, _made(target, EVE))
    with Endpoint(script()) as endpoint, pytest.raises(Exception, match="signature"):
        target.lab.run(target.id, endpoint.base_url)
    assert endpoint.bodies == []
    assert target.lab.workplace.store.study(target.id)["status"] == Status.STOPPED


def test_a_decision_out_of_the_chain_makes_the_record_unreadable(begin: Begin) -> None:
    target = begin("code")
    record = target.lab.study(target.id).record
    plant(target, _made(target))
    lines = record.path.read_bytes().splitlines(keepends=True)
    record.path.write_bytes(b"".join(lines[:-1]) + lines[-1].replace(b'"prev":"', b'"prev":"0', 1))
    assert "VerificationFailed" in str(target.go_on())
    record.path.write_bytes(b"".join(lines[:-1]))
    target.assert_unread()


def test_a_second_decision_does_not_replace_the_first(begin: Begin) -> None:
    target = begin("code")
    waiting = target.lab.waiting(target.id)
    approval = _made(target)
    target.lab.decide(target.id, "reject")
    record = target.lab.study(target.id).record
    refs = [record.put("statement", approval.statement), record.put("signature", approval.signature)]
    first = target.lab.events(target.id, "decision.recorded")[-1]
    record.append("decision.recorded", data={**first.data, "decision": "approve"}, refs=refs)
    with pytest.raises(GateRefused, match="was decided 'reject'"):
        target.open_gate()
    assert waiting.id.endswith("code.1")
    target.assert_unread()


def test_a_subject_that_was_put_under_an_approval_is_refused(begin: Begin) -> None:
    target = begin("code approved")
    study = target.lab.study(target.id)
    opened = target.lab.events(target.id, "checkpoint.opened")[-1]
    assert opened.data["kind"] == "code"
    subject = {**study.checkpoints.subject(opened.data["id"]), "title": "another"}
    order, ref = target.order(), study.record.put("subject", canonical_json(subject))
    study.record.append("checkpoint.opened", data={**opened.data, "subject": ref.sha256}, refs=[ref])
    with pytest.raises(GateRefused, match="puts a checkpoint up twice"):
        target.open_gate(order)
    target.go_on()
    target.assert_unread()
