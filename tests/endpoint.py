"""A loopback endpoint that speaks the OpenAI API, well or badly, as a test tells it to.

Each role of a study (planner, primary, replication, reporter) has its own list of replies, served in order. A reply is
the text of an answer, or a `Reply` with any status, headers and bytes. A request for which nothing is left is answered
400, so that a test never goes on by accident. All requests are kept as they came.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from counterproof.agents.reasons import FIELD
from counterproof.scenarios.loopback import Loopback, LoopbackHandler
from counterproof.scenarios.recorder import chat_completion, role_of


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What comes back over the wire.

    Attributes:
        status: the status line.
        body: the exact bytes.
        headers: further headers.
        sent: how many bytes of the body are really sent before the connection is closed; None for all.
        pause_s: seconds between two bytes; 0 for all at once.
        never: True where nothing ever comes back.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None
    pause_s: float = 0
    never: bool = False


Script = Mapping[str, Sequence[str | Reply]]


class Endpoint(Loopback):
    """Serves a script.

    Args:
        script: the replies by role.
    """

    def __init__(self, script: Script) -> None:
        self._left = {role: list(replies) for role, replies in script.items()}
        self._lock = threading.Lock()
        self.bodies: list[bytes] = []
        self.roles: list[str] = []
        self.connections = 0
        super().__init__(_Handler)

    @property
    def base_url(self) -> str:
        """The address that a model configuration names."""
        return f"{self.url}/v1"

    def asked(self, role: str) -> list[dict[str, Any]]:
        """Return the requests of a role, oldest first."""
        return [json.loads(body) for body, of in zip(self.bodies, self.roles, strict=True) if of == role]

    def prompt(self, role: str, number: int = -1) -> str:
        """Return everything that one request of a role says."""
        return "\n".join(str(message["content"]) for message in self.asked(role)[number]["messages"])

    def everything(self) -> str:
        """Return all that was ever sent here, decoded."""
        return "\n".join(json.dumps(json.loads(body), ensure_ascii=False) for body in self.bodies)

    @staticmethod
    def _answered(text: str, request: dict[str, Any]) -> str:
        """Return a reply that also answers to a reviewer's reasons, where the request asks for that and it does not."""
        schema = request.get("response_format", {}).get("json_schema", {}).get("schema", {})
        wanted = schema.get("properties", {}).get(FIELD)
        try:
            said = json.loads(text)
        except ValueError:
            return text
        if wanted is None or not isinstance(said, dict) or FIELD in said:
            return text
        return json.dumps({**said, FIELD: [f"Done as asked ({at + 1})." for at in range(wanted["minItems"])]})

    def reply(self, body: bytes) -> Reply:
        """Return what answers a request."""
        request = json.loads(body)
        role = role_of(request)
        with self._lock:
            self.bodies.append(body)
            self.roles.append(role)
            left = self._left.get(role, [])
            if not left:
                return Reply(status=400, body=f"nothing is left for the {role}".encode())
            next_ = left.pop(0)
        return answer(self._answered(next_, request), request) if isinstance(next_, str) else next_


def answer(text: str, request: dict[str, Any] | None = None) -> Reply:
    """Return a proper chat completion that says `text`."""
    return completion(chat_completion(text, request or {"model": "made-up"}))


def completion(raw: Any) -> Reply:
    """Return a JSON body as a 200."""
    return Reply(body=json.dumps(raw).encode(), headers={"content-type": "application/json"})


class _Handler(LoopbackHandler):
    def setup(self) -> None:
        self.server.owner.connections += 1
        super().setup()

    def do_POST(self) -> None:
        endpoint: Endpoint = self.server.owner
        reply = endpoint.reply(self.rfile.read(int(self.headers["content-length"])))
        if reply.never:
            endpoint.closing.wait(20)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        sent = reply.body if reply.sent is None else reply.body[: reply.sent]
        self.close_connection = reply.sent is not None
        if not reply.pause_s:
            self.wfile.write(sent)
            return
        for at in range(len(sent)):
            self.wfile.write(sent[at : at + 1])
            self.wfile.flush()
            if endpoint.closing.wait(reply.pause_s):
                return

    def handle_one_request(self) -> None:
        """Let a client that has gone away go."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True
