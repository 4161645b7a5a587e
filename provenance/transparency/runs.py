"""Executions as the record has them: which program ran where, on what, under which approval.

It does not cover what the programs gave: on real data that is on the secure side until it is released.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from counterproof.provenance.digests import digest_of
from counterproof.provenance.events import Event
from counterproof.provenance.transparency.bodies import Bodies, as_dict, as_list
from counterproof.provenance.transparency.calls import Status, attempts


@dataclass(frozen=True, kw_only=True)
class Run:
    """One attempt of one execution.

    Attributes:
        key: the effect's key in the journal.
        attempt: 1, or more after a failure or a kill.
        started: number of the event before it.
        ended: number of the event after it; None where it was cut off.
        started_at: UTC.
        ended_at: UTC; "" where it was cut off.
        ending: how the attempt ended in the journal.
        after_kill: whether the attempt before was cut off.
        error: why the machine could not run it.
        role: primary or replication.
        language: of the program.
        program: digest of the program.
        synthetic: True where it ran on the twin.
        inputs: digest of each input by name.
        environment: digest of the environment.
        seed: the seed.
        limits: the limits.
        status: what the supervisor says of the program; "" where it was not run to an end.
        exit_code: of the program.
        outputs: names of the collected files.
        rejected: files that were not collected, with the reason.
        outcome: digest of the outcome; "" where there is none.
        order: digest of the order.
        approval: the checkpoint whose approval opened the data; "" where none did.
        gate: number of the event in which the gate opened; None where it did not.
        usage: seconds and MiB.
        isolation: the sandbox's back end and its protections.
        host: facts of the machine.
    """

    key: str
    attempt: int
    started: int
    ended: int | None
    started_at: str
    ended_at: str
    ending: Status
    after_kill: bool
    error: str
    role: str
    language: str
    program: str
    synthetic: bool
    environment: str
    seed: int
    status: str
    exit_code: int | None
    outputs: tuple[str, ...]
    rejected: tuple[str, ...]
    outcome: str
    order: str
    approval: str
    gate: int | None
    inputs: dict[str, str] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    isolation: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)

    @property
    def events(self) -> tuple[int, ...]:
        """Numbers of its events."""
        seen = (self.started, self.gate, self.ended)
        return tuple(seq for seq in seen if seq is not None)

    @property
    def ok(self) -> bool:
        """Whether the program ran to its end."""
        return self.status == "ok"


def read_runs(events: Sequence[Event], bodies: Bodies) -> tuple[Run, ...]:
    """Return every attempt of every execution, in the order in which they were started."""
    gates = [event for event in events if event.type == "gate.opened"]
    return tuple(_run(start, end, gates, bodies) for start, end in attempts(events, "execution"))


def _run(start: Event, end: Event | None, gates: Sequence[Event], bodies: Bodies) -> Run:
    order = as_dict(bodies.json(start.ref("request").sha256))
    until = end.seq if end else 2**62
    gate = next((gate for gate in gates if _opens(gate, start, until)), None)
    responses = [ref.sha256 for ref in end.refs if ref.role == "response"] if end else []
    outcome = as_dict(bodies.json(responses[0])) if responses else {}
    data = end.data if end else {}
    ending: Status = "cut off" if end is None else "finished" if end.type == "effect.finished" else "failed"
    return Run(
        key=str(start.data["key"]),
        attempt=int(start.data["attempt"]),
        started=start.seq,
        ended=end.seq if end else None,
        started_at=start.ts,
        ended_at=end.ts if end else "",
        ending=ending,
        after_kill=bool(start.data.get("after_kill")),
        error=str(data.get("error", "")),
        role=str(order.get("role", "")),
        language=str(order.get("language", "")),
        program=str(order.get("program", "")),
        synthetic=bool(order.get("synthetic")),
        environment=str(order.get("environment", "")),
        seed=int(order.get("seed", 0)),
        status=str(outcome.get("status", "")),
        exit_code=outcome.get("exit_code"),
        outputs=tuple(str(as_dict(output).get("name", "")) for output in as_list(outcome.get("outputs"))),
        rejected=tuple(str(name) for name in as_list(outcome.get("rejected"))),
        outcome=responses[0] if responses else "",
        order=digest_of(order) if order else "",
        approval=str(gate.data["approval"]) if gate else "",
        gate=gate.seq if gate else None,
        inputs={str(file["name"]): str(file["sha256"]) for file in map(as_dict, as_list(order.get("inputs")))},
        limits=as_dict(order.get("limits")),
        usage=as_dict(data.get("usage")),
        isolation=as_dict(data.get("isolation")),
        host=as_dict(data.get("host")),
    )


def _opens(gate: Event, start: Event, until: int) -> bool:
    return gate.data["effect"] == start.data["key"] and start.seq < gate.seq < until
