"""The story of a study, read from its record: one value that the statement and the record page are made from.

Pure reading: nothing here judges, and nothing is taken from anywhere but the events and their open bodies.

It does not cover the chain itself (`events.read_chain`) nor whether signatures hold (`decisions.check_decision`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from counterproof.provenance.errors import UsageError
from counterproof.provenance.events import Event
from counterproof.provenance.labels import review_label
from counterproof.provenance.reviewers import REPLAY_LABEL, Reviewer
from counterproof.provenance.transparency.bodies import Bodies, Reader, as_dict, as_list
from counterproof.provenance.transparency.calls import Call, read_calls
from counterproof.provenance.transparency.programs import Program, read_programs
from counterproof.provenance.transparency.runs import Run, read_runs


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """A checkpoint with the decision on it, or without one.

    Attributes:
        checkpoint: its id.
        kind: plan, code, release or signoff.
        subject: digest of the exact bytes that were put up.
        opened: number of the event that put it up.
        opened_at: UTC.
        seq: number of the decision's event; None while nobody decided.
        decision: approve, edit, reject, replan or withdraw; "" while nobody decided.
        name: printed name of who decided.
        orcid: ORCID iD, or "".
        affiliation: name of the institution, or "".
        ror: its ROR id, or "".
        role: in which role.
        meaning: what the signature means.
        comment: the reason given.
        decided_at: UTC, as signed.
        replayed: True where the scripted reviewer signed.
        key_kind: kind of the key that signed, as in `ssh-ed25519`.
        fingerprint: of the key that signed.
        edited: digest of the new content, for an edit.
        waited_s: seconds from putting up to the decision; None while nobody decided.
    """

    checkpoint: str
    kind: str
    subject: str
    opened: int
    opened_at: str
    seq: int | None = None
    decision: str = ""
    name: str = ""
    orcid: str = ""
    affiliation: str = ""
    ror: str = ""
    role: str = ""
    meaning: str = ""
    comment: str = ""
    decided_at: str = ""
    replayed: bool = False
    key_kind: str = ""
    fingerprint: str = ""
    edited: str = ""
    waited_s: float | None = None

    @property
    def events(self) -> tuple[int, ...]:
        """Numbers of its events."""
        return (self.opened,) if self.seq is None else (self.opened, self.seq)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What the record says.

    Attributes:
        events: all events.
        bodies: what may be seen of their bodies.
        study: the study's id.
        title: its title.
        question: what was asked.
        label: how it was reviewed.
        ended: how it ended; "" while it goes on.
        reason: why it ended so.
        created: data of the first event.
        rulings: every checkpoint that was put up.
        calls: every attempt of a model call.
        runs: every attempt of an execution.
        programs: every version of a program.
        plan: the locked plan; empty where none was locked.
        released: what was released; empty where nothing was.
        opened: digests of bodies that the release of a set opened, by the commitments that people signed over.
        report: the last report's document; empty where there is none.
    """

    events: tuple[Event, ...]
    bodies: Bodies
    study: str
    title: str
    question: str
    label: str
    ended: str
    reason: str
    created: dict[str, Any]
    rulings: tuple[Ruling, ...]
    calls: tuple[Call, ...]
    runs: tuple[Run, ...]
    programs: tuple[Program, ...]
    plan: dict[str, Any]
    released: dict[str, Any]
    opened: dict[str, str]
    report: dict[str, Any]

    @property
    def replayed(self) -> bool:
        """Whether nobody looked at it."""
        return self.label == REPLAY_LABEL

    @property
    def effects(self) -> list[Call | Run]:
        """Every attempt of a model call, then every attempt of an execution."""
        return [*self.calls, *self.runs]

    @property
    def decided(self) -> tuple[Ruling, ...]:
        """The checkpoints that were decided."""
        return tuple(ruling for ruling in self.rulings if ruling.seq is not None)

    def of_type(self, *types: str) -> list[Event]:
        """Return the events of these types, oldest first."""
        return [event for event in self.events if event.type in types]

    def numbers(self, *types: str) -> tuple[int, ...]:
        """Return the numbers of the events of these types."""
        return tuple(event.seq for event in self.of_type(*types))


