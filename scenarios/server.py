"""A strict loopback server that speaks the OpenAI API and serves the recorded turns of a scenario.

Each turn answers exactly one request, the one that was recorded with it. A request that is not recorded is *drift*: it
is answered with an error that holds a readable difference to the nearest turn, and it is remembered, because a step
may swallow the error. Turns that were never asked for are remembered too.

In recording, `source` answers what no turn answers, and the pair becomes a new turn.

It does not cover streaming, embeddings, or any path but chat completions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.journal import readable_diff
from counterproof.scenarios.loopback import Loopback, LoopbackHandler

PATH = "/v1/chat/completions"
Source = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Turn:
    """One recorded exchange. `served` counts how often it answered."""

    request: dict[str, Any]
    response: dict[str, Any]
    origin: dict[str, str]
    served: int = field(default=0, compare=False)


class TurnServer(Loopback):
    """Serves turns.

    Args:
        turns: what is recorded.
        source: answers what is not recorded (recording); None for a strict replay.
        origin: where new turns come from.
    """

    def __init__(
        self, turns: list[Turn], *, source: Source | None = None, origin: dict[str, str] | None = None
    ) -> None:
        self.turns = turns
        self.drifts: list[str] = []
        self._source = source
        self._origin = origin or {}
        self._lock = threading.Lock()
        super().__init__(_Handler)

    @property
    def base_url(self) -> str:
        """The address that a model configuration names."""
        return f"{self.url}/v1"

    @property
    def unused(self) -> list[Turn]:
        """The turns that nobody asked for."""
        return [turn for turn in self.turns if not turn.served]

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body for a request."""
        with self._lock:
            for turn in self.turns:
                if turn.request == request and not turn.served:
                    turn.served += 1
                    return 200, turn.response
            if self._source is not None:
                try:
                    new = Turn(request=request, response=self._source(request), origin=self._origin, served=1)
                except CounterproofError as error:
                    return self._refuse(str(error))
                self.turns.append(new)
                return 200, new.response
            return self._refuse(self._drift(request))

    def _refuse(self, text: str) -> tuple[int, dict[str, Any]]:
        self.drifts.append(text)
        return 400, {"error": {"message": text, "type": "scenario_drift", "code": "scenario_drift"}}

    def _drift(self, request: dict[str, Any]) -> str:
        if any(turn.request == request for turn in self.turns):
            return "scenario drift: a turn was asked for twice; each answers one request."
        same = [turn for turn in self.unused if _system(turn.request) == _system(request)]
        nearest = next(iter(same or self.unused), None)
        if nearest is None:
            return "scenario drift: an extra request; every recorded turn has been used."
        diff = readable_diff(_bytes(nearest.request), _bytes(request))
        return f"scenario drift: the request is not recorded. Difference to the nearest turn:\n{diff}"


class _Handler(LoopbackHandler):
    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        raw = self.rfile.read(length)
        if self.path != PATH:
            self._send(404, {"error": {"message": f"only {PATH} is served", "type": "not_found"}})
            return
        try:
            request = json.loads(raw)
        except ValueError:
            self._send(400, {"error": {"message": "the body is no JSON", "type": "invalid_request"}})
            return
        if not isinstance(request, dict):
            self._send(400, {"error": {"message": "the body is no JSON object", "type": "invalid_request"}})
            return
        server: TurnServer = self.server.owner
        self._send(*server.answer(request))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = _bytes(body)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status != 200:
            self.send_header("x-should-retry", "false")
        self.end_headers()
        self.wfile.write(data)


def _system(request: dict[str, Any]) -> Any:
    try:
        return request["messages"][0]["content"]
    except (LookupError, TypeError):
        return None


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
