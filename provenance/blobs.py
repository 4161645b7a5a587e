"""Content-addressed storage of bytes on disk.

A blob is named by the SHA-256 of its bytes, written once, and checked again whenever it is read, so a
changed file is an error and never an answer. Blobs are written to a temporary name, flushed, and renamed:
a crash leaves either the whole blob or none. The new name reaches the disk before, or with, the event that names the
blob, because the common file systems (ext4, XFS) keep changes of folders in order; folders are not flushed.

The bodies of model calls and executions lie in the log of their record (`ahead`) first, and become files when that is
emptied. Until then they are read from there: `path`, `get` and the others find them wherever they are.

A body on the secure side is stored with its salt before it and named by the SHA-256 of both (`commitments`). Such
blobs have a folder of their own, which says that a salt has to be taken off; `get` gives the body. Where the store has
keys for them, they are sealed (`sealing`). So are messages to and from models, in a third folder; those are named by
the SHA-256 of their plain bytes, like all that is open.

It does not cover who may see a blob: the record says which side a blob is on (`Ref.side`), and the export
leaves out what is on the secure side.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast, get_args

from counterproof.provenance.commitments import SALT_BYTES, salted
from counterproof.provenance.digests import is_digest, sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.mapped import Content
from counterproof.provenance.sealing import Unsealed, derived_key, is_sealed, plain_length, seal, unseal

Kind = Literal["sha256", "sealed", "salted"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The folders of a store of blobs, in the order in which a blob is looked for."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A blob as it lies on the disk: in which folder, under which digest, and the bytes of its file."""

    kind: Kind
    digest: str
    content: Content


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Blobs:
    """Folders of blobs: `sha256/ab/cdef…`, sealed ones in `sealed/ab/cdef…`, those with a salt in `salted/ab/cdef…`.

    Args:
        folder: where the blobs are; made when the first one is written.
        secret: gives the secret of the study, from which salts are made; asked for once, when it is needed first.
        key: gives the key under which messages and blobs with a salt are sealed; None to keep them as they are.

    Attributes:
        folder: where the blobs are.
        named: whether files were made whose names are not on the disk yet; the record's next flush brings them there.
        waiting: gives what is to be in the file of a blob that is not there yet; None where nothing is known of it.
    """

    def __init__(
        self, folder: Path, *, secret: Callable[[], bytes] | None = None, key: Callable[[], bytes] | None = None
    ) -> None:
        self.folder = folder
        self._find_key = key
        self._key: bytes | None = None
        self._make_secret = secret
        self._secret: bytes | None = None
        self.named = False
        self.waiting: Callable[[Kind, str], bytes | None] = lambda _kind, _digest: None

    def path(self, digest: str) -> Path:
        """Return where the blob without a salt that has this digest is, or would be; one that waits becomes a file.

        Raises:
            VerificationFailed: it is not a digest.
            MachineTrouble: the disk refused the write.
        """
        require_digest(digest)
        place = self._place("sha256", digest)
        if not place.exists() and (content := self.waiting("sha256", digest)) is not None:
            self._write("sha256", digest, content)
        return place

    def put(self, data: Content, *, sealed: bool = False) -> str:
        """Store `data`, with `sealed` under the key if there is one; storing the same bytes again changes nothing.

        Returns:
            Its digest, of the plain bytes.

        Raises:
            MachineTrouble: the disk refused the write.
            UsageError: the keys are locked.
        """
        return self._store(self._open_kind(sealed=sealed), data)

    def commit(self, data: bytes) -> str:
        """Store `data` with its salt and return the commitment; the same bytes give the same one in one study.

        Raises:
            MachineTrouble: the disk refused the write.
            UsageError: these blobs are of no study, so there is no secret to make a salt from.
        """
        return self._store("salted", salted(self._study_secret(), data))

    def ready(self, data: bytes, *, secure: bool = False, sealed: bool = False) -> Stored:
        """Return a blob as `put` would store it, or `commit` with `secure`; nothing is written.

        Raises:
            UsageError: the keys are locked, or there is no secret to make a salt from.
        """
        kind: Kind = "salted" if secure else self._open_kind(sealed=sealed)
        plain = salted(self._study_secret(), data) if secure else data
        digest = sha256_bytes(plain)
        return Stored(kind=kind, digest=digest, content=self._closed(kind, digest, plain))

    def _open_kind(self, *, sealed: bool) -> Kind:
        return "sealed" if sealed and self._find_key is not None else "sha256"

    def salt(self, commitment: str) -> str:
        """Return the salt of a commitment in hexadecimal; with it, others can check the body.

        Raises:
            VerificationFailed: there is no such commitment, or its bytes have been changed.
        """
        return self._checked("salted", commitment)[:SALT_BYTES].hex()

    def _study_secret(self) -> bytes:
        if self._make_secret is None:
            raise UsageError(
                f"The blobs in {self.folder} are of no study, and a body on the secure side was to be stored.",
                advice="Give `Blobs` the secret of the study.",
            )
        if self._secret is None:
            self._secret = self._make_secret()
        return self._secret

    def _place(self, kind: Kind, digest: str) -> Path:
        return Path(_place(self.folder, kind, digest))

    def _store(self, kind: Kind, data: Content) -> str:
        digest = sha256_bytes(data)
        if is_laid(self.folder, kind, digest):
            self.named = True  # another process may have made it just now
            return digest
        self._write(kind, digest, self._closed(kind, digest, data))
        return digest

    def _write(self, kind: Kind, digest: str, content: Content) -> None:
        try:
            lay(self.folder, Stored(kind=kind, digest=digest, content=content))
        except OSError as error:
            raise MachineTrouble(
                f"Blob {digest[:12]}… ({len(content)} bytes) can't be written: {error}.",
                advice="Make room or mend the permissions, then run again; nothing was lost.",
            ) from error
        self.named = True

    def get(self, digest: str) -> bytes:
        """Return the bytes of a blob, without its salt where it has one.

        Raises:
            VerificationFailed: the blob is missing, its bytes are no longer those that were stored, or
                `digest` is no digest.
        """
        kind = self._kind(digest)
        return self._checked(kind, digest)[SALT_BYTES if kind == "salted" else 0 :]

    def _kind(self, digest: str) -> Kind:
        """Return in which folder a blob is; where it is in none, the first."""
        require_digest(digest)
        return self._kept(digest) or "sha256"

    def _kept(self, digest: str) -> Kind | None:
        """Return in which folder a blob is, or will be when it waits."""

        def laid() -> Kind | None:
            return next((kind for kind in KINDS if self._place(kind, digest).exists()), None)

        def waits() -> Kind | None:
            return next((kind for kind in KINDS if self.waiting(kind, digest) is not None), None)

        return laid() or waits() or laid()  # what waits may become a file between two looks

    def _checked(self, kind: Kind, digest: str) -> bytes:
        with self._file(kind, digest) as file:
            data = self._opened(kind, digest, file.read())
        if sha256_bytes(data) != digest:
            raise _changed(digest, sha256_bytes(data))
        return data

    def _closed(self, kind: Kind, digest: str, data: Content) -> Content:
        """Return what is stored of a blob."""
        if kind == "sha256" or self._find_key is None:
            return data
        return b"".join(seal([bytes(data)], self._body_key(digest), about=digest.encode()))

    def _opened(self, kind: Kind, digest: str, stored: bytes) -> bytes:
        """Return the blob of what is stored."""
        if kind == "sha256" or (kind == "salted" and not is_sealed(stored)):
            return stored
        return b"".join(unseal(io.BytesIO(stored), self._body_key(digest), about=digest.encode()))

    def _body_key(self, digest: str) -> bytes:
        if self._find_key is None:
            raise UsageError(
                f"Blob {digest[:12]}… is sealed, and there is no key for it.",
                advice="Put `body-keys/` of the store back, which holds the keys.",
            )
        if self._key is None:
            self._key = self._find_key()
        return derived_key(self._key, digest.encode())

    def open(self, digest: str) -> IO[bytes]:
        """Open a blob for reading in pieces; who reads it to its end compares the digest.

        Raises:
            VerificationFailed: the blob is missing, or `digest` is no digest.
        """
        kind = self._kind(digest)
        if kind == "sealed":
            return self._unsealed(self._file(kind, digest), digest)
        return self._file("sha256", digest)

    def _file(self, kind: Kind, digest: str) -> IO[bytes]:
        """Open what is stored of a blob."""
        place = self._place(kind, digest)
        for _look in range(2):  # what waits may become a file between two looks
            with suppress(FileNotFoundError):
                return place.open("rb")
            content = self.waiting(kind, digest)
            if content is not None:
                return io.BytesIO(content)
        raise _missing(digest)

    def size(self, digest: str) -> int:
        """Return the length in bytes of a blob without a salt.

        Raises:
            VerificationFailed: the blob is missing, or `digest` is no digest.
        """
        kind = self._kind(digest)
        with self._file(kind, digest) as file:
            stored = file.seek(0, io.SEEK_END)
        return plain_length(stored) if kind == "sealed" else stored

    def _unsealed(self, file: IO[bytes], digest: str) -> IO[bytes]:
        return cast(IO[bytes], io.BufferedReader(Unsealed(file, self._body_key(digest), about=digest.encode())))

    def check(self, digest: str) -> None:
        """Check that a blob is there and has its digest, in memory that does not grow with it.

        Raises:
            VerificationFailed: the blob is missing, its bytes are no longer those that were stored, or
                `digest` is no digest.
        """
        with self.open(digest) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        if found != digest:
            raise _changed(digest, found)

    def has(self, digest: str) -> bool:
        """Say whether a blob with this digest is stored, with a salt or without.

        Raises:
            VerificationFailed: it is not a digest.
        """
        require_digest(digest)
        return self._kept(digest) is not None


