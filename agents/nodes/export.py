"""Export: write the end of the study down. However it ended, the bundle shows it.

A study that is done has the transparency statement that was signed off. Every other one gets one here, which nobody
signed.
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.nodes._statement import make_statement_for
from counterproof.agents.state import StudyState
from counterproof.provenance.errors import VerificationFailed


def export(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Record how the study ended and make its bundle."""
    ctx = runtime.context
    ended, reason = state["ended"], state.get("reason", "")
    if ended == "done":
        _check_signed_off(ctx, state)
    else:
        make_statement_for(ctx, "")
    data = {name: state.get(name, "") for name in ("plan", "released", "report")}
    ctx.note_once("study.ended", {"ended": ended, "reason": reason, **data})
    ctx.progress(f"the study ended: {ended}" + (f" ({reason})" if reason else ""))
    ctx.export()
    return {}


def _check_signed_off(ctx: StudyContext, state: StudyState) -> None:
    """Refuse to end a study as done without a signed approval of this report, whatever the graph was told."""
    opened = [event.data["id"] for event in ctx.record.of_type("checkpoint.opened") if event.data["kind"] == "signoff"]
    signed = ctx.checkpoints.decision(opened[-1]) if opened else None
    if signed is None or signed.decision.decision != "approve":
        raise VerificationFailed(f"Study {state['study']} can't end as done: its report is not signed off.")
    if ctx.checkpoints.subject(opened[-1])["report"] != state["report"]:
        raise VerificationFailed(f"Study {state['study']} can't end as done: another report was signed off.")
