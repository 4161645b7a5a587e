"""The warnings of the libraries as a table of the report, made by code.

It does not cover what they mean for the results: that is said in the limits, by a person.
"""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.tools.library_warnings import LibraryWarning
from counterproof.tools.plan.text import table

_HEAD = ("program", "warning", "message", "printed")


def warnings_table(released: Sequence[LibraryWarning], *, held_back: int) -> list[str]:
    """Return the warnings as Markdown.

    Args:
        released: those that were released.
        held_back: how many were not.
    """
    rows = [(one.program, one.kind or "–", one.text, f"{one.times} times" if one.times else "no") for one in released]
    lines = table(_HEAD, rows) if rows else []
    if held_back:
        lines += [*([""] if lines else []), f"Held back at the release: {held_back}."]
    return lines or ["None was seen."]
