"""Report: the model drafts the text from the plan and the released results; the renderer fills in every number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from counterproof.agents.answers import ask
from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import next_number, put_up
from counterproof.agents.nodes._statement import make_statement_for
from counterproof.agents.nodes.release_checkpoint import check_released
from counterproof.agents.prompts import few_digits, fill, shown
from counterproof.agents.reasons import answered, pending
from counterproof.agents.state import StudyState
from counterproof.agents.subjects.report import report_subject, results_in
from counterproof.provenance.reviewers import CheckpointKind
from counterproof.tools import Plan, ReportText, Result, render


def report(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Draft the report and put the sign-off up."""
    ctx = runtime.context
    rounds = {**state["round"], "report": state["round"].get("report", 0) + 1}
    ctx.progress(f"report: asking {ctx.settings.model.model} (draft {rounds['report']})")
    plan, released = ctx.plan(state["plan"]), check_released(ctx, state["released"])
    sees = ctx.settings.exposure != "metadata"
    task = fill(
        "reporter_task",
        plan=shown(ctx.json(state["plan"])),
        released=shown(
            few_digits(released["results"]) if sees else [_without_values(result) for result in released["results"]]
        ),
        checks=shown(released["checks"] if sees else sorted(released["checks"])),
        feedback=ctx.text(state["feedback"]) if state.get("feedback") else "",
    )
    results = results_in(released)
    reasons = pending(ctx, CheckpointKind.SIGNOFF)
    written = ask(
        ctx.chat,
        f"report/{rounds['report']}",
        [SystemMessage(fill("reporter") + ("" if sees else "\n\n" + fill("reporter_blind"))), HumanMessage(task)],
        ReportText,
        check=lambda text: _check(text, plan, results),
        reasons=len(reasons),
    )
    told = answered(ctx, CheckpointKind.SIGNOFF, written.answers)
    return {"round": rounds, "feedback": "", **put_up_report(ctx, state, written.value, told)}


def _without_values(result: dict[str, Any]) -> dict[str, Any]:
    """Return what may be said of a released result where the model may see no number: what there is to refer to."""
    words = ("id", "label", "unit", "method", "population")
    told: dict[str, Any] = {name: result[name] for name in words if name in result}
    return {
        **told,
        "has": [name for name in ("value", "ci_low", "ci_high", "p_value", "n") if result.get(name) is not None],
    }


def put_up_report(
    ctx: StudyContext, state: StudyState, written: ReportText, told: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """Render a report, put its sign-off up with the transparency statement, and return the update of the state."""
    check_released(ctx, state["released"])
    made = report_subject(ctx, written, plan=state["plan"], released=state["released"])
    markdown = ctx.record.put("report.md", made["markdown"].encode(), media="text/markdown")
    ref = ctx.put_json("report", made["document"])
    number = next_number(state, CheckpointKind.SIGNOFF)
    ctx.note_once("report.rendered", {"number": number}, [ref, markdown])
    statement = make_statement_for(ctx, f"{state['study']}.{CheckpointKind.SIGNOFF}.{number}")
    subject = {**made, "transparency": statement, "answered": list(told)}
    return {"report": ref.sha256, **put_up(ctx, state, CheckpointKind.SIGNOFF, subject)}


def _check(text: ReportText, plan: Plan, results: dict[str, Result]) -> None:
    render(text, plan=plan, released=results)
