"""The loopback server of scripted models: one address, each script by its model's name (`scripted-good`)."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

from counterproof.provenance.digests import digest_of
from counterproof.scenarios.loopback import Loopback, LoopbackHandler
from counterproof.scenarios.recorder import chat_completion
from counterproof.scenarios.scripted.playing import SCRIPTS, Said, play

__all__ = ["SCRIPTS", "ModelServer"]

_PREFIX = "scripted-"
_TOKEN = 4
"""Characters that a token is reckoned to have."""


class ModelServer(Loopback):
    """Serves all scripts while a context is open; several requests at the same time.

    Attributes:
        asked: how often each model was asked, refused requests too.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        super().__init__(_Handler)

    @property
    def base_url(self) -> str:
        """The address that a model configuration names."""
        return f"{self.url}/v1"

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body for a request."""
        name = str(request.get("model", "")).removeprefix(_PREFIX)
        with self._lock:
            self.asked[name] += 1
            self._seen[digest_of(request)] += 1
            before = self._seen[digest_of(request)] - 1
        if name not in SCRIPTS:
            return 404, {"error": {"message": f"there is no script {name!r}", "type": "not_found"}}
        said = play(name, request["messages"], before=before)
        if said is None:
            return 503, {"error": {"message": "scripted: not now", "type": "server_error"}}
        return 200, _completion(said, request)


def _completion(said: Said, request: dict[str, Any]) -> dict[str, Any]:
    body = chat_completion(said.text, request)
    body["choices"][0]["finish_reason"] = "length" if said.cut_off else "stop"
    sent = sum(len(str(message["content"])) for message in request["messages"]) // _TOKEN
    came = len(said.text) // _TOKEN
    body["usage"] = {"prompt_tokens": sent, "completion_tokens": came, "total_tokens": sent + came}
    return body


class _Handler(LoopbackHandler):
    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", "0")))
        server: ModelServer = self.server.owner
        status, body = server.answer(json.loads(raw))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
