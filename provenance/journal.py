"""Effects happen once: the journal writes each model call and execution down before and after it happens.

An effect has a key that is the same however often the process dies ("plan/1/draft/1"), a request (exact
bytes) and a response (exact bytes). `perform` looks the key up in the record first:

- finished with the same request: the recorded response is the answer; nothing happens again;
- finished with another request: `Drift`, a step that asks something else under the same key is broken;
- started but not finished: the process died inside; it happens again and is recorded as attempt 2;
- not there: it happens now.

A *cassette* is another study's record (from a bundle). A model call found there with the same request is
answered from it: that is how a stranger replays a study without a model. Executions are never taken from a cassette.
What was said of the record itself (`noted`) is taken from it too: times and hashes of a replay are others.

Looking a key up costs the same however long the record is. A call flushes twice: the `effect.started` event with the
request before it happens, the `effect.finished` event with the answer before it is used.

It does not cover what the bytes mean, nor retries: those are the caller's, each under its own key.
"""

from __future__ import annotations

import difflib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.budgets import Ledger
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import CounterproofError, MachineTrouble, ToolFailed
from counterproof.provenance.events import SYSTEM, Actor, Event, Ref, Side
from counterproof.provenance.record import Body, Record

EffectKind = Literal["model", "execution", "trial", "making"]
"""A `trial` is an execution outside of any study, on the open data of a comparison: nobody approved it. A `making` is
that of synthetic data from real data, on the secure side."""
_EFFECTS = frozenset({"effect.started", "effect.finished", "effect.failed"})


class Drift(ToolFailed):
    """A step asks under a known key for something else than was recorded; the text shows the difference."""


class EffectFailed(MachineTrouble):
    """An effect gave no answer (connection lost, HTTP error); what came back, if anything, is kept in the record.

    Attributes:
        response: the bytes that came back; empty when none did.
        data: facts for the failed event (status, durations).
    """

    def __init__(
        self, what: str, *, response: bytes = b"", data: dict[str, Any] | None = None, advice: str = ""
    ) -> None:
        self.response = response
        self.data = data or {}
        super().__init__(what, advice=advice)


@dataclass(frozen=True, kw_only=True)
class Response:
    """What an effect gave.

    Attributes:
        body: the exact bytes that are the answer from now on.
        data: facts about this one time (durations, host facts); kept in the event, never part of the answer.
        refs: further blobs that the answer names by digest.
        side: "secure" where the body was computed from real data.
    """

    body: bytes
    data: dict[str, Any] = field(default_factory=dict)
    refs: tuple[Ref, ...] = ()
    side: Side = "open"


@dataclass(frozen=True, kw_only=True)
class Performed:
    """The answer of an effect, and whether it happened now or was read from the record."""

    body: bytes
    recorded: bool


class Cassette:
    """The finished model calls of another record, to be answered again, and what else was noted there.

    Args:
        events: the events of that record.
        blobs: its blobs.
    """

    def __init__(self, events: list[Event], blobs: Blobs) -> None:
        self._finished = _finished([event for event in events if event.data.get("kind") == "model"])
        self._events = events
        self._blobs = blobs

    def noted(self, type_: str, data: Mapping[str, Any]) -> dict[str, bytes] | None:
        """Return the bodies of an event by their roles, or None where there is none with these data."""
        return _noted(self._events, self._blobs, type_, data)

    def find(self, key: str, request: bytes) -> bytes | None:
        """Return the recorded response, or None where the key was never asked.

        Raises:
            Drift: the key was asked with another request.
        """
        event = self._finished.get(key)
        if event is None:
            return None
        _same_request(key, event, request, self._blobs)
        return self._blobs.get(event.ref("response").sha256)


