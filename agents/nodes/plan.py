"""Plan: the model drafts the statistical analysis plan from the question, the codebook and the suppressed profile."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from counterproof.agents.answers import ask
from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import next_number, put_up
from counterproof.agents.prompts import codebook_told, fill, shown
from counterproof.agents.reasons import answered, pending, with_answers
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.plan import plan_subject
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools import Plan
from counterproof.tools.profile import told as profile_told


def plan(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Draft a plan and put its checkpoint up."""
    ctx = runtime.context
    rounds = {**state.get("round", {}), "plan": state.get("round", {}).get("plan", 0) + 1}
    ctx.progress(f"plan: asking {ctx.settings.model.model} (draft {rounds['plan']})")
    reasons = pending(ctx, CheckpointKind.PLAN)
    task = fill(
        "planner_task",
        question=ctx.settings.question,
        codebook=codebook_told(ctx.settings),
        profile=shown(profile_told(ctx.json(state["profile"]))),
        feedback=ctx.text(state["feedback"]) if state.get("feedback") else "",
        schema=shown(with_answers(Plan.model_json_schema(), len(reasons))),
    )
    messages = [SystemMessage(fill("planner")), HumanMessage(task)]
    drafted = ask(ctx.chat, f"plan/{rounds['plan']}", messages, Plan, reasons=len(reasons))
    document = drafted.value.model_dump(mode="json")
    told = answered(ctx, CheckpointKind.PLAN, drafted.answers)
    subject = plan_subject(ctx, document, number=next_number(state, CheckpointKind.PLAN))
    ref = ctx.put_json("plan", document)
    ctx.note_once("plan.drafted", {"round": rounds["plan"]}, [ref], durable=False)  # `put_up` flushes it
    return {
        "plan": ref.sha256,
        "round": rounds,
        "feedback": "",
        **put_up(ctx, state, CheckpointKind.PLAN, {**subject, "answered": told}),
    }
