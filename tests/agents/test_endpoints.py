"""Endpoints that fail: each gives a clear error or a repair, everything is in the record, and running again goes on.

The fault falls on the call for the primary program, so that calls before it (the plan) and beside it (the replication)
are there to be lost.
"""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from counterproof.agents.chat import TRIES
from counterproof.provenance.decisions import DecisionKind
from counterproof.provenance.errors import CounterproofError, MachineTrouble, ToolFailed
from counterproof.provenance.events import Event
from counterproof.provenance.store import Status

from ..endpoint import Endpoint, Reply, answer, completion
from ..lab import NOWHERE, PRIMARY, Lab, script, written

GOOD = written(PRIMARY)
HTML = b"<!doctype html><title>Sign in to the hospital network</title>"
APPROVED: tuple[DecisionKind, ...] = ("approve",) * 4


def _status(status: int, body: bytes = b"", **headers: str) -> Reply:
    return Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _error(status: int, text: str, **headers: str) -> Reply:
    return _status(status, json.dumps({"error": {"message": text}}).encode(), **headers)


def _choice(finish_reason: str, content: str | None) -> Reply:
    message = {"role": "assistant", "content": content}
    return completion({"id": "x", "model": "m", "choices": [{"finish_reason": finish_reason, "message": message}]})


@dataclass(frozen=True)
class Fatal:
    """Replies after which the study stops: what the error says, how many attempts there were, what was waited."""

    replies: Sequence[Reply]
    says: str
    attempts: int = 1
    waits: Sequence[float] = ()
    timeout_s: float = 5


WAITS = (0.5, 1.0, 2.0, 4.0)
FATAL = {
    "429": Fatal([_error(429, "slow down")] * 5, "answered 429: slow down", TRIES, WAITS),
    "429 with Retry-After": Fatal(
        [_error(429, "slow down", retry_after="3")] * 5, "answered 429: slow down", TRIES, (3, 3, 3, 4)
    ),
    "429 for hours": Fatal([_error(429, "tomorrow", retry_after="86400")] * 5, "429: tomorrow", TRIES, (30,) * 4),
    "429 until a date": Fatal(
        [_error(429, "wait", retry_after="Wed, 21 Oct 2026 07:28:00 GMT")] * 5, "429: wait", TRIES, WAITS
    ),
    "429 for not a number": Fatal([_error(429, "wait", retry_after="nan")] * 5, "429: wait", TRIES, WAITS),
    "429 for less than nothing": Fatal([_error(429, "wait", retry_after="-5")] * 5, "429: wait", TRIES, WAITS),
    "500": Fatal([_error(500, "out of memory")] * 5, "answered 500: out of memory", TRIES, WAITS),
    "500 with Retry-After": Fatal([_error(500, "busy", retry_after="2")] * 5, "500: busy", TRIES, (2, 2, 2, 4)),
    "503 in HTML": Fatal([_status(503, HTML)] * 5, "answered 503: <!doctype html>", TRIES, WAITS),
    "401": Fatal([_error(401, "wrong key")], "answered 401: wrong key"),
    "403 empty": Fatal([_status(403)], "answered 403: nothing"),
    "404": Fatal([_error(404, "no such model")], "answered 404: no such model"),
    "400 not UTF-8": Fatal([_status(400, b"\xff\xfe\x00bad")], "answered 400:"),
    "redirect": Fatal([_status(302, location="http://127.0.0.1:9/elsewhere")], "answered 302"),
    "redirect that keeps the method": Fatal([_status(307, location="http://127.0.0.1:9/v1")], "answered 307"),
    "no retry wanted": Fatal([_error(500, "for good", x_should_retry="false")], "answered 500: for good"),
    "closed half-way": Fatal([Reply(body=b'{"choices": [' + b" " * 99, sent=20)] * 5, "can't be reached", TRIES, WAITS),
    "never answers": Fatal([Reply(never=True)] * 5, "can't be reached: ReadTimeout", TRIES, WAITS, timeout_s=0.8),
    "drips": Fatal([Reply(body=b"x" * 1000, pause_s=0.04)] * 5, "can't be reached", TRIES, WAITS, timeout_s=0.8),
    "broken gzip": Fatal([_status(200, b"no gzip", content_encoding="gzip")] * 5, "can't be reached", TRIES, WAITS),
}
REPAIRED = {
    "prose": answer("Certainly! Here is your program."),
    "JSON in prose": answer("Here it is:\n\n" + GOOD),
    "broken JSON": answer('{"language": "python", "code": '),
    "another form": answer('{"program": "print(1)"}'),
    "a list": answer("[1, 2, 3]"),
    "deep": answer("[" * 100_000),
    "lone surrogate in the answer": answer('{"language": "python", "code": "\\ud800", "notes": ""}'),
    "lone surrogate in the text": answer("\ud800"),
    "control characters": answer("\x00\x1b[2J"),
    "empty content": answer(""),
    "null content": _choice("stop", None),
    "cut off": _choice("length", GOOD[:40]),
    "cut off whole": _choice("length", GOOD),
    "filtered": _choice("content_filter", ""),
    "HTML": Reply(body=HTML, headers={"content-type": "text/html"}),
    "broken body": Reply(body=b'{"choices": [', headers={"content-type": "application/json"}),
    "empty body": Reply(),
    "choices null": completion({"id": "x", "choices": None}),
    "choices empty": completion({"id": "x", "choices": []}),
    "null": completion(None),
    "an error as 200": completion({"error": {"message": "overloaded"}}),
    "not UTF-8": Reply(body=b"\xff\xfe{}\x80", headers={"content-type": "application/json"}),
    "NUL bytes": Reply(body=b"\x00" * 100, headers={"content-type": "application/json"}),
}


