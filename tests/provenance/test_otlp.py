"""Sending spans away: only where somebody asked for it, whole, and never at the cost of the study."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from counterproof.provenance.conventions import STUDY
from counterproof.provenance.errors import UsageError
from counterproof.provenance.otlp import GRACE_S, Outlet
from counterproof.provenance.otlp_endpoint import OtlpEndpoint, read_endpoint
from counterproof.provenance.telemetry import span
from counterproof.provenance.tracing import start_tracing

from ..collector import Collector, attributes

BASE, TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({BASE: "http://127.0.0.1:4318"}, "http://127.0.0.1:4318/v1/traces"),
        ({BASE: "https://lab.example/otel/ "}, "https://lab.example/otel/v1/traces"),
        ({TRACES: "http://127.0.0.1:6006/v1/traces"}, "http://127.0.0.1:6006/v1/traces"),
        ({BASE: "http://a:1", TRACES: "http://b:2/x"}, "http://b:2/x"),
        ({BASE: "http://a:1", "OTEL_TRACES_EXPORTER": "otlp"}, "http://a:1/v1/traces"),
        ({BASE: "http://a:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "http://a:1/v1/traces"),
    ],
)
def test_the_standard_variables_name_the_endpoint(variables: dict[str, str], url: str) -> None:
    found = read_endpoint(variables)
    assert found is not None
    assert (found.url, found.timeout_s, found.headers) == (url, 10, ())


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {BASE: " "},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {BASE: "http://a:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_an_endpoint_nothing_is_sent(variables: dict[str, str]) -> None:
    assert read_endpoint(variables) is None


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({BASE: "http://a:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, r"is 'grpc'\. http/protobuf\. Set it so"),
        ({BASE: "http://a:1", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, r"is 'http/json'\. http/protobuf"),
        ({BASE: "127.0.0.1:4318"}, r"holds no web address\. .*For example http://127\.0\.0\.1:4318"),
        ({BASE: "http://"}, "holds no web address"),
        ({BASE: "http://key:secret@a:port"}, "holds no web address"),
        (
            {BASE: "http://a:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
            r"is 'soon'\. Seconds, more than 0 and at most 60",
        ),
        ({BASE: "http://a:1", "OTEL_EXPORTER_OTLP_TIMEOUT": "10000"}, "is '10000'"),
    ],
)
def test_what_is_not_spoken_is_refused(variables: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        read_endpoint(variables)
    assert "secret" not in str(refused.value)


def test_headers_are_read_and_never_shown() -> None:
    variables = {BASE: "http://user:pass@a:1", "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20c2VjcmV0,x-lab=7"}
    found = read_endpoint(variables)
    assert found is not None
    assert found.headers == (("authorization", "Basic c2VjcmV0"), ("x-lab", "7"))
    assert "c2VjcmV0" not in repr(found)
    assert found.host == "a:1"


def _endpoint(url: str, timeout_s: float = 10) -> OtlpEndpoint:
    return OtlpEndpoint(url=f"{url}/v1/traces", headers=(("x-lab", "7"),), timeout_s=timeout_s)


def _trace(file: Path, outlet: Outlet, spans: int) -> float:
    """Return how long a traced block with so many spans took, the end included."""
    began = time.monotonic()
    with start_tracing(file, study="s1", outlet=outlet), span("outer"):
        for at in range(spans - 1):
            with span("inner", {"at": at}):
                pass
    outlet.force_flush()
    return time.monotonic() - began


def test_every_span_arrives_with_its_parent_and_the_headers(tmp_path: Path) -> None:
    told: list[str] = []
    with Collector() as collector:
        _trace(tmp_path / "spans", Outlet(_endpoint(collector.url), tell=told.append), 700)
    spans = collector.spans()
    (outer,) = [one for one in spans if one.name == "outer"]
    inner = [one for one in spans if one.name == "inner"]
    assert sorted(int(str(attributes(one)["at"])) for one in inner) == list(range(699))
    assert {one.parent_span_id for one in inner} == {outer.span_id}
    assert {attributes(one)[STUDY] for one in spans} == {"s1"}
    assert {(request.path, request.headers["x-lab"]) for request in collector.requests} == {("/v1/traces", "7")}
    assert told == []
    assert len((tmp_path / "spans").read_text().splitlines()) == 700


def test_spans_without_a_study_are_not_sent(tmp_path: Path) -> None:
    with Collector() as collector:
        outlet = Outlet(_endpoint(collector.url), tell=print)
        _trace(tmp_path / "spans", outlet, 1)
        with span("alone"):
            pass
        outlet.force_flush()
    assert [one.name for one in collector.spans()] == ["outer"]


@pytest.mark.parametrize("kind", ["refused", "never answers", "401", "500", "503"])
def test_a_dead_endpoint_stops_nothing_and_is_said_once(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    with Collector(status=int(kind) if kind.isdigit() else 200, never=kind == "never answers") as collector:
        url = "http://127.0.0.1:9" if kind == "refused" else collector.url
        with caplog.at_level(logging.WARNING):
            outlet = Outlet(_endpoint(url), tell=told.append)
            took_s = [_trace(tmp_path / f"spans{run}", outlet, 600) for run in range(2)]
        collector.closing.set()
    assert max(took_s) < GRACE_S + 1.5
    host = url.removeprefix("http://")
    said = f"The trace endpoint {host} does not take all spans. The study goes on; they are kept in its folder."
    assert told == [said]
    assert caplog.text == ""
    assert [len((tmp_path / f"spans{run}").read_text().splitlines()) for run in range(2)] == [600, 600]


def test_a_queue_that_is_full_drops_the_oldest_and_never_blocks(tmp_path: Path) -> None:
    with Collector(never=True) as collector:
        outlet = Outlet(_endpoint(collector.url, timeout_s=30), tell=lambda _line: None)
        began = time.monotonic()
        with start_tracing(tmp_path / "spans", study="s1", outlet=outlet):
            for _ in range(5000):
                with span("x"):
                    pass
        spent_s = time.monotonic() - began
        collector.closing.set()
    assert spent_s < 15
    assert len((tmp_path / "spans").read_text().splitlines()) == 5000
