"""A time-stamping authority on this machine: certificates made here, `openssl ts` behind a loopback HTTP server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[ tsa ]
default_tsa = it
[ it ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass
class LocalAuthority:
    """An authority in a folder.

    Attributes:
        folder: holds its keys and certificates; `ca.pem` is its root.
        url: where it listens, while it does.
        lie: what it answers instead of the truth.
        status: of its HTTP answers.
        asked: the requests that came.
    """

    folder: Path
    url: str = ""
    lie: bytes | None = None
    status: int = 200
    asked: list[bytes] = field(default_factory=list)

    @property
    def root(self) -> bytes:
        """Its root certificate as PEM."""
        return (self.folder / "ca.pem").read_bytes()

    def answer(self, request: bytes) -> bytes:
        """Return what it answers to a request."""
        self.asked.append(request)
        if self.lie is not None:
            return self.lie
        (self.folder / "query.tsq").write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", str(self.folder / "tsa.cnf"), "-queryfile"]
        command += [str(self.folder / "query.tsq"), "-out", str(self.folder / "reply.tsr")]
        subprocess.run(command, check=True, capture_output=True)
        return (self.folder / "reply.tsr").read_bytes()


def make_authority(folder: Path, *, valid_days: tuple[int, int] = (-1, 30)) -> LocalAuthority:
    """Make the keys and certificates of an authority.

    Args:
        folder: is made.
        valid_days: from when to when the signer's certificate is valid, in days from now.
    """
    folder.mkdir(parents=True)
    now = datetime.now(UTC)
    root_key, signer_key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    root_name, signer_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {folder.name}")]) for name in ("Root", "Signer")
    )
    root = (
        x509.CertificateBuilder(root_name, root_name, root_key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=4000))
        .not_valid_after(now + timedelta(days=4000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    signer = (
        x509.CertificateBuilder(root_name, signer_name, signer_key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(days=valid_days[0]))
        .not_valid_after(now + timedelta(days=valid_days[1]))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "signer.pem").write_bytes(signer.public_bytes(pem))
    (folder / "signer.key").write_bytes(
        signer_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))
    return LocalAuthority(folder=folder)


@contextmanager
def listening(authority: LocalAuthority) -> Iterator[LocalAuthority]:
    """Let an authority answer over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["content-type"] == "application/timestamp-query"
            reply = authority.answer(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(authority.status)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        authority.url = f"http://127.0.0.1:{server.server_address[1]}/"
        yield authority
        server.shutdown()
