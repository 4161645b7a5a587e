"""Record checkpoints: the service key signs how far a record had come, at the points that matter.

A record checkpoint names the number of events, the head, and the root of the Merkle tree over the lines so far. One is
due after the study's first event, after each decision of a person, after each `EVERY` events, and at the study's end.
They are lines of `checkpoints.jsonl` beside `events.jsonl`:

    {"signature":"-----BEGIN SSH SIGNATURE-----…","statement":{"events":…,"head":…,"merkle_root":…,…}}

What is signed are the bytes of the statement as they stand in the line. Who decides need not hold the service key: what
is due and missing is signed by the next process that runs or exports the study, so the time in a statement is that of
the signature, not of the event. Between the two, and after a crash, the record is ahead of its record checkpoints.

It does not show that nobody wrote the record anew: the holder of the service key can sign another one. A record
checkpoint that was kept elsewhere (its head, in a lab notebook or under a time stamp) shows it. The word "checkpoint"
alone always means a point where a person decides (`checkpoints`).

Source: OpenSSH PROTOCOL.sshsig; RFC 6962, section 2.1.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import asdict

from counterproof.provenance.digests import canonical_json
from counterproof.provenance.errors import MachineTrouble, VerificationFailed
from counterproof.provenance.events import Chain, Digest, Event, now
from counterproof.provenance.record import Record
from counterproof.provenance.signing import RECORD_NAMESPACE, public_line, sign, verify

FILE = "checkpoints.jsonl"
EVERY = 1000
"""How many events may follow one another without a record checkpoint."""
_DUE = frozenset({"study.created", "decision.recorded", "study.ended"})


class RecordCheckpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed: where the record of a study stood."""

    version: Literal[1]
    study: str
    events: Annotated[int, msgspec.Meta(ge=1)]
    head: Digest
    merkle_root: Digest
    time: str


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    signature: str
    statement: msgspec.Raw


class Comparison:
    """Holds signed record checkpoints against a record while it is read.

    Args:
        chain: reads the record.
        signed: the record checkpoints, in their order.
        missing: is told of an event after which one is due and none is left; returns the fault, or "" where it
            made up for it.

    Attributes:
        fault: the first disagreement; "" while there is none. The reading goes on, so that the events can be kept.
        held: how many record checkpoints agreed.
    """

    def __init__(self, chain: Chain, signed: Iterable[RecordCheckpoint], *, missing: Callable[[Event], str]) -> None:
        self.fault = ""
        self.held = 0
        self._chain = chain
        self._missing = missing
        self._signed = iter(signed)
        self._next = self._take()

    def read(self, lines: Iterable[bytes]) -> Iterator[Event]:
        """Read the lines of the record and yield their events; no line is kept.

        Raises:
            VerificationFailed: the chain is broken.
        """
        for event in self._chain.read(lines):
            if not self.fault and is_due(event):
                self._compare(event)
            yield event

    def end(self) -> None:
        """Find fault with a record checkpoint that the record doesn't reach."""
        if not self.fault and self._next is not None:
            self.fault = (
                f"A record checkpoint was signed over {self._next.events} events, and the record has {self._chain.size}"
            )

    def _compare(self, event: Event) -> None:
        waits = self._next
        if waits is None:
            self.fault = self._missing(event)
        elif waits.events != self._chain.size:
            self.fault = f"{lacks(event)}: the next one is over {waits.events} events"
        elif (waits.head, waits.merkle_root) != (self._chain.head, self._chain.root()):
            self.fault = f"Event {event.seq} ({event.type}) is not the one of its record checkpoint"
        else:
            self.held += 1
            self._next = self._take()

    def _take(self) -> RecordCheckpoint | None:
        try:
            return next(self._signed, None)
        except VerificationFailed as error:
            self.fault = error.what.rstrip(".")
            return None


