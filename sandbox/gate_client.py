"""The agent's end of the line to the gate's process.

The agent asks; whatever the gate says of itself (`gate.opened`, `gate.refused`) is written into the study's record
before anything goes on. A gate that dies, is silent, or is not who it should be is an error, and nothing ran that the
record would not show.

It does not cover how the gate's process is started (`ui`).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from counterproof.provenance.errors import CounterproofError, MachineTrouble, VerificationFailed
from counterproof.provenance.ledger import Entry
from counterproof.provenance.record import Record
from counterproof.sandbox.contract import DATA_DIR, Execution, ExecutionSpec, Sandbox, run_all
from counterproof.sandbox.gate_line import (
    VERSION,
    Ask,
    Execute,
    Executed,
    Failed,
    File,
    Given,
    Go,
    Have,
    HaveNot,
    Hello,
    Line,
    LineBroken,
    ListData,
    Listed,
    Make,
    Message,
    Noted,
    Opened,
    Piece,
    RunOpen,
    Told,
    Want,
    Welcome,
)
from counterproof.sandbox.orders import MakingOrder, Order

M = TypeVar("M", bound=Message)
_ANSWER_S = 600.0
"""How long a question may take: the first one reads the data, and the first program waits for a warm sandbox."""
_MAKING_S = 4 * 3600.0
"""How long the making of a set may take."""


@dataclass(kw_only=True)
class GateClient:
    """Lines to one gate.

    Attributes:
        dial: makes a new connection.
        expected_uid: the user that the gate must run as.
        sandbox: runs programs on the twin, where the gate does not; None to have the gate run them.
    """

    dial: Callable[[], socket.socket]
    expected_uid: int
    sandbox: Sandbox | None = None
    _idle: list[Line] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def side(self, study: str, *, record: Record, files: Sequence[File]) -> RemoteSide:
        """Return the secure side of one study."""
        return RemoteSide(client=self, study=study, record=record, files=tuple(files))

    def entries(self) -> tuple[Entry, ...]:
        """Return the files of the vault.

        Raises:
            CounterproofError: the gate does not say.
        """
        with self.line() as line:
            line.send(ListData())
            return expect(line, Listed).entries

    def secret(self, study: str, files: Sequence[File]) -> bytes:
        """Return the secret under which a study's commitments are made.

        Raises:
            CounterproofError: the gate does not say.
        """
        with self.line() as line:
            line.send(Ask(study=study, question="secret", files=tuple(files), argument=study.encode()))
            return expect(line, Told).answer

    @contextmanager
    def line(self) -> Iterator[Line]:
        """Lend a line; one that broke, or was left in the middle of something, is not used again.

        Raises:
            MachineTrouble: there is no gate.
        """
        line = self._taken() or self._new()
        try:
            yield line
        except LineBroken:
            line.close()
            raise
        except CounterproofError:
            self._give_back(line)
            raise
        except BaseException:
            line.close()
            raise
        self._give_back(line)

    def close(self) -> None:
        """End all idle lines."""
        while (line := self._taken()) is not None:
            line.close()

    def _taken(self) -> Line | None:
        with self._lock:
            while self._idle:
                line = self._idle.pop()
                if line.is_quiet():
                    return line
                line.close()
            return None

    def _give_back(self, line: Line) -> None:
        with self._lock:
            self._idle.append(line)

    def _new(self) -> Line:
        try:
            line = Line(self.dial(), other="the gate")
        except OSError as error:
            raise MachineTrouble(
                f"The gate can't be reached: {error.strerror or error}.",
                advice="Start it (`counterproof gate serve`), or look at its own messages.",
            ) from error
        try:
            uid = line.peer()[1]
            if uid != self.expected_uid:
                raise MachineTrouble(
                    f"User {uid} answers in the gate's place.",
                    allowed=f"The gate runs as user {self.expected_uid}.",
                    advice="Look at who made the socket; nothing was sent.",
                )
            line.send(Hello(version=VERSION))
            if expect(line, Welcome).version != VERSION:
                raise LineBroken("The gate speaks another version of its protocol.")
        except BaseException:
            line.close()
            raise
        return line


@dataclass(frozen=True, kw_only=True)
class RemoteSide:
    """The secure side of one study, in the gate's process; see `secure_side.SecureSide`.

    Attributes:
        client: the lines to the gate.
        study: the study's id.
        record: the study's record.
        files: the study's data.
    """

    client: GateClient
    study: str
    record: Record
    files: tuple[File, ...]
    opening: threading.Lock = field(default_factory=threading.Lock)

    def execute(self, order: Order, program: bytes, *, effect: str) -> Execution:
        """Run an approved program on the real data.

        Raises:
            GateRefused: the gate keeps the data closed; the refusal is in the record.
            MachineTrouble: the gate died or can't be reached.
        """
        with self.client.line() as line:
            self._opened(line, partial(Execute, program=program), order, effect=effect)
            return expect(line, Executed, wait_s=_ANSWER_S + order.limits["wall_s"]).execution

    def make(self, order: MakingOrder, request: bytes, *, effect: str, written: bytes = b"") -> Told:
        """Have a synthetic set made from the real data.

        Raises:
            GateRefused: the gate keeps the data closed; the refusal is in the record.
            MachineTrouble: the gate died or can't be reached.
        """
        with self.client.line() as line:
            self._opened(line, partial(Make, request=request, written=written), order, effect=effect)
            return expect(line, Told, wait_s=_MAKING_S)

    def run_open(self, spec: ExecutionSpec) -> Execution:
        """Run a program on the twin.

        Raises:
            MachineTrouble: the gate or the sandbox can't be had.
        """
        if self.client.sandbox is not None:
            (execution,) = run_all(self.client.sandbox, [spec])
            return execution
        inputs = tuple(
            Given(name=mount.target.removeprefix(f"{DATA_DIR}/"), data=mount.host.read_bytes()) for mount in spec.inputs
        )
        with self.client.line() as line:
            line.send(
                RunOpen(
                    program=spec.program,
                    program_name=spec.program_name,
                    environment=spec.environment.name,
                    digest=spec.environment.digest,
                    inputs=inputs,
                    limits=spec.limits.as_dict(),
                    seed=spec.seed,
                )
            )
            return expect(line, Executed, wait_s=_ANSWER_S + spec.limits.wall_s).execution

    def ask(self, question: str, argument: bytes = b"") -> Told:
        """Ask something of the real data of the study.

        Raises:
            CounterproofError: the gate does not answer that.
        """
        with self.client.line() as line:
            line.send(Ask(study=self.study, question=question, files=self.files, argument=argument))
            return expect(line, Told)

    def copy(self, file: File, target: Path) -> None:
        """Write a data file that may leave the secure side.

        Raises:
            ToolFailed: it may not.
        """
        with self.client.line() as line, target.open("wb") as out:
            line.send(Ask(study=self.study, question="copy", files=(file,)))
            while isinstance(found := heard(line, wait_s=_ANSWER_S), Piece):
                out.write(found.data)
            if not isinstance(found, Told):
                raise LineBroken(f"The gate said {type(found).__name__} in the middle of a file.")

    def _lines(self) -> bytes:
        with self.record.exclusive():
            return self.record.path.read_bytes()

    def _opened(
        self, line: Line, ask: Callable[..., Execute | Make], order: Order | MakingOrder, *, effect: str
    ) -> None:
        """Have the real data opened for an order, and let what was asked begin.

        The gate refuses a record that is shorter than one that it saw: one order after the other shows its own.
        """
        with self.opening:
            asked = order.model_dump_json().encode()
            self._ask_to_open(
                line, ask(study=self.study, effect=effect, order=asked, record=self._lines()), order.digest
            )
        line.send(Go())

    def _ask_to_open(self, line: Line, opening: Execute | Make, order: str) -> None:
        """Ask for the real data, answer what the gate wants to know, and write down what it did."""
        line.send(opening)
        while isinstance(found := line.receive(wait_s=_ANSWER_S), Want):
            line.send(self._wanted(found.digest))
        if isinstance(found, Opened | Failed):
            self._note(found.noted, order, opening.effect)
        if isinstance(found, Failed):
            raise found.error()
        if not isinstance(found, Opened):
            raise LineBroken(f"The gate was asked for data and said {type(found).__name__}.")

    def _wanted(self, digest: str) -> Have | HaveNot:
        try:
            return Have(data=self.record.blobs.get(digest))
        except VerificationFailed:
            return HaveNot()

    def _note(self, noted: Sequence[Noted], order: str, effect: str) -> None:
        for one in noted:
            if one.data.get("order") != order or one.data.get("effect") != effect:
                raise LineBroken("The gate speaks of another order than it was asked for.")
            self.record.append(one.type, data=dict(one.data))


def heard(line: Line, *, wait_s: float) -> Message:
    """Return what the gate says.

    Raises:
        CounterproofError: it says that something failed.
        LineBroken: it says nothing that can be understood.
    """
    found = line.receive(wait_s=wait_s)
    if isinstance(found, Failed):
        raise found.error()
    return found


def expect(line: Line, kind: type[M], *, wait_s: float = _ANSWER_S) -> M:
    """Return what the gate says, which must be of this kind.

    Raises:
        CounterproofError: it says that something failed.
        LineBroken: it says something else, or nothing.
    """
    found = heard(line, wait_s=wait_s)
    if not isinstance(found, kind):
        raise LineBroken(f"The gate was to say {kind.__name__}, and said {type(found).__name__}.")
    return found
