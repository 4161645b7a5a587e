"""The vault: the real data, by the SHA-256 of their plain bytes, sealed where the vault has keys.

    sha256/ab/cdef…    a file as it is (a vault without keys)
    sealed/ab/cdef…    a sealed file (`sealing`), its data key in `keys/` (`vault_keys`)
    ledger/            what was added and forgotten, by whom, and the terms of each file (`ledger.py`)

A program needs plain files. `lay` writes one into a private folder and hashes the very bytes that it writes, through
one descriptor that follows no link: what is mounted is what was hashed, whoever exchanges or changes the file
meanwhile.

It does not cover who may open the vault: its folder belongs to the gate's user where there is one (docs/gate.md).
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from counterproof.provenance.blobs import Blobs
from counterproof.provenance.digests import is_digest, sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.ledger import Ledger
from counterproof.provenance.mapped import Content, Room, check_memory, mapped, nameless
from counterproof.provenance.sealing import Unsealed, seal
from counterproof.provenance.vault_keys import Protector, VaultKeys, key_file_protector

_PIECE = 1 << 20


def stored_protector(described: Mapping[str, Any]) -> Protector:
    """Return the protector that needs nobody's help: a key file.

    Raises:
        UsageError: the vault has another one.
    """
    if described.get("kind") != "key-file":
        raise UsageError(
            f"The vault is locked: its keys are under a {described.get('kind')!r}.",
            advice="Use a command that can ask for it, or set COUNTERPROOF_VAULT_PASSPHRASE.",
        )
    return key_file_protector(Path(described["path"]))


class Vault:
    """The real data of one installation.

    Args:
        folder: where they are; made when the first file is added.
        protector: finds what unwraps the keys of a sealed vault; asked when it is needed first.
        laid: where data may lie in the clear while they are looked at or a program runs: on an encrypted disk, and
            entered by this user alone; None for the memory of the machine.
    """

    def __init__(
        self,
        folder: Path,
        *,
        protector: Callable[[Mapping[str, Any]], Protector] = stored_protector,
        laid: Path | None = None,
    ) -> None:
        self.folder = folder
        self.laid = laid
        self.ledger = Ledger(folder / "ledger")
        self.keys = VaultKeys(folder, protector=protector)
        self._plain = Blobs(folder)

    @property
    def sealed(self) -> bool:
        """Whether what is added is sealed."""
        return VaultKeys.exist(self.folder)

    @property
    def room(self) -> Room | None:
        """Where plain bytes and columns of large files may be: where somebody said, or beside files that are plain.

        None for the memory alone. Nothing of a vault that is sealed, or will be with its first file, is written in the
        clear where nobody said so: what was deleted may stay on a disk, and forgetting would be no more than that.
        """
        if self.laid is not None:
            return Room(folder=self.laid)
        plain = not self.sealed and (self.folder / "sha256").exists()
        return Room(folder=self.folder) if plain else None

    def content(self, digest: str, *, name: str = "") -> Content:
        """Return the bytes of a file, checked; those of a large one mapped where there is room for that.

        Raises:
            VerificationFailed: it is missing or forgotten, or was changed.
            UsageError: the vault is locked.
            MachineTrouble: there is no room.
        """
        room, size = self.room, self.size(digest)
        if room is not None and size > room.above:
            return self._map(digest, room, name=name)
        check_memory(name or f"{digest[:12]}…", size)
        return self.get(digest)

    def put(self, data: Content) -> str:
        """Store a file and return its digest; storing the same bytes again changes nothing.

        Raises:
            MachineTrouble: the disk refused the write.
            UsageError: the vault is locked.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.sealed:
            return self._plain.put(data)
        digest = sha256_bytes(data)
        target = self._sealed(digest)
        if target.exists() and self.keys.has(digest):
            return digest
        # A file whose key was destroyed is noise: it is written anew.
        key = self.keys.make(digest)
        try:
            _write(target, seal(_pieces(data), key, about=digest.encode()))
        except OSError as error:
            raise MachineTrouble(
                f"The data file {digest[:12]}… can't be written: {error}.", advice="Make room, then try again."
            ) from error
        return digest

    def is_sealed(self, digest: str) -> bool:
        """Say whether a file is kept sealed."""
        return self.path(digest) == self._sealed(digest)

    def has(self, digest: str) -> bool:
        """Say whether a file is there; of a forgotten one nothing is.

        Raises:
            VerificationFailed: it is not a digest.
        """
        return self._plain.path(digest).exists() or (self._sealed(digest).exists() and self.keys.has(digest))

    def path(self, digest: str) -> Path:
        """Return where a file is kept, plain or sealed.

        Raises:
            VerificationFailed: it is not a digest.
        """
        plain = self._plain.path(digest)
        return self._sealed(digest) if not plain.exists() and self._sealed(digest).exists() else plain

    def size(self, digest: str) -> int:
        """Return about how much room a file takes, at least its length; 0 where there is none."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return 0

    def get(self, digest: str) -> bytes:
        """Return the bytes of a file, checked.

        Raises:
            VerificationFailed: it is missing or forgotten, or was changed.
            UsageError: the vault is locked.
        """
        with self.open(digest) as file:
            data = file.read()
        if sha256_bytes(data) != digest:
            raise _changed(f"{digest[:12]}…")
        return data

    def open(self, digest: str, *, name: str = "") -> IO[bytes]:
        """Open a file for reading in pieces; who reads it to its end compares the digest.

        Args:
            digest: which file.
            name: what it is called in errors; nothing for its digest.

        Raises:
            VerificationFailed: it is missing or forgotten, or is no regular file.
            UsageError: the vault is locked.
        """
        place = self.path(digest)
        try:
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise VerificationFailed(
                f"The data file {name or digest[:12] + '…'} is not in the vault{self._forgotten(digest, error)}.",
                advice="Restore it from a backup, or add it again: `counterproof data add`.",
            ) from error
        file = os.fdopen(handle, "rb")
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise VerificationFailed(f"The data file {name or digest[:12] + '…'} is no regular file.")
            if place == self._plain.path(digest):
                return file
            key = self.keys.get(digest)
        except BaseException:
            file.close()
            raise
        return cast(IO[bytes], io.BufferedReader(Unsealed(file, key, about=digest.encode())))

    def lay(self, digest: str, target: Path, *, name: str = "") -> None:
        """Write the plain bytes of a file where only this user sees them, and hash what is written.

        Args:
            digest: which file.
            target: where to; nothing may be there.
            name: what it is called in errors; nothing for its digest.

        Raises:
            VerificationFailed: it is missing or forgotten, or was changed; nothing is left at `target`.
            UsageError: the vault is locked.
            MachineTrouble: the disk refused the write.
        """
        made = hashlib.sha256()
        try:
            with self.open(digest, name=name) as file, _fresh(target) as out:
                while piece := file.read(_PIECE):
                    made.update(piece)
                    out.write(piece)
            if made.hexdigest() != digest:
                raise _changed(name or f"{digest[:12]}…")
        except OSError as error:
            target.unlink(missing_ok=True)
            raise MachineTrouble(f"The data can't be laid out: {error}.", advice="Make room for them.") from error
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def destroy(self, digest: str) -> None:
        """Destroy a file for good: its key, and what is stored.

        Raises:
            VerificationFailed: it is not a digest.
            MachineTrouble: it can't be removed.
        """
        try:
            if self.sealed:
                self.keys.destroy(digest)
            for place in (self._plain.path(digest), self._sealed(digest)):
                if place.exists():
                    _overwrite(place)
        except OSError as error:
            raise MachineTrouble(f"The data file {digest[:12]}… can't be removed: {error}.") from error

    def seal_all(self, *, progress: Callable[[int], None] = lambda _left: None) -> int:
        """Seal what was added before the vault had keys; may be interrupted and called again.

        Returns:
            How many files were sealed.
        """
        plain = sorted(
            path for path in (self.folder / "sha256").glob("??/*") if is_digest(path.parent.name + path.name)
        )
        for at, path in enumerate(plain):
            progress(len(plain) - at)
            digest = path.parent.name + path.name
            with path.open("rb") as file:
                _write(
                    self._sealed(digest),
                    seal(iter(lambda: file.read(_PIECE), b""), self.keys.make(digest), about=digest.encode()),
                )
            _overwrite(path)
        return len(plain)

    def _map(self, digest: str, room: Room, *, name: str) -> memoryview:
        """Return the bytes of a large file, checked, without having them in memory."""
        with self.open(digest, name=name) as file:
            if self.is_sealed(digest):
                with nameless(room.folder, iter(lambda: file.read(_PIECE), b"")) as plain:
                    data = mapped(plain)
            else:
                data = mapped(file)
        if sha256_bytes(data) != digest:
            raise _changed(name or f"{digest[:12]}…")
        return data

    def _sealed(self, digest: str) -> Path:
        self._plain.path(digest)
        return self.folder / "sealed" / digest[:2] / digest[2:]

    def _forgotten(self, digest: str, error: OSError) -> str:
        entry = self.ledger.entries().get(digest)
        if entry is None or not entry.forgotten_at:
            return f" ({error.strerror})"
        return f": it was forgotten on {entry.forgotten_at[:10]} by {entry.forgotten_by} ({entry.reason})"


def _pieces(data: Content) -> Iterator[bytes]:
    return (bytes(data[at : at + _PIECE]) for at in range(0, max(1, len(data)), _PIECE))


def _changed(name: str) -> VerificationFailed:
    return VerificationFailed(
        f"The data file {name} has been changed.", advice="Restore it from a backup, or add it again."
    )


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    """Write a file whole or not at all."""
    new = target.with_name(f".new-{secrets.token_hex(8)}")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with _fresh(new) as out:
            for piece in pieces:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def _fresh(path: Path) -> Iterator[IO[bytes]]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    with os.fdopen(handle, "wb") as file:
        yield file


def _overwrite(path: Path) -> None:
    """Write zeros over a file and remove it; what the file system keeps besides is not covered."""
    path.chmod(0o600)
    with path.open("r+b") as file:
        left = os.fstat(file.fileno()).st_size
        while left:
            left -= file.write(bytes(min(left, _PIECE)))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
