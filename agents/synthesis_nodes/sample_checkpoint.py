"""◆ sample: people look at what was made, and rate it. They approve, reject with a reason, or withdraw.

Texts that were rejected are written anew, with the reason; a table goes back to its specification, because the same
specification gives the same rows.
"""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import decided, hear, withdrawn
from counterproof.agents.set_papers import approved_specification
from counterproof.agents.state import StudyState
from counterproof.agents.synthesis_nodes._specified import put_up_specification
from counterproof.provenance.reviewers import CheckpointKind

Goto = Literal["specification_checkpoint", "make", "judge", "export"]


def sample_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the sample and follow it."""
    answer = interrupt(state["request"])
    ctx = runtime.context
    hear(ctx, state, answer)
    decision = decided(ctx, state, CheckpointKind.SAMPLE)
    if decision.decision == "approve":
        return Command(goto="judge")
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    if state["round"]["set"] >= ctx.settings.max_rounds:
        reason = f"the sample was rejected {state['round']['set']} times; last: {decision.comment}"
        return Command(goto="export", update={"ended": "rejected", "reason": reason})
    specification = approved_specification(ctx)
    if specification.kind == "table":
        return Command(goto="specification_checkpoint", update=put_up_specification(ctx, state, specification))
    return Command(goto="make")
