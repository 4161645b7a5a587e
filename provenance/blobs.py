"""Content-addressed storage of bytes on disk.

A blob is named by the SHA-256 of its bytes, written once, and checked again whenever it is read, so a
changed file is an error and never an answer. Blobs are written to a temporary name, flushed, and renamed:
a crash leaves either the whole blob or none.

It does not cover who may see a blob: the record says which side a blob is on (`Ref.side`), and the export
leaves out what is on the secure side.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from counterproof.provenance.digests import is_digest, sha256_bytes
from counterproof.provenance.errors import MachineTrouble, VerificationFailed


class Blobs:
    """A folder of blobs, `sha256/ab/cdef…`.

    Args:
        folder: where the blobs are; made when the first one is written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path:
        """Return where the blob with this digest is, or would be.

        Raises:
            VerificationFailed: it is not a digest; a bundle from a stranger may name a path outside instead.
        """
        if not is_digest(digest):
            raise VerificationFailed(
                f"{digest[:80]!r} is no digest.",
                allowed="A blob is named by 64 lower-case hexadecimal digits.",
            )
        return self._folder / "sha256" / digest[:2] / digest[2:]

    def put(self, data: bytes) -> str:
        """Store `data` and return its digest; storing the same bytes again changes nothing.

        Raises:
            MachineTrouble: the disk refused the write.
        """
        digest = sha256_bytes(data)
        target = self.path(digest)
        if target.exists():
            return digest
        try:
            _write_once(target, data)
        except OSError as error:
            raise MachineTrouble(
                f"Blob {digest[:12]}… ({len(data)} bytes) can't be written: {error}.",
                advice="Make room or mend the permissions, then run again; nothing was lost.",
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of a blob.

        Raises:
            VerificationFailed: the blob is missing, its bytes are no longer those that were stored, or
                `digest` is no digest.
        """
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise VerificationFailed(
                f"Blob {digest} is missing.",
                advice="Restore it from a backup or from the bundle of the study.",
            ) from error
        if sha256_bytes(data) != digest:
            raise VerificationFailed(
                f"Blob {digest} has been changed: its bytes now hash to {sha256_bytes(data)}.",
                advice="Restore it from a backup or from the bundle of the study.",
            )
        return data

    def has(self, digest: str) -> bool:
        """Say whether a blob with this digest is stored.

        Raises:
            VerificationFailed: it is not a digest.
        """
        return self.path(digest).exists()


def _write_once(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o444)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
