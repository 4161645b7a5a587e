"""Back to the plan: a locked plan is replaced by its next version, for a reason, and approved anew.

What rested on the old version is left behind: its programs, their conversations and runs, and what they gave. The
approvals of it open nothing any more, which the gate sees for itself (`sandbox.gate`, conditions 5, 8 and 13).
"""

from __future__ import annotations

from typing import Any

from counterproof.agents.context import StudyContext
from counterproof.agents.prompts import fill, shown
from counterproof.agents.reasons import numbered
from counterproof.agents.state import StudyState
from counterproof.provenance.decisions import Decision
from counterproof.provenance.reasons import reasons_in


def back_to_plan(ctx: StudyContext, state: StudyState, decision: Decision) -> dict[str, Any]:
    """Return the update with which the plan is drafted anew, from the reason and the plan so far."""
    feedback = fill("replanning", reason=numbered(reasons_in(decision.comment)), before=shown(ctx.json(state["plan"])))
    written = dict(state.get("written", {}))
    for role, said in state["turns"].items():
        written[role] = written.get(role, 0) + answers_in(said)
    drafts = state["round"]["plan"]
    return {
        "feedback": ctx.record.put("feedback", feedback.encode()).sha256,
        "round": {"plan": drafts, "before_this_plan": drafts},
        "repairs": 0,
        "written": written,
        "turns": {},
        "programs": {},
        "twin_runs": {},
        "executions": {},
        "answered": {},
    }


def answers_in(turns: list[str]) -> int:
    """Return how many answers of the model a conversation holds."""
    return sum(turn.startswith("assistant:") for turn in turns)
