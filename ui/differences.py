"""Comparing for a person: two programs side by side, a finding beside its line, and what changed between two documents.

Pure functions of texts; what they return holds the texts as they are, ready to be quoted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from counterproof.ui.subjects import Listing, Noted, Sides

_AROUND = 2
_ABSENT = object()


def side_by_side(left: str, right: str, *, names: tuple[str, str], context: int = 3) -> Sides | None:
    """Return two texts beside each other where they differ, with numbered lines; None where they are the same.

    A line that only one side has stands opposite an empty one. It begins with "-" on the left and "+" on the right.

    Args:
        left: the one text.
        right: the other.
        names: what they are called.
        context: how many equal lines stand around a difference.
    """
    if left == right:
        return None
    ours, theirs = left.splitlines(), right.splitlines()
    rows: list[tuple[str, str]] = []
    for group in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_grouped_opcodes(context):
        rows += [("...", "...")] if rows else []
        for tag, a, b, c, d in group:
            first, second = (" ", " ") if tag == "equal" else ("-", "+")
            one = [f"{first}{at + 1:>4}  {ours[at]}" for at in range(a, b)]
            two = [f"{second}{at + 1:>4}  {theirs[at]}" for at in range(c, d)]
            height = max(len(one), len(two))
            rows += zip(one + [""] * (height - len(one)), two + [""] * (height - len(two)), strict=True)
    return Sides(
        left_name=names[0],
        right_name=names[1],
        left="\n".join(row[0] for row in rows),
        right="\n".join(row[1] for row in rows),
    )


def noted(code: str, line: int, text: str) -> Noted:
    """Return a finding with the lines around the one (counted from 1) that it is about, which is marked with ">"."""
    lines = code.splitlines()
    shown = range(max(1, line - _AROUND), min(len(lines), line + _AROUND) + 1)
    return Noted(text=text, lines="\n".join(f"{'>' if at == line else ' '}{at:>4}  {lines[at - 1]}" for at in shown))


def changes(before: Any, after: Any, *, title: str) -> Listing:
    """Return each value that differs between two JSON documents, by the path to it."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    rows = [
        {"field": path, "before": _said(old.get(path, _ABSENT)), "after": _said(new.get(path, _ABSENT))}
        for path in dict.fromkeys([*old, *new])
        if old.get(path, _ABSENT) != new.get(path, _ABSENT)
    ]
    return Listing(title=title, rows=tuple(rows), empty="Nothing.")


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
