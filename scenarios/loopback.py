"""An HTTP server on a loopback port while a context is open; what it answers is its owner's business.

Writes are buffered and Nagle's algorithm is off; header and body in two writes cost 40 ms a turn otherwise.

It does not cover TLS, nor any address but 127.0.0.1.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Loopback:
    """Serves on a loopback port while the context is open.

    Args:
        handler: answers the requests; finds this object as `self.server.owner`.

    Attributes:
        closing: is set when the context ends, for answers that wait.
    """

    def __init__(self, handler: type[LoopbackHandler]) -> None:
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def host(self) -> str:
        """Address and port, as errors name them."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The address of everything."""
        return f"http://{self.host}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: Any


class LoopbackHandler(BaseHTTPRequestHandler):
    """One connection; says nothing of its own."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: progress is told elsewhere."""
