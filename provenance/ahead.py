"""One flush for an event and its bodies: the log `ahead.log` beside a record.

An event and the bodies that it names must be on the disk together before anything rests on them. They are several
files, and each would need a flush of its own, and each new file takes time. So their bytes are written into this log
first, one entry an append, and the log is flushed; then the line is appended to the record, and the system takes its
time to bring it to the disk. The bodies become files when the log is emptied: when the record is let go of, or the log
is long. Until then they are read from here (`Blobs`).

A log says in which run of which machine, and in which file, it was written: there the record can lack nothing but the
last entry, whose writer was killed. Anywhere else (after a loss of power, in a copy of the disk) it may lack any of it.
Who opens the record then puts back what is missing (`Record`); what was changed is left as it is, and is refused.

An entry is a line of JSON with lengths and digests, then the lines of the record, then the files of the bodies, in the
form in which they are stored: what is sealed on the disk is sealed here. Zeros, or an entry that was not written whole,
end the log: nobody was told that it is there. The first line has a random part, which tells a log that was emptied and
filled again from what it was.

It does not cover folders that several machines may share: there the files are flushed one by one.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Literal, overload

import msgspec

from counterproof.provenance.blobs import Kind, Stored, is_laid, lay, write_all
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble

LARGE = 1 << 20
"""A body of more bytes becomes a file at once: writing it twice would take longer."""
_FULL = 8 << 20
"""From this length on the log is emptied."""
_STEP = 1 << 20
"""The file grows by so many bytes, with zeros at its end: a flush is quicker where it does not grow."""
_MANY = 256
"""With so many entries it is emptied too: each body becomes a file of its own."""
_HEAD = 1 << 14
"""No first line of a log or of an entry has more bytes."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")


