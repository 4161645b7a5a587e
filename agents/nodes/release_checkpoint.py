"""◆3 release: the output checker lets results cross from the secure side, item by item.

Before this, nothing computed from real data reaches the model or the report; so the reason that goes back to the plan
from here holds no digit (`provenance.rules`).
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.executions import media_of
from counterproof.agents.judgement import judge
from counterproof.agents.nodes._checkpoint import decided, hear, put_up_release, withdrawn
from counterproof.agents.nodes._disclosure import release_items
from counterproof.agents.nodes._replanning import back_to_plan
from counterproof.agents.releases import check_proposed
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.release import held_back, release_subject
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Ref
from counterproof.provenance.reviewers import CheckpointKind

Goto = Literal["plan", "release_checkpoint", "report", "export"]


def release_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the release and follow it."""
    answer = interrupt(state["request"])
    ctx = runtime.context
    hear(ctx, state, answer)
    decision = decided(ctx, state, CheckpointKind.RELEASE)
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    if decision.decision == "replan":
        return Command(goto="plan", update=back_to_plan(ctx, state, decision))
    if decision.decision == "reject":
        reason = f"the release was rejected: {decision.comment}"
        return Command(goto="export", update={"ended": "rejected", "reason": reason})
    if decision.decision == "edit":
        judged, verdicts = judge(ctx, state["executions"], plan=state["plan"]), ctx.json(decision.edited)
        items = held_back(release_items(ctx, judged), judged.failed)
        decided_on = [item.model_copy(update={"verdict": verdicts.get(item.id, item.verdict)}) for item in items]
        changed = release_subject(decided_on, judged, execution=state["executions"]["primary"])
        return Command(goto="release_checkpoint", update=put_up_release(ctx, state, changed))
    released = _release(ctx, decision.checkpoint)
    if not ctx.json(released)["results"]:
        failed = [name for name, verdict in ctx.json(released)["checks"].items() if verdict == "fail"]
        reason = "no result was released" + (f"; failed checks: {', '.join(failed)}" if failed else "")
        return Command(goto="export", update={"released": released, "ended": "cannot_conclude", "reason": reason})
    return Command(goto="report", update={"released": released, "feedback": ""})


def check_released(ctx: StudyContext, digest: str) -> dict[str, Any]:
    """Return what was released, as the record and the signed decision have it: the graph's state is not trusted.

    Raises:
        VerificationFailed: these bytes are not what an approved release let go.
    """
    released = ctx.record.of_type("results.released")[-1:]
    signed = ctx.checkpoints.decision(released[0].data["checkpoint"]) if released else None
    approved = signed is not None and (signed.decision.kind, signed.decision.decision) == ("release", "approve")
    if not approved or released[0].ref("released").sha256 != digest:
        raise VerificationFailed(f"The document {digest[:12]}… is not what was released.")
    given: dict[str, Any] = ctx.json(digest)
    return given


def _release(ctx: StudyContext, checkpoint: str) -> str:
    """Write down what was released, and return the digest of that document."""
    document, files = check_proposed(ctx.record, ctx.checkpoints, checkpoint)
    refs: list[Ref] = [ctx.record.put("released", document)]
    for output in files:
        body = ctx.record.blobs.get(output.sha256)
        refs.append(ctx.record.put(f"output:{output.name}", body, media=media_of(output.name)))
    salt = ctx.record.blobs.salt(ctx.checkpoints.proposed(checkpoint))
    ctx.note_once("results.released", {"checkpoint": checkpoint, "salt": salt}, refs)
    return refs[0].sha256
