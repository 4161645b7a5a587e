"""What changed between two documents, such as two versions of a plan: each value that differs, by the path to it.

A list of parts is compared part by part in its order; a part is named by its id or column where it has one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ABSENT = object()


@dataclass(frozen=True, kw_only=True)
class Change:
    """A value that differs, in words.

    Attributes:
        field: the path to it.
        before: what stood there.
        after: what stands there now.
    """

    field: str
    before: str
    after: str


def changes_between(before: Any, after: Any) -> tuple[Change, ...]:
    """Return each value that differs between two JSON documents, in the order of the first."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    return tuple(
        Change(field=path, before=_said(old.get(path, _ABSENT)), after=_said(new.get(path, _ABSENT)))
        for path in dict.fromkeys([*old, *new])
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path} › {name}" if path else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(inner, dict) for inner in value):
        for number, inner in enumerate(value, start=1):
            yield from _leaves(inner, f"{path} {_name(inner) or number}")
    else:
        yield path, list(value) if isinstance(value, tuple) else value


def _name(value: Any) -> str:
    return str(value.get("id") or value.get("column") or "") if isinstance(value, dict) else ""


def _said(value: Any) -> str:
    if value is _ABSENT:
        return "(not there)"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "(none)"
    return "(none)" if value in ("", None) else str(value)
