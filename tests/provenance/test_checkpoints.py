"""Checkpoints: one signed decision over the bytes that were seen, whoever comes at the same time."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.decisions import Checkpoint, SignedDecision, sign_decision
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.policy import SINGLE_USER, STANDARD
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import CheckpointKind, Registry, Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import public_line
from counterproof.provenance.store import Store

from ..beginnings import begin

KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([at]) * 32) for at, name in enumerate(("ada", "bea", "robot"))}
SUBJECT = {"kind": "plan", "editable": {"alpha": 0.05}}


@pytest.fixture(autouse=True)
def records_are_of_their_schemas() -> None:
    """These records begin with no more of a study than checkpoints read."""


@dataclass
class Desk:
    """A study in a folder, and two people who may decide it."""

    home: Path
    mode: str = "study"
    policy: bytes = STANDARD
    author: str = "cyd"

    def __post_init__(self) -> None:
        if not self.record.events():
            self.store.add_study("s1", title="One")
            begin(
                self.record,
                self.registry,
                self.store.study_folder("s1"),
                policy=self.policy,
                mode=self.mode,
                author=self.author,
            )
            for name in KEYS:
                self.registry.add(_person(name), by="test")

    @property
    def store(self) -> Store:
        """The store, opened anew."""
        return Store(self.home)

    @property
    def registry(self) -> Registry:
        """The registry, opened anew."""
        return Registry(Record(self.home / "registry", blobs=Blobs(self.home / "registry" / "blobs")))

    @property
    def record(self) -> Record:
        """The record, opened anew."""
        folder = self.home / "studies" / "s1"
        return Record(folder / "record", blobs=Blobs(folder / "blobs", secret=lambda: bytes(32)))

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints, opened anew, as another process would."""
        folder = self.home / "studies" / "s1"
        return Checkpoints(store=self.store, registry=self.registry, record=self.record, study="s1", folder=folder)

    def open(self, kind: CheckpointKind = CheckpointKind.PLAN, number: int = 1) -> Checkpoint:
        """Put a checkpoint up."""
        return self.checkpoints.open(kind, number, {**SUBJECT, "kind": kind})

    def decide(self, checkpoint: Checkpoint, by: str = "ada", **options: Any) -> SignedDecision:
        """Decide it."""
        given = {"decision": "approve", "comment": "read", "seen": checkpoint.subject, **options}
        return self.checkpoints.decide(checkpoint.id, KeySigner(key=KEYS[by]), reviewer=by, **given)


