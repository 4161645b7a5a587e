"""The trace as a waterfall: the spans of a study, each trace on an axis of its own.

A study that waited for a person went on in a new trace, so that a wait of days doesn't press everything else into a
line; the new trace names the one that it goes on from. Spans are a view beside the record; nothing relies on them.

It does not cover events of spans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterproof.provenance.transparency.bodies import as_dict, as_list, parse_json
from counterproof.provenance.transparency.markup import Html, el, join

SPANS_MAX = 2000
_WIDTH = 1000


@dataclass(frozen=True, kw_only=True)
class Span:
    """One span. Times are nanoseconds since 1970; `after` is the trace that it has a link to, or ""."""

    trace: str
    after: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    failed: bool


def read_spans(lines: bytes) -> list[Span]:
    """Read OTLP/JSON lines; what is no span is left out."""
    found = []
    for line in lines.splitlines():
        for resource in as_list(as_dict(parse_json(line)).get("resourceSpans")):
            for scope in as_list(as_dict(resource).get("scopeSpans")):
                found += [span for raw in as_list(as_dict(scope).get("spans")) if (span := _span(as_dict(raw)))]
    return sorted(found, key=lambda span: (span.start, -span.end, span.id))


def waterfall(lines: bytes) -> Html:
    """Return the spans of every trace."""
    spans = read_spans(lines)
    if not spans:
        return el("p", "No spans were kept.", cls="soft")
    numbers = {trace: at for at, trace in enumerate(dict.fromkeys(span.trace for span in spans[:SPANS_MAX]), start=1)}
    more = len(spans) - SPANS_MAX
    return join(
        [_trace(numbers, [span for span in spans[:SPANS_MAX] if span.trace == trace]) for trace in numbers],
        el("p", f"{more} more spans are in telemetry/spans.otlp.jsonl.", cls="soft") if more > 0 else None,
    )


def _trace(numbers: Mapping[str, int], spans: Sequence[Span]) -> Html:
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    depths = _depths(spans)
    before = next((numbers[span.after] for span in spans if span.after in numbers), None)
    told = f"{(last - first) / 1e9:.2f} s, {len(spans)} spans" + (f", goes on from trace {before}" if before else "")
    title = el("h3", f"Trace {numbers[spans[0].trace]} ", el("span", told, cls="soft small"))
    rows = [_row(span, first, max(1, last - first), depths[span.id]) for span in spans]
    return join(title, el("div", rows, cls="waterfall"))


def _row(span: Span, first: int, whole: int, depth: int) -> Html:
    left = (span.start - first) * _WIDTH / whole
    width = max(3.0, (span.end - span.start) * _WIDTH / whole)
    bar = el(
        "svg",
        el(
            "rect",
            x=f"{min(left, _WIDTH - 3):.1f}",
            y=2,
            width=f"{width:.1f}",
            height=8,
            cls="failed" if span.failed else None,
        ),
        viewBox=f"0 0 {_WIDTH} 12",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{span.name}: from {(span.start - first) / 1e9:.3f} s, for {(span.end - span.start) / 1e9:.3f} s",
    )
    took = (span.end - span.start) / 1e6
    duration = f"{took:.1f} ms" if took < 1000 else f"{took / 1000:.2f} s"
    return el(
        "div",
        el("span", span.name, cls=f"name d{min(depth, 6)}", title=span.id),
        bar,
        el("span", duration, cls="took"),
        cls="span",
    )


def _depths(spans: Sequence[Span]) -> dict[str, int]:
    parents = {span.id: span.parent for span in spans}
    found: dict[str, int] = {}
    for span in spans:
        depth, at, seen = 0, span.parent, {span.id}
        while at in parents and at not in seen:
            seen.add(at)
            depth, at = depth + 1, parents[at]
        found[span.id] = depth
    return found


def _span(raw: dict[str, Any]) -> Span | None:
    links = [as_dict(link) for link in as_list(raw.get("links"))]
    try:
        return Span(
            trace=str(raw["traceId"]),
            after=next((str(link.get("traceId", "")) for link in links), ""),
            id=str(raw["spanId"]),
            parent=str(raw.get("parentSpanId", "")),
            name=str(raw["name"]),
            start=int(raw["startTimeUnixNano"]),
            end=int(raw["endTimeUnixNano"]),
            failed=as_dict(raw.get("status")).get("code") in (2, "STATUS_CODE_ERROR"),
        )
    except (KeyError, TypeError, ValueError):
        return None
