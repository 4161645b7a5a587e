"""Export: write the end of the study down. However it ended, the bundle shows it, without a set that stayed here."""

from __future__ import annotations

import shutil
from typing import Any

from langgraph.runtime import Runtime

from counterproof.agents.context import StudyContext
from counterproof.agents.state import StudyState
from counterproof.provenance.errors import VerificationFailed
from counterproof.provenance.reviewers import CheckpointKind


def export(state: StudyState, runtime: Runtime[StudyContext]) -> dict[str, Any]:
    """Record how the study ended and make its bundle."""
    ctx = runtime.context
    ended, reason = state["ended"], state.get("reason", "")
    if ended == "done":
        _check_released(ctx, state)
    else:
        shutil.rmtree(ctx.sets / state["study"], ignore_errors=True)
    data = {"plan": "", "released": state.get("released", ""), "report": ""}
    ctx.note_once("study.ended", {"ended": ended, "reason": reason, **data})
    ctx.progress(f"the study ended: {ended}" + (f" ({reason})" if reason else ""))
    ctx.export()
    return {}


def _check_released(ctx: StudyContext, state: StudyState) -> None:
    """Refuse to end a study as done without a signed approval of the release, whatever the graph was told."""
    kind = CheckpointKind.RELEASE
    opened = [event.data["id"] for event in ctx.record.of_type("checkpoint.opened") if event.data["kind"] == kind]
    signed = ctx.checkpoints.decision(opened[-1]) if opened else None
    released = ctx.record.of_type("set.released")
    if signed is None or signed.decision.decision != "approve" or not released:
        raise VerificationFailed(f"Study {state['study']} can't end as done: its set is not released.")
    if released[-1].data["checkpoint"] != opened[-1] or released[-1].ref("released").sha256 != state["released"]:
        raise VerificationFailed(f"Study {state['study']} can't end as done: another set was released.")
