"""One model asked by several threads at the same time, over connections that are kept."""

from __future__ import annotations

import contextvars
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from counterproof.agents.chat import Chat
from counterproof.agents.models import ModelConfig
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.scenarios.recorder import chat_completion
from counterproof.scenarios.server import TurnServer
from counterproof.tools.rowguard import RowGuard

from ..endpoint import Endpoint, answer

KEYS = [f"write/{role}/1/{number}" for role in ("primary", "replication") for number in range(1, 13)]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """An empty record."""
    return Record(tmp_path / "record", blobs=Blobs(tmp_path / "blobs"))


@pytest.fixture
def echo() -> Iterator[TurnServer]:
    """A model that repeats what it is told."""
    with TurnServer([], source=lambda request: chat_completion(request["messages"][0]["content"], request)) as server:
        yield server


def _chat(record: Record, base_url: str, **changed: float) -> Chat:
    config = ModelConfig(model="made-up", base_url=base_url, api_key_env="", **changed)  # type: ignore[arg-type]
    return Chat(config, api_key="k", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)


def _ask(chat: Chat, key: str) -> str:
    return chat.complete(key, [HumanMessage(f"I am {key}")], response_format=None).text


def test_calls_at_the_same_time_keep_their_keys_apart(record: Record, echo: TurnServer) -> None:
    chat = _chat(record, echo.base_url)
    with ThreadPoolExecutor(max_workers=4) as pool:
        jobs = [pool.submit(contextvars.copy_context().run, _ask, chat, key) for key in KEYS]
        assert [job.result() for job in jobs] == [f"I am {key}" for key in KEYS]
    chat.close()
    finished = {event.data["key"]: event for event in record.of_type("effect.finished")}
    assert sorted(finished) == sorted(KEYS)
    for key, event in finished.items():
        asked = json.loads(record.blobs.get(event.ref("request").sha256))
        assert asked["messages"][0]["content"] == f"I am {key}"


def test_the_requests_are_the_same_bytes_whoever_asked_before(tmp_path: Path, echo: TurnServer) -> None:
    bodies = []
    for name, before in (("one", []), ("two", KEYS[:3])):
        record = Record(tmp_path / name, blobs=Blobs(tmp_path / "blobs"))
        chat = _chat(record, echo.base_url)
        for key in [*before, "plan/1/1"]:
            _ask(chat, key)
        chat.close()
        bodies.append(record.of_type("effect.finished")[-1].ref("request").sha256)
    assert bodies[0] == bodies[1]


def test_one_connection_serves_many_calls(record: Record) -> None:
    with Endpoint({"primary": ["yes"] * 5}) as endpoint:
        chat = _chat(record, endpoint.base_url)
        assert [_ask(chat, key) for key in KEYS[:5]] == ["yes"] * 5
        chat.close()
    assert endpoint.connections == 1


def test_a_connection_that_the_server_closed_costs_no_attempt(record: Record) -> None:
    once = answer("yes", {"model": "made-up"})
    with Endpoint({"primary": [replace(once, sent=len(once.body))] * 3}) as endpoint:
        chat = _chat(record, endpoint.base_url)
        for key in KEYS[:3]:
            assert _ask(chat, key) == "yes"
            time.sleep(0.05)
        chat.close()
    assert endpoint.connections == 3
    assert record.of_type("effect.failed") == []


def test_an_answer_that_is_too_slow_is_cut_off_with_its_connection(record: Record) -> None:
    slow = replace(answer("slow", {"model": "made-up"}), pause_s=0.05)
    with Endpoint({"primary": [slow, "yes"]}) as endpoint:
        chat = _chat(record, endpoint.base_url, timeout_s=0.5)
        assert _ask(chat, KEYS[0]) == "yes"
        chat.close()
    assert [event.data["key"] for event in record.of_type("effect.failed")] == [KEYS[0]]
    assert endpoint.connections == 2
