"""Comparing for a person: two programs side by side, a finding beside its line, and what changed between two documents.

Pure functions of texts; what they return holds the texts as they are, ready to be quoted.
"""

from __future__ import annotations

import difflib
from typing import Any

from counterproof.tools.plan.changes import changes_between
from counterproof.ui.subjects import Listing, Noted, Sides

_AROUND = 2


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
    rows = tuple(vars(one) for one in changes_between(before, after))
    return Listing(title=title, rows=rows, empty="Nothing.")
