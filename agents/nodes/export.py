"""Export: write the end of the study down. However it ended, the bundle shows it."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.state import StudyState


def export(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Record how the study ended and make its bundle."""
    ctx = runtime.context
    ended, reason = state["ended"], state.get("reason", "")
    data = {name: state.get(name, "") for name in ("plan", "released", "report")}
    ctx.note_once("study.ended", {"ended": ended, "reason": reason, **data})
    ctx.progress(f"the study ended: {ended}" + (f" ({reason})" if reason else ""))
    ctx.export()
    return {}
