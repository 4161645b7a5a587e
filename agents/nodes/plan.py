"""Plan: the model drafts the statistical analysis plan from the question, the codebook and the suppressed profile."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from counterproof.agents.answers import ask
from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.nodes._replanning import replaced
from counterproof.agents.prompts import codebook_told, fill, shown
from counterproof.agents.reasons import answered, pending, with_answers
from counterproof.agents.state import StudyState
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.twins import twin_rows
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
    ref = ctx.put_json("plan", document)
    ctx.note_once("plan.drafted", {"round": rounds["plan"]}, [ref], durable=False)  # `put_up` flushes it
    return {
        "plan": ref.sha256,
        "round": rounds,
        "feedback": "",
        **put_up(ctx, state, CheckpointKind.PLAN, {**plan_subject(ctx, state, document), "answered": told}),
    }


def plan_subject(ctx: StudyContext, state: StudyState, document: dict[str, Any]) -> dict[str, Any]:
    """Return what the plan checkpoint shows; `editable` is the plan itself, `replaces` the locked one before it."""
    intake = ctx.record.of_type("intake.finished")[-1]
    return {
        "editable": document,
        "data": [file.model_dump(mode="json") for file in ctx.settings.data],
        "profile": ctx.json(state["profile"]),
        "noticed": intake.data["noticed"],
        "identifiers": intake.data["identifiers"],
        "quasi_identifiers": intake.data["quasi_identifiers"],
        "twins": twin_rows(intake),
        "codebook": ctx.settings.codebook,
        "variables": [one.model_dump(mode="json") for one in ctx.settings.variables],
        **replaced(ctx, state, document),
    }