class Journal:
    """The effects of one study.

    Args:
        record: where they are written down.
        cassette: answers model calls in a replay; None in a study of one's own.
        budget: refuses effects that would take more than is left; None where nothing is counted.
    """

    def __init__(self, record: Record, *, cassette: Cassette | None = None, budget: Ledger | None = None) -> None:
        self._record = record
        self._budget = budget
        self._cassette = cassette
        self._known = _Index(record)

    @property
    def replaying(self) -> bool:
        """Whether model calls are answered from a cassette."""
        return self._cassette is not None

    def noted(self, type_: str, data: Mapping[str, Any]) -> dict[str, bytes] | None:
        """Return the bodies of an event by their roles, from this record or else from the cassette; None if neither."""
        found = _noted(self._record.events(), self._record.blobs, type_, data)
        return found if found is not None or self._cassette is None else self._cassette.noted(type_, data)

    def perform(
        self,
        key: str,
        effect: Callable[[int], Response],
        *,
        kind: EffectKind,
        request: bytes,
        data: Mapping[str, Any] | None = None,
    ) -> Performed:
        """Make an effect happen once and return its answer.

        Args:
            key: names the effect within the study.
            effect: does it; gets the number of the attempt (1, or more after a kill inside).
            kind: what it is.
            request: exactly what is asked.
            data: facts for the started event.

        Raises:
            Drift: the key was used for another request.
            BudgetSpent: it would take more than is left; nothing happened.
            CounterproofError: whatever `effect` raises; it is recorded as failed, a later call tries again.
        """
        known = self._known.of(key)
        done = known.finished
        if done is not None:
            _same_request(key, done, request, self._record.blobs)
            return Performed(body=self._record.blobs.get(done.ref("response").sha256), recorded=True)
        attempt = 1 + known.started
        actor = Actor(kind="agent", id="model") if kind == "model" else SYSTEM
        common = {"key": key, "kind": kind, "attempt": attempt}
        source = "cassette" if self._cassette is not None and kind == "model" else "live"
        facts = {**dict(data or {}), **common, "source": source, "after_kill": attempt > 1 and not known.failed}
        with self._record.exclusive():
            if self._budget is not None and source == "live":
                self._budget.reserve(key, kind, attempt=attempt, size=len(request))
            started = self._record.append(
                "effect.started", data=facts, refs=[Body(role="request", data=request, sealed=kind == "model")]
            )
        asked = started.ref("request")
        try:
            response = self._answer(key, effect, kind=kind, request=request, attempt=attempt)
        except CounterproofError as error:
            self._note_failure(error, actor, common, asked)
            raise
        body = Body(role="response", data=response.body, side=response.side, sealed=kind == "model")
        self._record.append(
            "effect.finished",
            actor=actor,
            data={**response.data, **common},
            refs=[asked, body, *response.refs],
        )
        return Performed(body=response.body, recorded=False)

    def _note_failure(self, error: CounterproofError, actor: Actor, common: dict[str, Any], asked: Ref) -> None:
        refs: list[Ref | Body] = [asked]
        data = {**common, "error": error.what[:2000]}
        if isinstance(error, EffectFailed):
            data = {**error.data, **data}
            if error.response:
                refs.append(Body(role="response", data=error.response, sealed=common["kind"] == "model"))
        self._record.append("effect.failed", actor=actor, data=data, refs=refs)

    def _answer(
        self,
        key: str,
        effect: Callable[[int], Response],
        *,
        kind: EffectKind,
        request: bytes,
        attempt: int,
    ) -> Response:
        if self._cassette is None or kind != "model":
            return effect(attempt)
        body = self._cassette.find(key, request)
        if body is None:
            raise Drift(
                f"The replay asks for the model call {key!r}, which the record does not have.",
                advice="The study was made with another version of Counterproof; replay it with that one.",
            )
        return Response(body=body)


def finished_effects(events: list[Event]) -> dict[str, Event]:
    """Return the `effect.finished` event of each key."""
    return _finished(events)


def _finished(events: list[Event]) -> dict[str, Event]:
    return {event.data["key"]: event for event in events if event.type == "effect.finished"}


def _noted(events: list[Event], blobs: Blobs, type_: str, data: Mapping[str, Any]) -> dict[str, bytes] | None:
    found = next((event for event in events if event.type == type_ and event.data == data), None)
    return None if found is None else {ref.role: blobs.get(ref.sha256) for ref in found.refs}


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the record says of one effect: how often it was started, whether it failed last, and how it finished."""

    started: int = 0
    failed: bool = False
    finished: Event | None = None

    def after(self, event: Event) -> _Known:
        """Return what is known after one more event of this effect."""
        return _Known(
            started=self.started + (event.type == "effect.started"),
            failed=event.type == "effect.failed",
            finished=event if event.type == "effect.finished" else self.finished,
        )


class _Index:
    """The effects of a record by their keys; each event is looked at once, however many effects are asked for."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._seen = 0
        self._by_key: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def of(self, key: str) -> _Known:
        """Return what the record says of an effect now."""
        with self._lock:
            for event in self._record.since(self._seen):
                self._seen = event.seq + 1
                if event.type in _EFFECTS:
                    name = event.data["key"]
                    self._by_key[name] = self._by_key.get(name, _Known()).after(event)
            return self._by_key.get(key, _Known())


def _same_request(key: str, event: Event, request: bytes, blobs: Blobs) -> None:
    recorded = event.ref("request").sha256
    if recorded == sha256_bytes(request):
        return
    raise Drift(
        f"The step {key!r} asks for something else than what is recorded:\n"
        f"{readable_diff(blobs.get(recorded), request)}",
        advice="Its inputs or its prompt have changed since. Start a new study, or use the old version.",
    )


def readable_diff(recorded: bytes, asked: bytes) -> str:
    """Return a unified diff of two requests, JSON indented and line breaks inside of strings expanded."""
    lines = difflib.unified_diff(_readable(recorded), _readable(asked), "recorded", "asked", lineterm="", n=2)
    return "\n".join(list(lines)[:80])


def _readable(data: bytes) -> list[str]:
    try:
        text = json.dumps(json.loads(data), indent=1, sort_keys=True, ensure_ascii=False)
    except ValueError:
        text = data.decode("utf-8", errors="replace")
    return text.replace("\\n", "\n").splitlines()
