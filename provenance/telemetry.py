"""OpenTelemetry spans for model calls, tools, executions and checkpoints; content by digest only.

Everything traces through the API: without an SDK these spans cost next to nothing and go nowhere. The entry points in
`ui/` start the SDK (`tracing.start_tracing`). Names follow the GenAI semantic conventions as of v1.41.1; what those
don't have is under `counterproof.`.

Spans are a view for tools; the record never depends on them. It does not cover span links across waits: a study that
waits for a person goes on in a new trace with the same `gen_ai.conversation.id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from counterproof.provenance.errors import CounterproofError

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.1"
STUDY = "gen_ai.conversation.id"
Attribute = str | int | float | bool

_study: ContextVar[str] = ContextVar("counterproof_study", default="")


@contextmanager
def study_scope(study: str) -> Iterator[None]:
    """Give all spans of a block the study's id."""
    token = _study.set(study)
    try:
        yield
    finally:
        _study.reset(token)


@contextmanager
def span(
    name: str, attributes: Mapping[str, Attribute] | None = None, *, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """Run a block inside of a span.

    An error is marked with its class only: texts may hold values, and spans may leave the machine.
    """
    tracer = trace.get_tracer("counterproof", schema_url=SCHEMA_URL)
    common: dict[str, Attribute] = {STUDY: _study.get()} if _study.get() else {}
    with tracer.start_as_current_span(
        name,
        kind=kind,
        attributes={**common, **(attributes or {})},
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR))
            current.set_attribute("error.type", type(error).__name__)
            if isinstance(error, CounterproofError):
                current.set_attribute("counterproof.exit_code", error.exit_code)
            raise
