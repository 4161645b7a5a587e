"""One canonical form of a zip file, so that every byte of it counts.

Entries are stored (not compressed) in the order of their names, with one fixed time and mode. A zip that holds the
same files is then the same bytes, and `check_canonical` finds any byte that is not as it would have been written:
in a header, in the directory, between entries or after the end. Compression would leave bits without a meaning.

It does not cover reading entries: `zipfile` does.
"""

from __future__ import annotations

import errno
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from counterproof.provenance.errors import VerificationFailed

_TIME = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
_UTF8_NAME = 0x800
FILES_MAX = 100_000

_NO_ZIP = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OverflowError, struct.error)


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file that goes into a zip.

    Attributes:
        open: opens it for reading.
        size: its length in bytes; zip64 headers are written where 32 bits are too few for it.
    """

    open: Callable[[], IO[bytes]]
    size: int


def write_zip(target: IO[bytes], entries: Mapping[str, Source]) -> None:
    """Write a canonical zip; each entry is opened, copied and closed in its turn."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, date_time=_TIME)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            info.file_size = entries[name].size
            with entries[name].open() as source, archive.open(info, "w") as entry:
                shutil.copyfileobj(source, entry, _CHUNK)


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


def check_canonical(archive: zipfile.ZipFile, path: Path) -> None:
    """Check that each byte of a zip is as `write_zip` would have written it.

    Args:
        archive: the zip, from `open_stored`.
        path: the file that it was opened from.

    Raises:
        VerificationFailed: it is not; the text names the entry or the offset.
    """
    for info in archive.infolist():
        _check_entry(archive, info.filename)
    with tempfile.TemporaryFile() as again:
        write_zip(
            again,
            {
                info.filename: Source(open=partial(archive.open, info.filename), size=info.file_size)
                for info in archive.infolist()
            },
        )
        again.seek(0)
        with path.open("rb") as given:
            offset = _first_difference(given, again)
    if offset is not None:
        raise VerificationFailed(f"Byte {offset} of {path.name} has been changed, {_where(archive, offset)}.")


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


def _check_entry(archive: zipfile.ZipFile, name: str) -> None:
    try:
        with archive.open(name) as entry:
            while entry.read(_CHUNK):
                pass
    except (*_NO_ZIP, RuntimeError) as error:
        raise VerificationFailed(f"The file {name} has been changed: {error}.") from error


def _first_difference(one: IO[bytes], two: IO[bytes]) -> int | None:
    offset = 0
    while True:
        left, right = one.read(_CHUNK), two.read(_CHUNK)
        if left != right:
            same = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
            return offset + (min(len(left), len(right)) if same is None else same)
        if not left:
            return None
        offset += len(left)


def _where(archive: zipfile.ZipFile, offset: int) -> str:
    before = [info for info in archive.infolist() if info.header_offset <= offset]
    if not before or offset >= archive.start_dir:
        return "in the zip's directory"
    return f"in or before the file {max(before, key=lambda info: info.header_offset).filename}"
