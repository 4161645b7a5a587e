"""Queries for the sections F (execution) and G (human oversight).

A replayed study has no human oversight: what its scripted reviewer signed is counted and labelled, and items that ask
for people lack their evidence.
"""

from __future__ import annotations

from typing import Any

from counterproof.provenance.decisions import check_decision
from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.numbers import check_numbers
from counterproof.provenance.reviewers import REPLAY_LABEL, Reviewer
from counterproof.provenance.transparency.bodies import as_dict, as_list
from counterproof.provenance.transparency.counts import count
from counterproof.provenance.transparency.evidence import (
    Finding,
    Lacking,
    NotApplicable,
    Query,
    counted,
    listed,
    short,
    shown,
)
from counterproof.provenance.transparency.runs import Run
from counterproof.provenance.transparency.story import Story

_NO_PROGRAM = NotApplicable(reason="No program was written in this study.")
_NOBODY = Lacking(why=f"{REPLAY_LABEL.capitalize()}: the decisions are scripted, and no person signed.")
_UNDECIDED = Lacking(why="Nobody has decided anything.")


def program_versions(story: Story) -> Finding:
    """F1."""
    if not story.programs:
        return _NO_PROGRAM
    return tuple(
        shown(
            f"{program.role}, version {program.number}, {program.language}, by {program.author}, sha256 "
            f"{program.sha256}, {_approved(story, program.approved)}",
            [program.seq],
        )
        for program in story.programs
    )


def environment(story: Story) -> Finding:
    """F2."""
    if not story.runs:
        return NotApplicable(reason="No program was run.")
    found: dict[str, list[int]] = {}
    for run in story.runs:
        host = ", ".join(f"{name} {value}" for name, value in sorted(run.host.items()))
        guards = len(as_list(run.isolation.get("protections")))
        text = (
            f"Environment {short(run.environment)}, seed {run.seed}; isolation "
            f"{run.isolation.get('back_end', 'not recorded')} with {guards} protections; host: {host or 'not recorded'}"
        )
        found.setdefault(text, []).extend(run.events)
    put_up = [ruling for ruling in story.rulings if ruling.kind == "code"][-1:]
    for ruling in put_up:
        named = as_dict(as_dict(story.bodies.json(ruling.subject)).get("environments"))
        for text in dict.fromkeys(_packages(as_dict(one)) for one in named.values()):
            found[text] = [ruling.opened]
    return tuple(shown(text, seqs) for text, seqs in found.items())


def executions(story: Story) -> Finding:
    """F3."""
    if not story.runs:
        return NotApplicable(reason="No program was run.")
    return tuple(shown(_run(run), run.events) for run in story.runs)


def all_runs(story: Story) -> Finding:
    """F4."""
    made = count(story)
    every = [seq for run in story.runs for seq in run.events]
    return (
        shown(
            f"{counted(made.executions, 'execution')}: {made.executions_twin} on the synthetic twin, "
            f"{made.executions_real} on the real data; {made.executions_failed} failed, {made.executions_cut_off} cut "
            "off. All are kept.",
            every or [0],
        ),
        shown(
            f"{counted(made.programs_abandoned, 'program version')} written and never approved; "
            f"{counted(made.plan_drafts_abandoned, 'plan draft')} not used; {made.gate_refusals} refusals by the gate.",
            [0, *story.numbers("program.written", "program.edited", "plan.drafted", "gate.refused")],
        ),
    )


def lineage(story: Story) -> Finding:
    """F5."""
    if not story.report or not story.released:
        return NotApplicable(reason="There is no report, or nothing was released.")
    found, faults = check_numbers(story.report, released=story.released, plan=story.plan)
    run = next((run for run in story.runs if run.outcome == story.released.get("execution")), None)
    if faults or run is None or run.gate is None:
        return Lacking(why="; ".join(faults[:3]) or "The released results are not those of an approved execution.")
    text = (
        f"{counted(found, 'number')} of the report resolve to released results of the execution {run.key} of the "
        f"program {short(run.program)} on {listed(run.inputs)}, {_approved(story, run.approval)}."
    )
    return (shown(text, [*run.events, *story.numbers("results.released", "report.rendered")]),)


def rerun(story: Story) -> Finding:
    """F6."""
    compared = story.of_type("replay.compared")
    if not compared:
        return Lacking(why="The record holds no re-run; `counterproof replay` makes one from the bundle.")
    return tuple(shown(f"{event.data.get('outcome')}", [event.seq]) for event in compared)


def checkpoints(story: Story) -> Finding:
    """G1."""
    if not story.rulings:
        return Lacking(why="No checkpoint was put up.")
    return tuple(
        shown(
            f"{_label(ruling.replayed)}{ruling.checkpoint}: subject sha256 {ruling.subject}, "
            + (f"{ruling.decision} after {ruling.waited_s:.1f} s" if ruling.waited_s is not None else "not decided"),
            ruling.events,
        )
        for ruling in story.rulings
    )


def signatures(story: Story) -> Finding:
    """G2."""
    if story.replayed:
        return _NOBODY
    return tuple(
        shown(
            f"{ruling.name} ({ruling.role}), {ruling.decided_at}, {ruling.decision} of {ruling.checkpoint}; meaning: "
            f"{ruling.meaning}; reason: {ruling.comment}",
            ruling.events,
        )
        for ruling in story.decided
    )


