"""Decisions: what a person signed about the exact bytes of a checkpoint.

A checkpoint carries a *subject*: canonical JSON whose digest names it. A decision is a small statement (study,
checkpoint, digests of subject and of what was shown, decision, printed name, ORCID iD, affiliation, role, meaning,
comment, time) whose bytes are signed with the reviewer's SSH key (`signers`). The statement and its signature are kept
as they were signed, and everything that relies on a decision checks them again with `check_decision`.

An `edit` never approves: it hands in new content, which makes a new checkpoint with a new digest.

It does not cover single use of an approval: the gate claims it in the store.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import UsageError, VerificationFailed
from counterproof.provenance.events import now
from counterproof.provenance.permissions import CheckpointKind, DecisionKind, Role, is_permitted
from counterproof.provenance.reviewers import Reviewer, meaning_of
from counterproof.provenance.signers import Signer
from counterproof.provenance.signing import DECISION_NAMESPACE, verify

__all__ = [
    "COMMENT_MAX",
    "Checkpoint",
    "Decision",
    "DecisionKind",
    "SignedDecision",
    "check_decision",
    "sign_decision",
]

COMMENT_MAX = 10_000


class Checkpoint(BaseModel):
    """A point where a person must decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """`<study>.<kind>.<number>`."""
    study: str
    """The study's id."""
    kind: CheckpointKind
    """Which one."""
    subject: str
    """Digest of the exact bytes that are decided on."""
    history: str = ""
    """Digest of the event that put it up, which carries all of the record before it; "" until it is written."""


class Decision(BaseModel):
    """The statement that is signed. Its canonical JSON is what the signature covers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["counterproof/decision/1"] = "counterproof/decision/1"
    """Form of this statement."""
    study: str
    """The study's id."""
    checkpoint: str
    """The checkpoint's id."""
    kind: CheckpointKind
    """Which one."""
    subject: str
    """Digest of the exact bytes that are decided on."""
    shown: str
    """Digest of what was on screen: the same, or it is refused. Page and terminal only lay those bytes out."""
    history: str
    """Digest of the event that put the checkpoint up: with it, all of the record up to there is under the signature."""
    policy: str = ""
    """Digest of the policy under which it was decided."""
    decision: DecisionKind
    """What was decided."""
    edited: str = ""
    """For `edit`: digest of the new content; else empty."""
    reviewer: str
    """The reviewer's id."""
    name: str
    """The reviewer's printed name."""
    orcid: str
    """The reviewer's ORCID iD, or empty."""
    affiliation: str = ""
    """Name of the reviewer's institution; not in the statement where there is none."""
    ror: str = ""
    """ROR id of that institution; not in the statement where there is none."""
    role: Role
    """In which role it was decided."""
    meaning: str
    """What the signature means (21 CFR 11.50): approval, review, responsibility, authorship."""
    comment: str
    """The reason, in the reviewer's words."""
    decided_at: str
    """UTC."""
    replayed: bool
    """True where the scripted replay reviewer signed: nobody looked."""

    def statement(self) -> bytes:
        """Return the exact bytes to be signed."""
        unsaid = {name for name in ("affiliation", "ror") if not getattr(self, name)}
        return canonical_json(self.model_dump(mode="json", exclude=unsaid))


class SignedDecision(BaseModel):
    """A decision with the bytes that were signed and the signature over them."""

    model_config = ConfigDict(frozen=True)

    decision: Decision
    """What the statement says."""
    statement: bytes
    """The signed bytes."""
    signature: bytes
    """The armoured SSHSIG."""


