"""Bytes of the loopback server: bodies in, replies and chunks out, and clients that go away."""

from __future__ import annotations

import email.parser
import email.policy
import json
import select
from typing import Any

from counterproof.scenarios.loopback import LoopbackHandler


class Plumbing(LoopbackHandler):
    """What every route needs; replies are streams, so writes are not buffered."""

    wbufsize = 0

    def body(self) -> bytes:
        if "chunked" not in (self.headers["Transfer-Encoding"] or ""):
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        length = {} if status == 204 else {"Content-Length": str(len(body))}
        self.head(status, {"Content-Type": "application/json", **(headers or {}), **length})
        self.wfile.write(body)

    def json(self, status: int, value: Any) -> None:
        self.reply(status, json.dumps(value).encode())

    def begin(self, kind: str) -> None:
        self.head(200, {"Content-Type": kind, "Transfer-Encoding": "chunked"})

    def event(self, event: Any) -> None:
        self.chunk(json.dumps(event).encode() + b"\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def handle_one_request(self) -> None:
        """Let a client that has gone away go."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def client_left(self) -> bool:
        ready, _, _ = select.select([self.connection], [], [], 0)
        return bool(ready)


def multipart(kind: str, body: bytes) -> list[tuple[str, bytes]]:
    """Return file name and content of each part."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    parts = [(part.get_filename() or "", part.get_payload(decode=True)) for part in message.iter_parts()]
    return [(name, payload) for name, payload in parts if isinstance(payload, bytes)]
