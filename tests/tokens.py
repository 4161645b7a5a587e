"""Keys outside of a process: the machine's own ssh-agent, and a hardware key that is simulated in software.

`SoftwareToken` signs as OpenSSH PROTOCOL.u2f says a token does; `TokenAgent` is the little of an ssh-agent that
`ssh-add -L` and `ssh-keygen -Y sign` ask for, with such a token in it. No hardware was used: neither USB, PIN nor touch
are in it, only the bytes that OpenSSH would get from them.
"""

from __future__ import annotations

import base64
import hashlib
import socketserver
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HARDWARE = b"sk-ssh-ed25519@openssh.com"
_FAILURE, _LIST, _LISTED, _SIGN, _SIGNED = 5, 11, 12, 13, 14


def string(*parts: bytes) -> bytes:
    """Return SSH strings."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def armour(blob: bytes) -> bytes:
    """Return the armour of an SSHSIG."""
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


@dataclass(kw_only=True)
class SoftwareToken:
    """A hardware key without hardware.

    Attributes:
        application: what the key is for.
        flags: 0x01 says that somebody touched it.
        counter: how often it has signed.
        trailing: bytes behind the counter.
    """

    application: bytes = b"ssh:"
    flags: int = 1
    counter: int = 7
    trailing: bytes = b""
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def blob(self) -> bytes:
        """The public key in binary form."""
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return string(HARDWARE, raw, self.application)

    @property
    def public_line(self) -> str:
        """The public line."""
        return f"{HARDWARE.decode()} {base64.b64encode(self.blob).decode()}"

    def raw_signature(self, message: bytes) -> bytes:
        """Sign as a token does."""
        tail = struct.pack(">BI", self.flags, self.counter)
        signed = hashlib.sha256(self.application).digest() + tail + hashlib.sha256(message).digest()
        return string(HARDWARE, self.key.sign(signed)) + tail + self.trailing

    def sign(self, data: bytes, *, namespace: str) -> bytes:
        """Return the SSHSIG of some bytes."""
        digest, space = hashlib.sha512(data).digest(), namespace.encode()
        raw = self.raw_signature(b"SSHSIG" + string(space, b"", b"sha512", digest))
        return armour(b"SSHSIG" + struct.pack(">I", 1) + string(self.blob, space, b"", b"sha512", raw))


@contextmanager
def token_agent(token: SoftwareToken, *, refuses: bool = False) -> Iterator[str]:
    """An ssh-agent with one token; where it `refuses`, nobody touches the token."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(4):
                request = self.rfile.read(struct.unpack(">I", head)[0])
                self.wfile.write(string(answer(request)))

    def answer(request: bytes) -> bytes:
        if request[0] == _LIST:
            return struct.pack(">BI", _LISTED, 1) + string(token.blob, b"token")
        if request[0] != _SIGN or refuses:
            return bytes([_FAILURE])
        rest = request[1 + len(string(token.blob)) :]
        (length,) = struct.unpack(">I", rest[:4])
        return bytes([_SIGNED]) + string(token.raw_signature(rest[4 : 4 + length]))

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "agent"))
        with socketserver.ThreadingUnixStreamServer(path, Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield path
            server.shutdown()


@contextmanager
def ssh_agent() -> Iterator[str]:
    """The machine's own ssh-agent, without keys; gives its socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "agent")
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield str(path)
        finally:
            process.terminate()
            process.communicate(timeout=20)


def ssh_add(agent: str, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Run ssh-add, without a terminal."""
    given = {"PATH": "/usr/bin:/bin", "SSH_AUTH_SOCK": agent, **(env or {})}
    subprocess.run(["ssh-add", *arguments], env=given, check=True, capture_output=True, start_new_session=True)
