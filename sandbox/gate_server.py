"""The gate's process: takes orders, refuses or opens, runs the program, and gives back what the contract lets out.

It has the vault, the registry of reviewers (public keys) and a store that guards the single use of approvals; it has no
private key, no key of a model's endpoint, and no graph. From the agent it takes the order, the program and the lines of
the study's record, and checks all of them itself: the chain, the digest of each blob, and the reviewers' signatures.
A record that has become shorter than what it saw before, or another one, is refused.

Each line has a thread. When the agent goes away while its program runs, the program is ended and the data are removed.

It does not cover what the rules are (`gate`), nor how it is started (`ui`).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.checkpoints import Checkpoints
from counterproof.provenance.digests import is_digest, sha256_bytes
from counterproof.provenance.errors import CounterproofError, MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.events import Event
from counterproof.provenance.record import Record
from counterproof.provenance.reviewers import Registry
from counterproof.provenance.store import Store
from counterproof.provenance.vault import Vault
from counterproof.sandbox.contract import Execution, ExecutionSpec, Limits, Mount, Sandbox
from counterproof.sandbox.environments import find_environment
from counterproof.sandbox.environments.environment import Environment
from counterproof.sandbox.errors import GateRefused
from counterproof.sandbox.gate import Gate
from counterproof.sandbox.gate_line import (
    VERSION,
    Ask,
    Execute,
    Executed,
    Failed,
    File,
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
from counterproof.sandbox.laid import laid_folder, place_for
from counterproof.sandbox.orders import MakingOrder, Order, Role
from counterproof.sandbox.secure_side import Enquiries, check_shared, let_out, pieces

_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_ANSWER_S = 60.0
_END_S = 20.0
_NAMED: Mapping[Role, str] = {"primary": "environment", "replication": "replication_environment"}


@dataclass(frozen=True, kw_only=True)
class GateServer:
    """The gate of one installation.

    Attributes:
        store: guards the single use of approvals.
        registry: who may decide.
        vault: the real data.
        sandbox: runs programs.
        enquiries: answers questions.
        runs_open: whether it runs programs on the twin too; not where the agent is another user, whose programs
            nobody has looked at.
        laid: where data lie in the clear while a program runs; None for the memory of the machine.
        find: returns an analysis environment by its name.
    """

    store: Store
    registry: Registry
    vault: Vault
    sandbox: Sandbox
    enquiries: Enquiries
    runs_open: bool
    laid: Path | None = None
    find: Callable[[str], Environment] = find_environment
    seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "seen", Seen(self.store.home / "gate"))

    def attend(self, line: Line) -> None:
        """Answer what is asked on a line until it ends."""
        try:
            hello = line.receive(wait_s=_ANSWER_S)
            if not isinstance(hello, Hello) or hello.version != VERSION:
                said = f"version {hello.version}" if isinstance(hello, Hello) else type(hello).__name__
                trouble = MachineTrouble(
                    f"The gate speaks version {VERSION} of its protocol, and the agent said {said}.",
                    advice="Install the same version of Counterproof on both sides, and start both again.",
                )
                line.send(Failed.of(trouble))
                return
            line.send(Welcome(version=VERSION))
            while True:
                self._answer(line, line.receive(wait_s=None))
        except LineBroken:
            return
        finally:
            line.close()

    def _answer(self, line: Line, asked: Message) -> None:
        try:
            match asked:
                case Execute():
                    self._execute(line, asked)
                case Make():
                    self._make(line, asked)
                case RunOpen():
                    line.send(Executed(execution=self._run_open(line, asked)))
                case Ask(question="copy"):
                    self._copy(line, asked)
                case Ask():
                    line.send(self.enquiries.answer(asked.question, asked.files, asked.argument))
                case ListData():
                    entries = self.vault.ledger.entries().values()
                    line.send(Listed(entries=tuple(one for one in entries if not one.forgotten_at)))
                case _:
                    raise LineBroken(f"The agent said {type(asked).__name__}, and nothing was asked.")
        except LineBroken:
            raise
        except CounterproofError as error:
            line.send(Failed.of(error))
        except (ValueError, LookupError, TypeError, OSError) as error:
            # What was asked is not of its form, or the machine refused; the text of such an error may hold values.
            line.send(Failed.of(MachineTrouble(f"The gate could not do it: {type(error).__name__}.")))

    def _execute(self, line: Line, asked: Execute) -> None:
        order = _order(asked.order)
        with self._evidence(line, asked) as evidence:
            size = len(evidence.events())
            room = sum(self.vault.size(ref.sha256) for ref in order.inputs)
            with laid_folder(self.laid or place_for(self.vault, room), room=room) as place:
                try:
                    spec = self._gate(asked.study, evidence).open(
                        order, asked.program, effect=asked.effect, place=place
                    )
                except GateRefused as error:
                    line.send(Failed.of(error, noted=_noted(evidence, size)))
                    return
                self.seen.remember(asked.study, evidence.events()[:size])
                line.send(Opened(noted=_noted(evidence, size)))
                if not isinstance(line.receive(wait_s=_ANSWER_S), Go):
                    raise LineBroken("The agent did not write down that the gate was opened; nothing was run.")
                execution = _watched(self.sandbox, spec, line)
            line.send(Executed(execution=let_out(execution, evidence.events(), order)))

    def _make(self, line: Line, asked: Make) -> None:
        order = _making_order(asked.order)
        with self._evidence(line, asked) as evidence:
            size = len(evidence.events())
            try:
                self._gate(asked.study, evidence).open_making(
                    order, asked.request, effect=asked.effect, written=asked.written
                )
            except GateRefused as error:
                line.send(Failed.of(error, noted=_noted(evidence, size)))
                return
            self.seen.remember(asked.study, evidence.events()[:size])
            line.send(Opened(noted=_noted(evidence, size)))
        if not isinstance(line.receive(wait_s=_ANSWER_S), Go):
            raise LineBroken("The agent did not write down that the gate was opened; nothing was made.")
        files = [File(name=ref.name, sha256=ref.sha256) for ref in order.inputs]
        line.send(self.enquiries.make(files, asked.request, asked.written))

    def _gate(self, study: str, record: Record) -> Gate:
        created = record.of_type("study.created")[0].data
        environments: dict[Role, Environment] = {role: self.find(str(created[name])) for role, name in _NAMED.items()}
        # The check program is Python's, whatever the primary is.
        environments["checks"] = environments["primary"] if created["language"] == "python" else self.find("python")
        # A gate under the agent's user sees the folder of the study; one of another user has the record alone.
        folder = self.store.study_folder(study) if self.runs_open else None
        checkpoints = Checkpoints(store=self.store, registry=self.registry, record=record, study=study, folder=folder)
        return Gate(
            study=study,
            record=record,
            checkpoints=checkpoints,
            store=self.store,
            vault=self.vault,
            environments=environments,
        )

    @contextmanager
    def _evidence(self, line: Line, asked: Execute | Make) -> Iterator[Record]:
        """Keep the study's record as the agent gives it for the time of one order; what the gate adds stays here."""
        if not _STUDY.fullmatch(asked.study):
            raise UsageError(f"{asked.study[:80]!r} is no study.")
        with laid_folder(self.laid, room=len(asked.record)) as folder:
            (folder / "record").mkdir()
            (folder / "record" / "events.jsonl").write_bytes(asked.record)
            record = Record(folder / "record", blobs=AskedBlobs(folder / "blobs", line))
            created = record.of_type("study.created")
            if len(created) != 1 or created[0].seq != 0 or created[0].data["study"] != asked.study:
                raise VerificationFailed(f"The record that was shown to the gate is not that of {asked.study}.")
            self.seen.check(asked.study, record.events())
            yield record

    def _run_open(self, line: Line, asked: RunOpen) -> Execution:
        if not self.runs_open:
            raise UsageError(
                "This gate runs approved programs only.", advice="Run the programs on the twin on the agent's side."
            )
        environment = self.find(asked.environment)
        if environment.digest != asked.digest:
            raise VerificationFailed(
                f"The gate has another environment {asked.environment!r} ({environment.digest[:12]}…) than the agent "
                f"({asked.digest[:12]}…).",
                advice="Start the command again.",
            )
        with laid_folder(self.laid, room=sum(len(given.data) for given in asked.inputs)) as place:
            mounts = tuple(Mount(host=place / given.name, target=given.name) for given in asked.inputs)
            for given in asked.inputs:
                (place / given.name).write_bytes(given.data)
            spec = ExecutionSpec(
                program=asked.program,
                environment=environment,
                inputs=mounts,
                limits=Limits(**asked.limits),
                seed=asked.seed,
                program_name=asked.program_name,
            )
            return _watched(self.sandbox, spec, line)

    def _copy(self, line: Line, asked: Ask) -> None:
        for file in asked.files:
            check_shared(self.vault, file)
        for file in asked.files:
            with self.vault.open(file.sha256, name=file.name) as source:
                for piece in pieces(source):
                    line.send(Piece(data=piece))
        line.send(Told(answer=b""))


