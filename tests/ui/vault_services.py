"""Where a vault's secret may be but in a file: a keyring in a folder, and a key management service on the loopback.

Both are found as real ones are: the keyring by keyring's own configuration file, the service by the entry point of an
installed package. So another process (the gate's) finds them in the same way.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEYRING = '''
import json
from pathlib import Path
from keyring.backend import KeyringBackend

class FolderKeyring(KeyringBackend):
    """A keyring in a file, for tests."""
    priority = 1
    place = Path(__file__).with_name("keyring.json")

    def _read(self):
        return json.loads(self.place.read_text()) if self.place.exists() else {}

    def get_password(self, service, username):
        return self._read().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self.place.write_text(json.dumps({**self._read(), f"{service}/{username}": password}))
'''

_PACKAGE = '''
import base64, json, os, urllib.error, urllib.request

class Protector:
    """Asks a key management service to wrap and unwrap."""

    def __init__(self, about):
        self.about = about

    def describe(self):
        return {**self.about, "variables": ["LOOPBACK_KMS_TOKEN", "PYTHONPATH"]}

    def wrap(self, key, *, about):
        return self._ask("wrap", key, about)

    def unwrap(self, wrapped, *, about):
        return self._ask("unwrap", wrapped, about)

    def _ask(self, what, data, about):
        body = {"data": base64.b64encode(data).decode(), "about": base64.b64encode(about).decode()}
        request = urllib.request.Request(f"{self.about['url']}/{what}", json.dumps(body).encode())
        request.add_header("authorization", os.environ.get("LOOPBACK_KMS_TOKEN", ""))
        with urllib.request.urlopen(request, timeout=10) as answer:
            return base64.b64decode(json.loads(answer.read())["data"])

class Renamed(Protector):
    """Says that it is something else, so nobody would find it again."""
    def describe(self):
        return {**self.about, "kind": "something-else"}

class Forgetful(Protector):
    """Gives back another key than the one it wrapped."""
    def unwrap(self, wrapped, *, about):
        return bytes(32)
'''

_ENTRY_POINTS = """[counterproof.protectors]
loopback-kms = loopback_kms:Protector
renamed-kms = loopback_kms:Renamed
forgetful-kms = loopback_kms:Forgetful
broken-kms = loopback_kms:NotThere
"""


def write_keyring(folder: Path) -> Path:
    """Write a keyring and the configuration that names it; return what `XDG_CONFIG_HOME` has to be."""
    (folder / "python_keyring").mkdir(parents=True)
    (folder / "folder_keyring.py").write_text(_KEYRING)
    (folder / "python_keyring" / "keyringrc.cfg").write_text(
        f"[backend]\ndefault-keyring=folder_keyring.FolderKeyring\nkeyring-path={folder}\n"
    )
    return folder


def write_package(folder: Path) -> Path:
    """Install a package that brings protectors into a folder; return it, for the search path of modules."""
    about = folder / "loopback_kms-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / "loopback_kms.py").write_text(_PACKAGE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loopback-kms\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(_ENTRY_POINTS)
    return folder


@dataclass(kw_only=True)
class KeyService:
    """A key management service: it wraps for whoever has its token, and never gives its own key away.

    Attributes:
        url: where it is.
        token: what it asks for.
        asked: what it was asked to do, in order.
    """

    url: str
    token: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def key_service() -> Iterator[KeyService]:
    """Be a key management service on the loopback."""
    cipher = AESGCM(AESGCM.generate_key(256))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            data, about = (base64.b64decode(body[name]) for name in ("data", "about"))
            if self.headers["authorization"] != service.token:
                return self.send_error(403, "This key may not be used")
            service.asked.append(self.path)
            try:
                if self.path == "/wrap":
                    nonce = secrets.token_bytes(12)
                    made = nonce + cipher.encrypt(nonce, data, about)
                else:
                    made = cipher.decrypt(data[:12], data[12:], about)
            except InvalidTag:
                return self.send_error(400, "This was not wrapped here")
            answer = json.dumps({"data": base64.b64encode(made).decode()}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            return None

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service = KeyService(url=f"http://127.0.0.1:{server.server_address[1]}", token=secrets.token_hex(8))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield service
        server.shutdown()
