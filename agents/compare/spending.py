"""What a cell took: tokens, money, runs and time, read from its record."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from counterproof.agents.compare.cell import Cell, Spent
from counterproof.provenance.events import Event
from counterproof.provenance.record import Record


def spent_so_far(cell: Cell, record: Record) -> Spent:
    """Add up what a record says; a cell of the gated arm has its model calls in the record of its study."""
    events = record.events()
    calls = _of(events, "effect.finished", "model")
    usage = [_usage(record.blobs.get(event.ref("response").sha256)) for event in calls]
    sent, came = sum(one[0] for one in usage), sum(one[1] for one in usage)
    runs = [event for kind in ("trial", "execution") for event in _of(events, "effect.finished", kind)]
    return Spent(
        calls=len(calls),
        failed_calls=len(_of(events, "effect.failed", "model")),
        tokens_in=sent,
        tokens_out=came,
        cost=round((sent * cell.price_in + came * cell.price_out) / 1e6, 6),
        trials=len(runs),
        programs_s=round(sum(event.data["usage"]["wall_s"] for event in runs), 3),
        wall_s=_seconds(events),
        attempts=1 + _kills(events),
    )


def added(first: Spent, second: Spent) -> Spent:
    """Return what both took together; the time is that of the first, which holds the second."""
    sums = {name: getattr(first, name) + getattr(second, name) for name in Spent.model_fields}
    kept = {"wall_s": first.wall_s, "attempts": first.attempts + second.attempts - 1}
    return Spent(**{**sums, **kept})


def _of(events: list[Event], type_: str, kind: str) -> list[Event]:
    return [event for event in events if event.type == type_ and event.data["kind"] == kind]


def _kills(events: list[Event]) -> int:
    """Count the kills that cost effects; one costs all that ran side by side, which a study has up to three of."""
    begun = dict[str, int]()
    kills, resumed = 0, -1
    for event in events:
        if event.type != "effect.started":
            continue
        if event.data["after_kill"] and begun[event.data["key"]] >= resumed:
            kills, resumed = kills + 1, event.seq
        begun[event.data["key"]] = event.seq
    return kills


def _usage(envelope: bytes) -> tuple[int, int]:
    """Return tokens in and out as the endpoint counted them; 0 where it doesn't say."""
    try:
        usage: Any = json.loads(json.loads(envelope)["body"])["usage"]
        sent = usage.get("prompt_tokens", usage.get("input_tokens", 0))
        return int(sent), int(usage.get("completion_tokens", usage.get("output_tokens", 0)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0, 0


def _seconds(events: list[Event]) -> float:
    if not events:
        return 0.0
    first, last = (datetime.fromisoformat(events[at].ts) for at in (0, -1))
    return round((last - first).total_seconds(), 3)
