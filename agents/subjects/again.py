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
from counterproof.provenance.decisions import Checkpoint
from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import CounterproofError, VerificationFailed

_ADVICE = (
    "Don't approve. If Counterproof was updated since it was put up, edit or reject it, or go back to the plan: it is "
    "put up anew. Otherwise look into who changed the store."
)
_OF_A_MODEL = frozenset({"answered", "transparency"})
"""What is not made again: see above."""


def check_shown(study: OpenStudy, checkpoint: Checkpoint, *, reviewer: str) -> None:
    """Refuse to approve a checkpoint that shows something else than the papers of its study say.

    Raises:
        ToolFailed: a release of a run on the twin.
        VerificationFailed: it shows something else, or would let something else go; the text names what.
    """
    try:
        _check(study, checkpoint)
    except CounterproofError as error:
        study.checkpoints.refused(checkpoint.id, reviewer=reviewer, why=error)
        raise type(error)(error.what, allowed=error.allowed, advice=error.advice or _ADVICE) from error


def _check(study: OpenStudy, checkpoint: Checkpoint) -> None:
    shown = study.checkpoints.subject(checkpoint.id)
    (opened,) = (event for event in study.record.of_type("checkpoint.opened") if event.data["id"] == checkpoint.id)
    try:
        if study.settings.purpose == "analysis":
            made = analysis_again(study, checkpoint, shown)
        else:
            made = set_again(study, checkpoint, shown, before=opened.seq)
        _check_answered(study, checkpoint, shown.get("answered", []), before=opened.seq)
        _check_edit(study, checkpoint, shown, before=opened.seq)
    except (LookupError, TypeError, ValueError, StopIteration) as error:
        raise VerificationFailed(
            f"{checkpoint.id} is not of the form of a {checkpoint.kind} checkpoint: {error!r}."
        ) from error
    again = json.loads(canonical_json({**head_of(study.settings, study.id, checkpoint.kind), **made}))
    names = (again.keys() | shown.keys()) - _OF_A_MODEL
    same = {name for name in again.keys() & shown.keys() if again[name] == shown[name]}
    if others := sorted(names - same):
        raise VerificationFailed(
            f"{checkpoint.id} shows something else than the papers of the study say: {', '.join(others)}."
        )


def _check_answered(study: OpenStudy, checkpoint: Checkpoint, rows: list[dict[str, str]], *, before: int) -> None:
    """Refuse answers to what nobody asked, or to reasons that somebody else gave."""
    reasons = asked(study, checkpoint.kind, before=before)
    for row in rows:
        if {name: row[name] for name in ("checkpoint", "by", "reason")} not in reasons:
            raise VerificationFailed(
                f"{checkpoint.id} shows an answer to a reason that nobody gave: {row['reason'][:200]!r}."
            )


def _check_edit(study: OpenStudy, checkpoint: Checkpoint, shown: dict[str, Any], *, before: int) -> None:
    """Refuse what follows on an edit, and is not what was signed there."""
    last = [event for event in study.record.of_type("decision.recorded") if event.seq < before][-1:]
    if not last or (last[0].data["kind"], last[0].data["decision"]) != (checkpoint.kind, "edit"):
        return
    if shown["editable"] != in_form(checkpoint.kind, study.json(last[0].ref("edited").sha256)):
        raise VerificationFailed(f"{checkpoint.id} is not what was signed as the edit of {last[0].data['checkpoint']}.")
