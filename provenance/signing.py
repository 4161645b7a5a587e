"""Ed25519 signatures in the OpenSSH signature format (SSHSIG).

A reviewer signs with an SSH key, and what is signed here is checked by `ssh-keygen -Y verify` on any laptop.
Keys are read and written by `cryptography`; only the framing of SSHSIG, which it lacks, is ours.

`verify` also takes the signature of a hardware key, over a decision and over nothing else: the keys of the service are
plain ones.

It does not cover `ssh-agent` (`signers`), nor any key type but Ed25519.

Source: OpenSSH PROTOCOL.sshsig, RFC 8032.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import struct
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from counterproof.provenance.errors import MachineTrouble, UsageError, VerificationFailed
from counterproof.provenance.hardware_keys import HARDWARE_TYPE, check_hardware_signature, read_hardware_key
from counterproof.provenance.ssh_wire import pack_strings, take_string

DECISION_NAMESPACE = "counterproof-decision"
BUNDLE_NAMESPACE = "counterproof-bundle"
RECORD_NAMESPACE = "counterproof-record"

_MAGIC = b"SSHSIG"
_KEY_TYPE = b"ssh-ed25519"
_HASH = b"sha512"
_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_END = "-----END SSH SIGNATURE-----\n"
_WIDTH = 70


def make_key(path: Path, *, passphrase: str | None, comment: str) -> str:
    """Make an Ed25519 key, write it as an OpenSSH private key (mode 0600), and return the public line.

    Args:
        path: where the private key goes; the public line goes beside it as `.pub`.
        passphrase: protects the file; None writes it in the clear.
        comment: ends the public line.

    Raises:
        UsageError: the file, or the `.pub` beside it, exists already.
        MachineTrouble: the folder can't be written.
    """
    key = Ed25519PrivateKey.generate()
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase.encode())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, protection)
    public = f"{public_line(key.public_key())} {comment}"
    beside = path.with_name(path.name + ".pub")
    taken = next((file for file in (path, beside) if file.exists()), None)
    if taken is not None:
        raise UsageError(f"A key is already at {taken}.", advice="Choose another place, or import that key.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_key(path, private)
        beside.write_text(public + "\n", encoding="utf-8")
    except OSError as error:
        raise MachineTrouble(
            f"The key can't be written to {path}: {error}.",
            advice="Name a folder that you may write to, or make room on the disk.",
        ) from error
    return public


def service_key(home: Path) -> Ed25519PrivateKey:
    """Return the key with which an installation signs bundles and record checkpoints."""
    return own_key(home / "keys" / "service", comment="counterproof-service")


def own_key(path: Path, *, comment: str) -> Ed25519PrivateKey:
    """Return a key of the installation itself; made at the first use, no passphrase, mode 0600."""
    if not path.exists():
        with contextlib.suppress(UsageError):
            make_key(path, passphrase=None, comment=comment)
    return load_key(path, passphrase=None)


def _write_key(path: Path, private: bytes) -> None:
    """Write a private key so that it is there whole or not at all, and never over another one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key-") as new:
        new.write(private)
        new.flush()
        os.fsync(new.fileno())
        try:
            os.link(new.name, path)
        except FileExistsError as error:
            raise UsageError(f"A key is already at {path}.", advice="Choose another place, or import it.") from error


