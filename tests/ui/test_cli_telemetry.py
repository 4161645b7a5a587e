"""Traces of the command line: a chain over the waits of a study, sent where it is asked for, never with content."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from counterproof.provenance.errors import UsageError

from ..collector import Collector
from ..endpoint import Endpoint
from ..lab import OUTLIER, script
from .kept_spans import kept_spans
from .terminal import Terminal

KEEP_CONTENT = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
    "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true",
    "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK": "upload",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
}
EXIT_MACHINE, EXIT_USAGE, EXIT_WAITS = UsageError.exit_code + 2, UsageError.exit_code, 3


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal with a store and a reviewer."""
    made = Terminal(folder=tmp_path)
    made.reviewer("ada")
    return made


def _decide(terminal: Terminal, checkpoint: str) -> None:
    ended = terminal.process("decide", checkpoint, "approve", "--as", "ada", "--comment", "fine")
    assert ended.code == 0, ended.err


def _value(span: dict[str, Any], name: str) -> Any:
    return next((next(iter(pair["value"].values())) for pair in span["attributes"] if pair["key"] == name), None)


def _roots(spans: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(
        (span for span in spans if "parentSpanId" not in span), key=lambda span: int(span["startTimeUnixNano"])
    )


def test_each_wait_begins_a_trace_that_is_linked_to_the_one_before(terminal: Terminal) -> None:
    with Endpoint(script()) as endpoint:
        study = terminal.new(endpoint.base_url)
        assert terminal.process("run", study).code == EXIT_WAITS
        _decide(terminal, f"{study}.plan.1")
        assert terminal.process("run", study).code == EXIT_WAITS
    spans = kept_spans(terminal.home, study)
    first, decided, second = _roots(spans)
    assert [root["name"] for root in (first, decided, second)] == [
        "invoke_agent counterproof",
        "decision plan",
        "invoke_agent counterproof",
    ]
    assert "links" not in first
    for before, after in ((first, decided), (decided, second)):
        (link,) = after["links"]
        assert link["traceId"] == before["traceId"] == _value(after, "counterproof.previous.trace_id")
        assert link["spanId"] == _value(after, "counterproof.previous.span_id")
        assert link["spanId"] in {span["spanId"] for span in spans if span["traceId"] == before["traceId"]}
    assert {_value(span, "gen_ai.conversation.id") for span in spans} == {study}
    lines = (terminal.home / "studies" / study / "record" / "events.jsonl").read_text().splitlines()
    decision = next(line for line in map(json.loads, lines) if line["type"] == "decision.recorded")
    assert (decision["trace_id"], decision["span_id"]) == (decided["traceId"], decided["spanId"])


@pytest.mark.canary
def test_spans_that_leave_hold_no_content_whatever_the_environment_says(terminal: Terminal) -> None:
    uploads = terminal.folder / "uploads"
    with Endpoint(script()) as endpoint, Collector() as collector:
        study = terminal.new(endpoint.base_url, question="Do zebras from Novosibirsk differ?")
        asked = {
            **KEEP_CONTENT,
            "OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH": str(uploads),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        ended = terminal.process("run", study, env=asked)
        assert ended.code == EXIT_WAITS, ended.err
        assert "Novosibirsk" in endpoint.everything()
    spans = collector.spans()
    assert [one.name for one in spans if one.name.startswith("chat")] == ["chat made-up"]
    sent = b"".join(request.body for request in collector.requests)
    kept = json.dumps(kept_spans(terminal.home, study))
    for text in ("Novosibirsk", OUTLIER, "all randomised", "You are"):
        assert text.encode() not in sent
        assert text not in kept
    assert not uploads.exists()
    assert {one.span_id.hex() for one in spans} == {span["spanId"] for span in kept_spans(terminal.home, study)}


def test_a_dead_trace_endpoint_is_said_once_and_the_study_goes_on(terminal: Terminal) -> None:
    with Endpoint(script()) as endpoint:
        study = terminal.new(endpoint.base_url)
        began = time.monotonic()
        ended = terminal.process("run", study, env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert ended.code == EXIT_WAITS, ended.err
    assert ended.err.count("127.0.0.1:9 does not take all spans") == 1
    assert "Traceback" not in ended.err
    assert time.monotonic() - began < 60
    assert len(kept_spans(terminal.home, study)) > 3


def test_a_trace_endpoint_that_speaks_grpc_is_refused_before_anything_runs(terminal: Terminal) -> None:
    study = terminal.new("http://127.0.0.1:9/v1")
    grpc = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    ended = terminal.process("run", study, env=grpc)
    assert ended.code == EXIT_USAGE
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'. http/protobuf." in ended.err


def test_a_switched_off_sdk_is_refused_before_anything_runs(terminal: Terminal) -> None:
    study = terminal.new("http://127.0.0.1:9/v1")
    ended = terminal.process("run", study, env={"OTEL_SDK_DISABLED": "true"})
    assert ended.code == EXIT_MACHINE
    assert "Unset OTEL_SDK_DISABLED and start again; nothing was run." in ended.err


def test_spans_that_can_not_be_kept_are_told_in_the_record(terminal: Terminal) -> None:
    with Endpoint(script()) as endpoint:
        study = terminal.new(endpoint.base_url)
        file = terminal.home / "studies" / study / "telemetry" / "spans.otlp.jsonl"
        file.mkdir(parents=True)
        assert terminal.process("run", study).code == EXIT_WAITS
    lines = (terminal.home / "studies" / study / "record" / "events.jsonl").read_text().splitlines()
    told = [line["data"] for line in map(json.loads, lines) if line["type"] == "tracing.degraded"]
    assert told == [{"reason": "The spans can't be kept in spans.otlp.jsonl: Is a directory."}]


@pytest.mark.parametrize("value", ["none", "0", "-1"])
def test_limits_that_are_no_numbers_change_nothing(terminal: Terminal, value: str) -> None:
    with Endpoint(script()) as endpoint:
        study = terminal.new(endpoint.base_url)
        assert terminal.process("run", study, env={"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": value}).code == EXIT_WAITS
    assert all(_value(span, "gen_ai.conversation.id") == study for span in kept_spans(terminal.home, study))
