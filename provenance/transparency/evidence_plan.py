"""Queries for the sections D (data), E (plan) and H (results)."""

from __future__ import annotations

from typing import Any

from counterproof.provenance.transparency.bodies import as_dict, as_list
from counterproof.provenance.transparency.calls import Call
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
from counterproof.provenance.twins import guarantee, twin_rows

_EQUATOR = {
    "randomised_trial": "CONSORT",
    "cohort": "STROBE",
    "case_control": "STROBE",
    "cross_sectional": "STROBE",
    "meta_analysis": "PRISMA",
    "prediction": "TRIPOD+AI",
}
_ESTIMAND = ("population", "treatment", "variable", "intercurrent_events", "summary_measure")


def inputs(story: Story) -> Finding:
    """D1."""
    return tuple(
        shown(f"{file['name']}: {counted(int(file['size']), 'byte')}, sha256 {file['sha256']}", [0])
        for file in map(as_dict, as_list(story.created.get("data")))
    )


def missing_data(story: Story) -> Finding:
    """D3."""
    return _planned(story, "missing_data", "The plan says on missing values")


def privacy(story: Story) -> Finding:
    """D4."""
    found = [
        shown(f"The model's exposure to the data was {str(story.created.get('exposure', 'not recorded'))!r}.", [0])
    ]
    hosts: dict[str, list[int]] = {}
    sent = [call for call in story.calls if call.source != "cassette"]
    for call in sent:
        hosts.setdefault(call.host or "an endpoint that is not recorded", []).append(call.started)
    for host, seqs in hosts.items():
        found.append(shown(f"{counted(len(seqs), 'request')} went to {host}; the record holds each whole.", seqs))
    if read := [call.started for call in story.calls if call.source == "cassette"]:
        found.append(shown(f"{counted(len(read), 'answer')} came from another record; nothing was sent for it.", read))
    if not story.calls:
        found.append(shown("No request was sent to a model.", [0]))
    for event in story.of_type("intake.finished"):
        columns = [f"{row['file']}: {row['column']}" for row in map(as_dict, as_list(event.data.get("identifiers")))]
        text = f"Columns found that may identify a person: {listed(columns) or 'none (which is no proof)'}."
        found.append(shown(text, [event.seq]))
        for row in twin_rows(event):
            made = f"Synthetic twin of {row['file']}, {short(str(row['sha256']))}: {row['engine']}, {guarantee(row)}."
            found.append(shown(made, [event.seq]))
    shared = "are" if story.created.get("share_data") else "are not"
    found.append(shown(f"The data files themselves {shared} part of the bundle.", [0]))
    back_ends = listed(str(run.isolation.get("back_end", "")) for run in story.runs)
    if back_ends:
        found.append(shown(f"Programs ran in: {back_ends}.", [seq for run in story.runs for seq in run.events]))
    return tuple(found)


def question(story: Story) -> Finding:
    """E1."""
    return (shown(f"Question: {story.question}", [0]),)


def plan_history(story: Story) -> Finding:
    """E3."""
    found = [
        shown(f"Draft {event.data.get('round')}: {event.ts}.", [event.seq]) for event in story.of_type("plan.drafted")
    ]
    for ruling in story.decided:
        if ruling.decision == "replan" or (ruling.kind == "plan" and ruling.decision != "approve"):
            found.append(shown(f"{ruling.checkpoint}: {ruling.decision}, reason: {ruling.comment}", ruling.events))
    locked = story.of_type("plan.locked")
    found += [
        shown(f"Version {number} locked {event.ts}, {short(event.ref('plan').sha256)}; replaced later.", [event.seq])
        for number, event in enumerate(locked[:-1], start=1)
    ]
    if not locked:
        return tuple(found) if found else Lacking(why="No plan was drafted.")
    real = [run for run in story.runs if not run.synthetic]
    if not real:
        after = "No program was run on the real data."
    elif real[0].started > locked[-1].seq:
        after = f"The first execution on the real data came after it (event {real[0].started}, {real[0].started_at})."
    else:
        after = f"A program had run on the real data before (event {real[0].started})."
    seqs = [locked[-1].seq, *(run.started for run in real[:1])]
    return (*found, shown(f"Locked {locked[-1].ts}, {short(locked[-1].ref('plan').sha256)}. {after}", seqs))