def read_story(events: Sequence[Event], blobs: Reader, *, withheld: Collection[str] = ()) -> Story:
    """Read the story of a study.

    Args:
        events: the whole record, its chain checked.
        blobs: where the bodies are.
        withheld: digests of open bodies that this copy leaves out.

    Raises:
        UsageError: it is not the record of a study.
        VerificationFailed: a body is missing or changed.
    """
    if not events or events[0].type != "study.created":
        raise UsageError("This is no record of a study.", advice="It begins with a `study.created` event.")
    bodies = Bodies(events, blobs, withheld=withheld)
    created = events[0].data
    ends = [event.data for event in events if event.type == "study.ended"]
    return Story(
        events=tuple(events),
        bodies=bodies,
        study=str(created["study"]),
        title=str(created["title"]),
        question=str(created["question"]),
        label=review_label(events),
        ended=str(ends[-1]["ended"]) if ends else "",
        reason=str(ends[-1]["reason"]) if ends else "",
        created=created,
        rulings=_rulings(events, bodies),
        calls=read_calls(events, bodies),
        runs=read_runs(events, bodies),
        programs=read_programs(events, bodies),
        plan=_last(events, bodies, "plan.locked", "plan"),
        released=_last(events, bodies, "results.released", "released"),
        opened=_opened(events, bodies),
        report=_last(events, bodies, "report.rendered", "report"),
    )


def seconds_between(one: str, two: str) -> float:
    """Return the seconds from one time of the record to another."""
    return (datetime.fromisoformat(two) - datetime.fromisoformat(one)).total_seconds()


def _last(events: Sequence[Event], bodies: Bodies, type_: str, role: str) -> dict[str, Any]:
    found = [event for event in events if event.type == type_]
    return as_dict(bodies.json(found[-1].ref(role).sha256)) if found else {}


def _opened(events: Sequence[Event], bodies: Bodies) -> dict[str, str]:
    rows = as_list(_last(events, bodies, "set.released", "released").get("opened"))
    return {str(row.get("commitment")): str(row.get("sha256")) for row in map(as_dict, rows)}


def _rulings(events: Sequence[Event], bodies: Bodies) -> tuple[Ruling, ...]:
    decisions = {event.data["checkpoint"]: event for event in events if event.type == "decision.recorded"}
    opened = [event for event in events if event.type == "checkpoint.opened"]
    return tuple(_ruling(event, decisions.get(event.data["id"]), bodies) for event in opened)


def _ruling(opened: Event, decided: Event | None, bodies: Bodies) -> Ruling:
    base: dict[str, Any] = {
        "checkpoint": str(opened.data["id"]),
        "kind": str(opened.data["kind"]),
        "subject": str(opened.data["subject"]),
        "opened": opened.seq,
        "opened_at": opened.ts,
    }
    if decided is None:
        return Ruling(**base)
    reviewer = Reviewer.model_validate(decided.data["reviewer"])
    signed = as_dict(bodies.json(decided.ref("statement").sha256))
    return Ruling(
        **base,
        seq=decided.seq,
        decision=str(decided.data["decision"]),
        name=reviewer.name,
        orcid=reviewer.orcid,
        affiliation=reviewer.affiliation,
        ror=reviewer.ror,
        role=str(signed.get("role", "")),
        meaning=str(signed.get("meaning", "")),
        comment=str(signed.get("comment", "")),
        decided_at=str(signed.get("decided_at", decided.ts)),
        replayed=bool(decided.data["replayed"]),
        key_kind=reviewer.public_key.partition(" ")[0],
        fingerprint=reviewer.fingerprint,
        edited=str(signed.get("edited", "")),
        waited_s=seconds_between(opened.ts, decided.ts),
    )
