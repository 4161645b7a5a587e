"""One canonical form of a zip file, so that every byte of it counts.

Entries are stored (not compressed) in the order of their names, with one fixed time and mode. A zip that holds the
same files is then the same bytes, and `check_canonical` finds any byte that is not as it would have been written:
in a header, in the directory, between entries or after the end. Compression would leave bits without a meaning.

It does not cover reading entries: `zipfile` does.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from counterproof.provenance.errors import VerificationFailed

_TIME = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
FILES_MAX = 100_000

Opener = Callable[[], IO[bytes]]


def write_zip(target: IO[bytes], entries: Mapping[str, Opener]) -> None:
    """Write a canonical zip; each entry is opened, copied and closed in its turn."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, date_time=_TIME)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            with entries[name]() as source, archive.open(info, "w") as entry:
                shutil.copyfileobj(source, entry, _CHUNK)


def check_canonical(path: Path) -> zipfile.ZipFile:
    """Open a zip after checking that each of its bytes is as `write_zip` would have written it.

    Raises:
        VerificationFailed: it is no zip, or not canonical; the text names the entry or the offset.
    """
    try:
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise VerificationFailed(f"{path.name} is not a readable zip file: {error}.") from error
    _check_names(names)
    with tempfile.TemporaryFile() as again:
        for name in names:
            _check_entry(archive, name)
        write_zip(again, {name: partial(archive.open, name) for name in names})
        again.seek(0)
        with path.open("rb") as given:
            offset = _first_difference(given, again)
    if offset is not None:
        raise VerificationFailed(f"Byte {offset} of {path.name} has been changed, {_where(archive, offset)}.")
    return archive


def _check_names(names: list[str]) -> None:
    if len(names) > FILES_MAX:
        raise VerificationFailed(f"The zip holds {len(names)} files; at most {FILES_MAX} are read.")
    if len(set(names)) != len(names):
        raise VerificationFailed("The zip holds two files of one name.")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or name.endswith("/"):
            raise VerificationFailed(f"The zip holds a file with the name {name!r}.")


def _check_entry(archive: zipfile.ZipFile, name: str) -> None:
    try:
        with archive.open(name) as entry:
            while entry.read(_CHUNK):
                pass
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise VerificationFailed(f"The file {name} has been changed: {error}.") from error
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise VerificationFailed(f"The file {name} is compressed; a bundle stores its files as they are.")


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
