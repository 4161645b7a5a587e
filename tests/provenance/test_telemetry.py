"""Spans: they land beside their study's record as OTLP/JSON, hold no content, and nothing depends on them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

from counterproof.provenance.conventions import SCHEMA_URL, STUDY
from counterproof.provenance.errors import UsageError
from counterproof.provenance.telemetry import bring_spans, describe_call, span, study_scope
from counterproof.provenance.trace_links import last_span
from counterproof.provenance.tracing import start_tracing


def _spans(file: Path) -> list[dict[str, Any]]:
    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        for resource in json.loads(line)["resourceSpans"]:
            assert {"key": "service.name", "value": {"stringValue": "counterproof"}} in resource["resource"][
                "attributes"
            ]
            for scope in resource["scopeSpans"]:
                assert scope["schemaUrl"] == SCHEMA_URL
                found += scope["spans"]
    return found


def _attributes(one: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in one["attributes"]}


def test_spans_of_a_study_land_in_its_file_as_otlp_json(tmp_path: Path) -> None:
    file = tmp_path / "telemetry" / "spans.otlp.jsonl"
    with start_tracing(file, study="s1"), span("outer", {"a": 1}), span("inner"):
        pass
    inner, outer = _spans(file)
    assert (inner["name"], outer["name"]) == ("inner", "outer")
    assert inner["parentSpanId"] == outer["spanId"]
    assert inner["traceId"] == outer["traceId"]
    assert len(outer["traceId"]) == 32
    assert int(outer["endTimeUnixNano"]) >= int(inner["endTimeUnixNano"]) > 0
    assert [_attributes(one)[STUDY] for one in (inner, outer)] == ["s1", "s1"]


def test_a_second_run_appends_a_trace_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    for _ in range(2):
        with start_tracing(file, study="s1"), span("run"):
            pass
    assert len({one["traceId"] for one in _spans(file)}) == 2


def test_spans_of_two_studies_do_not_mix(tmp_path: Path) -> None:
    one, two = (start_tracing(tmp_path / study, study=study) for study in "ab")
    with one, span("of a"), two, span("of b"):
        pass
    assert [one["name"] for one in _spans(tmp_path / "a")] == ["of a"]
    assert [one["name"] for one in _spans(tmp_path / "b")] == ["of b"]


def test_ended_spans_are_in_the_file_when_they_are_asked_for_and_soon_without(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    with start_tracing(file, study="s1"):
        with span("one"):
            pass
        bring_spans()
        assert [one["name"] for one in _spans(file)] == ["one"]
        with span("two"):
            pass
        until = time.monotonic() + 10
        while len(_spans(file)) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert [one["name"] for one in _spans(file)] == ["one", "two"]


def test_no_span_of_many_threads_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "spans"

    def work(thread: int) -> None:
        with study_scope("s1"):
            for at in range(500):
                with span(f"{thread}/{at}"):
                    pass

    with start_tracing(file, study="s1"), ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert sorted(one["name"] for one in _spans(file)) == sorted(f"{one}/{at}" for one in range(8) for at in range(500))


def test_spans_without_a_study_or_after_its_end_go_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    with start_tracing(file, study="s1"):
        pass
    with span("alone"):
        pass
    with study_scope("s1"), span("late"):
        pass
    assert _spans(file) == []
    assert list(tmp_path.iterdir()) in ([], [file])


@pytest.mark.canary
def test_an_error_is_marked_by_its_class_only(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    with start_tracing(file, study="s1"):
        for error in (ValueError("score 987.654321"), UsageError("score 987.654321")):
            with pytest.raises(type(error)), span("fails"):
                raise error
    assert "987.654321" not in file.read_text()
    assert "score" not in file.read_text()
    plain, ours = _spans(file)
    assert _attributes(plain) == {STUDY: "s1", "error.type": "ValueError"}
    assert _attributes(ours) == {STUDY: "s1", "error.type": "UsageError", "counterproof.exit_code": "2"}
    assert [one["status"] for one in (plain, ours)] == [{"code": 2}, {"code": 2}]
    assert "events" not in plain


def test_without_an_sdk_a_span_costs_nothing_and_changes_nothing() -> None:
    code = (
        "from opentelemetry import trace\nfrom counterproof.provenance.telemetry import span\n"
        "with span('x', {'a': 1}) as current:\n    print(current.is_recording())\n"
        "try:\n    with span('y'):\n        raise KeyError('k')\nexcept KeyError:\n    print('raised')\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "raised"]


_TRACE = """
import sys
from pathlib import Path
from opentelemetry.trace import Link, SpanContext
from counterproof.provenance.telemetry import span
from counterproof.provenance.tracing import start_tracing
after = SpanContext(1, 2, is_remote=True)
with start_tracing(Path(sys.argv[1]), study="s1"), span("x", {"a": "b" * 200, "c": 1, "d": 2}, after=after):
    print("ran")
