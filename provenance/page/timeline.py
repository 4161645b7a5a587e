"""The timeline: every event of the record in its order, in words."""

from __future__ import annotations

from typing import Any

from counterproof.provenance.events import Event
from counterproof.provenance.page.overview import badge, when
from counterproof.provenance.reviewers import REPLAY_LABEL
from counterproof.provenance.transparency.bodies import as_dict
from counterproof.provenance.transparency.evidence import counted
from counterproof.provenance.transparency.markup import Children, Html, blob_link, el, join
from counterproof.provenance.transparency.story import Story

_TONES = {
    "effect.failed": "bad",
    "gate.refused": "bad",
    "study.stopped": "bad",
    "record.repaired": "warn",
    "record.restored": "warn",
}
_ACTORS = {"human": "person", "agent": "model", "system": "system"}


def timeline(story: Story) -> Html:
    """Return all events."""
    return el("ol", [_event(story, event) for event in story.events], cls="timeline")


def _event(story: Story, event: Event) -> Html:
    bodies = [
        el("li", f"{ref.role} ", blob_link(ref.sha256, there=story.bodies.has(ref.sha256)), f" {ref.size:,} bytes")
        for ref in event.refs
    ]
    actor = "scripted" if event.data.get("replayed") else _ACTORS.get(event.actor.kind, "system")
    return el(
        "li",
        el("span", event.seq, cls="seq"),
        el("span", when(event.ts)[11:], cls="time", title=event.ts),
        el("span", actor, cls=f"actor {actor}"),
        el(
            "div",
            el("p", el("strong", event.type), " ", described(event)),
            el("details", el("summary", counted(len(bodies), "body", "bodies")), el("ul", bodies, cls="inside"))
            if bodies
            else None,
        ),
        cls="event",
        id=f"event-{event.seq}",
    )


def described(event: Event) -> Html:
    """Return what happened in words."""
    return join(_words(event, event.data), [" ", badge("failed", "bad")] if _TONES.get(event.type) == "bad" else None)


def _words(event: Event, data: dict[str, Any]) -> Children:
    match event.type:
        case "study.created":
            return f"a question on {counted(len(data.get('data', [])), 'data file')}"
        case "effect.started" | "effect.finished" | "effect.failed":
            return _effect(data)
        case "checkpoint.opened":
            return f"{data.get('id')} over {str(data.get('subject'))[:12]}…"
        case "decision.recorded":
            label = f" ({REPLAY_LABEL})" if data.get("replayed") else ""
            by = as_dict(data.get("reviewer")).get("name")
            return [f"{data.get('checkpoint')}: ", el("strong", str(data.get("decision"))), f" by {by}{label}"]
        case "gate.opened":
            return f"real data opened to {data.get('effect')} by {data.get('approval')}"
        case "gate.refused" | "study.stopped":
            return str(data.get("why") or data.get("error") or "")
        case "study.ended":
            return f"{data.get('ended')} {data.get('reason')}".strip()
        case "checks.finished":
            verdicts = as_dict(data.get("verdicts"))
            return ", ".join(f"{name} {verdict}" for name, verdict in verdicts.items())
        case "set.made":
            return f"round {data.get('round')}"
        case "set.judged":
            return f"rated by {data.get('raters')} people, after {data.get('checkpoint')}"
        case "program.written":
            return f"{data.get('role')}, version {data.get('number')}, {data.get('language')}"
        case _:
            return str(data.get("checkpoint", ""))


def _effect(data: dict[str, Any]) -> str:
    again = f", attempt {data['attempt']}" if data.get("attempt", 1) > 1 else ""
    status = f": {data['status']}" if "status" in data else ""
    error = f": {data['error']}" if "error" in data else ""
    killed = ", after the process died inside" if data.get("after_kill") else ""
    return f"{data.get('kind')} {data.get('key')}{again}{killed}{status}{error}"
