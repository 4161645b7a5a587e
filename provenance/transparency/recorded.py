"""Statements in a record: the event that holds one, and what of it stands under a sign-off.

    statement.made {"checkpoint": "<study>.signoff.<n>"}   statement.json, answers.toml (where a person answered)

It comes just before the sign-off that it is made for, whose subject holds its digest, that of the answers, and the
statement in words: the signature covers them. A study that ended without being signed off has one with the checkpoint
"" before its end, which nobody signed. The answers of the last one are those of the study: after its end they are
closed.

It does not cover what a statement says (`statement`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.events import Event
from counterproof.provenance.transparency.render_text import to_text
from counterproof.provenance.transparency.statement import Statement
from counterproof.provenance.transparency.wording import how_many

MADE = "statement.made"
STATEMENT = "statement.json"
ANSWERS = "answers.toml"
"""Roles of the bodies of the event."""


def signed_part(statement: Statement) -> dict[str, Any]:
    """Return the part of a sign-off's subject that shows a statement."""
    statuses = [item.status for item in statement.items]
    return {
        "statement": sha256_bytes(statement.to_json()),
        "answers": statement.answers,
        "counts": {status: statuses.count(status) for status in ("present", "not_applicable", "missing")},
        "summary": how_many(statement.items),
        "missing": [
            {"id": item.id, "text": item.text, "lacks": list(item.lacks)}
            for item in statement.items
            if item.status == "missing"
        ],
        "text": to_text(statement),
    }


def statements(events: Sequence[Event]) -> list[Event]:
    """Return the events that hold a statement, oldest first."""
    return [event for event in events if event.type == MADE]


def signed_statement(events: Sequence[Event]) -> Event | None:
    """Return the event of the statement that was signed off; None where none was."""
    approved = {
        event.data["checkpoint"]
        for event in events
        if event.type == "decision.recorded" and (event.data["kind"], event.data["decision"]) == ("signoff", "approve")
    }
    return next((event for event in reversed(statements(events)) if event.data["checkpoint"] in approved), None)


def answers_of(event: Event) -> str:
    """Return the digest of the answers that an event holds; "" where nobody had answered."""
    return next((ref.sha256 for ref in event.refs if ref.role == ANSWERS), "")


def recorded_answers(events: Sequence[Event], get: Callable[[str], bytes]) -> bytes:
    """Return the answers of a study that ended, those of its last statement; nothing where there are none.

    Args:
        events: the whole record.
        get: returns a body by its digest.
    """
    made = statements(events)
    digest = answers_of(made[-1]) if made else ""
    return get(digest) if digest else b""
