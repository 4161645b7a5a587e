"""Sealed files: AES-256-GCM in chunks, so that a file of any size is enciphered and read back in constant memory.

The construction is STREAM, as age and Tink use it: a key that is used for this one file and no other, a random prefix,
and for each chunk the nonce `prefix (7 bytes) ‖ number of the chunk (4) ‖ whether it is the last (1)`. So a chunk that
was flipped, moved, left out, repeated, cut off or added makes reading fail, and the text names it. What the file is
(`about`) is bound to every chunk as associated data.

Whoever reads a sealed file gets pieces that are genuine, but knows only at the end that none is missing: use nothing
before that.

It does not cover where keys come from (`vault_keys`), nor the length of a file, which shows.

Source: Hoang, Reyhanitabar, Rogaway, Vizár, Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance,
2015 (STREAM); NIST SP 800-38D (GCM); RFC 5869 (HKDF).
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterable, Iterator
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from counterproof.provenance.errors import UsageError, VerificationFailed

KEY_BYTES = 32
CHUNK = 1 << 18
_MAGIC = b"counterproof-sealed-1\n"
_PREFIX, _TAG, _MOST_CHUNKS = 7, 16, 2**32 - 1


def new_key() -> bytes:
    """Return a key for one file."""
    return secrets.token_bytes(KEY_BYTES)


def derived_key(key: bytes, about: bytes) -> bytes:
    """Return a key for one of many small files, made from a key that they have in common (HKDF-SHA256)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"counterproof/body/1/" + about).derive(key)


def is_sealed(data: bytes) -> bool:
    """Say whether this begins as a sealed file does."""
    return data.startswith(_MAGIC)


def seal(pieces: Iterable[bytes], key: bytes, *, about: bytes) -> Iterator[bytes]:
    """Yield the sealed form of what comes in pieces.

    Args:
        pieces: the plain bytes.
        key: 32 bytes that seal nothing else.
        about: what the file is; reading needs the same.

    Raises:
        UsageError: it is longer than 1 PiB.
    """
    head = _MAGIC + secrets.token_bytes(_PREFIX)
    yield head
    cipher = AESGCM(key)
    for number, (chunk, last) in enumerate(_with_last(_chunks(pieces))):
        if number > _MOST_CHUNKS:
            raise UsageError("The file is too long to be sealed.", allowed="At most 1 PiB.")
        yield cipher.encrypt(_nonce(head, number, last=last), chunk, head + about)


def unseal(source: IO[bytes], key: bytes, *, about: bytes) -> Iterator[bytes]:
    """Yield the plain bytes of a sealed file in pieces, each of them genuine; it is whole when no error came.

    Raises:
        VerificationFailed: a byte was changed, left out or added, the key is another one, or it is no sealed file.
    """
    head = source.read(len(_MAGIC) + _PREFIX)
    if len(head) != len(_MAGIC) + _PREFIX or not head.startswith(_MAGIC):
        raise VerificationFailed("This is no sealed file, or its beginning was changed.", advice=_RESTORE)
    cipher = AESGCM(key)
    for number, (chunk, last) in enumerate(_with_last(iter(lambda: source.read(CHUNK + _TAG), b""))):
        try:
            yield cipher.decrypt(_nonce(head, number, last=last), chunk, head + about)
        except (InvalidTag, ValueError) as error:
            raise VerificationFailed(
                f"Chunk {number} of a sealed file was changed, or the file was cut off or goes on behind its end.",
                advice=_RESTORE,
            ) from error


def plain_length(sealed: int) -> int:
    """Return how long the plain bytes are of a sealed file of this length."""
    chunks = sealed - len(_MAGIC) - _PREFIX
    return chunks - _TAG * -(-chunks // (CHUNK + _TAG))


class Unsealed(io.RawIOBase):
    """A sealed file, open for reading from its beginning to its end.

    Args:
        source: the sealed file; closed with this one.
        key: its key.
        about: what it is.
    """

    def __init__(self, source: IO[bytes], key: bytes, *, about: bytes) -> None:
        self._source = source
        self._pieces = unseal(source, key, about=about)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the library says WriteableBuffer
        """Read the next bytes.

        Raises:
            VerificationFailed: see `unseal`.
        """
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        """Close it and the sealed file."""
        self._source.close()
        super().close()


_RESTORE = "Restore it from a backup; nothing of it was used."


def _nonce(head: bytes, number: int, *, last: bool) -> bytes:
    return head[len(_MAGIC) :] + number.to_bytes(4, "big") + bytes([last])


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut into chunks of one size, the last one shorter; nothing at all is one empty chunk."""
    kept = bytearray()
    for piece in pieces:
        kept += piece
        while len(kept) > CHUNK:
            yield bytes(kept[:CHUNK])
            del kept[:CHUNK]
    yield bytes(kept)


def _with_last(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Say of each chunk whether it is the last; where there is none, one empty chunk is."""
    before = next(chunks, b"")
    for chunk in chunks:
        yield before, False
        before = chunk
    yield before, True
