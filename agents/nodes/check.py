"""Checks and replication: code judges the outputs, compares the two programs, and puts the release up.

A failed check or a disagreement of the two programs halts the study here: it is shown to people, never averaged away
and never shown to the model.
"""

from __future__ import annotations

from typing import Any, Literal

from langgraph.runtime import Runtime
from langgraph.types import Command

from counterproof.agents.context import StudyContext
from counterproof.agents.executions import Outcome, recorded_outcome, results_of
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.state import StudyState
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.provenance.telemetry import span
from counterproof.tools import Flow, Item, compare, figure_item, flow_item, result_item, table_item
from counterproof.tools.checks import Check, Evidence, Verdict, run_checks

Goto = Literal["release_checkpoint", "export"]


def check(state: StudyState, runtime: Runtime[StudyContext]) -> Command[Goto]:
    """Run the checks; put the release up when none failed."""
    ctx = runtime.context
    ctx.progress("checks and replication")
    primary, replication = (_outcome(ctx, state, role) for role in ("primary", "replication"))
    results, flow = results_of(ctx, primary)
    evidence = Evidence(
        plan=ctx.plan(state["plan"]),
        rows=ctx.tables[0].rows if len(ctx.tables) == 1 else None,
        primary=results,
        replication=results_of(ctx, replication)[0],
        flow=flow,
    )
    with span("execute_tool checks", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "checks"}):
        checks = run_checks(evidence)
    document = ctx.put_json("checks", [made.model_dump(mode="json") for made in checks], side="secure")
    verdicts = {made.id: made.verdict for made in checks}
    ctx.note_once("checks.finished", {"verdicts": verdicts}, [document])
    failed = [made.id for made in checks if made.verdict is Verdict.FAIL]
    if failed:
        reason = f"failed checks: {', '.join(failed)} (`counterproof show {state['study']}` shows the evidence)"
        update = {"checks": document.sha256, "ended": "cannot_conclude", "reason": reason}
        return Command(goto="export", update=update)
    comparison = [vars(row) for row in compare(evidence.plan, evidence.primary, evidence.replication)]
    items = _items(ctx, primary, flow)
    subject = release_subject(items, checks, comparison, execution=state["executions"]["primary"])
    update = put_up(ctx, state, CheckpointKind.RELEASE, subject)
    return Command(goto="release_checkpoint", update={"checks": document.sha256, **update})


def release_subject(
    items: list[Item], checks: list[Check], comparison: list[dict[str, Any]], *, execution: str
) -> dict[str, Any]:
    """Return what the release checkpoint shows; `editable` is the verdict of each item."""
    return {
        "items": [item.model_dump(mode="json") for item in items],
        "checks": [made.model_dump(mode="json") for made in checks],
        "comparison": comparison,
        "execution": execution,
        "editable": {item.id: item.verdict for item in items},
    }


def _outcome(ctx: StudyContext, state: StudyState, role: str) -> Outcome:
    return recorded_outcome(ctx, state["executions"][role])


def _items(ctx: StudyContext, outcome: Outcome, flow: Flow) -> list[Item]:
    results, _ = results_of(ctx, outcome)
    where = outcome.output("results.json") or ""
    items = [result_item(result, where) for result in results.results]
    items.append(flow_item(flow, outcome.output("flow.json") or ""))
    for output in outcome.outputs:
        data = ctx.record.blobs.get(output.sha256)
        if output.name.startswith("tables/"):
            items.append(table_item(output.name, data, output.sha256))
        elif output.name.startswith("figures/"):
            items.append(figure_item(output.name, data, output.sha256))
    return items
