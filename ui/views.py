"""View objects: what each page shows, read from the store and the record, with no page in sight.

A page takes one of these and lays it out. The digest in a `DecisionView` is the one that was shown: it goes with the
decision, and `Checkpoints.decide` refuses another.

It does not cover deciding (`deciding`), what a subject holds (`subjects`), nor the history of a study (`history`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counterproof.agents.study import OpenStudy, Workplace, open_study, study_of
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.labels import mode_notice
from counterproof.provenance.permissions import decisions_at
from counterproof.provenance.policy import Policy, read_policy
from counterproof.provenance.reviewers import REPLAY_LABEL, ROLES_OF, CheckpointKind, Reviewer, Role
from counterproof.provenance.study_policy import POLICY_FILE
from counterproof.tools.synth.studies import SETS
from counterproof.ui.desk import Desk
from counterproof.ui.reading import Earlier, part_of
from counterproof.ui.subjects import Listing, Part

PER_PAGE = 20
"""How many checkpoints one page of the inbox shows."""

DECISIONS: dict[DecisionKind, str] = {
    "approve": "Approve: the study goes on with exactly this.",
    "edit": "Edit: hand in other content. It comes back as a new checkpoint; an edit never approves.",
    "reject": "Reject: your reason goes back to whoever made it; a rejected release ends the study.",
    "replan": "Back to the plan: its next version is drafted for your reason; what rests on it is approved anew.",
    "withdraw": "Withdraw: the study ends here, and its record shows that it did.",
}


@dataclass(frozen=True, kw_only=True)
class InboxRow:
    """A checkpoint that waits."""

    checkpoint: str
    study: str
    title: str
    kind: CheckpointKind
    roles: tuple[Role, ...]
    waits_for: str
    """How long it has waited, in words."""
    single_user: bool
    """Whether the study is in single-user mode, which every page states."""
    subject: str
    """Digest of what is decided on."""


@dataclass(frozen=True, kw_only=True)
class InboxView:
    """One page of the inbox of whoever is there."""

    rows: tuple[InboxRow, ...]
    total: int
    """How many checkpoints wait for this person."""
    page: int
    """Which page this is, from 1."""
    pages: int
    whose: str
    """Whose inbox it is, in words."""


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A reviewer who may decide this checkpoint, and as what."""

    id: str
    name: str
    role: Role
    key: Path
    """Where this reviewer's key is, unless another file is named."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A decision that was made."""

    decision: DecisionKind
    by: str
    role: str
    comment: str
    at: str


@dataclass(frozen=True, kw_only=True)
class DecisionView:
    """A checkpoint with exactly what is signed."""

    checkpoint: str
    study: str
    title: str
    question: str
    kind: CheckpointKind
    digest: str
    """SHA-256 of `subject`, for a release of salt and `subject`; what the signature covers."""
    salt: str
    """The salt of a release in hexadecimal, "" for the others."""
    subject: bytes
    """The exact bytes that are decided on."""
    part: Part
    editable: Any
    """What an edit starts from."""
    answers: str
    """Digest of the answers to the transparency statement that are kept now; "" where there are none."""
    signers: tuple[Signer, ...]
    decisions: tuple[DecisionKind, ...]
    """What can be decided here."""
    decided: Decided | None
    signed_by: tuple[str, ...]
    """Who signed an approval that needs another signature."""
    notice: str
    """What is stated on every page of a study in single-user mode; "" for others."""
    answered: Listing
    """The reasons of the last rejection with the model's answers."""
    is_scenario: bool
    sets: Path
    """The folder of the store with synthetic sets and their rating sessions."""


def inbox(
    workplace: Workplace,
    *,
    now: datetime | None = None,
    kinds: Sequence[CheckpointKind] | None = None,
    study: str = "",
    limit: int | None = None,
    skip: int = 0,
) -> list[InboxRow]:
    """Return checkpoints that wait, oldest first; see `Store.waiting` for what narrows them."""
    at = now or datetime.now(UTC)
    rows = workplace.store.waiting(kinds=kinds, study=study, limit=limit, skip=skip)
    return [_inbox_row(row, at, study_rules(workplace, row["study"])) for row in rows]


