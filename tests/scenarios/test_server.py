"""The loopback server of scenarios: each recorded turn answers one request, and everything else is an error."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from counterproof.scenarios.server import Turn, TurnServer

ORIGIN = {"origin": "authored", "by": "the test", "at": "2026-11-20"}


def _request(text: str, system: str = "You plan.") -> dict[str, Any]:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return {"model": "m", "messages": messages}


def _turn(text: str, system: str = "You plan.") -> Turn:
    return Turn(request=_request(text, system), response={"answer": text}, origin=ORIGIN)


def _post(server: TurnServer, body: bytes, path: str = "/chat/completions") -> tuple[int, dict[str, Any]]:
    asked = urllib.request.Request(server.base_url + path, data=body, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, {**json.loads(error.read()), "retry": error.headers["x-should-retry"]}


def _ask(server: TurnServer, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return _post(server, json.dumps(request).encode())


def test_a_recorded_turn_answers_its_request() -> None:
    with TurnServer([_turn("one"), _turn("two")]) as server:
        assert _ask(server, _request("two")) == (200, {"answer": "two"})
        assert [turn.response["answer"] for turn in server.unused] == ["one"]
    assert server.drifts == []


def test_another_order_of_fields_is_the_same_request() -> None:
    with TurnServer([_turn("one")]) as server:
        request = dict(reversed(_request("one").items()))
        assert _post(server, json.dumps(request, indent=3).encode())[0] == 200


@pytest.mark.parametrize(
    "changed",
    [{"model": "n"}, {"temperature": 0}, {"messages": []}, {"response_format": {"type": "json_object"}}],
    ids=["model", "temperature", "messages", "format"],
)
def test_a_request_that_differs_anywhere_is_drift(changed: dict[str, Any]) -> None:
    with TurnServer([_turn("one")]) as server:
        status, body = _ask(server, {**_request("one"), **changed})
    assert (status, body["error"]["code"], body["retry"]) == (400, "scenario_drift", "false")
    assert len(server.drifts) == len(server.unused) == 1


def test_drift_shows_the_lines_that_differ_from_the_nearest_turn() -> None:
    long = "Rules:\n- one\n- two\n- three\n- four\n- five\n"
    with TurnServer([_turn("unrelated", "You write."), _turn(long)]) as server:
        _, body = _ask(server, _request(long.replace("three", "3")))
    text = body["error"]["message"]
    assert text.startswith("scenario drift: the request is not recorded. Difference to the nearest turn:")
    assert "\n-- three\n" in text
    assert "\n+- 3\n" in text
    assert "unrelated" not in text
    assert "Rules:" not in text


def test_a_turn_answers_once() -> None:
    with TurnServer([_turn("one")]) as server:
        assert _ask(server, _request("one"))[0] == 200
        assert "a turn was asked for twice" in _ask(server, _request("one"))[1]["error"]["message"]


def test_the_same_turn_recorded_twice_answers_twice() -> None:
    with TurnServer([_turn("one"), _turn("one")]) as server:
        assert [_ask(server, _request("one"))[0] for _ in range(3)] == [200, 200, 400]


def test_an_extra_request_is_drift() -> None:
    with TurnServer([_turn("one")]) as server:
        _ask(server, _request("one"))
        assert (
            "an extra request; every recorded turn has been used" in _ask(server, _request("2"))[1]["error"]["message"]
        )
    assert server.unused == []


def test_many_at_once_get_each_their_own_answer() -> None:
    texts = [f"question {at}" for at in range(200)]
    with TurnServer([_turn(text) for text in texts]) as server, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: _ask(server, _request(text)), texts))
    assert answers == [(200, {"answer": text}) for text in texts]
    assert (server.unused, server.drifts) == ([], [])


def test_many_at_once_share_no_turn() -> None:
    with TurnServer([_turn("one")]) as server, ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _at: _ask(server, _request("one"))[0], range(32)))
    assert sorted(statuses) == [200] + [400] * 31


@pytest.mark.parametrize(
    ("body", "path", "status", "says"),
    [
        (b"{", "/chat/completions", 400, "the body is no JSON"),
        (b"", "/chat/completions", 400, "the body is no JSON"),
        (b"\xff", "/chat/completions", 400, "the body is no JSON"),
        (b"[1]", "/chat/completions", 400, "is no JSON object"),
        (b'{"messages": [1]}', "/chat/completions", 400, "scenario drift"),
        (b'{"messages": "all"}', "/chat/completions", 400, "scenario drift"),
        (b"{}", "/embeddings", 404, "only /v1/chat/completions is served"),
    ],
    ids=["torn", "empty", "bytes", "list", "odd message", "odd messages", "path"],
)
def test_what_is_no_request_is_refused(body: bytes, path: str, status: int, says: str) -> None:
    with TurnServer([_turn("one")]) as server:
        given, answer = _post(server, body, path)
    assert (given, says in answer["error"]["message"]) == (status, True)


def test_the_server_listens_on_loopback_only_and_ends() -> None:
    with TurnServer([]) as server:
        assert server.base_url.startswith("http://127.0.0.1:")
        port = int(server.base_url.rsplit(":", 1)[1].split("/")[0])
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def test_recording_keeps_what_the_source_answers() -> None:
    with TurnServer([_turn("one")], source=lambda request: {"model": request["model"]}, origin=ORIGIN) as server:
        assert _ask(server, _request("new")) == (200, {"model": "m"})
    assert [(turn.request, turn.origin) for turn in server.turns[1:]] == [(_request("new"), ORIGIN)]
