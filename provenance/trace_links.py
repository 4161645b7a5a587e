"""Where the trace before a wait ended, read from the record: each line names the span that it was written in.

It does not cover lines that were written outside of any span.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opentelemetry.trace import SpanContext, TraceFlags


def last_span(path: Path) -> SpanContext | None:
    """Return the span of the last line of a record that names one; None where no line does.

    Args:
        path: the record's `events.jsonl`; may be missing. It was checked by whoever opened the record.
    """
    if not path.exists():
        return None
    for line in reversed(path.read_bytes().splitlines()):
        found = _context(line)
        if found is not None:
            return found
    return None


def _context(line: bytes) -> SpanContext | None:
    try:
        raw: dict[str, Any] = json.loads(line)
        trace_id, span_id = int(raw["trace_id"], 16), int(raw["span_id"], 16)
    except (ValueError, KeyError, TypeError):  # "" where there was no span; a torn last line
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
