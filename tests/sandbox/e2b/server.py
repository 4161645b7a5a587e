"""A loopback server that speaks E2B's documented protocol, well or badly, as a test tells it to.

One port serves the API, the machines' files and commands (envd) and the code interpreter, as E2B_SANDBOX_URL has it.
Machines are real (`machine.py`): code that is sent here runs. All requests are kept as they came. A `Fault` makes
one route misbehave.

Source: e2b 2.63 and e2b-code-interpreter 2.11.5 (client side); e2b-dev/infra `packages/envd/spec` (envd.yaml,
filesystem.proto, process.proto) and e2b-dev/code-interpreter `template/server` (server side), none of it copied.
"""

from __future__ import annotations

import base64
import itertools
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from counterproof.sandbox import Environment
from counterproof.scenarios.loopback import Loopback

from .handler import Handler
from .machine import Gone, LoopbackMachine, Process

Kind = Literal[
    "status",  # answer with a status and a body
    "mute",  # never answer
    "cut",  # send a part of the reply, then drop the connection
    "end-early",  # end the reply properly, without its last events
    "silent",  # begin the reply, then say nothing more
    "garbage",  # a line that is not JSON
    "oversize",  # a line without an end
    "unknown",  # event types that there are none of
    "keepalive",  # a keepalive before each event
    "replace",  # other events in the place of the real ones
    "corrupt",  # one byte of a file is changed
]


@dataclass(kw_only=True)
class Fault:
    """How a route misbehaves.

    Attributes:
        kind: what it does.
        times: how often; then the route behaves.
        status: the status line of `status`.
        body: the body of `status`.
        headers: further headers of `status`.
        lines: the events of `replace`, with a pause in seconds before each.
    """

    kind: Kind
    times: int = 1_000_000
    status: int = 500
    body: Any = field(default_factory=lambda: {"code": 500, "message": "made-up trouble"})
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[tuple[float, Mapping[str, Any]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came; names of headers are in small letters."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(kw_only=True)
class Context:
    """An interpreter of a machine."""

    id: str
    language: str
    cwd: str
    kernel: Process
    poisoned_until_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def about(self) -> dict[str, str]:
        return {"id": self.id, "language": self.language, "cwd": self.cwd}


@dataclass(kw_only=True)
class Hosted:
    """A machine as the API knows it."""

    id: str
    token: str
    machine: LoopbackMachine
    contexts: dict[str, Context]
    asked: Mapping[str, Any]
    ends_at_s: float


class LoopbackE2B(Loopback):
    """Serves API, files, commands and code on one address.

    Args:
        environment: the analysis environment that machines have as their Python.
        rootless: True for machines in which everything is one user.
    """

    api_key = "e2b_loopback_key_0123456789abcdef"
    envd_version = "0.6.7"

    def __init__(self, environment: Environment, *, rootless: bool = False) -> None:
        self.faults: dict[str, Fault] = {}
        self.requests: list[Request] = []
        self.hosted: dict[str, Hosted] = {}
        self.most_hosted = 0
        self.oversize_bytes = 0
        self.made: list[Mapping[str, Any]] = []
        self.baked: dict[str, bytes] = {}
        self._environment = environment
        self.rootless = rootless
        self._by_key: dict[str, str] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        super().__init__(Handler)

    @property
    def paths(self) -> list[str]:
        """Method and path of all requests."""
        return [f"{request.method} {request.path}" for request in self.requests]

    @property
    def everything(self) -> bytes:
        """All bodies that were ever sent here."""
        return b"\n".join(request.body for request in self.requests)

    def keep(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        with self._lock:
            self.requests.append(
                Request(
                    method=method,
                    path=path,
                    headers={name.lower(): value for name, value in headers.items()},
                    body=body,
                )
            )

    def fault(self, route: str) -> Fault | None:
        """Return the fault of a route, and count it."""
        with self._lock:
            found = self.faults.get(route)
            if found is None or found.times <= 0:
                return None
            found.times -= 1
            return found

    def create(self, asked: Mapping[str, Any], idempotency_key: str | None) -> Hosted:
        """Make a machine; the same key gives the same machine."""
        with self._lock:
            known = self._by_key.get(idempotency_key or "")
            if known in self.hosted:
                return self.hosted[known]
            number = f"i{next(self._numbers)}{secrets.token_hex(6)}"
            machine = LoopbackMachine(self._environment, rootless=self.rootless)
            hosted = Hosted(
                id=number,
                token=f"tok_{secrets.token_hex(12)}",
                machine=machine,
                contexts={},
                asked=asked,
                ends_at_s=time.monotonic() + float(asked.get("timeout", 15)),
            )
            self.made.append(asked)
            self.hosted[number] = hosted
            self.most_hosted = max(self.most_hosted, len(self.hosted))
            self._by_key[idempotency_key or number] = number
        for path, data in self.baked.items():
            machine.call({"op": "write", "path": path, "data": base64.b64encode(data).decode()})
        self.add_context(hosted, "python", "/home/user", name="default")
        return hosted

    def add_context(self, hosted: Hosted, language: str, cwd: str, *, name: str | None = None) -> Context:
        """Start an interpreter."""
        context = Context(
            id=name or secrets.token_hex(8), language=language, cwd=cwd, kernel=hosted.machine.kernel(cwd)
        )
        hosted.contexts[context.id] = context
        return context

    def restart_context(self, hosted: Hosted, context: Context) -> None:
        """End an interpreter and start a fresh one in its place."""
        context.kernel.signal(9)
        self.add_context(hosted, context.language, context.cwd, name=context.id)

    def find(self, number: str | None) -> Hosted | None:
        """Return a machine that is still there."""
        hosted = self.hosted.get(number or "")
        if hosted is not None and time.monotonic() > hosted.ends_at_s:
            self.kill(hosted.id)
            return None
        return hosted

    def kill(self, number: str) -> bool:
        """End a machine; say whether there was one."""
        with self._lock:
            hosted = self.hosted.pop(number, None)
        if hosted is None:
            return False
        hosted.machine.close()
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        for number in list(self.hosted):
            self.kill(number)
        super().__exit__(kind, error, trace)


__all__ = ["Context", "Fault", "Gone", "Hosted", "LoopbackE2B", "Request"]
