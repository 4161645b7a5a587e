"""The reasons of a rejection, one by one, so that each can be answered.

A comment that is a list ("- …" or "1. …") gives a reason for each item; any other comment is one reason.

It does not cover whether an answer is a good one: a person reads it at the next checkpoint.
"""

from __future__ import annotations

import re

_ITEM = re.compile(r"^\s*(?:[-*•]|\d{1,3}[.)])\s+", re.MULTILINE)


def reasons_in(comment: str) -> tuple[str, ...]:
    """Return the reasons that a comment gives; at least one, for a comment is never empty."""
    starts = [found.start() for found in _ITEM.finditer(comment)]
    if len(starts) < 2:
        return (comment.strip(),)
    before = comment[: starts[0]].strip()
    items = [comment[at:end] for at, end in zip(starts, [*starts[1:], len(comment)], strict=True)]
    return tuple(part for part in (before, *(_ITEM.sub("", item, count=1).strip() for item in items)) if part)