class AskedBlobs(Blobs):
    """The blobs of a study, asked of the agent one by one and checked by their digests.

    Args:
        folder: where they are kept meanwhile.
        line: to the agent.
    """

    def __init__(self, folder: Path, line: Line) -> None:
        super().__init__(folder)
        self._line = line

    def get(self, digest: str) -> bytes:
        """Return the bytes of a blob.

        Raises:
            VerificationFailed: the agent has none, or gives other bytes.
            LineBroken: the agent does not answer.
        """
        if not is_digest(digest):
            raise VerificationFailed(f"{digest[:80]!r} is no digest.")
        if not self.has(digest):
            self._line.send(Want(digest=digest))
            given = self._line.receive(wait_s=_ANSWER_S)
            if isinstance(given, HaveNot):
                raise VerificationFailed(f"Blob {digest} is missing.", advice="Restore it from a backup.")
            if not isinstance(given, Have):
                raise LineBroken(f"The agent was asked for a blob and said {type(given).__name__}.")
            if sha256_bytes(given.data) != digest:
                raise VerificationFailed(f"Blob {digest} has been changed: the agent gave other bytes.")
            self.put(given.data)
        return super().get(digest)


class Seen:
    """How far the gate has seen the record of each study: a record only grows, and may not forget a withdrawal.

    Args:
        folder: where that is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, study: str, events: list[Event]) -> None:
        """Compare a record with what was seen of it.

        Raises:
            VerificationFailed: it is shorter, or another one.
        """
        try:
            seen = json.loads((self._folder / f"{study}.json").read_text("ascii"))
        except FileNotFoundError:
            return
        if len(events) < seen["size"] or events[seen["size"] - 1].digest != seen["head"]:
            raise VerificationFailed(
                f"The record of {study} is another one than the gate has seen: {len(events)} events, "
                f"and there were {seen['size']}.",
                allowed="A record only grows.",
                advice="Restore the study from a backup that is newer than its last execution.",
            )

    def remember(self, study: str, events: list[Event]) -> None:
        """Keep how far a record goes."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._folder / f".new-{secrets.token_hex(8)}"
        with new.open("w", encoding="ascii") as file:
            json.dump({"size": len(events), "head": events[-1].digest}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._folder / f"{study}.json")


