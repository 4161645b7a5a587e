"""The routes of the loopback server: API, envd and code interpreter, told apart by path as one address has it."""

from __future__ import annotations

import base64
import gzip
import json
import queue
import re
import struct
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from .machine import Gone
from .plumbing import Plumbing, multipart

if TYPE_CHECKING:
    from .server import Context, Fault, Hosted, LoopbackE2B

_POISON_S = 8.0
_OVERSIZE_BYTES = 64 << 20
_ROUTES = (
    ("create", "POST", r"/v2/sandboxes"),
    ("connect", "POST", r"/v2/sandboxes/(\w+)/connect"),
    ("kill", "DELETE", r"/sandboxes/(\w+)"),
    ("info", "GET", r"/sandboxes/(\w+)"),
    ("timeout", "POST", r"/sandboxes/(\w+)/timeout"),
    ("health", "GET", r"/health"),
    ("write", "POST", r"/files"),
    ("read", "GET", r"/files"),
    ("list", "POST", r"/filesystem\.Filesystem/ListDir"),
    ("start", "POST", r"/process\.Process/Start"),
    ("execute", "POST", r"/execute"),
    ("add_context", "POST", r"/contexts"),
    ("list_contexts", "GET", r"/contexts"),
    ("remove_context", "DELETE", r"/contexts/(\w+)"),
    ("restart_context", "POST", r"/contexts/(\w+)/restart"),
)
_API = {"create", "connect", "kill", "info", "timeout"}
_NEEDS_TOKEN = {"write", "read", "list", "start", "execute"}


