"""Intake: look at the data, find identifiers, write the suppressed profile, make the twin. No model yet."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.state import StudyState
from counterproof.provenance.telemetry import span
from counterproof.tools import MARK, find_identifiers, make_profile, make_twin


def intake(_state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Make what the model may see of the data, and the twin to work on."""
    ctx = runtime.context
    ctx.progress("intake: profile, identifiers, twin")
    profiles, twins, found = [], {}, []
    for table in ctx.tables:
        with span("execute_tool profile", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "profile"}):
            findings = find_identifiers(table)
            profiles.append(make_profile(table, findings))
        with span("execute_tool twin", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "twin"}):
            twin = ctx.record.put(f"twin:{table.name}", make_twin(table, findings), media="text/csv")
        twins[table.name] = twin
        found += [{"file": table.name, "column": finding.column, "reason": finding.reason} for finding in findings]
    profile = ctx.put_json("profile", {"files": profiles})
    ctx.note_once(
        "intake.finished",
        {"identifiers": found, "synthetic_mark": MARK, "rows": {table.name: table.rows for table in ctx.tables}},
        [profile, *twins.values()],
    )
    return {"profile": profile.sha256, "twin": {name: ref.sha256 for name, ref in twins.items()}}