def inbox_view(desk: Desk, *, page: int = 1, now: datetime | None = None) -> InboxView:
    """Return what waits for whoever is there, oldest first, some at a time.

    Raises:
        NotAllowed: nobody is there.
    """
    person = desk.require("read")
    kinds = None if person is None else [kind for kind, roles in ROLES_OF.items() if set(roles) & set(person.roles)]
    total = desk.workplace.store.count_waiting(kinds=kinds)
    pages = max(1, -(-total // PER_PAGE))
    at = min(max(1, page), pages)
    whose = "everybody" if person is None else f"{person.name} ({', '.join(person.roles)})"
    rows = inbox(desk.workplace, now=now, kinds=kinds, limit=PER_PAGE, skip=(at - 1) * PER_PAGE)
    return InboxView(rows=tuple(rows), total=total, page=at, pages=pages, whose=whose)


def study_rules(workplace: Workplace, study: str) -> Policy:
    """Return a study's policy from its file, for a list; whoever decides gets it from the record.

    Raises:
        UsageError: the file is not of its form.
        MachineTrouble: it can't be read.
    """
    path = workplace.store.study_folder(study) / POLICY_FILE
    try:
        return read_policy(path.read_bytes(), source=f"of {study}")
    except OSError as error:
        raise MachineTrouble(f"The policy of {study} can't be read: {error}.", advice="Put the file back.") from error


def decision_view(desk: Desk, checkpoint: str) -> DecisionView:
    """Return what a checkpoint shows.

    Raises:
        UsageError: there is no such checkpoint.
        NotAllowed: nobody is there.
        VerificationFailed: the record, the subject or the recorded decision was changed.
    """
    person = desk.require("read")
    study = open_study(desk.workplace, study_of(checkpoint))
    opened = study.checkpoints.get(checkpoint)
    subject = study.checkpoints.subject(checkpoint)
    signers = _signers(desk.workplace, study, opened.kind)
    return DecisionView(
        checkpoint=opened.id,
        study=study.id,
        title=study.settings.title,
        question=study.settings.question,
        kind=opened.kind,
        digest=opened.subject,
        salt=study.checkpoints.salt(checkpoint),
        subject=study.record.blobs.get(opened.subject),
        part=part_of(opened.kind, subject, study.record.blobs, earlier=_earlier(study, opened.kind, checkpoint)),
        editable=subject["editable"],
        answers=study.answers_digest(),
        signers=tuple(signer for signer in signers if person is None or signer.id == person.id),
        decisions=decisions_at(opened.kind, study.settings.purpose),
        decided=_decided(study, checkpoint),
        signed_by=tuple(signed.decision.name for signed in study.checkpoints.first_signatures(checkpoint)),
        notice=mode_notice(study.record.of_type("study.created")[0]),
        answered=_answered(subject),
        is_scenario=study.settings.mode == "scenario",
        sets=desk.workplace.store.home / SETS,
    )


def _earlier(study: OpenStudy, kind: CheckpointKind, checkpoint: str) -> Earlier:
    """Return what stood at earlier checkpoints of this kind: the one before, and the last that was approved."""
    opened = [event.data["id"] for event in study.record.of_type("checkpoint.opened") if event.data["kind"] == kind]
    before = opened[: opened.index(checkpoint)]
    decided = study.record.of_type("decision.recorded")
    approved = {event.data["checkpoint"] for event in decided if event.data["decision"] == "approve"}
    kept = [one for one in before if one in approved]
    return Earlier(
        shown=study.checkpoints.subject(before[-1])["editable"] if before else None,
        approved=study.checkpoints.subject(kept[-1])["editable"] if kept else None,
    )


def in_words(seconds: float) -> str:
    """Return a time span as a person says it: "under a minute", "5 min", "3 h", "12 days"."""
    if seconds < 60:
        return "under a minute"
    for size, unit in ((86_400 * 2, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // (86_400 if unit == 'days' else size))} {unit}"
    raise AssertionError(seconds)


def _inbox_row(row: dict[str, Any], now: datetime, policy: Policy) -> InboxRow:
    kind = CheckpointKind(row["kind"])
    waited = (now - datetime.fromisoformat(row["opened_at"])).total_seconds()
    return InboxRow(
        checkpoint=row["id"],
        study=row["study"],
        title=row["title"],
        kind=kind,
        roles=policy.rule(kind).roles,
        waits_for=in_words(waited),
        single_user=policy.single_user,
        subject=row["subject"],
    )


def _signers(workplace: Workplace, study: OpenStudy, kind: CheckpointKind) -> tuple[Signer, ...]:
    """Return who may decide by the study's policy; never the replay reviewer, whose decisions are scripted."""
    people: list[Reviewer] = [person for person in workplace.registry.active() if not person.replay]
    policy = study.checkpoints.policy().policy
    keys = workplace.store.home / "keys"
    return tuple(
        Signer(id=person.id, name=person.name, role=role, key=keys / person.id)
        for person in people
        if (role := policy.role_for(person.roles, kind, "approve")) is not None
    )


def _answered(subject: dict[str, Any]) -> Listing:
    rows = tuple(
        {"reason": f"{row['by']}: {row['reason']}", "answer": f"{row.get('role', 'model')}: {row['answer']}"}
        for row in subject.get("answered", [])
    )
    return Listing(title="Sent back before, and what the model answers", rows=rows)


def _decided(study: OpenStudy, checkpoint: str) -> Decided | None:
    signed = study.checkpoints.decision(checkpoint)
    if signed is None:
        return None
    made = signed.decision
    name = f"{made.name} ({REPLAY_LABEL})" if made.replayed else made.name
    return Decided(decision=made.decision, by=name, role=made.role, comment=made.comment, at=made.decided_at)
