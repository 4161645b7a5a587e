"""The versions of each program: who wrote them, in what order, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterproof.provenance.events import Event
from counterproof.provenance.transparency.bodies import Bodies, as_dict


@dataclass(frozen=True, kw_only=True)
class Program:
    """One version of a program.

    Attributes:
        role: primary or replication.
        number: 1 for the first version of its role.
        language: of the program.
        sha256: digest of its text.
        code: its text; None where this copy withholds it.
        author: "model", or the name of the reviewer who edited it.
        notes: what the model says a reviewer should look at.
        seq: number of the event that brought it.
        approved: the code checkpoint that approved it last; "" where none did.
    """

    role: str
    number: int
    language: str
    sha256: str
    code: str | None
    author: str
    notes: str
    seq: int
    approved: str


def read_programs(events: Sequence[Event], bodies: Bodies) -> tuple[Program, ...]:
    """Return every version of every program, by role and then in the order in which they came."""
    found: list[Program] = []
    approved = _approved(events, bodies)
    for event in events:
        if event.type == "program.written":
            sha256, notes = event.ref("program").sha256, ""
            notes = next((bodies.text(ref.sha256) or "" for ref in event.refs if ref.role == "notes"), "")
            found.append(_version(event, str(event.data["role"]), sha256, found, bodies, approved, "model", notes))
        elif event.type == "program.edited":
            author = _editor(events, str(event.data["checkpoint"]))
            for role, sha256 in sorted(event.data["programs"].items()):
                if _newest(found, role) != sha256:
                    found.append(_version(event, role, sha256, found, bodies, approved, author, ""))
    return tuple(sorted(found, key=lambda program: (program.role, program.number)))


def _version(
    event: Event,
    role: str,
    sha256: str,
    before: Sequence[Program],
    bodies: Bodies,
    approved: dict[str, str],
    author: str,
    notes: str,
) -> Program:
    own = [program for program in before if program.role == role]
    return Program(
        role=role,
        number=len(own) + 1,
        language=str(event.data.get("language") or (own[-1].language if own else "")),
        sha256=sha256,
        code=bodies.text(sha256),
        author=author,
        notes=notes,
        seq=event.seq,
        approved=approved.get(sha256, ""),
    )


def _newest(found: Sequence[Program], role: str) -> str:
    return next((program.sha256 for program in reversed(found) if program.role == role), "")


def _approved(events: Sequence[Event], bodies: Bodies) -> dict[str, str]:
    found = {}
    for event in events:
        if event.type == "decision.recorded" and (event.data["kind"], event.data["decision"]) == ("code", "approve"):
            subject = as_dict(bodies.json(event.data["subject"]))
            for program in subject.get("programs", []):
                found[str(program["sha256"])] = str(event.data["checkpoint"])
    return found


def _editor(events: Sequence[Event], checkpoint: str) -> str:
    decided = [event for event in events if event.type == "decision.recorded"]
    names = [str(event.data["reviewer"]["name"]) for event in decided if event.data["checkpoint"] == checkpoint]
    return names[-1] if names else "a reviewer"
