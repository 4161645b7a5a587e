"""SSH keys that live in a hardware token (`sk-ssh-ed25519@openssh.com`): their public lines and their signatures.

The token does not sign the message itself. It signs SHA256(application) ‖ flags ‖ counter ‖ SHA256(message), and flags
and counter stand behind the raw signature. What is here reads those parts and hands the check to `cryptography`.

Stricter than `ssh-keygen -Y verify` (OpenSSH 9.2), which checks no flags: a signature without the user-presence flag,
so that nobody touched the token, does not hold. The application must begin with `ssh:`, as `ssh-keygen` demands when it
makes a key, so that a token's key for a web site signs no decision.

It does not cover tokens themselves (ssh-agent speaks to them), ECDSA tokens, WebAuthn signatures, the attestation that
a key was made by hardware, nor whether a counter grows.

Source: OpenSSH PROTOCOL.u2f.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from counterproof.provenance.ssh_wire import pack_strings, take_string

HARDWARE_TYPE = b"sk-ssh-ed25519@openssh.com"
_APPLICATION = b"ssh:"
_USER_PRESENT = 0x01
_TAIL = struct.Struct(">BI")
_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class HardwareKey:
    """The public half of a key in a hardware token.

    Attributes:
        raw: the Ed25519 public key, 32 bytes.
        application: what the key is for, `ssh:` or `ssh:…`.
    """

    raw: bytes
    application: bytes

    @property
    def line(self) -> str:
        """The public line, without a comment."""
        blob = pack_strings(HARDWARE_TYPE, self.raw, self.application)
        return f"{HARDWARE_TYPE.decode()} {base64.b64encode(blob).decode()}"


def read_hardware_key(line: str) -> HardwareKey:
    """Read a public line.

    Raises:
        ValueError: it is none of this type.
    """
    kind, text = line.split()[:2]
    inner, rest = take_string(base64.b64decode(text, validate=True))
    raw, rest = take_string(rest)
    application, rest = take_string(rest)
    if kind.encode() != HARDWARE_TYPE or inner != HARDWARE_TYPE or len(raw) != _KEY_BYTES or rest:
        raise ValueError("no hardware key")
    if not application.startswith(_APPLICATION):
        raise ValueError(f"its application is {application!r}, and that of an SSH key begins with 'ssh:'")
    Ed25519PublicKey.from_public_bytes(raw)
    return HardwareKey(raw=raw, application=application)


def check_hardware_signature(key: HardwareKey, message: bytes, signed: bytes) -> None:
    """Check what a token signed.

    Args:
        key: the public key.
        message: what was handed to the token.
        signed: what stands behind the type in the signature: raw signature, flags, counter.

    Raises:
        ValueError: the form is another, or nobody touched the token.
        InvalidSignature: it is not this token's over this message.
    """
    raw, tail = take_string(signed)
    if len(tail) != _TAIL.size:
        raise ValueError("flags and counter of the hardware key are not 5 bytes")
    flags, _ = _TAIL.unpack(tail)
    if not flags & _USER_PRESENT:
        raise ValueError(f"nobody touched the hardware key (flags 0x{flags:02x}, wanted is 0x01)")
    covered = hashlib.sha256(key.application).digest() + tail + hashlib.sha256(message).digest()
    Ed25519PublicKey.from_public_bytes(key.raw).verify(raw, covered)
