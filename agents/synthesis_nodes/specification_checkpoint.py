"""◆ specification: people approve what is to be made, edit it, reject it or withdraw. Nothing is made before."""

from __future__ import annotations

from typing import Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import decided, hear, withdrawn
from counterproof.agents.state import StudyState
from counterproof.agents.synthesis_nodes._specified import put_up_specification
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools.synth.specification import SetSpecification

Goto = Literal["specification_checkpoint", "make", "export"]


def specification_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the specification and follow it."""
    answer = interrupt(state["request"])
    ctx = runtime.context
    hear(ctx, state, answer)
    decision = decided(ctx, state, CheckpointKind.SPECIFICATION)
    if decision.decision == "approve":
        return Command(goto="make")
    if decision.decision == "edit":
        edited = SetSpecification.model_validate(ctx.json(decision.edited))
        return Command(goto="specification_checkpoint", update=put_up_specification(ctx, state, edited))
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    reason = f"the specification was rejected: {decision.comment}"
    return Command(goto="export", update={"ended": "rejected", "reason": reason})