_Size = Annotated[int, msgspec.Meta(ge=0)]
_Sha = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class _Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of an entry: where its lines begin in the record, and how long what follows is, and its SHA-256.

    A body has the folder it is in, its name, and length and SHA-256 of its file.
    """

    at: _Size
    lines: tuple[_Size, _Sha]
    bodies: tuple[tuple[Kind, _Sha, _Size, _Sha], ...]


_decode = msgspec.json.Decoder(_Head).decode


class Damaged(OSError):
    """The log lacks something that was written into it, and is not to be emptied."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one append wrote.

    Attributes:
        at: where its lines begin in the record, in bytes.
        lines: the lines, each with its newline.
        bodies: the files of its bodies.
    """

    at: int
    lines: bytes
    bodies: tuple[Stored, ...]

    @property
    def end(self) -> int:
        """Where its lines end in the record."""
        return self.at + len(self.lines)


class Ahead:
    """The log of one record. Whoever calls holds the record's lock, but for `holds_more` and `find`.

    Args:
        path: where it is; made with the first entry.
        bodies: the folder of the bodies (`Blobs`).
    """

    def __init__(self, path: Path, *, bodies: Path) -> None:
        self._path = path
        self._bodies = bodies
        self._handle: int | None = None
        self._first = b""
        self._end = 0
        self._taking: tuple[bytes, int, int] | None = None
        self._count = 0
        self._writer = 0
        self._refused = False
        self._found = _Index()
        self._finding = threading.Lock()

    @property
    def wrote(self) -> bool:
        """Whether this process has written an entry since the log was emptied last; a fork of it has not."""
        return self._writer == os.getpid()

    @property
    def is_filled(self) -> bool:
        """Whether it held entries, by whomever, when it was read or written last."""
        return self._end > 0

    def holds_more(self, length: int) -> bool:
        """Say whether a record of this length may lack what is in here; needs no lock, and reads no bodies.

        Raises:
            MachineTrouble: it can't be read.
        """
        with self._reading() as log:
            first = _line(log, 0) if log is not None else b""
            if log is None or not first:
                return False
            return not first.startswith(_origin(log)) or _last_line(log, len(first)) > length

    @contextmanager
    def _reading(self) -> Iterator[int | None]:
        """Open it for a look; gives None where there is none, or it is empty."""
        try:
            with ExitStack() as stack:
                log = None
                with suppress(FileNotFoundError):
                    if self._path.stat().st_size:
                        log = stack.enter_context(self._path.open("rb", buffering=0)).fileno()
                yield log
        except OSError as error:
            raise MachineTrouble(
                f"The log {self._path.name} beside the record can't be read: {error}.",
                advice="Mend the permissions or the disk, then try again; bodies of the study are in it.",
            ) from error

    def forget(self) -> None:
        """Read it anew from its beginning the next time: what was read could not be used."""
        self._first, self._end = b"", 0

    def is_gone(self) -> bool:
        """Say whether the file that is open is no longer the one that others find."""
        if self._handle is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._handle), os.stat(self._path))  # noqa: PTH116  # at each append
        except FileNotFoundError:
            return True

    def is_news(self) -> bool:
        """Say whether others have written to it since it was read, or have emptied it."""
        handle = self._opened()
        if handle is None:
            return False
        begins = os.pread(handle, len(self._first) or 1, 0)
        if not self._first or not begins.startswith(self._first):
            return bool(self._first or begins)
        return os.pread(handle, 1, self._end) not in (b"", b"\0")

    def read(self) -> tuple[bool, list[Entry]]:
        """Return whether it was written in this run of the machine and into this file, and what was not read before."""
        handle = self._opened()
        if handle is None:
            return True, []
        first = _line(handle, 0)
        begin = self._end if first == self._first else len(first)
        data = os.pread(handle, os.fstat(handle).st_size - begin, begin)
        placed = list(_entries(data, 0))
        self._first, self._end = first, begin + (placed[-1].ends[-1] if placed else 0)
        return not first or first.startswith(_origin(handle)), [one.entry(data) for one in placed]

    def find(self, kind: Kind, digest: str) -> bytes | None:
        """Return what is to be in the file of a body, or None where the log doesn't hold it; needs no lock.

        Each entry is looked at once, however many bodies are asked for.

        Raises:
            MachineTrouble: it can't be read.
        """
        with self._reading() as log, self._finding:
            return self._found.find(log, kind, digest) if log is not None else None

    def write(self, entry: Entry) -> None:
        """Add an entry and flush it; what was written before has been read.

        Raises:
            OSError: the disk refused; the entry has to be taken back.
        """
        handle = self._opened(make=True)
        first = self._first or _first_line(handle)
        data = _encoded(entry) if self._first else first + _encoded(entry)
        begin, end = self._end, self._end + len(data)
        grows = end > os.fstat(handle).st_size
        self._taking = (self._first, begin, end)
        self._first, self._end = first, end
        os.lseek(handle, begin, os.SEEK_SET)
        write_all(handle, data)
        if grows:
            with suppress(OSError):  # a disk that is nearly full takes the entry without
                write_all(handle, bytes(-end % _STEP))
        os.fdatasync(handle)
        self._writer = os.getpid()
        self._count += 1

    def keep(self) -> None:
        """Leave the entries that were written so far where they are: their appends are done."""
        self._taking = None

    def take_back(self) -> None:
        """Take the entry back that was written last and not kept: its append failed.

        Whoever has read it reads the log anew, for its first line is another one.
        """
        if self._taking is None:
            return
        handle, (first, begin, end) = self._opened(make=True), self._taking
        self._first, self._end, self._taking = first, begin, None
        with suppress(OSError):
            if begin:
                os.pwrite(handle, b"\0", begin)
                self._first = _first_line(handle)
                os.pwrite(handle, self._first, 0)
                os.lseek(handle, begin, os.SEEK_SET)
                write_all(handle, bytes(end - begin))
            else:
                os.ftruncate(handle, 0)
            os.fdatasync(handle)

    @property
    def is_full(self) -> bool:
        """Whether it should be emptied."""
        return self._end >= _FULL or self._count >= _MANY

    @property
    def is_overfull(self) -> bool:
        """Whether it must be emptied before anything is added."""
        return self._end >= 4 * _FULL

    def empty(self, record: int) -> None:
        """Make files of the bodies in it, flush all that its entries speak of, and begin anew.

        Args:
            record: the record's file, open.

        Raises:
            OSError: the disk refused, or did so before; the log stays as it is.
            Damaged: something in it is damaged; it stays, and what is sound are files too.
        """
        if self._refused:
            raise OSError(errno.EIO, "the disk refused to flush the record before, and may have forgotten what of it")
        handle = self._opened(make=True)
        data = os.pread(handle, os.fstat(handle).st_size, 0)
        reached, damaged = len(_line(handle, 0)), False
        for placed in _entries(data, reached):
            reached = placed.ends[-1]
            for body in placed.entry(data).bodies:
                lay(self._bodies, body)
            damaged = damaged or not all(is_laid(self._bodies, kind, digest) for kind, digest, *_ in placed.head.bodies)
        if damaged or (_line(handle, 0) == self._first and reached < self._end):
            raise Damaged(errno.EIO, f"the log of the record is damaged before byte {max(reached, self._end)}")
        self._refused = True
        os.fdatasync(record)
        self._refused = False
        os.ftruncate(handle, 0)
        self._first, self._end, self._writer, self._count = b"", 0, 0, 0

    def close(self) -> None:
        """Let go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        self.forget()

    @overload
    def _opened(self) -> int | None: ...

    @overload
    def _opened(self, *, make: Literal[True]) -> int: ...

    def _opened(self, *, make: bool = False) -> int | None:
        if self._handle is None:
            if not make and not os.access(self._path, os.F_OK):  # at each append to a record without a log
                return None
            self._handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
        return self._handle


