"""Sending spans to an OTLP endpoint over HTTP, as protobuf, in batches beside the study.

The study never waits for the endpoint: spans go into a bounded queue that a thread empties, and when a run ends what is
left has `GRACE_S` seconds. What can't be delivered is lost there and stays in the study's own file; that is said once.

It does not cover gRPC, nor which endpoint: `ui.environment` reads the standard variables.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from counterproof.provenance.otlp_endpoint import OtlpEndpoint

GRACE_S = 2.0
_QUEUE = 4096
_BATCH = 256
_EVERY_S = 1.0
# The libraries' own lines would come with every batch, on standard error.
for _name in ("opentelemetry.exporter.otlp.proto.http", "opentelemetry.sdk._shared_internal"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class Outlet(SpanProcessor):
    """Sends spans to one endpoint.

    Args:
        endpoint: where they go.
        tell: is told, once, when spans can't be delivered.
    """

    def __init__(self, endpoint: OtlpEndpoint, *, tell: Callable[[str], None]) -> None:
        self._exporter = _Telling(endpoint, tell)
        self._batches = BatchSpanProcessor(
            self._exporter,
            max_queue_size=_QUEUE,
            schedule_delay_millis=_EVERY_S * 1000,
            max_export_batch_size=_BATCH,
            export_timeout_millis=endpoint.timeout_s * 1000,
        )

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span."""
        self._batches.on_end(span)

    def force_flush(self, timeout_millis: int = int(GRACE_S * 1000)) -> bool:
        """Send what is queued, and go on after the grace whatever the endpoint does; say whether it took all."""
        # The library's own flush doesn't look at its time limit.
        sending = threading.Thread(target=self._batches.force_flush, daemon=True)
        sending.start()
        sending.join(timeout_millis / 1000)
        if sending.is_alive():
            self._exporter.tell_once()
        return not sending.is_alive() and not self._exporter.told


class _Telling(SpanExporter):
    """The library's exporter, whose first failure is said once and whose others are silent."""

    def __init__(self, endpoint: OtlpEndpoint, tell: Callable[[str], None]) -> None:
        self._host = endpoint.host
        self._tell = tell
        self._inner = OTLPSpanExporter(
            endpoint=endpoint.url,
            headers=dict(endpoint.headers),
            timeout=endpoint.timeout_s,
            compression=Compression.NoCompression,
        )
        self.told = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.tell_once()
        return result

    def tell_once(self) -> None:
        """Say that spans were not delivered, the first time."""
        if not self.told:
            self.told = True
            self._tell(
                f"The trace endpoint {self._host} does not take all spans. "
                "The study goes on; they are kept in its folder."
            )
