"""A loopback OTLP endpoint that keeps what it gets, or doesn't answer."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from counterproof.scenarios.loopback import Loopback, LoopbackHandler


@dataclass(frozen=True, kw_only=True)
class Request:
    """One batch as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    def spans(self) -> list[Span]:
        """Return the spans in it."""
        batch = ExportTraceServiceRequest.FromString(self.body)
        return [span for resource in batch.resource_spans for scope in resource.scope_spans for span in scope.spans]


class Collector(Loopback):
    """Takes batches; `url` is the base address, as `OTEL_EXPORTER_OTLP_ENDPOINT` names it.

    Args:
        status: what each batch is answered with.
        never: True where nothing is ever answered.
    """

    def __init__(self, *, status: int = 200, never: bool = False) -> None:
        self.status = status
        self.never = never
        self.requests: list[Request] = []
        super().__init__(_Handler)

    def spans(self) -> list[Span]:
        """Return all spans that came."""
        return [span for request in self.requests for span in request.spans()]


def attributes(span: Span) -> dict[str, str | int | float | bool | list[str]]:
    """Return the attributes of a span as plain values."""
    found: dict[str, str | int | float | bool | list[str]] = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        if kind == "array_value":
            found[pair.key] = [one.string_value for one in pair.value.array_value.values]
        else:
            found[pair.key] = getattr(pair.value, str(kind))
    return found


class _Handler(LoopbackHandler):
    def do_POST(self) -> None:
        collector: Collector = self.server.owner
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        collector.requests.append(Request(path=self.path, headers=headers, body=body))
        if collector.never:
            collector.closing.wait(30)
            self.close_connection = True
            return
        self.send_response(collector.status)
        self.send_header("content-length", "0")
        self.end_headers()
