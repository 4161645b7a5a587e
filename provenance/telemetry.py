"""OpenTelemetry spans for studies, tools, executions, checkpoints and decisions; content by digest only.

Everything traces through the API: without an SDK these spans cost next to nothing and go nowhere. The entry points in
`ui/` start the SDK (`tracing.start_tracing`) and the instrumentations that make the span of each model call
(`instrumentation.instrument_models`); `describe_call` adds to that span what only the journal knows.

Spans are a view for tools; the record never depends on them. No span stays open while a person is waited for: a study
that goes on later does so in a new trace, whose first span has a link to the trace before (`after`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, runtime_checkable

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode

from counterproof.provenance.conventions import (
    ERROR,
    EXIT_CODE,
    OPERATION,
    PREVIOUS_SPAN,
    PREVIOUS_TRACE,
    SCHEMA_URL,
    SCOPE,
    TOOL,
)
from counterproof.provenance.errors import CounterproofError

Attribute = str | int | float | bool


@runtime_checkable
class _Flushes(Protocol):
    """What an SDK's provider can do, and that of the API can't."""

    def force_flush(self) -> bool: ...


_study: ContextVar[str] = ContextVar("counterproof_study", default="")


@contextmanager
def study_scope(study: str) -> Iterator[None]:
    """Give all spans of a block the study's id."""
    token = _study.set(study)
    try:
        yield
    finally:
        _study.reset(token)


def current_study() -> str:
    """Return the id of the study whose scope this is, or ""."""
    return _study.get()


def bring_spans() -> None:
    """Bring the spans that have ended to where they are kept; nothing where no SDK runs."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, _Flushes):
        provider.force_flush()


@contextmanager
def span(
    name: str, attributes: Mapping[str, Attribute] | None = None, *, after: SpanContext | None = None
) -> Iterator[Span]:
    """Run a block inside of a span.

    An error is marked with its class only: texts may hold values, and spans may leave the machine.

    Args:
        name: what is done.
        attributes: of names from `conventions`.
        after: the last span before a wait. Where this span begins a trace, it is linked to that one.
    """
    tracer = trace.get_tracer(SCOPE, schema_url=SCHEMA_URL)
    before = None if trace.get_current_span().get_span_context().is_valid else after
    with tracer.start_as_current_span(
        name,
        attributes={**(attributes or {}), **_previous(before)},
        links=[Link(before)] if before else [],
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR))
            current.set_attribute(ERROR, type(error).__name__)
            if isinstance(error, CounterproofError):
                current.set_attribute(EXIT_CODE, error.exit_code)
            raise


@contextmanager
def execute_tool(tool: str, attributes: Mapping[str, Attribute] | None = None) -> Iterator[Span]:
    """Run a block inside the span of a tool or a program."""
    named: dict[str, Attribute] = {OPERATION: "execute_tool", TOOL: tool}
    with span(f"execute_tool {tool}", {**named, **(attributes or {})}) as current:
        yield current


def describe_call(facts: Mapping[str, Attribute]) -> None:
    """Add facts to the span of the model call that runs now; nothing where none is traced.

    That span is another library's, and the only one of a client.
    """
    current = trace.get_current_span()
    if getattr(current, "kind", None) is SpanKind.CLIENT:
        current.set_attributes(dict(facts))


def _previous(before: SpanContext | None) -> dict[str, Attribute]:
    if before is None:
        return {}
    return {PREVIOUS_TRACE: f"{before.trace_id:032x}", PREVIOUS_SPAN: f"{before.span_id:016x}"}
