"""View objects of a study's work: its plans, programs, checks, and results with where each comes from.

Each is read from the record on its own. What was computed from real data and is not released yet is not in them: that
stands on the page of the release, for who decides it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from counterproof.agents.study import OpenStudy, open_study
from counterproof.provenance.events import Event
from counterproof.provenance.plan_versions import plan_versions as locked_versions
from counterproof.provenance.transparency.bodies import Bodies
from counterproof.provenance.transparency.programs import read_programs
from counterproof.tools.library_warnings import LibraryWarning
from counterproof.tools.plan import Plan, readable_plan
from counterproof.tools.report import flow_diagram
from counterproof.tools.results import Flow
from counterproof.ui.desk import Desk
from counterproof.ui.differences import changes, side_by_side
from counterproof.ui.rendering import version_text
from counterproof.ui.subjects import Listing, Sides


@dataclass(frozen=True, kw_only=True)
class PlanVersion:
    """One version of the plan."""

    name: str
    markdown: str
    changes: Listing
    """Against the version before."""
    why: str
    """Why it took the place of a locked version; "" where it did not."""


@dataclass(frozen=True, kw_only=True)
class ProgramVersion:
    """One version of a program."""

    name: str
    language: str
    sha256: str
    code: str
    notes: str
    approved: str
    """The checkpoint that approved it; "" where none did."""
    before: Sides | None
    """Beside the version before; None for the first."""


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """A released table or figure."""

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class ResultsView:
    """The released results."""

    numbers: Listing
    lineage: Listing
    """Of the number that was asked for; no rows where none was."""
    ids: tuple[str, ...]
    result: str
    """The number that was asked for; "" for none."""
    files: tuple[ReleasedFile, ...]
    suppressed: tuple[str, ...]
    warnings: Listing
    """What the libraries warned of, as far as it was released."""
    flow: str
    """The diagram of participants as SVG; "" where there is none."""


def plan_versions(desk: Desk, study_id: str) -> tuple[PlanVersion, ...]:
    """Return every version of the plan, newest first; the locked one says so.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    study = _study(desk, study_id)
    found: list[PlanVersion] = []
    before: dict[str, Any] | None = None
    events = study.record.of_type("plan.locked", "decision.recorded", "gate.opened")
    locked = {version.event: version for version in locked_versions(events, study.record.blobs.get)}
    for event in study.record.of_type("plan.drafted", "plan.locked"):
        plan = Plan.model_validate_json(study.record.blobs.get(event.ref("plan").sha256))
        content = plan.model_dump(mode="json")
        version = locked.get(event.seq)
        word = f"Draft {event.data['round']}" if version is None else f"Version {version.number}, locked"
        why = version_text(version) if version is not None and version.reasons else ""
        against = changes(content if before is None else before, content, title="Changed since the version before")
        found.append(
            PlanVersion(name=f"{word} ({event.ts[:16]} UTC)", markdown=readable_plan(plan), changes=against, why=why)
        )
        before = content
    return tuple(reversed(found))


def program_versions(desk: Desk, study_id: str) -> tuple[ProgramVersion, ...]:
    """Return every version of every program, by role.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    study = _study(desk, study_id)
    events = study.record.events()
    earlier: dict[str, str] = {}
    found = []
    for program in read_programs(events, Bodies(events, study.record.blobs)):
        code = program.code or ""
        before = earlier.get(program.role)
        found.append(
            ProgramVersion(
                name=f"{program.role} {program.number}, by {program.author}",
                language=program.language,
                sha256=program.sha256,
                code=code,
                notes=program.notes,
                approved=program.approved,
                before=None if before is None else side_by_side(before, code, names=("version before", "this one")),
            )
        )
        earlier[program.role] = code
    return tuple(found)


def checks_listing(desk: Desk, study_id: str) -> Listing:
    """Return the verdicts of all checks; their evidence may hold what is not released, so it stands at the release.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    study = _study(desk, study_id)
    finished = study.record.of_type("checks.finished")
    if not finished:
        return Listing(title="Checks", rows=(), empty="No check was run yet.")
    checks = json.loads(study.record.blobs.get(finished[-1].ref("checks").sha256))
    order = ("fail", "warn", "pass", "not_applicable")
    rows = [
        {"verdict": one["verdict"].replace("_", " "), "check": one["title"]}
        for one in sorted(checks, key=lambda one: order.index(one["verdict"]))
    ]
    return Listing(title="Checks", rows=tuple(rows))