def _person(name: str) -> Reviewer:
    key = public_line(KEYS[name].public_key())
    return Reviewer(id=name, name=name.title(), roles=tuple(Role), public_key=key, replay=name == "robot")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A study that a person must decide."""
    return Desk(tmp_path / "home")


def test_a_decision_is_read_back_with_its_signature_checked(desk: Desk) -> None:
    checkpoint = desk.open()
    assert desk.checkpoints.decision(checkpoint.id) is None
    assert desk.checkpoints.waiting() == checkpoint
    made = desk.decide(checkpoint)
    assert desk.checkpoints.decision(checkpoint.id) == made
    assert desk.checkpoints.waiting() is None
    assert desk.store.waiting() == []


def test_opening_again_is_no_second_checkpoint_and_with_another_subject_is_refused(desk: Desk) -> None:
    assert desk.open() == desk.open()
    assert len(desk.record.of_type("checkpoint.opened")) == 1
    with pytest.raises(VerificationFailed, match=r"s1\.plan\.1 is up already with another subject"):
        desk.checkpoints.open(CheckpointKind.PLAN, 1, {"kind": "plan", "editable": {}})


def test_what_is_decided_must_be_what_was_seen(desk: Desk) -> None:
    checkpoint = desk.open()
    with pytest.raises(UsageError, match=r"holds .*, and you saw 0000.*Look at it again"):
        desk.decide(checkpoint, seen="0" * 64)
    assert desk.checkpoints.decision(checkpoint.id) is None


@pytest.mark.parametrize(
    ("decision", "edited", "told"),
    [("edit", None, "new content is missing"), ("approve", {"alpha": 0.1}, "new content is given")],
)
def test_an_edit_and_only_an_edit_hands_in_new_content(desk: Desk, decision: str, edited: Any, told: str) -> None:
    checkpoint = desk.open()
    with pytest.raises(UsageError, match=told):
        desk.decide(checkpoint, decision=decision, edited=edited)
    assert desk.record.of_type("decision.recorded") == []


def test_the_content_of_an_edit_is_signed_and_kept(desk: Desk) -> None:
    made = desk.decide(desk.open(), decision="edit", edited={"alpha": 0.1})
    (event,) = desk.record.of_type("decision.recorded")
    assert event.ref("edited").sha256 == made.decision.edited
    assert desk.record.blobs.get(made.decision.edited) == b'{"alpha":0.1}'


def test_an_unknown_checkpoint_or_reviewer_is_the_caller_s_mistake(desk: Desk) -> None:
    checkpoint = desk.open()
    with pytest.raises(UsageError, match=r"no checkpoint 's1\.code\.1'"):
        desk.decide(checkpoint.model_copy(update={"id": "s1.code.1"}))
    with pytest.raises(UsageError, match="no active reviewer 'eve'"):
        desk.checkpoints.decide(
            checkpoint.id,
            KeySigner(key=KEYS["ada"]),
            reviewer="eve",
            decision="approve",
            comment="x",
            seen=checkpoint.subject,
        )


def test_a_second_decision_is_told_who_decided_before(desk: Desk) -> None:
    checkpoint = desk.open()
    desk.decide(checkpoint)
    told = r"s1\.plan\.1 was already decided by ada \(approve\)\. Nothing was changed"
    with pytest.raises(UsageError, match=told):
        desk.decide(checkpoint, by="bea", decision="reject")
    assert len(desk.record.of_type("decision.recorded")) == 1


@pytest.mark.attack
def test_threads_that_decide_at_once_make_one_decision(desk: Desk) -> None:
    checkpoint, barrier = desk.open(), threading.Barrier(8)

    def decide(number: int) -> str:
        barrier.wait()
        try:
            desk.decide(checkpoint, by=("ada", "bea")[number % 2], decision=("approve", "reject")[number % 2])
        except UsageError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(decide, range(8)))
    assert told.count("") == 1
    assert all("was already decided by" in text for text in told if text)
    assert len(desk.record.of_type("decision.recorded")) == 1


_DECIDE = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.errors import UsageError
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.store import Store
home, at, name, subject = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
folder = home / "studies" / "s1"
checkpoints = Checkpoints(
    store=Store(home), registry=Registry(Record(home / "registry", blobs=Blobs(home / "registry" / "blobs"))),
    record=Record(folder / "record", blobs=Blobs(folder / "blobs")), study="s1", folder=folder)
print("ready", flush=True)
sys.stdin.readline()
try:
    key = KeySigner(key=Ed25519PrivateKey.from_private_bytes(bytes([at]) * 32))
    checkpoints.decide("s1.plan.1", key, reviewer=name,
                       decision="approve", comment="read", seen=subject)
    print("decided")
except UsageError as error:
    print(error)
"""


@pytest.mark.attack
def test_processes_that_decide_at_once_make_one_decision(desk: Desk) -> None:
    checkpoint = desk.open()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _DECIDE, str(desk.home), str(at), name, checkpoint.subject],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for at, name in enumerate(("ada", "bea"))
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = sorted(process.communicate()[0].strip() for process in running)
    assert told[1] == "decided"
    assert "was already decided by" in told[0]
    assert len(desk.record.of_type("decision.recorded")) == 1


@pytest.mark.crash
def test_the_index_is_mended_after_a_kill_between_record_and_store(desk: Desk) -> None:
    """The record is written first; a kill leaves a store that knows nothing of it."""
    checkpoint = desk.open()
    under = desk.checkpoints.policy().digest
    signer = KeySigner(key=KEYS["ada"])
    signed = sign_decision(checkpoint, _person("ada"), signer, decision="approve", comment="read", policy=under)
    (desk.home / "elsewhere").mkdir()
    lost = Store(desk.home / "elsewhere")
    lost.add_study("s1", title="One")
    lost.open_checkpoint(checkpoint.id, study="s1", kind="plan", subject=checkpoint.subject)
    folder = desk.home / "studies" / "s1"
    Checkpoints(store=lost, registry=desk.registry, record=desk.record, study="s1", folder=folder).record(signed)
    assert [row["id"] for row in desk.store.waiting()] == [checkpoint.id]
    assert desk.checkpoints.waiting() is None
    desk.checkpoints.mend_index()
    assert desk.store.waiting() == []
    desk.checkpoints.mend_index()


