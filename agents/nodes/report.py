"""Report: the model drafts the text from the plan and the released results; the renderer fills in every number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage
from langgraph.runtime import Runtime

from counterproof.agents.answers import ask
from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._checkpoint import put_up
from counterproof.agents.nodes._replanning import locked_versions
from counterproof.agents.nodes._statement import make_statement_for
from counterproof.agents.nodes.release_checkpoint import check_released
from counterproof.agents.prompts import few_digits, fill, shown
from counterproof.agents.reasons import answered, pending
from counterproof.agents.settings import exposure_in_words
from counterproof.agents.state import StudyState
from counterproof.provenance.labels import mode_notice
from counterproof.provenance.numbers import to_markdown
from counterproof.provenance.reviewers import REPLAY_LABEL, CheckpointKind
from counterproof.tools import Part, Plan, ReportText, Result, deviations, format_number, render
from counterproof.tools.library_warnings import LibraryWarning
from counterproof.tools.plan.changes import changes_between
from counterproof.tools.report import Documents, reporting_items
from counterproof.tools.report.deviations import HEAD as DEVIATIONS_HEAD
from counterproof.tools.report.versions import versions_of_plan
from counterproof.tools.report.warned import warnings_table


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
    results = _results(released)
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
    plan, released = ctx.plan(state["plan"]), check_released(ctx, state["released"])
    results = _results(released)
    sections = render(written, plan=plan, released=results)
    document: dict[str, Any] = {
        "schema": "counterproof/report/1",
        "title": plan.title,
        "head": _head(ctx),
        "sections": _listed(sections),
        "appendix": _listed({**_appendix(plan, released, results), **_versions(ctx)}),
        "released": state["released"],
        "plan": state["plan"],
    }
    markdown = ctx.record.put("report.md", to_markdown(document).encode(), media="text/markdown")
    ref = ctx.put_json("report", document)
    number = state.get("opened", {}).get("signoff", 0) + 1
    ctx.note_once("report.rendered", {"number": number}, [ref, markdown])
    subject = {
        "report": ref.sha256,
        "markdown": to_markdown(document),
        "document": document,
        "released": state["released"],
        "transparency": make_statement_for(ctx, f"{state['study']}.{CheckpointKind.SIGNOFF}.{number}"),
        "editable": written.model_dump(),
        "answered": list(told),
    }
    return {"report": ref.sha256, **put_up(ctx, state, CheckpointKind.SIGNOFF, subject)}


def _check(text: ReportText, plan: Plan, results: dict[str, Result]) -> None:
    render(text, plan=plan, released=results)


def _listed(sections: dict[str, list[Part]]) -> list[dict[str, Any]]:
    return [{"name": name, "parts": [part.model_dump() for part in parts]} for name, parts in sections.items()]


def _results(released: dict[str, Any]) -> dict[str, Result]:
    return {raw["id"]: Result.model_validate(raw) for raw in released["results"]}


def _head(ctx: StudyContext) -> str:
    settings = ctx.settings
    lines = [f"**Question.** {settings.question}", ""]
    if settings.mode == "scenario":
        lines += [f"**This study was {REPLAY_LABEL}: its decisions are scripted, and no person looked at it.**", ""]
    notice = mode_notice(ctx.record.of_type("study.created")[0])
    lines += [f"**{notice}**", ""] if notice else []
    lines += [
        f"Plan, programs and text by the model `{settings.model.model}`; every number by programs that a reviewer "
        f"approved, run on the real data in a sandbox. Exposure `{settings.exposure}`: {exposure_in_words(settings)}.",
        "",
        "| checkpoint | decision | by | role |",
        "|---|---|---|---|",
    ]
    for event in ctx.record.of_type("decision.recorded"):
        if event.data["kind"] == CheckpointKind.SIGNOFF:
            continue
        reviewer = event.data["reviewer"]
        label = f" ({REPLAY_LABEL})" if event.data["replayed"] else ""
        role = ctx.json(event.ref("statement").sha256)["role"]
        lines.append(f"| {event.data['kind']} | {event.data['decision']} | {reviewer['name']}{label} | {role} |")
    return "\n".join(lines)


def _appendix(plan: Plan, released: dict[str, Any], results: dict[str, Result]) -> dict[str, list[Part]]:
    """Return the tables that code makes: all released numbers, participants, deviations, items."""
    parts = [_text("| result | value | interval | p | n |\n|---|---|---|---|---|\n")]
    for name, result in results.items():
        parts.append(_text(f"| {_cell(result.label)} [{_cell(result.unit)}] | "))
        for field, end in (("value", " | "), ("ci", " | "), ("p", " | "), ("n", " |\n")):
            shown_ = format_number(result, field)
            parts += [Part(kind="number", text=shown_, ref=f"{name}.{field}")] if shown_ else []
            parts.append(_text(end))
    departures = deviations(plan, results)
    table = "\n".join([*DEVIATIONS_HEAD, *departures]) if departures else "None."
    items = reporting_items(Documents(plan=plan, flow=released["flow"] is not None, results=len(results)))
    return {
        "released numbers": parts,
        "participants": _participants(released["flow"]),
        "warnings of the libraries": [_text("\n".join(_warnings(released)) + "\n")],
        "deviations from the plan": [_text(table + "\n")],
        **({"reporting items": [_text("\n".join(items) + "\n")]} if items else {}),
    }


def _versions(ctx: StudyContext) -> dict[str, list[Part]]:
    """Return what later versions of the plan changed, and why; nothing where the first one stood."""
    versions = locked_versions(ctx)
    plans = [ctx.json(version.plan) for version in versions]
    changes = [(), *(changes_between(before, after) for before, after in pairwise(plans))]
    lines = versions_of_plan(list(zip(versions, changes, strict=True)))
    return {"versions of the plan": [_text("\n".join(lines) + "\n")]} if lines else {}


def _cell(text: str) -> str:
    """Return a program's words as they may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _warnings(released: dict[str, Any]) -> list[str]:
    held_back = sum(id_.startswith("warning:") for id_ in released["suppressed"])
    return warnings_table([LibraryWarning.model_validate(raw) for raw in released["warnings"]], held_back=held_back)


def _participants(flow: dict[str, Any] | None) -> list[Part]:
    if flow is None:
        return [_text("Not released.\n")]
    parts = [_text("Assessed: "), Part(kind="number", text=str(flow["assessed"]), ref="flow.assessed")]
    for at, excluded in enumerate(flow["excluded"]):
        parts.append(_text(f"; excluded, {excluded['reason']}: "))
        parts.append(Part(kind="number", text=str(excluded["n"]), ref=f"flow.excluded_{at}"))
    parts.append(_text("; analysed: "))
    return [*parts, Part(kind="number", text=str(flow["analysed"]), ref="flow.analysed"), _text(".\n")]


def _text(text: str) -> Part:
    return Part(kind="text", text=text)