def estimand(story: Story) -> Finding:
    """E4."""
    given = as_dict(story.plan.get("estimand"))
    missing = [name for name in _ESTIMAND if given.get(name) in (None, "")]
    if missing:
        return _no_plan(story) or Lacking(why=f"The locked plan lacks of the estimand: {listed(missing)}.")
    return tuple(
        shown(f"{name.replace('_', ' ')}: {_words(given[name]) or 'none is expected'}", story.numbers("plan.locked"))
        for name in _ESTIMAND
    )


def estimators(story: Story) -> Finding:
    """E5."""
    found = [
        shown(f"{method.get('id')}: {method.get('description')}", story.numbers("plan.locked"))
        for method in map(as_dict, as_list(story.plan.get("methods")))
    ]
    if not found or story.plan.get("sensitivity") in (None, ""):
        return _no_plan(story) or Lacking(why="The locked plan lacks methods, or says nothing on sensitivity analyses.")
    text = _words(story.plan["sensitivity"]) or "none is planned"
    return (*found, shown(f"Sensitivity: {text}", story.numbers("plan.locked")))


def error_rates(story: Story) -> Finding:
    """E6."""
    fields = ("alpha", "sides", "ci_level", "multiplicity")
    missing = [name for name in fields if name not in story.plan]
    if missing:
        return _no_plan(story) or Lacking(why=f"The locked plan lacks: {listed(missing)}.")
    text = f"Alpha {story.plan['alpha']:g}, {story.plan['sides']}-sided; level of intervals {story.plan['ci_level']:g}."
    locked = story.numbers("plan.locked")
    return (shown(text, locked), shown(f"Multiplicity: {_words(story.plan['multiplicity'])}", locked))


def assumptions(story: Story) -> Finding:
    """E7."""
    locked = story.numbers("plan.locked")
    population = as_dict(story.plan.get("estimand")).get("population")
    methods = [as_dict(method) for method in as_list(story.plan.get("methods"))]
    if not population or not methods:
        return _no_plan(story) or Lacking(why="The locked plan lacks the population or the methods.")
    return (
        shown(f"Population: {population}", locked),
        *[
            shown(
                f"{method.get('id')} assumes: {one.get('assumption')} Looked at: {one.get('check')} "
                f"If that fails: {one.get('if_violated')}",
                locked,
            )
            for method in methods
            for one in map(as_dict, as_list(method.get("assumptions")))
        ],
    )


def deviations(story: Story) -> Finding:
    """E8."""
    if not story.released:
        return NotApplicable(reason="Nothing was released, so there is nothing to compare with the plan.")
    planned, released = _ids(story.plan), _ids(story.released)
    missing = [name for name in planned if name not in released]
    extra = [name for name in released if name not in planned]
    seqs = (*story.numbers("plan.locked"), *story.numbers("results.released"))
    return (
        shown(f"Planned results that were not released: {listed(missing) or 'none'}.", seqs),
        shown(f"Released results that were not planned: {listed(extra) or 'none'}.", seqs),
    )


def prespecified(story: Story) -> Finding:
    """E9."""
    if not story.released:
        return NotApplicable(reason="Nothing was released.")
    planned, seqs = _ids(story.plan), (*story.numbers("plan.locked"), *story.numbers("results.released"))
    return tuple(
        shown(f"{name}: {'planned' if name in planned else 'exploratory'}", seqs) for name in _ids(story.released)
    )


def results(story: Story) -> Finding:
    """H1."""
    if not story.released:
        return NotApplicable(reason="Nothing was released.")
    return tuple(
        shown(_result(result), story.numbers("results.released"))
        for result in map(as_dict, as_list(story.released.get("results")))
    )


