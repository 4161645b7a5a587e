"""◆2 code: a statistician approves exactly these bytes, edits, rejects, goes back to the plan or withdraws."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.executions import PROGRAM_MEDIA
from counterproof.agents.nodes._checkpoint import decided, hear, withdrawn
from counterproof.agents.nodes._replanning import back_to_plan
from counterproof.agents.nodes.write import told
from counterproof.agents.reasons import numbered
from counterproof.agents.state import StudyState
from counterproof.provenance.reasons import reasons_in
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.sandbox.orders import ROLES

Goto = Literal["plan", "write", "dry_run", "execute", "export"]


def code_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the programs and follow it."""
    answer = interrupt(state["request"])
    ctx = runtime.context
    hear(ctx, state, answer)
    decision = decided(ctx, state, CheckpointKind.CODE)
    if decision.decision == "approve":
        return Command(goto="execute")
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    if decision.decision == "replan":
        return Command(goto="plan", update=back_to_plan(ctx, state, decision))
    rounds = {**state["round"], "code": state["round"].get("code", 1) + 1}
    turns = {role: list(said) for role, said in state.get("turns", {}).items()}
    if decision.decision == "edit":
        edited: dict[str, str] = ctx.json(decision.edited)
        programs = dict(state["programs"])
        for role in ROLES:
            media = PROGRAM_MEDIA[ctx.settings.language_of(role)]
            programs[role] = ctx.record.put("program", edited[role].encode(), media=media).sha256
            if programs[role] != state["programs"][role]:
                turns[role].append(told(ctx, f"A reviewer changed your program. It is now:\n\n{edited[role]}"))
        ctx.note_once("program.edited", {"checkpoint": decision.checkpoint, "programs": programs})
        runs = {role: run for role, run in state["twin_runs"].items() if programs[role] == state["programs"][role]}
        update = {"programs": programs, "turns": turns, "twin_runs": runs, "round": rounds, "repairs": 0}
        return Command(goto="dry_run", update=update)
    if rounds["code"] > ctx.settings.max_rounds:
        reason = f"the code was rejected {ctx.settings.max_rounds} times; last: {decision.comment}"
        return Command(goto="export", update={"ended": "rejected", "reason": reason})
    reasons = numbered(reasons_in(decision.comment))
    for role in ROLES:
        turns[role].append(told(ctx, f"A reviewer rejected the programs, for these reasons:\n{reasons}"))
    return Command(goto="write", update={"turns": turns, "twin_runs": {}, "round": rounds, "repairs": 0})
