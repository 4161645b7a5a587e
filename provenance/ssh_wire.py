"""Strings as SSH writes them: a length of four bytes, then the bytes.

It does not cover numbers of many digits, which no Ed25519 key has.

Source: RFC 4251, section 5.
"""

from __future__ import annotations

import struct


def pack_strings(*parts: bytes) -> bytes:
    """Return the parts, each with its length before it."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def take_string(data: bytes) -> tuple[bytes, bytes]:
    """Return the string that `data` begins with, and what follows it.

    Raises:
        ValueError: it is cut short.
    """
    if len(data) < 4:
        raise ValueError("cut short")
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise ValueError("cut short")
    return data[4 : 4 + length], data[4 + length :]
