"""What ◆4 sign-off shows: the report, whose every number is rendered from what was released, with head and appendix."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from counterproof.agents.papers import Papers
from counterproof.agents.settings import exposure_in_words
from counterproof.agents.subjects.plan import locked_versions
from counterproof.provenance.digests import digest_of
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


def report_subject(papers: Papers, written: ReportText, *, plan: str, released: str) -> dict[str, Any]:
    """Return what the sign-off shows of a report; `editable` is what the model, or a person, wrote of it.

    Args:
        papers: of the study.
        written: the text, with references in place of numbers.
        plan: digest of the locked plan.
        released: digest of what was released.
    """
    locked, let_go = papers.plan(plan), papers.json(released)
    results = results_in(let_go)
    document: dict[str, Any] = {
        "schema": "counterproof/report/1",
        "title": locked.title,
        "head": _head(papers),
        "sections": _listed(render(written, plan=locked, released=results)),
        "appendix": _listed({**_appendix(locked, let_go, results), **_versions(papers)}),
        "released": released,
        "plan": plan,
    }
    return {
        "report": digest_of(document),
        "markdown": to_markdown(document),
        "document": document,
        "released": released,
        "editable": written.model_dump(),
    }


def results_in(released: dict[str, Any]) -> dict[str, Result]:
    """Return the released results by their ids."""
    return {raw["id"]: Result.model_validate(raw) for raw in released["results"]}


def _listed(sections: dict[str, list[Part]]) -> list[dict[str, Any]]:
    return [{"name": name, "parts": [part.model_dump() for part in parts]} for name, parts in sections.items()]


def _head(papers: Papers) -> str:
    settings = papers.settings
    lines = [f"**Question.** {settings.question}", ""]
    if settings.mode == "scenario":
        lines += [f"**This study was {REPLAY_LABEL}: its decisions are scripted, and no person looked at it.**", ""]
    notice = mode_notice(papers.record.of_type("study.created")[0])
    lines += [f"**{notice}**", ""] if notice else []
    lines += [
        f"Plan, programs and text by the model `{settings.model.model}`; every number by programs that a reviewer "
        f"approved, run on the real data in a sandbox. Exposure `{settings.exposure}`: {exposure_in_words(settings)}.",
        "",
        "| checkpoint | decision | by | role |",
        "|---|---|---|---|",
    ]
    for event in papers.record.of_type("decision.recorded"):
        if event.data["kind"] == CheckpointKind.SIGNOFF:
            continue
        reviewer = event.data["reviewer"]
        label = f" ({REPLAY_LABEL})" if event.data["replayed"] else ""
        role = papers.json(event.ref("statement").sha256)["role"]
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


def _versions(papers: Papers) -> dict[str, list[Part]]:
    """Return what later versions of the plan changed, and why; nothing where the first one stood."""
    versions = locked_versions(papers)
    plans = [papers.json(version.plan) for version in versions]
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