def _calls(lab: Lab, study: str, *types: str) -> list[Event]:
    return [event for event in lab.events(study, *types) if event.data["key"].startswith("write/primary")]


def _finish(lab: Lab, study: str, left: dict[str, Sequence[str | Reply]]) -> Endpoint:
    """Run the study to its end against a good server that answers only what was not answered before."""
    with Endpoint(left) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    return endpoint


@pytest.mark.parametrize("fatal", FATAL.values(), ids=FATAL)
def test_an_endpoint_that_fails_stops_the_study_and_nothing_is_lost(lab: Lab, fatal: Fatal) -> None:
    study = lab.new(model={"timeout_s": fatal.timeout_s})
    with Endpoint(script(primary=fatal.replies)) as bad:
        with pytest.raises(MachineTrouble, match=r"Nothing is lost: mend the endpoint or the key") as stopped:
            lab.run(study, bad.base_url, "approve")
        assert f"The model endpoint {bad.host} " in str(stopped.value)
        assert fatal.says in str(stopped.value)
    assert lab.slept == list(fatal.waits)
    assert len(_calls(lab, study, "effect.failed")) == fatal.attempts == len(bad.asked("primary"))
    assert lab.workplace.store.study(study)["status"] == Status.STOPPED
    good = _finish(lab, study, {"primary": [GOOD], "reporter": script()["reporter"]})
    assert good.roles == ["primary", "reporter"]


@pytest.mark.parametrize("name", ["429", "403 empty", "400 not UTF-8", "closed half-way"])
def test_each_failed_attempt_is_recorded_with_what_was_sent_and_what_came_back(lab: Lab, name: str) -> None:
    study, fatal = lab.new(), FATAL[name]
    with Endpoint(script(primary=fatal.replies)) as bad, pytest.raises(MachineTrouble, match="Nothing is lost"):
        lab.run(study, bad.base_url, "approve")
    sent = [body.decode() for body, role in zip(bad.bodies, bad.roles, strict=True) if role == "primary"]
    failed = _calls(lab, study, "effect.failed")
    assert [lab.text(event.ref("request").sha256, study) for event in failed] == sent
    assert [event.data["attempt"] for event in failed] == list(range(1, fatal.attempts + 1))
    if name == "closed half-way":
        assert all([ref.role for ref in event.refs] == ["request"] for event in failed)
        return
    back = [json.loads(lab.text(event.ref("response").sha256, study)) for event in failed]
    assert {kept["status"] for kept in back} == {fatal.replies[0].status}
    assert name == "400 not UTF-8" or back[0]["body"] == fatal.replies[0].body.decode()
    assert name != "400 not UTF-8" or back[0]["body_base64"] == "//4AYmFk"


def test_an_unreachable_endpoint_stops_the_study_and_nothing_is_lost(lab: Lab) -> None:
    study = lab.new()
    with pytest.raises(MachineTrouble, match=r"The model endpoint 127\.0\.0\.1:9 can't be reached: ConnectError"):
        lab.run(study, NOWHERE)
    assert lab.slept == list(WAITS)
    assert len(lab.events(study, "effect.failed")) == TRIES
    _finish(lab, study, script())


