"""View objects: what each page shows, read from the store and the record, with no page in sight.

A page takes one of these and lays it out. The digest in a `DecisionView` is the one that was shown: it goes with the
decision, and `Checkpoints.decide` refuses another.

It does not cover deciding (`deciding`), what a subject holds (`subjects`), nor the history of a study (`history`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counterproof.agents.study import OpenStudy, Workplace, open_study, study_of
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.reviewers import REPLAY_LABEL, ROLES_OF, CheckpointKind, Reviewer, Role
from counterproof.ui.reading import part_of
from counterproof.ui.subjects import Part

DECISIONS: dict[DecisionKind, str] = {
    "approve": "Approve: the study goes on with exactly this.",
    "edit": "Edit: hand in other content. It comes back as a new checkpoint; an edit never approves.",
    "reject": "Reject: your reason goes back to whoever made it; a rejected release ends the study.",
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
    """SHA-256 of `subject`; what the signature covers."""
    subject: bytes
    """The exact bytes that are decided on."""
    part: Part
    editable: Any
    """What an edit starts from."""
    signers: tuple[Signer, ...]
    decided: Decided | None
    is_scenario: bool


def inbox(workplace: Workplace, *, now: datetime | None = None) -> list[InboxRow]:
    """Return the checkpoints that wait, oldest first."""
    return [_inbox_row(row, now or datetime.now(UTC)) for row in workplace.store.waiting()]


def decision_view(workplace: Workplace, checkpoint: str) -> DecisionView:
    """Return what a checkpoint shows.

    Raises:
        UsageError: there is no such checkpoint.
        VerificationFailed: the record, the subject or the recorded decision was changed.
    """
    study = open_study(workplace, study_of(checkpoint))
    opened = study.checkpoints.get(checkpoint)
    subject = study.checkpoints.subject(checkpoint)
    return DecisionView(
        checkpoint=opened.id,
        study=study.id,
        title=study.settings.title,
        question=study.settings.question,
        kind=opened.kind,
        digest=opened.subject,
        subject=study.record.blobs.get(opened.subject),
        part=part_of(opened.kind, subject, study.record.blobs),
        editable=subject["editable"],
        signers=_signers(workplace, opened.kind),
        decided=_decided(study, checkpoint),
        is_scenario=study.settings.mode == "scenario",
    )


def in_words(seconds: float) -> str:
    """Return a time span as a person says it: "under a minute", "5 min", "3 h", "12 days"."""
    if seconds < 60:
        return "under a minute"
    for size, unit in ((86_400 * 2, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // (86_400 if unit == 'days' else size))} {unit}"
    raise AssertionError(seconds)


def _inbox_row(row: dict[str, Any], now: datetime) -> InboxRow:
    kind = CheckpointKind(row["kind"])
    waited = (now - datetime.fromisoformat(row["opened_at"])).total_seconds()
    return InboxRow(
        checkpoint=row["id"],
        study=row["study"],
        title=row["title"],
        kind=kind,
        roles=ROLES_OF[kind],
        waits_for=in_words(waited),
    )


def _signers(workplace: Workplace, kind: CheckpointKind) -> tuple[Signer, ...]:
    """Return who may decide; never the replay reviewer, whose decisions are scripted."""
    people: list[Reviewer] = [person for person in workplace.registry.active() if not person.replay]
    keys = workplace.store.home / "keys"
    return tuple(
        Signer(id=person.id, name=person.name, role=role, key=keys / person.id)
        for person in people
        if (role := person.role_for(kind)) is not None
    )


def _decided(study: OpenStudy, checkpoint: str) -> Decided | None:
    signed = study.checkpoints.decision(checkpoint)
    if signed is None:
        return None
    made = signed.decision
    name = f"{made.name} ({REPLAY_LABEL})" if made.replayed else made.name
    return Decided(decision=made.decision, by=name, role=made.role, comment=made.comment, at=made.decided_at)
