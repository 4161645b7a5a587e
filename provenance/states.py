"""The states of a study and what leads from one to the next: one table for each purpose.

A study is where its record says it is: `walk` follows the events that move it (a checkpoint is put up, a person
decides, a plan is locked, the data are opened, results are checked, released and reported, the study ends) and refuses
one that can't follow. The gate opens real data in one state only, and `verify` walks the whole record of a bundle.

The same tables are drawn in `docs/oversight.md` (`oversight_page`).

It does not cover whether a process runs the study just now (`store.Status`), nor whether a decision is valid
(`checkpoints`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.permissions import Purpose, purpose_of


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
    SPECIFYING = "specifying"
    SPECIFICATION_WAITS = "specification waits"
    MAKING = "making"
    SAMPLE_WAITS = "sample waits"
    REVISING = "revising"
    JUDGING = "judging"
    LETTING_GO = "letting go"
    LET_GO = "let go"


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
        "lock plan": State.WRITING,
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
        "finish checks": State.EXECUTING,
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
        "render report": State.REPORTING,
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
"""What leads from each state of an analysis, and where to."""

SYNTHESIS: dict[State, dict[str, State]] = {
    State.SPECIFYING: {"put up specification": State.SPECIFICATION_WAITS},
    State.SPECIFICATION_WAITS: {
        "approve": State.MAKING,
        "edit": State.SPECIFYING,
        "reject": State.REFUSED,
        "withdraw": State.LEAVING,
    },
    State.MAKING: {
        "open data": State.MAKING,
        "put up sample": State.SAMPLE_WAITS,
        "end cannot_conclude": State.CANNOT_CONCLUDE,
    },
    State.SAMPLE_WAITS: {"approve": State.JUDGING, "reject": State.REVISING, "withdraw": State.LEAVING},
    State.REVISING: {
        "put up sample": State.SAMPLE_WAITS,
        "put up specification": State.SPECIFICATION_WAITS,
        "end rejected": State.REJECTED,
        "end cannot_conclude": State.CANNOT_CONCLUDE,
    },
    State.JUDGING: {"put up release": State.RELEASE_WAITS},
    State.RELEASE_WAITS: {"approve": State.LETTING_GO, "reject": State.REFUSED, "withdraw": State.LEAVING},
    State.LETTING_GO: {"release set": State.LET_GO},
    State.LET_GO: {"end done": State.DONE},
    State.REFUSED: {"end rejected": State.REJECTED},
    State.LEAVING: {"end withdrawn": State.WITHDRAWN},
    **{end: {} for end in State if end in ENDS},
}
"""What leads from each state of the making of a synthetic set, and where to."""

WAYS: dict[Purpose, tuple[State, dict[State, dict[str, State]]]] = {
    "analysis": (State.PLANNING, TRANSITIONS),
    "synthesis": (State.SPECIFYING, SYNTHESIS),
}
"""Where a study of each purpose begins, and its table."""


def cause_of(event: Event) -> str:
    """Return by what an event moves a study; "" where it moves none."""
    match event.type:
        case "checkpoint.opened":
            return f"put up {event.data['kind']}"
        case "decision.recorded":
            return str(event.data["decision"])
        case "plan.locked":
            return "lock plan"
        case "gate.opened":
            return "open data"
        case "checks.finished":
            return "finish checks"
        case "results.released":
            return "release results"
        case "set.released":
            return "release set"
        case "report.rendered":
            return "render report"
        case "study.ended":
            return f"end {event.data['ended']}"
        case _:
            return ""


def walk(events: Iterable[Event]) -> State:
    """Follow a study's events and return the state that it is in.

    Raises:
        VerificationFailed: an event can't follow; the text names it, the state, and what could.
    """
    state, table = WAYS["analysis"]
    for event in events:
        if event.type == "study.created":
            state, table = WAYS[purpose_of(event.data)]
        cause = cause_of(event)
        if not cause:
            continue
        after = table[state].get(cause)
        if after is None:
            raise VerificationFailed(
                f"Event {event.seq} ({cause}) can't follow: the study was {state.value!r}.",
                allowed=f"From there: {', '.join(table[state]) or 'nothing'}.",
            )
        state = after
    return state
