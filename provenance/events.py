"""One event, one line: what a record is made of, and the hash chain that holds the lines together.

One JSON object a line. Each carries the SHA-256 of the exact bytes of the line before, so a changed, dropped or
reordered event breaks the chain at a place that can be named. Bodies (requests, answers, programs, outputs) are blobs;
an event refers to them by digest. `Chain` reads lines one by one, by type and in constant memory; whoever keeps the
events decides on more.

It does not cover where lines are kept (`record`), signatures over the head (`record_checkpoints`, `bundle`), nor a
rewrite of all lines. A key that stands twice in an object of a line counts with its last value, as in Python's `json`;
`encode` never writes one.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Annotated, Any, Literal

import msgspec
from msgspec.structs import asdict, force_setattr
from opentelemetry import trace

from counterproof.provenance.digests import canonical_json, sha256_bytes
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.merkle import Tree, leaf_hash

FIRST = "0" * 64
Side = Literal["open", "secure"]
Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
"""The digest of a blob: a bundle from a stranger may name a path outside instead."""
_Made = Annotated[str, msgspec.Meta(pattern=r"(?!)")]
"""What no line can hold: nothing matches."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What is read by type: a field that is missing, of another type or not known is an error."""


class Ref(_Strict, frozen=True, kw_only=True):
    """A blob that an event speaks of.

    Attributes:
        role: what the blob is to the event ("request", "response", "program", …).
        sha256: its digest; on the secure side its salted commitment (`commitments`).
        size: its length in bytes, without a salt.
        media: its media type.
        side: "secure" for what was computed from real data and is not released; such blobs never leave.
    """

    role: str
    sha256: Digest
    size: int
    media: str = "application/json"
    side: Side = "open"


class Actor(_Strict, frozen=True, kw_only=True):
    """Who did it: a person, the agent (a model's turn), or the system."""

    kind: Literal["human", "agent", "system"]
    id: str


SYSTEM = Actor(kind="system", id="counterproof")


class Event(_Strict, frozen=True, kw_only=True):
    """One line of a record. `digest` is the SHA-256 of the exact bytes of the line without its newline."""

    v: Literal[1] = 1
    seq: int
    prev: str
    type: str
    ts: str
    actor: Actor
    trace_id: str = ""
    span_id: str = ""
    refs: tuple[Ref, ...]
    data: dict[str, Any]
    digest: _Made = ""

    def ref(self, role: str) -> Ref:
        """Return the first blob with this role.

        Raises:
            VerificationFailed: the event has none.
        """
        for ref in self.refs:
            if ref.role == role:
                return ref
        raise VerificationFailed(f"Event {self.seq} ({self.type}) has no blob in the role {role!r}.")


_decode = msgspec.json.Decoder(Event).decode


class Chain:
    """How far a record was read: what stands for the lines so far, and what the next line must carry.

    Attributes:
        size: the number of events.
        length: the bytes of their lines, newlines included.
        head: the digest of the last one; `FIRST` before there is any.
    """

    def __init__(self) -> None:
        self.size = 0
        self.length = 0
        self.head = FIRST
        self._tree = Tree()

    def copy(self) -> Chain:
        """Return a chain that goes on from here on its own."""
        other = copy.copy(self)
        other._tree = self._tree.copy()
        return other

    def root(self) -> str:
        """Return the root of the Merkle tree over the lines so far (RFC 6962), in hexadecimal."""
        return self._tree.root().hex()

    def read(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """Read the lines that follow, each with its newline, and yield their events; no line is kept.

        Raises:
            VerificationFailed: a line is no event, is out of order, or doesn't carry the hash of the one before.
        """
        for line in lines:
            event = self.check(line)
            self.add(line, event)
            yield event

    def check(self, line: bytes) -> Event:
        """Return the event of a line that may follow.

        Raises:
            VerificationFailed: it may not.
        """
        if line[-1:] != b"\n":
            raise VerificationFailed(f"Event {self.size} is torn: its line has no end.")
        try:
            event = _decode(line)
        except (ValueError, RecursionError) as error:
            raise VerificationFailed(f"Event {self.size} is not readable: {error!r}.") from error
        if event.seq != self.size or event.prev != self.head:
            raise VerificationFailed(self._broken(event))
        return event

    def takes(self, lines: bytes) -> bool:
        """Say whether whole lines may follow, at least one."""
        try:
            return sum(1 for _ in self.copy().read(io.BytesIO(lines))) > 0
        except VerificationFailed:
            return False

    def add(self, line: bytes, event: Event) -> None:
        """Go on behind a line that was checked."""
        bare = line[:-1]
        self.head = sha256_bytes(bare)
        self._tree.add(leaf_hash(bare))
        self.size += 1
        self.length += len(line)
        force_setattr(event, "digest", self.head)

    def _broken(self, event: Event) -> str:
        if event.seq != self.size:
            return f"Event {self.size} is out of order: its line says it is number {event.seq}."
        return (
            f"Event {event.seq} ({event.type}) doesn't follow from the one before: it carries "
            f"{event.prev[:12]}…, and the line before hashes to {self.head[:12]}…."
        )


def read_chain(source: bytes | IO[bytes]) -> Iterator[Event]:
    """Read a whole record, line by line, and check that it is one chain.

    Raises:
        VerificationFailed: a line is no event, is out of order, or doesn't carry the hash of the one before.
    """
    return Chain().read(io.BytesIO(source) if isinstance(source, bytes) else source)


def now() -> str:
    """Return the time as UTC in the one form used everywhere (`…T…:….mmm+00:00`)."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def encode(chain: Chain, type_: str, actor: Actor, data: dict[str, Any], refs: Sequence[Ref]) -> bytes:
    """Return the line, without its newline, of an event that happens now and follows the lines of a chain."""
    context = trace.get_current_span().get_span_context()
    line = {
        "v": 1,
        "seq": chain.size,
        "prev": chain.head,
        "type": type_,
        "ts": now(),
        "actor": asdict(actor),
        "trace_id": f"{context.trace_id:032x}" if context.is_valid else "",
        "span_id": f"{context.span_id:016x}" if context.is_valid else "",
        "refs": [asdict(ref) for ref in refs],
        "data": data,
    }
    return canonical_json(line)
