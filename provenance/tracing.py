"""Starting the OpenTelemetry SDK: the spans of each study are kept as OTLP/JSON lines beside its record.

Only the entry points in `ui/` import this module. Every span is sampled and our own limits hold, whatever the
environment says; spans without a study are dropped; a failing exporter never stops a study.

It does not cover export to an OTLP endpoint.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opentelemetry import trace
from opentelemetry.exporter.otlp.json.file.trace_exporter import FileSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from counterproof.provenance.telemetry import STUDY, study_scope

_log = logging.getLogger(__name__)


class _StudyFiles(SpanProcessor):
    """Writes each ended span to the file of the study that it names."""

    def __init__(self) -> None:
        self._files: dict[str, FileSpanExporter] = {}
        self._lock = threading.Lock()

    def add(self, study: str, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            exporter = FileSpanExporter(str(file))
        except OSError as error:
            _log.warning("The spans of %s are not kept: %s", study, error)
            return
        with self._lock:
            self._files[study] = exporter

    def remove(self, study: str) -> None:
        with self._lock:
            exporter = self._files.pop(study, None)
        if exporter is not None:
            with suppress(OSError):
                exporter.shutdown()

    def on_end(self, span: ReadableSpan) -> None:
        study = str((span.attributes or {}).get(STUDY, ""))
        with self._lock:
            exporter = self._files.get(study)
            if exporter is not None:
                exporter.export([span])


_files = _StudyFiles()
_started = threading.Event()


@contextmanager
def start_tracing(file: Path, *, study: str) -> Iterator[None]:
    """Keep the spans of one study while the block runs; the SDK is started at the first use in a process.

    Args:
        file: gets one OTLP/JSON object a line, appended.
        study: the study's id.
    """
    if not _started.is_set():
        _started.set()
        provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource({"service.name": "counterproof"}),
            span_limits=SpanLimits(max_span_attributes=512, max_span_attribute_length=SpanLimits.UNSET),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(_files)
        trace.set_tracer_provider(provider)
    _files.add(study, file)
    try:
        with study_scope(study):
            yield
    finally:
        _files.remove(study)
