"""Decisions that are tried and not let in: each with an error of its own, each in the record, and nothing goes on.

Whoever attacks here signs with a real key, theirs or another's, and hands the decision in by the front door.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from langgraph.types import Command

from counterproof.provenance.decisions import Checkpoint, Decision, SignedDecision, sign_decision
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.events import Actor
from counterproof.provenance.policy import SINGLE_USER, STANDARD
from counterproof.provenance.reviewers import Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import BUNDLE_NAMESPACE, RECORD_NAMESPACE, sign
from counterproof.provenance.store import Status
from counterproof.sandbox.errors import GateRefused

from ..lab import ADA, AUTHOR_KEY, KEY, LIN, Lab
from .conftest import Begin, Target
from .test_attacks import _at_once

pytestmark = pytest.mark.attack
EVE = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)


@dataclass(frozen=True, kw_only=True)
class Try:
    """A decision that is tried: at which stage, how, and what is said."""

    stage: str
    how: Callable[[Target], object]
    says: str


def _decide(target: Target, by: str, key: Ed25519PrivateKey, **options: Any) -> SignedDecision:
    waiting = target.lab.waiting(target.id)
    given: dict[str, Any] = {"decision": "approve", "comment": "Looks good.", "seen": waiting.subject, **options}
    return target.lab.study(target.id).checkpoints.decide(waiting.id, KeySigner(key=key), reviewer=by, **given)


def _as_eve(target: Target, *roles: Role, replay: bool = False, **options: Any) -> SignedDecision:
    target.lab.add("eve", EVE, *roles, replay=replay)
    return _decide(target, "eve", EVE, **options)


def _revoked(target: Target) -> SignedDecision:
    target.lab.add("eve", EVE)
    target.lab.workplace.registry.revoke("eve", by="test")
    return _decide(target, "eve", EVE)


def _hand_in(target: Target, signed: SignedDecision) -> SignedDecision:
    return target.lab.study(target.id).checkpoints.record(signed)


def _signed(target: Target, key: Ed25519PrivateKey = KEY, **changed: Any) -> SignedDecision:
    """Return a decision of Ada's on what waits, with some fields changed before it is signed."""
    checkpoints = target.lab.study(target.id).checkpoints
    waiting, person = target.lab.waiting(target.id), target.lab.workplace.registry.get(ADA)
    under = checkpoints.policy().digest
    made = sign_decision(waiting, person, KeySigner(key=KEY), decision="approve", comment="Read.", policy=under)
    other = Decision(**{**made.decision.model_dump(), **changed})
    return _with_bytes(other, other.statement(), key)


def _with_bytes(made: Decision, statement: bytes, key: Ed25519PrivateKey = KEY, space: str = "") -> SignedDecision:
    signature = sign(key, statement, namespace=space or "counterproof-decision")
    return SignedDecision(decision=made, statement=statement, signature=signature)


def _again(target: Target) -> SignedDecision:
    signed = target.lab.study(target.id).checkpoints.decision(f"{target.id}.plan.1")
    assert signed is not None
    return _hand_in(target, signed)


def _swapped(target: Target) -> SignedDecision:
    plan = target.lab.study(target.id).checkpoints.decision(f"{target.id}.plan.1")
    assert plan is not None
    made = _signed(target)
    return _hand_in(target, SignedDecision(decision=made.decision, statement=made.statement, signature=plan.signature))


def _encoded(target: Target, encode: Callable[[Any], str]) -> SignedDecision:
    made = _signed(target)
    return _hand_in(target, _with_bytes(made.decision, encode(json.loads(made.statement)).encode()))


def _for_another_study(target: Target) -> SignedDecision:
    return _hand_in(target, _signed(target, study=target.lab.new()))


def _space(target: Target, space: str) -> SignedDecision:
    made = _signed(target)
    return _hand_in(target, _with_bytes(made.decision, made.statement, space=space))


def _policy_file(target: Target, content: bytes | None) -> SignedDecision:
    path = target.lab.study(target.id).folder / "policy.toml"
    path.unlink() if content is None else path.write_bytes(content)
    return _decide(target, ADA, KEY)


def _stricter(target: Target) -> SignedDecision:
    target.lab.workplace.registry.set_policy(b"[checkpoints.code]\nsignatures = 2", by="test")
    return _decide(target, ADA, KEY)


def _after_an_edit(target: Target) -> SignedDecision:
    """Show the code, let somebody else put other code up, then decide on what was seen before."""
    checkpoints, waiting = target.lab.study(target.id).checkpoints, target.lab.waiting(target.id)
    subject = checkpoints.subject(waiting.id)
    checkpoints.open(waiting.kind, 2, {**subject, "title": "other"})
    return _decide(target, ADA, KEY, seen=waiting.subject)


def _subject_in_other_bytes(target: Target) -> SignedDecision:
    """Sign the digest of the same JSON in another encoding."""
    waiting, study = target.lab.waiting(target.id), target.lab.study(target.id)
    other = sha256_bytes(json.dumps(study.checkpoints.subject(waiting.id), indent=1).encode())
    return _decide(target, ADA, KEY, seen=other)


