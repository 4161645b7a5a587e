"""What the four checkpoint nodes share: putting a checkpoint up, and reading what was decided.

A checkpoint node holds one `interrupt` with nothing before it. The value that wakes it up decides nothing: whatever a
client sends, only a recorded and signed decision counts, and without one the study goes on waiting. What another screen
asked for with it is written down as a request (`foreign_answers`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from counterproof.agents.context import StudyContext
from counterproof.agents.foreign_answers import note_request, question
from counterproof.agents.releases import proposed_release
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.head import head_of
from counterproof.provenance.conventions import CHECKPOINT, CHECKPOINT_KIND, SUBJECT
from counterproof.provenance.decisions import Decision, SignedDecision
from counterproof.provenance.errors import CounterproofError, DecisionRequired, VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.telemetry import span


def put_up_release(ctx: StudyContext, state: StudyState, subject: dict[str, Any]) -> dict[str, Any]:
    """Put the next release of an analysis up, with the document that its approval lets go."""

    def propose(checkpoint: str) -> dict[str, Any]:
        return proposed_release(ctx.record, checkpoint, subject)[0]

    return put_up(ctx, state, CheckpointKind.RELEASE, subject, propose=propose)


def put_up(
    ctx: StudyContext,
    state: StudyState,
    kind: CheckpointKind,
    subject: dict[str, Any],
    *,
    propose: Callable[[str], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Put the next checkpoint of a kind up and return the update of the state.

    `propose` is given the id of the checkpoint, and returns what its approval lets go.
    """
    opened = {**state.get("opened", {}), kind: next_number(state, kind)}
    whole = {**head_of(ctx.settings, state["study"], kind), **subject}
    with span(f"checkpoint {kind}", {CHECKPOINT_KIND: str(kind)}) as current:
        checkpoint = ctx.checkpoints.open(kind, opened[kind], whole, propose=propose)
        current.set_attributes({CHECKPOINT: checkpoint.id, SUBJECT: checkpoint.subject})
    ctx.progress(
        f"checkpoint {checkpoint.id} waits for: {' or '.join(ctx.checkpoints.policy().policy.rule(kind).roles)}"
    )
    return {"checkpoint": checkpoint.id, "request": question(checkpoint), "opened": opened}


def next_number(state: StudyState, kind: CheckpointKind) -> int:
    """Return the number of the checkpoint that is put up next, among those of its kind."""
    return state.get("opened", {}).get(kind, 0) + 1


def hear(ctx: StudyContext, state: StudyState, answer: Any) -> None:
    """Write down what another screen asked for with its answer."""
    asked = note_request(ctx.record, ctx.checkpoints.get(state["checkpoint"]), answer)
    if asked is not None:
        ctx.progress(f"{state['checkpoint']}: another screen asks for {asked.decision!r}; only a signature decides")


def decided(ctx: StudyContext, state: StudyState, kind: CheckpointKind) -> Decision:
    """Return the recorded decision on the waiting checkpoint, which must be of the node's kind.

    Raises:
        DecisionRequired: nobody decided yet, whatever the answer to the interrupt said.
        VerificationFailed: the recorded decision is forged, or the state names a checkpoint of another kind.
        CounterproofError: as these; each is in the record.
    """
    try:
        signed = _signed(ctx, state, kind)
    except CounterproofError as error:
        ctx.checkpoints.refused(state["checkpoint"], reviewer="", why=error)
        raise
    made = signed.decision
    ctx.progress(f"{made.checkpoint}: {made.decision} by {made.name} ({made.role})")
    return made


def _signed(ctx: StudyContext, state: StudyState, kind: CheckpointKind) -> SignedDecision:
    if ctx.checkpoints.get(state["checkpoint"]).kind != kind:
        raise VerificationFailed(f"The study is at its {kind} checkpoint, and its state names {state['checkpoint']}.")
    signed = ctx.checkpoints.decision(state["checkpoint"])
    if signed is None:
        raise DecisionRequired(
            f"Checkpoint {state['checkpoint']} waits for a signed decision.",
            advice=f"Look with `counterproof show {state['checkpoint']}`, then `counterproof decide`.",
        )
    return signed


def withdrawn(decision: Decision) -> dict[str, Any]:
    """Return the update that ends a study that was withdrawn."""
    return {"ended": "withdrawn", "reason": f"withdrawn at {decision.checkpoint}: {decision.comment}"}
