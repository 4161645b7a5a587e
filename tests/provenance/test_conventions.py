"""What the pinned instrumentations really give, name by name, and what of it is kept under which name.

A new version of a library that renames, adds or drops an attribute fails here: then decide, and change `conventions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import SpanKind, StatusCode

from counterproof.agents.chat import Chat
from counterproof.agents.models import ModelConfig
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.conventions import PINNED, SCHEMA_URL, STUDY
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.instrumentation import instrument_models
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.provenance.telemetry import span
from counterproof.provenance.tracing import pinned, start_tracing
from counterproof.tools.rowguard import RowGuard

from ..endpoint import Endpoint, Reply, completion

SECRET = "zebra-4711"
FULL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 0,
    "model": "made-up-2026",
    "system_fingerprint": "fp_1",
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"the {SECRET}"}}],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
    },
}
GIVEN = {
    "counterproof.attempts": 1,
    "counterproof.effect": "plan/1/1",
    "counterproof.recorded": False,
    "gen_ai.conversation.id": "s1",
    "gen_ai.operation.name": "chat",
    "gen_ai.output.type": "json",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.max_tokens": 500,
    "gen_ai.request.model": "made-up",
    "gen_ai.request.seed": 7,
    "gen_ai.request.temperature": 0.0,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "made-up-2026",
    "gen_ai.usage.cache_read.input_tokens": 5,
    "gen_ai.usage.cache_write.input_tokens": 3,
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 9,
    "gen_ai.usage.reasoning.output_tokens": 4,
    "openai.response.service_tier": "default",
    "openai.response.system_fingerprint": "fp_1",
    "server.address": "127.0.0.1",
}
"""A model call as the libraries give it, but for the port and the digest."""
RENAMED = {"gen_ai.usage.cache_write.input_tokens": "gen_ai.usage.cache_creation.input_tokens"}


class _Collected(SpanProcessor):
    """Ended spans of the study as the libraries made them."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        if (span.attributes or {}).get(STUDY) == "s1":
            self.spans.append(span)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> _Collected:
    """Everything that ends in this process from now on."""
    instrument_models()
    with start_tracing(tmp_path_factory.mktemp("first") / "spans", study="none"):
        provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    found = _Collected()
    provider.add_span_processor(found)
    return found


@pytest.fixture
def raw(collected: _Collected) -> Iterator[list[ReadableSpan]]:
    """The spans of one test."""
    collected.spans.clear()
    yield collected.spans
    collected.spans.clear()


