"""Queries for the section I (integrity of the record)."""

from __future__ import annotations

from counterproof.provenance.transparency.bodies import as_dict
from counterproof.provenance.transparency.counts import count
from counterproof.provenance.transparency.evidence import Finding, Lacking, Query, counted, listed, shown
from counterproof.provenance.transparency.story import Story


def audit_trail(story: Story) -> Finding:
    """I1."""
    actors = listed(f"{event.actor.kind} {event.actor.id}" for event in story.events)
    text = (
        f"{counted(len(story.events), 'event')} from {story.events[0].ts} to {story.events[-1].ts} (UTC), each with "
        f"who, what and when, and the SHA-256 of the line before. Actors: {actors}."
    )
    return (shown(text, [0, story.events[-1].seq]),)


def tamper_evidence(story: Story) -> Finding:
    """I2."""
    text = (
        f"Head of the chain: {story.events[-1].digest}. A changed, dropped or reordered event changes it; "
        "`counterproof verify` finds where. A rewrite of the whole by the holder of the service key is found only by "
        "comparing the head with one that was published elsewhere."
    )
    return (shown(text, [story.events[-1].seq]),)


def copies(story: Story) -> Finding:
    """I3."""
    text = (
        f"The electronic record has {counted(len(story.events), 'event')}; this statement, for people, was made from "
        "the same events and names the head of their chain."
    )
    return (shown(text, [0, story.events[-1].seq]),)


def gaps(story: Story) -> Finding:
    """I4."""
    made = count(story)
    cut_off = made.model_calls_cut_off + made.executions_cut_off
    found = [
        shown(f"Stops with an error: {made.stops}.", story.numbers("study.stopped") or [0]),
        shown(f"Torn lines cut off: {made.repairs}.", story.numbers("record.repaired") or [0]),
        shown(
            f"Effects cut off: {cut_off}; second attempts after that: {made.second_attempts}.", _cut_off(story) or [0]
        ),
        shown(f"Contents withheld from this copy: {made.withheld}.", _withheld(story) or [0]),
    ]
    for type_, text in (
        ("tracing.degraded", "Tracing was degraded"),
        ("redaction.made", "Contents were redacted"),
        ("record.restored", "Events were put back after a loss of power"),
    ):
        if seqs := story.numbers(type_):
            found.append(shown(f"{text}: {counted(len(seqs), 'event')}.", seqs))
    backwards = [two.seq for one, two in zip(story.events, story.events[1:], strict=False) if two.ts < one.ts]
    found.append(shown(f"Times that go backwards: {len(backwards)}.", backwards or [0]))
    return tuple(found)


def clock(story: Story) -> Finding:
    """I6."""
    told = as_dict(story.created.get("clock"))
    if not told:
        return Lacking(why="The record names no source of its clock, and no offset.")
    if told.get("synchronised") != "yes":
        return Lacking(
            why=f"Clock: {told.get('source')}; followed a time server when the study was made: "
            f"{told.get('synchronised')}. So how far it was off is not known."
        )
    text = (
        f"Clock: {told.get('source')}. When the study was made it followed a time server, and was off by at most "
        f"{told.get('max_error_ms')} ms, as the kernel said."
    )
    return (shown(text, [0]),)


def _cut_off(story: Story) -> list[int]:
    return [effect.started for effect in story.effects if effect.ended is None or effect.after_kill]


def _withheld(story: Story) -> list[int]:
    return [seq for body in story.bodies.withheld() for seq in body.events]


QUERIES: dict[str, Query] = {query.__name__: query for query in (audit_trail, tamper_evidence, copies, gaps, clock)}
"""The queries of this module by name."""
