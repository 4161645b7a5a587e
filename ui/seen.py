"""View objects of what the model was sent, and of what it was not: refused requests stay on the secure side."""

from __future__ import annotations

from typing import Any

from counterproof.agents.reviews import REFUSED
from counterproof.provenance.record import Record
from counterproof.provenance.transparency.model_saw import model_saw
from counterproof.provenance.transparency.story import read_story


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
