"""◆3 release: the output checker lets results cross from the secure side, item by item.

Before this, nothing computed from real data reaches the model or the report.
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from counterproof.agents.context import StudyContext
from counterproof.agents.executions import Outcome, results_of
from counterproof.agents.nodes._checkpoint import decided, put_up, withdrawn
from counterproof.agents.state import StudyState
from counterproof.provenance.errors import ToolFailed
from counterproof.provenance.record import Ref
from counterproof.provenance.reviewers import CheckpointKind

Goto = Literal["release_checkpoint", "report", "export"]


def release_checkpoint(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Wait for the decision on the release and follow it."""
    interrupt(state["request"])
    ctx = runtime.context
    decision = decided(ctx, state, CheckpointKind.RELEASE)
    if decision.decision == "withdraw":
        return Command(goto="export", update=withdrawn(decision))
    if decision.decision == "reject":
        reason = f"the release was rejected: {decision.comment}"
        return Command(goto="export", update={"ended": "rejected", "reason": reason})
    subject = ctx.checkpoints.subject(state["checkpoint"])
    if decision.decision == "edit":
        verdicts = ctx.json(decision.edited)
        kept = {key: subject[key] for key in ("checks", "comparison", "execution")}
        items = [{**item, "verdict": verdicts[item["id"]]} for item in subject["items"]]
        update = put_up(ctx, state, CheckpointKind.RELEASE, {**kept, "items": items, "editable": verdicts})
        return Command(goto="release_checkpoint", update=update)
    released = _release(ctx, subject, decision.checkpoint)
    if not ctx.json(released)["results"]:
        reason = "no result was released"
        return Command(goto="export", update={"released": released, "ended": "cannot_conclude", "reason": reason})
    return Command(goto="report", update={"released": released, "feedback": ""})


def _release(ctx: StudyContext, subject: dict[str, Any], checkpoint: str) -> str:
    """Write down what was released, and return the digest of that document."""
    outcome = Outcome.model_validate(ctx.json(subject["execution"]))
    if outcome.synthetic:
        raise ToolFailed("The results are the twin's; what was computed from synthetic data is never released.")
    results, flow = results_of(ctx, outcome)
    passed = {item["id"] for item in subject["items"] if item["verdict"] == "release"}
    files = [output for output in outcome.outputs if output.name in passed]
    document = {
        "schema": "counterproof/released/1",
        "checkpoint": checkpoint,
        "execution": subject["execution"],
        "order": outcome.order,
        "synthetic": False,
        "results": [item.model_dump(mode="json") for item in results.results if f"result:{item.id}" in passed],
        "flow": flow.model_dump(mode="json", by_alias=True) if "flow" in passed else None,
        "files": [output.model_dump(mode="json") for output in files],
        "suppressed": sorted(item["id"] for item in subject["items"] if item["verdict"] != "release"),
        "checks": {made["id"]: made["verdict"] for made in subject["checks"]},
    }
    refs: list[Ref] = [ctx.put_json("released", document)]
    refs += [ctx.record.put(f"output:{output.name}", ctx.record.blobs.get(output.sha256)) for output in files]
    ctx.note_once("results.released", {"checkpoint": checkpoint}, refs)
    return refs[0].sha256
