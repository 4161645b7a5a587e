"""Model calls as the record has them: each attempt, what was sent, what came back.

Read from the raw bytes of requests and responses (Chat Completions and Responses API), so that the model that was
*returned* can differ from the one that was asked for. An answer of any form is borne: what can't be read is empty.

It does not cover prices: the record holds none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from counterproof.provenance.digests import digest_of
from counterproof.provenance.events import Event
from counterproof.provenance.transparency.bodies import Bodies, as_dict, as_list, parse_json

Status = Literal["finished", "failed", "cut off"]
_CONTENT = frozenset({"model", "messages", "input", "instructions", "stream"})


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of a request."""

    role: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """One attempt of one model call.

    Attributes:
        key: the effect's key in the journal.
        attempt: 1, or more after a failure or a kill.
        started: number of the event before it.
        ended: number of the event after it; None where it was cut off.
        started_at: UTC.
        ended_at: UTC; "" where it was cut off.
        status: how it ended.
        after_kill: whether the attempt before was cut off.
        source: `live`, or `cassette` where a recorded answer was read.
        host: the endpoint's host.
        http_status: the status line; None where nothing came back.
        duration_ms: how long it took; None where that is not recorded.
        error: why it failed.
        request: digest of the exact request.
        response: digest of the exact response; "" where nothing came back.
        model: the model that was asked for.
        returned: the model that the response names; "" where it names none.
        fingerprint: the response's system fingerprint.
        settings: every other field of the request, as short text.
        messages: what was sent, in order.
        answer: what the model said.
        finish: why it stopped.
        tokens_in: input tokens; None where not given.
        tokens_out: output tokens; None where not given.
    """

    key: str
    attempt: int
    started: int
    ended: int | None
    started_at: str
    ended_at: str
    status: Status
    after_kill: bool
    source: str
    host: str
    http_status: int | None
    duration_ms: int | None
    error: str
    request: str
    response: str
    model: str
    returned: str
    fingerprint: str
    finish: str
    answer: str
    tokens_in: int | None
    tokens_out: int | None
    settings: dict[str, str] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()

    @property
    def events(self) -> tuple[int, ...]:
        """Numbers of its events."""
        return (self.started,) if self.ended is None else (self.started, self.ended)


def read_calls(events: Sequence[Event], bodies: Bodies) -> tuple[Call, ...]:
    """Return every attempt of every model call, in the order in which they were started."""
    return tuple(_call(start, end, bodies) for start, end in attempts(events, "model"))


def attempts(events: Sequence[Event], kind: str) -> list[tuple[Event, Event | None]]:
    """Return each attempt of a kind of effect: the event before it, and the one after it (None: cut off)."""
    found: list[tuple[Event, Event | None]] = []
    running: dict[str, int] = {}
    for event in events:
        if not event.type.startswith("effect.") or event.data.get("kind") != kind:
            continue
        key = str(event.data["key"])
        if event.type == "effect.started":
            running[key] = len(found)
            found.append((event, None))
        elif key in running:
            at = running.pop(key)
            found[at] = (found[at][0], event)
    return found


def _call(start: Event, end: Event | None, bodies: Bodies) -> Call:
    digest = start.ref("request").sha256
    request = as_dict(bodies.json(digest))
    responses = [ref.sha256 for ref in end.refs if ref.role == "response"] if end else []
    response = _response(bodies.json(responses[0])) if responses else {}
    usage = as_dict(response.get("usage"))
    data = end.data if end else {}
    status: Status = "cut off" if end is None else "finished" if end.type == "effect.finished" else "failed"
    return Call(
        key=str(start.data["key"]),
        attempt=int(start.data["attempt"]),
        started=start.seq,
        ended=end.seq if end else None,
        started_at=start.ts,
        ended_at=end.ts if end else "",
        status=status,
        after_kill=bool(start.data.get("after_kill")),
        source=str(start.data.get("source", "")),
        host=str(start.data.get("host", "")),
        http_status=_whole(data.get("status")),
        duration_ms=_whole(data.get("duration_ms")),
        error=str(data.get("error", "")),
        request=digest,
        response=responses[0] if responses else "",
        model=str(request.get("model", "")),
        returned=str(response.get("model") or ""),
        fingerprint=str(response.get("system_fingerprint") or ""),
        finish=_finish(response),
        answer=_answer(response),
        tokens_in=_whole(usage.get("prompt_tokens", usage.get("input_tokens"))),
        tokens_out=_whole(usage.get("completion_tokens", usage.get("output_tokens"))),
        settings={name: _setting(value) for name, value in sorted(request.items()) if name not in _CONTENT},
        messages=_messages(request),
    )


def _response(envelope: Any) -> dict[str, Any]:
    """Return the JSON body inside of the envelope in which the exact bytes are kept."""
    return as_dict(parse_json(str(as_dict(envelope).get("body", ""))))


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None


def _setting(value: Any) -> str:
    """Return a setting as short text; a schema is named by what it is called and its digest."""
    if isinstance(value, dict | list):
        inner = as_dict(as_dict(value).get("json_schema"))
        name = " ".join(str(part) for part in (as_dict(value).get("type", ""), inner.get("name", "")) if part)
        return f"{name} (sha256 {digest_of(value)[:12]}…)".strip()
    return str(value)


def _messages(request: dict[str, Any]) -> tuple[Message, ...]:
    said = request.get("messages", request.get("input"))
    given = [{"role": "user", "content": said}] if isinstance(said, str) else as_list(said)
    if request.get("instructions"):
        given = [{"role": "system", "content": request["instructions"]}, *given]
    found = [as_dict(message) for message in given]
    return tuple(Message(role=str(message.get("role", "")), text=_content(message.get("content"))) for message in found)


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(as_dict(part).get("text", "")) for part in as_list(content))


def _answer(response: dict[str, Any]) -> str:
    choices = as_list(response.get("choices"))
    if choices:
        return _content(as_dict(as_dict(choices[0]).get("message")).get("content"))
    said = [as_dict(part) for part in as_list(response.get("output"))]
    return "\n".join(_content(part.get("content")) for part in said if part.get("type") == "message")


def _finish(response: dict[str, Any]) -> str:
    choices = as_list(response.get("choices"))
    reason = as_dict(choices[0]).get("finish_reason") if choices else response.get("status")
    return str(reason or "")
