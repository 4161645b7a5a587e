"""SHA-256 digests and the one canonical JSON form.

A digest is always the lower-case hexadecimal SHA-256 of exact bytes. What is signed or hashed is kept as
bytes and never encoded again; `canonical_json` is used once, when such bytes are first made.

It does not cover RFC 8785: our canonical form is sorted keys, no spaces, UTF-8, and no NaN or infinity.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

_HEX = re.compile(r"[0-9a-f]{64}")


def sha256_bytes(data: bytes | memoryview) -> str:
    """Return the SHA-256 of `data` in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of the file's bytes without reading it into memory at once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_digest(text: str) -> bool:
    """Say whether `text` has the form of a digest."""
    return _HEX.fullmatch(text) is not None


def canonical_json(value: Any) -> bytes:
    """Encode `value` as JSON in the one form that is hashed and signed.

    Raises:
        ValueError: a number is NaN or infinite, or a string holds a lone surrogate.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def digest_of(value: Any) -> str:
    """Return the digest of the canonical JSON of `value`."""
    return sha256_bytes(canonical_json(value))