class Handler(Plumbing):
    """One request."""

    @property
    def e2b(self) -> LoopbackE2B:
        return self.server.owner  # type: ignore[no-any-return]

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.body()
        self.e2b.keep(self.command, self.path, dict(self.headers.items()), body)
        parts = urlsplit(self.path)
        for name, method, pattern in _ROUTES:
            found = re.fullmatch(pattern, parts.path)
            if method == self.command and found:
                self._route(name, found.groups(), {key: value[0] for key, value in parse_qs(parts.query).items()}, body)
                return
        self.json(404, {"code": 404, "message": "no such route"})

    def _route(self, name: str, names: tuple[str, ...], query: dict[str, str], body: bytes) -> None:
        fault = self.e2b.fault(name)
        if fault is not None and fault.kind == "mute":
            self.e2b.closing.wait(30)
            self.close_connection = True
            return
        if fault is not None and fault.kind == "status":
            self.reply(fault.status, json.dumps(fault.body).encode(), dict(fault.headers))
            return
        if name in _API:
            if self.headers["X-API-KEY"] != self.e2b.api_key:
                self.json(401, {"code": 401, "message": "Invalid API key"})
                return
            getattr(self, f"_on_{name}")(*names, body)
            return
        hosted = self.e2b.find(self.headers["E2b-Sandbox-Id"])
        if hosted is None or not hosted.machine.alive:
            self.json(
                502, {"sandboxId": self.headers["E2b-Sandbox-Id"], "message": "The sandbox was not found", "code": 502}
            )
            return
        if name in _NEEDS_TOKEN and self.headers["X-Access-Token"] != hosted.token:
            self.json(401, {"code": 401, "message": "unauthorized access"})
            return
        try:
            getattr(self, f"_on_{name}")(hosted, *names, query=query, body=body, fault=fault)
        except Gone:
            self.close_connection = True

    # The API.

    def _on_create(self, body: bytes) -> None:
        asked = json.loads(body)
        if asked["templateID"] == "missing":
            self.json(404, {"code": 404, "message": "template 'missing' not found"})
            return
        hosted = self.e2b.create(asked, self.headers["Idempotency-Key"])
        self.json(201, self._about(hosted))

    def _about(self, hosted: Hosted) -> dict[str, Any]:
        return {
            "templateID": hosted.asked["templateID"],
            "sandboxID": hosted.id,
            "clientID": "loopback",
            "envdVersion": self.e2b.envd_version,
            "envdAccessToken": hosted.token,
        }

    def _on_connect(self, number: str, body: bytes) -> None:
        hosted = self.e2b.find(number)
        self.json(*((200, self._about(hosted)) if hosted else (404, {"code": 404, "message": "not found"})))

    def _on_kill(self, number: str, body: bytes) -> None:
        if self.e2b.kill(number):
            self.reply(204, b"")
        else:
            self.json(404, {"code": 404, "message": "not found"})

    def _on_info(self, number: str, body: bytes) -> None:
        hosted = self.e2b.find(number)
        if hosted is None:
            self.json(404, {"code": 404, "message": "not found"})
            return
        times = {"startedAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-01T01:00:00Z"}
        sizes = {"cpuCount": 2, "memoryMB": 512, "diskSizeMB": 1024}
        self.json(200, {**self._about(hosted), **times, **sizes, "state": "running", "metadata": {}})

    def _on_timeout(self, number: str, body: bytes) -> None:
        hosted = self.e2b.find(number)
        if hosted is None:
            self.json(404, {"code": 404, "message": "not found"})
            return
        hosted.ends_at_s = time.monotonic() + float(json.loads(body)["timeout"])
        self.reply(204, b"")

    # envd: health, files, commands.

    def _on_health(self, hosted: Hosted, **_: Any) -> None:
        self.reply(204, b"")

    def _on_write(self, hosted: Hosted, *, query: dict[str, str], body: bytes, fault: Fault | None) -> None:
        kind = self.headers["Content-Type"] or ""
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        files = [(query.get("path", ""), body)]
        if kind.startswith("multipart/"):
            files = [(query.get("path") or name, data) for name, data in multipart(kind, body)]
        written = []
        for path, data in files:
            sent = data[:-1] + bytes([data[-1] ^ 1]) if fault and fault.kind == "corrupt" and data else data
            absolute = path if path.startswith("/") else f"/home/user/{path}"
            hosted.machine.call({"op": "write", "path": absolute, "data": base64.b64encode(sent).decode()})
            written.append({"name": absolute.rpartition("/")[2], "path": absolute, "type": "file"})
        self.json(200, written)

    def _on_read(self, hosted: Hosted, *, query: dict[str, str], body: bytes, fault: Fault | None) -> None:
        try:
            answer = hosted.machine.call({"op": "read", "path": query["path"]})
        except FileNotFoundError:
            self.json(404, {"code": 404, "message": f"path '{query['path']}' does not exist"})
            return
        except OSError as error:
            self.json(400, {"code": 400, "message": str(error)})
            return
        data = base64.b64decode(answer["data"])
        if fault is not None and fault.kind == "corrupt":
            data = data[:-1] + bytes([data[-1] ^ 1]) if data else b"x"
        if fault is not None and fault.kind == "cut":
            self.head(200, {"Content-Type": "application/octet-stream", "Content-Length": str(len(data) + 1)})
            self.wfile.write(data)
            self.close_connection = True
            return
        self.reply(200, data, {"Content-Type": "application/octet-stream"})

    def _on_list(self, hosted: Hosted, *, query: dict[str, str], body: bytes, fault: Fault | None) -> None:
        path = json.loads(body).get("path", "/home/user")
        try:
            self.json(200, {"entries": hosted.machine.call({"op": "list", "path": path})["entries"]})
        except FileNotFoundError:
            self.json(404, {"code": "not_found", "message": f"path {path} not found"})
        except OSError as error:
            self.json(400, {"code": "invalid_argument", "message": str(error)})

    def _on_start(self, hosted: Hosted, *, query: dict[str, str], body: bytes, fault: Fault | None) -> None:
        about = json.loads(body[5 : 5 + struct.unpack(">I", body[1:5])[0]])["process"]
        argv = [about["cmd"], *about.get("args", ())]
        process = hosted.machine.spawn(argv, cwd=about.get("cwd") or "/home/user", env=about.get("envs"))
        self.begin("application/connect+json")
        self._envelope({"event": {"start": {"pid": process.pid}}})
        for event in process.events():
            if "exit" in event:
                status = f"exit status {event['exit']}"
                self._envelope({"event": {"end": {"exitCode": event["exit"], "exited": True, "status": status}}})
            for name, field in (("out", "stdout"), ("err", "stderr")):
                if name in event:
                    self._envelope({"event": {"data": {field: event[name]}}})
        self._envelope({}, flag=2)
        self.chunk(b"")

    def _envelope(self, message: dict[str, Any], flag: int = 0) -> None:
        data = json.dumps(message).encode()
        self.chunk(struct.pack(">BI", flag, len(data)) + data)

    # The code interpreter.

    def _on_add_context(self, hosted: Hosted, *, query: dict[str, str], body: bytes, fault: Fault | None) -> None:
        asked = json.loads(body)
        language, cwd = asked.get("language", "python"), asked.get("cwd", "/home/user")
        self.json(200, self.e2b.add_context(hosted, language, cwd).about())

    def _on_list_contexts(self, hosted: Hosted, **_: Any) -> None:
        self.json(200, [context.about() for context in hosted.contexts.values()])

    def _on_remove_context(self, hosted: Hosted, name: str, **_: Any) -> None:
        context = hosted.contexts.pop(name, None)
        if context is None:
            self.json(404, {"code": 404, "message": f"Context {name} not found"})
            return
        context.kernel.signal(9)
        self.reply(204, b"")

    def _on_restart_context(self, hosted: Hosted, name: str, **_: Any) -> None:
        context = hosted.contexts.get(name)
        if context is None:
            self.json(404, {"code": 404, "message": f"Context {name} not found"})
            return
        self.e2b.restart_context(hosted, context)
        self.reply(204, b"")

    def _on_execute(self, hosted: Hosted, *, query: dict[str, str], body: bytes, fault: Fault | None) -> None:
        asked = json.loads(body)
        if asked.get("context_id") and asked.get("language"):
            self.json(400, {"code": 400, "message": "Only one of context_id or language can be provided"})
            return
        context = hosted.contexts.get(asked.get("context_id") or "default")
        if context is None:
            self.json(404, {"code": 404, "message": f"Context {asked['context_id']} not found"})
            return
        with context.lock:
            self.begin("application/x-ndjson")
            if time.monotonic() < context.poisoned_until_s:  # a call that comes right after a timeout is lost
                context.poisoned_until_s = 0.0
                self.e2b.closing.wait(30)
                return
            cell = {"code": asked["code"], "env_vars": asked.get("env_vars")}
            context.kernel.send(json.dumps(cell).encode() + b"\n")
            self._stream(context, fault)

    def _stream(self, context: Context, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        if kind == "replace" and fault is not None:
            for pause_s, event in fault.lines:
                self.e2b.closing.wait(pause_s)
                self.event(event)
            self.chunk(b"")
            return
        for number, line in enumerate(self._lines(context)):
            if number == 2 and kind:
                if kind in ("cut", "end-early", "silent", "oversize"):
                    self._break_off(kind)
                    return
                if kind == "garbage":
                    self.chunk(b"<html>502 Bad Gateway</html>\n")
            if kind == "unknown":
                self.event({"type": "telemetry", "text": "?"})
            if kind == "keepalive":
                self.event({"type": "keepalive"})
            self.chunk(line)
        self.chunk(b"")

    def _break_off(self, kind: str) -> None:
        if kind == "oversize":
            for _ in range(_OVERSIZE_BYTES >> 16):
                self.chunk(b"x" * (1 << 16))
                self.e2b.oversize_bytes += 1 << 16
        if kind == "silent":
            self._until_left()
        if kind == "end-early":
            self.chunk(b"")
        self.close_connection = True

    def _lines(self, context: Context) -> Iterator[bytes]:
        """Yield what the kernel says, up to the end of the cell; notice when the client has gone."""
        pending = b""
        while True:
            try:
                event = context.kernel.next_event(0.1)
            except queue.Empty:
                if self.client_left():
                    context.poisoned_until_s = time.monotonic() + _POISON_S
                    context.kernel.signal(2)
                    raise Gone from None
                continue
            if "exit" in event:
                raise Gone
            pending += base64.b64decode(event.get("out", ""))
            *lines, pending = pending.split(b"\n")
            for line in lines:
                yield line + b"\n"
                if json.loads(line)["type"] == "end_of_execution":
                    return

    def _until_left(self) -> None:
        while not self.client_left() and not self.e2b.closing.wait(0.05):
            pass
