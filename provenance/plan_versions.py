"""The versions of a study's plan: each that was locked, and why it took the place of the one before.

A plan is locked by its approval. What can replace it is another plan that was approved, after a signed decision
`replan` whose comment is the reason. All of it is in the record; this module reads it from there.

It does not cover drafts that nobody approved, nor what a version changes (`tools.plan.changes`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from counterproof.provenance.events import Event
from counterproof.provenance.reasons import reasons_in


@dataclass(frozen=True, kw_only=True)
class PlanVersion:
    """One locked version of the plan.

    Attributes:
        number: 1 for the first.
        plan: digest of the plan.
        checkpoint: where it was approved, without the study's id.
        event: number of the event that locked it.
        locked_at: UTC.
        sent_back_at: where it was decided to replace the version before, without the study's id; "" for the first.
        by: printed name of who decided that; "" for the first.
        role: in which role; "" for the first.
        reasons: why; empty for the first.
        data_were_open: whether the real data had been opened to a program before that decision.
    """

    number: int
    plan: str
    checkpoint: str
    event: int
    locked_at: str
    sent_back_at: str = ""
    by: str = ""
    role: str = ""
    reasons: tuple[str, ...] = ()
    data_were_open: bool = False


def plan_versions(events: Iterable[Event], read: Callable[[str], bytes]) -> tuple[PlanVersion, ...]:
    """Return the locked versions of a study's plan, the oldest first.

    Args:
        events: of its record; of other types than decisions, locks and openings none is needed.
        read: gives the body of a digest.
    """
    found: list[PlanVersion] = []
    back: Event | None = None
    opened = opened_before = False
    for event in events:
        if event.type == "gate.opened":
            opened = True
        elif event.type == "decision.recorded" and event.data["decision"] == "replan":
            back, opened_before = event, opened
        elif event.type == "plan.locked":
            found.append(_version(len(found) + 1, event, back, read, opened=opened_before))
            back = None
    return tuple(found)


def _version(
    number: int, locked: Event, back: Event | None, read: Callable[[str], bytes], *, opened: bool
) -> PlanVersion:
    own = PlanVersion(
        number=number,
        plan=locked.ref("plan").sha256,
        checkpoint=_short(locked.data["checkpoint"]),
        event=locked.seq,
        locked_at=locked.ts,
    )
    if back is None:
        return own
    said = json.loads(read(back.ref("statement").sha256))
    return PlanVersion(
        **{
            **vars(own),
            "sent_back_at": _short(said["checkpoint"]),
            "by": said["name"],
            "role": said["role"],
            "reasons": reasons_in(said["comment"]),
            "data_were_open": opened,
        }
    )


def _short(checkpoint: str) -> str:
    return ".".join(checkpoint.split(".")[-2:])
