"""◆1 plan: a person approves, edits, rejects or withdraws; approval locks the plan."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import decided, hear, next_number, put_up, withdrawn
from counterproof.agents.prompts import fill, shown
from counterproof.agents.reasons import numbered
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.plan import plan_subject
from counterproof.provenance.reasons import reasons_in
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools import Plan

Goto = Literal["plan", "plan_checkpoint", "write", "export"]


def plan_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the plan and follow it."""
    answer = interrupt(state["request"])
    ctx = runtime.context
    hear(ctx, state, answer)
    decision = decided(ctx, state, CheckpointKind.PLAN)
    if decision.decision == "approve":
        locked = ctx.put_json("plan", ctx.json(state["plan"]))
        ctx.note_once("plan.locked", {"checkpoint": decision.checkpoint}, [locked])
        return Command(goto="write", update={"feedback": ""})
    if decision.decision == "edit":
        document = Plan.model_validate(ctx.json(decision.edited)).model_dump(mode="json")
        ref = ctx.put_json("plan", document)
        subject = plan_subject(ctx, document, number=next_number(state, CheckpointKind.PLAN))
        update = put_up(ctx, state, CheckpointKind.PLAN, subject)
        return Command(goto="plan_checkpoint", update={"plan": ref.sha256, **update})
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    drafts = state["round"]["plan"] - state["round"].get("before_this_plan", 0)
    if drafts >= ctx.settings.max_rounds:
        reason = f"the plan was rejected {drafts} times; last: {decision.comment}"
        return Command(goto="export", update={"ended": "rejected", "reason": reason})
    feedback = fill("feedback", reason=numbered(reasons_in(decision.comment)), before=shown(ctx.json(state["plan"])))
    return Command(goto="plan", update={"feedback": ctx.record.put("feedback", feedback.encode()).sha256})
