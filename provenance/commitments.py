"""Salted commitments: names for secure bodies that can't be guessed, and that whoever has the data can make again.

The SHA-256 of a short body ("n = 7") is found by trying. So what the record says of a body on the secure side is
`sha256(salt ‖ body)` with a salt of 32 bytes, which is part of neither record nor bundle. Who is given salt and body
can check them; who is not can't guess the body.

A salt is HMAC-SHA-256 over the body's SHA-256 under a *secret of the study*, so that a step which is taken again after
a crash gives the same name, and a salt that is made known tells nothing of the others. The secret is made from the
bytes of the study's data files and its id, and kept nowhere: a replay with the data gives the same commitments, and
can compare what nobody may see. Who has the data could compute every result from them anyway.

It does not cover data that can be guessed as a whole: their plain digests are in the record, and give them away as
soon as the secret does. Nor does it hide the length of a body, or that two bodies of one study are the same.

Source: RFC 2104 (HMAC).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import IO

from counterproof.provenance.digests import sha256_bytes

SALT_BYTES = 32
_PURPOSE = b"counterproof/commitments/1"
_PIECE = 1 << 20


def study_secret(study: str, data: Iterable[IO[bytes]]) -> bytes:
    """Return the secret from which a study's salts are made; no file is whole in memory.

    The key is not the plain digest of the data, which the record names: it can't be made without their bytes.

    Args:
        study: the study's id.
        data: its data files, open, in the order in which the record names them; each is closed.
    """
    made = hashlib.sha256(_PURPOSE)
    for file in data:
        one = hashlib.sha256(_PURPOSE)
        with file:
            while piece := file.read(_PIECE):
                one.update(piece)
        made.update(one.digest())
    return hmac.digest(made.digest(), study.encode(), "sha256")


def salted(secret: bytes, body: bytes) -> bytes:
    """Return salt and body as one; the SHA-256 of that is the commitment."""
    return hmac.digest(secret, hashlib.sha256(body).digest(), "sha256") + body


def commits_to(commitment: str, salt: str, body: bytes) -> bool:
    """Say whether this is the salt (in hexadecimal) and the body of a commitment.

    A salt of another length is none: it could be a piece of the body, or the body hold a piece of it.
    """
    written = re.fullmatch(f"[0-9a-f]{{{2 * SALT_BYTES}}}", salt)
    return written is not None and sha256_bytes(bytes.fromhex(salt) + body) == commitment