def results_view(desk: Desk, study_id: str, *, result: str = "") -> ResultsView:
    """Return what was released, and the lineage of one number where one is asked for.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    study = _study(desk, study_id)
    events = study.record.of_type("results.released")
    empty = Listing(title="Numbers", rows=(), empty="Nothing is released yet.")
    if not events:
        return ResultsView(
            numbers=empty, lineage=empty, ids=(), result="", files=(), suppressed=(), warnings=_warnings({}), flow=""
        )
    released = json.loads(study.record.blobs.get(events[-1].ref("released").sha256))
    known = {one["id"]: one for one in released["results"]}
    named = result if result in known else ""
    files = [
        ReleasedFile(name=ref.role.removeprefix("output:"), content=study.record.blobs.get(ref.sha256))
        for ref in events[-1].refs
        if ref.role.startswith("output:")
    ]
    flow = released["flow"]
    return ResultsView(
        numbers=Listing(title="Numbers", rows=tuple(_row(one) for one in known.values()), empty="None was released."),
        lineage=_lineage(study, events[-1], released, known[named]) if named else empty,
        ids=tuple(known),
        result=named,
        files=tuple(files),
        suppressed=tuple(map(str, released["suppressed"])),
        warnings=_warnings(released),
        flow=flow_diagram(Flow.model_validate(flow)) if flow else "",
    )


def _study(desk: Desk, study_id: str) -> OpenStudy:
    desk.require("read")
    return open_study(desk.workplace, study_id)


def _warnings(released: dict[str, Any]) -> Listing:
    found = [LibraryWarning.model_validate(raw) for raw in released.get("warnings", [])]
    return Listing(
        title="Warnings of the libraries",
        rows=tuple({"program": one.program, "warning": one.in_words()} for one in found),
        empty="None was released.",
    )


def _row(one: dict[str, Any]) -> dict[str, str]:
    ends = f"{one['ci_low']:.6g} to {one['ci_high']:.6g}" if one["ci_low"] is not None else ""
    return {
        "result": one["id"],
        "what": one["label"],
        "value": f"{one['value']:.6g} {one['unit']}",
        "interval": ends,
        "p": "" if one["p_value"] is None else f"{one['p_value']:.4g}",
        "n": str(one["n"]),
        "population": one["population"],
    }


def _lineage(study: OpenStudy, event: Event, released: dict[str, Any], one: dict[str, Any]) -> Listing:
    """Return the steps from a number back to the data, each with what names it."""
    record = study.record
    released_by = _decider(study, event.data["checkpoint"])
    opened = [gate for gate in record.of_type("gate.opened") if gate.data["order"] == released["order"]]
    rows = [
        {"step": "number", "what": f"{one['label']}: {one['value']:.6g} {one['unit']}", "named by": one["id"]},
        {"step": "released by", "what": released_by, "named by": str(event.data["checkpoint"])},
        {"step": "execution", "what": f"method {one['method']}, n = {one['n']}", "named by": released["execution"]},
        {"step": "order", "what": "program, data, environment, limits and seed", "named by": released["order"]},
    ]
    for gate in opened[-1:]:
        effect = str(gate.data["effect"])
        ended = [done for done in record.of_type("effect.finished") if done.data["key"] == effect]
        rows += [
            {"step": "program", "what": effect.split("/")[1], "named by": done.ref("program").sha256}
            for done in ended[-1:]
        ]
        approval = str(gate.data["approval"])
        rows.append({"step": "code approved by", "what": _decider(study, approval), "named by": approval})
    rows += [{"step": "data", "what": file.name, "named by": file.sha256} for file in study.settings.data]
    return Listing(title=f"Where {one['id']} comes from", rows=tuple(rows))


def _decider(study: OpenStudy, checkpoint: str) -> str:
    signed = study.checkpoints.decision(checkpoint)
    return "nobody" if signed is None else f"{signed.decision.name} ({signed.decision.role})"