@pytest.mark.crash
def test_a_checkpoint_that_the_store_has_lost_is_entered_again(desk: Desk) -> None:
    checkpoint = desk.open()
    for path in desk.home.glob("store.sqlite*"):
        path.unlink()
    desk.store.add_study("s1", title="One")
    desk.checkpoints.mend_index()
    assert [row["id"] for row in desk.store.waiting()] == [checkpoint.id]


@pytest.mark.attack
def test_a_row_in_the_store_is_no_decision(desk: Desk) -> None:
    checkpoint = desk.open()
    desk.store.decide_checkpoint(checkpoint.id, decision="approve", by="eve")
    assert desk.checkpoints.decision(checkpoint.id) is None
    assert desk.checkpoints.waiting() == checkpoint


@pytest.mark.attack
def test_the_replay_reviewer_is_refused_in_a_study_and_not_in_a_scenario(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(VerificationFailed, match=r"robot is the replay reviewer\. It decides in scenarios only"):
        desk.decide(desk.open(), by="robot")
    scenario = Desk(tmp_path / "scenario", mode="scenario")
    assert scenario.decide(scenario.open(), by="robot").decision.replayed


@pytest.mark.attack
@pytest.mark.parametrize(
    "changed",
    [{"study": "s2"}, {"subject": "0" * 64}, {"kind": CheckpointKind.CODE}],
    ids=["study", "subject", "kind"],
)
def test_a_decision_signed_over_something_else_is_not_recorded(desk: Desk, changed: dict[str, Any]) -> None:
    other = desk.open().model_copy(update=changed)
    signed = sign_decision(other, _person("ada"), KeySigner(key=KEYS["ada"]), decision="approve", comment="read")
    with pytest.raises(VerificationFailed, match=r"about another subject than s1\.plan\.1 holds"):
        desk.checkpoints.record(signed)
    assert desk.record.of_type("decision.recorded") == []


@pytest.mark.attack
def test_a_decision_by_a_key_that_is_not_registered_is_not_recorded(desk: Desk) -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes([99]) * 32)
    person = _person("ada").model_copy(update={"public_key": public_line(stranger.public_key())})
    signed = sign_decision(desk.open(), person, KeySigner(key=stranger), decision="approve", comment="read")
    with pytest.raises(VerificationFailed, match="signed with another key"):
        desk.checkpoints.record(signed)


@pytest.mark.attack
def test_a_planted_event_is_not_a_decision(desk: Desk) -> None:
    checkpoint = desk.open()
    record = desk.record
    refs = [record.put("statement", b"{}"), record.put("signature", b"none")]
    person = _person("ada").model_dump(mode="json")
    record.append("decision.recorded", data={"checkpoint": checkpoint.id, "reviewer": person}, refs=refs)
    with pytest.raises(VerificationFailed, match="The signature does not hold"):
        desk.checkpoints.decision(checkpoint.id)


@pytest.mark.attack
def test_a_revocation_holds_from_its_time_on(desk: Desk) -> None:
    checkpoint = desk.open()
    made = desk.decide(checkpoint)
    desk.registry.revoke("ada", by="test")
    assert desk.checkpoints.decision(checkpoint.id) == made
    desk.registry.revoke("bea", by="test", since="2026-01-01")
    other = desk.open(CheckpointKind.CODE)
    for by in ("ada", "bea"):
        with pytest.raises(UsageError, match=f"no active reviewer '{by}': revoked from"):
            desk.decide(other, by=by)


TWO = b"[checkpoints.plan]\nsignatures = 2\n"


