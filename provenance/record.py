"""The append-only, hash-chained history of a study.

One event a line in `events.jsonl` (`events`), and what keeps them there: appends, readers, and what a crash leaves.

An append is flushed to the disk before it returns: what a caller does next can rely on it, and an append that fails
raises before the effect. Bodies that are given to it (`Body`) are on the disk by then too, with the same flush: both
are written into a log first (`ahead`), from which the next who opens the record puts back what was lost.

With `durable=False` it is written, seen by all, and flushed by the next durable append (or when the record is let go
of). A killed process loses nothing of it; a machine that loses power may lose such events, always together with all
that came after them. So it is for an event that the same step writes again when it is run again, and that is followed
by a durable append before that step is done.

Several processes may append (the worker that runs the study, the terminal in which a person decides): each
append holds a file lock and first reads what others have added. Reading needs no lock: a line without its end is not
yet an event.

A crash can tear the last line. A torn line was never acknowledged; the next append cuts it off and says so in
a `record.repaired` event.

It does not cover signatures over the head (`record_checkpoints`, `bundle`), nor a rewrite of the whole file by somebody
who also holds the service key: against that only a head that was published elsewhere helps. Nor a disk that refuses
to flush, forgets what it refused, and then takes writes again.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from counterproof.provenance.ahead import LARGE, Ahead, Damaged, Entry
from counterproof.provenance.blobs import Blobs, Stored, is_laid, write_all
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble, VerificationFailed
from counterproof.provenance.events import SYSTEM, Actor, Chain, Event, Ref, Side, encode

_PATIENCE_S = 2.0
"""How long a reader waits for writers before it says that a record is broken."""
_MAY_NOT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class Body:
    """A body that an append stores, in place of the reference to one that is stored; see `Record.put`."""

    role: str
    data: bytes
    media: str = "application/json"
    side: Side = "open"
    sealed: bool = False


class Record:
    """The record of one study (or of a registry) in a folder.

    Args:
        folder: holds `events.jsonl`; made at the first append.
        blobs: where the bodies are.
        shared: whether several machines may use the folder: then each body is flushed on its own.
    """

    def __init__(self, folder: Path, *, blobs: Blobs, shared: bool = False) -> None:
        self.folder = folder
        self.blobs = blobs
        self.path = folder / "events.jsonl"
        self._shared = shared
        self._ahead = Ahead(folder / "ahead.log", bodies=blobs.folder)
        blobs.waiting = self._ahead.find
        self._looked = False
        self._flushed = -1
        self._lock = threading.RLock()
        self._depth = 0
        self._handle: int | None = None
        self._guard: Callable[[], None] | None = None
        self._events: list[Event] = []
        self._chain = Chain()

    def guard(self, check: Callable[[], None]) -> None:
        """Have a check made before each append from here on, while the record's lock is held; what it raises stops it.

        Whoever runs a study checks that it still may (`leases`). What others appended before is read first, so that
        nothing of theirs is overlooked.
        """
        with self.exclusive():
            self._guard = check

    def put(
        self, role: str, data: bytes, *, media: str = "application/json", side: Side = "open", sealed: bool = False
    ) -> Ref:
        """Store a body and return the reference that an event can carry; a secure body is named by a commitment.

        With `sealed` one that is open is sealed on the disk where there is a key: what was asked of a model, and what
        it answered.
        """
        digest = self.blobs.commit(data) if side == "secure" else self.blobs.put(data, sealed=sealed)
        return Ref(role=role, sha256=digest, size=len(data), media=media, side=side)

    def _named(self, ref: Ref | Body) -> tuple[Ref, Stored | None]:
        """Return the reference to a body, and its file where the append is to write it."""
        if isinstance(ref, Ref):
            return ref, None
        if self._shared or len(ref.data) > LARGE:
            return self.put(ref.role, ref.data, media=ref.media, side=ref.side, sealed=ref.sealed), None
        ready = self.blobs.ready(ref.data, secure=ref.side == "secure", sealed=ref.sealed)
        named = Ref(role=ref.role, sha256=ready.digest, size=len(ref.data), media=ref.media, side=ref.side)
        if is_laid(self.blobs.folder, ready.kind, ready.digest):
            self.blobs.named = True
            return named, None
        return named, ready

    def append(
        self,
        type_: str,
        *,
        actor: Actor = SYSTEM,
        data: dict[str, Any],
        refs: Sequence[Ref | Body] = (),
        durable: bool = True,
    ) -> Event:
        """Add one event.

        Args:
            type_: what happened.
            actor: who did it.
            data: the facts.
            refs: the blobs that it speaks of, and bodies to be stored with it.
            durable: flush it, and all before it, to the disk before returning; see above for what may go without.

        Raises:
            MachineTrouble: the disk refused; nothing was added.
            VerificationFailed: the file on disk is no longer the chain that was read before, or this is no event.
        """
        named = [self._named(ref) for ref in refs]
        files = [stored for _ref, stored in named if stored is not None]
        with self.exclusive() as handle:
            if self._guard is not None:
                self._guard()
            line = encode(self._chain, type_, actor, data, [ref for ref, _stored in named]) + b"\n"
            event = self._chain.check(line)
            try:
                self._write(handle, line, files, durable=durable)
            except OSError as error:
                raise self._refused(error) from error
            self._chain.add(line, event)
            self._events.append(event)
            if durable or files:
                self._flushed = self._chain.length
            if self._ahead.is_full:
                with suppress(OSError):  # the event is there, and so is the log
                    self._ahead.empty(handle)
            return event

    def _write(self, handle: int, line: bytes, files: Sequence[Stored], *, durable: bool) -> None:
        """Write a line, and before it the log where it has bodies; on an error there is neither."""
        length = self._chain.length
        self._ahead.keep()
        try:
            if files and self._ahead.is_overfull:
                self._ahead.empty(handle)
            if files and (self.blobs.named or length - self._flushed > LARGE):
                # First, for what is put back from the log may name files whose names are not on the disk yet. Those go
                # there with whatever is changed after them, so something is.
                os.utime(handle)
                self._flush(handle, os.fsync)
                self._flushed = length
            if files:
                before = os.pread(handle, length - self._flushed, self._flushed)
                self._ahead.write(Entry(at=self._flushed, lines=before + line, bodies=tuple(files)))
            write_all(handle, line)
            if durable and not files:
                self._flush(handle, os.fdatasync)
        except BaseException:
            # Without this, a line that was written whole but not flushed would be read back as an event.
            with suppress(OSError):
                os.ftruncate(handle, length)
            self.blobs.named = True  # the next entry of the log must not reach the disk before this cut
            self._ahead.take_back()
            raise

    def _flush(self, handle: int, how: Callable[[int], None]) -> None:
        """Bring the record to the disk, and with it the names of files that were made up to now."""
        names, self.blobs.named = self.blobs.named, False  # first: another thread may make the next one meanwhile
        try:
            how(handle)
        except BaseException:
            self.blobs.named |= names
            raise

    def events(self) -> list[Event]:
        """Return all complete events, oldest first; a torn last line is not one of them.

        Raises:
            VerificationFailed: the chain is broken; the text names the event.
        """
        with self._lock:
            self._catch_up()
            return list(self._events)

    def since(self, seq: int) -> list[Event]:
        """Return the events from number `seq` on; what was read before costs nothing.

        Raises:
            VerificationFailed: the chain is broken; the text names the event.
        """
        with self._lock:
            self._catch_up()
            return self._events[seq:]

    def of_type(self, *types: str) -> list[Event]:
        """Return the events of these types, oldest first."""
        with self._lock:
            self._catch_up()
            return [event for event in self._events if event.type in types]

    def rest(self) -> None:
        """Make files of the bodies in the log, for nothing is appended for a while; if the disk refuses, they wait."""
        with self.exclusive() as handle, suppress(OSError):
            if self._ahead.is_filled:
                self._ahead.empty(handle)

    @contextmanager
    def exclusive(self) -> Iterator[int]:
        """Hold the record's lock, so that reading and then appending is one step; may be nested."""
        with self._lock:
            if self._handle is None:
                self._handle = self._open()
                weakref.finalize(self, _let_go, self._lock, self._handle, self.path, self._ahead)
            if self._depth == 0:
                fcntl.flock(self._handle, fcntl.LOCK_EX)
            self._depth += 1
            try:
                if self._depth == 1:
                    self._settle(self._handle)
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

    def _settle(self, handle: int) -> None:
        """Read what others have added, put back what was lost, and cut a torn line off; the lock is held."""
        held = os.fstat(handle)
        self._same_file(held)
        try:
            if self._ahead.is_gone():
                self._ahead.empty(handle)
                self._ahead.close()
            lost = self._put_back(handle) if self._ahead.is_news() else 0
            self._looked = True
            if lost or held.st_size != self._chain.length:
                self._catch_up()
                self._mend(handle)
            if self._flushed < 0:
                # A killed process may have left lines unflushed, and what is done from here on rests on them.
                if self._chain.length:
                    os.fdatasync(handle)
                self._flushed = self._chain.length
        except OSError as error:
            raise self._refused(error) from error
        if lost:
            self.append("record.restored", data={"events": lost})

    def _put_back(self, handle: int) -> int:
        """Put back what stands in the log alone; return how many events a loss of power had taken."""
        try:
            here, entries = self._ahead.read()
            self._read_on(soundly=True)
            restored = [count for entry in entries if (count := self._restored(handle, entry))]
            if not here and b"\n" not in self._behind(handle):
                self._require_the_same(handle, entries)
                with suppress(Damaged):  # what is sound was put back
                    self._ahead.empty(handle)
        except BaseException:
            self._ahead.forget()
            raise
        # A writer that was killed had one entry on the way, and nobody was told of it.
        return sum(restored) if not here or len(restored) > 1 else 0

    def _restored(self, handle: int, entry: Entry) -> int:
        """Write the lines of an entry that the record lacks, where they follow; return how many these are.

        What stands there may be a torn line, or a part of them with zeros in it. Anything else was written by somebody,
        and is left to be refused.
        """
        length, behind = self._chain.length, self._behind(handle)
        lines = entry.lines[length - entry.at :] if entry.at <= length < entry.end else b""
        lacking = b"\n" not in behind or all(there in (0, wanted) for there, wanted in zip(behind, lines, strict=False))
        if not lacking or not self._chain.takes(lines):
            return 0
        with self.path.open("r+b") as file:
            file.seek(length)
            file.write(lines)
        self._read_on(soundly=True)
        return lines.count(b"\n")

    def _require_the_same(self, handle: int, entries: Iterable[Entry]) -> None:
        """Refuse a record that says something else than its log, before that is emptied."""
        for entry in entries:
            if not entry.lines.startswith(os.pread(handle, len(entry.lines), entry.at)):
                raise VerificationFailed(
                    f"The record {self.path.name} was changed at byte {entry.at} or later: its log says otherwise.",
                    advice="Restore the record from a backup. The log beside it, ahead.log, has the lines as they were "
                    "written; it is left as it is.",
                )

    def _behind(self, handle: int) -> bytes:
        """Return what stands behind the lines that were read."""
        return os.pread(handle, os.fstat(handle).st_size - self._chain.length, self._chain.length)

    def _refused(self, error: OSError) -> MachineTrouble:
        return MachineTrouble(
            f"The record {self.path.name} can't be written: {error}.",
            advice="The study stops before the effect. Make room on the disk, then run again.",
        )

    def _same_file(self, held: os.stat_result) -> None:
        """Refuse to append to a file that nobody finds any more: the event would be acknowledged and lost."""
        try:
            same = os.path.samestat(held, os.stat(self.path))  # noqa: PTH116  # twice as fast, at each append
        except FileNotFoundError:
            same = False
        if not same:
            raise VerificationFailed(
                f"The record {self.path.name} has vanished or was replaced while it was open.",
                advice="Put the old file back, or start the command again to read the new one.",
            )

    def _catch_up(self) -> None:
        if not self._looked:
            self._look()
        try:
            size = os.stat(self.path).st_size  # noqa: PTH116  # twice as fast, at each look
        except FileNotFoundError:
            if self._events:
                raise VerificationFailed(f"The record {self.path.name} has vanished.") from None
            return
        if size < self._chain.length:
            raise VerificationFailed(f"The record {self.path.name} has become shorter; it may only grow.")
        if size > self._chain.length:
            try:
                self._read_on()
            except VerificationFailed:
                # While it was read, a torn line may have been cut off and another one put in its place: what counts is
                # what stands there while nobody writes.
                with self.path.open("rb") as held:
                    if self._depth or not _nobody_writes(held):
                        raise
                    self._read_on()

    def _look(self) -> None:
        """See before the first reading whether something has to be put back.

        Who may only read, or finds a writer that does not end, reads what stands there.
        """
        exists = self.path.exists()
        try:
            if self._ahead.holds_more(self.path.stat().st_size if exists else 0):
                if exists:
                    with self.path.open("rb") as held:
                        if not _nobody_writes(held):
                            return
                with self.exclusive():
                    pass
        except MachineTrouble as error:
            if getattr(error.__cause__, "errno", None) not in _MAY_NOT:
                raise
        self._looked = True

    def _read_on(self, *, soundly: bool = False) -> None:
        """Read the lines that were added; with `soundly` up to the first that doesn't follow."""
        grown, new = self._chain.copy(), list[Event]()
        with self.path.open("rb") as file:
            file.seek(grown.length)
            with suppress(VerificationFailed) if soundly else nullcontext():
                for event in grown.read(_complete(file)):
                    new.append(event)
        self._events += new
        self._chain = grown
        self.blobs.named |= bool(new)  # others may have made files whose names are not on the disk yet

    def _mend(self, handle: int) -> None:
        size = os.fstat(handle).st_size
        if size == self._chain.length:
            return
        torn = os.pread(handle, size - self._chain.length, self._chain.length)
        os.ftruncate(handle, self._chain.length)
        self.append("record.repaired", data={"torn_bytes": len(torn), "torn_sha256": sha256_bytes(torn)})


def _nobody_writes(file: IO[bytes]) -> bool:
    """Wait until no process appends, and keep it so while the file is open; False when that takes too long."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.01)


def _complete(lines: Iterable[bytes]) -> Iterator[bytes]:
    """End before a last line that is still being written, or is torn; what follows may be the rest of it."""
    return itertools.takewhile(lambda line: line.endswith(b"\n"), lines)


def _let_go(lock: threading.RLock, handle: int, path: Path, ahead: Ahead) -> None:
    """Empty the log and close both; run when a record is collected, or at exit, where a thread may use it still.

    The lock is kept: such a thread ends with the process, and must not go on with descriptors that are closed.
    """
    if not lock.acquire(blocking=False):
        return
    with suppress(OSError):
        os.fdatasync(handle)
        # The folder may have been removed. And this may run in any thread, also in one that starts a sandbox and sees
        # other folders meanwhile: files of bodies that were made in those would be lost.
        if ahead.wrote and path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who holds it empties the log some day
            try:
                ahead.empty(handle)
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)
    ahead.close()
    os.close(handle)
