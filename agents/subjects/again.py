"""What a checkpoint shows is made again before it is approved: nothing in it is taken on trust.

A reviewer reads checks, comparisons, runs on the twin and changes of a plan, and signs because of them. Whoever runs
the study, and holds the service key, could show others than there are. So the signing side makes the subject again from
the papers of the study, and refuses to sign another; the refusal is written down. What goes at a release is compared
with what was put up, too (`agents.releases`), and what follows on an edit with what was signed there.

It does not cover what a model says of its own work, nor the transparency statement (`verify` makes it again); what else
is left stands with those who make it again (`analysis_again`, `sets_again`).
"""

from __future__ import annotations

import json
from typing import Any

from counterproof.agents.edits import in_form
from counterproof.agents.reasons import asked
from counterproof.agents.study import OpenStudy
from counterproof.agents.subjects.analysis_again import analysis_again
from counterproof.agents.subjects.head import head_of
from counterproof.agents.subjects.sets_again import set_again
from counterproof.provenance.decisions import Checkpoint, Decision
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import CounterproofError, VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import ROLES

_ADVICE = (
    "Don't approve. If Counterproof was updated since it was put up, edit or reject it, or go back to the plan: it is "
    "put up anew. Otherwise look into who changed the store."
)
_NOT_MADE = {
    CheckpointKind.PLAN: {"answered"},
    CheckpointKind.CODE: {"answered"},
    CheckpointKind.SIGNOFF: {"answered", "transparency"},
}
"""What stands in a subject as it was put up: see above. Of answers, which reasons they are to is looked at."""


def check_shown(study: OpenStudy, checkpoint: Checkpoint, *, reviewer: str) -> None:
    """Refuse to approve a checkpoint that shows something else than the papers of its study say.

    One that is decided already is left to whoever records decisions: that tells by whom it was.

    Raises:
        ToolFailed: a release of a run on the twin.
        VerificationFailed: it shows something else, or would let something else go, or the record holds a forged
            decision; the text names what.
    """
    try:
        if study.checkpoints.decision(checkpoint.id) is None:
            _check(study, checkpoint)
    except CounterproofError as error:
        study.checkpoints.refused(checkpoint.id, reviewer=reviewer, why=error)
        raise type(error)(error.what, allowed=error.allowed, advice=error.advice or _ADVICE) from error


def _check(study: OpenStudy, checkpoint: Checkpoint) -> None:
    try:
        shown, made = _made(study, checkpoint)
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise VerificationFailed(
            f"{checkpoint.id} is not of the form of a {checkpoint.kind} checkpoint: {error!r}."
        ) from error
    left = {name: shown[name] for name in _NOT_MADE.get(checkpoint.kind, set()) & shown.keys()}
    again = json.loads(canonical_json({**head_of(study.settings, study.id, checkpoint.kind), **made, **left}))
    same = {name for name in again.keys() & shown.keys() if canonical_json(again[name]) == canonical_json(shown[name])}
    if others := sorted((again.keys() | shown.keys()) - same):
        raise VerificationFailed(
            f"{checkpoint.id} shows something else than the papers of the study say: {', '.join(others)}."
        )
    if study.record.blobs.get(checkpoint.subject) != canonical_json(shown):
        raise VerificationFailed(f"{checkpoint.id} says something twice, or is not written as Counterproof does.")


def _made(study: OpenStudy, checkpoint: Checkpoint) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a checkpoint shows, and what it should."""
    shown, decisions = study.checkpoints.subject(checkpoint.id), study.checkpoints.decisions()
    _check_place(study, checkpoint)
    last = decisions[-1] if decisions else None
    edit = last if last is not None and (last.kind, last.decision) == (checkpoint.kind, "edit") else None
    if edit is not None:
        _check_edit(study, edit, shown)
    if study.settings.purpose != "analysis":
        return shown, set_again(study, checkpoint, shown)
    _check_answered(study, checkpoint, shown.get("answered", []))
    return shown, analysis_again(study, checkpoint, shown, edited=edit is not None)


def _check_place(study: OpenStudy, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint that is not the next of its kind, or was put up before the last decision."""
    opened = study.record.of_type("checkpoint.opened")
    (own,) = (event for event in opened if event.data["id"] == checkpoint.id)
    number = sum(event.data["kind"] == checkpoint.kind for event in opened if event.seq <= own.seq)
    late = any(event.seq > own.seq for event in study.record.of_type("decision.recorded"))
    if checkpoint.id != f"{study.id}.{checkpoint.kind}.{number}" or late:
        raise VerificationFailed(f"{checkpoint.id} was not put up in its turn.")


def _check_answered(study: OpenStudy, checkpoint: Checkpoint, rows: list[dict[str, str]]) -> None:
    """Refuse answers to other reasons than were given, and reasons without one."""
    reasons = asked(study, checkpoint.kind)
    if checkpoint.kind is CheckpointKind.CODE:
        reasons = [{**row, "role": role} for role in ROLES for row in reasons]
    if [{name: text for name, text in row.items() if name != "answer"} for row in rows] != reasons:
        raise VerificationFailed(f"{checkpoint.id} does not answer the reasons for which it was sent back.")


def _check_edit(study: OpenStudy, edit: Decision, shown: dict[str, Any]) -> None:
    """Refuse what follows on an edit, and is not what was signed there.

    A program that fails on the twin after its edit goes back to the model first: what comes then is the model's.
    """
    signed, wanted = study.record.of_type("decision.recorded")[-1], in_form(edit.kind, study.json(edit.edited))
    if edit.kind is CheckpointKind.CODE:
        later = [event for event in study.record.of_type("program.written") if event.seq > signed.seq]
        repaired = {event.data["role"]: study.text(event.ref("program").sha256) for event in later}
        wanted = {**wanted, **repaired}
    if shown["editable"] != wanted:
        raise VerificationFailed(f"What is shown is not what was signed as the edit of {edit.checkpoint}.")