def load_key(path: Path, *, passphrase: str | None) -> Ed25519PrivateKey:
    """Read an OpenSSH Ed25519 private key.

    Raises:
        UsageError: the file is missing, is no Ed25519 key, uses a cipher that `cryptography` lacks, or the
            passphrase is wrong or missing.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The key {path} can't be read: {error.strerror}.",
            advice="Name the reviewer's private key with --key.",
        ) from error
    try:
        key = serialization.load_ssh_private_key(data, passphrase.encode() if passphrase else None)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"The key {path} can't be opened: {error}.",
            advice="Name the private key, not the .pub file, and give its passphrase if it has one.",
        ) from error
    except UnsupportedAlgorithm as error:
        # `cryptography` 50 says: "sk-ssh-ed25519 private keys cannot be loaded".
        if HARDWARE_TYPE.decode().partition("@")[0] in str(error):
            raise UsageError(
                f"The key {path} is in a hardware token; the file is only a handle to it.",
                allowed="Hardware keys sign through ssh-agent.",
                advice=f"Add it with `ssh-add {path}`, then decide with --agent.",
            ) from error
        raise UsageError(
            f"The key {path} can't be opened: {error}.",
            allowed="Ed25519 keys in a file, with cipher aes256-ctr, aes256-cbc or aes256-gcm@openssh.com.",
            advice=f"Change its cipher with `ssh-keygen -p -Z aes256-ctr -f {path}`.",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            f"The key {path} is a {type(key).__name__}.",
            allowed="Only Ed25519 keys are used.",
            advice="Make one with `ssh-keygen -t ed25519`.",
        )
    return key


def public_line(key: Ed25519PublicKey) -> str:
    """Return `ssh-ed25519 AAAA…` of a public key."""
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def fingerprint(line: str) -> str:
    """Return the `SHA256:…` fingerprint of a public line, as `ssh-keygen -l` prints it."""
    blob = _public_blob(line)
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def check_public_line(line: str) -> str:
    """Return the `ssh-ed25519 AAAA…` part of a public key line.

    Raises:
        UsageError: it is not the public half of an Ed25519 SSH key.
    """
    parts = line.split()
    try:
        if parts[0] != _KEY_TYPE.decode():
            raise ValueError(parts[0])
        key = serialization.load_ssh_public_key(" ".join(parts[:2]).encode())
    except (ValueError, IndexError) as error:
        raise UsageError(
            f"{line[:60]!r} is not an Ed25519 SSH public key.",
            allowed="It must begin with 'ssh-ed25519 AAAA'.",
            advice="Give the .pub file of a key made by `ssh-keygen -t ed25519`.",
        ) from error
    assert isinstance(key, Ed25519PublicKey)
    return public_line(key)


def check_reviewer_line(line: str) -> str:
    """Return the part without comment of the public line of a reviewer's key, in a file or in a hardware token.

    Raises:
        UsageError: it is neither.
    """
    if line.split()[:1] != [HARDWARE_TYPE.decode()]:
        try:
            return check_public_line(line)
        except UsageError as error:
            raise UsageError(
                error.what,
                allowed=f"It must begin with 'ssh-ed25519 AAAA' or '{HARDWARE_TYPE.decode()} AAAA'.",
                advice="Give the .pub file of a key made by `ssh-keygen -t ed25519` or `ssh-keygen -t ed25519-sk`.",
            ) from error
    try:
        return read_hardware_key(line).line
    except ValueError as error:
        raise UsageError(
            f"{line[:60]!r} is not an Ed25519 SSH public key of a hardware token: {error}.",
            allowed=f"It must begin with '{HARDWARE_TYPE.decode()} AAAA' and be made for 'ssh:'.",
            advice="Give the .pub file of a key made by `ssh-keygen -t ed25519-sk`.",
        ) from error


def sign(key: Ed25519PrivateKey, data: bytes, *, namespace: str) -> bytes:
    """Return the armoured SSHSIG of `data` in `namespace`."""
    public = _public_blob(public_line(key.public_key()))
    space = namespace.encode()
    signature = pack_strings(_KEY_TYPE, key.sign(_signed_part(data, space)))
    text = base64.b64encode(_repack(public, space, signature)).decode()
    lines = [text[at : at + _WIDTH] + "\n" for at in range(0, len(text), _WIDTH)]
    return (_BEGIN + "".join(lines) + _END).encode()


def verify(line: str, data: bytes, signature: bytes, *, namespace: str) -> None:
    """Check that `signature` over `data` was made with the key of the public `line`.

    Raises:
        VerificationFailed: it was not, the signature has any other form than the one that `sign` writes, or
            `line` is no Ed25519 public key; a hardware key's where it is no decision that was signed.
    """
    try:
        line = check_reviewer_line(line) if namespace == DECISION_NAMESPACE else check_public_line(line)
    except UsageError as error:
        raise VerificationFailed(f"The signature can't be checked: {error.what}") from error
    try:
        inner = _unpack(signature)
        key_blob, space, reserved, hash_name, raw = _fields(inner)
        kind, signed = take_string(raw)
        if (kind, space, reserved, hash_name) != (line.split()[0].encode(), namespace.encode(), b"", _HASH):
            raise ValueError("another namespace, key type or hash")
        if key_blob != _public_blob(line):
            raise ValueError("signed with another key")
        if inner != _repack(key_blob, space, raw):
            raise ValueError("bytes after the end")
        _check(line, _signed_part(data, space), signed)
    except (ValueError, IndexError, struct.error, InvalidSignature, UnicodeDecodeError) as error:
        reason = str(error) or "the signature doesn't match the bytes"
        raise VerificationFailed(f"The signature does not hold for {fingerprint(line)}: {reason}.") from error


def _check(line: str, message: bytes, signed: bytes) -> None:
    """Check a signature by the kind of its key; `signed` is what stands behind the kind."""
    if line.startswith(HARDWARE_TYPE.decode()):
        check_hardware_signature(read_hardware_key(line), message, signed)
        return
    value, rest = take_string(signed)
    if rest:
        raise ValueError("bytes after the signature")
    key = serialization.load_ssh_public_key(line.encode())
    assert isinstance(key, Ed25519PublicKey)
    key.verify(value, message)


def _signed_part(data: bytes, namespace: bytes) -> bytes:
    digest = hashlib.sha512(data).digest()
    return _MAGIC + pack_strings(namespace, b"", _HASH, digest)


def _public_blob(line: str) -> bytes:
    return base64.b64decode(line.split()[1], validate=True)


def _repack(public: bytes, namespace: bytes, raw: bytes) -> bytes:
    return _MAGIC + struct.pack(">I", 1) + pack_strings(public, namespace, b"", _HASH, raw)


def _unpack(armoured: bytes) -> bytes:
    text = armoured.decode("ascii")
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise ValueError("no SSH signature")
    body = text[len(_BEGIN) : -len(_END)]
    blob = base64.b64decode(body.replace("\n", ""), validate=True)
    again = base64.b64encode(blob).decode()
    if body != "".join(again[at : at + _WIDTH] + "\n" for at in range(0, len(again), _WIDTH)):
        raise ValueError("not in the canonical armour")
    if blob[: len(_MAGIC)] != _MAGIC or blob[len(_MAGIC) : len(_MAGIC) + 4] != struct.pack(">I", 1):
        raise ValueError("no SSHSIG of version 1")
    return blob


def _fields(blob: bytes) -> list[bytes]:
    rest = blob[len(_MAGIC) + 4 :]
    fields = []
    for _ in range(5):
        field, rest = take_string(rest)
        fields.append(field)
    return fields