TRIES: dict[str, Try] = {
    "unknown reviewer": Try(
        stage="code", how=lambda target: _decide(target, "eve", EVE), says="There is no active reviewer 'eve'"
    ),
    "revoked reviewer": Try(stage="code", how=_revoked, says="There is no active reviewer 'eve': revoked from"),
    "investigator on code": Try(
        stage="code", how=lambda target: _as_eve(target, Role.INVESTIGATOR), says="may not decide the code"
    ),
    "custodian on code": Try(
        stage="code", how=lambda target: _as_eve(target, Role.CUSTODIAN), says="may not decide the code"
    ),
    "statistician on release": Try(
        stage="release", how=lambda target: _as_eve(target, Role.STATISTICIAN), says="may not decide the release"
    ),
    "statistician withdraws the release": Try(
        stage="release",
        how=lambda target: _as_eve(target, Role.STATISTICIAN, decision="withdraw"),
        says="may not decide the release",
    ),
    "custodian on plan": Try(
        stage="plan", how=lambda target: _as_eve(target, Role.CUSTODIAN), says="may not decide the plan"
    ),
    "statistician on sign-off": Try(
        stage="signoff", how=lambda target: _as_eve(target, Role.STATISTICIAN), says="may not decide the signoff"
    ),
    "replay reviewer": Try(
        stage="code", how=lambda target: _as_eve(target, replay=True), says="eve is the replay reviewer"
    ),
    "another's key": Try(stage="code", how=lambda target: _decide(target, ADA, EVE), says="This key is not ada's"),
    "the author's key for ada": Try(
        stage="code", how=lambda target: _decide(target, ADA, AUTHOR_KEY), says="This key is not ada's"
    ),
    "no reason": Try(
        stage="code", how=lambda target: _decide(target, ADA, KEY, comment="  "), says="The comment has 0 characters"
    ),
    "another subject": Try(
        stage="code", how=lambda target: _decide(target, ADA, KEY, seen="0" * 64), says="and you saw 000000000000"
    ),
    "changed between show and decide": Try(
        stage="code", how=_after_an_edit, says="Checkpoint .*code.2 holds .*, and you"
    ),
    "the same JSON in other bytes": Try(stage="code", how=_subject_in_other_bytes, says="and you saw"),
    "the same decision again": Try(stage="code", how=_again, says="was already decided by ada"),
    "a signature of another decision": Try(stage="code", how=_swapped, says="doesn't match the bytes"),
    "signed by another": Try(
        stage="code", how=lambda target: _hand_in(target, _signed(target, EVE)), says="signed with another key"
    ),
    "signed for a bundle": Try(
        stage="code", how=lambda target: _space(target, BUNDLE_NAMESPACE), says="another namespace"
    ),
    "signed for a record": Try(
        stage="code", how=lambda target: _space(target, RECORD_NAMESPACE), says="another namespace"
    ),
    "a statement with spaces": Try(
        stage="code", how=lambda target: _encoded(target, json.dumps), says="not in canonical form"
    ),
    "a statement with its keys reversed": Try(
        stage="code",
        how=lambda target: _encoded(
            target, lambda made: json.dumps(dict(reversed(made.items())), separators=(",", ":"))
        ),
        says="not in canonical form",
    ),
    "a statement with one field more": Try(
        stage="code", how=lambda target: _encoded(target, lambda made: json.dumps({**made, "x": 1})), says="no decision"
    ),
    "for another study": Try(stage="code", how=_for_another_study, says="is about another subject"),
    "for another subject": Try(
        stage="code",
        how=lambda target: _hand_in(target, _signed(target, subject="0" * 64, shown="0" * 64)),
        says="is about another subject",
    ),
    "of something that was not shown": Try(
        stage="code", how=lambda target: _hand_in(target, _signed(target, shown="0" * 64)), says="was on screen"
    ),
    "in another's name": Try(
        stage="code", how=lambda target: _hand_in(target, _signed(target, name="Grace")), says="The decision names"
    ),
    "as a custodian": Try(
        stage="code", how=lambda target: _hand_in(target, _signed(target, role="custodian")), says="as custodian"
    ),
    "with another meaning": Try(
        stage="code", how=lambda target: _hand_in(target, _signed(target, meaning="review")), says="means 'approval'"
    ),
    "that hides a script": Try(
        stage="code", how=lambda target: _hand_in(target, _signed(target, replayed=True)), says="replayed=True"
    ),
    "under no policy": Try(
        stage="code", how=lambda target: _hand_in(target, _signed(target, policy="")), says="under the policy none"
    ),
    "under another policy": Try(
        stage="code",
        how=lambda target: _hand_in(target, _signed(target, policy=sha256_bytes(SINGLE_USER))),
        says="was signed under the policy",
    ),
    "after the policy was changed": Try(
        stage="code", how=lambda target: _policy_file(target, SINGLE_USER), says="policy.toml was changed"
    ),
    "after one byte of the policy was changed": Try(
        stage="code", how=lambda target: _policy_file(target, STANDARD + b"\n"), says="policy.toml was changed"
    ),
    "after the policy was deleted": Try(
        stage="code", how=lambda target: _policy_file(target, None), says="policy.toml can't be read"
    ),
    "after the installation became stricter": Try(stage="code", how=_stricter, says="looser than the installation's"),
}