def _ask(folder: Path, *replies: Reply, keys: tuple[str, ...] = ("plan/1/1",)) -> Record:
    record = Record(folder / "record", blobs=Blobs(folder / "blobs"))
    messages = [SystemMessage("You plan."), HumanMessage(f"Say {SECRET}.")]
    with (
        Endpoint({"primary": replies}) as endpoint,
        start_tracing(folder / "spans", study="s1"),
        span("invoke_agent x"),
    ):
        config = ModelConfig(
            model="made-up",
            base_url=endpoint.base_url,
            api_key_env="",
            temperature=0.0,
            seed=7,
            max_completion_tokens=500,
        )
        chat = Chat(config, api_key="k", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
        for key in keys:
            chat.complete(key, messages, response_format={"type": "json_object"})
        chat.close()
    return record


def test_the_libraries_are_the_pinned_ones() -> None:
    names = [f"opentelemetry-instrumentation-genai-{of}" for of in ("langchain", "openai")]
    assert [version(name) for name in names] == ["1.3b0", "1.3b0"]
    assert Schemas.V1_41_1.value == SCHEMA_URL


def test_a_model_call_is_one_span_with_these_attributes(tmp_path: Path, raw: list[ReadableSpan]) -> None:
    _ask(tmp_path, completion(FULL))
    call, agent = raw
    assert (call.name, call.kind, agent.name) == ("chat made-up", SpanKind.CLIENT, "invoke_agent x")
    assert call.parent is not None
    assert agent.context is not None
    assert call.parent.span_id == agent.context.span_id
    given = dict(call.attributes or {})
    assert given.pop("server.port")
    assert re.fullmatch("[0-9a-f]{64}", str(given.pop("counterproof.response.sha256")))
    assert given == GIVEN


def test_what_is_kept_has_the_names_of_the_pinned_version(tmp_path: Path, raw: list[ReadableSpan]) -> None:
    _ask(tmp_path, completion(FULL))
    kept = pinned(raw[0])
    wanted = {RENAMED.get(name, name): value for name, value in GIVEN.items()}
    assert {name: (kept.attributes or {})[name] for name in wanted} == wanted
    assert set(kept.attributes or {}) - set(wanted) == {"server.port", "counterproof.response.sha256"}
    assert kept.instrumentation_scope is not None
    assert kept.instrumentation_scope.schema_url == SCHEMA_URL


def test_every_kept_name_is_one_of_the_convention_or_ours() -> None:
    convention = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    others = {name for name in PINNED.values() if not name.startswith(("gen_ai.", "counterproof."))}
    assert {name for name in PINNED.values() if name.startswith("gen_ai.")} <= convention
    assert others == {
        "error.type",
        "openai.api.type",
        "openai.request.service_tier",
        "openai.response.service_tier",
        "openai.response.system_fingerprint",
        "server.address",
        "server.port",
    }


@pytest.mark.canary
def test_no_name_of_content_is_kept() -> None:
    content = {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.definitions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.retrieval.query.text",
        "gen_ai.prompt",
        "gen_ai.completion",
    }
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert content <= known
    assert content.isdisjoint(PINNED)


@pytest.mark.canary
def test_what_a_library_adds_beyond_the_table_is_left_out() -> None:
    given = {"gen_ai.input.messages": SECRET, "gen_ai.brand_new": SECRET, "gen_ai.request.model": "m"}
    assert dict(pinned(ReadableSpan(name="chat m", attributes=given)).attributes or {}) == {"gen_ai.request.model": "m"}


@pytest.mark.canary
def test_the_text_of_an_error_is_left_out(tmp_path: Path, raw: list[ReadableSpan]) -> None:
    refused = Reply(status=400, body=f"bad prompt: {SECRET}".encode())
    with pytest.raises(MachineTrouble, match=SECRET):
        _ask(tmp_path, refused)
    call = raw[0]
    assert SECRET in str(call.status.description)
    kept = pinned(call)
    assert (kept.status.status_code, kept.status.description) == (StatusCode.ERROR, None)
    assert SECRET not in (tmp_path / "spans").read_text()
    assert (call.attributes or {})["error.type"] == "counterproof.provenance.journal.EffectFailed"


def test_three_attempts_are_one_span_that_counts_them(tmp_path: Path, raw: list[ReadableSpan]) -> None:
    record = _ask(tmp_path, Reply(status=503), Reply(status=429), completion(FULL))
    assert [one.name for one in raw] == ["chat made-up", "invoke_agent x"]
    assert (raw[0].attributes or {})["counterproof.attempts"] == 3
    assert [event.type for event in record.events()].count("effect.failed") == 2


def test_a_recorded_answer_is_a_span_that_says_so(tmp_path: Path, raw: list[ReadableSpan]) -> None:
    _ask(tmp_path, completion(FULL), keys=("plan/1/1", "plan/1/1"))
    one, two = (dict(span.attributes or {}) for span in raw[:2])
    assert [found["counterproof.recorded"] for found in (one, two)] == [False, True]
    assert [found["counterproof.attempts"] for found in (one, two)] == [1, 0]
    assert one["counterproof.response.sha256"] == two["counterproof.response.sha256"]


def test_the_lines_of_the_record_name_the_span_of_the_call(tmp_path: Path, raw: list[ReadableSpan]) -> None:
    record = _ask(tmp_path, completion(FULL))
    context = raw[0].context
    assert context is not None
    lines = record.path.read_text().splitlines()
    assert len(lines) == 2
    assert all(f'"span_id":"{context.span_id:016x}"' in line for line in lines)
    assert all(f'"trace_id":"{context.trace_id:032x}"' in line for line in lines)
