"""The secure side as a study sees it: what may be asked of the real data, wherever they are.

`SecureSide` is all that the study graph knows of real data: it has approved programs executed, synthetic sets made
under an approved specification, programs run on the twin, and questions answered whose answers may be known
(`agents.secure` has them: the profile, the twin, whether a request holds a row). `OwnProcessSide` does it in this
process, for tests and replays; a study of a person's goes through the gate's process (`gate_client`).

It does not cover approvals (`gate`).
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Protocol

from counterproof.provenance.commitments import study_secret
from counterproof.provenance.errors import ToolFailed, UsageError
from counterproof.provenance.events import Event
from counterproof.provenance.ledger import Exposure
from counterproof.provenance.mapped import Content, Room
from counterproof.provenance.record import Record
from counterproof.provenance.vault import Vault
from counterproof.sandbox.contract import Execution, ExecutionSpec, RejectedArtifact, Sandbox, run_all
from counterproof.sandbox.gate import Gate
from counterproof.sandbox.gate_line import File, Told
from counterproof.sandbox.laid import laid_folder, place_for
from counterproof.sandbox.orders import MakingOrder, Order

_REMEMBERED = 4
_PIECE = 1 << 20


class SecureSide(Protocol):
    """What one study may ask of the secure side."""

    def execute(self, order: Order, program: bytes, *, effect: str) -> Execution:
        """Run an approved program on the real data, and return what the contract lets out.

        Raises:
            GateRefused: the gate keeps the data closed; the refusal is in the record.
            MachineTrouble: the gate or the sandbox can't be had.
        """
        ...

    def make(self, order: MakingOrder, request: bytes, *, effect: str, written: bytes = b"") -> Told:
        """Have a synthetic set made from the real data under an approved specification.

        Rows that a model wrote for it are given with it; the secure side takes what it can of them.

        Raises:
            GateRefused: the gate keeps the data closed; the refusal is in the record.
            MachineTrouble: the gate can't be had.
        """
        ...

    def run_open(self, spec: ExecutionSpec) -> Execution:
        """Run a program on the twin.

        Raises:
            MachineTrouble: the sandbox can't be had.
        """
        ...

    def ask(self, question: str, argument: bytes = b"") -> Told:
        """Ask something of the real data of the study.

        Raises:
            UsageError: there is no such question.
            CounterproofError: it can't be answered.
        """
        ...

    def copy(self, file: File, target: Path) -> None:
        """Write a data file that may leave the secure side.

        Raises:
            ToolFailed: it may not.
        """
        ...


class SecureFiles:
    """The data files of a study, to whom they may be read, and what was made of them before.

    Args:
        vault: where they are.
        files: which.
    """

    def __init__(self, vault: Vault, files: Sequence[File]) -> None:
        self._vault = vault
        self.files = tuple(files)
        self._memo: dict[str, Any] = {}
        self._lock = threading.RLock()

    def most(self, name: str) -> Exposure:
        """Return the most that a study may let the model see of a file, as the vault's ledger says."""
        entries = self._vault.ledger.entries()
        found = [entries[file.sha256].exposure for file in self.files if file.name == name and file.sha256 in entries]
        return found[0] if found else "metadata"

    def read(self, file: File) -> Content:
        """Return the bytes of a file, checked; those of a large one may be mapped."""
        return self._vault.content(file.sha256, name=file.name)

    @property
    def room(self) -> Room | None:
        """Where the columns of large files may be kept; None for the memory."""
        return self._vault.room

    def take(self, name: str, epsilon: float) -> None:
        """Write down that a private twin of a file is about to be made; each takes its own.

        Raises:
            UsageError: it would be more than the terms of the file allow.
        """
        for file in self.files:
            if file.name == name:
                self._vault.ledger.take(file.sha256, epsilon, use=f"twin {secrets.token_hex(8)}")

    def open(self) -> Iterator[IO[bytes]]:
        """Open one file after the other."""
        return (self._vault.open(file.sha256, name=file.name) for file in self.files)

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what was made before under that name, or make it."""
        with self._lock:
            if name not in self._memo:
                self._memo[name] = make()
            return self._memo[name]


Question = Callable[[SecureFiles, bytes], Told]


def _secret(files: SecureFiles, argument: bytes) -> Told:
    """Return the secret under which the study's commitments are made (`provenance.commitments`)."""
    return Told(answer=study_secret(argument.decode(), files.open()))


BUILT_IN: Mapping[str, Question] = {"secret": _secret}
MAKING = "making"
"""What answers under this name reads real data for a maker; nobody may ask it past the gate."""


def two(first: bytes, second: bytes) -> bytes:
    """Return two arguments as one."""
    return len(first).to_bytes(8, "big") + first + second


def apart(argument: bytes) -> tuple[bytes, bytes]:
    """Return the two arguments of one; see `two`."""
    size = int.from_bytes(argument[:8], "big")
    return argument[8 : 8 + size], argument[8 + size :]