def errors(story: Story) -> Finding:
    """H2."""
    if not story.calls:
        return NotApplicable(reason="The record holds no call of a language model.")
    made = count(story)
    unusable: list[Call | Run] = [call for call in story.calls if call.key.rpartition("/")[2] not in ("", "1")]
    faulty = [run for run in story.runs if run.ending == "finished" and not run.ok]
    found = [
        shown(
            f"{counted(made.model_repairs, 'answer')} could not be used and asked for again; "
            f"{counted(len(faulty), 'run')} of programs failed; {counted(made.rejected, 'rejection')} and "
            f"{counted(made.edited, 'edit')} by reviewers.",
            [seq for effect in [*unusable, *faulty] for seq in effect.events] or [0],
        )
    ]
    for run in faulty:
        where = "twin" if run.synthetic else "real data"
        text = f"The {run.role} program {short(run.program)} failed on the {where}: {run.status}, exit {run.exit_code}."
        found.append(shown(text, run.events))
    return tuple(found)


def images(story: Story) -> Finding:
    """H3."""
    names = [str(as_dict(file).get("name")) for file in as_list(story.released.get("files"))]
    figures = [name for name in names if name.startswith("figures/")]
    if not figures:
        return NotApplicable(reason="No figure was released.")
    text = f"{listed(figures)}: made by program code (digital source type: algorithmicMedia)."
    return (shown(text, story.numbers("results.released")),)


def design(story: Story) -> Finding:
    """J2."""
    named = str(story.plan.get("design", ""))
    if not named:
        return _no_plan(story) or Lacking(why="The locked plan names no design.")
    list_ = _EQUATOR.get(named)
    hint = f"; the EQUATOR checklist for it is {list_}" if list_ else "; no EQUATOR checklist is proposed for it"
    return (shown(f"Design: {named.replace('_', ' ')}{hint}.", story.numbers("plan.locked")),)


def _result(result: dict[str, Any]) -> str:
    low, high = result.get("ci_low"), result.get("ci_high")
    interval = (
        f", {result['ci_level'] * 100:g}% interval {low:.6g} to {high:.6g}" if low is not None else ", no interval"
    )
    p_value = f", p = {result['p_value']:.4g}" if result.get("p_value") is not None else ", no p value"
    return (
        f"{result.get('id')} ({result.get('label')}): {result['value']:.6g} {result.get('unit')}{interval}{p_value}, "
        f"n = {result.get('n')}, method: {result.get('method')}, in: {result.get('population')}"
    )


def _ids(document: dict[str, Any]) -> list[str]:
    return [str(as_dict(result).get("id")) for result in as_list(document.get("results"))]


def _planned(story: Story, field: str, says: str) -> Finding:
    if not story.plan.get(field):
        return _no_plan(story) or Lacking(why=f"The locked plan has no field {field!r}.")
    return (shown(f"{says}: {_words(story.plan[field])}", story.numbers("plan.locked")),)


def _words(value: Any) -> str:
    """Return a part of a plan in words, whatever fields it has; "" for an empty one."""
    if isinstance(value, dict):
        fields = {name: _words(inner) for name, inner in value.items()}
        return "; ".join(f"{name.replace('_', ' ')}: {text}" for name, text in fields.items() if text)
    if isinstance(value, list):
        return " | ".join(map(_words, value))
    return str(value)


def _no_plan(story: Story) -> Finding | None:
    return None if story.of_type("plan.locked") else Lacking(why="No plan was locked.")


QUERIES: dict[str, Query] = {
    query.__name__: query
    for query in (
        inputs,
        missing_data,
        privacy,
        question,
        plan_history,
        estimand,
        estimators,
        error_rates,
        assumptions,
        deviations,
        prespecified,
        results,
        errors,
        images,
        design,
    )
}
"""The queries of this module by name."""
