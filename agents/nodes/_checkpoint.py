"""What the four checkpoint nodes share: putting a checkpoint up, and reading what was decided.

A checkpoint node holds one `interrupt` with nothing before it. The value that wakes it up is not looked at: whatever a
client sends, only a recorded and signed decision counts, and without one the study goes on waiting.
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.context import StudyContext
from counterproof.agents.state import StudyState
from counterproof.provenance.decisions import Decision
from counterproof.provenance.errors import DecisionRequired, VerificationFailed
from counterproof.provenance.reviewers import ROLES_OF, CheckpointKind
from counterproof.provenance.telemetry import span


def put_up(ctx: StudyContext, state: StudyState, kind: CheckpointKind, subject: dict[str, Any]) -> dict[str, Any]:
    """Put the next checkpoint of a kind up and return the update of the state."""
    opened = dict(state.get("opened", {}))
    opened[kind] = opened.get(kind, 0) + 1
    settings = ctx.settings
    whole = {
        "schema": "counterproof/subject/1",
        "kind": kind,
        "study": state["study"],
        "title": settings.title,
        "question": settings.question,
        "exposure": settings.exposure,
        **subject,
    }
    with span(f"checkpoint {kind}", {"counterproof.checkpoint.kind": str(kind)}) as current:
        checkpoint = ctx.checkpoints.open(kind, opened[kind], whole)
        current.set_attribute("counterproof.checkpoint.id", checkpoint.id)
        current.set_attribute("counterproof.subject.sha256", checkpoint.subject)
    ctx.progress(f"checkpoint {checkpoint.id} waits for: {' or '.join(ROLES_OF[kind])}")
    action = f"decide_{kind}"
    request = {
        "action_requests": [
            {
                "name": action,
                "args": {"checkpoint": checkpoint.id, "subject_sha256": checkpoint.subject},
                "description": f"The {kind} of study {state['study']} waits for a signed decision. "
                f"Look at it with `counterproof show {checkpoint.id}`, sign it with `counterproof decide`.",
            }
        ],
        "review_configs": [{"action_name": action, "allowed_decisions": ["approve", "edit", "reject"]}],
    }
    return {"checkpoint": checkpoint.id, "request": request, "opened": opened}


def decided(ctx: StudyContext, state: StudyState, kind: CheckpointKind) -> Decision:
    """Return the recorded decision on the waiting checkpoint, which must be of the node's kind.

    Raises:
        DecisionRequired: nobody decided yet, whatever the answer to the interrupt said.
        VerificationFailed: the recorded decision is forged, or the state names a checkpoint of another kind.
    """
    if ctx.checkpoints.get(state["checkpoint"]).kind != kind:
        raise VerificationFailed(f"The study is at its {kind} checkpoint, and its state names {state['checkpoint']}.")
    signed = ctx.checkpoints.decision(state["checkpoint"])
    if signed is None:
        raise DecisionRequired(
            f"Checkpoint {state['checkpoint']} waits for a signed decision.",
            advice=f"Look with `counterproof show {state['checkpoint']}`, then `counterproof decide`.",
        )
    made = signed.decision
    ctx.progress(f"{made.checkpoint}: {made.decision} by {made.name} ({made.role})")
    return made


def withdrawn(decision: Decision) -> dict[str, Any]:
    """Return the update that ends a study that was withdrawn."""
    return {"ended": "withdrawn", "reason": f"withdrawn at {decision.checkpoint}: {decision.comment}"}
