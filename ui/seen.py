"""View objects of what the model was sent, and of what it was not: refused requests stay on the secure side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from counterproof.agents.reviews import REFUSED
from counterproof.agents.settings import exposure_in_words
from counterproof.agents.study import open_study
from counterproof.provenance.record import Record
from counterproof.provenance.transparency.bodies import Bodies
from counterproof.provenance.transparency.calls import attempts, read_calls
from counterproof.provenance.transparency.model_saw import Seen, messages_of, model_saw
from counterproof.provenance.transparency.story import read_story
from counterproof.ui.desk import Desk


@dataclass(frozen=True, kw_only=True)
class SeenView:
    """What the model was sent in one call, and which calls there are."""

    exposure: str
    """What the model may see of the data, in words."""
    calls: tuple[str, ...]
    """All calls by name, oldest first."""
    call: str
    """The one that is shown; "" where there is none."""
    messages: tuple[Seen, ...]
    refused: int
    """How many requests the guard stopped."""


def seen_view(desk: Desk, study_id: str, *, call: str = "") -> SeenView:
    """Return what the model was sent in one call (the first one unless one is named); only that request is read.

    Raises:
        UsageError: there is no such study.
        NotAllowed: nobody is there.
        VerificationFailed: its record was changed.
    """
    desk.require("read")
    study = open_study(desk.workplace, study_id)
    events = study.record.events()
    pairs = {f"{start.data['key']}, attempt {start.data['attempt']}": start for start, _ in attempts(events, "model")}
    chosen = call if call in pairs else next(iter(pairs), "")
    asked = read_calls([pairs[chosen]], Bodies(events, study.record.blobs)) if chosen else ()
    return SeenView(
        exposure=f"Exposure {study.settings.exposure}: {exposure_in_words(study.settings)}.",
        calls=tuple(pairs),
        call=chosen,
        messages=messages_of(asked, exposure=study.settings.exposure),
        refused=sum(event.type == REFUSED for event in events),
    )


def messages_seen(record: Record) -> list[dict[str, Any]]:
    """Return every message that the model was sent, oldest first."""
    story = read_story(record.events(), record.blobs)
    return [{**vars(one), "sources": list(one.sources)} for one in model_saw(story)]


def refused_requests(record: Record) -> list[dict[str, Any]]:
    """Return the requests that the guard stopped, with what was found in them and where; they hold real data."""
    return [
        {
            "call": event.data["key"],
            "event": event.seq,
            "hits": event.data["hits"],
            "text": record.blobs.get(event.ref("request").sha256).decode("utf-8", errors="replace"),
        }
        for event in record.of_type(REFUSED)
    ]


def seen_text(rows: list[dict[str, Any]]) -> str:
    """Return messages or refused requests for reading."""
    parts = []
    for row in rows:
        if "hits" in row:
            found = "; ".join(
                f"{hit['what']} of {hit['file']} in message {hit['message']}, from word {hit['words']}"
                for hit in row["hits"]
            )
            parts.append(f"== {row['call']}, event {row['event']}: NOT SENT. Found: {found}")
        else:
            parts.append(f"== {row['call']}, message {row['number']} ({row['role']}): {', '.join(row['sources'])}")
        parts += [row["text"], ""]
    return "\n".join(parts)
