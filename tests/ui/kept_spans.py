"""The spans that a study keeps beside its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def kept_spans(home: Path, study: str) -> list[dict[str, Any]]:
    """Return them as OTLP/JSON has them, in the order in which they ended."""
    file = home / "studies" / study / "telemetry" / "spans.otlp.jsonl"
    return [
        span
        for line in file.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
