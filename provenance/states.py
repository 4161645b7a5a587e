"""The states of a study and what leads from one to the next: one table.

A study is where its record says it is: `walk` follows the events that move it (a checkpoint is put up, a person
decides, the data are opened, results are released, the study ends) and refuses one that can't follow. The gate opens
real data in one state only, and `verify` walks the whole record of a bundle.

The same table is drawn in `docs/oversight.md` (`states_page`).

It does not cover whether a process runs the study just now (`store.Status`), nor whether a decision is valid
(`checkpoints`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.record import Event


class State(StrEnum):
    """Where a study is on its way."""

    PLANNING = "planning"
    PLAN_WAITS = "plan waits"
    WRITING = "writing"
    CODE_WAITS = "code waits"
    EXECUTING = "executing"
    RELEASING = "releasing"
    RELEASE_WAITS = "release waits"
    REPORTING = "reporting"
    SIGNOFF_WAITS = "sign-off waits"
    SIGNED = "signed"
    REFUSED = "refused"
    LEAVING = "leaving"
    DONE = "done"
    CANNOT_CONCLUDE = "cannot conclude"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


ENDS = frozenset({State.DONE, State.CANNOT_CONCLUDE, State.REJECTED, State.WITHDRAWN})
"""Nothing follows these."""

TRANSITIONS: dict[State, dict[str, State]] = {
    State.PLANNING: {
        "put up plan": State.PLAN_WAITS,
        "end rejected": State.REJECTED,
        "end cannot_conclude": State.CANNOT_CONCLUDE,
    },
    State.PLAN_WAITS: {
        "approve": State.WRITING,
        "edit": State.PLANNING,
        "reject": State.PLANNING,
        "withdraw": State.LEAVING,
    },
    State.WRITING: {
        "put up code": State.CODE_WAITS,
        "end rejected": State.REJECTED,
        "end cannot_conclude": State.CANNOT_CONCLUDE,
    },
    State.CODE_WAITS: {
        "approve": State.EXECUTING,
        "edit": State.WRITING,
        "reject": State.WRITING,
        "replan": State.PLANNING,
        "withdraw": State.LEAVING,
    },
    State.EXECUTING: {
        "open data": State.EXECUTING,
        "put up code": State.CODE_WAITS,
        "put up release": State.RELEASE_WAITS,
        "end cannot_conclude": State.CANNOT_CONCLUDE,
    },
    State.RELEASING: {"put up release": State.RELEASE_WAITS},
    State.RELEASE_WAITS: {
        "approve": State.REPORTING,
        "edit": State.RELEASING,
        "reject": State.REFUSED,
        "replan": State.PLANNING,
        "withdraw": State.LEAVING,
    },
    State.REPORTING: {
        "release results": State.REPORTING,
        "put up signoff": State.SIGNOFF_WAITS,
        "end rejected": State.REJECTED,
        "end cannot_conclude": State.CANNOT_CONCLUDE,
    },
    State.SIGNOFF_WAITS: {
        "approve": State.SIGNED,
        "edit": State.REPORTING,
        "reject": State.REPORTING,
        "withdraw": State.LEAVING,
    },
    State.SIGNED: {"end done": State.DONE},
    State.REFUSED: {"end rejected": State.REJECTED},
    State.LEAVING: {"end withdrawn": State.WITHDRAWN},
    **{end: {} for end in State if end in ENDS},
}
"""What leads from each state, and where to."""


def cause_of(event: Event) -> str:
    """Return by what an event moves a study; "" where it moves none."""
    match event.type:
        case "checkpoint.opened":
            return f"put up {event.data['kind']}"
        case "decision.recorded":
            return str(event.data["decision"])
        case "gate.opened":
            return "open data"
        case "results.released":
            return "release results"
        case "study.ended":
            return f"end {event.data['ended']}"
        case _:
            return ""


def walk(events: Iterable[Event]) -> State:
    """Follow a study's events and return the state that it is in.

    Raises:
        VerificationFailed: an event can't follow; the text names it, the state, and what could.
    """
    state = State.PLANNING
    for event in events:
        cause = cause_of(event)
        if not cause:
            continue
        after = TRANSITIONS[state].get(cause)
        if after is None:
            raise VerificationFailed(
                f"Event {event.seq} ({cause}) can't follow: the study was {state.value!r}.",
                allowed=f"From there: {', '.join(TRANSITIONS[state]) or 'nothing'}.",
            )
        state = after
    return state
