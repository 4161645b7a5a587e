"""Files that are mapped instead of read: the kernel reads what is looked at, and drops it when it needs the room.

A mapped file takes no memory of the process, however large it is. What has to be written for that goes into a file
without a name, which goes with the process, whatever ends it.

It does not cover a file that somebody else cuts short while it is mapped: the process that looks at it is killed.

Source: mmap(2), open(2) on O_TMPFILE.
"""

from __future__ import annotations

import io
import mmap
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias, cast

from counterproof.provenance.errors import MachineTrouble

Content: TypeAlias = bytes | memoryview
"""The bytes of a file: in memory, or where they are mapped."""
_TIMES = 2
LARGE = 512 * 2**20
"""Files of more bytes are mapped, and their columns are kept on the disk."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Where what is too large for the memory is kept.

    Attributes:
        folder: that nobody else may enter, on a disk on which the data may lie in the clear.
        above: what has more bytes is kept there.
    """

    folder: Path
    above: int = LARGE


def mapped(file: IO[bytes]) -> memoryview:
    """Return the bytes of an open file, which may be closed then."""
    return memoryview(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)) if os.fstat(file.fileno()).st_size else _NONE


def nameless(folder: Path, pieces: Iterable[Content] = ()) -> IO[bytes]:
    """Make a file without a name that holds these pieces.

    Args:
        folder: where there is room for it.
        pieces: its bytes.

    Raises:
        MachineTrouble: the disk is full, or refuses; nothing is left behind.
    """
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # whoever asked closes it
        try:
            file.writelines(pieces)
            file.flush()
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise no_room(folder, error) from error
    return cast(IO[bytes], file)


def check_memory(name: str, size: int) -> None:
    """Find out whether a large file may be read as a whole.

    Args:
        name: what it is called in errors.
        size: how many bytes it has.

    Raises:
        MachineTrouble: it would fill the memory.
    """
    if size <= LARGE:
        return
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    if free < _TIMES * size:
        raise MachineTrouble(
            f"{name} has {size:,} bytes, and {free:,} of the memory are free.",
            allowed="A file that is read into the memory may have half as many.",
            advice="Name a folder on an encrypted disk, where its columns may be in the clear in files without a name: "
            "COUNTERPROOF_LAID, or `gate serve --laid`.",
        )


def no_room(folder: Path, error: OSError) -> MachineTrouble:
    """Return what is said where a file can't be written."""
    try:
        room = os.statvfs(folder)
        left = f", which has {room.f_bavail * room.f_frsize:,} bytes left"
    except OSError:
        left = ""
    return MachineTrouble(
        f"A large data file can't be unpacked in {folder}{left}: {error.strerror or error}.",
        advice="Make room for about three times the bytes that it has unpacked; nothing was left behind.",
    )


def opened(data: Content) -> IO[bytes]:
    """Return bytes as an open file, without a copy of them."""
    return io.BytesIO(data) if isinstance(data, bytes) else cast(IO[bytes], io.BufferedReader(_View(data)))


class _View(io.RawIOBase):
    """Mapped bytes as a file."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._data)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the library says WriteableBuffer
        piece = self._data[self._at : self._at + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


_NONE = memoryview(b"")