def sign_decision(
    checkpoint: Checkpoint,
    reviewer: Reviewer,
    signer: Signer,
    *,
    decision: DecisionKind,
    comment: str,
    edited: str = "",
    role: Role | None = None,
    policy: str = "",
) -> SignedDecision:
    """Make and sign a decision.

    Args:
        checkpoint: what is decided.
        reviewer: who decides.
        signer: signs with the reviewer's key.
        decision: what is decided.
        comment: the reason.
        edited: for an edit, the digest of the new content.
        role: as what; by default the first role of the reviewer that may.
        policy: digest of the study's policy.

    Raises:
        UsageError: the reviewer has no role for this checkpoint, the key is not the reviewer's, or the
            comment is empty, too long, or no text; or the signer refused.
        MachineTrouble: the signer can't work on this machine.
    """
    role = role or reviewer.role_for(checkpoint.kind, decision)
    if role is None:
        raise UsageError(
            f"{reviewer.id} ({', '.join(reviewer.roles)}) may not decide the {checkpoint.kind} checkpoint.",
            advice="Ask a reviewer in the right role; `counterproof reviewers list` shows them.",
        )
    if signer.public_line != reviewer.public_key:
        raise UsageError(
            f"This key is not {reviewer.id}'s.",
            allowed=f"{reviewer.id} signs with {reviewer.fingerprint}.",
            advice="Name the right private key with --key.",
        )
    comment = comment.strip()
    if not 0 < len(comment) <= COMMENT_MAX:
        raise UsageError(
            f"The comment has {len(comment):,} characters.",
            allowed=f"A decision needs a reason of 1 to {COMMENT_MAX:,} characters.",
            advice="Say with --comment what you looked at and why you decide so.",
        )
    if not _is_text(comment):
        raise UsageError(
            "The comment has bytes that are no text.", advice="Set the terminal to UTF-8, or type it again."
        )
    made = Decision(
        study=checkpoint.study,
        checkpoint=checkpoint.id,
        kind=checkpoint.kind,
        subject=checkpoint.subject,
        shown=checkpoint.subject,
        history=checkpoint.history,
        policy=policy,
        decision=decision,
        edited=edited,
        reviewer=reviewer.id,
        name=reviewer.name,
        orcid=reviewer.orcid,
        affiliation=reviewer.affiliation,
        ror=reviewer.ror,
        role=role,
        meaning=meaning_of(checkpoint.kind, decision),
        comment=comment,
        decided_at=now(),
        replayed=reviewer.replay,
    )
    statement = made.statement()
    return SignedDecision(
        decision=made, statement=statement, signature=signer.sign(statement, namespace=DECISION_NAMESPACE)
    )


def check_decision(statement: bytes, signature: bytes, *, reviewer: Reviewer) -> SignedDecision:
    """Check a signed decision and return it.

    Raises:
        VerificationFailed: the bytes are no decision, the signature is not this reviewer's, or the statement
            names another reviewer, name, ORCID iD, affiliation or meaning, a role the reviewer doesn't have, hides
            that it was replayed, or is about other bytes than were shown.
    """
    verify(reviewer.public_key, statement, signature, namespace=DECISION_NAMESPACE)
    try:
        decision = Decision.model_validate_json(statement)
    except ValidationError as error:
        raise VerificationFailed(f"The signed bytes are no decision: {error.error_count()} faults.") from error
    if decision.statement() != statement:
        raise VerificationFailed("The signed bytes are not in canonical form.")
    if decision.replayed != reviewer.replay:
        raise VerificationFailed(
            f"The decision says replayed={decision.replayed}; {reviewer.id!r} has replay={reviewer.replay}."
        )
    if decision.shown != decision.subject:
        raise VerificationFailed(
            f"The decision is about {decision.subject[:12]}…, and {decision.shown[:12]}… was on screen."
        )
    named = (decision.reviewer, decision.name, decision.orcid, decision.affiliation, decision.ror)
    signer = (reviewer.id, reviewer.name, reviewer.orcid, reviewer.affiliation, reviewer.ror)
    if named != signer:
        raise VerificationFailed(f"The decision names {named}, the signature is that of {signer}.")
    meaning = meaning_of(decision.kind, decision.decision)
    if decision.meaning != meaning:
        raise VerificationFailed(
            f"The decision says it means {decision.meaning!r}; a {decision.kind} decision means {meaning!r}."
        )
    if decision.role not in reviewer.roles or not is_permitted(decision.role, decision.kind, decision.decision):
        raise VerificationFailed(f"{reviewer.id} may not decide the {decision.kind} checkpoint as {decision.role}.")
    return SignedDecision(decision=decision, statement=statement, signature=signature)


def _is_text(text: str) -> bool:
    """Say whether UTF-8 can carry `text`; a terminal in another encoding hands in lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