def require_digest(digest: str) -> None:
    """Refuse what is no digest: a bundle from a stranger may name a path outside instead.

    Raises:
        VerificationFailed: it is none.
    """
    if not is_digest(digest):
        raise VerificationFailed(
            f"{digest[:80]!r} is no digest.", allowed="A blob is named by 64 lower-case hexadecimal digits."
        )


def _missing(digest: str) -> VerificationFailed:
    return VerificationFailed(
        f"Blob {digest} is missing.", advice="Restore it from a backup or from the bundle of the study."
    )


def _changed(digest: str, found: str) -> VerificationFailed:
    return VerificationFailed(
        f"Blob {digest} has been changed: its bytes now hash to {found}.",
        advice="Restore it from a backup or from the bundle of the study.",
    )


def lay(folder: Path, stored: Stored) -> None:
    """Write the file of a blob and bring it to the disk, unless it is there.

    Args:
        folder: that of the blobs.
        stored: the blob.

    Raises:
        OSError: the disk refused.
    """
    if not is_laid(folder, stored.kind, stored.digest):
        _write_once(_place(folder, stored.kind, stored.digest), stored.content)


def is_laid(folder: Path, kind: Kind, digest: str) -> bool:
    """Say whether the file of a blob is there."""
    return os.path.exists(_place(folder, kind, digest))  # noqa: PTH110  # half the time, at each effect


def write_all(handle: int, data: Content) -> None:
    """Write all of `data` into an open file.

    Raises:
        OSError: the disk refused; a part may have been written.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _place(folder: Path, kind: Kind, digest: str) -> str:
    """Return where the file of a blob is; as text, for this is done at each effect."""
    return f"{folder}/{kind}/{digest[:2]}/{digest[2:]}"


def _write_once(target: str, data: Content) -> None:
    folder = target.rpartition("/")[0]
    temporary = f"{folder}/.new-{secrets.token_hex(8)}"
    try:
        handle = os.open(temporary, _NEW, 0o444)
    except FileNotFoundError:
        Path(folder).mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, _NEW, 0o444)
    try:
        try:
            write_all(handle, data)
            os.fdatasync(handle)
            os.fchmod(handle, 0o444)
        finally:
            os.close(handle)
        os.rename(temporary, target)  # noqa: PTH104
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
