"""The line between the agent's process and the gate's: typed messages, one at a time, over a Unix stream socket.

A frame is `CPG1`, the length (4 bytes, big-endian) and one message in MessagePack, read by type: an unknown kind or
field, a value of another type, a length above the limit, a frame that is not finished in time, or the end of the line
in the middle of one all break the line, and whoever waited gets an error. Nothing is unpickled, no name is looked up.

    agent                              gate
    Hello(version)              ─▶
                                ◀─     Welcome(version)
    Execute(order, program, …)  ─▶
                                ◀─     Want(digest)            as often as it likes
    Have(data)                  ─▶
                                ◀─     Opened(noted)           the approval is used; the agent writes that down
    Go()                        ─▶
                                ◀─     Executed(execution)
    Make(order, request, …)     ─▶                             as with Execute, up to Go
                                ◀─     Told(answer, bodies)
    Ask(question, files, …)     ─▶
                                ◀─     Told(answer, bodies)

To every request the answer may be `Failed`, with the kind of error and its texts.

It does not cover who is at the other end (`gate_server`, `gate_client` look at the peer's credentials), nor what is
allowed (`gate`).

Source: the MessagePack specification; unix(7).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping
from typing import Literal

import msgspec

from counterproof.provenance.errors import (
    CounterproofError,
    MachineTrouble,
    ModelMayRetry,
    ToolFailed,
    UsageError,
    VerificationFailed,
)
from counterproof.provenance.ledger import Entry
from counterproof.sandbox._waiting import readable
from counterproof.sandbox.contract import Execution
from counterproof.sandbox.errors import GateRefused, SandboxUnavailable

VERSION = 2
MOST_BYTES = 600 << 20
FRAME_S = 60.0
"""A frame that has begun is whole within this time, or the line is broken."""
_MAGIC = b"CPG1"
_HEAD = struct.Struct(">4sI")
_PIECE = 1 << 20
Kind = Literal[
    "GateRefused",
    "MachineTrouble",
    "ModelMayRetry",
    "SandboxUnavailable",
    "ToolFailed",
    "UsageError",
    "VerificationFailed",
]
_KINDS: Mapping[str, type[CounterproofError]] = {
    "GateRefused": GateRefused,
    "MachineTrouble": MachineTrouble,
    "ModelMayRetry": ModelMayRetry,
    "SandboxUnavailable": SandboxUnavailable,
    "ToolFailed": ToolFailed,
    "UsageError": UsageError,
    "VerificationFailed": VerificationFailed,
}


class LineBroken(MachineTrouble):
    """The other end of the line died, was silent for too long, or said what can't be understood."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True):
    """What may be said on the line."""


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of the vault, and the name under which a study knows it."""

    name: str
    sha256: str


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that the agent hands over."""

    name: str
    data: bytes


class Noted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event that belongs into the study's record: what the gate did."""

    type: Literal["gate.opened", "gate.refused"]
    data: dict[str, str | float]


class Hello(_Message, frozen=True, kw_only=True):
    """The agent begins."""

    version: int


class Execute(_Message, frozen=True, kw_only=True):
    """Open the real data to an approved program, and run it.

    Attributes:
        study: the study's id.
        effect: the journal's key.
        order: the order as JSON.
        program: the program's bytes.
        record: the lines of the study's record; the gate checks the chain, and believes signatures only.
    """

    study: str
    effect: str
    order: bytes
    program: bytes
    record: bytes


class Make(_Message, frozen=True, kw_only=True):
    """Open the real data to a maker of synthetic data on the gate's side, and have the set made.

    Attributes:
        study: the study's id.
        effect: the journal's key.
        order: the order as JSON.
        request: what is to be made.
        record: the lines of the study's record; the gate checks the chain, and believes signatures only.
        written: rows that a model wrote for it.
    """

    study: str
    effect: str
    order: bytes
    request: bytes
    record: bytes
    written: bytes = b""


class Have(_Message, frozen=True, kw_only=True):
    """The blob that was wanted."""

    data: bytes


class HaveNot(_Message, frozen=True, kw_only=True):
    """There is no such blob."""


class Go(_Message, frozen=True, kw_only=True):
    """What the gate did is written down; the program may run."""


class RunOpen(_Message, frozen=True, kw_only=True):
    """Run a program on files that the agent hands over itself, the twin; nothing of the vault is opened."""

    program: bytes
    program_name: str
    environment: str
    digest: str
    inputs: tuple[Given, ...]
    limits: dict[str, int]
    seed: int


class Ask(_Message, frozen=True, kw_only=True):
    """Ask something of the real data that the gate's side answers itself."""

    study: str
    question: str
    files: tuple[File, ...]
    argument: bytes = b""


class ListData(_Message, frozen=True, kw_only=True):
    """Ask which files the vault has."""


class Welcome(_Message, frozen=True, kw_only=True):
    """The gate answers."""

    version: int


class Want(_Message, frozen=True, kw_only=True):
    """The gate needs a blob of the study."""

    digest: str