class Enquiries:
    """Answers questions; remembers what it made of the files of the last studies.

    Args:
        vault: the real data.
        questions: what may be asked; looked up when the first question comes.
    """

    def __init__(self, vault: Vault, questions: Callable[[], Mapping[str, Question]]) -> None:
        self._vault = vault
        self._questions = questions
        self._files: OrderedDict[tuple[File, ...], SecureFiles] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, question: str, files: Sequence[File], argument: bytes) -> Told:
        """Answer a question.

        Raises:
            UsageError: there is no such question.
        """
        known = {**BUILT_IN, **({} if question in BUILT_IN else self._questions())}
        open_ = sorted(set(known) - {MAKING})
        if question not in open_:
            raise UsageError(
                f"The gate's side does not answer {question[:80]!r}.", allowed=f"It answers: {', '.join(open_)}."
            )
        return known[question](self._of(tuple(files)), argument)

    def make(self, files: Sequence[File], request: bytes, written: bytes) -> Told:
        """Have a set made, for an order that the gate has opened the data to, perhaps with rows that a model wrote.

        Raises:
            CounterproofError: it can't be made.
        """
        return self._questions()[MAKING](self._of(tuple(files)), two(request, written))

    def _of(self, files: tuple[File, ...]) -> SecureFiles:
        with self._lock:
            found = self._files.pop(files, None) or SecureFiles(self._vault, files)
            self._files[files] = found
            while len(self._files) > _REMEMBERED:
                self._files.popitem(last=False)
            return found


class OwnProcessSide:
    """The secure side in this process: whoever can read this process's memory or files can read the data.

    Args:
        gate: opens the real data of the study.
        record: the study's record.
        sandbox: runs the programs.
        vault: the real data.
        files: those of the study.
        enquiries: answers questions.
    """

    def __init__(
        self, *, gate: Gate, record: Record, sandbox: Sandbox, vault: Vault, files: Sequence[File], enquiries: Enquiries
    ) -> None:
        self._gate = gate
        self._record = record
        self._sandbox = sandbox
        self._vault = vault
        self._files = tuple(files)
        self._enquiries = enquiries

    def execute(self, order: Order, program: bytes, *, effect: str) -> Execution:
        """Run an approved program on the real data; see `SecureSide`."""
        room = sum(self._vault.size(ref.sha256) for ref in order.inputs)
        with laid_folder(place_for(self._vault, room), room=room) as place:
            spec = self._gate.open(order, program, effect=effect, place=place)
            (execution,) = run_all(self._sandbox, [spec])
        return let_out(execution, self._record.events(), order)

    def make(self, order: MakingOrder, request: bytes, *, effect: str, written: bytes = b"") -> Told:
        """Have a synthetic set made; see `SecureSide`."""
        self._gate.open_making(order, request, effect=effect, written=written)
        return self._enquiries.make(self._files, request, written)

    def run_open(self, spec: ExecutionSpec) -> Execution:
        """Run a program on the twin; see `SecureSide`."""
        (execution,) = run_all(self._sandbox, [spec])
        return execution

    def ask(self, question: str, argument: bytes = b"") -> Told:
        """Ask something of the real data; see `SecureSide`."""
        return self._enquiries.answer(question, self._files, argument)

    def copy(self, file: File, target: Path) -> None:
        """Write a data file that may leave; see `SecureSide`."""
        check_shared(self._vault, file)
        self._vault.lay(file.sha256, target, name=file.name)


def check_shared(vault: Vault, file: File) -> None:
    """Find out whether a data file may go into a bundle.

    Raises:
        ToolFailed: nobody said so.
    """
    entry = vault.ledger.entries().get(file.sha256)
    if entry is None or entry.forgotten_at or not entry.share:
        raise ToolFailed(
            f"The data file {file.name} may not leave the vault.",
            advice="Whoever is responsible for it says otherwise with `counterproof data add --share`.",
        )


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file in pieces."""
    while piece := file.read(_PIECE):
        yield piece


def let_out(execution: Execution, events: Sequence[Event], order: Order) -> Execution:
    """Return what leaves the secure side of an execution on real data.

    A program chooses the names of its files: only files leave whose names the run of the same program on the twin
    showed to a reviewer. The others are counted, and named nowhere. The check program is no program of the model's: it
    writes one file, whose name tells nothing.
    """
    if order.role == "checks":
        return replace(
            execution, artifacts=tuple(one for one in execution.artifacts if one.name == "results.json"), rejected=()
        )
    shown = {
        ref.role.removeprefix("output:")
        for event in events
        if event.type == "effect.finished"
        and event.data["kind"] == "execution"
        and event.data["synthetic"]
        and event.ref("program").sha256 == order.program
        for ref in event.refs
        if ref.role.startswith("output:")
    }
    kept = tuple(artifact for artifact in execution.artifacts if artifact.name in shown)
    left = len(execution.artifacts) - len(kept) + len(execution.rejected)
    held = RejectedArtifact(name="", reason="it was not shown to a reviewer under that name")
    return replace(execution, artifacts=kept, rejected=(held,) * left)
