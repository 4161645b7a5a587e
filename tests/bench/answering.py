"""A model's endpoint in a process of its own, as a real one is: what it does takes nothing from who asks.

Whatever is asked, the next answer comes; each is another one. Nothing is searched, so an answer costs the same however
many there are.

It does not cover requests that are no chat completions.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from counterproof.scenarios.loopback import Loopback, LoopbackHandler


@contextmanager
def answering(response: dict[str, Any]) -> Iterator[str]:
    """Serve an answer, each time with another id, while the block runs; yields the address of the API."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(response, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send(None)
        process.join()


def _serve(response: dict[str, Any], told: Connection) -> None:
    numbers, lock = itertools.count(), threading.Lock()

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            with lock:
                number = next(numbers)
            data = json.dumps({**response, "id": f"chatcmpl-{number}"}, ensure_ascii=False).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with Loopback(Handler) as server:
        told.send(f"{server.url}/v1")
        told.recv()