def serve(accept: Iterator[socket.socket], server: GateServer, *, allowed: Callable[[int], bool]) -> None:
    """Attend each line in a thread of its own until there are no more; then end the programs that run, and return.

    Args:
        accept: gives each new line.
        server: the gate.
        allowed: says of a user whether its processes may ask.
    """
    attended: list[tuple[threading.Thread, socket.socket]] = []
    try:
        for sock in accept:
            line = Line(sock, other="the agent")
            if not allowed(line.peer()[1]):
                line.close()
                continue
            thread = threading.Thread(target=server.attend, args=(line,), name="gate-line", daemon=True)
            attended = [(one, other) for one, other in attended if one.is_alive()] + [(thread, sock)]
            thread.start()
    finally:
        for _, sock in attended:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread, _ in attended:
            thread.join(timeout=_END_S)


def _order(text: bytes) -> Order:
    try:
        return Order.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"What the gate was asked for is no order: {error.error_count()} faults.") from error


def _making_order(text: bytes) -> MakingOrder:
    try:
        return MakingOrder.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"What the gate was asked for is no order: {error.error_count()} faults.") from error


def _noted(record: Record, size: int) -> tuple[Noted, ...]:
    return tuple(
        Noted(type="gate.opened" if event.type == "gate.opened" else "gate.refused", data=event.data)
        for event in record.events()[size:]
        if event.type in ("gate.opened", "gate.refused")
    )


def _watched(sandbox: Sandbox, spec: ExecutionSpec, line: Line) -> Execution:
    """Run a program; end it when the agent goes away or talks out of turn."""
    return asyncio.run(_run_watched(sandbox, spec, line))


async def _run_watched(sandbox: Sandbox, spec: ExecutionSpec, line: Line) -> Execution:
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    await sandbox.probe()
    session = await sandbox.open(spec)
    loop.add_reader(line.fileno(), gone.set)
    running, leaving = asyncio.create_task(session.run()), asyncio.create_task(gone.wait())
    try:
        await asyncio.wait({running, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            await session.cancel()
            await running
            raise LineBroken("The agent went away while its program ran; the program was ended.")
        return running.result()
    finally:
        loop.remove_reader(line.fileno())
        leaving.cancel()
        await session.close()
