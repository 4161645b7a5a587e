"""The append-only, hash-chained history of a study.

One JSON object a line in `events.jsonl`. Each line carries the SHA-256 of the exact bytes of the line before,
so a changed, dropped or reordered event breaks the chain at a place that can be named. Bodies (requests,
answers, programs, outputs) are blobs; an event refers to them by digest. An append is flushed to the disk
before it returns: what a caller does next can rely on it, and an append that fails raises before the effect.

Several processes may append (the worker that runs the study, the terminal in which a person decides): each
append holds a file lock and first reads what others have added.

A crash can tear the last line. A torn line was never acknowledged; the next append cuts it off and says so in
a `record.repaired` event.

It does not cover signatures over the head (`bundle`), nor a rewrite of the whole file by somebody who also
holds the service key: against that only a head that was published elsewhere helps.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from opentelemetry import trace

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import canonical_json, is_digest, sha256_bytes
from counterproof.provenance.errors import MachineTrouble, VerificationFailed

FIRST = "0" * 64
Side = Literal["open", "secure"]


@dataclass(frozen=True, kw_only=True)
class Ref:
    """A blob that an event speaks of.

    Attributes:
        role: what the blob is to the event ("request", "response", "program", …).
        sha256: its digest.
        size: its length in bytes.
        media: its media type.
        side: "secure" for what was computed from real data and is not released; such blobs never leave.
    """

    role: str
    sha256: str
    size: int
    media: str = "application/json"
    side: Side = "open"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who did it: a person, the agent (a model's turn), or the system."""

    kind: Literal["human", "agent", "system"]
    id: str


SYSTEM = Actor(kind="system", id="counterproof")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of a record. `digest` is the SHA-256 of the exact bytes of the line without its newline."""

    seq: int
    prev: str
    type: str
    ts: str
    actor: Actor
    refs: tuple[Ref, ...]
    data: dict[str, Any]
    digest: str = field(compare=False)

    def ref(self, role: str) -> Ref:
        """Return the first blob with this role.

        Raises:
            VerificationFailed: the event has none.
        """
        for ref in self.refs:
            if ref.role == role:
                return ref
        raise VerificationFailed(f"Event {self.seq} ({self.type}) has no blob in the role {role!r}.")


class Record:
    """The record of one study (or of a registry) in a folder.

    Args:
        folder: holds `events.jsonl`; made at the first append.
        blobs: where the bodies are.
    """

    def __init__(self, folder: Path, *, blobs: Blobs) -> None:
        self.folder = folder
        self.blobs = blobs
        self.path = folder / "events.jsonl"
        self._lock = threading.RLock()
        self._depth = 0
        self._handle: int | None = None
        self._events: list[Event] = []
        self._offset = 0

    def put(self, role: str, data: bytes, *, media: str = "application/json", side: Side = "open") -> Ref:
        """Store a body and return the reference that an event can carry."""
        return Ref(role=role, sha256=self.blobs.put(data), size=len(data), media=media, side=side)

    def append(self, type_: str, *, actor: Actor = SYSTEM, data: dict[str, Any], refs: Sequence[Ref] = ()) -> Event:
        """Add one event and flush it to the disk.

        Raises:
            MachineTrouble: the disk refused; nothing was added.
            VerificationFailed: the file on disk is no longer the chain that was read before.
        """
        with self.exclusive() as handle:
            prev = self._events[-1].digest if self._events else FIRST
            line = _encode(len(self._events), prev, type_, actor, data, refs)
            try:
                _write_all(handle, line + b"\n")
                os.fdatasync(handle)
            except OSError as error:
                # Without this, a line that was written whole but not flushed would be read back as an event.
                with suppress(OSError):
                    os.ftruncate(handle, self._offset)
                raise MachineTrouble(
                    f"The record {self.path.name} can't be written: {error}.",
                    advice="The study stops before the effect. Make room on the disk, then run again.",
                ) from error
            event = _decode(line)
            self._events.append(event)
            self._offset += len(line) + 1
            return event

    def events(self) -> list[Event]:
        """Return all complete events, oldest first; a torn last line is not one of them.

        Raises:
            VerificationFailed: the chain is broken; the text names the event.
        """
        with self._lock:
            self._catch_up()
            return list(self._events)

    def of_type(self, *types: str) -> list[Event]:
        """Return the events of these types, oldest first."""
        return [event for event in self.events() if event.type in types]

    @contextmanager
    def exclusive(self) -> Iterator[int]:
        """Hold the record's lock, so that reading and then appending is one step; may be nested."""
        with self._lock:
            if self._handle is None:
                self._handle = self._open()
                weakref.finalize(self, os.close, self._handle)
            if self._depth == 0:
                fcntl.flock(self._handle, fcntl.LOCK_EX)
            self._depth += 1
            try:
                if self._depth == 1:
                    self._same_file(self._handle)
                    self._catch_up()
                    self._mend(self._handle)
                yield self._handle
            finally:
                self._depth -= 1
                if self._depth == 0:
                    fcntl.flock(self._handle, fcntl.LOCK_UN)

    def _open(self) -> int:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MachineTrouble(
                f"The record {self.path.name} can't be opened: {error}.",
                advice="Mend the permissions of the store's folder, then run again.",
            ) from error

    def _same_file(self, handle: int) -> None:
        """Refuse to append to a file that nobody finds any more: the event would be acknowledged and lost."""
        try:
            same = os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            same = False
        if not same:
            raise VerificationFailed(
                f"The record {self.path.name} has vanished or was replaced while it was open.",
                advice="Put the old file back, or start the command again to read the new one.",
            )

    def _catch_up(self) -> None:
        if not self.path.exists():
            if self._events:
                raise VerificationFailed(f"The record {self.path.name} has vanished.")
            return
        with self.path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            if file.tell() < self._offset:
                raise VerificationFailed(f"The record {self.path.name} has become shorter; it may only grow.")
            file.seek(self._offset)
            new = file.read()
        complete = new[: new.rfind(b"\n") + 1]
        prev = self._events[-1].digest if self._events else FIRST
        self._events.extend(read_chain(complete, start=len(self._events), prev=prev))
        self._offset += len(complete)

    def _mend(self, handle: int) -> None:
        size = os.fstat(handle).st_size
        if size == self._offset:
            return
        torn = os.pread(handle, size - self._offset, self._offset)
        os.ftruncate(handle, self._offset)
        self.append("record.repaired", data={"torn_bytes": len(torn), "torn_sha256": sha256_bytes(torn)})


