"""What the model saw: each message of each request of a study, word for word, with where it comes from.

A pure function of the record. Sources are told by the step that asked and by the place in the conversation, as the
prompts are made (`agents.nodes`): what a text holds is not guessed from its words, but for a scrubbed error, which
begins as no output of a twin's run does. An answer that was read from the record is listed once, where it was asked.

It does not cover what a study never sent: a refused request is on the secure side.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from counterproof.provenance.transparency.calls import Call
from counterproof.provenance.transparency.story import Story

Source = Literal[
    "instructions",
    "question",
    "codebook",
    "profile",
    "plan",
    "released results",
    "results without values",
    "outcome of checks",
    "comment of a reviewer",
    "output on the twin",
    "scrubbed error",
    "output on real data",
    "specification",
    "row of a synthetic table",
    "rows of open data",
    "answer of the model",
    "why an answer can't be used",
]
_AGAIN = "Answer again, completely, as one JSON object."
_SCRUBBED = ("The program failed on the real data", "The program ended on the real data")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One message that the model was sent.

    Attributes:
        call: the effect's key in the journal.
        attempt: which attempt.
        event: number of the event before the call.
        number: of the message in the request, from 1.
        role: of the message.
        sources: where its words come from.
        text: the words.
    """

    call: str
    attempt: int
    event: int
    number: int
    role: str
    sources: tuple[Source, ...]
    text: str


def model_saw(story: Story) -> tuple[Seen, ...]:
    """Return what the model was sent, in the order of the record."""
    return messages_of(story.calls, exposure=str(story.created.get("exposure", "metadata")))


def messages_of(calls: Sequence[Call], *, exposure: str) -> tuple[Seen, ...]:
    """Return what the model was sent in some calls of a study with this exposure."""
    return tuple(
        Seen(
            call=call.key,
            attempt=call.attempt,
            event=call.started,
            number=number,
            role=message.role,
            sources=_sources(call, number, exposure),
            text=message.text,
        )
        for call in calls
        for number, message in enumerate(call.messages, start=1)
    )


def to_json(story: Story) -> bytes:
    """Return it as a file of the bundle; a redacted copy lists the calls without their messages."""
    seen = model_saw(story)
    calls = [
        {
            "call": call.key,
            "attempt": call.attempt,
            "event": call.started,
            "request": call.request,
            "messages": [
                {"number": one.number, "role": one.role, "sources": list(one.sources), "text": one.text}
                for one in seen
                if (one.call, one.attempt, one.event) == (call.key, call.attempt, call.started)
            ],
        }
        for call in story.calls
    ]
    document: dict[str, Any] = {
        "schema": "counterproof/model-saw/1",
        "study": story.study,
        "exposure": story.created.get("exposure", ""),
        "files": [{"name": file["name"], "exposure": file.get("exposure", "")} for file in story.created["data"]],
        "calls": calls,
    }
    return (json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _sources(call: Call, number: int, exposure: str) -> tuple[Source, ...]:
    message = call.messages[number - 1]
    if message.role in ("system", "developer"):
        return ("instructions",)
    if message.role == "assistant":
        return ("answer of the model",)
    stage = call.key.partition("/")[0]
    first_of_user = number == next(at for at, one in enumerate(call.messages, start=1) if one.role == "user")
    if stage == "synth":
        return _sources_of_set(call.key, message.text, exposure, first=first_of_user)
    if first_of_user:
        first: dict[str, tuple[Source, ...]] = {
            "plan": ("question", "codebook", "profile", "comment of a reviewer"),
            "write": ("plan", "profile", "codebook"),
            "report": (
                "plan",
                "results without values" if exposure == "metadata" else "released results",
                "outcome of checks",
                "comment of a reviewer",
            ),
        }
        return first.get(stage, ("instructions",))
    if stage != "write" or message.text.endswith(_AGAIN):
        return ("why an answer can't be used",)
    if message.text.partition("\n\n")[2].removeprefix("| ").startswith(_SCRUBBED):
        return ("scrubbed error",)
    return ("output on the twin", "comment of a reviewer", *(("output on real data",) if exposure == "rows" else ()))


def _sources_of_set(key: str, text: str, exposure: str, *, first: bool) -> tuple[Source, ...]:
    """Return where a message comes from that a set's texts or rows were asked with."""
    if not first:
        return ("why an answer can't be used",) if text.endswith(_AGAIN) else ("instructions",)
    if key.startswith("synth/note/"):
        return ("specification", "row of a synthetic table", "comment of a reviewer")
    return ("specification", "profile", *(("rows of open data",) if exposure == "rows" else ()))