def test_two_signatures_are_of_two_people(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", policy=TWO)
    checkpoint = desk.open()
    desk.decide(checkpoint)
    assert desk.checkpoints.waiting() == checkpoint
    assert desk.checkpoints.decision(checkpoint.id) is None
    with pytest.raises(UsageError, match=r"ada signed s1\.plan\.1 already; another person has to sign it too"):
        desk.decide(checkpoint)
    made = desk.decide(checkpoint, by="bea")
    assert desk.checkpoints.decision(checkpoint.id) == made
    assert [signed.decision.reviewer for signed in desk.checkpoints.first_signatures(checkpoint.id)] == ["ada"]
    assert desk.checkpoints.waiting() is None


@pytest.mark.parametrize("decision", ["reject", "withdraw"])
def test_one_person_is_enough_to_say_no(tmp_path: Path, decision: str) -> None:
    desk = Desk(tmp_path / "home", policy=TWO)
    checkpoint = desk.open()
    desk.decide(checkpoint)
    made = desk.decide(checkpoint, by="bea", decision=decision)
    assert desk.checkpoints.decision(checkpoint.id) == made


@pytest.mark.attack
def test_an_approval_that_lacks_its_second_signature_does_not_count(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", policy=TWO)
    checkpoint = desk.open()
    desk.decide(checkpoint)
    record = desk.record
    (first,) = record.of_type("signature.recorded")
    record.append("decision.recorded", actor=first.actor, data=first.data, refs=first.refs)
    with pytest.raises(VerificationFailed, match=r"ada signed .* already; another person has to sign it too"):
        desk.checkpoints.decision(checkpoint.id)


@pytest.mark.attack
@pytest.mark.parametrize(
    ("policy", "author", "kind", "says"),
    [
        (STANDARD, "ada", CheckpointKind.RELEASE, "ada is the author of the study, and the author does not approve"),
        (b"[checkpoints.plan]\nauthor_may_approve = false", "ada", CheckpointKind.PLAN, "ada is the author"),
        (b"[checkpoints.plan]\ncomment_min = 20", "cyd", CheckpointKind.PLAN, "has 4 characters.*asks for 20"),
    ],
    ids=["release", "plan", "comment"],
)
def test_a_rule_of_the_policy_is_kept(
    tmp_path: Path, policy: bytes, author: str, kind: CheckpointKind, says: str
) -> None:
    desk = Desk(tmp_path / "home", policy=policy, author=author)
    with pytest.raises(UsageError, match=says):
        desk.decide(desk.open(kind))
    (refused,) = desk.record.of_type("decision.refused")
    assert (refused.data["reviewer"], refused.data["checkpoint"]) == ("ada", f"s1.{kind}.1")


@pytest.mark.attack
def test_nobody_approves_what_the_policy_keeps_apart(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", policy=b'different_people = [["code", "release"]]')
    desk.decide(desk.open(CheckpointKind.CODE))
    release = desk.open(CheckpointKind.RELEASE)
    with pytest.raises(UsageError, match="ada approved the code, and nobody approves both that and the release"):
        desk.decide(release)
    assert desk.decide(release, by="bea").decision.reviewer == "bea"


@pytest.mark.attack
def test_nothing_is_decided_under_a_changed_policy(desk: Desk) -> None:
    checkpoint = desk.open()
    (desk.home / "studies" / "s1" / "policy.toml").write_bytes(SINGLE_USER)
    with pytest.raises(VerificationFailed, match=r"policy\.toml was changed.*Put the file back"):
        desk.decide(checkpoint)
    assert desk.record.of_type("decision.recorded") == []


@pytest.mark.attack
def test_nothing_is_decided_where_the_installation_became_stricter(desk: Desk) -> None:
    checkpoint = desk.open()
    desk.registry.set_policy(b"[checkpoints.plan]\nsignatures = 2", by="test")
    with pytest.raises(VerificationFailed, match=r"looser than the installation's is now: checkpoints"):
        desk.decide(checkpoint)


def test_the_subjects_of_a_release_and_of_a_sample_stay_on_the_secure_side(desk: Desk) -> None:
    sides = {}
    for kind in CheckpointKind:
        desk.decide(desk.open(kind))
        sides[kind] = desk.record.of_type("checkpoint.opened")[-1].ref("subject").side
    assert sides == {kind: "secure" if kind in ("release", "sample") else "open" for kind in CheckpointKind}