def _refusals(target: Target) -> list[dict[str, Any]]:
    return [event.data for event in target.lab.events(target.id, "decision.refused")]


@pytest.mark.parametrize("attempt", TRIES.values(), ids=TRIES)
def test_a_decision_is_refused_and_recorded(begin: Begin, attempt: Try) -> None:
    target = begin(attempt.stage)
    before = len(target.lab.events(target.id, "decision.recorded"))
    runs = len(target.real_runs())
    with pytest.raises(CounterproofError, match=attempt.says) as refused:
        attempt.how(target)
    assert [row["why"] for row in _refusals(target)] == [refused.value.what]
    assert len(target.lab.events(target.id, "decision.recorded")) == before
    assert len(target.real_runs()) == runs


def test_the_author_does_not_release_what_the_author_asked_for(begin: Begin) -> None:
    target = begin("release")
    lab: Lab = target.lab
    lab.workplace.registry.revoke(LIN, by="test")
    # The author, under the same id, with the role that releases: a registry that was tampered with changes nothing.
    registry, by = lab.workplace.registry, Actor(kind="human", id="test")
    person = next(one.reviewer for one in registry.registered() if one.reviewer.id == LIN)
    changed = {**person.model_dump(mode="json"), "roles": ["custodian"]}
    registry._record.append("reviewer.added", actor=by, data=changed)
    with pytest.raises(CounterproofError, match="lin is the author of the study, and the author does not approve"):
        _decide(target, LIN, AUTHOR_KEY)
    assert "lin is the author" in _refusals(target)[0]["why"]
    assert lab.events(target.id, "results.released") == []


def test_an_approval_does_not_count_in_another_store(begin: Begin, tmp_path: Path) -> None:
    """The whole folder of a study, with its approval, put into an installation with the same people, keys and data."""
    target = begin("code approved")
    other = Lab(home=tmp_path / "other", sandbox=target.lab.sandbox, environment=target.lab.environment)
    other.new()
    other.workplace.store.add_study(target.id, title="moved")
    place = other.workplace.store.study_folder(target.id)
    shutil.copytree(target.lab.study(target.id).folder, place)
    moved = Target(lab=other, id=target.id)
    with pytest.raises(GateRefused, match=r"was made in the installation .*, and this is another one"):
        moved.open_gate()
    assert "this is another one" in moved.refusals()[-1]
    moved.assert_unread()


@pytest.mark.parametrize("content", [SINGLE_USER, STANDARD + b"\n", b""], ids=["single user", "one byte", "empty"])
def test_data_stay_closed_when_the_policy_was_changed_after_the_approval(begin: Begin, content: bytes) -> None:
    target = begin("code approved")
    (target.lab.study(target.id).folder / "policy.toml").write_bytes(content)
    with pytest.raises(GateRefused, match=r"policy\.toml was changed"):
        target.open_gate()
    assert "policy.toml was changed" in target.refusals()[0]
    target.assert_unread()


def test_data_stay_closed_when_the_clock_of_the_machine_is_behind_the_record(begin: Begin) -> None:
    target = begin("code approved")
    with pytest.raises(GateRefused, match=r"the clock of this machine is .* behind the record; it was set back"):
        target.open_gate(machine=lambda: datetime.now(UTC) - timedelta(hours=1))
    assert "it was set back" in target.refusals()[0]
    target.assert_unread()


def test_a_forged_resume_is_recorded(begin: Begin) -> None:
    target = begin("code")
    with target.graph() as graph:
        assert "DecisionRequired" in target.invoke(graph, Command(resume={"decisions": [{"type": "approve"}]}))
    (refused,) = _refusals(target)
    assert (refused["checkpoint"], refused["reviewer"]) == (f"{target.id}.code.1", "")
    assert "waits for a signed decision" in refused["why"]


def test_ten_resumes_at_once_execute_once(begin: Begin) -> None:
    target = begin("code approved")
    said = _at_once(10, target.go_on)
    assert Status.WAITING in said
    assert Counter(key.split("/")[1] for key in target.real_runs()) == {"primary": 1, "replication": 1}
    assert len(target.lab.events(target.id, "gate.opened")) == 2


def test_ten_decisions_at_once_are_one_and_nine_that_are_recorded_as_refused(begin: Begin) -> None:
    target = begin("code")
    waiting: Checkpoint = target.lab.waiting(target.id)
    checkpoints = [target.lab.study(target.id).checkpoints for _ in range(10)]

    def decide() -> str:
        try:
            checkpoints.pop().decide(
                waiting.id, KeySigner(key=KEY), reviewer=ADA, decision="approve", comment="Now.", seen=waiting.subject
            )
        except CounterproofError as error:
            return error.what
        return "decided"

    said = Counter(_at_once(10, decide))
    assert said == {"decided": 1, f"Checkpoint {waiting.id} was already decided by ada (approve).": 9}
    assert len(_refusals(target)) == 9
