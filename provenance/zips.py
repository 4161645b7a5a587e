"""One canonical form of a zip file, so that every byte of it counts.

Entries are stored (not compressed) in the order of their names, with one fixed time and mode. A zip that holds the
same files is then the same bytes, and `check_canonical` finds any byte that is not as it would have been written:
in a header, in the directory, between entries or after the end. Compression would leave bits without a meaning.

Both go through the files once, in memory that does not grow with them, and give the SHA-256 of each on the way.

It does not cover reading entries: `zipfile` does.
"""

from __future__ import annotations

import errno
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.hashing import PIECE, PassingHash

_TIME = (1980, 1, 1, 0, 0, 0)
_UTF8_NAME = 0x800
FILES_MAX = 100_000

_NO_ZIP = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OverflowError, struct.error)


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file that goes into a zip.

    Attributes:
        open: opens it for reading.
        size: its length in bytes; zip64 headers are written where 32 bits are too few for it.
        sha256: its digest, where it is known before; who adds the file compares it with what was written.
    """

    open: Callable[[], IO[bytes]]
    size: int
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What went into a zip for one file.

    Attributes:
        size: how many bytes were read and written.
        sha256: their digest.
    """

    size: int
    sha256: str


class ZipWriter:
    """A canonical zip that is being written, one file after another in the order of their names.

    Args:
        target: a file that is open for writing and can be moved in.
    """

    def __init__(self, target: IO[bytes]) -> None:
        self._archive = zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._hash = PassingHash()
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._hash:
            self._archive.close()

    def add(self, name: str, source: Source, *, told: Callable[[int], None] = lambda _done: None) -> Written:
        """Write one file: it is opened, copied and closed.

        Args:
            name: comes after all names that were added before.
            source: its bytes; when there are other than `source.size`, all of them are written all the same.
            told: is told after each piece how many bytes are written.

        Raises:
            ValueError: the name does not come after the one before.
        """
        if name <= self._last:
            raise ValueError(f"{name!r} does not come after {self._last!r}.")
        self._last, size = name, 0
        with source.open() as given, self._archive.open(_info(name, source.size), "w") as entry:
            while piece := given.read(PIECE):
                self._hash.update(piece)
                entry.write(piece)
                size += len(piece)
                told(size)
        return Written(size=size, sha256=self._hash.finish())


def write_zip(target: IO[bytes], entries: Mapping[str, Source]) -> None:
    """Write a canonical zip of files that are all there."""
    with ZipWriter(target) as archive:
        for name in sorted(entries):
            archive.add(name, entries[name])


def open_stored(path: Path) -> zipfile.ZipFile:
    """Open a zip after looking at its directory only: plain names, and no more content than the file has bytes.

    Raises:
        VerificationFailed: it is no zip, or it could make a reader write outside of a folder or read without end.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (*_NO_ZIP, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise VerificationFailed(f"{path.name} is not a readable zip file: {error}.") from error
    try:
        _check_names(archive.namelist())
        _check_sizes(archive.infolist(), path.stat().st_size)
    except VerificationFailed:
        archive.close()
        raise
    return archive


def check_canonical(archive: zipfile.ZipFile, path: Path) -> dict[str, str]:
    """Check that each byte of a zip is as `ZipWriter` would have written it, and return the SHA-256 of each file.

    Args:
        archive: the zip, from `open_stored`.
        path: the file that it was opened from.

    Raises:
        VerificationFailed: it is not; the text names the entry or the offset.
    """
    entries = sorted(archive.infolist(), key=lambda info: info.filename)
    made, digests = [], {}
    with path.open("rb") as given, PassingHash() as hashed:
        for entry in entries:
            info = _info(entry.filename, entry.file_size)
            info.CRC, info.compress_size, info.header_offset = entry.CRC, entry.file_size, given.tell()
            _same(given, info.FileHeader(_is_large(info.file_size)), archive, path)
            digests[entry.filename] = _content(given, info, hashed)
            made.append(info)
        _same(given, _directory(made, at=given.tell()), archive, path)
        if given.read(1):
            raise VerificationFailed(f"Byte {given.tell() - 1} of {path.name} comes after the end of the zip.")
    return digests


def _info(name: str, size: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=_TIME)
    info.create_system = 3
    info.external_attr = 0o100644 << 16
    info.file_size = size
    return info


def _is_large(size: int) -> bool:
    """Say whether `zipfile` writes a zip64 header before a file of this size; it leaves room for what may be added."""
    return size * 1.05 > zipfile.ZIP64_LIMIT


class _After(io.BytesIO):
    """What is written after `start` bytes that nobody keeps."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._start = start

    def tell(self) -> int:
        return super().tell() + self._start

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return super().seek(offset - (0 if whence else self._start), whence) + self._start


def _directory(entries: list[zipfile.ZipInfo], *, at: int) -> bytes:
    """Return the zip's directory and end, as they stand from an offset on."""
    target = _After(at)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        archive.filelist.extend(entries)
    return target.getvalue()


def _same(given: IO[bytes], wanted: bytes, archive: zipfile.ZipFile, path: Path) -> None:
    start, found = given.tell(), given.read(len(wanted))
    if found != wanted:
        same = next((at for at, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), None)
        offset = start + (len(found) if same is None else same)
        raise VerificationFailed(f"Byte {offset} of {path.name} has been changed, {_where(archive, offset)}.")


def _content(given: IO[bytes], info: zipfile.ZipInfo, hashed: PassingHash) -> str:
    """Read one file's content and return its SHA-256."""
    left, crc = info.file_size, 0
    while left and (piece := given.read(min(PIECE, left))):
        hashed.update(piece)
        crc = zlib.crc32(piece, crc)
        left -= len(piece)
    digest = hashed.finish()
    if left or crc != info.CRC:
        why = f"it ends {left} bytes early" if left else f"its CRC-32 is {crc:08x}, not {info.CRC:08x}"
        raise VerificationFailed(f"The file {info.filename} has been changed: {why}.")
    return digest


def _check_names(names: list[str]) -> None:
    if not 0 < len(names) <= FILES_MAX:
        raise VerificationFailed(f"The zip holds {len(names)} files; a bundle has 1 to {FILES_MAX}.")
    if len(set(names)) != len(names):
        raise VerificationFailed("The zip holds two files of one name.")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or not name or str(path) != name:
            raise VerificationFailed(f"The zip holds a file with the name {name!r}.")


def _check_sizes(entries: list[zipfile.ZipInfo], size: int) -> None:
    for info in entries:
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise VerificationFailed(f"The file {info.filename} is compressed; a bundle stores its files as they are.")
        if info.flag_bits & ~_UTF8_NAME:
            raise VerificationFailed(f"The file {info.filename} is marked as encrypted, patched or streamed.")
    if any(info.header_offset < 0 for info in entries) or sum(info.file_size for info in entries) > size:
        raise VerificationFailed("The zip's directory says that its files are larger than the zip, or lie before it.")


def _where(archive: zipfile.ZipFile, offset: int) -> str:
    before = [info for info in archive.infolist() if info.header_offset <= offset]
    if not before or offset >= archive.start_dir:
        return "in the zip's directory"
    return f"in or before the file {max(before, key=lambda info: info.header_offset).filename}"