def test_an_endpoint_that_accepts_and_says_nothing_stops_the_study(lab: Lab) -> None:
    study = lab.new(model={"timeout_s": 0.1})
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(MachineTrouble, match="can't be reached: ReadTimeout"),
    ):
        lab.run(study, f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    assert len(lab.events(study, "effect.failed")) == TRIES


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cut off", "the answer was cut off at the token limit"),
        ("filtered", "the endpoint's content filter stopped the answer"),
        ("HTML", "the endpoint's answer is no chat completion"),
        ("lone surrogate in the text", "it holds half characters"),
        ("prose", "Your answer is not JSON"),
        ("another form", "language: Field required"),
    ],
)
def test_the_model_is_told_what_is_wrong_with_its_answer(lab: Lab, name: str, told: str) -> None:
    study = lab.new()
    with Endpoint(script(primary=[REPAIRED[name], GOOD])) as endpoint:
        lab.run(study, endpoint.base_url, "approve")
    assert told in endpoint.prompt("primary")


def test_a_busy_endpoint_is_asked_again(lab: Lab) -> None:
    study = lab.new()
    with Endpoint(script(primary=[_error(429, "slow down")] * 2 + [GOOD])) as endpoint:
        assert lab.run(study, endpoint.base_url, *APPROVED) is Status.DONE
    assert lab.slept == [0.5, 1.0]
    types = [event.type for event in _calls(lab, study, "effect.started", "effect.failed", "effect.finished")]
    assert types == ["effect.started", "effect.failed"] * 2 + ["effect.started", "effect.finished"]
    assert not any(event.data["after_kill"] for event in _calls(lab, study, "effect.started"))
    sent = [body for body, role in zip(endpoint.bodies, endpoint.roles, strict=True) if role == "primary"]
    assert sent[0] == sent[1] == sent[2]


@pytest.mark.parametrize("reply", REPAIRED.values(), ids=REPAIRED)
def test_an_unusable_answer_is_repaired(lab: Lab, reply: Reply) -> None:
    study = lab.new()
    with Endpoint(script(primary=[reply, GOOD])) as endpoint:
        assert lab.run(study, endpoint.base_url, "approve") is Status.WAITING
    assert lab.waiting(study).id == f"{study}.code.1"
    assert "Answer again, completely, as one JSON object." in endpoint.prompt("primary")
    assert endpoint.host not in endpoint.prompt("primary")
    first, second = _calls(lab, study, "effect.finished")
    kept = json.loads(lab.text(first.ref("response").sha256, study))
    assert kept.get("body", "").encode() == reply.body or "body_base64" in kept
    assert second.data["key"] == "write/primary/1/2"


@pytest.mark.parametrize(
    "name", ["prose", "HTML", "empty body", "choices null", "cut off", "lone surrogate in the text"]
)
def test_answers_that_stay_unusable_stop_the_study_and_nothing_is_lost(lab: Lab, name: str) -> None:
    study = lab.new()
    with Endpoint(script(primary=[REPAIRED[name]] * 3)) as bad:
        with pytest.raises(ToolFailed, match=r"gave no usable answer .* in 3 attempts.* take another model") as stopped:
            lab.run(study, bad.base_url, "approve")
        assert bad.base_url in str(stopped.value)
    good = _finish(lab, study, {"primary": [GOOD], "reporter": script()["reporter"]})
    assert good.roles == ["primary", "reporter"]
    assert [event.data["key"] for event in _calls(lab, study, "effect.finished")] == [
        f"write/primary/1/{number}" for number in (1, 2, 3, 4)
    ]


def test_fifty_megabytes_of_garbage_stop_the_study_and_are_not_kept(lab: Lab) -> None:
    study = lab.new()
    garbage = Reply(body=b"garbage " * (50_000_000 // 8))
    with (
        Endpoint(script(primary=[garbage])) as bad,
        pytest.raises(MachineTrouble, match=r"sent more than .* bytes.*Nothing is lost"),
    ):
        lab.run(study, bad.base_url, "approve")
    assert sum(path.stat().st_size for path in lab.home.rglob("*") if path.is_file()) < 20_000_000
    _finish(lab, study, {"primary": [GOOD], "reporter": script()["reporter"]})


def test_a_small_answer_that_unpacks_to_gigabytes_stops_the_study(lab: Lab) -> None:
    study = lab.new()
    bomb = _status(200, gzip.compress(b"0" * 200_000_000, 6), content_encoding="gzip")
    with Endpoint(script(primary=[bomb])) as bad, pytest.raises(MachineTrouble, match=r"sent more than"):
        lab.run(study, bad.base_url, "approve")


def test_the_second_failure_is_as_clear_as_the_first(lab: Lab) -> None:
    study = lab.new()
    for _ in range(2):
        with Endpoint(script(primary=[_error(401, "wrong key")])) as bad, pytest.raises(CounterproofError, match="401"):
            lab.run(study, bad.base_url, "approve")
    assert [event.data["attempt"] for event in _calls(lab, study, "effect.failed")] == [1, 2]
    assert [event.data["key"] for event in lab.events(study, "effect.finished")][:1] == ["plan/1/1"]