def read_chain(data: bytes, *, start: int = 0, prev: str = FIRST) -> list[Event]:
    """Read complete lines of a record and check that they are one chain.

    Raises:
        VerificationFailed: a line is no event, is out of order, or doesn't carry the hash of the one before.
    """
    events = []
    lines = data.split(b"\n")
    if lines[-1]:
        raise VerificationFailed(f"Event {start + len(lines) - 1} is torn: its line has no end.")
    for seq, line in enumerate(lines[:-1], start=start):
        try:
            event = _decode(line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise VerificationFailed(f"Event {seq} is not readable: {error!r}.") from error
        if event.seq != seq:
            raise VerificationFailed(f"Event {seq} is out of order: its line says it is number {event.seq}.")
        if event.prev != prev:
            raise VerificationFailed(
                f"Event {seq} ({event.type}) doesn't follow from the one before: it carries "
                f"{event.prev[:12]}…, and the line before hashes to {prev[:12]}…."
            )
        prev = event.digest
        events.append(event)
    return events


def now() -> str:
    """Return the time as UTC in the one form used everywhere (`…T…:….mmm+00:00`)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _encode(seq: int, prev: str, type_: str, actor: Actor, data: dict[str, Any], refs: Sequence[Ref]) -> bytes:
    context = trace.get_current_span().get_span_context()
    line = {
        "v": 1,
        "seq": seq,
        "prev": prev,
        "type": type_,
        "ts": now(),
        "actor": vars(actor),
        "trace_id": f"{context.trace_id:032x}" if context.is_valid else "",
        "span_id": f"{context.span_id:016x}" if context.is_valid else "",
        "refs": [vars(ref) for ref in refs],
        "data": data,
    }
    return canonical_json(line)


def _decode(line: bytes) -> Event:
    raw = json.loads(line)
    _check_types(raw)
    return Event(
        seq=raw["seq"],
        prev=raw["prev"],
        type=raw["type"],
        ts=raw["ts"],
        actor=Actor(**raw["actor"]),
        refs=tuple(Ref(**ref) for ref in raw["refs"]),
        data=raw["data"],
        digest=sha256_bytes(line),
    )


def _check_types(raw: dict[str, Any]) -> None:
    """Raise TypeError or ValueError for JSON that is no event: a bundle may come from a stranger."""
    if not isinstance(raw["actor"], dict):
        raise TypeError("its actor is no object")
    texts = (raw["prev"], raw["type"], raw["ts"], *raw["actor"].values())
    texts += tuple(ref["sha256"] for ref in raw["refs"])
    if type(raw["seq"]) is not int or not all(isinstance(text, str) for text in texts):
        raise TypeError("a field has the wrong type")
    if not isinstance(raw["data"], dict):
        raise TypeError("its data are no object")
    if not all(is_digest(ref["sha256"]) for ref in raw["refs"]):
        raise ValueError("a blob is not named by a digest")


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
