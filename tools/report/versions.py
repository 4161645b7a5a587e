"""The versions of the plan: what each changed, and why, as a table of the report; made from the record by code.

It does not cover departures of the results from the last version (`deviations`).
"""

from __future__ import annotations

from collections.abc import Sequence

from counterproof.provenance.plan_versions import PlanVersion
from counterproof.tools.plan.changes import Change
from counterproof.tools.plan.text import table

_HEAD = ("version", "changed", "before", "after")


def versions_of_plan(versions: Sequence[tuple[PlanVersion, Sequence[Change]]]) -> list[str]:
    """Return the later versions of a plan as Markdown, each with its reasons and what it changed; none for one version.

    Args:
        versions: every version, with what it changed of the one before.
    """
    lines = []
    for version, _ in versions[1:]:
        when = "after" if version.data_were_open else "before"
        lines += [
            f"Version {version.number} (approved at {version.checkpoint}) replaces version {version.number - 1}: "
            f"sent back at {version.sent_back_at} by {version.by} ({version.role}), {when} the real data were opened. "
            f"Reasons: {' '.join('; '.join(version.reasons).split())}",
            "",
        ]
    rows = [
        (str(version.number), change.field, change.before, change.after)
        for version, changes in versions[1:]
        for change in changes or (Change(field="nothing", before="", after=""),)
    ]
    return [*lines, *table(_HEAD, rows)] if rows else []
