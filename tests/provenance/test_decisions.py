"""Decisions: a statement holds only as it was signed, by that reviewer, in that role."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from counterproof.provenance.decisions import (
    COMMENT_MAX,
    Checkpoint,
    DecisionKind,
    SignedDecision,
    check_decision,
    sign_decision,
)
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind, Reviewer, Role
from counterproof.provenance.signers import KeySigner
from counterproof.provenance.signing import BUNDLE_NAMESPACE, DECISION_NAMESPACE, public_line, sign

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
ADA = Reviewer(
    id="ada",
    name="Ada Lovelace",
    orcid="0000-0002-1825-0097",
    roles=(Role.STATISTICIAN,),
    public_key=public_line(KEY.public_key()),
)
CODE = Checkpoint(id="s1.code.1", study="s1", kind=CheckpointKind.CODE, subject="ab" * 32)


def _sign(decision: DecisionKind = "approve", comment: str = "read it all", **changes: Any) -> SignedDecision:
    reviewer = ADA.model_copy(update=changes)
    return sign_decision(CODE, reviewer, KeySigner(key=KEY), decision=decision, comment=comment)


SIGNED = _sign()


@pytest.mark.parametrize("decision", ["approve", "edit", "reject", "withdraw"])
def test_signed_then_checked(decision: DecisionKind) -> None:
    signed = _sign(decision)
    again = check_decision(signed.statement, signed.signature, reviewer=ADA)
    assert again == signed
    assert (again.decision.decision, again.decision.subject) == (decision, CODE.subject)
    meaning = {"approve": "approval", "edit": "authorship"}.get(decision, "review")
    assert (again.decision.role, again.decision.meaning) == (Role.STATISTICIAN, meaning)
    assert not again.decision.replayed


def test_the_statement_is_the_canonical_json_of_the_decision() -> None:
    assert SIGNED.statement == SIGNED.decision.statement() == canonical_json(json.loads(SIGNED.statement))


def test_what_the_replay_reviewer_signs_says_so() -> None:
    replay = ADA.model_copy(update={"replay": True})
    signed = _sign(replay=True)
    assert check_decision(signed.statement, signed.signature, reviewer=replay).decision.replayed


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        ("", r"The comment has 0 characters\. A decision needs a reason of 1 to 10,000.*Say with --comment"),
        (" \n\t", r"The comment has 0 characters"),
        ("x" * (COMMENT_MAX + 1), r"The comment has 10,001 characters\..*1 to 10,000"),
        ("caf\udce9", r"bytes that are no text\. Set the terminal to UTF-8"),
    ],
    ids=["empty", "blank", "long", "latin1-terminal"],
)
def test_a_decision_needs_a_reason(comment: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        _sign(comment=comment)


@pytest.mark.parametrize("comment", ["x", "x" * COMMENT_MAX, "x" * COMMENT_MAX + "\n", "µ≥\u2028"])
def test_a_reason_of_a_good_length_is_kept(comment: str) -> None:
    assert _sign(comment=comment).decision.comment == comment.strip()


@pytest.mark.parametrize(
    ("kind", "role"),
    [("code", "investigator"), ("code", "custodian"), ("release", "statistician"), ("signoff", "statistician")],
)
def test_a_reviewer_without_the_role_may_not_sign(kind: str, role: str) -> None:
    checkpoint = CODE.model_copy(update={"kind": CheckpointKind(kind)})
    reviewer = ADA.model_copy(update={"roles": (Role(role),)})
    with pytest.raises(UsageError, match=rf"ada \({role}\) may not decide the {kind} checkpoint\. Ask a reviewer"):
        sign_decision(checkpoint, reviewer, KeySigner(key=KEY), decision="approve", comment="x")


def test_another_key_may_not_sign() -> None:
    with pytest.raises(UsageError, match=r"not ada's\. ada signs with SHA256:.*private key with --key"):
        sign_decision(CODE, ADA, KeySigner(key=OTHER_KEY), decision="approve", comment="x")


@pytest.mark.attack
@given(st.integers(0, len(SIGNED.statement) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_statement_fails(at: int, flip: int) -> None:
    changed = SIGNED.statement[:at] + bytes([SIGNED.statement[at] ^ flip]) + SIGNED.statement[at + 1 :]
    with pytest.raises(VerificationFailed, match="signature does not hold for SHA256:"):
        check_decision(changed, SIGNED.signature, reviewer=ADA)


@pytest.mark.attack
def test_the_signature_of_another_decision_fails() -> None:
    with pytest.raises(VerificationFailed, match="signature does not hold"):
        check_decision(SIGNED.statement, _sign("reject").signature, reviewer=ADA)


@pytest.mark.attack
def test_a_signature_made_for_something_else_fails() -> None:
    signature = sign(KEY, SIGNED.statement, namespace=BUNDLE_NAMESPACE)
    with pytest.raises(VerificationFailed, match="another namespace"):
        check_decision(SIGNED.statement, signature, reviewer=ADA)


@pytest.mark.attack
def test_a_decision_signed_by_somebody_else_fails() -> None:
    signature = sign(OTHER_KEY, SIGNED.statement, namespace=DECISION_NAMESPACE)
    with pytest.raises(VerificationFailed, match="signed with another key"):
        check_decision(SIGNED.statement, signature, reviewer=ADA)


# A reviewer who signs a statement of their own making, past `sign_decision`.


def _own(statement: bytes) -> SignedDecision:
    return check_decision(statement, sign(KEY, statement, namespace=DECISION_NAMESPACE), reviewer=ADA)


def test_where_somebody_belongs_is_signed_and_was_not_said_before() -> None:
    assert "affiliation" not in json.loads(SIGNED.statement)
    signed = _sign(affiliation="Institute", ror="0zzzzzz02")
    assert json.loads(signed.statement)["affiliation"] == "Institute"
    with pytest.raises(VerificationFailed, match=r"'Institute', '0zzzzzz02'\), the signature is that of .*'', ''\)"):
        check_decision(signed.statement, signed.signature, reviewer=ADA)


def _changed(**changes: Any) -> bytes:
    return canonical_json({**json.loads(SIGNED.statement), **changes})


@pytest.mark.attack
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reviewer": "grace"}, r"names \('grace', .*signature is that of \('ada'"),
        ({"name": "Grace Hopper"}, r"names \('ada', 'Grace Hopper'.*signature is that of \('ada', 'Ada Lovelace'"),
        ({"orcid": ""}, r"names .*'ada', 'Ada Lovelace', '', '', ''\)"),
        ({"affiliation": "elsewhere"}, r"names .*'elsewhere', ''\)"),
        ({"ror": "03yrm5c26"}, r"names .*'', '03yrm5c26'\)"),
        ({"affiliation": ""}, r"not in canonical form"),
        ({"shown": "cd" * 32}, r"is about ababababab.*, and cdcdcdcdcd.* was on screen"),
        ({"meaning": "none"}, r"it means 'none'; a code decision means 'approval'"),
        ({"role": "custodian"}, r"ada may not decide the code checkpoint as custodian"),
        ({"kind": "release", "meaning": "review"}, r"ada may not decide the release checkpoint as statistician"),
        ({"replayed": True}, r"says replayed=True; 'ada' has replay=False"),
        ({"decision": "approved"}, r"no decision: 1 faults"),
        ({"extra": 1}, r"no decision: 1 faults"),
        ({"schema_": "counterproof/decision/2"}, r"no decision: 1 faults"),
        ({"replayed": "false"}, r"not in canonical form"),
    ],
    ids=[
        "reviewer", "name", "orcid", "affiliation", "ror", "empty", "shown",
        "meaning", "role", "kind", "replayed", "decision", "extra", "schema",
        "lax-bool",
    ],
)  # fmt: skip
def test_a_false_statement_under_a_true_signature_fails(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(VerificationFailed, match=text):
        _own(_changed(**changes))


@pytest.mark.attack
@pytest.mark.parametrize(
    "statement",
    [b"", b"approve", b"[]", SIGNED.statement + b"\n", SIGNED.statement.replace(b":", b": "), b"\xff"],
    ids=["empty", "prose", "list", "newline", "spaces", "binary"],
)
def test_other_bytes_under_a_true_signature_fail(statement: bytes) -> None:
    with pytest.raises(VerificationFailed, match=r"no decision|not in canonical form"):
        _own(statement)


@pytest.mark.attack
def test_a_key_given_twice_cannot_hide_what_was_decided() -> None:
    doubled = SIGNED.statement.replace(b'"decision":"approve"', b'"decision":"reject","decision":"approve"')
    with pytest.raises(VerificationFailed, match="not in canonical form"):
        _own(doubled)


@pytest.mark.attack
def test_a_replayed_decision_does_not_pass_for_a_persons() -> None:
    signed = _sign(replay=True)
    with pytest.raises(VerificationFailed, match=r"says replayed=True; 'ada' has replay=False"):
        check_decision(signed.statement, signed.signature, reviewer=ADA)


def test_a_decision_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SIGNED.decision.decision = "reject"


@pytest.mark.third_party
def test_ssh_keygen_verifies_a_decision(tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text(f"ada {ADA.public_key}\n")
    (tmp_path / "sig").write_bytes(SIGNED.signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "ada", "-n", DECISION_NAMESPACE, "-s", "sig"]
    done = subprocess.run(command, input=SIGNED.statement, cwd=tmp_path, capture_output=True, check=True)
    assert ADA.fingerprint in done.stdout.decode()