"""
_WRAPPED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""


def _traced(folder: Path, environment: dict[str, str], code: str = _TRACE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, str(folder / "spans")]
    return subprocess.run(command, env={"PATH": "/usr/bin", **environment}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "0"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "0"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=another"),
        ("OTEL_SERVICE_NAME", "another"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
        ("OTEL_SDK_DISABLED", "false"),
        ("OTEL_PYTHON_TRACER_PROVIDER", "sdk_tracer_provider"),
        ("OTEL_PYTHON_ID_GENERATOR", "none"),
    ],
)
def test_the_environment_takes_nothing_of_a_span(tmp_path: Path, name: str, value: str) -> None:
    ended = _traced(tmp_path, {name: value})
    assert (ended.returncode, ended.stdout) == (0, "ran\n"), ended.stderr
    (one,) = _spans(tmp_path / "spans")
    ids = {"counterproof.previous.trace_id": f"{1:032x}", "counterproof.previous.span_id": f"{2:016x}"}
    assert _attributes(one) == {STUDY: "s1", "a": "b" * 200, "c": "1", "d": "2", **ids}
    assert [(link["traceId"], link["spanId"]) for link in one["links"]] == [tuple(ids.values())]


def test_a_switched_off_sdk_is_refused_before_anything_runs(tmp_path: Path) -> None:
    ended = _traced(tmp_path, {"OTEL_SDK_DISABLED": "true"})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Unset OTEL_SDK_DISABLED and start again" in ended.stderr


def test_an_sdk_that_somebody_else_started_is_refused_before_anything_runs(tmp_path: Path) -> None:
    ended = _traced(tmp_path, {}, _WRAPPED + _TRACE)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Another OpenTelemetry SDK was started in this process" in ended.stderr
    assert "Start without `opentelemetry-instrument`" in ended.stderr


def test_a_file_that_can_not_be_opened_stops_no_study(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spans").mkdir()
    ran = False
    with start_tracing(tmp_path / "spans", study="s1") as degraded, span("x"):
        ran = True
    assert ran
    assert degraded == "The spans can't be kept in spans: Is a directory."
    assert "The spans of s1 are not kept" in caplog.text


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_full_disk_stops_no_study(size: int) -> None:
    ran = 0
    with start_tracing(Path("/dev/full"), study="s1"):
        for _ in range(3):
            with span("x", {"a": "b" * size}):
                ran += 1
    assert ran == 3


def test_the_current_span_is_the_one_that_the_record_names(tmp_path: Path) -> None:
    with start_tracing(tmp_path / "spans", study="s1"), span("x") as current:
        assert trace.get_current_span() is current
        assert current.get_span_context().is_valid


def _line(trace_id: str, span_id: str) -> bytes:
    return json.dumps({"seq": 0, "trace_id": trace_id, "span_id": span_id}).encode() + b"\n"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (b"", None),
        (_line("", ""), None),
        (_line("0" * 31 + "a", "0" * 15 + "b"), (10, 11)),
        (_line("0" * 31 + "a", "0" * 15 + "b") + _line("", "") + b'{"torn', (10, 11)),
        (_line("0" * 31 + "a", "0" * 15 + "b") + _line("c", "d"), (12, 13)),
    ],
    ids=["empty", "no span", "one", "spanless and torn lines after", "the last counts"],
)
def test_the_last_span_of_a_record_is_found(tmp_path: Path, lines: bytes, found: tuple[int, int] | None) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines)
    context = last_span(path)
    assert (context and (context.trace_id, context.span_id)) == found
    assert last_span(tmp_path / "missing.jsonl") is None


def test_only_a_span_that_begins_a_trace_is_linked_to_the_one_before(tmp_path: Path) -> None:
    before = trace.SpanContext(10, 11, is_remote=True)
    with start_tracing(tmp_path / "spans", study="s1"), span("root", after=before), span("inner", after=before):
        pass
    inner, root = _spans(tmp_path / "spans")
    assert "links" not in inner
    assert _attributes(inner) == {STUDY: "s1"}
    assert [(link["traceId"], link["spanId"]) for link in root["links"]] == [("0" * 31 + "a", "0" * 15 + "b")]
    assert _attributes(root)["counterproof.previous.trace_id"] == "0" * 31 + "a"


def test_facts_of_a_call_never_land_on_another_span(tmp_path: Path) -> None:
    with start_tracing(tmp_path / "spans", study="s1"), span("invoke_agent x"):
        describe_call({"counterproof.effect": "plan/1/1"})
    (one,) = _spans(tmp_path / "spans")
    assert _attributes(one) == {STUDY: "s1"}
