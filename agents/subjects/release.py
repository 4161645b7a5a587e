"""What ◆3 release shows: every number, table, figure and warning with its verdict, beside what code says of them."""

from __future__ import annotations

from typing import Any

from counterproof.agents.judgement import Judgement
from counterproof.tools import Item
from counterproof.tools.disclosure.item import DisclosureFinding


def release_subject(items: list[Item], judged: Judgement, *, execution: str) -> dict[str, Any]:
    """Return what the release checkpoint shows; `editable` is the verdict of each item.

    Args:
        items: what may be released, with findings and verdicts.
        judged: what code says of the executions.
        execution: digest of what the primary program gave.
    """
    return {
        "items": [item.model_dump(mode="json") for item in items],
        **judged.shown(),
        "execution": execution,
        "editable": {item.id: item.verdict for item in items},
    }


def held_back(items: list[Item], failed: list[str]) -> list[Item]:
    """Return the items as they are put up first: after a failed check nothing is released unless a person says why.

    A reviewer who wants to release in spite of it edits the verdicts, and says why in the comment that is signed.
    """
    held = held_back_by(failed)
    if held is None:
        return items
    return [item.model_copy(update={"verdict": "suppress", "findings": (held, *item.findings)}) for item in items]


def held_back_by(failed: list[str]) -> DisclosureFinding | None:
    """Return the finding that holds every item back after failed checks."""
    if not failed:
        return None
    why = f"held back: failed checks ({', '.join(failed)}); to release it, edit its verdict and say why"
    return DisclosureFinding(check="checks", text=why, suggestion="suppress")
