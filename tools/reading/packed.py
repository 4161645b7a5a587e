"""Compressed files: gzip and zip around one data file, unpacked within a limit.

A packed file that grows beyond every measure is refused before it fills the memory.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import PurePath

from counterproof.provenance.errors import UsageError

RATIO_MAX = 200
"""A table rarely packs better than 1 to 20."""
SMALL = 64 * 2**20
"""What is not larger than this unpacked may pack as well as it likes."""
_PIECE = 2**20


def unpack(name: str, data: bytes) -> tuple[str, bytes]:
    """Return the name and bytes of the data file inside; those given where the name says that nothing is packed.

    Raises:
        UsageError: it is damaged, cut off, encrypted, grows beyond measure, or doesn't hold just one file.
    """
    path = PurePath(name)
    match path.suffix.lower():
        case ".gz":
            return path.stem, _gunzip(name, data)
        case ".zip":
            return _unzip(name, data)
        case _:
            return name, data


def check_growth(name: str, packed: int, unpacked: int) -> None:
    """Refuse what grows beyond measure.

    Raises:
        UsageError: it does.
    """
    if unpacked > max(SMALL, RATIO_MAX * packed):
        raise UsageError(
            f"{name} has {packed:,} bytes and would have more than {unpacked:,} unpacked.",
            allowed=f"At most {RATIO_MAX} times as many, or {SMALL:,}.",
            advice="Such a file may be made to fill the memory. If it is right, give it unpacked.",
        )


def _gunzip(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    rest = memoryview(data)
    try:
        while rest:
            unpacker = zlib.decompressobj(wbits=31)
            piece: bytes | memoryview = rest
            while not unpacker.eof:
                made = unpacker.decompress(piece, _PIECE)
                out.write(made)
                check_growth(name, len(data), out.tell())
                piece = unpacker.unconsumed_tail
                if not piece and not made and not unpacker.eof:
                    raise UsageError(
                        f"{name} is cut off: its gzip data don't end.", advice="Copy the file again; it is not whole."
                    )
            rest = memoryview(unpacker.unused_data.lstrip(b"\0"))
    except zlib.error as error:
        raise UsageError(
            f"{name} is not a gzip file, or damaged: {error}.", advice="Copy the file again, or give it unpacked."
        ) from error
    return out.getvalue()


def _unzip(name: str, data: bytes) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [info for info in archive.infolist() if not info.is_dir() and not _of_a_mac(info.filename)]
            if len(files) != 1:
                raise UsageError(
                    f"{name} holds {len(files)} files.",
                    allowed="A zip archive holds just one data file.",
                    advice="Unpack it and give each file with --data.",
                )
            (info,) = files
            if info.flag_bits & 1:
                raise UsageError(f"{name} is encrypted.", advice="Give the file unpacked.")
            check_growth(name, len(data), info.file_size)
            with archive.open(info) as file:
                # What the archive says of the size is not believed.
                content = file.read(info.file_size + 1)
            check_growth(name, len(data), len(content))
            return PurePath(info.filename).name, content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UsageError(
            f"{name} is not a zip archive, or damaged or cut off: {error}.", advice="Copy the file again."
        ) from error


def _of_a_mac(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePath(name).name == ".DS_Store"
