"""Bodies of records at any place that `fsspec` knows: an object store, or a server of files.

The rules are those of `blobs`: named by digest, written once, checked whenever they are read. A writer that died may
have left a part of a body; a part is shorter, so the next writer of the same body writes it whole.

Before `put` returns the place has taken the body. What a program needs as a file is brought into the study's own folder
first (`path`), and checked there.

It does not cover credentials: `fsspec` and the library behind it find them where they always do. Nor who may read that
place: messages and bodies on the secure side are there too, sealed where the store has keys for them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from counterproof.provenance.blobs import KINDS, Blobs, Kind, require_digest
from counterproof.provenance.commitments import SALT_BYTES
from counterproof.provenance.digests import sha256_bytes
from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.mapped import Content
from counterproof.provenance.sealing import plain_length


def check_place(url: str) -> None:
    """Refuse a place that can't be used.

    Raises:
        UsageError: it names credentials, or no protocol.
        MachineTrouble: the library for it is not installed.
    """
    protocol, separator, rest = url.partition("://")
    if not separator or not rest:
        raise UsageError(
            f"{url!r} names no place for bodies.",
            allowed="An address that fsspec knows, like s3://BUCKET/FOLDER or file:///FOLDER.",
            advice="Mend COUNTERPROOF_BODIES.",
        )
    if "@" in rest.split("/", 1)[0]:
        raise UsageError(
            f"The {protocol} address for bodies holds a user or a password.",
            allowed="It is written into the store, so it names a place alone.",
            advice="Give credentials as the library for that place wants them.",
        )
    _file_system(url)


def blobs_at(url: str, folder: Path, *, secret: Callable[[], bytes], key: Callable[[], bytes] | None = None) -> Blobs:
    """Return the blobs of a study.

    Args:
        url: where bodies are kept; "" for the folder.
        folder: the study's own folder of blobs.
        secret: gives the secret of the study.
        key: gives the key under which messages and bodies on the secure side are sealed; None to keep them as they are.
    """
    if not url:
        return Blobs(folder, secret=secret, key=key)
    protocol, _, rest = url.partition("://")
    if protocol in ("file", "local"):
        return Blobs(Path(rest), secret=secret, key=key)
    return RemoteBlobs(url, folder, secret=secret, key=key)


class RemoteBlobs(Blobs):
    """Blobs at a place.

    Args:
        url: the folder there, as `fsspec` names it.
        folder: where bodies are brought that are needed as files.
        secret: gives the secret of the study.
        key: gives the key under which messages and bodies on the secure side are sealed.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        secret: Callable[[], bytes] | None = None,
        key: Callable[[], bytes] | None = None,
    ) -> None:
        super().__init__(folder, secret=secret, key=key)
        self._near = Blobs(folder)
        self._url = url
        self._files, self._top = _file_system(url)

    def path(self, digest: str) -> Path:
        """Return a file with the bytes of a blob without a salt; it is brought here where it is not yet.

        Raises:
            VerificationFailed: there is no such blob, or `digest` is none.
        """
        near = self._near.path(digest)
        if not near.exists():
            self._near.put(self._checked("sha256", digest))  # no program is given a message
        return near

    def open(self, digest: str) -> IO[bytes]:
        """Open a blob for reading in pieces; who reads it to its end compares the digest."""
        kind = self._kind(digest)
        try:
            file: IO[bytes] = self._files.open(self._where("sha256" if kind == "salted" else kind, digest), "rb")
        except FileNotFoundError as error:
            raise _missing(digest) from error
        except OSError as error:
            raise self._trouble("read", digest, error) from error
        return self._unsealed(file, digest) if kind == "sealed" else file

    def get(self, digest: str) -> bytes:
        """Return the bytes of a blob, without its salt where it has one."""
        for kind in KINDS[:-1]:
            with suppress(_Missing):
                return self._checked(kind, digest)
        return self._checked("salted", digest)[SALT_BYTES:]

    def has(self, digest: str) -> bool:
        """Say whether a blob with this digest is stored, with a salt or without."""
        return any(self._size(kind, digest) is not None for kind in KINDS)

    def size(self, digest: str) -> int:
        """Return the length in bytes of a blob without a salt."""
        kind = self._kind(digest)
        stored = self._size(kind, digest)
        if stored is None:
            raise _missing(digest)
        return plain_length(stored) if kind == "sealed" else stored

    def _kind(self, digest: str) -> Kind:
        return next((kind for kind in KINDS if self._size(kind, digest) is not None), "sha256")

    def _where(self, kind: Kind, digest: str) -> str:
        require_digest(digest)
        return f"{self._top}/{kind}/{digest[:2]}/{digest[2:]}"

    def _size(self, kind: Kind, digest: str) -> int | None:
        try:
            return int(self._files.info(self._where(kind, digest))["size"])
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._trouble("looked for", digest, error) from error

    def _store(self, kind: Kind, data: Content) -> str:
        digest = sha256_bytes(data)
        data = self._closed(kind, digest, data)
        if self._size(kind, digest) == len(data):
            return digest
        where = self._where(kind, digest)
        try:
            self._files.makedirs(where.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(where, bytes(data))
        except OSError as error:
            raise self._trouble("written", digest, error) from error
        return digest

    def _checked(self, kind: Kind, digest: str) -> bytes:
        try:
            data: bytes = self._files.cat_file(self._where(kind, digest))
        except FileNotFoundError as error:
            raise _missing(digest) from error
        except OSError as error:
            raise self._trouble("read", digest, error) from error
        data = self._opened(kind, digest, data)
        if sha256_bytes(data) != digest:
            raise VerificationFailed(
                f"Blob {digest} at {self._url} has been changed: its bytes now hash to {sha256_bytes(data)}.",
                advice="Restore it from a backup or from the bundle of the study.",
            )
        return data

    def _trouble(self, done: str, digest: str, error: OSError) -> MachineTrouble:
        return MachineTrouble(
            f"Blob {digest[:12]}… can't be {done} at {self._url}: {error}.",
            advice="See whether that place can be reached, then run again; nothing was lost.",
        )


class _Missing(VerificationFailed):
    """There is no such blob."""


def _missing(digest: str) -> _Missing:
    return _Missing(f"Blob {digest} is missing.", advice="Restore it from a backup or from the bundle of the study.")


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec  # extra: of a store on several machines; others need not load it

    try:
        files, top = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MachineTrouble(
            f"What reads {url.partition('://')[0]}:// is not installed: {error}.",
            advice="Install the package that it names, on every machine.",
        ) from error
    except ValueError as error:
        raise UsageError(f"fsspec knows no place like {url!r}: {error}.", advice="Mend COUNTERPROOF_BODIES.") from error
    return files, str(top).rstrip("/")
