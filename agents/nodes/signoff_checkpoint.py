"""◆4 sign-off: the investigator takes responsibility for the report, edits it, rejects it or withdraws."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import decided, hear, withdrawn
from counterproof.agents.nodes.report import put_up_report
from counterproof.agents.prompts import fill, shown
from counterproof.agents.reasons import numbered
from counterproof.agents.state import StudyState
from counterproof.provenance.reasons import reasons_in
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools import ReportText

Goto = Literal["signoff_checkpoint", "report", "export"]


def signoff_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the report and follow it."""
    answer = interrupt(state["request"])
    ctx = runtime.context
    hear(ctx, state, answer)
    decision = decided(ctx, state, CheckpointKind.SIGNOFF)
    if decision.decision == "approve":
        return Command(goto="export", update={"ended": "done", "reason": ""})
    if decision.decision == "edit":
        written = ReportText.model_validate(ctx.json(decision.edited))
        return Command(goto="signoff_checkpoint", update=put_up_report(ctx, state, written))
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    if state["round"]["report"] >= ctx.settings.max_rounds:
        reason = f"the report was rejected {state['round']['report']} times; last: {decision.comment}"
        return Command(goto="export", update={"ended": "rejected", "reason": reason})
    before = shown(ctx.checkpoints.subject(decision.checkpoint)["editable"])
    feedback = fill("feedback", reason=numbered(reasons_in(decision.comment)), before=before)
    return Command(goto="report", update={"feedback": ctx.record.put("feedback", feedback.encode()).sha256})
