"""Starting the OpenTelemetry SDK: the spans of each study are kept as OTLP/JSON lines beside its record.

Only the entry points in `ui/` import this module. Every span is sampled and our own limits hold, whatever the
environment says. Where the SDK is switched off or somebody else's is running, no study starts; where a file can't be
written, the caller is told and writes `tracing.degraded` into the record. Each span is made anew with pinned names and
without content (`conventions`) before it is kept or exported. Spans without a study are dropped; a failing exporter
never stops a study, nor does a slow disk: ended spans wait in a queue, which a thread empties every `_EVERY_S` and the
end of the block at last. A process that is killed takes those of that time with it.

It does not cover sending spans away: that is an `outlet` (`otlp`), where one is given.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Status

from counterproof.provenance.conventions import PINNED, SCHEMA_URL, SCOPE, STUDY
from counterproof.provenance.errors import MachineTrouble
from counterproof.provenance.telemetry import bring_spans, current_study, study_scope

_log = logging.getLogger(__name__)
_LIMITS = SpanLimits(
    max_attributes=512,
    max_events=512,
    max_links=512,
    max_span_attributes=512,
    max_event_attributes=512,
    max_link_attributes=512,
    max_attribute_length=SpanLimits.UNSET,
    max_span_attribute_length=SpanLimits.UNSET,
)
"""Each one, because what is left out is read from the environment."""
_EVERY_S = 0.5
"""So long an ended span waits at most for its file."""
_QUEUE, _BATCH = 1 << 16, 512


class _Files(SpanExporter):
    """Writes each span to the file of the study that it was begun in, and hands it to the study's outlet."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[FileSpanExporter | None, SpanProcessor | None]] = {}
        self._lock = threading.Lock()

    def add(self, study: str, file: Path, outlet: SpanProcessor | None) -> str:
        """Keep the spans of a study from now on; return why its file can't be written, or ""."""
        exporter, reason = None, ""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            exporter = FileSpanExporter(str(file))
        except OSError as error:
            reason = f"The spans can't be kept in {file.name}: {error.strerror}."
            _log.warning("The spans of %s are not kept: %s", study, error)
        with self._lock:
            self._kept[study] = (exporter, outlet)
        return reason

    def remove(self, study: str) -> None:
        with self._lock:
            exporter, _outlet = self._kept.pop(study, (None, None))
        if exporter is not None:
            with suppress(OSError):
                exporter.shutdown()

    def has(self, study: str) -> bool:
        return study in self._kept

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            try:
                self._keep(span)
            except Exception as error:  # of one span; the others are kept
                _log.warning("A span of %s is not kept: %s", _study_of(span), type(error).__name__)
        return SpanExportResult.SUCCESS

    def _keep(self, span: ReadableSpan) -> None:
        with self._lock:
            exporter, outlet = self._kept.get(_study_of(span), (None, None))
            clean = pinned(span)
            if exporter is not None:
                exporter.export([clean])
        if outlet is not None:
            outlet.on_end(clean)


class _StudySpans(SpanProcessor):
    """Gives each span the id of the study that it is begun in, and brings it to that one's file when it has ended.

    Args:
        files: the files of the studies that are traced now.
    """

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._ended = BatchSpanProcessor(  # each one, or the environment says
            files,
            max_queue_size=_QUEUE,
            schedule_delay_millis=_EVERY_S * 1000,
            max_export_batch_size=_BATCH,
            export_timeout_millis=30_000,
        )

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002  # the SDK's
        study = current_study()
        if study:
            span.set_attribute(STUDY, study)

    def on_end(self, span: ReadableSpan) -> None:
        if self._files.has(_study_of(span)):
            self._ended.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._ended.force_flush(timeout_millis)


_files = _Files()


def _study_of(span: ReadableSpan) -> str:
    return str((span.attributes or {}).get(STUDY, ""))


@contextmanager
def start_tracing(file: Path, *, study: str, outlet: SpanProcessor | None = None) -> Iterator[str]:
    """Keep the spans of one study while the block runs; the SDK is started at the first use in a process.

    Args:
        file: gets one OTLP/JSON object a line, appended.
        study: the study's id.
        outlet: gets each ended span of the study too.

    Yields:
        Why spans will be missing in the file, or "".

    Raises:
        MachineTrouble: the SDK is switched off in this process, or another part of it has started its own: spans would
            be lost.
    """
    _require_recording(_provider())
    degraded = _files.add(study, file, outlet)
    try:
        with study_scope(study):
            yield degraded
    finally:
        try:
            bring_spans()
        finally:
            _files.remove(study)


def pinned(span: ReadableSpan) -> ReadableSpan:
    """Return a span with the names of `conventions` and nothing else: no content, no text of an error.

    Attributes of our own spans are our own code's.
    """
    scope, given = span.instrumentation_scope, span.attributes or {}
    ours = scope is not None and scope.name == SCOPE
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=given if ours else {PINNED[name]: value for name, value in given.items() if name in PINNED},
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=InstrumentationScope(scope.name, scope.version, SCHEMA_URL) if scope else None,
    )


@cache
def _provider() -> TracerProvider:
    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": "counterproof"}),
        span_limits=_LIMITS,
        shutdown_on_exit=False,
    )
    provider.add_span_processor(_StudySpans(_files))
    trace.set_tracer_provider(provider)
    return provider


def _require_recording(provider: TracerProvider) -> None:
    if trace.get_tracer_provider() is not provider:
        raise MachineTrouble(
            "Another OpenTelemetry SDK was started in this process before: it decides which spans are kept.",
            advice="Start without `opentelemetry-instrument` and without OTEL_PYTHON_TRACER_PROVIDER; nothing was run.",
        )
    with study_scope(""):
        probe = trace.get_tracer(__name__).start_span("probe")
    if not probe.is_recording():
        raise MachineTrouble(
            "OpenTelemetry is switched off in this process: the study would go on without its trace.",
            advice="Unset OTEL_SDK_DISABLED and start again; nothing was run.",
        )
    probe.end()