class Opened(_Message, frozen=True, kw_only=True):
    """All conditions hold, and the approval is used."""

    noted: tuple[Noted, ...]


class Executed(_Message, frozen=True, kw_only=True):
    """What happened to the program."""

    execution: Execution


class Told(_Message, frozen=True, kw_only=True):
    """The answer to a question."""

    answer: bytes
    bodies: dict[str, bytes] = {}


class Piece(_Message, frozen=True, kw_only=True):
    """A piece of a file that may leave the gate's side; `Told` follows the last one."""

    data: bytes


class Listed(_Message, frozen=True, kw_only=True):
    """The files of the vault."""

    entries: tuple[Entry, ...]


class Failed(_Message, frozen=True, kw_only=True):
    """An error; `noted` is what the study's record is to say of it."""

    kind: Kind
    what: str
    allowed: str = ""
    advice: str = ""
    noted: tuple[Noted, ...] = ()

    @classmethod
    def of(cls, error: CounterproofError, noted: tuple[Noted, ...] = ()) -> Failed:
        """Return the message of an error; of kinds that are not ours on the line, that of the nearest one."""
        kind = next(name for name in (kind.__name__ for kind in type(error).__mro__) if name in (*_KINDS, "object"))
        known: Kind = kind if kind in _KINDS else "ToolFailed"  # type: ignore[assignment]  # looked up just now
        return cls(kind=known, what=error.what, allowed=error.allowed, advice=error.advice, noted=noted)

    def error(self) -> CounterproofError:
        """Return the error."""
        return _KINDS[self.kind](self.what, allowed=self.allowed, advice=self.advice)


Message = (
    Hello | Execute | Make | Have | HaveNot | Go | RunOpen | Ask | ListData
    | Welcome | Want | Opened | Executed | Told | Piece | Listed | Failed
)  # fmt: skip
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class Line:
    """One end of a line.

    Args:
        sock: the socket; closed with this object.
        other: what the other end is, for errors.
    """

    def __init__(self, sock: socket.socket, *, other: str) -> None:
        self._socket = sock
        self._other = other

    def send(self, message: Message) -> None:
        """Say something.

        Raises:
            LineBroken: the other end is dead or doesn't read.
        """
        body = _encode(message)
        if len(body) > MOST_BYTES:
            raise LineBroken(
                f"A message to {self._other} would have {len(body):,} bytes.", allowed=f"At most {MOST_BYTES:,}."
            )
        try:
            self._socket.settimeout(FRAME_S)
            self._socket.sendall(_HEAD.pack(_MAGIC, len(body)))
            self._socket.sendall(body)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._broken("has ended") from error
        except OSError as error:
            raise self._broken(f"does not listen ({error})") from error

    def receive(self, *, wait_s: float | None) -> Message:
        """Return what is said next.

        Args:
            wait_s: how long to wait for the beginning of it; None for as long as it takes.

        Raises:
            LineBroken: the other end died, was silent for too long, or what it said is no message.
        """
        try:
            if not readable(self._socket.fileno(), within_s=wait_s):
                raise self._broken(f"was silent for {wait_s:.0f} s")
            until = time.monotonic() + FRAME_S
            magic, size = _HEAD.unpack(self._exactly(_HEAD.size, until))
            if magic != _MAGIC or size > MOST_BYTES:
                raise self._broken(f"sent no frame (it begins with {magic!r} and claims {size:,} bytes)")
            found: Message = _decode(self._exactly(size, until))
            return found
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
            raise self._broken(f"sent what is no message: {error}") from error
        except ConnectionResetError as error:
            raise self._broken("has ended") from error
        except (OSError, ValueError) as error:
            raise self._broken(f"can't be heard ({error})") from error

    def is_quiet(self) -> bool:
        """Say whether nothing was said that nobody has read; the end of the line would be."""
        return not readable(self._socket.fileno())

    def fileno(self) -> int:
        """Return the descriptor, to see when the other end has gone."""
        return self._socket.fileno()

    def peer(self) -> tuple[int, int]:
        """Return the process and the user at the other end, as the kernel says."""
        raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", raw)
        return pid, uid

    def close(self) -> None:
        """End the line; may be called again."""
        self._socket.close()

    def _exactly(self, size: int, until: float) -> bytes:
        """Read so many bytes; what was only announced takes no memory."""
        found = bytearray()
        while len(found) < size:
            left = until - time.monotonic()
            if left <= 0:
                raise self._broken(f"did not finish its message within {FRAME_S:.0f} s")
            self._socket.settimeout(left)
            piece = self._socket.recv(min(size - len(found), _PIECE))
            if not piece:
                raise self._broken("has ended in the middle of a message" if found else "has ended")
            found += piece
        return bytes(found)

    def _broken(self, how: str) -> LineBroken:
        return LineBroken(
            f"{self._other[:1].upper()}{self._other[1:]} {how}.", advice="What had begun is in the record; run again."
        )
