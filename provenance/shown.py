"""The programs that a code checkpoint's subject shows: those of the model, and the check program beside them."""

from __future__ import annotations

from typing import Any


def shown_programs(subject: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every program that a reviewer was shown, each with `role` and `code`."""
    return [*subject["programs"], *subject.get("checkers", [])]