def _origin(handle: int) -> bytes:
    """Return how a log begins that is written now into this file."""
    held = os.fstat(handle)
    return f"counterproof-ahead-1 {_boot()} {held.st_dev} {held.st_ino} ".encode()


def _first_line(handle: int) -> bytes:
    """Return a first line for a log that is written now into this file, unlike any other."""
    return b"%s%s\n" % (_origin(handle), secrets.token_hex(8).encode())


def _line(log: int, at: int) -> bytes:
    """Return the line that begins at a place, with its newline; b"" where there is none."""
    data = os.pread(log, _HEAD, at)
    return data[: data.find(b"\n") + 1]


def _last_line(log: int, at: int) -> int:
    """Return where the lines of the last entry end in the record, going from head to head."""
    end = 0
    while line := _line(log, at):
        try:
            head = _decode(line)
        except ValueError:
            break
        end = head.at + head.lines[0]
        at += len(line) + head.lines[0] + sum(size for _, _, size, _ in head.bodies)
    return end


@cache
def _boot() -> str:
    """Return the name of this run of the machine; another one each time where the system gives none."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return os.urandom(16).hex()


def _encoded(entry: Entry) -> bytes:
    head = _Head(
        at=entry.at,
        lines=(len(entry.lines), sha256_bytes(entry.lines)),
        bodies=tuple((one.kind, one.digest, len(one.content), _digest(one)) for one in entry.bodies),
    )
    return b"".join((msgspec.json.encode(head), b"\n", entry.lines, *(one.content for one in entry.bodies)))


def _digest(body: Stored) -> str:
    """Return the SHA-256 of a file; that of an open body is its name."""
    return body.digest if body.kind == "sha256" else sha256_bytes(body.content)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """An entry that was written whole, and where its pieces begin and end in the log: the lines, then each body.

    A piece that was damaged since is left out.
    """

    head: _Head
    ends: list[int]
    sound: list[bool]

    def entry(self, data: bytes) -> Entry:
        lines, *files = (memoryview(data)[begin:end] for begin, end in pairwise(self.ends))
        told = zip(self.head.bodies, files, self.sound[1:], strict=True)
        return Entry(
            at=self.head.at,
            lines=bytes(lines) if self.sound[0] else b"",
            bodies=tuple(
                Stored(kind=kind, digest=digest, content=file) for (kind, digest, _, _), file, sound in told if sound
            ),
        )


def _entries(data: bytes, start: int) -> Iterator[_Placed]:
    """Yield the entries from a place on, up to the first that was not written whole."""
    head = _head(data, start)
    while head is not None:
        begin = data.index(b"\n", start) + 1
        ends = list(accumulate([head.lines[0], *(size for _, _, size, _ in head.bodies)], initial=begin))
        told = [head.lines[1], *(sha256 for *_, sha256 in head.bodies)]
        found = [sha256_bytes(memoryview(data)[one:two]) for one, two in pairwise(ends)]
        placed = _Placed(head=head, ends=ends, sound=[one == two for one, two in zip(found, told, strict=True)])
        start = ends[-1]
        head = _head(data, start)
        if head is None and not all(placed.sound):  # nothing came after it: it was cut off while it was written
            return
        yield placed


def _head(data: bytes, start: int) -> _Head | None:
    end = data.find(b"\n", start)
    try:
        return _decode(memoryview(data)[start:end]) if end >= 0 else None
    except ValueError:
        return None


class _Index:
    """Where the bodies in a log are, and the SHA-256 of their files."""

    def __init__(self) -> None:
        self._first = b""
        self._end = 0
        self._places: dict[tuple[Kind, str], tuple[int, int, str]] = {}

    def find(self, log: int, kind: Kind, digest: str) -> bytes | None:
        first = _line(log, 0)
        if first != self._first:
            self._first, self._end, self._places = first, len(first), {}
        if (kind, digest) not in self._places:
            self._read_on(log)
        place = self._places.get((kind, digest))
        if place is None:
            return None
        begin, end, sha256 = place
        found = os.pread(log, end - begin, begin)
        return found if sha256_bytes(found) == sha256 else None  # it may have been emptied meanwhile

    def _read_on(self, log: int) -> None:
        base = self._end
        if os.pread(log, 1, base) in (b"", b"\0"):
            return
        whole = True
        for placed in _entries(os.pread(log, max(os.fstat(log).st_size - base, 0), base), 0):
            whole = whole and all(placed.sound)
            if whole:  # else it may have been read while it was written, and is read again
                self._end = base + placed.ends[-1]
            places = zip(placed.head.bodies, pairwise(placed.ends[1:]), placed.sound[1:], strict=True)
            for (kind, digest, _, sha256), (begin, end), sound in places:
                if sound:
                    self._places[kind, digest] = (base + begin, base + end, sha256)