def identities(story: Story) -> Finding:
    """G3."""
    if story.replayed:
        return _NOBODY
    people: dict[str, list[int]] = {}
    for ruling in story.decided:
        orcid = f", ORCID iD {ruling.orcid}" if ruling.orcid else ", no ORCID iD"
        of = f" ({ruling.affiliation})" if ruling.affiliation else ""
        key = f"{ruling.key_kind} key {ruling.fingerprint}"
        people.setdefault(f"{ruling.name}{of}{orcid}: {key}", []).extend(ruling.events)
    return tuple(shown(text, seqs) for text, seqs in people.items())


def binding(story: Story) -> Finding:
    """G4."""
    if not story.decided:
        return _UNDECIDED
    held, put_up = 0, {ruling.checkpoint: ruling.subject for ruling in story.rulings}
    for event in story.of_type("decision.recorded"):
        reviewer = Reviewer.model_validate(event.data["reviewer"])
        statement, signature = (story.bodies.get(event.ref(role).sha256) for role in ("statement", "signature"))
        if statement is None or signature is None:
            return Lacking(why="This copy withholds signed statements.")
        try:
            made = check_decision(statement, signature, reviewer=reviewer).decision
        except CounterproofError as error:
            return Lacking(why=f"Event {event.seq}: {error}")
        held += made.subject == event.data["subject"] == put_up.get(made.checkpoint)
    if held != len(story.decided):
        return Lacking(why="A signed statement names another subject than its event.")
    text = f"{counted(held, 'signature')} (Ed25519, SSHSIG) checked, each over the digest of its subject."
    return (shown(_label(story.replayed) + text, story.numbers("decision.recorded")),)


def overrides(story: Story) -> Finding:
    """G5."""
    if not story.decided:
        return _UNDECIDED
    made = count(story)
    text = f"{made.approved} approvals, {made.edited} edits, {made.rejected} rejections, {made.withdrawn} withdrawals."
    others = [ruling for ruling in story.decided if ruling.decision != "approve"]
    return (
        shown(_label(story.replayed) + text, story.numbers("decision.recorded")),
        *[shown(f"{ruling.checkpoint}: {ruling.decision}, {ruling.comment}", ruling.events) for ruling in others],
    )


def order_of_steps(story: Story) -> Finding:
    """G6."""
    real = [run for run in story.runs if not run.synthetic and run.ending == "finished"]
    if not real:
        return NotApplicable(reason="No program was run on the real data.")
    rulings = {ruling.checkpoint: ruling for ruling in story.decided if ruling.decision == "approve"}
    for run in real:
        ruling = rulings.get(run.approval)
        if ruling is None or ruling.seq is None or run.gate is None or ruling.seq > run.gate:
            return Lacking(why=f"Event {run.ended}: an execution on real data without an approval before it.")
    return tuple(
        shown(
            f"{_label(story.replayed)}{run.key} opened the data at event {run.gate}, after the approval of "
            f"{run.approval} at event {rulings[run.approval].seq}.",
            [*run.events, *rulings[run.approval].events],
        )
        for run in real
    )


def verification(story: Story) -> Finding:
    """G8."""
    if story.replayed:
        return _NOBODY
    people = [
        shown(f"{ruling.kind}: {ruling.decision} by {ruling.name} ({ruling.role}): {ruling.comment}", ruling.events)
        for ruling in story.decided
    ]
    checks = [
        shown(f"Checks by code: {', '.join(f'{name} {verdict}' for name, verdict in verdicts.items())}.", [event.seq])
        for event in story.of_type("checks.finished")
        if (verdicts := as_dict(event.data.get("verdicts")))
    ]
    return (*people, *checks) if people else _UNDECIDED


def plan_signatures(story: Story) -> Finding:
    """G9."""
    if story.replayed:
        return _NOBODY
    signed = [ruling for ruling in story.decided if (ruling.kind, ruling.decision) == ("plan", "approve")]
    who = listed(f"{ruling.name} ({ruling.role}, {ruling.meaning})" for ruling in signed) or "nobody"
    roles, meanings = {ruling.role for ruling in signed}, {ruling.meaning for ruling in signed}
    if not {"investigator", "statistician"} <= roles or "authorship" not in meanings:
        return Lacking(
            why=f"The plan carries the signature of {who}; author, statistician and investigator are asked for."
        )
    return (shown(f"The plan was signed by {who}.", [seq for ruling in signed for seq in ruling.events]),)


def _packages(environment: dict[str, Any]) -> str:
    names = [str(name) for name in as_list(environment.get("packages"))]
    what = f"{environment.get('name')} ({environment.get('language')} {environment.get('version')})"
    return f"{what}, {short(str(environment.get('digest', '')))}, {counted(len(names), 'package')}: {listed(names)}"


def _label(replayed: bool) -> str:
    return f"{REPLAY_LABEL.capitalize()}. " if replayed else ""


def _approved(story: Story, checkpoint: str) -> str:
    label = f" ({REPLAY_LABEL})" if story.replayed else ""
    return f"approved at {checkpoint}{label}" if checkpoint else "not approved"


def _run(run: Run) -> str:
    where = "synthetic twin" if run.synthetic else "real data"
    ended = run.ended_at or "cut off"
    status = run.status or run.error or run.ending
    usage = ", ".join(f"{name} {value}" for name, value in sorted(run.usage.items()))
    return f"{run.role} on the {where}: {run.started_at} to {ended}, status {status}, exit {run.exit_code}; {usage}"


QUERIES: dict[str, Query] = {
    query.__name__: query
    for query in (
        program_versions,
        environment,
        executions,
        all_runs,
        lineage,
        rerun,
        checkpoints,
        signatures,
        identities,
        binding,
        overrides,
        order_of_steps,
        verification,
        plan_signatures,
    )
}
"""The queries of this module by name."""