class RecordCheckpoints:
    """Signs the record checkpoints of a study.

    Args:
        record: the study's record.
        key: the service key.
        study: the study's id.
    """

    def __init__(self, record: Record, key: Ed25519PrivateKey, *, study: str) -> None:
        self.path = record.folder / FILE
        self._record = record
        self._key = key
        self._line = public_line(key.public_key())
        self._study = study
        self._chain = Chain()
        self._read = 0

    def sign_due(self) -> None:
        """Sign what is due and not signed yet.

        Raises:
            MachineTrouble: the disk refused.
            VerificationFailed: the record is not the one that was signed before, or was signed with another key.
        """
        chain = self._chain.copy()
        with self._record.exclusive() as handle:
            comparison = Comparison(chain, self._signed_since(), missing=lambda _event: self._sign(chain, handle))
            with self._record.path.open("rb") as lines:
                lines.seek(chain.length)
                for _ in comparison.read(lines):
                    pass
            comparison.end()
            if comparison.fault:
                raise VerificationFailed(
                    f"{comparison.fault} (in {self.path}).",
                    advice="Restore the study's folder and the service key from a backup. If the service key itself is "
                    "lost, move this file away: all is then signed anew, with the time of now.",
                )
            self._chain, self._read = chain, self.path.stat().st_size if self.path.exists() else 0

    def upto(self, events: int) -> bytes:
        """Return the lines of the record checkpoints over at most so many events."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        return b"".join(line for line in lines if json.loads(line)["statement"]["events"] <= events)

    def _signed_since(self) -> Iterator[RecordCheckpoint]:
        """Return what was signed since the last look; a torn last line is cut off."""
        if not self.path.exists():
            return iter(())
        with self.path.open("r+b") as file:
            file.seek(self._read)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            if len(whole) < len(new):
                file.truncate(self._read + len(whole))
        return read_signed(whole.splitlines(keepends=True), key=self._line, study=self._study)

    def _sign(self, chain: Chain, record: int) -> str:
        made = checkpoint_at(chain, study=self._study)
        try:
            os.fdatasync(record)  # What is signed must not be lost: the record would no longer fit.
            with self.path.open("ab", buffering=0) as file:
                file.write(signed_line(made, self._key))
                os.fdatasync(file.fileno())
        except OSError as error:
            raise MachineTrouble(
                f"The record checkpoint after event {made.events - 1} can't be written: {error}.",
                advice="Make room on the disk, then run again; nothing was lost.",
            ) from error
        return ""


def is_due(event: Event) -> bool:
    """Say whether a record checkpoint follows on an event."""
    return event.type in _DUE or (event.seq + 1) % EVERY == 0


def lacks(event: Event) -> str:
    """Say that an event has no record checkpoint."""
    return f"Event {event.seq} ({event.type}) lacks its record checkpoint"


def checkpoint_at(chain: Chain, *, study: str) -> RecordCheckpoint:
    """Return what is signed where a record was read to."""
    return RecordCheckpoint(
        version=1, study=study, events=chain.size, head=chain.head, merkle_root=chain.root(), time=now()
    )


def signed_line(made: RecordCheckpoint, key: Ed25519PrivateKey) -> bytes:
    """Return the line of a record checkpoint, with its newline."""
    statement = canonical_json(asdict(made))
    return _framed(sign(key, statement, namespace=RECORD_NAMESPACE).decode(), statement)


def read_signed(lines: Iterable[bytes] | IO[bytes], *, key: str, study: str) -> Iterator[RecordCheckpoint]:
    """Read record checkpoints and check their signatures.

    Args:
        lines: the lines of the file, each with its newline.
        key: the public line of the service key.
        study: the study that they must be about.

    Raises:
        VerificationFailed: one is not of its form, about another study, or not signed with this key.
    """
    for number, line in enumerate(lines, start=1):
        try:
            found = _line(line)
            statement = bytes(found.statement)
            made = _statement(statement)
            if line != _framed(found.signature, statement) or statement != canonical_json(asdict(made)):
                raise ValueError("it is not written in the one form")
            if made.study != study:
                raise ValueError(f"it is about the study {made.study!r}")
            verify(key, statement, found.signature.encode(), namespace=RECORD_NAMESPACE)
        except (ValueError, RecursionError, VerificationFailed) as error:
            raise VerificationFailed(f"Record checkpoint {number} does not hold: {error}") from error
        yield made


_line = msgspec.json.Decoder(_Line).decode
_statement = msgspec.json.Decoder(RecordCheckpoint).decode


def _framed(signature: str, statement: bytes) -> bytes:
    return b'{"signature":%b,"statement":%b}\n' % (canonical_json(signature), statement)
