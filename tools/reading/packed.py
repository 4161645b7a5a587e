"""Compressed files: gzip and zip around one data file, unpacked within a limit.

A packed file that grows beyond every measure is refused before it fills the memory. What is large unpacked is written
into a file without a name, where there is a folder for it.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from contextlib import closing
from pathlib import PurePath
from typing import IO

from counterproof.provenance.errors import UsageError
from counterproof.provenance.mapped import Content, Room, mapped, nameless, no_room, opened

RATIO_MAX = 200
"""A table rarely packs better than 1 to 20."""
SMALL = 64 * 2**20
"""What is not larger than this unpacked may pack as well as it likes."""
_PIECE = 2**20


def unpack(name: str, data: Content, *, room: Room | None = None) -> tuple[str, Content]:
    """Return the name and bytes of the data file inside; those given where the name says that nothing is packed.

    Args:
        name: of the file.
        data: its bytes.
        room: where much that was unpacked is kept; None for the memory.

    Raises:
        MachineTrouble: there is no room.
        UsageError: it is damaged, cut off, encrypted, grows beyond measure, or doesn't hold just one file.
    """
    path = PurePath(name)
    ending = path.suffix.lower()
    if ending not in (".gz", ".zip"):
        return name, data
    with closing(_Unpacked(room)) as out:
        if ending == ".gz":
            _gunzip(name, data, out)
            return path.stem, out.content()
        inner = _unzip(name, data, out)
        return inner, out.content()


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


class _Unpacked:
    """What is being unpacked: in memory, and in a file without a name once it is large.

    Args:
        room: for the file; None for no file.
    """

    def __init__(self, room: Room | None) -> None:
        self._room = room
        self._out: IO[bytes] = io.BytesIO()
        self.size = 0

    def write(self, piece: bytes) -> int:
        """Add a piece.

        Raises:
            MachineTrouble: the disk is full, or refuses.
        """
        try:
            if self._room is not None and isinstance(self._out, io.BytesIO) and self.size > self._room.above:
                self._out = nameless(self._room.folder, [self._out.getvalue()])
            self.size += len(piece)
            return self._out.write(piece)
        except OSError as error:
            assert self._room is not None
            raise no_room(self._room.folder, error) from error

    def content(self) -> Content:
        """Return all of it, mapped where it is in a file."""
        if isinstance(self._out, io.BytesIO):
            return self._out.getvalue()
        self._out.flush()
        return mapped(self._out)

    def close(self) -> None:
        """Close it; what was mapped stays."""
        self._out.close()


def _gunzip(name: str, data: Content, out: _Unpacked) -> None:
    rest = memoryview(data)
    try:
        while rest:
            unpacker = zlib.decompressobj(wbits=31)
            while not unpacker.eof:
                # Piece by piece: what is not used yet is copied each time.
                given, rest = rest[:_PIECE], rest[_PIECE:]
                if not given:
                    raise UsageError(
                        f"{name} is cut off: its gzip data don't end.", advice="Copy the file again; it is not whole."
                    )
                piece: bytes | memoryview = given
                while piece and not unpacker.eof:
                    out.write(unpacker.decompress(piece, _PIECE))
                    check_growth(name, len(data), out.size)
                    piece = unpacker.unconsumed_tail
                while not unpacker.eof and (made := unpacker.decompress(b"", _PIECE)):
                    out.write(made)
                    check_growth(name, len(data), out.size)
            behind = len(unpacker.unused_data)
            rest = _without_zeros(memoryview(data)[len(data) - len(rest) - behind :])
    except zlib.error as error:
        raise UsageError(
            f"{name} is not a gzip file, or damaged: {error}.", advice="Copy the file again, or give it unpacked."
        ) from error


def _without_zeros(rest: memoryview) -> memoryview:
    while rest and not rest[0]:
        rest = rest[1:]
    return rest


def _unzip(name: str, data: Content, out: _Unpacked) -> str:
    try:
        with zipfile.ZipFile(opened(data)) as archive:
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
                while piece := file.read(_PIECE):
                    out.write(piece)
                    check_growth(name, len(data), out.size)
            return PurePath(info.filename).name
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UsageError(
            f"{name} is not a zip archive, or damaged or cut off: {error}.", advice="Copy the file again."
        ) from error


def _of_a_mac(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePath(name).name == ".DS_Store"
